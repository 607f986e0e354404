#ifndef MADPO_REF_ADD_H
#define MADPO_REF_ADD_H
/* Double-precision twin of ops/add.h: same arguments and aliasing rules, host arrays. */
#include <stdbool.h>
#include <stdint.h>

/* y[i] = a[i] + b[i], i < n. */
void madpo_ref_add_fwd(double *y, const double *a, const double *b, int64_t n);
/* da[i] = dy[i] (+ da[i] if accumulate). */
void madpo_ref_add_bwd(double *da, const double *dy, int64_t n, bool accumulate);

#endif
