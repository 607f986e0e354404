#ifndef MADPO_DEVICE_LAUNCH_H
#define MADPO_DEVICE_LAUNCH_H
/* Launching a kernel: a sticky-error builder, one line per argument, one status at the end.
 *
 *     madpo_launch l;
 *     madpo_launch_begin(&l, dev, "rmsnorm", "rmsnorm_fwd", NULL);
 *     madpo_arg_tensor(&l, y);
 *     madpo_arg_i64(&l, C);
 *     madpo_arg_f32(&l, eps);
 *     return madpo_launch_rows(&l, T, err);
 *
 * `stem` names cl/ops/<stem>.cl, embedded in the binary; `entry` is the __kernel function and the
 * profiler's label. `defines` ("-DHEAD_DIM=64", NULL = none) are part of the program's key. Every
 * program is built with -cl-std=CL1.2 -DWG=<width> -DCPU=<0|1> and cl/lib on its include path.
 * Programs are built at the first use of (stem, defines), from the user's binary cache when it has
 * them, and kept, so launching in a step neither builds nor allocates.
 *
 * A tensor is bound as two arguments: the buffer and a `long` offset; kernels declare the pair with
 * TENSOR(float, x) and take the pointer with TENSOR_PTR (cl/lib/types.clh). A tensor that is
 * "none" binds a NULL buffer and offset 0.
 */
#include "device/buffer.h"

typedef struct madpo_kernel madpo_kernel;

typedef struct madpo_launch {
    madpo_device *dev;    /* borrowed */
    madpo_kernel *kernel; /* borrowed from the device's table */
    uint32_t n_args;
    madpo_status status; /* first failure; later calls do nothing */
    madpo_error error;
} madpo_launch;

void madpo_launch_begin(madpo_launch *l, madpo_device *dev, const char *stem, const char *entry,
                        const char *defines);
void madpo_arg_tensor(madpo_launch *l, madpo_tensor t);
void madpo_arg_i64(madpo_launch *l, int64_t value);  /* long */
void madpo_arg_i32(madpo_launch *l, int32_t value);  /* int */
void madpo_arg_u64(madpo_launch *l, uint64_t value); /* ulong */
void madpo_arg_f32(madpo_launch *l, float value);    /* float */

/* Enqueue `rows` work-groups of WG items each (get_group_id(0) is the row); rows = 0 does nothing.
 */
madpo_status madpo_launch_rows(madpo_launch *l, int64_t rows, madpo_error *err) MADPO_MUST_CHECK;
/* Enqueue a grid of work-groups: groups[d] groups of local[d] items in `dims` dimensions. Local
 * sizes must be fixed per entry (PoCL compiles each local size anew). */
madpo_status madpo_launch_grid(madpo_launch *l, int dims, const int64_t *groups,
                               const int64_t *local, madpo_error *err) MADPO_MUST_CHECK;

/* Build (or load) a program ahead of its first use. */
madpo_status madpo_program_prepare(madpo_device *dev, const char *stem, const char *defines,
                                   madpo_error *err) MADPO_MUST_CHECK;

#endif
