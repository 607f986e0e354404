#ifndef MADPO_OBJECTIVE_OBJECTIVE_H
#define MADPO_OBJECTIVE_OBJECTIVE_H
/* Preference objectives as pure host functions in double: log-probs and cached margins in, per-pair
 * loss, weight and gradient coefficients out. No I/O. One small file each; all in one table.
 *
 * An objective is either a function of one pair (`pair`), or looks at all pairs of an optimiser
 * step before any of them (`plan`): beta-dpo, amapo, alpha-dpo, gamma-po. One step of either kind:
 *
 *     forward pass of every pair of the step               -> logps [n]
 *     madpo_objective_plan(objective, options, state, logps, n, plans, &step)
 *     for each micro-batch: forward, then for each pair i
 *         madpo_objective_pair(objective, options, &plans[i], &logps[i], &loss)
 *         coefficients loss.dchosen / step.divisor and loss.drejected / step.divisor; backward
 *
 * Without a plan step (`objective->plan` NULL) the first forward pass is not needed. */
#include "madpo/error.h"
#include "objective/list.h"

/* ---- numerics ---- */

/* log sigma(x) = min(x,0) - log1p(exp(-|x|)), and sigma; finite for any finite x. */
double madpo_log_sigmoid(double x);
double madpo_sigmoid(double x);
/* sigma(x) - sigma(y), without losing digits where both are near 1. */
double madpo_sigmoid_difference(double x, double y);

/* ---- MADPO's weight ---- */

/* MADPO's weight (Rho 2025, arXiv 2510.05342), stable form:
 *   c(h) = c_min + (c_max - c_min) sigma(-(lambda (|h| - tau) + ln K)), K = (c_max - 1)/(1 - c_min)
 *   w(h) = sigma(c h)/sigma(h) for h > -tau, else 1;  log w = softplus(-h) - softplus(-c h).
 * Variants, for ablations: AMPLIFY uses w where |h| < tau and 1 elsewhere (c never below 1);
 * REGULARISE uses it where |h| >= tau (c never above 1); NEGATIVE where -tau < h < 0; UNCAPPED has
 * no branch at -tau, but no weight above max_weight. */
typedef struct madpo_weight_options {
    double c_max;  /* >= 1; 1 gives exactly DPO */
    double c_min;  /* 0 <= c_min < 1 */
    double lambda; /* > 0 */
    double tau;    /* > 0, in reward logits */
    madpo_weight_variant variant;
    double max_weight; /* UNCAPPED only: > 0 */
} madpo_weight_options;
/* false if there is no variant of this name. */
bool madpo_weight_variant_find(madpo_weight_variant *out, const char *name);
madpo_status madpo_weight_options_check(const madpo_weight_options *options,
                                        madpo_error *err) MADPO_MUST_CHECK;
double madpo_weight_c(const madpo_weight_options *options, double h);
double madpo_weight_w(const madpo_weight_options *options, double h);

/* ---- what goes in and comes out ---- */

/* One pair as the policy objectives see it. What an objective does not need may be NaN (or 0). */
typedef struct madpo_pair_logps {
    double chosen, rejected;             /* policy, summed log-probs */
    double ref_chosen, ref_rejected;     /* reference */
    double h;                            /* reward margin, frozen */
    double n_chosen, n_rejected;         /* answer tokens the sums run over, > 0 */
    double score_chosen, score_rejected; /* true scores */
} madpo_pair_logps;

bool madpo_beta_mode_find(madpo_beta_mode *out, const char *name);

typedef struct madpo_objective_options {
    double beta;
    madpo_weight_options weight; /* madpo, soft-madpo */
    bool average;                /* divide log-probs by tokens; the SimPO family always does */
    bool scores;                 /* the margin h is score_chosen - score_rejected */
    double label_smoothing;      /* cdpo, robust, exo: epsilon */
    double soft_scale;           /* soft-dpo: p = sigma(soft_scale h) */
    double alpha;                /* beta-dpo, alpha-dpo, gamma-po, odpo: see there */
    double gamma;                /* simpo, alpha-dpo, gamma-po: target margin itself */
    madpo_beta_mode beta_mode;   /* beta-dpo */
    double keep;                 /* beta-dpo: share of a step's pairs kept, in (0,1] */
    double momentum;             /* beta-dpo, alpha-dpo: of the running mean and spread, [0,1) */
    uint64_t seed;               /* beta-dpo: of the filter's draws */
} madpo_objective_options;

/* Result of one pair; dloss_d* are of this pair's own loss (the caller divides by the number of
 * pairs, or by madpo_step_plan.divisor). */
typedef struct madpo_pair_loss {
    double loss, weight, m;    /* m = a - b, log-ratios (or log-probs, where there is no reference)
                                  of the two answers, per token where the objective averages */
    double dchosen, drejected; /* dloss/dlogp(chosen), dloss/dlogp(rejected): of the sums */
} madpo_pair_loss;

/* ---- objectives of a whole step ---- */

/* What the step decided for one pair: its loss is weight (-log sigma(beta m - offset)), and none of
 * the three carries a gradient. */
typedef struct madpo_pair_plan {
    double weight; /* 0: filtered out */
    double beta, offset;
} madpo_pair_plan;

