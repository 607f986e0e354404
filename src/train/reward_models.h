#ifndef MADPO_TRAIN_REWARD_MODELS_H
#define MADPO_TRAIN_REWARD_MODELS_H
/* The reward models of a run: one, or with reward.folds one for each fold of the training pairs,
 * which is left out of its training, and of each kind as many as reward.ensemble says, which differ
 * by their seeds. Each is trained as if it were alone and lies in a folder of its own:
 *
 *   models/reward                 the only one
 *   models/reward-seed-2          the second of an ensemble, the first being models/reward
 *   models/reward-fold-1 …        those of the folds
 *   models/reward-fold-1-seed-2 … the others of their ensembles
 *
 * Inside src/train only. */
#include "train/pairset.h"

typedef struct madpo_reward_model {
    char name[48];
    bool only;    /* the only one of the run */
    int32_t fold; /* left out of its training; -1 = none */
} madpo_reward_model;

size_t madpo_reward_models_count(const madpo_options *options);
madpo_reward_model madpo_reward_models_at(const madpo_options *options, size_t i);
/* Are all of them there? */
bool madpo_reward_models_trained(const madpo_stage_context *ctx);
/* Fold [set->n] of each training pair, pairs of one prompt in one fold; -1: held out, or there are
 * no folds. The same in every stage. MADPO_ERR_DATA if there are fewer prompts than folds. */
madpo_status madpo_reward_models_folds(int32_t *fold, const madpo_pairset *set,
                                       const madpo_stage_context *ctx,
                                       madpo_error *err) MADPO_MUST_CHECK;
#endif
