/* Conservative DPO (Mitchell 2023, "A note on DPO with noisy preferences"): a share epsilon of the
 * labels is taken to be wrong, -(1-e) log sigma(beta m) - e log sigma(-beta m). Smallest where
 * sigma(beta m) = 1 - e. e = 0 is DPO. */
#include <math.h>

#include "objective/inside.h"

static void cdpo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                      madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);
    double e = options->label_smoothing, x = options->beta * t.m;
    double loss = -(1.0 - e) * madpo_log_sigmoid(x) - e * madpo_log_sigmoid(-x);
    double dm = -options->beta * ((1.0 - e) * madpo_sigmoid(-x) - e * madpo_sigmoid(x));

    madpo__result(out, &t, loss, dm, -dm);
}

static const madpo_objective_option cdpo_options[] = {
    {"policy.beta", .1, "strength of the pull towards the reference"},
    {"policy.label_smoothing", .1, "epsilon, the share of wrong labels"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_cdpo = {
    .name = "cdpo",
    .formula = "-(1-e) log sigma(beta m) - e log sigma(-beta m)",
    .source = "Mitchell 2023, a note on DPO with noisy preferences",
    .pair = cdpo_pair,
    .needs_reference = true,
    .options = cdpo_options,
    .mean = "over the pairs of the step",
};
