#ifndef MADPO_OPS_ATTENTION_H
#define MADPO_OPS_ATTENTION_H
/* Causal softmax attention over packed, prefix-shared segments (base/batch.h).
 *
 * Query t of segment s sees the keys j of its own segment with j <= t and all keys of s's prefix;
 * with a sliding window W also pos[j] > pos[t] - W. Head h of H reads kv head h / (H/K). Scores are
 * scaled by `scale`; softmax in fp32; the forward pass stores o and the log-sum-exp of each row,
 * the backward pass recomputes the probabilities (Dao et al. 2022, FlashAttention):
 *   delta = rowsum(do * o), P = exp(S - lse), dv = P^T do, dS = P (do v^T - delta),
 *   dq = scale dS k, dk = scale dS^T q; dk, dv sum over the heads of a group and over the branches.
 */
#include "device/buffer.h"

typedef struct madpo_attention_dims {
    int64_t T;      /* tokens */
    int64_t n_seg;  /* segments */
    int64_t H, K;   /* query heads, key/value heads; H % K == 0 */
    int64_t D;      /* head dimension, any positive value */
    int64_t window; /* keys seen including itself; 0 = no window */
    float scale;
} madpo_attention_dims;

/* o [T,H,D] write; lse [T,H] write; q [T,H,D], k, v [T,K,D] read; seg [n_seg,6] i32 (the fields of
 * madpo_segment in order); tok_seg, pos [T] i32 read. */
madpo_status madpo_attention_fwd(madpo_device *dev, madpo_tensor o, madpo_tensor lse,
                                 madpo_tensor q, madpo_tensor k, madpo_tensor v, madpo_tensor seg,
                                 madpo_tensor tok_seg, madpo_tensor pos,
                                 const madpo_attention_dims *dims,
                                 madpo_error *err) MADPO_MUST_CHECK;

/* dq [T,H,D], dk, dv [T,K,D] write or accumulate; d_o [T,H,D] and the forward's o, lse, q, k, v
 * read; delta [T,H] scratch write. Deterministic: keys gather from their queries in a fixed order.
 */
typedef struct madpo_attention_grads {
    madpo_tensor dq, dk, dv, delta;
    madpo_tensor d_o, o, lse, q, k, v;
    madpo_tensor seg, tok_seg, pos;
} madpo_attention_grads;
madpo_status madpo_attention_bwd(madpo_device *dev, const madpo_attention_grads *t,
                                 const madpo_attention_dims *dims, bool accumulate,
                                 madpo_error *err) MADPO_MUST_CHECK;

/* One new token per slot against a KV cache: o [B,H,D] write; q [B,H,D] read; k_cache, v_cache
 * [slots,P,K,D] read; slot [B] i32; len [B] i32: keys 0..len-1 are valid, the query's own position
 * is len-1. dims->T = B, dims->n_seg ignored. */
madpo_status madpo_attention_decode(madpo_device *dev, madpo_tensor o, madpo_tensor q,
                                    madpo_tensor k_cache, madpo_tensor v_cache, madpo_tensor slot,
                                    madpo_tensor len, int64_t P, const madpo_attention_dims *dims,
                                    madpo_error *err) MADPO_MUST_CHECK;
#endif
