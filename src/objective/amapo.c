/* AMaPO (2025, arXiv 2511.09385): -log sigma(beta l - offset) with l the difference of the policy's
 * mean token log-probs, and for pairs below the step's mean mu an offset of beta exp(mu (mu -
 * l)/s), s the step's standard deviation: what is ranked worst is pushed hardest. No reference; the
 * offset carries no gradient. Pairs all alike (s = 0, or a step of one pair) have no offset. An
 * evaluation knows no step and uses none. */
#include <math.h>

#include "objective/inside.h"

/* Beyond it the gradient is -beta in every digit, and the loss would soon be beyond every number.
 */
static const double largest_exponent = 100.0;

static void amapo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                       madpo_pair_loss *out)
{
    madpo_pair_plan plan = {.weight = 1.0, .beta = options->beta};

    madpo__planned_average(options, &plan, in, out);
}

static double amapo_offset(double beta, double l, const madpo_step_plan *step)
{
    double z = madpo__standardise(l, step->mean, step->sd);

    return z < 0.0 ? beta * exp(fmin(-z * step->mean, largest_exponent)) : 0.0;
}

static void amapo_plan(const madpo_objective_options *options, madpo_objective_state *state,
                       const madpo_pair_logps *in, size_t n, madpo_pair_plan *out,
                       madpo_step_plan *step)
{
    (void)state;
    for (size_t i = 0; i < n; i++)
        out[i].offset = madpo__averages(&in[i]).m;
    madpo__moments(out, n, &step->mean, &step->sd);
    step->center = step->mean;
    step->scale = step->sd;
    for (size_t i = 0; i < n; i++)
        out[i].offset = amapo_offset(options->beta, out[i].offset, step);
}

static const madpo_objective_option amapo_options[] = {
    {"policy.beta", 2, "scale of the difference; 2 to 3, with large steps (128 pairs)"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_amapo = {
    .name = "amapo",
    .formula = "-log sigma(beta l - beta [l < mu] exp(mu (mu - l)/s)), l = log pi(y_w)/|y_w| - log "
               "pi(y_l)/|y_l|, mu, s of the step",
    .source = "AMaPO 2025, arXiv 2511.09385",
    .pair = amapo_pair,
    .needs_lengths = true,
    .options = amapo_options,
    .plan = amapo_plan,
    .planned = madpo__planned_average,
    .mean = "over the pairs of the step",
};
