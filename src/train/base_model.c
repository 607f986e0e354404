/* The model a run works on. */
#include "train/base_model.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"

enum { BLOCK = 64 << 10, MOST_BLOCKS = 1024 }; /* of a file, in its digest */

/* ---- digests ---- */

static bool is_weights(const char *name)
{
    static const char end[] = ".safetensors";
    size_t n = strlen(name);

    return n > sizeof end - 1 && strcmp(name + n - (sizeof end - 1), end) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

/* Names of the weight files of a folder, sorted, whatever the locale (owned by the caller). */
static madpo_status weight_files(char ***out, size_t *n, const char *dir, madpo_error *err)
{
    DIR *folder = opendir(dir);
    struct dirent *entry;
    madpo_status st = MADPO_OK;

    *out = NULL;
    *n = 0;
    if (!folder)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "%s", dir);
    while (st == MADPO_OK && (entry = readdir(folder)) != NULL) {
        char **grown;

        if (!is_weights(entry->d_name))
            continue;
        grown = realloc(*out, (*n + 1) * sizeof *grown);
        if (grown) {
            *out = grown;
            grown[*n] = strdup(entry->d_name);
        }
        if (!grown || !grown[*n])
            st = madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", dir);
        else
            ++*n;
    }
    closedir(folder);
    if (st == MADPO_OK && *n == 0)
        st = madpo_error_set(err, MADPO_ERR_DATA, "%s holds no weights (a .safetensors file)", dir);
    if (*n > 0)
        qsort(*out, *n, sizeof **out, by_name);
    return st;
}

/* Blocks of the file at even distances: all of them if there are no more than MOST_BLOCKS. */
static madpo_status digest_blocks(madpo_digest *digest, FILE *file, const char *path,
                                  madpo_error *err)
{
    char *block = malloc(BLOCK);
    off_t size = -1, n_blocks, n_taken;
    madpo_status st = MADPO_OK;

    if (!block)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", path);
    if (fseeko(file, 0, SEEK_END) == 0)
        size = ftello(file);
    n_blocks = (size + BLOCK - 1) / BLOCK;
    n_taken = n_blocks < MOST_BLOCKS ? n_blocks : MOST_BLOCKS;
    madpo_digest_update(digest, &(int64_t){(int64_t)size}, sizeof(int64_t));
    for (off_t i = 0; i < n_taken && st == MADPO_OK; i++) {
        /* the first and the last block are always among them */
        off_t at = n_taken > 1 ? i * (n_blocks - 1) / (n_taken - 1) * BLOCK : 0;
        size_t n = size - at < BLOCK ? (size_t)(size - at) : BLOCK;

        errno = 0;
        if (fseeko(file, at, SEEK_SET) != 0 || fread(block, 1, n, file) != n)
            st = madpo_error_errno(err, MADPO_ERR_IO, errno ? errno : EIO, "%s", path);
        else
            madpo_digest_update(digest, block, n);
    }
    if (size < 0)
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "%s", path);
    free(block);
    return st;
}

static madpo_status digest_weights(madpo_digest *digest, const char *dir, const char *name,
                                   madpo_error *err)
{
    char *path = NULL;
    FILE *file;
    madpo_status st = madpo_path_join(&path, dir, name, err);

    if (st != MADPO_OK)
        return st;
    madpo_digest_update(digest, name, strlen(name) + 1);
    file = fopen(path, "rb");
    if (file) {
        st = digest_blocks(digest, file, path, err);
        fclose(file);
    } else {
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "%s", path);
    }
    free(path);
    return st;
}

static madpo_status digest_config(madpo_digest *digest, const char *dir, const char *name,
                                  madpo_error *err)
{
    char *path = NULL, *text = NULL;
    size_t n = 0;
    madpo_status st = madpo_path_join(&path, dir, name, err);

    if (st == MADPO_OK)
        st = madpo_file_read(&text, &n, path, err);
    if (st == MADPO_OK)
        madpo_digest_update(digest, text, n + 1); /* with the terminator between the parts */
    free(text);
    free(path);
    return st;
}

