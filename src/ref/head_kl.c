/* Divergence of two heads, as it is defined: sum_v p_v (log p_v - log q_v); see head_kl.h. */
#include "ref/head_kl.h"

#include <math.h>

static double logit(const double *x, const double *W, int64_t v, int64_t C)
{
    double z = 0;

    for (int64_t c = 0; c < C; c++)
        z += x[c] * W[v * C + c];
    return z;
}

static double log_sum_exp(const double *x, const double *W, int64_t C, int64_t V)
{
    double max = -INFINITY, sum = 0;

    for (int64_t v = 0; v < V; v++)
        max = fmax(max, logit(x, W, v, C));
    for (int64_t v = 0; v < V; v++)
        sum += exp(logit(x, W, v, C) - max);
    return max + log(sum);
}

void madpo_ref_head_kl(double *kl, const double *p_rows, const double *P, const double *q_rows,
                       const double *Q, int64_t R, int64_t C, int64_t V)
{
    for (int64_t i = 0; i < R; i++) {
        const double *x = p_rows + i * C, *y = q_rows + i * C;
        const double lse_p = log_sum_exp(x, P, C, V), lse_q = log_sum_exp(y, Q, C, V);

        kl[i] = 0;
        for (int64_t v = 0; v < V; v++) {
            const double log_p = logit(x, P, v, C) - lse_p, log_q = logit(y, Q, v, C) - lse_q;

            kl[i] += exp(log_p) * (log_p - log_q);
        }
    }
}
