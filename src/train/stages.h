#ifndef MADPO_TRAIN_STAGES_H
#define MADPO_TRAIN_STAGES_H
/* The stages of a run, in order; each reads what earlier ones left in the run directory, so each
 * can be run alone. Called by train/trainer.c through the table madpo_stages. */
#include <signal.h>

#include "config/config.h"
#include "data/pairs.h"
#include "data/reviews.h"
#include "data/scorer.h"
#include "device/device.h"
#include "model/model.h"
#include "run/run.h"
#include "text/tokenizer.h"
#include "train/base_model.h"

typedef struct madpo_control madpo_control; /* train/control.h */

/* Everything a stage may use. Owned by the trainer; stages borrow. */
typedef struct madpo_stage_context {
    const madpo_options *options;
    madpo_device *dev;
    madpo_run *run;
    const madpo_reviews *reviews; /* in split order; NULL when the source is pairs */
    size_t n_train_reviews;       /* the first so many are for training, the others held out */
    const madpo_pairs
        *given_pairs;     /* the user's pairs with their split, NULL when pairs are generated */
    madpo_tokenizer *tok; /* trained or loaded before the first stage */
    madpo_scorer *scorer; /* NULL when the source is pairs */
    const madpo_base_model *base; /* where the models start */
    madpo_model_config model;
    volatile sig_atomic_t *stop;       /* set by a stop request */
    volatile sig_atomic_t *checkpoint; /* set by a checkpoint request; cleared when saved */
    madpo_control *control;            /* other requests, and where both are taken from */
} madpo_stage_context;

typedef struct madpo_stage {
    const char *name;
    const char *help; /* one line */
    madpo_status (*run)(madpo_stage_context *ctx, madpo_error *err);
} madpo_stage;

extern const madpo_stage madpo_stages[];
extern const size_t madpo_n_stages;

madpo_status madpo_stage_sft(madpo_stage_context *ctx, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_stage_generate(madpo_stage_context *ctx, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_stage_tiers(madpo_stage_context *ctx, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_stage_reward(madpo_stage_context *ctx, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_stage_margins(madpo_stage_context *ctx, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_stage_policy(madpo_stage_context *ctx, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_stage_evaluate(madpo_stage_context *ctx, madpo_error *err) MADPO_MUST_CHECK;
#endif
