/* MADPO without the sampling of labels: soft labels p = sigma(c(h) h), c as in MADPO (Rho 2025,
 * arXiv 2510.05342). For calibrated labels and |h| < tau MADPO's expected loss is this one: the
 * weights are made so that its minimum lies at beta m = c(h) h. */
#include <math.h>

#include "objective/inside.h"

static void soft_madpo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                            madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);
    double h = madpo__margin(options, in);

    madpo__soft_label(out, &t, options->beta, madpo_weight_c(&options->weight, h) * h);
}

static const madpo_objective_option soft_madpo_options[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"},
    MADPO__WEIGHT_OPTIONS,
    {"policy.margin", NAN, "what h is: the reward model's, or the difference of the true scores"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_soft_madpo = {
    .name = "soft-madpo",
    .formula = "-p log sigma(beta m) - (1-p) log sigma(-beta m), p = sigma(c(h) h)",
    .source = "from Rho 2025, arXiv 2510.05342, by taking the mean over labels",
    .pair = soft_madpo_pair,
    .needs_margin = true,
    .needs_reference = true,
    .options = soft_madpo_options,
    .mean = "over the pairs of the step",
};
