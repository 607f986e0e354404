#ifndef MADPO_TRAIN_STATS_H
#define MADPO_TRAIN_STATS_H
/* The statistics that stages report. Pure functions; NaN where a figure does not exist. */
#include <stddef.h>
#include <stdint.h>

/* Mean, standard deviation (n - 1 in the denominator) and normal 95 % interval mean -+ 1.96
 * sd/sqrt(n). */
typedef struct madpo_summary {
    size_t n;
    double mean, sd, low, high;
} madpo_summary;
madpo_summary madpo_summarize(const double *x, size_t n);

/* The same with the t interval: mean -+ t(0.975, n - 1) sd/sqrt(n). */
madpo_summary madpo_summarize_t(const double *x, size_t n);

/* Student's t with df > 0 degrees of freedom: distribution function, and the quantile of 0 < p < 1.
 */
double madpo_t_cdf(double t, double df);
double madpo_t_quantile(double p, double df);

/* Paired differences d [n] against 0: t interval, two-sided p of the t test, and two-sided p of the
 * sign-flip permutation test: exact for n <= 16, else from 9999 random flips, the same ones for
 * every call with this n and seed, counting the sample itself (Phipson and Smyth 2010). */
typedef struct madpo_paired {
    size_t n;
    double mean, sd, low, high, t, p, p_flip;
} madpo_paired;
madpo_paired madpo_paired_test(const double *d, size_t n, uint64_t seed);

/* sum a / sum b of n pairs of numbers, with the normal 95 % interval of a ratio of means (by its
 * linearisation). sd is that of the linearised terms. */
madpo_summary madpo_ratio(const double *a, const double *b, size_t n);

/* k hits in n: the share and its 95 % Wilson score interval (Wilson 1927), which stays inside
 * [0,1]. */
typedef struct madpo_share {
    size_t n;
    double share, low, high;
} madpo_share;
madpo_share madpo_share_of(size_t k, size_t n);

/* Sort ascending, in place. No NaN. */
void madpo_sort(double *x, size_t n);
/* Quantile q in [0,1] of sorted values, linear interpolation between order statistics. */
double madpo_quantile(const double *sorted, size_t n, double q);
/* Effective sample size of weights as a share of n: (sum w)^2 / (n sum w^2). */
double madpo_effective_share(const double *w, size_t n);
double madpo_mean(const double *x, size_t n);
#endif
