#ifndef MADPO_REF_ACT_H
#define MADPO_REF_ACT_H
/* Double-precision twin of ops/act.h: same arguments and aliasing rules, host arrays. act is a
 * madpo_activation by number: 0 SiLU, 1 GELU by tanh, 2 exact GELU. */
#include <stdbool.h>
#include <stdint.h>

/* Return act(a), and its derivative in *slope. */
double madpo_ref_act(double a, int act, double *slope);
/* y [n] (may be a); a [n] read. */
void madpo_ref_act_fwd(double *y, const double *a, int64_t n, int act);
/* da [n] write (may be a or dy) or accumulate. */
void madpo_ref_act_bwd(double *da, const double *dy, const double *a, int64_t n, int act,
                       bool accumulate);

#endif
