/* State of the screen; see view.h. The keys are in keys.c, the drawing in render.c. */
#include "tui/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

const double madpo_smoothings[MADPO_SMOOTHINGS] = {0.0, 0.6, 0.9, 0.97, 0.99};

void madpo_view_init(madpo_view *view, madpo_feed *source)
{
    memset(view, 0, sizeof *view);
    view->source = source;
    view->wish.focus = MADPO_PANEL_LOSS;
    view->smoothing = 2;
    view->x_low = view->x_high = view->cross = (double)NAN;
    view->plot_phase = -1;
    view->speed = 1.0;
    view->bin_low = view->bin_high = (double)NAN;
    view->bin = -1;
    view->pair_end = view->log_end = view->metric_end = MADPO_VIEW_FAR;
    view->list_stale = true;
    view->sort = MADPO_SORT_H;
    view->preview = source->weight;
    view->preview_beta = source->beta;
    view->now = (double)NAN;
}

void madpo_view_dispose(madpo_view *view)
{
    for (int i = 0; i < MADPO_VIEW_OTHERS; i++)
        madpo_feed_close(view->others[i]);
    for (int i = 0; i < view->n_runs; i++)
        free(view->runs[i]);
    free(view->list);
    madpo_bookmarks_dispose(&view->bookmarks);
    madpo_find_dispose(&view->find);
    madpo_seek_dispose(&view->seek);
    memset(view, 0, sizeof *view);
}

const madpo_history *madpo_view_history(const madpo_view *view)
{
    return &madpo_feed_story(view->source)->history;
}

const madpo_samples *madpo_view_samples(const madpo_view *view)
{
    return &madpo_feed_story(view->source)->samples;
}

/* ---- moments ---- */

madpo_moment madpo_view_moment(const madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);

    if (view->replay && view->phase >= 0 && view->phase < (int)history->n_phases)
        return madpo_history_moment(history, view->phase, view->step);
    return madpo_history_now(history);
}

int madpo_view_plot_phase(const madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    int phase = view->plot_phase;

    if (phase >= 0 && phase < (int)history->n_phases)
        return phase;
    for (phase = madpo_view_moment(view).phase; phase >= 0; phase--)
        if (madpo_phase_metric(history->phases[phase], "loss"))
            return phase;
    return -1;
}

double madpo_view_plot_step(const madpo_view *view)
{
    return madpo_history_step_of(madpo_view_history(view), madpo_view_plot_phase(view),
                                 madpo_view_moment(view));
}

double madpo_view_policy_step(const madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);

    return madpo_history_step_of(history, madpo_history_phase(history, "policy"),
                                 madpo_view_moment(view));
}

void madpo_view_go(madpo_view *view, int phase, double step)
{
    const madpo_history *history = madpo_view_history(view);

    if (history->n_phases == 0)
        return;
    view->phase = phase < 0 ? 0 : phase;
    if (view->phase >= (int)history->n_phases)
        view->phase = (int)history->n_phases - 1;
    view->step = fmin(fmax(step, 0), history->phases[view->phase]->step);
    view->replay = true;
}

bool madpo_view_tick(madpo_view *view, double seconds)
{
    const madpo_history *history = madpo_view_history(view);
    bool steered = madpo_steer_tick(view), done = madpo_find_tick(view) || steered;
    double last;

    if (!view->playing || !view->replay || history->n_phases == 0)
        return done;
    last = history->phases[view->phase]->step;
    view->step += seconds * view->speed * fmax(last, 1) / 60.0;
    if (view->step >= last && view->phase + 1 < (int)history->n_phases) {
        view->phase++;
        view->step = 0;
    } else if (view->step >= last) {
        view->playing = view->replay = false;
    }
    return true;
}

/* ---- the list of samples ---- */

