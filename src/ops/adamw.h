#ifndef MADPO_OPS_ADAMW_H
#define MADPO_OPS_ADAMW_H
/* AdamW (Loshchilov & Hutter 2019), torch's order of operations:
 *   g' = grad_scale g;  p *= 1 - lr wd;  m = b1 m + (1-b1) g';  v = b2 v + (1-b2) g'^2;
 *   p -= (lr / (1-b1^t)) m / (sqrt(v) / sqrt(1-b2^t) + eps). */
#include "device/buffer.h"

typedef struct madpo_adamw_options {
    float lr, beta1, beta2, eps, weight_decay;
    float grad_scale; /* clip coefficient / accumulation factor */
    int64_t t;        /* update number, from 1 */
} madpo_adamw_options;

/* p, m, v [n] read-write; g [n] read. */
madpo_status madpo_adamw_step(madpo_device *dev, madpo_tensor p, madpo_tensor g, madpo_tensor m,
                              madpo_tensor v, int64_t n, const madpo_adamw_options *options,
                              madpo_error *err) MADPO_MUST_CHECK;
#endif
