/* Temperature, reliability, Brier score and ensembles of reward margins. */
#include "objective/calibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "objective/objective.h"

double madpo_margin_nll(const double *h, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum -= madpo_log_sigmoid(h[i]);
    return n > 0 ? sum / (double)n : NAN;
}

double madpo_margin_brier(const double *h, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += madpo_sigmoid(-h[i]) * madpo_sigmoid(-h[i]);
    return n > 0 ? sum / (double)n : NAN;
}

/* ---- temperature ---- */

/* First and second derivative of mean -log sigma(s h) in s. It is convex in s = 1/T (not in T). */
static double temperature_slope(const double *h, size_t n, double s, double *curvature)
{
    double slope = 0.0, second = 0.0;

    for (size_t i = 0; i < n; i++) {
        double q = madpo_sigmoid(-s * h[i]);

        slope -= h[i] * q;
        second += h[i] * h[i] * q * madpo_sigmoid(s * h[i]);
    }
    *curvature = second / (double)n;
    return slope / (double)n;
}

/* Root of the slope between low and high, where it has different signs: Newton's steps, and halving
 * where they would leave the bracket or it does not shrink. */
static double temperature_root(const double *h, size_t n, double low, double high)
{
    double s = sqrt(low * high);

    for (int i = 0; i < 200 && high - low > 1e-14 * high; i++) {
        double curvature, slope = temperature_slope(h, n, s, &curvature), next;

        if (slope == 0.0)
            return s;
        *(slope < 0.0 ? &low : &high) = s;
        next = s - slope / curvature;
        /* the ends differ by orders of magnitude at first: halve in the logarithm */
        if (!(next > low && next < high))
            next = sqrt(low * high);
        if (fabs(next - s) <= 1e-15 * s)
            return next;
        s = next;
    }
    return s;
}

static double temperature_nll(const double *h, size_t n, double t)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum -= madpo_log_sigmoid(h[i] / t);
    return sum / (double)n;
}

madpo_temperature madpo_temperature_fit(const double *h, size_t n)
{
    madpo_temperature out = {.t = 1.0, .nll_before = madpo_margin_nll(h, n)};
    double size = 0.0, low, high, ignored;

    for (size_t i = 0; i < n; i++)
        size += fabs(h[i]);
    out.nll_after = out.nll_before;
    if (n == 0 || !(size > 0.0) || !isfinite(size))
        return out;
    size /= (double)n;
    low = 1e-3 / size;
    high = 1e3 / size;
    out.at_bound = true;
    if (temperature_slope(h, n, low, &ignored) >= 0.0) {
        out.t = 1.0 / low;
    } else if (temperature_slope(h, n, high, &ignored) <= 0.0) {
        out.t = 1.0 / high;
    } else {
        out.t = 1.0 / temperature_root(h, n, low, high);
        out.at_bound = false;
    }
    out.nll_after = temperature_nll(h, n, out.t);
    return out;
}

/* ---- reliability ---- */

/* By |h|, then by h, so that the order is one and the same on every machine. */
static int reliability_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    double p = fabs(x), q = fabs(y);

    return p != q ? (p > q) - (p < q) : (x > y) - (x < y);
}

static madpo_reliability_bin reliability_bin(const double *h, size_t n)
{
    madpo_reliability_bin bin = {
        .n = n, .low = NAN, .high = NAN, .confidence = NAN, .accuracy = NAN};
    double confidence = 0.0, hits = 0.0;

    if (n == 0)
        return bin;
    for (size_t i = 0; i < n; i++) {
        confidence += madpo_sigmoid(fabs(h[i]));
        hits += h[i] > 0.0 ? 1.0 : h[i] == 0.0 ? 0.5 : 0.0;
    }
    bin.low = madpo_sigmoid(fabs(h[0]));
    bin.high = madpo_sigmoid(fabs(h[n - 1]));
    bin.confidence = confidence / (double)n;
    bin.accuracy = hits / (double)n;
    return bin;
}

double madpo_reliability(madpo_reliability_bin *bins, size_t n_bins, double *scratch,
                         const double *h, size_t n)
{
    double error = 0.0;

    memcpy(scratch, h, n * sizeof *h);
    if (n > 1)
        qsort(scratch, n, sizeof *scratch, reliability_order);
    for (size_t b = 0; b < n_bins; b++) {
        size_t first = b * n / n_bins, end = (b + 1) * n / n_bins;

        bins[b] = reliability_bin(scratch + first, end - first);
        if (bins[b].n > 0)
            error += (double)bins[b].n * fabs(bins[b].confidence - bins[b].accuracy);
    }
    return n > 0 && n_bins > 0 ? error / (double)n : NAN;
}

/* ---- ensembles ---- */

void madpo_ensemble(double *mean, double *spread, const double *h, size_t k, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0, squares = 0.0;

        for (size_t j = 0; j < k; j++)
            sum += h[j * n + i];
        mean[i] = k > 0 ? sum / (double)k : NAN;
        for (size_t j = 0; j < k; j++)
            squares += (h[j * n + i] - mean[i]) * (h[j * n + i] - mean[i]);
        spread[i] = k > 1 ? sqrt(squares / (double)(k - 1)) : NAN;
    }
}
