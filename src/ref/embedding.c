/* Token embedding in double; see embedding.h. */
#include "ref/embedding.h"

void madpo_ref_embedding_fwd(double *x, const int32_t *ids, const double *E, double scale,
                             int64_t T, int64_t C)
{
    for (int64_t t = 0; t < T; t++) {
        for (int64_t c = 0; c < C; c++)
            x[t * C + c] = scale * E[ids[t] * C + c];
    }
}

void madpo_ref_embedding_bwd(double *dE, const double *dx, const int32_t *uniq,
                             const int32_t *uniq_start, const int32_t *uniq_token, double scale,
                             int64_t U, int64_t C, bool accumulate)
{
    for (int64_t u = 0; u < U; u++) {
        double *de = dE + uniq[u] * C;
        for (int64_t c = 0; c < C; c++) {
            double sum = 0;
            for (int32_t k = uniq_start[u]; k < uniq_start[u + 1]; k++)
                sum += dx[uniq_token[k] * C + c];
            de[c] = (accumulate ? de[c] : 0) + scale * sum;
        }
    }
}
