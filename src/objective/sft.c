/* Plain language modelling of the chosen answer: -log pi(y_w), with policy.average per token. The
 * control that sees the same data without its preferences. */
#include <math.h>

#include "objective/inside.h"

static void sft_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                     madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_probs(options, in);

    madpo__result(out, &t, -t.a, -1.0, 0.0);
}

static const madpo_objective_option sft_options[] = {MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_sft = {
    .name = "sft",
    .formula = "-log pi(y_w)",
    .source = "maximum likelihood",
    .pair = sft_pair,
    .options = sft_options,
    .mean = "over the pairs of the step",
};
