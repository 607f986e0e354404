/* Margin-Adaptive DPO (Rho 2025, arXiv 2510.05342): DPO's loss times w(h), which is a constant of
 * the pair: no gradient flows through it and the mean is not divided by the sum of the weights. */
#include <math.h>

#include "objective/inside.h"

static void madpo_pair_of(const madpo_objective_options *options, const madpo_pair_logps *in,
                          madpo_pair_loss *out)
{
    double w = madpo_weight_w(&options->weight, madpo__margin(options, in));
    madpo_pair_plan plan = {.weight = w, .beta = options->beta};

    madpo__planned_log_ratio(options, &plan, in, out);
}

static const madpo_objective_option madpo_options_of[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"},
    MADPO__WEIGHT_OPTIONS,
    {"policy.variant", NAN, "which part of w(h) counts: for ablations"},
    {"policy.max_weight", NAN, "largest weight of the variant \"uncapped\""},
    {"policy.margin", NAN, "what h is: the reward model's, or the difference of the true scores"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_madpo = {
    .name = "madpo",
    .formula = "w(h) (-log sigma(beta m)), w(h) = sigma(c(h) h)/sigma(h) for h > -tau, else 1",
    .source = "Rho 2025, arXiv 2510.05342",
    .pair = madpo_pair_of,
    .needs_margin = true,
    .needs_reference = true,
    .options = madpo_options_of,
    .mean = "over the pairs of the step; not divided by the sum of the weights",
};
