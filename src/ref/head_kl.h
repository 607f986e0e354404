#ifndef MADPO_REF_HEAD_KL_H
#define MADPO_REF_HEAD_KL_H
/* Double-precision twin of ops/head_kl.h: whole logit rows, no chunks. Shapes as there. */
#include <stdint.h>

/* kl [R] write; p_rows, q_rows [R,C], P, Q [V,C] read. */
void madpo_ref_head_kl(double *kl, const double *p_rows, const double *P, const double *q_rows,
                       const double *Q, int64_t R, int64_t C, int64_t V);

#endif
