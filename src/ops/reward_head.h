#ifndef MADPO_OPS_REWARD_HEAD_H
#define MADPO_OPS_REWARD_HEAD_H
/* Scalar reward head with last-token pooling: reward[s] = w . hidden[last[s]] (no bias, as
 * AutoModelForSequenceClassification's `score`). */
#include "device/buffer.h"

/* reward [S] write; hidden [T,C], last [S] i32, w [C] read. */
madpo_status madpo_reward_head_fwd(madpo_device *dev, madpo_tensor reward, madpo_tensor hidden,
                                   madpo_tensor last, madpo_tensor w, int64_t S, int64_t C,
                                   madpo_error *err) MADPO_MUST_CHECK;
/* dhidden [T,C]: rows last[s] += dreward[s] w (the caller zeroes it first; last[] must be
 * distinct);
 * dw [C] write or accumulate, summed over s in order. */
madpo_status madpo_reward_head_bwd(madpo_device *dev, madpo_tensor dhidden, madpo_tensor dw,
                                   madpo_tensor dreward, madpo_tensor hidden, madpo_tensor last,
                                   madpo_tensor w, int64_t S, int64_t C, bool accumulate,
                                   madpo_error *err) MADPO_MUST_CHECK;
#endif
