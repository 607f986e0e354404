#ifndef MADPO_MODEL_SAFETENSORS_H
#define MADPO_MODEL_SAFETENSORS_H
/* safetensors files: 8-byte little-endian header length, JSON header, data. Read with full
 * validation (sorted by offset the entries are contiguous, cover the buffer exactly, sizes match
 * shapes, no duplicate names, header <= 100 MB), written to a temporary file and renamed. Elements
 * are whole bytes; what they mean is the caller's business. */
#include "madpo/error.h"

#define MADPO_SAFETENSORS_DIMS 4
typedef struct madpo_safetensor {
    char *name;        /* owned by the file object when reading, borrowed when writing */
    const char *dtype; /* "F32", "F16", "BF16", "I32", … */
    int n_dims;        /* -1: more than are kept in `shape` */
    int64_t shape[MADPO_SAFETENSORS_DIMS];
    const void
        *data; /* reading: into the mapping, maybe unaligned; writing: host memory to store */
    uint64_t bytes;
} madpo_safetensor;

typedef struct madpo_safetensors madpo_safetensors;
madpo_status madpo_safetensors_open(madpo_safetensors **out, const char *path,
                                    madpo_error *err) MADPO_MUST_CHECK;
size_t madpo_safetensors_count(const madpo_safetensors *st);
const madpo_safetensor *madpo_safetensors_at(const madpo_safetensors *st, size_t i); /* borrowed */
/* By bisection; NULL if there is none. */
const madpo_safetensor *madpo_safetensors_find(const madpo_safetensors *st, const char *name);
void madpo_safetensors_close(madpo_safetensors *st); /* accepts NULL */

/* Write n tensors with metadata {"format":"pt"}; header padded so that data is 8-byte aligned. */
madpo_status madpo_safetensors_write(const char *path, const madpo_safetensor *tensors, size_t n,
                                     madpo_error *err) MADPO_MUST_CHECK;

/* The same in pieces, for tensors that are not all in memory at once: open with the list (its
 * `data` is not looked at), then the tensors' bytes one after the other in the list's order, then
 * commit, which refuses when bytes are missing. */
typedef struct madpo_safetensors_writer madpo_safetensors_writer;
madpo_status madpo_safetensors_writer_open(madpo_safetensors_writer **out, const char *path,
                                           const madpo_safetensor *tensors, size_t n,
                                           madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_safetensors_writer_write(madpo_safetensors_writer *writer, const void *bytes,
                                            size_t n, madpo_error *err) MADPO_MUST_CHECK;
/* Frees the writer in any case. */
madpo_status madpo_safetensors_writer_commit(madpo_safetensors_writer *writer,
                                             madpo_error *err) MADPO_MUST_CHECK;
void madpo_safetensors_writer_abort(madpo_safetensors_writer *writer); /* accepts NULL */
#endif
