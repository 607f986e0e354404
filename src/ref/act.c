/* Activations in double, by the textbook forms (tanh where the kernel uses a sigmoid, erfc where it
 * uses a fit); see act.h. */
#include "ref/act.h"

#include <assert.h>
#include <math.h>

double madpo_ref_act(double a, int act, double *slope)
{
    const double pi = acos(-1.0);

    if (act == 0) {
        const double s = 1 / (1 + exp(-a));
        *slope = s * (1 + a * (1 - s));
        return a * s;
    }
    if (act == 1) {
        const double k = sqrt(2 / pi);
        const double t = tanh(k * (a + 0.044715 * a * a * a));
        *slope = 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * k * (1 + 0.134145 * a * a);
        return 0.5 * a * (1 + t);
    }
    assert(act == 2);
    const double phi = 0.5 * erfc(-a / sqrt(2.0));
    *slope = phi + a * exp(-0.5 * a * a) / sqrt(2 * pi);
    return a * phi;
}

void madpo_ref_act_fwd(double *y, const double *a, int64_t n, int act)
{
    double slope;

    for (int64_t i = 0; i < n; i++)
        y[i] = madpo_ref_act(a[i], act, &slope);
}

void madpo_ref_act_bwd(double *da, const double *dy, const double *a, int64_t n, int act,
                       bool accumulate)
{
    for (int64_t i = 0; i < n; i++) {
        double slope;
        madpo_ref_act(a[i], act, &slope);
        const double d = dy[i] * slope;
        da[i] = (accumulate ? da[i] : 0) + d;
    }
}
