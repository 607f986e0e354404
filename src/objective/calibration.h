#ifndef MADPO_OBJECTIVE_CALIBRATION_H
#define MADPO_OBJECTIVE_CALIBRATION_H
/* How far a reward model's margins can be taken for log-odds. tau and c of MADPO are in these
 * units, so a model that is too sure of itself changes the method; these functions measure that on
 * held-out pairs and find the factor that mends it. Pure functions of margins h = r(chosen) -
 * r(rejected) of labelled pairs: the model gives the label the probability sigma(h). NaN where a
 * figure does not exist. */
#include <stdbool.h>
#include <stddef.h>

/* Temperature scaling (Guo et al. 2017, arXiv 1706.04599): the T > 0 that makes the mean of -log
 * sigma(h/T) smallest. Searched within a factor 1000 of the mean |h|. `at_bound`: the data ask for
 * less (every label agrees with the model) or more (the model is no better than a coin) and say
 * nothing about T; go on with T = 1. No pairs, or all h = 0: T = 1. */
typedef struct madpo_temperature {
    double t;
    double nll_before, nll_after; /* mean -log sigma(h), mean -log sigma(h/t) */
    bool at_bound;
} madpo_temperature;
madpo_temperature madpo_temperature_fit(const double *h, size_t n);

/* Mean -log sigma(h), and the Brier score: mean (1 - sigma(h))^2. A coin has log 2 and 1/4. */
double madpo_margin_nll(const double *h, size_t n);
double madpo_margin_brier(const double *h, size_t n);

/* A line of the reliability table: pairs of similar confidence sigma(|h|), in which the model was
 * right (h > 0; a half for h = 0) as often as `accuracy` says. */
typedef struct madpo_reliability_bin {
    size_t n;
    double low, high; /* smallest and largest confidence */
    double confidence, accuracy;
} madpo_reliability_bin;
/* Fill `bins` [n_bins] with equal numbers of pairs (to within one), by rising confidence; the
 * expected calibration error, sum of n_bin/n |confidence - accuracy|, is returned. scratch [n]. */
double madpo_reliability(madpo_reliability_bin *bins, size_t n_bins, double *scratch,
                         const double *h, size_t n);

/* Mean and standard deviation (k - 1 in the denominator, NaN for k = 1) over k models of each of n
 * pairs. h [k,n], mean [n], spread [n]. */
void madpo_ensemble(double *mean, double *spread, const double *h, size_t k, size_t n);

#endif