madpo_status madpo_view_list(madpo_view *view, madpo_error *err)
{
    const madpo_samples *samples = madpo_view_samples(view);
    madpo_selection selection = {.filter = view->filter,
                                 .sort = view->sort,
                                 .descending = view->descending,
                                 .low = view->bin_low,
                                 .high = view->bin_high,
                                 .step = madpo_view_policy_step(view),
                                 .find = &view->find};
    const madpo_sample *at = view->list_stale ? NULL : madpo_view_sample(view);
    int64_t id = at ? at->id : 0;
    double began = madpo_clock_monotonic();
    bool same_step = view->list_step >= selection.step && view->list_step <= selection.step;
    madpo_status st;

    if (!view->list_stale && view->list_version == samples->version &&
        view->list_hits == view->find.hits && view->list && same_step)
        return MADPO_OK;
    if (!view->list_stale && view->list && (same_step || view->playing) &&
        began - view->list_at < 20.0 * view->list_cost) {
        view->behind = true; /* pairs keep their places: what is listed stays valid */
        return MADPO_OK;
    }
    free(view->list);
    view->list = NULL;
    view->n_list = 0;
    st = madpo_select(&view->list, &view->n_list, view->source, &selection, err);
    view->list_version = samples->version;
    view->list_step = selection.step;
    view->list_hits = view->find.hits;
    view->list_stale = false;
    view->list_at = madpo_clock_monotonic();
    view->list_cost = view->list_at - began;
    for (size_t i = 0; at && i < view->n_list; i++) /* the cursor stays on its pair */
        if (samples->v[view->list[i]].id == id)
            view->cursor = i;
    if (view->cursor >= view->n_list)
        view->cursor = view->n_list > 0 ? view->n_list - 1 : 0;
    return st;
}

void madpo_view_filter(madpo_view *view, const madpo_filter *filter)
{
    view->filter = *filter;
    madpo_find_begin(&view->find, madpo_filter_has_texts(filter));
    madpo_find_on(&view->find, view->source, filter, madpo_find_slice);
    view->list_stale = true;
    view->cursor = view->top = 0;
}

const madpo_sample *madpo_view_sample(const madpo_view *view)
{
    const madpo_samples *samples = madpo_view_samples(view);

    if (!view->list || view->cursor >= view->n_list ||
        (size_t)view->list[view->cursor] >= samples->n)
        return NULL;
    return &samples->v[view->list[view->cursor]];
}

/* ---- panels and runs ---- */

void madpo_view_focus(madpo_view *view, madpo_panel panel)
{
    static const madpo_panel at_home[] = {MADPO_PANEL_LOSS, MADPO_PANEL_MARGINS,
                                          MADPO_PANEL_SAMPLES};

    view->wish.focus = panel;
    if (view->layout.panel[panel].w > 0)
        return;
    view->pair_end = view->log_end = view->metric_end = MADPO_VIEW_FAR;
    for (size_t i = 0; i < sizeof at_home / sizeof *at_home; i++)
        if (panel == at_home[i] && panel != MADPO_PANEL_LOSS)
            *(i == 1 ? &view->wish.guest_plot : &view->wish.guest_wide) = MADPO_PANEL_NONE;
    if (panel == MADPO_PANEL_LOSS || panel == MADPO_PANEL_MARGINS || panel == MADPO_PANEL_SAMPLES)
        return;
    if (madpo_panel_is_wide(panel))
        view->wish.guest_wide = panel;
    else
        view->wish.guest_plot = panel;
}

static bool same_dir(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

madpo_status madpo_view_compare(madpo_view *view, const char *dir, madpo_error *err)
{
    int place = -1;

    for (int i = 0; i < MADPO_VIEW_OTHERS; i++) {
        if (view->others[i] && same_dir(view->others[i]->dir, dir)) {
            madpo_feed_close(view->others[i]);
            view->others[i] = NULL;
            return MADPO_OK;
        }
        if (!view->others[i] && place < 0)
            place = i;
    }
    if (place < 0)
        return madpo_error_set(err, MADPO_ERR_USAGE, "at most %d runs can be compared with",
                               MADPO_VIEW_OTHERS);
    return madpo_feed_open(&view->others[place], dir, 0.5, err);
}
