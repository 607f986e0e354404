#ifndef MADPO_TUI_HIST_H
#define MADPO_TUI_HIST_H
/* Distributions: histograms of margins and weights, the statistics that say how uneven weights
 * are, and the heat strip (distribution of the weights over training) in bounded memory.
 */
#include <stdint.h>

#include "madpo/error.h"

enum { MADPO_HIST_BINS = 256, MADPO_HEAT_ROWS = 16, MADPO_HEAT_COLUMNS = 512 };

typedef struct madpo_hist {
    double low, high; /* values outside count in the first and the last bin */
    int n_bins;       /* at most MADPO_HIST_BINS */
    uint32_t count[MADPO_HIST_BINS];
    uint64_t n;
} madpo_hist;
void madpo_hist_init(madpo_hist *hist, double low, double high, int n_bins);
/* NaN is not counted. */
void madpo_hist_add(madpo_hist *hist, double value);
/* Bin of a value, clamped into the histogram; its middle. */
int madpo_hist_bin(const madpo_hist *hist, double value);
double madpo_hist_middle(const madpo_hist *hist, int bin);
/* The value below which a share of the values lies, to within a bin; NaN without values. */
double madpo_hist_quantile(const madpo_hist *hist, double share);

/* (sum w)^2 / (n sum w^2): 1 when all weights are equal. NaN without weights. */
double madpo_weights_ess(double sum, double sum_squares, double n);
/* Share of the sum that the largest tenth of v [n] carries (a fraction of a weight counts as such);
 * sorts v. NaN without weights. */
double madpo_weights_top_share(float *v, size_t n, double tenth);

/* Weights by step: a column of the strip is what the samples of some steps weighed. */
typedef struct madpo_heat_column {
    double x, x_last;
    double sum, sum_squares;
    uint32_t n;
    uint32_t count[MADPO_HEAT_ROWS]; /* row 0 = the smallest weights */
} madpo_heat_column;
typedef struct madpo_heat {
    madpo_heat_column *v; /* [capacity] owned */
    size_t n, capacity;
    uint32_t stride, n_steps_last; /* steps in a full column, in the last one */
    double high;                   /* weights lie in [0, high]; doubles when one is above */
} madpo_heat;
void madpo_heat_dispose(madpo_heat *heat);
/* A new step (before the one there was: that and what follows is forgotten first). */
madpo_status madpo_heat_step(madpo_heat *heat, double x, madpo_error *err) MADPO_MUST_CHECK;
/* A weight of this step. */
void madpo_heat_add(madpo_heat *heat, double w);
#endif
