#ifndef MADPO_OPS_ROPE_H
#define MADPO_OPS_ROPE_H
/* Rotary positions, half-split form (models with HF layouts): for i < n/2 of the first n = rotary
 * dims of each head, y1 = x1 cos - x2 sin, y2 = x2 cos + x1 sin, the other dims pass through. */
#include "device/buffer.h"

/* Rotate x [T,H,D] in place by the positions pos [T] i32. table [P, n/2, 2] f32: cos and sin of
 * position p and pair i (pos < P). inverse = true is the backward pass (rotation by -angle). */
madpo_status madpo_rope(madpo_device *dev, madpo_tensor x, madpo_tensor pos, madpo_tensor table,
                        int64_t T, int64_t H, int64_t D, int64_t rotary_dims, bool inverse,
                        madpo_error *err) MADPO_MUST_CHECK;

/* Fill table [P, n/2, 2] on the host from inv_freq [n/2] (double arithmetic, rounded once). */
void madpo_rope_table(float *table, const double *inv_freq, int64_t P, int64_t rotary_dims);
#endif
