/* Learned positions in double; see position.h. */
#include "ref/position.h"

#include <math.h>

static bool position_valid(int32_t p, int64_t n_pos)
{
    return p >= 0 && p < n_pos;
}

void madpo_ref_position_fwd(double *x, const int32_t *pos, const double *P, int64_t T,
                            int64_t n_pos, int64_t C)
{
    for (int64_t t = 0; t < T; t++) {
        for (int64_t c = 0; c < C; c++)
            x[t * C + c] += position_valid(pos[t], n_pos) ? P[pos[t] * C + c] : NAN;
    }
}

void madpo_ref_position_bwd(double *dP, const double *dx, const int32_t *pos, int64_t T,
                            int64_t n_pos, int64_t C, bool accumulate)
{
    for (int64_t i = 0; i < n_pos * C && !accumulate; i++)
        dP[i] = 0;
    for (int64_t t = 0; t < T; t++) {
        for (int64_t c = 0; c < C && position_valid(pos[t], n_pos); c++)
            dP[pos[t] * C + c] += dx[t * C + c];
    }
}
