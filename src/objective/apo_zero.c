/* Anchored Preference Optimization, zero (D'Oosterlinck et al. 2024, arXiv 2408.06266): 1 -
 * sigma(beta a) + sigma(beta b). Chosen answers become likelier, rejected ones unlikelier, each by
 * itself: for chosen answers better than the model's own. */
#include <math.h>

#include "objective/inside.h"

static void apo_zero_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                          madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);
    double beta = options->beta, x = beta * t.a, y = beta * t.b;
    double up = madpo_sigmoid(-x), down = madpo_sigmoid(y);

    madpo__result(out, &t, up + down, -beta * up * madpo_sigmoid(x),
                  beta * down * madpo_sigmoid(-y));
}

static const madpo_objective_option apo_zero_options[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"}, MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_apo_zero = {
    .name = "apo-zero",
    .formula = "sigma(-beta a) + sigma(beta b)",
    .source = "D'Oosterlinck et al. 2024, arXiv 2408.06266",
    .pair = apo_zero_pair,
    .needs_reference = true,
    .options = apo_zero_options,
    .mean = "over the pairs of the step",
};
