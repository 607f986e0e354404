#ifndef MADPO_TRAIN_JUDGE_H
#define MADPO_TRAIN_JUDGE_H
/* What models think of sampled texts, outside of a run, and how varied the texts are. Pairs:
 * score.h. */
#include "data/pack.h"
#include "model/model.h"

typedef struct madpo_judge_text {
    const int32_t *prompt, *answer; /* borrowed */
    int32_t n_prompt, n_answer;
    bool ended; /* the end token came behind the answer, which does not have it */
} madpo_judge_text;

/* Limits of micro-batches for texts of at most `longest` tokens, end token included. */
madpo_batch_limits madpo_judge_limits(int64_t longest, int64_t budget);
/* Summed log-prob of each answer, the end token included if it ended by one (eos < 0: there is
 * none), into out [n]; tokens [n] (may be NULL) gets how many were summed. The model must have been
 * planned for these limits, here and below. */
madpo_status madpo_judge_logps(double *out, double *tokens, madpo_model *model,
                               const madpo_judge_text *text, size_t n, int32_t eos,
                               const madpo_batch_limits *limits, madpo_error *err) MADPO_MUST_CHECK;
/* Reward of each text, the end token put behind it in any case: out [n]. */
madpo_status madpo_judge_rewards(double *out, madpo_model *model, const madpo_judge_text *text,
                                 size_t n, int32_t eos, const madpo_batch_limits *limits,
                                 madpo_error *err) MADPO_MUST_CHECK;

/* Share of different ones among all runs of `gram` = 1 or 2 tokens of the answers; NaN if there are
 * none, or no memory to count them. */
double madpo_judge_distinct(const madpo_judge_text *text, size_t n, int gram);
#endif
