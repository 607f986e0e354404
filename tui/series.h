#ifndef MADPO_TUI_SERIES_H
#define MADPO_TUI_SERIES_H
/* A curve of any length in bounded memory. Values are gathered in points; when there are too many
 * points, neighbours are merged two and two and every point stands for twice as many values. A
 * point keeps the smallest, the largest, the sum and the last of its values, so that a single spike
 * among ten million values is still there to be drawn.
 */
#include <stdint.h>

#include "madpo/error.h"

enum { MADPO_SERIES_POINTS = 4096 };

typedef struct madpo_series_point {
    double x, x_last;     /* of its first and its last value */
    double sum;           /* of the finite values */
    float min, max, last; /* of the finite values; NaN when there are none */
    uint32_t n;           /* finite values */
    uint32_t n_bad;       /* NaN, infinite, or beyond what a float holds */
} madpo_series_point;

typedef struct madpo_series {
    madpo_series_point *v; /* [capacity] owned */
    size_t n, capacity;
    uint32_t stride; /* values a full point stands for */
    uint64_t n_bad;  /* NaN and infinite values */
} madpo_series;

void madpo_series_dispose(madpo_series *series);
/* Append a value. An x at or before the last one means that a run was taken up again from there:
 * everything from x on is forgotten first. */
madpo_status madpo_series_add(madpo_series *series, double x, double y,
                              madpo_error *err) MADPO_MUST_CHECK;
/* Index of the first point whose x is above `x` (n if none): points before it count "until x". */
size_t madpo_series_until(const madpo_series *series, double x);
/* Mean of a point's finite values; NaN if there are none. */
double madpo_series_mean(const madpo_series_point *point);
/* The last finite value at or before x; NaN if there is none. */
double madpo_series_at(const madpo_series *series, double x);
/* y at x on the line through the points around it, the first or last one's outside; NaN without
 * points. For clocks: time or tokens by step, and back with `inverse`. */
double madpo_series_interpolate(const madpo_series *series, double x, bool inverse);

/* An exponential moving average whose early values are not pulled towards zero (debiased). */
typedef struct madpo_smoother {
    double factor; /* 0 = the values themselves, ... 0.99 */
    double value, weight;
} madpo_smoother;
/* Average after n values of this mean (n from the point's count); `mean` NaN changes nothing. */
double madpo_smoother_add(madpo_smoother *smoother, double mean, double n);
#endif
