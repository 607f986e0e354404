/* Reading safetensors files. Nothing of the file is believed before it is checked: a header can
 * claim any size, offset or shape. The data is mapped, not copied, and may be unaligned. */
#include "model/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/json.h"

#define SAFETENSORS_HEADER_MAX 100000000u /* the format's own limit */

struct madpo_safetensors {
    char *path;
    unsigned char *map;
    size_t size;
    const unsigned char *data; /* of the buffer behind the header */
    size_t data_bytes;
    json_t *header; /* names and dtypes live here */
    madpo_safetensor *v;
    madpo_safetensor **by_name; /* [n] sorted */
    size_t n;
};

/* Whole-byte types of the format, and their size. */
static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
    {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"F8_E8M0", 1},
    {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},     {"U32", 4},
    {"F32", 4},  {"I64", 8}, {"U64", 8}, {"F64", 8},     {"C64", 8},
};

/* Types of the format that share bytes: nothing that this program could read. */
static const char *const sub_byte[] = {"F4", "F6_E2M3", "F6_E3M2"};

/* 0 if unknown; *name becomes the table's own constant. */
static size_t dtype_bytes(const char **name)
{
    for (size_t i = 0; *name && i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].name, *name) == 0) {
            *name = dtypes[i].name;
            return dtypes[i].bytes;
        }
    return 0;
}

static madpo_status map_file(madpo_safetensors *st, madpo_error *err)
{
    int fd = open(st->path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    void *map;

    if (fd < 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot open %s", st->path);
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return madpo_error_set(err, MADPO_ERR_IO, "%s is not a regular file", st->path);
    }
    if (info.st_size < 8) {
        close(fd);
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: truncated: %lld bytes, the header's length alone takes 8",
                               st->path, (long long)info.st_size);
    }
    map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot map %s", st->path);
    st->map = map;
    st->size = (size_t)info.st_size;
    return MADPO_OK;
}

static madpo_status read_header(madpo_safetensors *st, madpo_error *err)
{
    uint64_t n = 0;
    json_error_t why;
    const char *text = (const char *)st->map + 8;

    for (int i = 7; i >= 0; i--)
        n = n << 8 | st->map[i];
    if (n > SAFETENSORS_HEADER_MAX)
        return madpo_error_set(
            err, MADPO_ERR_DATA,
            "%s: a header of %llu bytes is beyond the format's limit of %u; this is "
            "no safetensors file",
            st->path, (unsigned long long)n, SAFETENSORS_HEADER_MAX);
    if (n > st->size - 8)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: truncated: a header of %llu bytes in a file of %zu", st->path,
                               (unsigned long long)n, st->size);
    if (n == 0 || text[0] != '{')
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: the header does not begin with '{'",
                               st->path);
    /* no JSON_ALLOW_NUL: a name with a NUL in it would be two names */
    st->header = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &why);
    if (!st->header)
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: invalid header: %s", st->path, why.text);
    st->data = st->map + 8 + n;
    st->data_bytes = st->size - 8 - (size_t)n;
    return MADPO_OK;
}

static madpo_status check_metadata(const madpo_safetensors *st, json_t *metadata, madpo_error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(metadata))
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: __metadata__ is not an object", st->path);
    json_object_foreach(metadata, key, value) if (!json_is_string(value)) return madpo_error_set(
        err, MADPO_ERR_DATA, "%s: __metadata__ '%s' is not a string", st->path, key);
    return MADPO_OK;
}

/* A non-negative integer member of an array. */
static bool get_size(size_t *out, const json_t *array, size_t i)
{
    const json_t *v = json_array_get(array, i);

    *out = 0;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *out = (size_t)json_integer_value(v);
    return true;
}

static madpo_status read_shape(madpo_safetensor *t, size_t *n, const json_t *shape,
                               const char *path, madpo_error *err)
{
    size_t dims = json_array_size(shape);

    if (!json_is_array(shape))
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s': shape is not an array", path,
                               t->name);
    /* more of them than we keep is fine for a tensor that nobody asks for */
    t->n_dims = dims > MADPO_SAFETENSORS_DIMS ? -1 : (int)dims;
    for (size_t i = 0; i < dims; i++) {
        size_t d;

        if (!get_size(&d, shape, i))
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "%s: tensor '%s': shape holds something other than sizes", path,
                                   t->name);
        if (t->n_dims >= 0)
            t->shape[i] = (int64_t)d;
        if (!madpo_checked_mul(n, *n, d))
            return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s': the shape overflows",
                                   path, t->name);
    }
    return MADPO_OK;
}

