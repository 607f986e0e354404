#ifndef MADPO_REF_GRAD_NORM_H
#define MADPO_REF_GRAD_NORM_H
/* Double-precision twin of ops/grad_norm.h. */
#include <stdint.h>

/* out [1] = sqrt(sum g^2), g [n]. */
void madpo_ref_grad_norm(double *out, const double *g, int64_t n);

#endif
