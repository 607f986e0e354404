/* The statistics that stages report. */
#include "train/stats.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

static const double z95 = 1.96;

double madpo_mean(const double *x, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return n > 0 ? sum / (double)n : NAN;
}

madpo_summary madpo_summarize(const double *x, size_t n)
{
    madpo_summary s = {.n = n, .mean = madpo_mean(x, n), .sd = NAN, .low = NAN, .high = NAN};
    double squares = 0.0, half;

    if (n < 2)
        return s;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - s.mean) * (x[i] - s.mean);
    s.sd = sqrt(squares / (double)(n - 1));
    half = z95 * s.sd / sqrt((double)n);
    s.low = s.mean - half;
    s.high = s.mean + half;
    return s;
}

madpo_summary madpo_ratio(const double *a, const double *b, size_t n)
{
    double mean_b = madpo_mean(b, n), squares = 0.0, half;
    madpo_summary s = {
        .n = n, .mean = madpo_mean(a, n) / mean_b, .sd = NAN, .low = NAN, .high = NAN};

    if (n < 2 || mean_b == 0.0)
        return s;
    for (size_t i = 0; i < n; i++) {
        double e = (a[i] - s.mean * b[i]) / mean_b;

        squares += e * e;
    }
    s.sd = sqrt(squares / (double)(n - 1));
    half = z95 * s.sd / sqrt((double)n);
    s.low = s.mean - half;
    s.high = s.mean + half;
    return s;
}

/* ---- Student's t ---- */

/* Continued fraction of the incomplete beta function, by Lentz's method; converges quickly for
 * x < (a + 1)/(a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    double c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0), h;

    d = 1.0 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
    h = d;
    for (int m = 1; m <= 1000; m++) {
        double even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        double step = 1.0;
        const double terms[] = {even, odd};

        for (int k = 0; k < 2; k++) {
            d = 1.0 + terms[k] * d;
            c = 1.0 + terms[k] / c;
            d = 1.0 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
            c = fabs(c) < DBL_MIN ? DBL_MIN : c;
            step = d * c;
            h *= step;
        }
        if (fabs(step - 1.0) < 4.0 * DBL_EPSILON)
            break;
    }
    return h;
}

/* log(gamma(a + 1/2) / gamma(a)); for large a by its series, where the difference of the two logs
 * would have no digits left. */
static double log_gamma_step(double a)
{
    if (a < 100.0)
        return lgamma(a + 0.5) - lgamma(a);
    return 0.5 * log(a) - 1.0 / (8.0 * a) + 1.0 / (192.0 * a * a * a) - 1.0 / (640.0 * pow(a, 5.0));
}

/* Regularised incomplete beta function I_x(a, 1/2) at x = 1 - y. */
static double beta_half(double a, double y)
{
    static const double b = 0.5, log_gamma_half = 0.57236494292470008707; /* log(pi) / 2 */
    double front, x = 1.0 - y;

    if (x <= 0.0 || y <= 0.0)
        return x <= 0.0 ? 0.0 : 1.0;
    front = exp(log_gamma_step(a) - log_gamma_half + a * log1p(-y) + b * log(y));
    if (x < (a + 1.0) / (a + b + 2.0))
        return front * beta_fraction(a, b, x) / a;
    return 1.0 - front * beta_fraction(b, a, y) / b;
}

/* P(|T| > |t|), exact in its smallest values, too. */
static double t_two_sided(double t, double df)
{
    return isnan(t) ? NAN : beta_half(0.5 * df, isinf(t) ? 1.0 : t * t / (df + t * t));
}

double madpo_t_cdf(double t, double df)
{
    double tail = 0.5 * t_two_sided(t, df);

    return t > 0.0 ? 1.0 - tail : tail;
}

double madpo_t_quantile(double p, double df)
{
    double tail = 2.0 * (p < 0.5 ? p : 1.0 - p), low = 0.0, high = 1.0;

    if (!(p > 0.0 && p < 1.0 && df > 0.0))
        return NAN;
    if (p == 0.5)
        return 0.0;
    while (t_two_sided(high, df) > tail && high < 1e300)
        high *= 2.0;
    for (int i = 0; i < 200 && high - low > 1e-15 * high; i++) {
        double middle = 0.5 * (low + high);

        if (t_two_sided(middle, df) > tail)
            low = middle;
        else
            high = middle;
    }
    return p < 0.5 ? -high : high;
}

