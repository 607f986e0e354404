#ifndef MADPO_OPS_MATMUL_CLBLAST_H
#define MADPO_OPS_MATMUL_CLBLAST_H
/* The CLBlast provider of ops/matmul.h: plain Sgemm with our workspace as its temporary buffer;
 * batches are loops over it. Private to src/ops. */
#include "ops/matmul.h"

/* spec has its defaults filled in, sizes are checked, M, N and K are positive. */
madpo_status madpo__matmul_clblast(madpo_device *dev, const madpo_matmul_spec *spec, madpo_tensor C,
                                   madpo_tensor A, madpo_tensor B,
                                   madpo_error *err) MADPO_MUST_CHECK;
/* Workspace floats; offsets of 0 are assumed, which need the most. */
int64_t madpo__matmul_clblast_workspace(const madpo_device *dev, const madpo_matmul_spec *spec);

#endif
