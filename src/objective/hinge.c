/* Hinge loss of the margin (SLiC, Zhao et al. 2023, arXiv 2305.10425, in the form of Liu et al.
 * 2023, arXiv 2309.06657): max(0, 1 - beta m). Flat from beta m = 1 on, that point included. */
#include <math.h>

#include "objective/inside.h"

static void hinge_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                       madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);
    double gap = 1.0 - options->beta * t.m;
    double dm = gap > 0.0 ? -options->beta : 0.0;

    madpo__result(out, &t, fmax(0.0, gap), dm, -dm);
}

static const madpo_objective_option hinge_options[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"}, MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_hinge = {
    .name = "hinge",
    .formula = "max(0, 1 - beta m)",
    .source = "Zhao et al. 2023, arXiv 2305.10425; Liu et al. 2023, arXiv 2309.06657",
    .pair = hinge_pair,
    .needs_reference = true,
    .options = hinge_options,
    .mean = "over the pairs of the step",
};
