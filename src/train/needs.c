/* What the stages need, told in time. */
#include "train/needs.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "train/margins_given.h"
#include "train/policy_options.h"
#include "train/reward_models.h"
#include "train/stage_model.h"

static bool is_to_run(const madpo_stage_context *ctx, const char *stage)
{
    return madpo_options_has_stage(ctx->options, stage) && !madpo_run_stage_done(ctx->run, stage);
}

static madpo_status needs_of_margins(const madpo_stage_context *ctx, madpo_error *err)
{
    size_t n = madpo_reward_models_count(ctx->options);

    if (madpo_margins_are_given(ctx, ctx->given_pairs))
        return madpo_margins_given_check(ctx, err);
    if (madpo_options_has_stage(ctx->options, "reward"))
        return MADPO_OK;
    for (size_t i = 0; i < n; i++) {
        madpo_reward_model which = madpo_reward_models_at(ctx->options, i);

        if (!madpo_stage_has_model(ctx, which.name))
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "margins: %s/models/%s is not there: run the stage reward first "
                                   "(run.stages), or give margins (data.margins)",
                                   madpo_run_dir(ctx->run), which.name);
    }
    return MADPO_OK;
}

static madpo_status needs_margins(const madpo_stage_context *ctx, const char *objective,
                                  madpo_error *err)
{
    char *path = madpo_run_path(ctx->run, "margins.jsonl");
    madpo_status st = MADPO_OK;

    if (!path)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "policy: out of host memory");
    if (!madpo_options_has_stage(ctx->options, "margins") && !madpo_file_exists(path))
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "objective %s needs the reward margin of every pair, and %s is not "
                             "there: run the stage margins first (run.stages)",
                             objective, path);
    free(path);
    return st;
}

static madpo_status needs_of_policy(const madpo_stage_context *ctx, madpo_error *err)
{
    const madpo_objective *objective = madpo_objective_find(ctx->options->policy.objective);
    madpo_objective_options options;
    madpo_status st;

    if (!objective)
        return madpo_error_set(err, MADPO_ERR_CONFIG, "policy.objective: unknown objective '%s'",
                               ctx->options->policy.objective);
    options = madpo_policy_objective_options(ctx->options, objective);
    st = madpo_objective_options_check(objective, &options, err);
    if (st == MADPO_OK && madpo_objective_needs_of(objective, &options).margin)
        st = needs_margins(ctx, objective->name, err);
    if (st == MADPO_OK && *ctx->options->policy.reference &&
        !madpo_file_exists(ctx->options->policy.reference))
        st = madpo_error_set(err, MADPO_ERR_IO, "policy.reference: %s is not there",
                             ctx->options->policy.reference);
    if (st == MADPO_OK && ctx->given_pairs && madpo_objective_needs_of(objective, &options).scores)
        st = madpo_policy_scores_check(objective, ctx->given_pairs, err);
    return st;
}

madpo_status madpo_stage_needs(madpo_stage_context *ctx, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    if (is_to_run(ctx, "margins"))
        st = needs_of_margins(ctx, err);
    if (st == MADPO_OK && is_to_run(ctx, "policy"))
        st = needs_of_policy(ctx, err);
    return st;
}
