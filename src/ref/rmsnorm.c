/* RMSNorm in double; see rmsnorm.h. */
#include "ref/rmsnorm.h"

#include <math.h>

void madpo_ref_rmsnorm_fwd(double *y, double *r, const double *x, const double *gain, int64_t T,
                           int64_t C, double eps, bool add_one)
{
    for (int64_t t = 0; t < T; t++) {
        double sum = 0;
        for (int64_t c = 0; c < C; c++)
            sum += x[t * C + c] * x[t * C + c];
        r[t] = 1 / sqrt(sum / (double)C + eps);
        for (int64_t c = 0; c < C; c++)
            y[t * C + c] = x[t * C + c] * r[t] * (gain[c] + add_one);
    }
}

void madpo_ref_rmsnorm_bwd_x(double *dx, const double *dy, const double *x, const double *r,
                             const double *gain, int64_t T, int64_t C, bool add_one,
                             bool accumulate)
{
    for (int64_t t = 0; t < T; t++) {
        double sum = 0;
        for (int64_t c = 0; c < C; c++)
            sum += (gain[c] + add_one) * dy[t * C + c] * x[t * C + c];
        for (int64_t c = 0; c < C; c++) {
            const int64_t i = t * C + c;
            const double d =
                r[t] * (gain[c] + add_one) * dy[i] - x[i] * r[t] * r[t] * r[t] / (double)C * sum;
            dx[i] = (accumulate ? dx[i] : 0) + d;
        }
    }
}

void madpo_ref_rmsnorm_bwd_gain(double *dgain, const double *dy, const double *x, const double *r,
                                int64_t T, int64_t C, bool accumulate)
{
    for (int64_t c = 0; c < C; c++) {
        double sum = 0;
        for (int64_t t = 0; t < T; t++)
            sum += dy[t * C + c] * x[t * C + c] * r[t];
        dgain[c] = (accumulate ? dgain[c] : 0) + sum;
    }
}
