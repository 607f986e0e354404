/* alpha-DPO (Wu et al. 2024, arXiv 2410.10148): -log sigma(beta l - gamma - beta alpha (g - mu)/s)
 * with l the difference of the policy's mean token log-probs, g the same of the log-ratios to the
 * reference, mu and s the running mean and standard deviation of g (momentum 0.9, from 0, updated
 * before use). What is subtracted carries no gradient. gamma is the target margin itself; the
 * paper's ratio gamma/beta times beta. An evaluation leaves the running values alone and uses gamma
 * only. */
#include <math.h>

#include "objective/inside.h"

static void alpha_dpo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                           madpo_pair_loss *out)
{
    madpo_pair_plan plan = {.weight = 1.0, .beta = options->beta, .offset = options->gamma};

    madpo__planned_average(options, &plan, in, out);
}

static void alpha_dpo_plan(const madpo_objective_options *options, madpo_objective_state *state,
                           const madpo_pair_logps *in, size_t n, madpo_pair_plan *out,
                           madpo_step_plan *step)
{
    madpo_objective_options per_token = *options;

    per_token.average = true;
    for (size_t i = 0; i < n; i++)
        out[i].offset = madpo__log_ratios(&per_token, &in[i]).m;
    madpo__running(options, state, out, step, 0.0);
    for (size_t i = 0; i < n; i++) {
        double z = madpo__standardise(out[i].offset, state->center, state->scale);

        out[i].offset = options->gamma + options->beta * options->alpha * z;
    }
}

static const madpo_objective_option alpha_dpo_options[] = {
    {"policy.beta", 2.5, "scale of the difference; 2.5 to 10"},
    {"policy.gamma", 1.5, "target margin; 0.15 to 0.6 times beta"},
    {"policy.alpha", .2, "how much the target follows the pair's own margin; 0.05 to 0.2"},
    {"policy.momentum", NAN, "of the running mean and spread of the margins"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_alpha_dpo = {
    .name = "alpha-dpo",
    .formula =
        "-log sigma(beta l - gamma - beta alpha (g - mu)/s), l, g = differences per token of "
        "log pi and log pi/ref; mu, s running",
    .source = "Wu et al. 2024, arXiv 2410.10148",
    .pair = alpha_dpo_pair,
    .needs_reference = true,
    .needs_lengths = true,
    .options = alpha_dpo_options,
    .plan = alpha_dpo_plan,
    .planned = madpo__planned_average,
    .mean = "over the pairs of the step",
};
