/* Efficient Exact Optimization of pairs (Ji et al. 2024, arXiv 2402.00856): the divergence
 * KL(sigma(beta m) || 1 - e) of two coins. Its derivative in x = beta m is sigma(x) sigma(-x) (x -
 * log((1-e)/e)); smallest, 0, where sigma(x) = 1 - e. e must be above 0. */
#include <math.h>

#include "objective/inside.h"

static void exo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                     madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);
    double e = options->label_smoothing, x = options->beta * t.m;
    double p = madpo_sigmoid(x), q = madpo_sigmoid(-x);
    double loss = p * (madpo_log_sigmoid(x) - log1p(-e)) + q * (madpo_log_sigmoid(-x) - log(e));
    double dm = options->beta * p * q * (x - (log1p(-e) - log(e)));

    madpo__result(out, &t, loss, dm, -dm);
}

static const madpo_objective_option exo_options[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"},
    {"policy.label_smoothing", 1e-3, "epsilon, the share of wrong labels, above 0"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_exo = {
    .name = "exo",
    .formula = "sigma(x) log(sigma(x)/(1-e)) + sigma(-x) log(sigma(-x)/e), x = beta m",
    .source = "Ji et al. 2024, arXiv 2402.00856",
    .pair = exo_pair,
    .needs_reference = true,
    .options = exo_options,
    .mean = "over the pairs of the step",
};
