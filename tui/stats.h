#ifndef MADPO_TUI_STATS_H
#define MADPO_TUI_STATS_H
/* What the margins and weights of all training pairs amount to, kept until they change. */
#include "objective/objective.h"
#include "tui/hist.h"
#include "tui/samples.h"

enum { MADPO_GROUPS = 10, MADPO_STATS_BINS = 128 };

/* Pairs that have something in common: their source, their length. */
typedef struct madpo_group {
    char name[24];
    madpo_hist h;
    double sum_w;
} madpo_group;

typedef struct madpo_stats {
    uint64_t version; /* of the samples this was made from; 0 = never */
    madpo_weight_options weight;
    bool preview;         /* weights are those of `weight`, not the run's */
    double made_at, cost; /* seconds: when it was made and how long that took */
    bool behind;          /* pairs have changed since: it will be made anew when that is cheap */
    madpo_hist h;         /* of the pairs trained on */
    madpo_hist drawn; /* the same in as many bins as there are columns; n_bins 0 = not made yet */
    double low, high; /* nearly all margins lie here */
    double ess, top_share, mean_weight;
    madpo_group group[MADPO_GROUPS];
    int n_groups;
} madpo_stats;

/* Bring up to date, but spend no more than a twentieth of the time on it. `preview` (may be NULL):
 * weights the pairs would have with other parameters. */
madpo_status madpo_stats_update(madpo_stats *stats, const madpo_samples *samples,
                                const madpo_weight_options *preview,
                                madpo_error *err) MADPO_MUST_CHECK;
/* The histogram in n_bins bins, as it is drawn (borrowed): no column may stand for more bins than
 * its neighbour. */
const madpo_hist *madpo_stats_drawn(madpo_stats *stats, const madpo_samples *samples, int n_bins);
#endif
