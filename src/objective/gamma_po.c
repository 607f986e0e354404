/* gamma-PO (Sun et al. 2025, ACL; sunjie279/gammaPO) on SimPO's loss: -log sigma(beta l - gamma_i)
 * with l the difference of the policy's mean token log-probs and a target margin for each pair. The
 * targets are gamma_i = gamma0 n p_i, p a distribution over the n pairs of the step that makes
 *
 *     mean of -log sigma(R_i - gamma_i)  +  alpha KL(p || uniform),    R_i = beta l_i
 *
 * small: pairs that are far apart already get larger targets. As in the authors' code p comes from
 * exponentiated gradient steps of length min(1/(2 alpha), 1) from the uniform one. (Their published
 * runs add gaps drawn from a queue of earlier ones, up to 256, because a device holds few pairs; a
 * step here has them all, as in their rule for one batch.) alpha is the paper's tau. gamma0 is the
 * target margin itself; the paper's ratio gamma/beta times beta. An evaluation uses gamma0. */
#include <math.h>

#include "objective/inside.h"

/* Twenty are computed, the targets are those before the last one. */
enum { GAMMA_PO_UPDATES = 19 };

static void gamma_po_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                          madpo_pair_loss *out)
{
    madpo_pair_plan plan = {.weight = 1.0, .beta = options->beta, .offset = options->gamma};

    madpo__planned_average(options, &plan, in, out);
}

/* Until the plans are made, `offset` holds R_i and `beta` v_i = log(n p_i). */

/* Make the mean of exp(v) one. */
static void gamma_po_normalise(madpo_pair_plan *plans, size_t n)
{
    double most = plans[0].beta, sum = 0.0;

    for (size_t i = 1; i < n; i++)
        most = fmax(most, plans[i].beta);
    for (size_t i = 0; i < n; i++)
        sum += exp(plans[i].beta - most);
    for (size_t i = 0; i < n; i++)
        plans[i].beta = plans[i].beta - most - log(sum / (double)n);
}

static void gamma_po_update(const madpo_objective_options *o, madpo_pair_plan *plans, size_t n)
{
    double step = fmin(0.5 / o->alpha, 1.0);

    for (size_t i = 0; i < n; i++) {
        double v = plans[i].beta, gamma = o->gamma * exp(v);
        double slope = o->gamma * madpo_sigmoid(gamma - plans[i].offset) + o->alpha * (1.0 + v);

        plans[i].beta = v - step * slope;
    }
    gamma_po_normalise(plans, n);
}

static void gamma_po_plan(const madpo_objective_options *options, madpo_objective_state *state,
                          const madpo_pair_logps *in, size_t n, madpo_pair_plan *out,
                          madpo_step_plan *step)
{
    (void)state;
    for (size_t i = 0; i < n; i++)
        out[i] =
            (madpo_pair_plan){.weight = 1.0, .offset = options->beta * madpo__averages(&in[i]).m};
    madpo__moments(out, n, &step->mean, &step->sd);
    for (int k = 0; k < GAMMA_PO_UPDATES; k++)
        gamma_po_update(options, out, n);
    for (size_t i = 0; i < n; i++) {
        out[i].offset = options->gamma * exp(out[i].beta);
        out[i].beta = options->beta;
    }
}

static const madpo_objective_option gamma_po_options[] = {
    {"policy.beta", 2.5, "scale of the difference; 2.5 to 10"},
    {"policy.gamma", .5, "mean target margin; 0.15 to 0.6 times beta"},
    {"policy.alpha", 10, "how much the targets are held together; 3 to 20"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_gamma_po = {
    .name = "gamma-po",
    .formula =
        "-log sigma(beta l - gamma n p), l = log pi(y_w)/|y_w| - log pi(y_l)/|y_l|, p of the "
        "step: min mean loss + alpha KL(p | uniform)",
    .source = "Sun et al. 2025, gamma-PO, ACL 2025",
    .pair = gamma_po_pair,
    .needs_lengths = true,
    .options = gamma_po_options,
    .plan = gamma_po_plan,
    .planned = madpo__planned_average,
    .mean = "over the pairs of the step",
};
