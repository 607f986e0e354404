/* Reward head in double; see reward_head.h. */
#include "ref/reward_head.h"

void madpo_ref_reward_head_fwd(double *reward, const double *hidden, const int32_t *last,
                               const double *w, int64_t S, int64_t C)
{
    for (int64_t s = 0; s < S; s++) {
        reward[s] = 0;
        for (int64_t c = 0; c < C; c++)
            reward[s] += w[c] * hidden[last[s] * C + c];
    }
}

void madpo_ref_reward_head_bwd(double *dhidden, double *dw, const double *dreward,
                               const double *hidden, const int32_t *last, const double *w,
                               int64_t S, int64_t C, bool accumulate)
{
    for (int64_t c = 0; c < C && !accumulate; c++)
        dw[c] = 0;
    for (int64_t s = 0; s < S; s++) {
        for (int64_t c = 0; c < C; c++) {
            dhidden[last[s] * C + c] += dreward[s] * w[c];
            dw[c] += dreward[s] * hidden[last[s] * C + c];
        }
    }
}
