/* Reward distillation (Fisch et al. 2024, arXiv 2405.19316): (beta m - h)^2, the implicit
 * reward takes on the reward model's margin. Labels play no part. */
#include <math.h>

#include "objective/inside.h"

static void distill_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                         madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);
    double gap = options->beta * t.m - madpo__margin(options, in);
    double dm = 2.0 * options->beta * gap;

    madpo__result(out, &t, gap * gap, dm, -dm);
}

static const madpo_objective_option distill_options[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"},
    {"policy.margin", NAN, "what h is: the reward model's, or the difference of the true scores"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_distill = {
    .name = "distill",
    .formula = "(beta m - h)^2",
    .source = "Fisch et al. 2024, arXiv 2405.19316",
    .pair = distill_pair,
    .needs_margin = true,
    .needs_reference = true,
    .options = distill_options,
    .mean = "over the pairs of the step",
};
