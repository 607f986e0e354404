/* The statistics that stages report. */
#include "train/stats.h"

#include <math.h>
#include <stdlib.h>

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
