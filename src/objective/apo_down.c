/* Anchored Preference Optimization, down (D'Oosterlinck et al. 2024, arXiv 2408.06266): sigma(beta
 * a)
 * + 1 - sigma(beta m). Both answers become unlikelier, the rejected one more so: for chosen answers
 * worse than the model's own. */
#include <math.h>

#include "objective/inside.h"

static void apo_down_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                          madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);
    double beta = options->beta, x = beta * t.a, y = beta * t.m;
    double up = madpo_sigmoid(x), apart = madpo_sigmoid(-y);
    double dm = beta * apart * madpo_sigmoid(y);

    madpo__result(out, &t, up + apart, beta * up * madpo_sigmoid(-x) - dm, dm);
}

static const madpo_objective_option apo_down_options[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"}, MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_apo_down = {
    .name = "apo-down",
    .formula = "sigma(beta a) + sigma(-beta m)",
    .source = "D'Oosterlinck et al. 2024, arXiv 2408.06266",
    .pair = apo_down_pair,
    .needs_reference = true,
    .options = apo_down_options,
    .mean = "over the pairs of the step",
};
