/* AdamW in double, written out in torch's order; see adamw.h. */
#include "ref/adamw.h"

#include <math.h>

void madpo_ref_adamw_step(double *p, const double *g, double *m, double *v, int64_t n,
                          const madpo_ref_adamw_options *o)
{
    const double bias1 = 1 - pow(o->beta1, (double)o->t), bias2 = 1 - pow(o->beta2, (double)o->t);

    for (int64_t i = 0; i < n; i++) {
        const double gi = o->grad_scale * g[i];
        p[i] *= 1 - o->lr * o->weight_decay;
        m[i] = o->beta1 * m[i] + (1 - o->beta1) * gi;
        v[i] = o->beta2 * v[i] + (1 - o->beta2) * gi * gi;
        p[i] -= o->lr / bias1 * m[i] / (sqrt(v[i]) / sqrt(bias2) + o->eps);
    }
}
