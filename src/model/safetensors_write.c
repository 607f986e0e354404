/* Writing safetensors files: header, then the tensors in the order given, through a temporary file.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/safetensors.h"

/* The header object; NULL without memory. */
static json_t *header_object(const madpo_safetensor *tensors, size_t n)
{
    /* transformers refuses files without this entry */
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    uint64_t at = 0;

    for (size_t i = 0; header && i < n; i++) {
        const madpo_safetensor *t = &tensors[i];
        json_t *shape = json_array();
        json_t *entry = json_pack("{s:s, s:o, s:[I,I]}", "dtype", t->dtype, "shape", shape,
                                  "data_offsets", (json_int_t)at, (json_int_t)(at + t->bytes));
        bool failed = false;

        for (int d = 0; entry && d < t->n_dims; d++)
            failed |= json_array_append_new(shape, json_integer(t->shape[d])) != 0;
        if (json_object_set_new(header, t->name, entry) != 0 || failed) {
            json_decref(header);
            return NULL;
        }
        at += t->bytes;
    }
    return header;
}

static madpo_status write_header(madpo_file_writer *w, const madpo_safetensor *tensors, size_t n,
                                 madpo_error *err)
{
    json_t *header = header_object(tensors, n);
    char *text = NULL;
    unsigned char length[8];
    size_t bytes, padded;
    madpo_status st;

    if (!header)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory writing a safetensors header");
    st = madpo_json_dump(&text, header, err);
    json_decref(header);
    if (st != MADPO_OK)
        return st;
    bytes = strlen(text);
    padded = (bytes + 7) / 8 * 8; /* so that the data begins at a multiple of 8 */
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    st = madpo_file_writer_write(w, length, 8, err);
    if (st == MADPO_OK)
        st = madpo_file_writer_write(w, text, bytes, err);
    if (st == MADPO_OK)
        st = madpo_file_writer_write(w, "       ", padded - bytes, err);
    free(text);
    return st;
}

/* ---- in pieces ---- */

struct madpo_safetensors_writer {
    madpo_file_writer *file;
    uint64_t left; /* bytes of tensors still to come */
};

madpo_status madpo_safetensors_writer_open(madpo_safetensors_writer **out, const char *path,
                                           const madpo_safetensor *tensors, size_t n,
                                           madpo_error *err)
{
    madpo_safetensors_writer *w = calloc(1, sizeof *w);
    madpo_status st;

    *out = NULL;
    if (!w)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory writing %s", path);
    st = madpo_file_writer_open(&w->file, path, err);
    if (st == MADPO_OK)
        st = write_header(w->file, tensors, n, err);
    for (size_t i = 0; i < n; i++)
        w->left += tensors[i].bytes;
    if (st == MADPO_OK) {
        *out = w;
        return MADPO_OK;
    }
    madpo_safetensors_writer_abort(w);
    return st;
}

madpo_status madpo_safetensors_writer_write(madpo_safetensors_writer *w, const void *bytes,
                                            size_t n, madpo_error *err)
{
    if (n > w->left)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "more bytes than the header of a safetensors file promised");
    w->left -= n;
    return madpo_file_writer_write(w->file, bytes, n, err);
}

madpo_status madpo_safetensors_writer_commit(madpo_safetensors_writer *w, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    if (w->left > 0)
        st = madpo_error_set(err, MADPO_ERR_USAGE,
                             "fewer bytes than the header of a safetensors file promised");
    if (st == MADPO_OK) {
        st = madpo_file_writer_commit(w->file, err);
        w->file = NULL;
    }
    madpo_safetensors_writer_abort(w);
    return st;
}

void madpo_safetensors_writer_abort(madpo_safetensors_writer *w)
{
    if (!w)
        return;
    madpo_file_writer_abort(w->file);
    free(w);
}

/* ---- at once ---- */

madpo_status madpo_safetensors_write(const char *path, const madpo_safetensor *tensors, size_t n,
                                     madpo_error *err)
{
    madpo_safetensors_writer *w;
    madpo_status st = madpo_safetensors_writer_open(&w, path, tensors, n, err);

    if (st != MADPO_OK)
        return st;
    for (size_t i = 0; st == MADPO_OK && i < n; i++)
        st = madpo_safetensors_writer_write(w, tensors[i].data, (size_t)tensors[i].bytes, err);
    if (st == MADPO_OK)
        return madpo_safetensors_writer_commit(w, err);
    madpo_safetensors_writer_abort(w);
    return st;
}
