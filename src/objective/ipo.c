/* Identity Preference Optimization (Azar et al. 2023, arXiv 2310.12036, eq. 17): (m - 1/(2
 * beta))^2. On summed log-probs, as MADPO's reference implementation has it; with policy.average on
 * log-ratios per token, (a/n_chosen - b/n_rejected - 1/(2 beta))^2, as TRL has it after asking
 * IPO's authors. */
#include <math.h>

#include "objective/inside.h"

static void ipo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                     madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);
    double gap = t.m - 1.0 / (2.0 * options->beta);

    madpo__result(out, &t, gap * gap, 2.0 * gap, -2.0 * gap);
}

static const madpo_objective_option ipo_options[] = {
    {"policy.beta", .1, "the margin aimed at is 1/(2 beta)"}, MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_ipo = {
    .name = "ipo",
    .formula = "(m - 1/(2 beta))^2",
    .source = "Azar et al. 2023, arXiv 2310.12036",
    .pair = ipo_pair,
    .needs_reference = true,
    .options = ipo_options,
    .mean = "over the pairs of the step",
};