static madpo_status digest_folder(char hex[MADPO_DIGEST_HEX], const char *dir, const char *config,
                                  madpo_error *err)
{
    madpo_digest *digest = NULL;
    char **names = NULL;
    size_t n = 0;
    madpo_status st = madpo_digest_new(&digest, err);

    if (st == MADPO_OK)
        st = digest_config(digest, dir, config, err);
    if (st == MADPO_OK)
        st = weight_files(&names, &n, dir, err);
    for (size_t i = 0; i < n && st == MADPO_OK; i++)
        st = digest_weights(digest, dir, names[i], err);
    if (st == MADPO_OK)
        madpo_digest_hex(digest, hex);
    names_free(names, n);
    madpo_digest_free(digest);
    return st;
}

/* ---- opening ---- */

static madpo_status absolute(char **out, const char *key, const char *path, madpo_error *err)
{
    *out = realpath(path, NULL);
    return *out ? MADPO_OK : madpo_error_errno(err, MADPO_ERR_IO, errno, "%s: %s", key, path);
}

static madpo_status open_dir(madpo_base_model *base, const madpo_options *o, madpo_error *err)
{
    bool reward = false;
    madpo_status st = absolute(&base->dir, "model.path", o->model.path, err);

    if (st == MADPO_OK && madpo_adapter_is_dir(base->dir))
        st = madpo_error_set(err, MADPO_ERR_CONFIG,
                             "model.path: %s is an adapter: give the model it was made for as "
                             "model.path and this folder as model.adapter",
                             o->model.path);
    if (st == MADPO_OK)
        st = madpo_model_config_load(&base->config, base->dir, err);
    if (st == MADPO_OK)
        st = madpo_model_config_is_reward(&reward, base->dir, err);
    if (st == MADPO_OK && reward)
        st = madpo_error_set(err, MADPO_ERR_CONFIG,
                             "model.path: %s is a reward model: give a language model",
                             o->model.path);
    if (st == MADPO_OK)
        st = madpo_model_storage_of(&base->storage, base->dir, err);
    return st == MADPO_OK ? digest_folder(base->digest, base->dir, "config.json", err) : st;
}

static madpo_status open_adapter(madpo_base_model *base, const madpo_options *o, madpo_error *err)
{
    madpo_adapter_config config;
    madpo_status st = absolute(&base->adapter, "model.adapter", o->model.adapter, err);

    if (st == MADPO_OK && !madpo_adapter_is_dir(base->adapter))
        st = madpo_error_set(err, MADPO_ERR_CONFIG,
                             "model.adapter: %s holds no adapter_config.json", o->model.adapter);
    if (st == MADPO_OK)
        st = madpo_adapter_config_load(&config, "base", base->adapter, &base->config, err);
    if (st != MADPO_OK)
        return st;
    if (config.score)
        st = madpo_error_set(err, MADPO_ERR_CONFIG,
                             "model.adapter: %s is a reward model's: give a language model's",
                             o->model.adapter);
    madpo_adapter_config_dispose(&config);
    return st == MADPO_OK
               ? digest_folder(base->adapter_digest, base->adapter, "adapter_config.json", err)
               : st;
}

madpo_status madpo_base_model_open(madpo_base_model *out, const madpo_options *options,
                                   madpo_error *err)
{
    madpo_status st = MADPO_OK;

    *out = (madpo_base_model){0};
    if (*options->model.path)
        st = open_dir(out, options, err);
    if (st == MADPO_OK && *options->model.adapter)
        st = open_adapter(out, options, err);
    if (st != MADPO_OK)
        madpo_base_model_dispose(out);
    return st;
}

void madpo_base_model_dispose(madpo_base_model *base)
{
    free(base->dir);
    free(base->adapter);
    *base = (madpo_base_model){0};
}

