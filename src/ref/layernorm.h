#ifndef MADPO_REF_LAYERNORM_H
#define MADPO_REF_LAYERNORM_H
/* Double-precision twin of ops/layernorm.h: same arguments and aliasing rules, host arrays. */
#include <stdbool.h>
#include <stdint.h>

/* y [T,C] (may be x), mean, rstd [T] write; x [T,C], gain [C], bias [C] (or NULL) read. */
void madpo_ref_layernorm_fwd(double *y, double *mean, double *rstd, const double *x,
                             const double *gain, const double *bias, int64_t T, int64_t C,
                             double eps);
/* dx [T,C] write (may be dy) or accumulate. */
void madpo_ref_layernorm_bwd_x(double *dx, const double *dy, const double *x, const double *mean,
                               const double *rstd, const double *gain, int64_t T, int64_t C,
                               bool accumulate);
/* dgain, dbias [C] write or accumulate; dbias may be NULL. */
void madpo_ref_layernorm_bwd_gain(double *dgain, double *dbias, const double *dy, const double *x,
                                  const double *mean, const double *rstd, int64_t T, int64_t C,
                                  bool accumulate);

#endif
