#ifndef MADPO_REF_BIAS_H
#define MADPO_REF_BIAS_H
/* Double-precision twin of ops/bias.h: same arguments, host arrays. */
#include <stdbool.h>
#include <stdint.h>

/* y [T,N] accumulate; b [N] read. */
void madpo_ref_bias_fwd(double *y, const double *b, int64_t T, int64_t N);
/* db [N] write or accumulate; dy [T,N] read. */
void madpo_ref_bias_bwd(double *db, const double *dy, int64_t T, int64_t N, bool accumulate);

#endif