madpo_status madpo_base_model_tokenizer(char **out, const madpo_options *options, madpo_error *err)
{
    const char *path = options->tokenizer.path;
    madpo_status st;

    *out = NULL;
    if (*path) {
        *out = strdup(path);
        return *out ? MADPO_OK
                    : madpo_error_set(err, MADPO_ERR_NOMEM, "tokenizer: out of host memory");
    }
    if (!*options->model.path)
        return MADPO_OK;
    st = madpo_path_join(out, options->model.path, "tokenizer.json", err);
    if (st != MADPO_OK || madpo_file_exists(*out))
        return st;
    st = madpo_error_set(err, MADPO_ERR_CONFIG,
                         "%s is not there: name the model's tokenizer.json with tokenizer.path",
                         *out);
    free(*out);
    *out = NULL;
    return st;
}

/* ---- storage ---- */

madpo_dtype madpo_base_model_storage(const madpo_options *options, madpo_dtype files)
{
    static const madpo_dtype types[] = {MADPO_DTYPE_F32, MADPO_DTYPE_BF16, MADPO_DTYPE_F16};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(options->model.storage, madpo_dtype_name(types[i])) == 0)
            return types[i];
    return files;
}

/* ---- what run.json says ---- */

static void describe_sizes(madpo_strbuf *b, const madpo_options *o)
{
    madpo_strbuf_printf(
        b, "%s hidden %lld layers %lld heads %lld kv_heads %lld head_dim %lld ffn %lld",
        o->model.arch, (long long)o->model.hidden, (long long)o->model.layers,
        (long long)o->model.heads, (long long)o->model.kv_heads, (long long)o->model.head_dim,
        (long long)o->model.ffn);
    madpo_strbuf_printf(b, " window %lld pattern %lld theta %.17g %.17g eps %.17g %s vocab %lld",
                        (long long)o->model.window, (long long)o->model.window_pattern,
                        o->model.rope_theta, o->model.rope_theta_local, o->model.norm_eps,
                        o->model.tied ? "tied" : "untied", (long long)o->tokenizer.vocab);
}

static void describe_base(madpo_strbuf *b, const madpo_base_model *base, const madpo_options *o)
{
    madpo_strbuf_printf(b, "%s of %lld parameters, digest %s", base->config.arch->name,
                        (long long)madpo_model_config_parameters(&base->config, false),
                        base->digest);
    if (base->adapter)
        madpo_strbuf_printf(b, ", adapter digest %s", base->adapter_digest);
    if (o->lora.rank == 0) {
        madpo_strbuf_append(b, ", all trained");
        return;
    }
    madpo_strbuf_printf(b, ", in %s, lora rank %lld alpha %.17g%s dropout %.17g targets '%s'",
                        madpo_dtype_name(madpo_base_model_storage(o, base->storage)),
                        (long long)o->lora.rank, o->lora.alpha, o->lora.rslora ? " rslora" : "",
                        o->lora.dropout, o->lora.targets);
}

madpo_status madpo_base_model_describe(char **out, const madpo_base_model *base,
                                       const madpo_options *options, madpo_error *err)
{
    const char *tokenizer = options->tokenizer.path;
    madpo_strbuf b = {0};

    if (base->dir)
        describe_base(&b, base, options);
    else
        describe_sizes(&b, options);
    if (*tokenizer)
        madpo_strbuf_printf(&b, " tokenizer %s", tokenizer);
    return madpo_strbuf_steal(&b, out, NULL, err);
}

/* ---- configuration ---- */

/* Positions the run's texts can need. */
static int64_t positions(const madpo_options *o, bool given_prompts)
{
    int64_t generated =
        (given_prompts ? o->data.max_prompt : o->generate.prompt_tokens) + o->generate.max_new;

    return generated > o->data.max_tokens ? generated : o->data.max_tokens;
}

