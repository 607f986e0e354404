/* Model directories of one or many safetensors files; see model/shards.h. */
#include "model/shards.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

typedef struct shard_tensor {
    const madpo_safetensor *tensor;
    size_t file; /* which shard holds it */
} shard_tensor;

struct madpo_shards {
    char *path;               /* of the single file or of the index */
    char **file_path;         /* [n_files] owned */
    madpo_safetensors **file; /* [n_files] owned */
    size_t n_files;
    shard_tensor *v; /* [n] by name */
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    const shard_tensor *x = a, *y = b;

    return strcmp(x->tensor->name, y->tensor->name);
}

static madpo_status no_memory(const char *what, madpo_error *err)
{
    return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", what);
}

/* All files' tensors in one list; a name must not come twice. */
static madpo_status collect(madpo_shards *s, madpo_error *err)
{
    size_t n = 0;

    for (size_t f = 0; f < s->n_files; f++)
        n += madpo_safetensors_count(s->file[f]);
    s->v = calloc(n + 1, sizeof *s->v);
    if (!s->v)
        return no_memory(s->path, err);
    for (size_t f = 0; f < s->n_files; f++)
        for (size_t i = 0; i < madpo_safetensors_count(s->file[f]); i++)
            s->v[s->n++] = (shard_tensor){madpo_safetensors_at(s->file[f], i), f};
    qsort(s->v, s->n, sizeof *s->v, by_name);
    for (size_t i = 1; i < s->n; i++)
        if (by_name(&s->v[i - 1], &s->v[i]) == 0)
            return madpo_error_set(err, MADPO_ERR_DATA, "tensor '%s' is both in %s and in %s",
                                   s->v[i].tensor->name, s->file_path[s->v[i - 1].file],
                                   s->file_path[s->v[i].file]);
    return MADPO_OK;
}

/* Open one more file. */
static madpo_status add_file(madpo_shards *s, const char *path, madpo_error *err)
{
    char **paths = realloc(s->file_path, (s->n_files + 1) * sizeof *paths);
    madpo_safetensors **files;

    if (paths)
        s->file_path = paths;
    files = realloc(s->file, (s->n_files + 1) * sizeof *files);
    if (files)
        s->file = files;
    if (!paths || !files)
        return no_memory(path, err);
    s->file[s->n_files] = NULL;
    s->file_path[s->n_files] = strdup(path);
    if (!s->file_path[s->n_files++])
        return no_memory(path, err);
    return madpo_safetensors_open(&s->file[s->n_files - 1], path, err);
}

/* Number of the shard of this name, opened at its first mention. */
static madpo_status shard_of(size_t *out, madpo_shards *s, const char *dir, const char *name,
                             madpo_error *err)
{
    char *path = NULL;
    madpo_status st;

    *out = 0;
    if (strchr(name, '/') || name[0] == '\0' || strcmp(name, "..") == 0)
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: '%s' is no file name", s->path, name);
    st = madpo_path_join(&path, dir, name, err);
    while (st == MADPO_OK && *out < s->n_files && strcmp(s->file_path[*out], path) != 0)
        *out += 1;
    if (st == MADPO_OK && *out == s->n_files) {
        if (!madpo_file_exists(path))
            st = madpo_error_set(err, MADPO_ERR_IO,
                                 "%s names the shard %s, which is not there; download it again",
                                 s->path, name);
        else
            st = add_file(s, path, err);
    }
    free(path);
    return st;
}

/* What the index says against what the shards hold. */
static madpo_status check_map(const madpo_shards *s, const json_t *map, madpo_error *err)
{
    for (size_t i = 0; i < s->n; i++) {
        const char *name = s->v[i].tensor->name, *path = s->file_path[s->v[i].file];
        const char *told = json_string_value(json_object_get(map, name));
        const char *slash = strrchr(path, '/');

        if (!told)
            return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s' is not in %s", path, name,
                                   s->path);
        if (strcmp(told, slash ? slash + 1 : path) != 0)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "%s: tensor '%s' is in this shard, but %s says %s", path, name,
                                   s->path, told);
    }
    return MADPO_OK;
}