static madpo_status read_entry(madpo_safetensors *st, madpo_safetensor *t, json_t *entry,
                               madpo_error *err)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    size_t n = 1, begin, end, bytes;
    madpo_status status;

    if (!json_is_object(entry))
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s' is not an object", st->path,
                               t->name);
    t->dtype = json_string_value(json_object_get(entry, "dtype"));
    bytes = dtype_bytes(&t->dtype);
    for (size_t i = 0; t->dtype && i < sizeof sub_byte / sizeof sub_byte[0]; i++)
        if (strcmp(t->dtype, sub_byte[i]) == 0)
            return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                                   "%s: tensor '%s' is stored as %s, less than a byte an element; "
                                   "use a model of F32, F16 or BF16",
                                   st->path, t->name, t->dtype);
    if (bytes == 0)
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s': unknown dtype '%s'", st->path,
                               t->name, t->dtype ? t->dtype : "");
    status = read_shape(t, &n, json_object_get(entry, "shape"), st->path, err);
    if (status != MADPO_OK)
        return status;
    if (!madpo_checked_mul(&bytes, bytes, n))
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s': the shape overflows",
                               st->path, t->name);
    if (json_array_size(offsets) != 2 || !get_size(&begin, offsets, 0) ||
        !get_size(&end, offsets, 1))
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: tensor '%s': data_offsets are not two offsets", st->path,
                               t->name);
    if (begin > end || end > st->data_bytes)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: tensor '%s': bytes %zu..%zu are outside the data of %zu bytes",
                               st->path, t->name, begin, end, st->data_bytes);
    if (end - begin != bytes)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: tensor '%s': %zu bytes of data, the shape needs %zu", st->path,
                               t->name, end - begin, bytes);
    t->data = st->data + begin;
    t->bytes = bytes;
    return MADPO_OK;
}

/* By place, an empty tensor before the one that begins where it lies. */
static int by_offset(const void *a, const void *b)
{
    const madpo_safetensor *x = a, *y = b;
    const unsigned char *p = x->data, *q = y->data;

    if (p != q)
        return p < q ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int by_name(const void *a, const void *b)
{
    const madpo_safetensor *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static madpo_status check_cover(const madpo_safetensors *st, madpo_error *err)
{
    const unsigned char *at = st->data;

    for (size_t i = 0; i < st->n; i++) {
        const unsigned char *begin = st->v[i].data;

        if (begin < at)
            return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensors '%s' and '%s' overlap",
                                   st->path, st->v[i - 1].name, st->v[i].name);
        if (begin > at)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "%s: a hole of %zu bytes before tensor '%s'", st->path,
                                   (size_t)(begin - at), st->v[i].name);
        at = begin + st->v[i].bytes;
    }
    if (at != st->data + st->data_bytes)
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: %zu bytes behind the last tensor",
                               st->path, (size_t)(st->data + st->data_bytes - at));
    return MADPO_OK;
}

static madpo_status read_entries(madpo_safetensors *st, madpo_error *err)
{
    const char *key;
    json_t *entry;
    madpo_status status = MADPO_OK;

    st->v = calloc(json_object_size(st->header) + 1, sizeof *st->v);
    if (!st->v)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", st->path);
    json_object_foreach(st->header, key, entry)
    {
        if (strcmp(key, "__metadata__") == 0) {
            status = check_metadata(st, entry, err);
        } else {
            madpo_safetensor *t = &st->v[st->n++];

            t->name = strdup(key);
            if (!t->name)
                return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", st->path);
            status = read_entry(st, t, entry, err);
        }
        if (status != MADPO_OK)
            return status;
    }
    qsort(st->v, st->n, sizeof *st->v, by_offset);
    st->by_name = malloc((st->n + 1) * sizeof *st->by_name);
    if (!st->by_name)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", st->path);
    for (size_t i = 0; i < st->n; i++)
        st->by_name[i] = &st->v[i];
    qsort(st->by_name, st->n, sizeof *st->by_name, by_name);
    return check_cover(st, err);
}

madpo_status madpo_safetensors_open(madpo_safetensors **out, const char *path, madpo_error *err)
{
    madpo_safetensors *st = calloc(1, sizeof *st);
    madpo_status status;

    *out = NULL;
    if (st)
        st->path = strdup(path);
    if (!st || !st->path) {
        free(st);
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", path);
    }
    status = map_file(st, err);
    if (status == MADPO_OK)
        status = read_header(st, err);
    if (status == MADPO_OK)
        status = read_entries(st, err);
    if (status == MADPO_OK) {
        *out = st;
        st = NULL;
    }
    madpo_safetensors_close(st);
    return status;
}

size_t madpo_safetensors_count(const madpo_safetensors *st)
{
    return st->n;
}

const madpo_safetensor *madpo_safetensors_at(const madpo_safetensors *st, size_t i)
{
    return i < st->n ? &st->v[i] : NULL;
}

const madpo_safetensor *madpo_safetensors_find(const madpo_safetensors *st, const char *name)
{
    size_t low = 0, high = st->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(st->by_name[mid]->name, name);

        if (order == 0)
            return st->by_name[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

void madpo_safetensors_close(madpo_safetensors *st)
{
    if (!st)
        return;
    for (size_t i = 0; st->v && i < st->n; i++)
        free(st->v[i].name);
    free(st->v);
    free(st->by_name);
    json_decref(st->header);
    if (st->map)
        munmap(st->map, st->size);
    free(st->path);
    free(st);
}
