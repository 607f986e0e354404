#ifndef MADPO_OBJECTIVE_INSIDE_H
#define MADPO_OBJECTIVE_INSIDE_H
/* What the objectives' files share; private to this folder. */
#include "objective/objective.h"

/* The rows of the table, each in its own file. */
#define MADPO__OBJECTIVE_ROW(id, name) extern const madpo_objective madpo__objective_##id;
MADPO_OBJECTIVE_LIST(MADPO__OBJECTIVE_ROW)

/* Ends a list of options. */
#define MADPO__NO_MORE_OPTIONS                                                                     \
    {                                                                                              \
        NULL, 0.0, NULL                                                                            \
    }
/* The four keys of MADPO's weight. */
#define MADPO__WEIGHT_OPTIONS                                                                      \
    {"policy.c_max", NAN, "coefficient of pairs without a margin; 1 = exactly DPO"},               \
        {"policy.c_min", NAN, "coefficient of pairs with a very large margin"},                    \
        {"policy.lambda", NAN, "how fast c(h) falls around tau"},                                  \
    {                                                                                              \
        "policy.tau", NAN, "margin at which c(h) is 1"                                             \
    }

/* Both answers of a pair: what an objective is made of, and how it moves with the log-probs. */
typedef struct madpo__terms {
    double a, b, m;                /* m = a - b: exactly 0 where policy and reference agree */
    double da_chosen, db_rejected; /* 1, or 1/tokens */
} madpo__terms;
/* Log-ratios policy to reference, per token with options->average. */
madpo__terms madpo__log_ratios(const madpo_objective_options *options, const madpo_pair_logps *in);
/* The policy's own log-probs, per token with options->average; and per token in any case. */
madpo__terms madpo__log_probs(const madpo_objective_options *options, const madpo_pair_logps *in);
madpo__terms madpo__averages(const madpo_pair_logps *in);
/* The margin the options choose: h, or the difference of the true scores. */
double madpo__margin(const madpo_objective_options *options, const madpo_pair_logps *in);

/* The result from a loss with partial derivatives da, db. */
void madpo__result(madpo_pair_loss *out, const madpo__terms *t, double loss, double da, double db);
/* weight (-log sigma(beta m - offset)) and its gradient. */
void madpo__logistic(madpo_pair_loss *out, const madpo__terms *t, const madpo_pair_plan *plan);
/* Cross entropy between sigma(soft) and sigma(beta m): -p log sigma(beta m) - (1-p) log
 * sigma(-beta m) with p = sigma(soft). */
void madpo__soft_label(madpo_pair_loss *out, const madpo__terms *t, double beta, double soft);
/* Planned losses on log-ratios, and on averages without a reference. */
void madpo__planned_log_ratio(const madpo_objective_options *options, const madpo_pair_plan *plan,
                              const madpo_pair_logps *in, madpo_pair_loss *out);
void madpo__planned_average(const madpo_objective_options *options, const madpo_pair_plan *plan,
                            const madpo_pair_logps *in, madpo_pair_loss *out);

/* ---- statistics of a step; gaps lie in the plans' offsets until the plans are made ---- */

/* Mean and standard deviation (n - 1 in the denominator; 0 for one value) of the n offsets. */
void madpo__moments(const madpo_pair_plan *plans, size_t n, double *mean, double *sd);
/* The same into step->mean and sd, and as a running value into the state: x = momentum x +
 * (1 - momentum) new. `least` is added to the spread. */
void madpo__running(const madpo_objective_options *options, madpo_objective_state *state,
                    const madpo_pair_plan *plans, madpo_step_plan *step, double least);
/* (gap - center) / scale, and 0 where the scale is nothing but rounding: all gaps are one then. */
double madpo__standardise(double gap, double center, double scale);

#endif
