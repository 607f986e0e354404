/* Saving the base as a Hugging Face directory: tensor by tensor in the files' layout, in one
 * safetensors file or in shards with an index. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/io_inside.h"

#define SAVE_SHARD_BYTES 5000000000u /* transformers' default */
#define SAVE_COPY_BYTES  (4 << 20)   /* a licence is not larger */

/* ---- every tensor as files hold it ---- */

/* Behind the last row of the table that is part of the same tensor of the file as row i. */
static size_t group_end(const madpo_model *m, size_t i)
{
    size_t j = i + 1;

    while (j < m->n_tensors && strcmp(m->tensor[j].file, m->tensor[i].file) == 0)
        j++;
    return j;
}

/* Put our tensor's rows where they lie in the file's. */
static void scatter(const madpo_model *m, size_t i, float *to, const float *from)
{
    const madpo_model_tensor *t = &m->tensor[i];
    const int64_t cols = t->n_dims == 2 ? t->shape[1] : 1;

    for (int64_t r = 0; r < t->shape[0]; r++) {
        const int64_t begin = madpo__weight_file_at(m, i, r, 0);
        const int64_t step = cols > 1 ? madpo__weight_file_at(m, i, r, 1) - begin : 1;

        for (int64_t c = 0; c < cols; c++)
            to[begin + c * step] = from[r * cols + c];
    }
}

static madpo_status visit_group(madpo_model *m, size_t first, size_t end, bool grads,
                                madpo_model_visit visit, void *user, madpo_error *err)
{
    madpo_safetensor s = {.name = m->tensor[first].file, .dtype = "F32"};
    float *whole, *part;
    int64_t n = 0;
    madpo_status st = MADPO_OK;

    for (size_t i = first; i < end; i++)
        n += m->tensor[i].n;
    whole = malloc(sizeof *whole * (size_t)n);
    part = m->tensor[first].layout == MADPO_LAYOUT_PLAIN
               ? whole
               : malloc(sizeof *part * (size_t)m->tensor[first].n);
    if (!whole || !part)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", s.name);
    for (size_t i = first; st == MADPO_OK && i < end; i++) {
        const madpo_model_tensor *t = &m->tensor[i];

        st = madpo__tensor_get(m, grads ? t->grad : t->weight, part, t->n, err);
        if (st == MADPO_OK && part != whole)
            scatter(m, i, whole, part);
    }
    madpo__weight_file_shape(m, first, &s.n_dims, s.shape);
    s.data = whole;
    s.bytes = sizeof *whole * (uint64_t)n;
    if (st == MADPO_OK)
        st = visit(user, &s, err);
    if (part != whole)
        free(part);
    free(whole);
    return st;
}

madpo_status madpo_model_each(madpo_model *m, bool grads, madpo_model_visit visit, void *user,
                              madpo_error *err)
{
    madpo_status st = MADPO_OK;
    size_t end;

    for (size_t i = 0; st == MADPO_OK && i < m->n_tensors; i = end) {
        end = group_end(m, i);
        if (!grads || !madpo_tensor_is_none(m->tensor[i].grad))
            st = visit_group(m, i, end, grads, visit, user, err);
    }
    return st;
}

/* ---- writing them ---- */

typedef struct saver {
    madpo_model *m;
    const char *dir;
    madpo_safetensor *list; /* [n] what will be written, without data */
    size_t *shard;          /* [n] which file it goes to */
    size_t n, n_shards;
    uint64_t bytes; /* of all tensors */
    size_t at;      /* next of the list */
    madpo_safetensors_writer *file;
    unsigned char *narrow; /* [MADPO__PIECE] */
} saver;

/* The reward head stays f32: it was trained so. All else has one type, as transformers writes it.
 */
static madpo_dtype saved_dtype(const madpo_model *m, size_t i)
{
    bool score = strcmp(m->tensor[i].file, "score.weight") == 0;

    return score ? MADPO_DTYPE_F32 : m->tensor[0].weight.dtype;
}

static void file_name(char out[64], size_t shard, size_t n_shards)
{
    if (n_shards == 1)
        snprintf(out, 64, "model.safetensors");
    else
        snprintf(out, 64, "model-%05zu-of-%05zu.safetensors", shard + 1, n_shards);
}

