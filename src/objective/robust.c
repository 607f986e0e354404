/* Robust DPO (Chowdhury, Kini, Natarajan 2024, arXiv 2403.00409): the loss whose mean under
 * labels flipped with probability epsilon is DPO's under the true ones, [-(1-e) log sigma(beta m) +
 * e log sigma(-beta m)] / (1-2e). May be negative. e = 0 is DPO. */
#include <math.h>

#include "objective/inside.h"

static void robust_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                        madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);
    double e = options->label_smoothing;
    double x = options->beta * t.m, scale = 1.0 / (1.0 - 2.0 * e);
    double loss = -(1.0 - e) * madpo_log_sigmoid(x) + e * madpo_log_sigmoid(-x);
    double dm = -options->beta * scale * ((1.0 - e) * madpo_sigmoid(-x) + e * madpo_sigmoid(x));

    madpo__result(out, &t, scale * loss, dm, -dm);
}

static const madpo_objective_option robust_options[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"},
    {"policy.label_smoothing", .1, "epsilon, the share of wrong labels, below one half"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_robust = {
    .name = "robust",
    .formula = "[-(1-e) log sigma(beta m) + e log sigma(-beta m)] / (1-2e)",
    .source = "Chowdhury et al. 2024, arXiv 2403.00409",
    .pair = robust_pair,
    .needs_reference = true,
    .options = robust_options,
    .mean = "over the pairs of the step",
};
