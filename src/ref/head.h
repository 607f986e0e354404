#ifndef MADPO_REF_HEAD_H
#define MADPO_REF_HEAD_H
/* Double-precision twin of ops/head.h: whole logit rows, no chunks. Shapes as there. */
#include <stdbool.h>
#include <stdint.h>

/* logp, lse, zmax [R] write; hidden [*,C], W [V,C], row_token, row_label [R] read. */
void madpo_ref_head_fwd(double *logp, double *lse, double *zmax, const double *hidden,
                        const double *W, const int32_t *row_token, const int32_t *row_label,
                        int64_t R, int64_t C, int64_t V);

/* expect [R,C] = W_label - sum_j p_j W_j, p of the logits: d logp/dh of each row. */
void madpo_ref_head_expect(double *expect, const double *hidden, const double *W,
                           const int32_t *row_token, const int32_t *row_label, int64_t R, int64_t C,
                           int64_t V);

typedef struct madpo_ref_head_grads {
    int64_t T, C, V, R;
    double *dhidden;                      /* [T,C] write or accumulate */
    double *dW;                           /* [V,C] write or accumulate, NULL = frozen */
    const double *coef, *lse;             /* [R] dLoss/dlogp, and of the forward pass */
    const double *hidden, *W;             /* [T,C], [V,C] */
    const int32_t *row_token, *row_label; /* [R] */
} madpo_ref_head_grads;
void madpo_ref_head_bwd(const madpo_ref_head_grads *g, bool accumulate_hidden, bool accumulate_W);

#endif
