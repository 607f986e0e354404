/* A trained model made ready for use. */
#include "train/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

enum { MAX_CHAIN = 8 }; /* adapters on adapters, before it must be a circle */

/* ---- finding the directories ---- */

/* Is there a file `name` in `dir`? */
static bool has_file(const char *dir, const char *name)
{
    char *path = NULL;
    bool has = madpo_path_join(&path, dir, name, NULL) == MADPO_OK && madpo_file_exists(path);

    free(path);
    return has;
}

/* The folder that is meant by `path`: a run's models/policy, else `path` itself (owned by the
 * caller, free()). */
static madpo_status model_folder(char **out, const char *path, madpo_error *err)
{
    madpo_status st;

    *out = NULL;
    if (!madpo_file_exists(path))
        return madpo_error_set(err, MADPO_ERR_IO,
                               "%s: no such folder; give a Hugging Face directory, an adapter's "
                               "folder or a run directory",
                               path);
    if (!has_file(path, "run.json"))
        return madpo_path_join(out, "", path, err);
    st = madpo_path_join(out, path, "models/policy", err);
    if (st != MADPO_OK || madpo_dir_exists(*out))
        return st;
    free(*out);
    *out = NULL;
    return madpo_error_set(err, MADPO_ERR_DATA,
                           "%s: this run has no models/policy yet; name one of its models, such as "
                           "%s/models/sft",
                           path, path);
}

static madpo_status add_adapter(madpo_opened *m, const char *dir, madpo_error *err)
{
    char **grown = realloc(m->adapter_dir, (m->n_adapters + 1) * sizeof *grown);

    if (!grown)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", dir);
    m->adapter_dir = grown;
    grown[m->n_adapters] = strdup(dir);
    if (!grown[m->n_adapters])
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", dir);
    m->n_adapters++;
    return MADPO_OK;
}

/* The base that an adapter's folder names, as a local directory (owned by the caller, free()). */
static madpo_status adapter_base(char **out, const char *dir, madpo_error *err)
{
    char *name = NULL, *path = NULL;
    madpo_status st = madpo_adapter_base(&name, dir, err);

    *out = NULL;
    if (st == MADPO_OK && (!name || !*name))
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "%s/adapter_config.json names no base model; give the base's "
                             "directory as the model and this folder with --adapter",
                             dir);
    if (st == MADPO_OK)
        st = madpo_path_join(&path, dir, name, err);
    if (st == MADPO_OK && madpo_dir_exists(path)) {
        *out = path;
        path = NULL;
    } else if (st == MADPO_OK && madpo_dir_exists(name)) {
        *out = name;
        name = NULL;
    } else if (st == MADPO_OK) {
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "%s: its base model \"%s\" is no local directory; give the base's "
                             "directory as the model and this folder with --adapter",
                             dir, name);
    }
    free(path);
    free(name);
    return st;
}

static madpo_status find_base(madpo_opened *m, const char *path, int depth, madpo_error *err)
{
    char *dir = NULL, *base = NULL;
    madpo_status st = model_folder(&dir, path, err);

    if (st == MADPO_OK && madpo_adapter_is_dir(dir)) {
        if (depth == MAX_CHAIN)
            st = madpo_error_set(err, MADPO_ERR_DATA,
                                 "%s: more than %d adapters that name each other as base; "
                                 "base_model_name_or_path goes in a circle",
                                 dir, MAX_CHAIN);
        if (st == MADPO_OK)
            st = adapter_base(&base, dir, err);
        if (st == MADPO_OK)
            st = find_base(m, base, depth + 1, err);
        if (st == MADPO_OK)
            st = add_adapter(m, dir, err);
    } else if (st == MADPO_OK && has_file(dir, "config.json")) {
        m->dir = dir;
        dir = NULL;
    } else if (st == MADPO_OK) {
        st = madpo_error_set(err, MADPO_ERR_IO,
                             "%s: holds no model: neither config.json nor adapter_config.json nor "
                             "run.json is in it",
                             dir);
    }
    free(base);
    free(dir);
    return st;
}

