#ifndef MADPO_REF_EMBEDDING_H
#define MADPO_REF_EMBEDDING_H
/* Double-precision twin of ops/embedding.h: same arguments, host arrays. */
#include <stdbool.h>
#include <stdint.h>

/* x [T,C] = scale * E[ids[t],:]; E [V,C]. */
void madpo_ref_embedding_fwd(double *x, const int32_t *ids, const double *E, double scale,
                             int64_t T, int64_t C);
/* dE [V,C], rows uniq[u] only; dx [T,C]; uniq [U], uniq_start [U+1], uniq_token [T]. */
void madpo_ref_embedding_bwd(double *dE, const double *dx, const int32_t *uniq,
                             const int32_t *uniq_start, const int32_t *uniq_token, double scale,
                             int64_t U, int64_t C, bool accumulate);

#endif