/* Greedily in order; a tensor larger than a shard has one of its own. */
static madpo_status plan_files(saver *x, uint64_t shard_bytes, madpo_error *err)
{
    const madpo_model *m = x->m;
    uint64_t in_shard = 0;

    x->list = calloc(m->n_tensors + 1, sizeof *x->list);
    x->shard = calloc(m->n_tensors + 1, sizeof *x->shard);
    x->narrow = malloc(4 * (size_t)MADPO__PIECE);
    if (!x->list || !x->shard || !x->narrow)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory saving %s", x->dir);
    for (size_t i = 0, end; i < m->n_tensors; i = end) {
        madpo_safetensor *s = &x->list[x->n];
        madpo_dtype dtype = saved_dtype(m, i);

        end = group_end(m, i);
        *s = (madpo_safetensor){.name = m->tensor[i].file, .dtype = madpo__file_dtype_name(dtype)};
        madpo__weight_file_shape(m, i, &s->n_dims, s->shape);
        for (size_t j = i; j < end; j++)
            s->bytes += madpo_dtype_bytes(dtype) * (uint64_t)m->tensor[j].n;
        if (in_shard > 0 && in_shard + s->bytes > shard_bytes) {
            x->n_shards++;
            in_shard = 0;
        }
        in_shard += s->bytes;
        x->bytes += s->bytes;
        x->shard[x->n++] = x->n_shards;
    }
    x->n_shards++;
    return MADPO_OK;
}

static madpo_status close_file(saver *x, madpo_error *err)
{
    madpo_safetensors_writer *file = x->file;

    x->file = NULL;
    return file ? madpo_safetensors_writer_commit(file, err) : MADPO_OK;
}

/* Begin the file that tensor x->at is the first of. */
static madpo_status next_file(saver *x, madpo_error *err)
{
    size_t n = 1;
    char name[64], *path = NULL;
    madpo_status st = close_file(x, err);

    while (x->at + n < x->n && x->shard[x->at + n] == x->shard[x->at])
        n++;
    file_name(name, x->shard[x->at], x->n_shards);
    if (st == MADPO_OK)
        st = madpo_path_join(&path, x->dir, name, err);
    if (st == MADPO_OK)
        st = madpo_safetensors_writer_open(&x->file, path, x->list + x->at, n, err);
    free(path);
    return st;
}

static madpo_status save_one(void *user, const madpo_safetensor *s, madpo_error *err)
{
    saver *x = user;
    const float *from = s->data;
    size_t n = (size_t)(s->bytes / sizeof *from);
    madpo_dtype dtype = MADPO_DTYPE_F32;
    madpo_status st = MADPO_OK;

    (void)madpo__file_dtype(&dtype, x->list[x->at].dtype);
    if (x->at == 0 || x->shard[x->at] != x->shard[x->at - 1])
        st = next_file(x, err);
    for (size_t i = 0; st == MADPO_OK && i < n; i += MADPO__PIECE) {
        size_t some = n - i < MADPO__PIECE ? n - i : MADPO__PIECE;

        madpo__narrow(x->narrow, from + i, dtype, some);
        st = madpo_safetensors_writer_write(x->file, x->narrow, some * madpo_dtype_bytes(dtype),
                                            err);
    }
    x->at++;
    return st;
}

static madpo_status save_index(const saver *x, madpo_error *err)
{
    json_t *map = json_object();
    json_t *o = json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)x->bytes,
                          "weight_map", map);
    char *path = NULL;
    bool failed = !o;
    madpo_status st;

    for (size_t i = 0; !failed && i < x->n; i++) {
        char name[64];

        file_name(name, x->shard[i], x->n_shards);
        failed = json_object_set_new(map, x->list[i].name, json_string(name)) != 0;
    }
    if (failed)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory saving %s", x->dir);
    else
        st = madpo_path_join(&path, x->dir, "model.safetensors.index.json", err);
    if (st == MADPO_OK)
        st = madpo_json_save(o, path, err);
    json_decref(o);
    free(path);
    return st;
}

