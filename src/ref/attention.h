#ifndef MADPO_REF_ATTENTION_H
#define MADPO_REF_ATTENTION_H
/* Double-precision twin of ops/attention.h: same arguments, host arrays, one key after another. */
#include <stdbool.h>
#include <stdint.h>

typedef struct madpo_ref_attention_dims {
    int64_t T, n_seg, H, K, D, window; /* as madpo_attention_dims */
    double scale;
} madpo_ref_attention_dims;

/* o [T,H,D], lse [T,H] write; q [T,H,D], k, v [T,K,D], seg [n_seg,6], tok_seg, pos [T] read. */
void madpo_ref_attention_fwd(double *o, double *lse, const double *q, const double *k,
                             const double *v, const int32_t *seg, const int32_t *tok_seg,
                             const int32_t *pos, const madpo_ref_attention_dims *dims);

typedef struct madpo_ref_attention_grads {
    double *dq, *dk, *dv, *delta;
    const double *d_o, *o, *lse, *q, *k, *v;
    const int32_t *seg, *tok_seg, *pos;
} madpo_ref_attention_grads;

/* dq [T,H,D], dk, dv [T,K,D] write or accumulate; delta [T,H] write. */
void madpo_ref_attention_bwd(const madpo_ref_attention_grads *t,
                             const madpo_ref_attention_dims *dims, bool accumulate);

/* o [B,H,D] write; q [B,H,D], k_cache, v_cache [slots,P,K,D], slot, len [B] read; dims->T = B. */
void madpo_ref_attention_decode(double *o, const double *q, const double *k_cache,
                                const double *v_cache, const int32_t *slot, const int32_t *len,
                                int64_t P, const madpo_ref_attention_dims *dims);

#endif