static void config_of_sizes(madpo_model_config *out, const madpo_options *o, const madpo_arch *arch,
                            bool given_prompts)
{
    int64_t hidden = o->model.hidden, ffn = o->model.ffn;

    madpo_model_config_defaults(out, arch);
    out->C = (int32_t)hidden;
    out->L = (int32_t)o->model.layers;
    out->H = (int32_t)o->model.heads;
    /* where one module makes q, k and v, every head has keys of its own */
    out->K = (int32_t)(arch->site[MADPO_SITE_QKV] ? o->model.heads : o->model.kv_heads);
    out->D = (int32_t)(o->model.head_dim > 0 ? o->model.head_dim : hidden / o->model.heads);
    /* a gated MLP of 8/3 the width has as many parameters as a plain one of 4; in steps of 32 */
    if (ffn == 0)
        ffn = arch->gated ? (hidden * 8 / 3 + 31) / 32 * 32 : 4 * hidden;
    out->F = (int32_t)ffn;
    out->max_positions = (int32_t)positions(o, given_prompts && arch->learned_positions);
    out->window = (int32_t)o->model.window;
    out->window_pattern = (int32_t)o->model.window_pattern;
    out->rope_theta = o->model.rope_theta;
    out->rope_theta_local = o->model.rope_theta_local;
    out->norm_eps = o->model.norm_eps;
    out->tied = o->model.tied;
}

/* The tokenizer and the lengths against the model that is there. */
static madpo_status check_fits(const madpo_model_config *config, const madpo_base_model *base,
                               const madpo_options *o, const madpo_tokenizer *tok,
                               bool given_prompts, madpo_error *err)
{
    int32_t vocab = madpo_tokenizer_vocab(tok);
    int32_t beyond = config->V; /* Gemma 3 adds a token that its embedding has no row for */
    bool samples = madpo_options_has_stage(o, "generate") || madpo_options_has_stage(o, "evaluate");
    int64_t need = samples ? positions(o, given_prompts) : o->data.max_tokens;

    while (beyond < vocab && madpo_tokenizer_is_added(tok, beyond))
        beyond++;
    if (beyond < vocab)
        return madpo_error_set(err, MADPO_ERR_MISMATCH,
                               "the tokenizer has %d tokens, the model in %s rows for %d: set "
                               "tokenizer.path to the one it was trained with",
                               (int)vocab, base->dir, (int)config->V);
    if (need > config->max_positions)
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "texts of %lld tokens are asked for (data.max_tokens, "
            "data.max_prompt + generate.max_new) but the model in %s has %d positions: lower them",
            (long long)need, base->dir, (int)config->max_positions);
    return MADPO_OK;
}

static void take_id(int32_t *id, int32_t of_tokenizer)
{
    if (*id < 0)
        *id = of_tokenizer;
}

madpo_status madpo_base_model_config(madpo_model_config *out, const madpo_base_model *base,
                                     const madpo_options *options, const madpo_tokenizer *tok,
                                     bool given_prompts, madpo_error *err)
{
    const madpo_arch *arch = madpo_arch_find(options->model.arch);
    madpo_status st = MADPO_OK;

    if (base->dir) {
        *out = base->config;
        st = check_fits(out, base, options, tok, given_prompts, err);
    } else if (!arch) {
        st = madpo_error_set(err, MADPO_ERR_CONFIG, "model.arch: unknown '%s': there are %s",
                             options->model.arch, madpo_arch_names());
    } else {
        config_of_sizes(out, options, arch, given_prompts);
        out->V = madpo_tokenizer_vocab(tok);
    }
    if (st != MADPO_OK)
        return st;
    take_id(&out->bos, madpo_tokenizer_bos(tok));
    take_id(&out->eos, madpo_tokenizer_eos(tok));
    take_id(&out->pad, madpo_tokenizer_pad(tok));
    if (!base->dir && out->bos < 0)
        return madpo_error_set(
            err, MADPO_ERR_DATA,
            "tokenizer.path: the tokenizer has no bos token, which every text begins "
            "with: use another or leave the key empty to train one");
    return madpo_model_config_check(out, err);
}