madpo_summary madpo_summarize_t(const double *x, size_t n)
{
    madpo_summary s = madpo_summarize(x, n);
    double half;

    if (n < 2)
        return s;
    half = madpo_t_quantile(0.975, (double)(n - 1)) * s.sd / sqrt((double)n);
    s.low = s.mean - half;
    s.high = s.mean + half;
    return s;
}

/* ---- paired differences ---- */

enum { FLIP_EXACT = 16, FLIP_ROUNDS = 9999 };

/* |sum| of the differences, every one whose bit is set with its sign turned. */
static double flipped_sum(const double *d, size_t n, uint64_t bits)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += bits >> i & 1 ? -d[i] : d[i];
    return fabs(sum);
}

static double random_sum(const double *d, size_t n, madpo_rng *rng)
{
    uint64_t bits = 0;
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        if (i % 64 == 0)
            bits = madpo_rng_u64(rng);
        sum += bits >> i % 64 & 1 ? -d[i] : d[i];
    }
    return fabs(sum);
}

static double flip_test(const double *d, size_t n, uint64_t seed)
{
    double size = 0.0, least;
    uint64_t rounds = n <= FLIP_EXACT ? (uint64_t)1 << n : FLIP_ROUNDS, hits = 0;
    madpo_rng rng;

    for (size_t i = 0; i < n; i++)
        size += fabs(d[i]);
    /* equal sums may differ in their last bits */
    least = fabs(madpo_mean(d, n) * (double)n) - 1e-12 * size;
    madpo_rng_init(&rng, seed, n);
    for (uint64_t round = 0; round < rounds; round++)
        hits += (n <= FLIP_EXACT ? flipped_sum(d, n, round) : random_sum(d, n, &rng)) >= least;
    return n <= FLIP_EXACT ? (double)hits / (double)rounds
                           : (double)(hits + 1) / (double)(rounds + 1);
}

madpo_paired madpo_paired_test(const double *d, size_t n, uint64_t seed)
{
    madpo_summary s = madpo_summarize_t(d, n);
    madpo_paired out = {.n = n,
                        .mean = s.mean,
                        .sd = s.sd,
                        .low = s.low,
                        .high = s.high,
                        .t = NAN,
                        .p = NAN,
                        .p_flip = NAN};

    if (n < 2)
        return out;
    out.t = s.sd > 0.0 ? s.mean / (s.sd / sqrt((double)n)) : s.mean == 0.0 ? 0.0 : INFINITY;
    out.p = isinf(out.t) ? 0.0 : t_two_sided(out.t, (double)(n - 1));
    out.p_flip = flip_test(d, n, seed);
    return out;
}

madpo_share madpo_share_of(size_t k, size_t n)
{
    madpo_share s = {.n = n, .share = NAN, .low = NAN, .high = NAN};
    double p, z2 = z95 * z95, denominator, centre, half;

    if (n == 0)
        return s;
    p = (double)k / (double)n;
    denominator = 1.0 + z2 / (double)n;
    centre = (p + z2 / (2.0 * (double)n)) / denominator;
    half = z95 * sqrt(p * (1.0 - p) / (double)n + z2 / (4.0 * (double)n * (double)n)) / denominator;
    s.share = p;
    s.low = fmax(0.0, centre - half);
    s.high = fmin(1.0, centre + half);
    return s;
}

static int stats_ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void madpo_sort(double *x, size_t n)
{
    if (n > 1)
        qsort(x, n, sizeof *x, stats_ascending);
}

double madpo_quantile(const double *sorted, size_t n, double q)
{
    double position;
    size_t below;

    if (n == 0)
        return NAN;
    position = q * (double)(n - 1);
    below = (size_t)position;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (position - (double)below) * (sorted[below + 1] - sorted[below]);
}

double madpo_effective_share(const double *w, size_t n)
{
    double sum = 0.0, squares = 0.0;

    for (size_t i = 0; i < n; i++) {
        sum += w[i];
        squares += w[i] * w[i];
    }
    return n > 0 && squares > 0.0 ? sum * sum / ((double)n * squares) : NAN;
}
