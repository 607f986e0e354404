#ifndef MADPO_REF_REWARD_HEAD_H
#define MADPO_REF_REWARD_HEAD_H
/* Double-precision twin of ops/reward_head.h; same arguments. */
#include <stdbool.h>
#include <stdint.h>

void madpo_ref_reward_head_fwd(double *reward, const double *hidden, const int32_t *last,
                               const double *w, int64_t S, int64_t C);
void madpo_ref_reward_head_bwd(double *dhidden, double *dw, const double *dreward,
                               const double *hidden, const int32_t *last, const double *w,
                               int64_t S, int64_t C, bool accumulate);

#endif