static madpo_status find_adapter(madpo_opened *m, const char *path, madpo_error *err)
{
    char *dir = NULL;
    madpo_status st = model_folder(&dir, path, err);

    if (st == MADPO_OK && !madpo_adapter_is_dir(dir))
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "%s: no adapter: there is no adapter_config.json in it", dir);
    if (st == MADPO_OK)
        st = add_adapter(m, dir, err);
    free(dir);
    return st;
}

/* As madpo_tokenizer_load takes a folder: plain or gz. */
static bool has_plain_or_gz(const char *dir, const char *name)
{
    char gz[32];

    snprintf(gz, sizeof gz, "%s.gz", name);
    return has_file(dir, name) || has_file(dir, gz);
}

/* tokenizer.json, or GPT-2's two files. */
static bool has_tokenizer(const char *dir)
{
    return has_plain_or_gz(dir, "tokenizer.json") ||
           (has_plain_or_gz(dir, "vocab.json") && has_plain_or_gz(dir, "merges.txt"));
}

/* The tokenizer of the base, else of an adapter, the last one first. */
static madpo_status find_tokenizer(madpo_opened *m, madpo_error *err)
{
    const char *dir = has_tokenizer(m->dir) ? m->dir : NULL;

    for (size_t i = m->n_adapters; i > 0 && !dir; i--)
        if (has_tokenizer(m->adapter_dir[i - 1]))
            dir = m->adapter_dir[i - 1];
    return dir ? madpo_path_join(&m->tokenizer, "", dir, err) : MADPO_OK;
}

static madpo_status find_all(madpo_opened *m, const madpo_open_options *o, madpo_error *err)
{
    madpo_status st = find_base(m, o->model, 0, err);

    for (size_t i = 0; i < o->n_adapters && st == MADPO_OK; i++)
        st = find_adapter(m, o->adapter[i], err);
    return st == MADPO_OK ? find_tokenizer(m, err) : st;
}

/* ---- reading what is there ---- */

static madpo_status read_storage(madpo_opened *m, const char *name, madpo_error *err)
{
    static const madpo_dtype types[] = {MADPO_DTYPE_F32, MADPO_DTYPE_BF16, MADPO_DTYPE_F16};

    if (!name || strcmp(name, "auto") == 0)
        return madpo_model_storage_of(&m->storage, m->dir, err);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(name, madpo_dtype_name(types[i])) == 0) {
            m->storage = types[i];
            return MADPO_OK;
        }
    return madpo_error_set(err, MADPO_ERR_USAGE,
                           "--storage takes f32, bf16, f16 or auto, not \"%s\"", name);
}

static madpo_status read_adapters(madpo_opened *m, madpo_error *err)
{
    size_t n = m->n_adapters;
    madpo_status st = MADPO_OK;

    m->adapter = calloc(n + 1, sizeof *m->adapter);
    m->slot = calloc(n + 1, sizeof *m->slot);
    if (!m->adapter || !m->slot)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "adapters: out of host memory");
    for (size_t i = 0; i < n && st == MADPO_OK; i++) {
        char name[32];

        snprintf(name, sizeof name, "adapter%zu", i + 1);
        st = madpo_adapter_config_load(&m->adapter[i], name, m->adapter_dir[i], &m->config, err);
        m->slot[i] = (madpo_adapter_slot){.config = &m->adapter[i]};
        m->reward = m->reward || (st == MADPO_OK && m->adapter[i].score);
    }
    return st;
}

static madpo_status read_files(madpo_opened *m, const madpo_open_options *o, madpo_error *err)
{
    madpo_status st = madpo_model_config_load(&m->config, m->dir, err);

    if (st == MADPO_OK)
        st = madpo_model_config_is_reward(&m->reward, m->dir, err);
    if (st == MADPO_OK)
        st = read_adapters(m, err);
    if (st == MADPO_OK)
        st = read_storage(m, o->storage, err);
    if (st == MADPO_OK && m->tokenizer)
        st = madpo_tokenizer_load(&m->tok, m->tokenizer, err);
    return st;
}

