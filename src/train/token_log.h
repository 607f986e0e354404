#ifndef MADPO_TRAIN_TOKEN_LOG_H
#define MADPO_TRAIN_TOKEN_LOG_H
/* tokens.jsonl (run/tokens.h): log-probs of single tokens, at every evaluation of the policy stage,
 * of the first run.log_tokens pairs in the order held-out, then training pairs. The values come
 * from forward passes of their own, without dropout, so the training is the same with and without.
 * The reference's are taken once, from the model before its first update; they cost one pass over
 * these pairs and are kept in memory, so a run that goes on takes them again. Inside src/train
 * only. */
#include "train/pairset.h"

typedef struct madpo_token_log madpo_token_log;

typedef struct madpo_token_log_setup {
    madpo_stage_context *ctx;
    const madpo_pairset *set;
    madpo_model *model; /* as the reference is now, if `reference` */
    madpo_batch_limits limits;
    bool reference; /* log-ratios are wanted */
    /* [set n] summed log-probs the stage works with: to say so if they are another model's */
    const double *ref_chosen, *ref_rejected;
} madpo_token_log_setup;

/* Everything in the setup is borrowed. */
madpo_status madpo_token_log_new(madpo_token_log **out, const madpo_token_log_setup *setup,
                                 madpo_error *err) MADPO_MUST_CHECK;
void madpo_token_log_free(madpo_token_log *log); /* accepts NULL */
/* The steps go on from `step`: what the file has of later ones is void from now on. */
madpo_status madpo_token_log_begin(madpo_token_log *log, int64_t step,
                                   madpo_error *err) MADPO_MUST_CHECK;
/* Append the lines of all pairs. */
madpo_status madpo_token_log_write(madpo_token_log *log, int64_t step,
                                   madpo_error *err) MADPO_MUST_CHECK;
#endif
