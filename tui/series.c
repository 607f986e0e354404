/* Decimating series; see series.h. */
#include "tui/series.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void madpo_series_dispose(madpo_series *series)
{
    free(series->v);
    *series = (madpo_series){0};
}

/* What a point can keep: finite, and no more than a float holds, beyond which training is lost. */
static bool series_holds(double y)
{
    return fabs(y) <= (double)FLT_MAX;
}

static void point_take(madpo_series_point *point, double x, double y)
{
    point->x_last = x;
    if (!series_holds(y)) {
        point->n_bad++;
        return;
    }
    point->min = point->n == 0 ? (float)y : fminf(point->min, (float)y);
    point->max = point->n == 0 ? (float)y : fmaxf(point->max, (float)y);
    point->last = (float)y;
    point->sum += y;
    point->n++;
}

/* b follows a. */
static void point_merge(madpo_series_point *a, const madpo_series_point *b)
{
    a->x_last = b->x_last;
    a->min = fminf(a->min, b->min); /* fminf and fmaxf pass over NaN */
    a->max = fmaxf(a->max, b->max);
    a->last = b->n > 0 ? b->last : a->last;
    a->sum += b->sum;
    a->n += b->n;
    a->n_bad += b->n_bad;
}

static void series_halve(madpo_series *series)
{
    size_t n = 0;

    for (size_t i = 0; i < series->n; i += 2) {
        series->v[n] = series->v[i];
        if (i + 1 < series->n)
            point_merge(&series->v[n], &series->v[i + 1]);
        n++;
    }
    series->n = n;
    series->stride *= 2;
}

static madpo_status series_grow(madpo_series *series, madpo_error *err)
{
    size_t capacity = series->capacity ? series->capacity * 2 : 64;
    madpo_series_point *grown = realloc(series->v, capacity * sizeof *grown);

    if (!grown)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "a curve of %zu points", capacity);
    series->v = grown;
    series->capacity = capacity;
    return MADPO_OK;
}

static void series_cut(madpo_series *series, double x)
{
    while (series->n > 0 && series->v[series->n - 1].x >= x) {
        series->n--;
        series->n_bad -= series->v[series->n].n_bad;
    }
}

madpo_status madpo_series_add(madpo_series *series, double x, double y, madpo_error *err)
{
    madpo_series_point *last;

    if (series->stride == 0)
        series->stride = 1;
    if (series->n > 0 && x <= series->v[series->n - 1].x_last)
        series_cut(series, x);
    last = series->n > 0 ? &series->v[series->n - 1] : NULL;
    series->n_bad += !series_holds(y);
    if (last && last->n + last->n_bad < series->stride) {
        point_take(last, x, y);
        return MADPO_OK;
    }
    if (series->n == MADPO_SERIES_POINTS)
        series_halve(series);
    if (series->n == series->capacity && series_grow(series, err) != MADPO_OK)
        return MADPO_ERR_NOMEM;
    last = &series->v[series->n++];
    *last = (madpo_series_point){.x = x, .min = NAN, .max = NAN, .last = NAN};
    point_take(last, x, y);
    return MADPO_OK;
}

size_t madpo_series_until(const madpo_series *series, double x)
{
    size_t low = 0, high = series->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (series->v[middle].x > x)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

double madpo_series_mean(const madpo_series_point *point)
{
    return point->n > 0 ? point->sum / point->n : (double)NAN;
}

double madpo_series_at(const madpo_series *series, double x)
{
    for (size_t i = madpo_series_until(series, x); i > 0; i--)
        if (series->v[i - 1].n > 0)
            return (double)series->v[i - 1].last;
    return (double)NAN;
}

double madpo_series_interpolate(const madpo_series *series, double x, bool inverse)
{
    size_t low = 0, high = series->n;
    const madpo_series_point *a, *b;
    double xa, xb, ya, yb;

    if (series->n == 0)
        return (double)NAN;
    while (low < high) { /* the first point beyond x */
        size_t middle = low + (high - low) / 2;
        const madpo_series_point *p = &series->v[middle];

        if ((inverse ? madpo_series_mean(p) : p->x) > x)
            high = middle;
        else
            low = middle + 1;
    }
    a = &series->v[low > 0 ? low - 1 : 0];
    b = &series->v[low < series->n ? low : series->n - 1];
    xa = inverse ? madpo_series_mean(a) : (a->x + a->x_last) / 2.0;
    xb = inverse ? madpo_series_mean(b) : (b->x + b->x_last) / 2.0;
    ya = inverse ? (a->x + a->x_last) / 2.0 : madpo_series_mean(a);
    yb = inverse ? (b->x + b->x_last) / 2.0 : madpo_series_mean(b);
    if (!(xb > xa))
        return ya;
    return ya + (yb - ya) * fmin(1.0, fmax(0.0, (x - xa) / (xb - xa)));
}

double madpo_smoother_add(madpo_smoother *smoother, double mean, double n)
{
    double keep;

    if (isfinite(mean) && n > 0) {
        keep = smoother->factor > 0 ? pow(smoother->factor, n) : 0.0;
        smoother->value = keep * smoother->value + (1.0 - keep) * mean;
        smoother->weight = keep * smoother->weight + (1.0 - keep);
    }
    return smoother->weight > 0 ? smoother->value / smoother->weight : (double)NAN;
}
