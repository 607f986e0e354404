#ifndef MADPO_TRAIN_PAIRSET_H
#define MADPO_TRAIN_PAIRSET_H
/* The run's pairs (pairs.jsonl) as examples, split into training and held-out, with what later
 * stages stored for each: reward margins and reference log-probs. Inside src/train only.
 *
 * An example's id is the pair's position i in pairs.jsonl; all arrays are indexed by it. */
#include "train/stage.h"

typedef struct madpo_pairset {
    madpo_pairs *pairs;             /* owned */
    size_t n;                       /* pairs */
    madpo_examples all;             /* [n], in file order; owns the ids */
    madpo_examples train, held_out; /* views: own their example arrays, not the ids */
} madpo_pairset;

/* Read and tokenize; `pooled`: every answer ends with eos, the token a reward head pools at (as
 * TRL's RewardTrainer). Without the file: MADPO_ERR_DATA naming the stage generate. */
madpo_status madpo_pairset_load(madpo_pairset *out, madpo_stage_context *ctx, const char *stage,
                                bool pooled, madpo_error *err) MADPO_MUST_CHECK;
void madpo_pairset_dispose(madpo_pairset *set);

/* Numbers stored per pair in a file of JSON lines with an "id": column `key` of every pair into out
 * [n]. MADPO_ERR_DATA if the file does not cover all pairs, naming the stage `made_by`. */
madpo_status madpo_pairset_column(double *out, const madpo_pairset *set,
                                  const madpo_stage_context *ctx, const char *file, const char *key,
                                  const char *made_by, madpo_error *err) MADPO_MUST_CHECK;
/* The same, NaN where the file has none; *n_filled pairs have one. */
madpo_status madpo_pairset_column_some(double *out, size_t *n_filled, const madpo_pairset *set,
                                       const madpo_stage_context *ctx, const char *file,
                                       const char *key, madpo_error *err) MADPO_MUST_CHECK;
/* "train" or "eval" */
const char *madpo_pairset_split(const madpo_pairset *set, size_t i);
#endif
