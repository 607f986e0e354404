#ifndef MADPO_TRAIN_SOURCE_H
#define MADPO_TRAIN_SOURCE_H
/* Where a run's text comes from: generated reviews, a CSV of labelled reviews, or preference pairs;
 * the split into training and held-out; the tokenizer and the ground-truth scorer made from the
 * training part. Called by trainer.c before the first stage. Inside src/train only. */
#include "train/stage.h"

typedef enum madpo_source_kind {
    MADPO_SOURCE_SYNTHETIC,
    MADPO_SOURCE_REVIEWS,
    MADPO_SOURCE_PAIRS
} madpo_source_kind;

typedef struct madpo_source {
    madpo_source_kind kind;
    madpo_reviews reviews;     /* shuffled by seed; training first */
    size_t n_train;            /* reviews, or pairs, for training */
    madpo_pairs *pairs;        /* copies with the split decided; NULL unless kind is pairs */
    size_t n;                  /* reviews or pairs */
    madpo_pairs_report report; /* of the pairs' file; all 0 for other sources */
    char digest[33];
    madpo_tokenizer *tok; /* set by _prepare */
    madpo_scorer *scorer; /* set by _prepare; NULL for pairs */
} madpo_source;

/* Read or generate the data and split it. `given` (may be NULL) are pairs handed over through the
 * API: they win over data.*. The split is that of the pairs' own field if any pair is marked
 * held-out, else a shuffle by run.seed. */
madpo_status madpo_source_load(madpo_source *out, const madpo_options *options,
                               const madpo_pairs *given, madpo_error *err) MADPO_MUST_CHECK;
void madpo_source_dispose(madpo_source *source);
/* One line for run.json that differs when the data differs (owned by the caller, free()). */
madpo_status madpo_source_describe(char **out, const madpo_source *source,
                                   const madpo_options *options, madpo_error *err) MADPO_MUST_CHECK;
/* Make tokenizer and scorer, or load them if the run has them already; pairs go to pairs.jsonl. ctx
 * gets all. */
madpo_status madpo_source_prepare(madpo_source *source, madpo_stage_context *ctx,
                                  madpo_error *err) MADPO_MUST_CHECK;
#endif
