/* Gated activation in double, by the textbook forms (tanh where the kernel uses a sigmoid); see
 * glu.h. */
#include "ref/glu.h"

#include <math.h>

/* act(a), and its derivative in *slope. */
static double glu_act(double a, bool gelu_tanh, double *slope)
{
    if (gelu_tanh) {
        const double k = sqrt(2 / acos(-1.0));
        const double t = tanh(k * (a + 0.044715 * a * a * a));
        *slope = 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * k * (1 + 0.134145 * a * a);
        return 0.5 * a * (1 + t);
    }
    const double s = 1 / (1 + exp(-a));
    *slope = s * (1 + a * (1 - s));
    return a * s;
}

void madpo_ref_glu_fwd(double *y, const double *a, const double *b, int64_t T, int64_t F,
                       bool gelu_tanh)
{
    double slope;

    for (int64_t i = 0; i < T * F; i++)
        y[i] = glu_act(a[i], gelu_tanh, &slope) * b[i];
}

void madpo_ref_glu_bwd(double *da, double *db, const double *dy, const double *a, const double *b,
                       int64_t T, int64_t F, bool gelu_tanh, bool accumulate)
{
    for (int64_t i = 0; i < T * F; i++) {
        double slope;
        const double act = glu_act(a[i], gelu_tanh, &slope);
        const double ga = dy[i] * b[i] * slope, gb = dy[i] * act;
        da[i] = (accumulate ? da[i] : 0) + ga;
        db[i] = (accumulate ? db[i] : 0) + gb;
    }
}
