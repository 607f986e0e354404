/* Log-probs of labels and their gradients; see head.h. */
#include "ref/head.h"

#include <math.h>

static double dot(const double *x, const double *y, int64_t n)
{
    double z = 0;

    for (int64_t i = 0; i < n; i++)
        z += x[i] * y[i];
    return z;
}

void madpo_ref_head_fwd(double *logp, double *lse, double *zmax, const double *hidden,
                        const double *W, const int32_t *row_token, const int32_t *row_label,
                        int64_t R, int64_t C, int64_t V)
{
    for (int64_t i = 0; i < R; i++) {
        const double *x = hidden + row_token[i] * C;
        double max = -INFINITY, sum = 0;

        for (int64_t v = 0; v < V; v++)
            max = fmax(max, dot(x, W + v * C, C));
        for (int64_t v = 0; v < V; v++)
            sum += exp(dot(x, W + v * C, C) - max);
        zmax[i] = max;
        lse[i] = max + log(sum);
        logp[i] = dot(x, W + row_label[i] * C, C) - lse[i];
    }
}

void madpo_ref_head_expect(double *expect, const double *hidden, const double *W,
                           const int32_t *row_token, const int32_t *row_label, int64_t R, int64_t C,
                           int64_t V)
{
    for (int64_t i = 0; i < R; i++) {
        const double *x = hidden + row_token[i] * C;
        double logp, lse, zmax;

        madpo_ref_head_fwd(&logp, &lse, &zmax, hidden, W, row_token + i, row_label + i, 1, C, V);
        for (int64_t c = 0; c < C; c++)
            expect[i * C + c] = W[row_label[i] * C + c];
        for (int64_t v = 0; v < V; v++) {
            const double p = exp(dot(x, W + v * C, C) - lse);

            for (int64_t c = 0; c < C; c++)
                expect[i * C + c] -= p * W[v * C + c];
        }
    }
}

/* One row's share: dz_v = coef ([v = label] - p_v). */
static void row_bwd(const madpo_ref_head_grads *g, int64_t i)
{
    const int64_t C = g->C;
    const double *x = g->hidden + g->row_token[i] * C;
    double *dx = g->dhidden + g->row_token[i] * C;

    for (int64_t v = 0; v < g->V; v++) {
        const double *w = g->W + v * C;
        const double p = exp(dot(x, w, C) - g->lse[i]);
        const double dz = g->coef[i] * ((v == g->row_label[i] ? 1.0 : 0.0) - p);

        for (int64_t c = 0; c < C; c++) {
            dx[c] += dz * w[c];
            if (g->dW)
                g->dW[v * C + c] += dz * x[c];
        }
    }
}

void madpo_ref_head_bwd(const madpo_ref_head_grads *g, bool accumulate_hidden, bool accumulate_W)
{
    for (int64_t i = 0; i < g->T * g->C && !accumulate_hidden; i++)
        g->dhidden[i] = 0;
    for (int64_t i = 0; g->dW && i < g->V * g->C && !accumulate_W; i++)
        g->dW[i] = 0;
    for (int64_t i = 0; i < g->R; i++)
        row_bwd(g, i);
}
