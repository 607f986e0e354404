#ifndef MADPO_OPS_HEAD_KL_H
#define MADPO_OPS_HEAD_KL_H
/* Divergence of the next-token distributions of two heads, row by row, by vocabulary chunks; never
 * an [R,V] tensor. For measuring a policy against its reference; there is no way back.
 *
 * For row i: zp = P p_rows[i], zq = Q q_rows[i],
 * kl[i] = KL(softmax zp || softmax zq) = sum_v softmax(zp)_v (zp_v - zq_v) - lse(zp) + lse(zq),
 * in nats. Exact over the vocabulary up to rounding: about 1e-7 of the logits' size; equal rows and
 * heads give exactly 0, so values of that size may be a little below it. */
#include "device/buffer.h"

typedef struct madpo_head_kl_dims {
    int64_t C, V, R;              /* width, vocabulary, rows */
    int64_t chunk;                /* vocabulary rows per chunk; 0 = choose */
    madpo_dtype P_dtype, Q_dtype; /* for madpo_head_kl_workspace; 0 = f32 */
} madpo_head_kl_dims;

typedef struct madpo_head_kl_io {
    madpo_tensor p_rows, q_rows; /* [R,C] hidden states, read */
    madpo_tensor P, Q;           /* [V,C] f32, bf16 or f16, read; may be the same tensor */
    madpo_tensor kl;             /* [R] write */
} madpo_head_kl_io;

/* Workspace floats that a call of these dims needs (R as a maximum). */
int64_t madpo_head_kl_workspace(const madpo_device *dev, const madpo_head_kl_dims *dims);

/* Enqueued. */
madpo_status madpo_head_kl(madpo_device *dev, const madpo_head_kl_io *io,
                           const madpo_head_kl_dims *dims, madpo_error *err) MADPO_MUST_CHECK;
#endif