madpo_status madpo_open_files(madpo_opened *out, const madpo_open_options *options,
                              madpo_error *err)
{
    madpo_status st = MADPO_OK;

    *out = (madpo_opened){0};
    madpo_device_options_defaults(&out->device_options);
    out->device_options.memory_limit_bytes = options->memory_limit_bytes;
    if (options->device) {
        out->device_select = strdup(options->device);
        out->device_options.select = out->device_select;
        if (!out->device_select)
            st = madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", options->model);
    }
    if (st == MADPO_OK)
        st = find_all(out, options, err);
    if (st == MADPO_OK)
        st = read_files(out, options, err);
    if (st != MADPO_OK)
        madpo_opened_dispose(out);
    return st;
}

/* ---- the model on its device ---- */

madpo_status madpo_open_plan(madpo_opened *m, const madpo_model_options *limits, const char *remedy,
                             char *line, size_t size, madpo_error *err)
{
    madpo_memory_plan plan;
    madpo_status st = MADPO_OK;

    m->model_options = *limits;
    m->model_options.storage = m->storage;
    m->model_options.reward_head = m->reward;
    m->model_options.adapters = m->slot;
    m->model_options.n_adapters = (int)m->n_adapters;
    if (!m->dev)
        st = madpo_device_open(&m->dev, &m->device_options, err);
    if (st == MADPO_OK)
        st = madpo_model_plan(&plan, m->dev, &m->config, &m->model_options, err);
    if (st != MADPO_OK)
        return st;
    madpo_memory_plan_format(&plan, &m->model_options, line, size);
    if (plan.total > plan.available)
        return madpo_error_set(err, MADPO_ERR_MEMORY,
                               "the model does not fit into device memory: %s (%s)", remedy, line);
    return MADPO_OK;
}

madpo_status madpo_open_load(madpo_opened *m, madpo_error *err)
{
    madpo_status st = madpo_model_new(&m->model, m->dev, &m->config, &m->model_options, err);

    if (st == MADPO_OK)
        st = madpo_model_load(m->model, m->dir, 0, err);
    for (size_t i = 0; i < m->n_adapters && st == MADPO_OK; i++)
        st = madpo_model_adapter_load(m->model, (int)i, m->adapter_dir[i], err);
    return st;
}

void madpo_opened_dispose(madpo_opened *m)
{
    madpo_model_free(m->model);
    madpo_device_close(m->dev);
    madpo_tokenizer_free(m->tok);
    for (size_t i = 0; i < m->n_adapters; i++) {
        free(m->adapter_dir[i]);
        if (m->adapter)
            madpo_adapter_config_dispose(&m->adapter[i]);
    }
    free(m->adapter_dir);
    free(m->adapter);
    free(m->slot);
    free(m->device_select);
    free(m->tokenizer);
    free(m->dir);
    *m = (madpo_opened){0};
}

/* ---- text ---- */

madpo_status madpo_open_tokenizer(madpo_tokenizer **out, const char *path, madpo_error *err)
{
    madpo_opened m = {0};
    madpo_status st;

    *out = NULL;
    if (has_tokenizer(path) || (madpo_file_exists(path) && !madpo_dir_exists(path)))
        return madpo_tokenizer_load(out, path, err);
    st = find_all(&m, &(madpo_open_options){.model = path}, err);
    if (st == MADPO_OK && !m.tokenizer)
        st = madpo_error_set(err, MADPO_ERR_IO, "%s: there is no tokenizer.json in it", path);
    if (st == MADPO_OK)
        st = madpo_tokenizer_load(out, m.tokenizer, err);
    madpo_opened_dispose(&m);
    return st;
}

madpo_status madpo_opened_encode(const madpo_opened *m, const char *text, size_t n, bool add,
                                 madpo_ids *out, madpo_error *err)
{
    madpo_status st;

    out->n = 0;
    st = add ? madpo_tokenizer_encode_with_specials(m->tok, text, n, true, out, err)
             : madpo_tokenizer_encode(m->tok, text, n, true, out, err);
    for (size_t i = 0; i < out->n && st == MADPO_OK; i++)
        if (out->v[i] >= m->config.V)
            st = madpo_error_set(err, MADPO_ERR_MISMATCH,
                                 "the text has token %ld, but the model knows only %ld: %s has not "
                                 "this model's tokenizer",
                                 (long)out->v[i], (long)m->config.V, m->tokenizer);
    return st;
}
