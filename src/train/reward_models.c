/* The reward models of a run. */
#include "train/reward_models.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "train/folds.h"
#include "train/stage_model.h"

size_t madpo_reward_models_count(const madpo_options *options)
{
    return (size_t)(options->reward.folds * options->reward.ensemble);
}

madpo_reward_model madpo_reward_models_at(const madpo_options *options, size_t i)
{
    bool folds = options->reward.folds > 1;
    int fold = (int)(i / (size_t)options->reward.ensemble) + 1;
    int seed = (int)(i % (size_t)options->reward.ensemble) + 1;
    madpo_reward_model m = {.only = madpo_reward_models_count(options) == 1,
                            .fold = folds ? fold - 1 : -1};

    if (folds && seed > 1)
        snprintf(m.name, sizeof m.name, "reward-fold-%d-seed-%d", fold, seed);
    else if (folds)
        snprintf(m.name, sizeof m.name, "reward-fold-%d", fold);
    else if (seed > 1)
        snprintf(m.name, sizeof m.name, "reward-seed-%d", seed);
    else
        snprintf(m.name, sizeof m.name, "reward");
    return m;
}

bool madpo_reward_models_trained(const madpo_stage_context *ctx)
{
    size_t n = madpo_reward_models_count(ctx->options);

    for (size_t i = 0; i < n; i++)
        if (!madpo_stage_has_model(ctx, madpo_reward_models_at(ctx->options, i).name))
            return false;
    return true;
}

/* Groups of the training pairs, in their order, into folds. */
static madpo_status folds_of_training(int32_t *fold, uint64_t *group, const madpo_pairset *set,
                                      const madpo_stage_context *ctx, madpo_error *err)
{
    int32_t *dealt = malloc((set->train.n + 1) * sizeof *dealt);
    madpo_status st;

    if (!dealt)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "reward.folds: out of host memory");
    for (size_t i = 0; i < set->train.n; i++) {
        const madpo_pair *pair = madpo_pairs_at(set->pairs, (size_t)set->train.v[i].id);

        group[i] = madpo_folds_group(pair->prompt, pair->n_prompt);
    }
    st = madpo_folds_assign(dealt, group, set->train.n, (int32_t)ctx->options->reward.folds,
                            madpo_stage_seed(ctx, "reward folds"), err);
    if (st != MADPO_OK)
        madpo_error_context(err, "reward.folds");
    for (size_t i = 0; i < set->train.n && st == MADPO_OK; i++)
        fold[set->train.v[i].id] = dealt[i];
    free(dealt);
    return st;
}

madpo_status madpo_reward_models_folds(int32_t *fold, const madpo_pairset *set,
                                       const madpo_stage_context *ctx, madpo_error *err)
{
    uint64_t *group;
    madpo_status st;

    for (size_t i = 0; i < set->n; i++)
        fold[i] = -1;
    if (ctx->options->reward.folds < 2)
        return MADPO_OK;
    group = malloc((set->train.n + 1) * sizeof *group);
    if (!group)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "reward.folds: out of host memory");
    st = folds_of_training(fold, group, set, ctx, err);
    free(group);
    return st;
}
