/* Keys that move, and those of the panels, plots and of time; see keys.h. */
#include "tui/keys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tui/cursor.h"
#include "tui/preview.h"
#include "tui/runs.h"

static const char nothing_yet[] = "nothing is logged yet";

/* ---- moving ---- */

static size_t page_of(const madpo_view *view)
{
    int h = view->layout.panel[view->wish.focus].h - 3;

    return h > 1 ? (size_t)h : 1;
}

/* Why the cursor stands where it stood. */
static void say_it_stands(madpo_view *view, bool down)
{
    madpo_panel panel = view->wish.focus;
    double low, high;

    if (panel == MADPO_PANEL_SAMPLES || panel == MADPO_PANEL_PAIR)
        madpo_key_say(view, view->n_list > 0 ? "that is the end of it" : "no pairs to go through");
    else if (panel == MADPO_PANEL_MARGINS)
        madpo_key_say(view, view->n_bins > 0 ? "that is the end of it" : "no margins yet");
    else if (panel == MADPO_PANEL_LOG || (down && panel == MADPO_PANEL_QUALITY))
        madpo_key_say(view, "that is the end of it");
    else if (!madpo_cursor_extent(view, &low, &high))
        madpo_key_say(view, nothing_yet);
    else
        madpo_key_say(view, down ? "left and right move the crosshair" : "that is the end of it");
}

static void move(madpo_view *view, double across, double down)
{
    size_t cursor = view->cursor;
    int pair = view->pair_scroll, log = view->log_scroll, metric = view->metric;
    int bin = view->bin, parameter = view->parameter, wide = view->log_across;
    double cross = view->cross;

    madpo_cursor_move(view, across, down);
    if (cursor == view->cursor && pair == view->pair_scroll && log == view->log_scroll &&
        wide == view->log_across && metric == view->metric && bin == view->bin &&
        parameter == view->parameter &&
        !(view->cross > cross || view->cross < cross || isnan(view->cross) != isnan(cross)))
        say_it_stands(view, down > 0 || down < 0);
}

