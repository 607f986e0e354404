#ifndef MADPO_TRAIN_SCORE_H
#define MADPO_TRAIN_SCORE_H
/* Log-probs or rewards of pairs by a model on its device, outside of a run: micro-batches by token
 * budget, in the order of the pairs. What training and evaluation do with pairs is in scan.h. */
#include "data/pack.h"
#include "model/model.h"

typedef struct madpo_score {
    double chosen, rejected;      /* summed log-probs of the answer's tokens, or rewards */
    int32_t n_chosen, n_rejected; /* tokens of the answers */
} madpo_score;

/* Called for pair i, in order. */
typedef madpo_status (*madpo_score_fn)(void *user, size_t i, const madpo_score *score,
                                       madpo_error *err);

/* Limits of micro-batches for these pairs: at most `budget` tokens, or what the longest pair has.
 */
madpo_status madpo_score_limits(madpo_batch_limits *out, const madpo_examples *pairs,
                                int64_t budget, madpo_error *err) MADPO_MUST_CHECK;
/* Run all pairs through a model that was planned for these limits. */
madpo_status madpo_score_each(madpo_model *model, const madpo_examples *pairs,
                              const madpo_batch_limits *limits, bool rewards, madpo_score_fn fn,
                              void *user, madpo_error *err) MADPO_MUST_CHECK;
#endif
