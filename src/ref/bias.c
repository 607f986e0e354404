/* Bias of a linear layer in double; see bias.h. */
#include "ref/bias.h"

void madpo_ref_bias_fwd(double *y, const double *b, int64_t T, int64_t N)
{
    for (int64_t i = 0; i < T * N; i++)
        y[i] += b[i % N];
}

void madpo_ref_bias_bwd(double *db, const double *dy, int64_t T, int64_t N, bool accumulate)
{
    for (int64_t j = 0; j < N; j++) {
        double sum = 0;
        for (int64_t t = 0; t < T; t++)
            sum += dy[t * N + j];
        db[j] = (accumulate ? db[j] : 0) + sum;
    }
}
