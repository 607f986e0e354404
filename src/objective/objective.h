#ifndef MADPO_OBJECTIVE_OBJECTIVE_H
#define MADPO_OBJECTIVE_OBJECTIVE_H
/* Preference objectives as pure host functions in double: log-probs and cached margins in, per-pair
 * loss, weight and gradient coefficients out. No state, no I/O. One small file each; all in one
 * table. */
#include "madpo/error.h"

/* MADPO's weight (Rho 2025, arXiv 2510.05342), stable form:
 *   c(h) = c_min + (c_max - c_min) sigma(-(lambda (|h| - tau) + ln K)), K = (c_max - 1)/(1 - c_min)
 *   w(h) = sigma(c h)/sigma(h) for h > -tau, else 1;  log w = softplus(-h) - softplus(-c h). */
typedef struct madpo_weight_options {
    double c_max;  /* >= 1; 1 gives exactly DPO */
    double c_min;  /* 0 <= c_min < 1 */
    double lambda; /* > 0 */
    double tau;    /* > 0, in reward logits */
} madpo_weight_options;
madpo_status madpo_weight_options_check(const madpo_weight_options *options,
                                        madpo_error *err) MADPO_MUST_CHECK;
double madpo_weight_c(const madpo_weight_options *options, double h);
double madpo_weight_w(const madpo_weight_options *options, double h);

/* log sigma(x) = min(x,0) - log1p(exp(-|x|)), and sigma; finite for any finite x. */
double madpo_log_sigmoid(double x);
double madpo_sigmoid(double x);

/* One pair as the policy objectives see it: summed log-probs, and the reward margin. */
typedef struct madpo_pair_logps {
    double chosen, rejected;         /* policy */
    double ref_chosen, ref_rejected; /* reference */
    double h;                        /* reward margin, frozen */
} madpo_pair_logps;

typedef struct madpo_objective_options {
    double beta;
    madpo_weight_options weight;
} madpo_objective_options;

/* Result of one pair; dloss_d* are of this pair's own loss (the caller divides by the number of
 * pairs). */
typedef struct madpo_pair_loss {
    double loss, weight, m;    /* m = policy margin (chosen - ref) - (rejected - ref) */
    double dchosen, drejected; /* dloss/dlogp(chosen), dloss/dlogp(rejected) */
} madpo_pair_loss;

typedef struct madpo_objective {
    const char *name;    /* "madpo", "dpo", "ipo" */
    const char *formula; /* one line */
    const char *source;  /* paper or reference implementation */
    void (*pair)(const madpo_objective_options *options, const madpo_pair_logps *in,
                 madpo_pair_loss *out);
    bool needs_margin; /* uses h */
} madpo_objective;
const madpo_objective *madpo_objective_find(const char *name); /* NULL if unknown */
size_t madpo_objective_count(void);
const madpo_objective *madpo_objective_at(size_t i);

/* Bradley-Terry reward loss -log sigma(r_c - r_r - margin) + center (r_c + r_r)^2 and its gradient.
 */
typedef struct madpo_reward_loss {
    double loss, dchosen, drejected;
} madpo_reward_loss;
madpo_reward_loss madpo_bradley_terry(double r_chosen, double r_rejected, double margin,
                                      double center);
#endif
