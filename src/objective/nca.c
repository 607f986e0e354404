/* Noise contrastive alignment of pairs (Chen et al. 2024, arXiv 2402.05369, NCA with K = 2): -log
 * sigma(beta a) - 1/2 log sigma(-beta a) - 1/2 log sigma(-beta b). */
#include <math.h>

#include "objective/inside.h"

static void nca_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                     madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);
    double beta = options->beta, x = beta * t.a, y = beta * t.b;
    double loss = -madpo_log_sigmoid(x) - 0.5 * madpo_log_sigmoid(-x) - 0.5 * madpo_log_sigmoid(-y);

    madpo__result(out, &t, loss, beta * (0.5 * madpo_sigmoid(x) - madpo_sigmoid(-x)),
                  0.5 * beta * madpo_sigmoid(y));
}

static const madpo_objective_option nca_options[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"}, MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_nca = {
    .name = "nca",
    .formula = "-log sigma(beta a) - 1/2 log sigma(-beta a) - 1/2 log sigma(-beta b)",
    .source = "Chen et al. 2024, arXiv 2402.05369",
    .pair = nca_pair,
    .needs_reference = true,
    .options = nca_options,
    .mean = "over the pairs of the step",
};
