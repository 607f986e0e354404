/* Histograms and heat strips; see hist.h. */
#include "tui/hist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void madpo_hist_init(madpo_hist *hist, double low, double high, int n_bins)
{
    memset(hist, 0, sizeof *hist);
    hist->low = low;
    hist->high = high > low ? high : low + 1.0;
    hist->n_bins = n_bins < 1 ? 1 : n_bins > MADPO_HIST_BINS ? MADPO_HIST_BINS : n_bins;
}

int madpo_hist_bin(const madpo_hist *hist, double value)
{
    double at = (value - hist->low) / (hist->high - hist->low) * hist->n_bins;

    if (!(at > 0))
        return 0;
    return at >= hist->n_bins ? hist->n_bins - 1 : (int)at;
}

double madpo_hist_middle(const madpo_hist *hist, int bin)
{
    return hist->low + (hist->high - hist->low) * (bin + 0.5) / hist->n_bins;
}

void madpo_hist_add(madpo_hist *hist, double value)
{
    if (isnan(value))
        return;
    hist->count[madpo_hist_bin(hist, value)]++;
    hist->n++;
}

double madpo_hist_quantile(const madpo_hist *hist, double share)
{
    double wanted = share * (double)hist->n, before = 0;

    for (int i = 0; i < hist->n_bins; i++) {
        double count = hist->count[i], width = (hist->high - hist->low) / hist->n_bins;

        if (count > 0 && before + count >= wanted)
            return hist->low + width * (i + (wanted - before) / count);
        before += count;
    }
    return hist->n > 0 ? hist->high : (double)NAN;
}

double madpo_weights_ess(double sum, double sum_squares, double n)
{
    return n > 0 && sum_squares > 0 ? sum * sum / (n * sum_squares) : (double)NAN;
}

static int heavier_first(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x < y) - (x > y);
}

double madpo_weights_top_share(float *v, size_t n, double tenth)
{
    double sum = 0, top = 0, wanted = (double)n * tenth;

    qsort(v, n, sizeof *v, heavier_first);
    for (size_t i = 0; i < n; i++) {
        sum += (double)v[i];
        top += (double)v[i] * fmin(1.0, fmax(0.0, wanted - (double)i));
    }
    return sum > 0 ? top / sum : (double)NAN;
}

/* ---- heat ---- */

void madpo_heat_dispose(madpo_heat *heat)
{
    free(heat->v);
    *heat = (madpo_heat){0};
}

static void heat_halve(madpo_heat *heat)
{
    size_t n = 0;

    for (size_t i = 0; i < heat->n; i += 2) {
        madpo_heat_column *a = &heat->v[n];

        *a = heat->v[i];
        if (i + 1 < heat->n) {
            const madpo_heat_column *b = &heat->v[i + 1];

            a->x_last = b->x_last;
            a->sum += b->sum;
            a->sum_squares += b->sum_squares;
            a->n += b->n;
            for (int row = 0; row < MADPO_HEAT_ROWS; row++)
                a->count[row] += b->count[row];
        }
        n++;
    }
    heat->n = n;
    heat->stride *= 2;
}

madpo_status madpo_heat_step(madpo_heat *heat, double x, madpo_error *err)
{
    if (heat->stride == 0) {
        heat->stride = 1;
        heat->high = 2.0;
    }
    while (heat->n > 0 && x <= heat->v[heat->n - 1].x) {
        heat->n--;
        heat->n_steps_last = heat->stride;
    }
    if (heat->n > 0 && heat->n_steps_last < heat->stride) {
        heat->n_steps_last++;
        heat->v[heat->n - 1].x_last = x;
        return MADPO_OK;
    }
    if (heat->n == MADPO_HEAT_COLUMNS)
        heat_halve(heat);
    if (heat->n == heat->capacity) {
        size_t capacity = heat->capacity ? heat->capacity * 2 : 32;
        madpo_heat_column *grown = realloc(heat->v, capacity * sizeof *grown);

        if (!grown)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "distribution of the weights");
        heat->v = grown;
        heat->capacity = capacity;
    }
    heat->v[heat->n++] = (madpo_heat_column){.x = x, .x_last = x};
    heat->n_steps_last = 1;
    return MADPO_OK;
}

/* Twice the range: rows are merged two and two. */
static void heat_widen(madpo_heat *heat)
{
    heat->high *= 2.0;
    for (size_t i = 0; i < heat->n; i++) {
        uint32_t *count = heat->v[i].count;

        for (int row = 0; row < MADPO_HEAT_ROWS; row++)
            count[row] = row < MADPO_HEAT_ROWS / 2 ? count[2 * row] + count[2 * row + 1] : 0;
    }
}

void madpo_heat_add(madpo_heat *heat, double w)
{
    madpo_heat_column *column = heat->n > 0 ? &heat->v[heat->n - 1] : NULL;
    int row;

    if (!column || !isfinite(w) || w < 0 || w > 1e9)
        return;
    while (w > heat->high)
        heat_widen(heat);
    row = (int)(w / heat->high * MADPO_HEAT_ROWS);
    column->count[row < MADPO_HEAT_ROWS ? row : MADPO_HEAT_ROWS - 1]++;
    column->sum += w;
    column->sum_squares += w * w;
    column->n++;
}
