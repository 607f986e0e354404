/* Objectives of a whole optimiser step: what they share, their memory, and the way in for both
 * kinds of objective. */
#include <math.h>

#include "base/error.h"
#include "objective/inside.h"

/* ---- statistics ---- */

void madpo__moments(const madpo_pair_plan *plans, size_t n, double *mean, double *sd)
{
    double sum = 0.0, squares = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += plans[i].offset;
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (plans[i].offset - *mean) * (plans[i].offset - *mean);
    *sd = n > 1 ? sqrt(squares / (double)(n - 1)) : 0.0;
}

void madpo__running(const madpo_objective_options *options, madpo_objective_state *state,
                    const madpo_pair_plan *plans, madpo_step_plan *step, double least)
{
    double keep = options->momentum;

    madpo__moments(plans, step->n, &step->mean, &step->sd);
    state->center = keep * state->center + (1.0 - keep) * step->mean;
    state->scale = keep * state->scale + (1.0 - keep) * (step->sd + least);
    step->center = state->center;
    step->scale = state->scale;
}

double madpo__standardise(double gap, double center, double scale)
{
    /* of gaps in nats; a spread this small is what is left of subtracting equal numbers */
    double nothing = 1e-12 * fmax(1.0, fabs(center));

    return scale > nothing ? (gap - center) / scale : 0.0;
}

/* ---- memory ---- */

void madpo_objective_state_init(madpo_objective_state *state, const madpo_objective *objective,
                                const madpo_objective_options *options)
{
    bool unit =
        objective == &madpo__objective_beta_dpo && options->beta_mode == MADPO_BETA_NOTEBOOK;

    *state = (madpo_objective_state){.scale = unit ? 1.0 : 0.0};
}

void madpo_objective_state_save(const madpo_objective_state *state, double *out)
{
    out[0] = state->center;
    out[1] = state->scale;
    out[2] = state->n_steps;
}

madpo_status madpo_objective_state_load(madpo_objective_state *state, const double *in,
                                        madpo_error *err)
{
    /* above 2^53 a count is not exact any more */
    bool good = isfinite(in[0]) && isfinite(in[1]) && in[1] >= 0.0 && in[2] >= 0.0 &&
                in[2] <= 0x1p53 && in[2] == floor(in[2]);

    if (!good)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "the saved state of the objective is damaged (%g, %g, %g)", in[0],
                               in[1], in[2]);
    *state = (madpo_objective_state){.center = in[0], .scale = in[1], .n_steps = in[2]};
    return MADPO_OK;
}

/* ---- a step ---- */

/* One number that is not finite would stay in the running values for ever. */
static bool step_is_finite(const madpo_objective *objective, const madpo_pair_logps *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(in[i].chosen) || !isfinite(in[i].rejected) ||
            (objective->needs_reference &&
             (!isfinite(in[i].ref_chosen) || !isfinite(in[i].ref_rejected))))
            return false;
    return true;
}

void madpo_objective_plan(const madpo_objective *objective, const madpo_objective_options *options,
                          madpo_objective_state *state, const madpo_pair_logps *in, size_t n,
                          madpo_pair_plan *out, madpo_step_plan *step)
{
    *step = (madpo_step_plan){.n = n,
                              .n_kept = n,
                              .divisor = (double)n,
                              .beta = options->beta,
                              .center = state->center,
                              .scale = state->scale};
    for (size_t i = 0; i < n; i++)
        out[i] = (madpo_pair_plan){.weight = 1.0, .beta = options->beta};
    if (n == 0 || (objective->plan && !step_is_finite(objective, in, n)))
        return;
    if (objective->plan)
        objective->plan(options, state, in, n, out, step);
    state->n_steps += 1.0;
}

void madpo_objective_pair(const madpo_objective *objective, const madpo_objective_options *options,
                          const madpo_pair_plan *plan, const madpo_pair_logps *in,
                          madpo_pair_loss *out)
{
    if (plan && objective->planned)
        objective->planned(options, plan, in, out);
    else
        objective->pair(options, in, out);
}
