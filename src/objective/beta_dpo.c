/* beta-DPO (Wu et al. 2024, arXiv 2407.08639): one beta for a whole step, beta0 (1 + alpha (mean
 * gap - running mean)), and a filter that keeps a share of the step's pairs, drawn without
 * replacement with probabilities exp(-z^2/2), z = (gap - running mean)/running spread. Two forms:
 *
 *                         "authors" (junkangwu/beta-DPO)   "notebook" (MADPO's repository)
 *   gap of a pair         m                                beta0 m
 *   running mean, spread  start at 0, 0                    start at 0, 1
 *   spread of a step      sd                               sd + 1e-6; z divides by spread + 1e-6
 *   mean gap              of the pairs kept                of all pairs
 *   beta                  at least 1e-3                    as it comes, negative too
 *
 * Both update the running values before they use them, with momentum 0.9. The loss is the mean over
 * the pairs kept. (The notebook takes it over the kept ones of each micro-batch of two, which makes
 * it depend on how a step is cut up; not here.) Drawing without replacement by weights w is keeping
 * the largest log w + Gumbel noise (Vieira 2014), which works where every w underflows. An
 * evaluation is plain DPO at beta0: it leaves the running values alone. */
#include <math.h>

#include "base/rng.h"
#include "objective/inside.h"

static const double least_beta = 1e-3, least_spread = 1e-6;

static void beta_dpo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                          madpo_pair_loss *out)
{
    madpo_pair_plan plan = {.weight = 1.0, .beta = options->beta};

    madpo__planned_log_ratio(options, &plan, in, out);
}

/* The key of each pair, into beta: its log-weight and its noise, a function of (seed, step, i). */
static void beta_dpo_keys(const madpo_objective_options *o, const madpo_objective_state *state,
                          madpo_pair_plan *plans, size_t n)
{
    double spread = state->scale + (o->beta_mode == MADPO_BETA_NOTEBOOK ? least_spread : 0.0);
    madpo_rng rng;

    madpo_rng_init(&rng, o->seed, (uint64_t)state->n_steps);
    for (size_t i = 0; i < n; i++) {
        double z = madpo__standardise(plans[i].offset, state->center, spread);

        plans[i].beta = -0.5 * z * z + madpo_rng_gumbel(&rng);
        plans[i].weight = 0.0;
    }
}

/* Keep the k largest keys: weight 1, the rest 0; of equal keys the earlier pair. A step has few
 * pairs: plain selection needs no memory. */
static void beta_dpo_keep(madpo_pair_plan *plans, size_t n, size_t k)
{
    for (size_t kept = 0; kept < k; kept++) {
        size_t best = n;

        for (size_t i = 0; i < n; i++)
            if (plans[i].weight == 0.0 && (best == n || plans[i].beta > plans[best].beta))
                best = i;
        plans[best].weight = 1.0;
    }
}

static double beta_dpo_kept_mean(const madpo_pair_plan *plans, size_t n, size_t k)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        if (plans[i].weight > 0.0)
            sum += plans[i].offset;
    return sum / (double)k;
}

static double beta_dpo_beta(const madpo_objective_options *o, const madpo_pair_plan *plans,
                            const madpo_step_plan *step)
{
    double mean;

    if (o->beta_mode == MADPO_BETA_NOTEBOOK)
        return (1.0 + o->alpha * (step->mean - step->center)) * o->beta;
    mean = beta_dpo_kept_mean(plans, step->n, step->n_kept);
    return fmax(least_beta, o->beta * (1.0 + o->alpha * (mean - step->center)));
}

static void beta_dpo_plan(const madpo_objective_options *options, madpo_objective_state *state,
                          const madpo_pair_logps *in, size_t n, madpo_pair_plan *out,
                          madpo_step_plan *step)
{
    bool notebook = options->beta_mode == MADPO_BETA_NOTEBOOK;
    size_t k = (size_t)(options->keep * (double)n);

    for (size_t i = 0; i < n; i++)
        out[i].offset = (notebook ? options->beta : 1.0) * madpo__log_ratios(options, &in[i]).m;
    madpo__running(options, state, out, step, notebook ? least_spread : 0.0);
    step->n_kept = k > 0 ? k : 1; /* a step of one pair keeps it */
    step->divisor = (double)step->n_kept;
    beta_dpo_keys(options, state, out, n);
    beta_dpo_keep(out, n, step->n_kept);
    step->beta = beta_dpo_beta(options, out, step);
    for (size_t i = 0; i < n; i++) {
        out[i].beta = step->beta;
        out[i].offset = 0.0;
    }
}

static const madpo_objective_option beta_dpo_options[] = {
    {"policy.beta", .1, "beta0"},
    {"policy.alpha", .6, "how much beta follows the step's mean gap; 0 = not at all"},
    {"policy.beta_mode", NAN, "form of the rule: the authors' code, or MADPO's notebook"},
    {"policy.keep", NAN, "share of a step's pairs that the filter keeps"},
    {"policy.momentum", NAN, "of the running mean and spread of the gaps"},
    MADPO__NO_MORE_OPTIONS};

const madpo_objective madpo__objective_beta_dpo = {
    .name = "beta-dpo",
    .formula = "-log sigma(beta m), beta = beta0 (1 + alpha (mean gap - running mean)), over pairs "
               "kept by a filter",
    .source = "Wu et al. 2024, arXiv 2407.08639",
    .pair = beta_dpo_pair,
    .needs_reference = true,
    .options = beta_dpo_options,
    .plan = beta_dpo_plan,
    .planned = madpo__planned_log_ratio,
    .mean = "over the pairs of the step that the filter keeps",
};
