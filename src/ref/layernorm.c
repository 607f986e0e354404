/* LayerNorm in double; see layernorm.h. */
#include "ref/layernorm.h"

#include <math.h>
#include <stddef.h>

void madpo_ref_layernorm_fwd(double *y, double *mean, double *rstd, const double *x,
                             const double *gain, const double *bias, int64_t T, int64_t C,
                             double eps)
{
    for (int64_t t = 0; t < T; t++) {
        double sum = 0, spread = 0;
        for (int64_t c = 0; c < C; c++)
            sum += x[t * C + c];
        mean[t] = sum / (double)C;
        for (int64_t c = 0; c < C; c++)
            spread += (x[t * C + c] - mean[t]) * (x[t * C + c] - mean[t]);
        rstd[t] = 1 / sqrt(spread / (double)C + eps);
        for (int64_t c = 0; c < C; c++)
            y[t * C + c] =
                (x[t * C + c] - mean[t]) * rstd[t] * gain[c] + (bias != NULL ? bias[c] : 0);
    }
}

void madpo_ref_layernorm_bwd_x(double *dx, const double *dy, const double *x, const double *mean,
                               const double *rstd, const double *gain, int64_t T, int64_t C,
                               bool accumulate)
{
    for (int64_t t = 0; t < T; t++) {
        double sum = 0, sum_n = 0;
        for (int64_t c = 0; c < C; c++) {
            const int64_t i = t * C + c;
            sum += gain[c] * dy[i];
            sum_n += gain[c] * dy[i] * (x[i] - mean[t]) * rstd[t];
        }
        for (int64_t c = 0; c < C; c++) {
            const int64_t i = t * C + c;
            const double n = (x[i] - mean[t]) * rstd[t];
            const double d = rstd[t] * (gain[c] * dy[i] - sum / (double)C - n * sum_n / (double)C);
            dx[i] = (accumulate ? dx[i] : 0) + d;
        }
    }
}

void madpo_ref_layernorm_bwd_gain(double *dgain, double *dbias, const double *dy, const double *x,
                                  const double *mean, const double *rstd, int64_t T, int64_t C,
                                  bool accumulate)
{
    for (int64_t c = 0; c < C; c++) {
        double sum_gain = 0, sum_bias = 0;
        for (int64_t t = 0; t < T; t++) {
            sum_gain += dy[t * C + c] * (x[t * C + c] - mean[t]) * rstd[t];
            sum_bias += dy[t * C + c];
        }
        dgain[c] = (accumulate ? dgain[c] : 0) + sum_gain;
        if (dbias != NULL)
            dbias[c] = (accumulate ? dbias[c] : 0) + sum_bias;
    }
}
