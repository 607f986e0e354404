#ifndef MADPO_REF_GLU_H
#define MADPO_REF_GLU_H
/* Double-precision twin of ops/glu.h: same arguments and aliasing rules, host arrays. act is
 * numbered as in ref/act.h. */
#include <stdbool.h>
#include <stdint.h>

/* y, a, b [T,F]; y write (may be a or b). */
void madpo_ref_glu_fwd(double *y, const double *a, const double *b, int64_t T, int64_t F, int act);
/* da, db write (da may be a, db may be b) or accumulate. */
void madpo_ref_glu_bwd(double *da, double *db, const double *dy, const double *a, const double *b,
                       int64_t T, int64_t F, int act, bool accumulate);

#endif