static madpo_status open_map(madpo_shards *s, const char *dir, json_t *map, madpo_error *err)
{
    const char *name;
    json_t *value;
    madpo_status st = MADPO_OK;

    json_object_foreach(map, name, value)
    {
        const char *file = json_string_value(value);
        size_t f;

        if (!file)
            return madpo_error_set(err, MADPO_ERR_DATA, "%s: the file of tensor '%s' is no string",
                                   s->path, name);
        st = shard_of(&f, s, dir, file, err);
        if (st != MADPO_OK)
            return st;
    }
    st = collect(s, err);
    if (st == MADPO_OK)
        st = check_map(s, map, err);
    if (st != MADPO_OK)
        return st;
    json_object_foreach(map, name, value)
    {
        if (madpo_shards_find(s, name) == s->n)
            return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s' is not in the shard %s",
                                   s->path, name, json_string_value(value));
    }
    return MADPO_OK;
}

static madpo_status open_index(madpo_shards *s, const char *dir, madpo_error *err)
{
    json_t *o = NULL, *map = NULL;
    madpo_status st = madpo_json_load(&o, s->path, err);

    if (st == MADPO_OK)
        st = madpo_json_get_object(&map, o, "weight_map", s->path, err);
    if (st == MADPO_OK)
        st = open_map(s, dir, map, err);
    json_decref(o);
    return st;
}

/* Neither file is there: say what is. */
static madpo_status nothing(const char *dir, madpo_error *err)
{
    static const char *const others[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
                                         "tf_model.h5", "flax_model.msgpack"};
    char *path = NULL;
    madpo_status st = MADPO_OK;

    for (size_t i = 0; st == MADPO_OK && i < sizeof others / sizeof others[0]; i++) {
        st = madpo_path_join(&path, dir, others[i], err);
        if (st == MADPO_OK && madpo_file_exists(path))
            st = madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                                 "%s: only safetensors are read; convert it with transformers "
                                 "(from_pretrained, then save_pretrained)",
                                 path);
        free(path);
        path = NULL;
    }
    if (st == MADPO_OK)
        st = madpo_error_set(err, MADPO_ERR_IO,
                             "%s: there is neither model.safetensors nor "
                             "model.safetensors.index.json",
                             dir);
    return st;
}

static madpo_status open_all(madpo_shards *s, const char *dir, madpo_error *err)
{
    madpo_status st = madpo_path_join(&s->path, dir, "model.safetensors", err);

    if (st != MADPO_OK)
        return st;
    if (madpo_file_exists(s->path)) {
        st = add_file(s, s->path, err);
        return st == MADPO_OK ? collect(s, err) : st;
    }
    free(s->path);
    s->path = NULL;
    st = madpo_path_join(&s->path, dir, "model.safetensors.index.json", err);
    if (st != MADPO_OK)
        return st;
    return madpo_file_exists(s->path) ? open_index(s, dir, err) : nothing(dir, err);
}

madpo_status madpo_shards_open(madpo_shards **out, const char *dir, madpo_error *err)
{
    madpo_shards *s = calloc(1, sizeof *s);
    madpo_status st;

    *out = NULL;
    if (!s)
        return no_memory(dir, err);
    st = open_all(s, dir, err);
    if (st == MADPO_OK)
        *out = s;
    else
        madpo_shards_close(s);
    return st;
}

size_t madpo_shards_count(const madpo_shards *s)
{
    return s->n;
}

const madpo_safetensor *madpo_shards_at(const madpo_shards *s, size_t i, const char **path)
{
    if (i >= s->n)
        return NULL;
    if (path)
        *path = s->file_path[s->v[i].file];
    return s->v[i].tensor;
}

size_t madpo_shards_find(const madpo_shards *s, const char *name)
{
    size_t low = 0, high = s->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(s->v[mid].tensor->name, name);

        if (order == 0)
            return mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return s->n;
}

const char *madpo_shards_path(const madpo_shards *s)
{
    return s->path;
}

void madpo_shards_close(madpo_shards *s)
{
    if (!s)
        return;
    for (size_t f = 0; f < s->n_files; f++) {
        madpo_safetensors_close(s->file[f]);
        free(s->file_path[f]);
    }
    free(s->file);
    free(s->file_path);
    free(s->v);
    free(s->path);
    free(s);
}
