#ifndef MADPO_REF_RMSNORM_H
#define MADPO_REF_RMSNORM_H
/* Double-precision twin of ops/rmsnorm.h: same arguments and aliasing rules, host arrays. */
#include <stdbool.h>
#include <stdint.h>

/* y [T,C] (may be x), r [T] write; x [T,C], gain [C] read. */
void madpo_ref_rmsnorm_fwd(double *y, double *r, const double *x, const double *gain, int64_t T,
                           int64_t C, double eps, bool add_one);
/* dx [T,C] write (may be dy) or accumulate. */
void madpo_ref_rmsnorm_bwd_x(double *dx, const double *dy, const double *x, const double *r,
                             const double *gain, int64_t T, int64_t C, bool add_one,
                             bool accumulate);
/* dgain [C] write or accumulate. */
void madpo_ref_rmsnorm_bwd_gain(double *dgain, const double *dy, const double *x, const double *r,
                                int64_t T, int64_t C, bool accumulate);

#endif
