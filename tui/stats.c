/* Statistics over all pairs; see stats.h. */
#include "tui/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

/* A margin beyond a million is no margin but a damaged file. */
static bool counts(const madpo_sample *sample)
{
    return !sample->held_out && fabsf(sample->h) < 1e6f;
}

/* The range the histogram is drawn over: all but the outermost thousandth on either side, which
 * counts in the first and the last bin. */
static void stats_range(madpo_stats *stats, const madpo_samples *samples)
{
    double least = INFINITY, most = -INFINITY;
    madpo_hist rough;

    for (size_t i = 0; i < samples->n; i++)
        if (counts(&samples->v[i])) {
            least = fmin(least, (double)samples->v[i].h);
            most = fmax(most, (double)samples->v[i].h);
        }
    stats->low = -1;
    stats->high = 1;
    if (!(least <= most))
        return;
    madpo_hist_init(&rough, least, most, MADPO_HIST_BINS);
    for (size_t i = 0; i < samples->n; i++)
        if (counts(&samples->v[i]))
            madpo_hist_add(&rough, (double)samples->v[i].h);
    stats->low = madpo_hist_quantile(&rough, 0.001);
    stats->high = madpo_hist_quantile(&rough, 0.999);
    if (!(stats->high > stats->low)) {
        stats->low -= 0.5;
        stats->high = stats->low + 1.0;
    }
}

static madpo_group *stats_group(madpo_stats *stats, const char *name)
{
    for (int i = 0; i < stats->n_groups; i++)
        if (strcmp(stats->group[i].name, name) == 0)
            return &stats->group[i];
    if (stats->n_groups == MADPO_GROUPS)
        return NULL;
    snprintf(stats->group[stats->n_groups].name, sizeof stats->group->name, "%s", name);
    madpo_hist_init(&stats->group[stats->n_groups].h, stats->low, stats->high, MADPO_STATS_BINS);
    stats->group[stats->n_groups].sum_w = 0;
    return &stats->group[stats->n_groups++];
}

static void group_take(madpo_stats *stats, const char *name, double h, double w)
{
    madpo_group *group = stats_group(stats, name);

    if (!group)
        return;
    madpo_hist_add(&group->h, h);
    group->sum_w += w;
}

/* Groups stand in a fixed order: those of length exist from the beginning. */
static void stats_groups(madpo_stats *stats, const madpo_samples *samples,
                         const madpo_sample *sample, double w)
{
    static const char *const lengths[] = {"len<256", "len<1k", "len<4k", "len>=4k"};
    static const char *const biases[] = {"chosen longer", "chosen shorter"};
    size_t length = (size_t)sample->n_prompt + sample->n_chosen + sample->n_rejected;

    if (stats->n_groups == 0) {
        for (size_t i = 0; i < sizeof biases / sizeof *biases; i++)
            stats_group(stats, biases[i]);
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            stats_group(stats, lengths[i]);
    }
    if (sample->offset < 0)
        return;
    if (sample->n_chosen != sample->n_rejected)
        group_take(stats, biases[sample->n_chosen < sample->n_rejected], (double)sample->h, w);
    group_take(stats, lengths[(length >= 256) + (length >= 1024) + (length >= 4096)],
               (double)sample->h, w);
    if (samples->n_sources > 1 && sample->source > 0)
        group_take(stats, samples->sources[sample->source], (double)sample->h, w);
}

const madpo_hist *madpo_stats_drawn(madpo_stats *stats, const madpo_samples *samples, int n_bins)
{
    n_bins = n_bins < MADPO_HIST_BINS ? n_bins : MADPO_HIST_BINS;
    if (stats->drawn.n_bins == n_bins)
        return &stats->drawn;
    madpo_hist_init(&stats->drawn, stats->low, stats->high, n_bins);
    for (size_t i = 0; i < samples->n; i++)
        if (counts(&samples->v[i]))
            madpo_hist_add(&stats->drawn, (double)samples->v[i].h);
    return &stats->drawn;
}

static bool stats_current(const madpo_stats *stats, const madpo_samples *samples,
                          const madpo_weight_options *preview)
{
    if (stats->version != samples->version || stats->version == 0 ||
        stats->preview != (preview != NULL))
        return false;
    return !preview || memcmp(preview, &stats->weight, sizeof *preview) == 0;
}

/* While a run is read or written its pairs change all the time; what is a moment old will do. */
static bool stats_may_wait(const madpo_stats *stats, const madpo_weight_options *preview,
                           double now)
{
    return stats->version != 0 && stats->preview == (preview != NULL) &&
           (!preview || memcmp(preview, &stats->weight, sizeof *preview) == 0) &&
           now - stats->made_at < 20.0 * stats->cost;
}

madpo_status madpo_stats_update(madpo_stats *stats, const madpo_samples *samples,
                                const madpo_weight_options *preview, madpo_error *err)
{
    double sum = 0, squares = 0, began = madpo_clock_monotonic();
    size_t n = 0;
    float *w;

    if (stats_current(stats, samples, preview))
        return MADPO_OK;
    if (stats_may_wait(stats, preview, began)) {
        stats->behind = true;
        return MADPO_OK;
    }
    w = malloc((samples->n + 1) * sizeof *w);
    if (!w)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "weights of %zu pairs", samples->n);
    memset(stats, 0, sizeof *stats);
    if (preview)
        stats->weight = *preview;
    stats->preview = preview != NULL;
    stats->version = samples->version;
    stats_range(stats, samples);
    madpo_hist_init(&stats->h, stats->low, stats->high, MADPO_STATS_BINS);
    for (size_t i = 0; i < samples->n; i++) {
        const madpo_sample *sample = &samples->v[i];
        double weight = preview ? madpo_weight_w(preview, (double)sample->h) : (double)sample->w;

        if (!counts(sample))
            continue;
        madpo_hist_add(&stats->h, (double)sample->h);
        stats_groups(stats, samples, sample, isfinite(weight) ? weight : 0.0);
        if (!isfinite(weight))
            continue;
        sum += weight;
        squares += weight * weight;
        w[n++] = (float)weight;
    }
    stats->ess = madpo_weights_ess(sum, squares, (double)n);
    stats->mean_weight = n > 0 ? sum / (double)n : (double)NAN;
    stats->top_share = madpo_weights_top_share(w, n, 0.1);
    free(w);
    stats->made_at = madpo_clock_monotonic();
    stats->cost = stats->made_at - began;
    return MADPO_OK;
}
