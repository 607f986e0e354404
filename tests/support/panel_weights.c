/* The weights of a recorded run against the curve that the margin panel draws over its bars.
 * usage: panel_weights RUN; prints how many pairs there were, exits with 1 at the first that
 * differs
 */
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "tui/view.h"

static int check(madpo_view *view, const char *dir)
{
    const madpo_samples *samples = madpo_view_samples(view);
    uint64_t n_train = 0;
    size_t n = 0;

    for (size_t i = 0; i < samples->n; i++) {
        const madpo_sample *s = &samples->v[i];
        double w = madpo_weight_w(&view->source->weight, (double)s->h);

        if (isnan((double)s->h))
            continue;
        n++;
        n_train += !s->held_out;
        if (!(fabs(w - (double)s->w) <= 1e-5 * fabs(w))) { /* h and w are kept as floats */
            fprintf(stderr, "%s: pair %lld: h %.8g, recorded w %.8g, the panel's %.8g\n", dir,
                    (long long)s->id, (double)s->h, (double)s->w, w);
            return 1;
        }
    }
    if (view->stats.h.n != n_train) {
        fprintf(stderr, "%s: %llu pairs in the bars, %llu trained on\n", dir,
                (unsigned long long)view->stats.h.n, (unsigned long long)n_train);
        return 1;
    }
    printf("%zu\n", n);
    return n == 0;
}

int main(int argc, char **argv)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_feed *feed;
    madpo_view view;
    madpo_grid grid = {0};
    int rc = 1;

    if (argc != 2 || madpo_feed_open(&feed, argv[1], 60.0, &err) != MADPO_OK) {
        fprintf(stderr, "%s\n", argc == 2 ? err.message : "usage: panel_weights RUN");
        return 2;
    }
    madpo_view_init(&view, feed);
    if (!feed->has_weight)
        fprintf(stderr, "%s: the run has no weights\n", argv[1]);
    else if (madpo_view_render(&grid, &view, 120, 40, &err) == MADPO_OK)
        rc = check(&view, argv[1]);
    madpo_grid_dispose(&grid);
    madpo_view_dispose(&view);
    madpo_feed_close(feed);
    return rc;
}
