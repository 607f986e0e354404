#ifndef MADPO_REF_ADAMW_H
#define MADPO_REF_ADAMW_H
/* Double-precision twin of ops/adamw.h: same arguments, host arrays. */
#include <stdint.h>

typedef struct madpo_ref_adamw_options {
    double lr, beta1, beta2, eps, weight_decay;
    double grad_scale;
    int64_t t; /* update number, from 1 */
} madpo_ref_adamw_options;

/* p, m, v [n] read-write; g [n] read. */
void madpo_ref_adamw_step(double *p, const double *g, double *m, double *v, int64_t n,
                          const madpo_ref_adamw_options *options);

#endif
