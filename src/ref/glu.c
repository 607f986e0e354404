/* Gated activation in double; see glu.h. */
#include "ref/glu.h"

#include "ref/act.h"

void madpo_ref_glu_fwd(double *y, const double *a, const double *b, int64_t T, int64_t F, int act)
{
    double slope;

    for (int64_t i = 0; i < T * F; i++)
        y[i] = madpo_ref_act(a[i], act, &slope) * b[i];
}

void madpo_ref_glu_bwd(double *da, double *db, const double *dy, const double *a, const double *b,
                       int64_t T, int64_t F, int act, bool accumulate)
{
    for (int64_t i = 0; i < T * F; i++) {
        double slope;
        const double value = madpo_ref_act(a[i], act, &slope);
        const double ga = dy[i] * b[i] * slope, gb = dy[i] * value;
        da[i] = (accumulate ? da[i] : 0) + ga;
        db[i] = (accumulate ? db[i] : 0) + gb;
    }
}
