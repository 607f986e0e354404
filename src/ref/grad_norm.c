/* Global gradient norm in double; see grad_norm.h. */
#include "ref/grad_norm.h"

#include <math.h>

void madpo_ref_grad_norm(double *out, const double *g, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += g[i] * g[i];
    *out = sqrt(sum);
}
