#ifndef MADPO_OPS_ARG_H
#define MADPO_OPS_ARG_H
/* What every launcher of this folder does before it enqueues: check a tensor and bind it, and split
 * flat arrays into blocks. Private to src/ops. */
#include "device/launch.h"

/* Elements one work-group takes of a flat (elementwise) operation. */
#define MADPO_OPS_BLOCK 4096

/* Bind `t` after checking that it has at least rows * cols elements of `dtype`. A wrong tensor is
 * MADPO_ERR_USAGE, naming the launcher, the tensor and both sizes, and sticks to `l`. */
void madpo_ops_arg(madpo_launch *l, const char *launcher, const char *name, madpo_tensor t,
                   int64_t rows, int64_t cols, madpo_dtype dtype);
#define MADPO_ARG_F32(l, t, rows, cols)                                                            \
    madpo_ops_arg(l, __func__, #t, t, rows, cols, MADPO_DTYPE_F32)
#define MADPO_ARG_I32(l, t, rows, cols)                                                            \
    madpo_ops_arg(l, __func__, #t, t, rows, cols, MADPO_DTYPE_I32)

/* Weights, which may be f32, bf16 or f16; the program must be built with madpo_ops_weight_defines()
 * of the tensor's type (cl/lib/weight.clh). */
#define MADPO_ARG_WEIGHT(l, t, rows, cols)                                                         \
    madpo_ops_arg(l, __func__, #t, t, rows, cols,                                                  \
                  (t).dtype == MADPO_DTYPE_I32 ? MADPO_DTYPE_F32 : (t).dtype)
const char *madpo_ops_weight_defines(madpo_dtype dtype); /* NULL for f32 */

/* Blocks of `block` needed for n; 0 for n <= 0. */
int64_t madpo_ops_blocks(int64_t n, int64_t block);

/* Sums over T rows in two passes: blocks of rows, then the blocks. Rows per block: enough blocks to
 * fill the device, at least 8 rows each, a function of T and the width only, so that the order of
 * summation never changes on one device. */
int64_t madpo_ops_block_rows(const madpo_device *dev, int64_t T);
/* No fewer than the blocks of any number of rows up to T. */
int64_t madpo_ops_most_blocks(const madpo_device *dev, int64_t T);
/* Columns a work-group of the second pass takes (cl/lib/block_sum.clh). */
int64_t madpo_ops_block_cols(const madpo_device *dev);

#endif