typedef struct madpo_step_plan {
    size_t n, n_kept;
    double divisor;       /* of the sum of the pairs' losses and gradients: n_kept */
    double beta;          /* the step's beta */
    double mean, sd;      /* of the step's gaps, in the objective's own unit; sd 0 for one pair */
    double center, scale; /* running values after the update; the batch's own for amapo */
} madpo_step_plan;

/* What an objective remembers from step to step. Changed by madpo_objective_plan only, once per
 * optimiser step. */
typedef struct madpo_objective_state {
    double center, scale; /* running mean and spread of the gaps */
    double n_steps;       /* steps planned; counts the random streams, too */
} madpo_objective_state;
enum { MADPO_OBJECTIVE_STATE_N = 3 };

/* ---- the table ---- */

/* A configuration key an objective reads, beyond policy.average. */
typedef struct madpo_objective_option {
    const char *key;     /* "policy.beta"; NULL ends the list */
    double usual;        /* the method's own value; NaN = the configuration's default */
    const char *meaning; /* here */
} madpo_objective_option;

typedef struct madpo_objective {
    const char *name;    /* as in list.h */
    const char *formula; /* one line; a, b = log-ratios of chosen and rejected, m = a - b */
    const char *source;  /* paper or reference implementation */
    void (*pair)(const madpo_objective_options *options, const madpo_pair_logps *in,
                 madpo_pair_loss *out);
    bool needs_margin;    /* uses h, or with options->scores the difference of the true scores */
    bool needs_reference; /* uses the reference's log-probs */
    bool needs_lengths;   /* averages, whatever options->average says */
    const madpo_objective_option *options;
    /* Objectives of a whole step, else NULL: all pairs of the step in, decisions out. `pair` is
     * then the same loss without the step's statistics: for evaluation. */
    void (*plan)(const madpo_objective_options *options, madpo_objective_state *state,
                 const madpo_pair_logps *in, size_t n, madpo_pair_plan *out, madpo_step_plan *step);
    void (*planned)(const madpo_objective_options *options, const madpo_pair_plan *plan,
                    const madpo_pair_logps *in, madpo_pair_loss *out);
    const char *mean; /* "over the pairs of the step": what the step's loss is */
} madpo_objective;
const madpo_objective *madpo_objective_find(const char *name); /* NULL if unknown */
size_t madpo_objective_count(void);
const madpo_objective *madpo_objective_at(size_t i);

/* The inputs needed, options considered. */
typedef struct madpo_objective_needs {
    bool margin, scores, reference, lengths;
} madpo_objective_needs;
madpo_objective_needs madpo_objective_needs_of(const madpo_objective *objective,
                                               const madpo_objective_options *options);

/* Published settings: beta .1, MADPO's notebook, the objective's usual values. */
madpo_objective_options madpo_objective_options_usual(const madpo_objective *objective);
/* Put the usual values where label_smoothing, alpha or gamma are negative ("automatic"). */
void madpo_objective_options_resolve(const madpo_objective *objective,
                                     madpo_objective_options *options);
/* Values that make no sense for this objective: MADPO_ERR_CONFIG naming key, value and remedy. */
madpo_status madpo_objective_options_check(const madpo_objective *objective,
                                           const madpo_objective_options *options,
                                           madpo_error *err) MADPO_MUST_CHECK;
/* Is everything there that the objective needs from this pair? MADPO_ERR_DATA naming what is not.
 */
madpo_status madpo_objective_pair_check(const madpo_objective *objective,
                                        const madpo_objective_options *options,
                                        const madpo_pair_logps *in,
                                        madpo_error *err) MADPO_MUST_CHECK;

void madpo_objective_state_init(madpo_objective_state *state, const madpo_objective *objective,
                                const madpo_objective_options *options);
/* To and from plain numbers [MADPO_OBJECTIVE_STATE_N], exactly. Loading refuses what no saved state
 * can be (MADPO_ERR_DATA). */
void madpo_objective_state_save(const madpo_objective_state *state, double *out);
madpo_status madpo_objective_state_load(madpo_objective_state *state, const double *in,
                                        madpo_error *err) MADPO_MUST_CHECK;

/* Decide about the n >= 1 pairs of one optimiser step, in the step's order, and update `state`. For
 * objectives of one pair: weight 1, divisor n, the state counts the step. Log-probs that are not
 * finite leave the state as it was and every pair in. Allocates nothing. */
void madpo_objective_plan(const madpo_objective *objective, const madpo_objective_options *options,
                          madpo_objective_state *state, const madpo_pair_logps *in, size_t n,
                          madpo_pair_plan *out, madpo_step_plan *step);
/* Loss of one pair under a plan; `plan` NULL: as in an evaluation, objective->pair. */
void madpo_objective_pair(const madpo_objective *objective, const madpo_objective_options *options,
                          const madpo_pair_plan *plan, const madpo_pair_logps *in,
                          madpo_pair_loss *out);

/* ---- reward model ---- */

/* Bradley-Terry reward loss -log sigma(r_c - r_r - margin) + center (r_c + r_r)^2 and its gradient.
 */
typedef struct madpo_reward_loss {
    double loss, dchosen, drejected;
} madpo_reward_loss;
madpo_reward_loss madpo_bradley_terry(double r_chosen, double r_rejected, double margin,
                                      double center);
#endif