madpo_action madpo_key_move(madpo_view *view, int key)
{
    static const struct {
        int key;
        double across, down;
    } ways[] = {{MADPO_KEY_UP, 0, -1},   {'k', 0, -1}, {MADPO_KEY_DOWN, 0, 1},  {'j', 0, 1},
                {MADPO_KEY_LEFT, -1, 0}, {'h', -1, 0}, {MADPO_KEY_RIGHT, 1, 0}, {'l', 1, 0}};

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (ways[i].key == key)
            move(view, ways[i].across, ways[i].down);
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_page(madpo_view *view, int key)
{
    double way = key == MADPO_KEY_PAGE_UP ? -1 : 1;

    if (madpo_panel_is_wide(view->wish.focus))
        move(view, 0, way * (double)page_of(view));
    else
        move(view, way * 10, 0);
    return MADPO_ACTION_NONE;
}

/* First and last; in the plots, the last is now: whatever was replayed, zoomed or pointed at. */
madpo_action madpo_key_end(madpo_view *view, int key)
{
    double low, high, way = key == MADPO_KEY_HOME ? -1e6 : 1e6;

    if (madpo_panel_is_wide(view->wish.focus)) {
        move(view, 0, way);
    } else if (view->wish.focus == MADPO_PANEL_MARGINS) {
        move(view, way, 0);
    } else if (key == MADPO_KEY_END) {
        madpo_key_say(view, view->replay || !isnan(view->cross) ? "what is newest"
                                                                : "the newest is shown already");
        view->cross = (double)NAN;
        view->replay = view->playing = false;
    } else if (!madpo_cursor_extent(view, &low, &high)) {
        madpo_key_say(view, nothing_yet);
    } else {
        madpo_cursor_range(view, &low, &high);
        if (view->cross <= low)
            madpo_key_say(view, "that is the end of it");
        view->cross = low;
    }
    return MADPO_ACTION_NONE;
}

/* ---- panels ---- */

madpo_action madpo_key_tab(madpo_view *view, int key)
{
    int step = key == MADPO_KEY_TAB ? 1 : MADPO_PANELS - 2;
    int panel = view->wish.focus;

    for (int i = 1; i < MADPO_PANELS; i++) {
        panel = 1 + (panel - 1 + step) % (MADPO_PANELS - 1);
        if (view->layout.n_panels <= 1 || view->layout.panel[panel].w > 0)
            break;
    }
    madpo_view_focus(view, (madpo_panel)panel);
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_panel(madpo_view *view, int key)
{
    madpo_view_focus(view, key == '0' ? MADPO_PANEL_LOG : (madpo_panel)(key - '0'));
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_zoom_panel(madpo_view *view, int key)
{
    bool was = view->wish.zoomed;

    view->wish.zoomed = key == '_' ? false : key == '+' ? true : !was;
    if (view->wish.zoomed == was)
        madpo_key_say(view, was ? "the panel is alone already; _ or z: back"
                                : "all panels are shown already; + or z: one alone");
    return MADPO_ACTION_NONE;
}

/* One layer back. */
madpo_action madpo_key_escape(madpo_view *view, int key)
{
    (void)key;
    if (view->wish.zoomed)
        view->wish.zoomed = false;
    else if (view->wish.focus == MADPO_PANEL_PAIR)
        madpo_view_focus(view, MADPO_PANEL_SAMPLES);
    else if (!isnan(view->cross))
        view->cross = (double)NAN;
    else if (view->bin >= 0)
        view->bin = -1;
    else if (view->replay)
        view->replay = view->playing = false;
    else if (view->wish.guest_plot || view->wish.guest_wide) {
        view->wish.guest_plot = view->wish.guest_wide = MADPO_PANEL_NONE;
        view->wish.focus = MADPO_PANEL_LOSS;
    } else if (view->inside)
        return MADPO_ACTION_BACK;
    else
        madpo_key_say(view, "nothing is open; q leaves");
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_warnings(madpo_view *view, int key)
{
    (void)key;
    if (view->wish.focus == MADPO_PANEL_LOG)
        view->log_kind = (madpo_log_kind)((view->log_kind + 1) % MADPO_LOG_KINDS);
    view->log_scroll = 0;
    view->log_across = 0;
    view->log_end = MADPO_VIEW_FAR;
    madpo_view_focus(view, MADPO_PANEL_LOG);
    return MADPO_ACTION_NONE;
}

/* ---- plots ---- */

madpo_action madpo_key_zoom_x(madpo_view *view, int key)
{
    double low = view->x_low, high = view->x_high, all_low, all_high;
    bool all = isnan(low);

    madpo_cursor_zoom(view, key == 'i');
    if (!madpo_cursor_extent(view, &all_low, &all_high))
        madpo_key_say(view, nothing_yet);
    else if (all && isnan(view->x_low))
        madpo_key_say(view, "all of it is shown already; i zooms in");
    else if (view->x_low <= low && low <= view->x_low && view->x_high <= high &&
             high <= view->x_high)
        madpo_key_say(view, "it goes no closer");
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_pan(madpo_view *view, int key)
{
    double all_low, all_high, was = view->x_low, width = view->x_high - view->x_low;

    if (!madpo_cursor_extent(view, &all_low, &all_high)) {
        madpo_key_say(view, nothing_yet);
        return MADPO_ACTION_NONE;
    }
    if (!(width > 0)) {
        madpo_key_say(view, "all of it is shown; i zooms in");
        return MADPO_ACTION_NONE;
    }
    view->x_low += width * (key == '<' ? -0.25 : 0.25);
    view->x_low = fmax(all_low, fmin(view->x_low, all_high - width));
    view->x_high = view->x_low + width;
    if (view->x_low <= was && was <= view->x_low)
        madpo_key_say(view, "that is the end of it");
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_reset(madpo_view *view, int key)
{
    (void)key;
    view->x_low = view->x_high = view->cross = (double)NAN;
    view->has_preview = false;
    view->preview = view->source->weight;
    view->preview_beta = view->source->beta;
    view->plot_phase = -1;
    madpo_key_say(view, "range, crosshair, parameters and stage are as they were");
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_smooth(madpo_view *view, int key)
{
    int step = key == 's' ? 1 : MADPO_SMOOTHINGS - 1;

    view->smoothing = (view->smoothing + step) % MADPO_SMOOTHINGS;
    snprintf(view->message, sizeof view->message, "smoothing %g",
             madpo_smoothings[view->smoothing]);
    return MADPO_ACTION_NONE;
}

/* The next one that the stage's events tell. */
static void next_axis(madpo_view *view)
{
    const int phase = madpo_view_plot_phase(view);

    do
        view->axis = (madpo_axis)((view->axis + 1) % MADPO_AXES);
    while (phase >= 0 && !madpo_axis_is_known(madpo_view_history(view)->phases[phase], view->axis));
}

madpo_action madpo_key_switch(madpo_view *view, int key)
{
    static const char *const glyphs[MADPO_GLYPHS_KINDS] = {"braille", "block", "ASCII"};

    if (key == 'y') {
        view->log_y = !view->log_y;
        madpo_key_say(view, "y: %s", view->log_y ? "logarithmic" : "linear");
    } else if (key == 'Y') {
        view->clip = !view->clip;
        madpo_key_say(view, "y: %s", view->clip ? "without the outermost hundredth" : "all values");
    } else if (key == 'g') {
        view->guides = !view->guides;
        madpo_key_say(view, "guide lines: %s", view->guides ? "on" : "off");
    } else if (key == 'x') {
        next_axis(view);
        view->x_low = view->x_high = view->cross = (double)NAN;
        madpo_key_say(view, "x: %s", madpo_axis_names[view->axis]);
    } else if (key == 't') {
        view->glyphs = (madpo_glyphs)((view->glyphs + 1) % MADPO_GLYPHS_KINDS);
        madpo_key_say(view, "characters: %s", glyphs[view->glyphs]);
    }
    return MADPO_ACTION_NONE;
}

/* The next stage that has a loss. */
madpo_action madpo_key_stage(madpo_view *view, int key)
{
    const madpo_history *history = madpo_view_history(view);
    int n = (int)history->n_phases, was = madpo_view_plot_phase(view), phase = was;

    for (int i = 0; i < n; i++) {
        phase = (phase + (key == 'b' ? 1 : n - 1)) % n;
        if (madpo_phase_metric(history->phases[phase], "loss"))
            break;
    }
    if (was < 0 || phase == was) {
        madpo_key_say(view, was < 0 ? nothing_yet : "no other stage has curves yet");
        return MADPO_ACTION_NONE;
    }
    madpo_key_say(view, "plots of %s", history->phases[phase]->name);
    view->plot_phase = phase;
    view->x_low = view->x_high = view->cross = (double)NAN;
    return MADPO_ACTION_NONE;
}

/* ---- parameters of the weight ---- */

madpo_action madpo_key_parameter(madpo_view *view, int key)
{
    madpo_weight_options *w = &view->preview;
    static const char *const names[] = {"c_max", "c_min", "tau", "lambda", "beta"};
    double *const values[] = {&w->c_max, &w->c_min, &w->tau, &w->lambda, &view->preview_beta};
    double was, up = key == ')' ? 1 : -1;

    if (!view->has_preview) {
        view->preview = view->source->weight;
        view->preview_beta = view->source->beta;
    }
    was = *values[view->parameter];
    view->has_preview = true;
    if (view->parameter == 0)
        w->c_max = fmax(1.0, w->c_max + 0.1 * up);
    else if (view->parameter == 1)
        w->c_min = fmin(0.95, fmax(0.0, w->c_min + 0.05 * up));
    else if (view->parameter == 2)
        w->tau = fmax(0.1, w->tau + (w->tau > 2 ? 0.25 : 0.1) * up);
    else if (view->parameter == 3)
        w->lambda = fmax(0.05, w->lambda * pow(1.15, up));
    else if (isfinite(view->preview_beta))
        view->preview_beta = fmax(1e-4, view->preview_beta * pow(1.15, up));
    if (isnan(was))
        madpo_key_say(view, "beta of this run is not known");
    else if (!(*values[view->parameter] < was || *values[view->parameter] > was))
        madpo_key_say(view, "%s %.4g: it goes no further", names[view->parameter], was);
    else
        madpo_key_say(view, "%s %.4g  (P writes it, = undoes it)", names[view->parameter],
                      *values[view->parameter]);
    madpo_view_focus(view, MADPO_PANEL_MARGINS);
    return MADPO_ACTION_NONE;
}

/* The arguments as a whole, or where they are. */
static void say_written(madpo_view *view, const char *path, const char *arguments)
{
    int room = view->layout.notes.w < (int)sizeof view->message ? view->layout.notes.w
                                                                : (int)sizeof view->message;

    if (snprintf(view->message, sizeof view->message, "written: madpo train %s  or  %s", path,
                 arguments) > room - 2)
        madpo_key_say(view, "written: madpo train %.80s  (its head has the --set ...)", path);
}

/* What was tried, for a next run. */
madpo_action madpo_key_preview(madpo_view *view, int key)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_strbuf set = {0};
    char path[300];

    (void)key;
    if (view->has_preview)
        madpo_preview_arguments(&set, view->source, &view->preview, view->preview_beta);
    snprintf(path, sizeof path, "%.200s-preview.cfg", view->source->name);
    madpo_runs_free_name(path, sizeof path);
    if (set.n == 0 || set.failed)
        snprintf(view->message, sizeof view->message,
                 "nothing was tried: in margins, up and down choose a parameter, ( ) move it");
    else if (madpo_preview_write(path, view->source, &view->preview, view->preview_beta, &err) ==
             MADPO_OK)
        say_written(view, path, set.s);
    else
        snprintf(view->message, sizeof view->message, "%.110s  (%.80s)", set.s, err.message);
    madpo_strbuf_dispose(&set);
    return MADPO_ACTION_NONE;
}

/* ---- time ---- */

madpo_action madpo_key_replay(madpo_view *view, int key)
{
    const madpo_history *history = madpo_view_history(view);
    madpo_moment at = madpo_view_moment(view);
    double step, last;

    if (at.phase < 0) {
        madpo_key_say(view, nothing_yet);
        return MADPO_ACTION_NONE;
    }
    last = history->phases[at.phase]->step;
    step = at.step + (key == '[' ? -1 : 1) * fmax(1, floor(last / 50));
    if (key == '[' && step < 0 && at.phase > 0)
        madpo_view_go(view, at.phase - 1, history->phases[at.phase - 1]->step);
    else if (key == ']' && step > last && at.phase + 1 < (int)history->n_phases)
        madpo_view_go(view, at.phase + 1, 0);
    else {
        if (key == '[' ? at.step <= 0 : view->replay && at.step >= last)
            madpo_key_say(view, key == '[' ? "that is the beginning"
                                           : "that is the newest step; F or End: live");
        madpo_view_go(view, at.phase, step);
    }
    return MADPO_ACTION_NONE;
}

/* The picture of now stays; or it is of now again. */
static void play_freeze(madpo_view *view, madpo_moment at)
{
    view->playing = false;
    if (view->replay) {
        view->replay = false;
        madpo_key_say(view, "what is newest is shown again");
        return;
    }
    madpo_view_go(view, at.phase, at.step);
    madpo_key_say(view, "frozen at %s step %.0f; F again: what is newest",
                  madpo_view_history(view)->phases[at.phase]->name, at.step);
}

madpo_action madpo_key_play(madpo_view *view, int key)
{
    const madpo_history *history = madpo_view_history(view);
    madpo_moment at = madpo_view_moment(view);

    if (at.phase < 0) {
        madpo_key_say(view, nothing_yet);
        return MADPO_ACTION_NONE;
    }
    if (key == 'F') {
        play_freeze(view, at);
        return MADPO_ACTION_NONE;
    }
    if (key == '{' || key == '}') {
        view->speed = fmin(64, fmax(1.0 / 16, view->speed * (key == '{' ? 0.5 : 2)));
    } else {
        view->playing = !view->playing;
        if (view->playing && !view->replay) { /* from the beginning of what is shown */
            int phase = madpo_view_plot_phase(view);

            madpo_view_go(view, phase < 0 ? (int)history->n_phases - 1 : phase, 0);
        }
    }
    snprintf(view->message, sizeof view->message, "%s, speed %gx",
             view->playing  ? "playing"
             : view->replay ? "stopped"
                            : "not playing",
             view->speed);
    return MADPO_ACTION_NONE;
}

static void go_to_bookmark(madpo_view *view, bool forward)
{
    const madpo_history *history = madpo_view_history(view);
    int i = madpo_bookmarks_next(&view->bookmarks, history, madpo_view_moment(view), forward);
    const madpo_bookmark *mark = i >= 0 ? &view->bookmarks.v[i] : NULL;

    if (!mark) {
        snprintf(view->message, sizeof view->message, "no bookmark %s; , sets one",
                 forward ? "after this" : "before this");
        return;
    }
    view->playing = false;
    madpo_view_go(view, madpo_history_phase(history, mark->stage), mark->step);
    snprintf(view->message, sizeof view->message, "bookmark %d of %d: %s step %.0f", i + 1,
             view->bookmarks.n, mark->stage, mark->step);
}

/* Set or remove one at the moment shown; or go to one. */
madpo_action madpo_key_bookmark(madpo_view *view, int key)
{
    const madpo_history *history = madpo_view_history(view);
    madpo_moment at = madpo_view_moment(view);
    madpo_error err = MADPO_ERROR_INIT;
    bool set;

    if (key != ',') {
        go_to_bookmark(view, key == '\'');
        return MADPO_ACTION_NONE;
    }
    if (madpo_bookmarks_toggle(&view->bookmarks, history, at, &set, &err) != MADPO_OK)
        snprintf(view->message, sizeof view->message, "%.199s", err.message);
    else
        snprintf(view->message, sizeof view->message, "bookmark %s: %s step %.0f%s",
                 set ? "set" : "removed", history->phases[at.phase]->name, floor(at.step),
                 view->bookmarks.path ? "" : ", for this session only");
    return MADPO_ACTION_NONE;
}
