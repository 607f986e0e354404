#ifndef MADPO_MODEL_IO_INSIDE_H
#define MADPO_MODEL_IO_INSIDE_H
/* What the files that read and write weights share. Private to this folder. */
#include "model/internal.h"

#define MADPO__PIECE (1 << 20) /* elements on their way between file and device at once */

/* The element type of a file's tensor; false if it is none of F32, F16 and BF16. */
bool madpo__file_dtype(madpo_dtype *out, const char *name);
const char *madpo__file_dtype_name(madpo_dtype dtype); /* "F32", "F16", "BF16" */
/* What torch_dtype says: "float32", … */
const char *madpo__torch_dtype_name(madpo_dtype dtype);

/* Between an element type's bytes, which may be unaligned when read, and f32. */
void madpo__widen(float *out, const void *bytes, madpo_dtype dtype, size_t n);
void madpo__narrow(void *out, const float *x, madpo_dtype dtype, size_t n);
/* Is none of them NaN or infinite? */
bool madpo__all_finite(const void *bytes, madpo_dtype dtype, size_t n);

/* "[3,4]" */
void madpo__shape_text(char *out, size_t size, int n_dims, const int64_t *shape);

/* Checks a tensor of a file before it is used: element type and shape. `what` says who asks for the
 * shape ("config.json", …), `code` what a wrong shape is. */
madpo_status madpo__check_tensor(madpo_dtype *dtype, const madpo_safetensor *s, int n_dims,
                                 const int64_t *shape, const char *path, const char *what,
                                 madpo_status code, madpo_error *err) MADPO_MUST_CHECK;

/* madpo_model_save with another limit of a shard's bytes. */
madpo_status madpo__model_save(madpo_model *m, const char *dir, uint64_t shard_bytes,
                               madpo_error *err) MADPO_MUST_CHECK;
#endif
