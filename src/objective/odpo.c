/* DPO with an offset (Amini, Vieira, Cotterell 2024, arXiv 2402.10571): -log sigma(beta m - alpha
 * log h). A logarithm wants a positive margin; one that contradicts the label, or is smaller than
 * `least`, counts as `least`: at alpha = 1 the pair is then content with beta m above -14. */
#include <math.h>

#include "objective/inside.h"

static const double least = 1e-6;

static void odpo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                      madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);
    double h = madpo__margin(options, in);
    madpo_pair_plan plan = {.weight = 1.0,
                            .beta = options->beta,
                            .offset = options->alpha * log(h < least ? least : h)};

    madpo__logistic(out, &t, &plan);
}

static const madpo_objective_option odpo_options[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"},
    {"policy.alpha", 1, "scale of the offset"},
    {"policy.margin", NAN, "what h is: the reward model's, or the difference of the true scores"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_odpo = {
    .name = "odpo",
    .formula = "-log sigma(beta m - alpha log max(h, 1e-6))",
    .source = "Amini et al. 2024, arXiv 2402.10571",
    .pair = odpo_pair,
    .needs_margin = true,
    .needs_reference = true,
    .options = odpo_options,
    .mean = "over the pairs of the step",
};