/* Weights that an earlier save left under other names, and that loaders would take instead. */
static madpo_status remove_stale(const saver *x, madpo_error *err)
{
    DIR *d = opendir(x->dir);
    struct dirent *entry;
    char end[40];
    madpo_status st = MADPO_OK;

    snprintf(end, sizeof end, "-of-%05zu.safetensors", x->n_shards);
    while (st == MADPO_OK && d && (entry = readdir(d))) {
        const char *name = entry->d_name;
        char *path = NULL;
        size_t n = strlen(name);
        int a, b, used = 0;
        bool shard = sscanf(name, "model-%5d-of-%5d.safetensors%n", &a, &b, &used) == 2 &&
                     used > 0 && (size_t)used == n;
        bool stale = x->n_shards == 1 ? shard || strcmp(name, "model.safetensors.index.json") == 0
                                      : strcmp(name, "model.safetensors") == 0 ||
                                            (shard && strcmp(name + n - strlen(end), end) != 0);

        if (!stale)
            continue;
        st = madpo_path_join(&path, x->dir, name, err);
        if (st == MADPO_OK)
            unlink(path);
        free(path);
    }
    if (d)
        closedir(d);
    return st;
}

/* ---- files beside the weights ---- */

/* What belongs to the base whoever holds it: how to generate, and on which terms. Tokenizers are
 * their owners' to write. */
static bool is_companion(const char *name)
{
    return strcmp(name, "generation_config.json") == 0 || strncasecmp(name, "licen", 5) == 0 ||
           strncasecmp(name, "notice", 6) == 0 || strncasecmp(name, "use_policy", 10) == 0;
}

static madpo_status copy_one(const char *from, const char *to, madpo_error *err)
{
    struct stat a, b;
    char *bytes;
    size_t n;
    madpo_status st;

    if (stat(from, &a) != 0 || !S_ISREG(a.st_mode) || a.st_size > SAVE_COPY_BYTES)
        return MADPO_OK;
    if (stat(to, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return MADPO_OK;
    st = madpo_file_read(&bytes, &n, from, err);
    if (st == MADPO_OK)
        st = madpo_file_write(to, bytes, n, err);
    free(bytes);
    return st;
}

static madpo_status copy_companions(const char *source, const char *dir, madpo_error *err)
{
    DIR *d = source ? opendir(source) : NULL; /* gone in the meantime: nothing to copy */
    struct dirent *entry;
    madpo_status st = MADPO_OK;

    while (st == MADPO_OK && d && (entry = readdir(d))) {
        char *from = NULL, *to = NULL;

        if (!is_companion(entry->d_name))
            continue;
        st = madpo_path_join(&from, source, entry->d_name, err);
        if (st == MADPO_OK)
            st = madpo_path_join(&to, dir, entry->d_name, err);
        if (st == MADPO_OK)
            st = copy_one(from, to, err);
        free(from);
        free(to);
    }
    if (d)
        closedir(d);
    return st;
}

madpo_status madpo__model_save(madpo_model *m, const char *dir, uint64_t shard_bytes,
                               madpo_error *err)
{
    saver x = {.m = m, .dir = dir};
    madpo_status st = madpo_dir_make(dir, err);

    if (st == MADPO_OK)
        st = plan_files(&x, shard_bytes, err);
    if (st == MADPO_OK)
        st = madpo_model_each(m, false, save_one, &x, err);
    if (st == MADPO_OK)
        st = close_file(&x, err);
    if (st == MADPO_OK && x.n_shards > 1)
        st = save_index(&x, err);
    if (st == MADPO_OK)
        st = remove_stale(&x, err);
    if (st == MADPO_OK)
        st = copy_companions(m->source_dir, dir, err);
    if (st == MADPO_OK)
        st = madpo_model_config_save(&m->config, m->options.reward_head,
                                     madpo__torch_dtype_name(m->tensor[0].weight.dtype),
                                     m->source_dir, dir, err);
    madpo_safetensors_writer_abort(x.file);
    free(x.list);
    free(x.shard);
    free(x.narrow);
    return st;
}

madpo_status madpo_model_save(madpo_model *m, const char *dir, madpo_error *err)
{
    return madpo__model_save(m, dir, SAVE_SHARD_BYTES, err);
}
