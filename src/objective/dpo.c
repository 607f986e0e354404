/* Direct Preference Optimization (Rafailov et al. 2023, arXiv 2305.18290, eq. 7): -log sigma(beta
 * m). With policy.average the log-ratios are per token. */
#include <math.h>

#include "objective/inside.h"

static void dpo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                     madpo_pair_loss *out)
{
    madpo_pair_plan plan = {.weight = 1.0, .beta = options->beta};

    madpo__planned_log_ratio(options, &plan, in, out);
}

static const madpo_objective_option dpo_options[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"}, MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_dpo = {
    .name = "dpo",
    .formula = "-log sigma(beta m)",
    .source = "Rafailov et al. 2023, arXiv 2305.18290",
    .pair = dpo_pair,
    .needs_reference = true,
    .options = dpo_options,
    .mean = "over the pairs of the step",
};
