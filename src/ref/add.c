/* Residual add in double; see add.h. */
#include "ref/add.h"

void madpo_ref_add_fwd(double *y, const double *a, const double *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

void madpo_ref_add_bwd(double *da, const double *dy, int64_t n, bool accumulate)
{
    for (int64_t i = 0; i < n; i++)
        da[i] = (accumulate ? da[i] : 0) + dy[i];
}
