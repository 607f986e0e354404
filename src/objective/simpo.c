/* SimPO (Meng, Xia, Chen 2024, arXiv 2405.14734): -log sigma(beta l - gamma) with l the
 * difference of the policy's mean token log-probs. No reference. gamma is the target margin itself;
 * the paper's ratio gamma/beta times beta. */
#include <math.h>

#include "objective/inside.h"

static void simpo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                       madpo_pair_loss *out)
{
    madpo__terms t = madpo__averages(in);
    madpo_pair_plan plan = {.weight = 1.0, .beta = options->beta, .offset = options->gamma};

    madpo__logistic(out, &t, &plan);
}

static const madpo_objective_option simpo_options[] = {
    {"policy.beta", 2, "scale of the difference; 2 to 10"},
    {"policy.gamma", .5, "target margin; 0.15 to 0.6 times beta"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_simpo = {
    .name = "simpo",
    .formula = "-log sigma(beta l - gamma), l = log pi(y_w)/|y_w| - log pi(y_l)/|y_l|",
    .source = "Meng et al. 2024, arXiv 2405.14734",
    .pair = simpo_pair,
    .needs_lengths = true,
    .options = simpo_options,
    .mean = "over the pairs of the step",
};
