/* DPO with soft labels from the margin (margin matching, Kim et al. 2024, arXiv 2410.03145): -p log
 * sigma(beta m) - (1-p) log sigma(-beta m), p = sigma(gamma h). Smallest where beta m = gamma h. */
#include <math.h>

#include "objective/inside.h"

static void soft_dpo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                          madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);

    madpo__soft_label(out, &t, options->beta, options->soft_scale * madpo__margin(options, in));
}

static const madpo_objective_option soft_dpo_options[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"},
    {"policy.soft_scale", NAN, "gamma; published values are 0.3 to 2.2"},
    {"policy.margin", NAN, "what h is: the reward model's, or the difference of the true scores"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_soft_dpo = {
    .name = "soft-dpo",
    .formula = "-p log sigma(beta m) - (1-p) log sigma(-beta m), p = sigma(soft_scale h)",
    .source = "Kim et al. 2024, arXiv 2410.03145",
    .pair = soft_dpo_pair,
    .needs_margin = true,
    .needs_reference = true,
    .options = soft_dpo_options,
    .mean = "over the pairs of the step",
};
