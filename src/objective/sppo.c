/* Self-Play Preference Optimization with hard labels (Wu et al. 2024, arXiv 2405.00675): the chosen
 * answer's log-ratio goes to 1/(2 beta), the rejected one's to -1/(2 beta), each by itself. */
#include <math.h>

#include "objective/inside.h"

static void sppo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                      madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);
    double up = t.a - 0.5 / options->beta, down = t.b + 0.5 / options->beta;

    madpo__result(out, &t, up * up + down * down, 2.0 * up, 2.0 * down);
}

static const madpo_objective_option sppo_options[] = {
    {"policy.beta", .1, "the log-ratios aimed at are +-1/(2 beta)"}, MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_sppo = {
    .name = "sppo",
    .formula = "(a - 1/(2 beta))^2 + (b + 1/(2 beta))^2",
    .source = "Wu et al. 2024, arXiv 2405.00675",
    .pair = sppo_pair,
    .needs_reference = true,
    .options = sppo_options,
    .mean = "over the pairs of the step",
};
