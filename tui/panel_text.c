/* The panels of facts: the system, the log. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tui/panels.h"

static const madpo_pen plain = {MADPO_TONE_PLAIN, 0}, dim = {MADPO_TONE_DIM, 0};

double madpo_view_value(const madpo_view *view, const char *metric)
{
    int phase = madpo_view_plot_phase(view);
    const madpo_series *series =
        phase >= 0 ? madpo_phase_metric(madpo_view_history(view)->phases[phase], metric) : NULL;

    return series ? madpo_series_at(series, madpo_view_plot_step(view)) : (double)NAN;
}

double madpo_view_step_seconds(const madpo_view *view)
{
    int index = madpo_view_plot_phase(view);
    const madpo_phase *phase;
    double from, to, step = madpo_view_plot_step(view);

    if (index < 0)
        return (double)NAN;
    phase = madpo_view_history(view)->phases[index];
    if (phase->clock.n < 1 || !(step > phase->clock.v[0].x))
        return (double)NAN;
    /* from the first step's end on: it builds programs and fills caches */
    from = madpo_series_mean(&phase->clock.v[0]);
    to = madpo_series_interpolate(&phase->clock, step, false);
    return (to - from) / (step - (phase->clock.v[0].x + phase->clock.v[0].x_last) / 2);
}

char *madpo_view_warnings(char *out, const madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    double t = madpo_view_moment(view).t;
    int64_t n = view->replay ? 0 : history->n_warnings;
    const madpo_note *note;

    for (int64_t i = history->n_notes - 1; view->replay && i >= 0; i--)
        if ((note = madpo_history_note(history, i)) != NULL)
            n += note->kind == MADPO_NOTE_WARNING && !(note->t > t);
    snprintf(out, 32, "%lld warning%s", (long long)n, n == 1 ? "" : "s");
    return out;
}

/* ---- system ---- */

static const char *manifest_text(const madpo_view *view, const char *key)
{
    const char *text =
        json_string_value(json_object_get(madpo_run_reader_manifest(view->source->reader), key));

    return text ? text : "-";
}

static const madpo_note *last_note(const madpo_view *view, madpo_note_kind kind)
{
    const madpo_history *history = madpo_view_history(view);
    double t = madpo_view_moment(view).t;

    for (int64_t i = history->n_notes - 1; i >= 0; i--) {
        const madpo_note *note = madpo_history_note(history, i);

        if (!note)
            break;
        if (note->kind == kind && !(view->replay && note->t > t))
            return note;
    }
    return NULL;
}

typedef struct lines {
    madpo_grid *grid;
    madpo_rect r;
    int row;
} lines;

static void line(lines *l, const char *name, const char *fmt, ...) MADPO_PRINTF(3, 4);
static void line(lines *l, const char *name, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    if (l->row >= l->r.h)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    madpo_grid_text(l->grid, l->r.x, l->r.y + l->row, 9, dim, name);
    madpo_grid_text(l->grid, l->r.x + 9, l->r.y + l->row, l->r.w - 9, plain, text);
    l->row++;
}

static void system_time(lines *l, const madpo_view *view)
{
    int index = madpo_view_plot_phase(view);
    const madpo_phase *phase = madpo_view_history(view)->phases[index];
    double seconds = madpo_view_step_seconds(view), step = madpo_view_plot_step(view);
    char per[16], left[16], took[16];

    if (view->source->live || view->replay)
        line(l, "step", "%s s  ETA %s", madpo_short_number(per, seconds),
             madpo_short_time(left, (phase->total_steps - step) * seconds));
    else
        line(l, "step", "%s s", madpo_short_number(per, seconds));
    line(l, "stage", "%s for %s", phase->name,
         madpo_short_time(took, madpo_axis_from_step(phase, MADPO_AXIS_TIME, step)));
    line(l, "tokens", "%s  %s/s", madpo_short_number(per, madpo_view_value(view, "num_tokens")),
         madpo_short_number(left, madpo_view_value(view, "tokens_per_second")));
}

void madpo_panel_system(madpo_grid *grid, madpo_rect rect, madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    const madpo_note *note;
    lines l = {.grid = grid, .r = madpo_rect_inside(rect)};
    uint64_t n_bad = 0;
    int64_t n_lines;
    char text[16], warnings[32];

    madpo_panel_frame(grid, rect, view, MADPO_PANEL_SYSTEM, "device and time");
    line(&l, "device", "%s", manifest_text(view, "device"));
    if (madpo_view_plot_phase(view) >= 0)
        system_time(&l, view);
    note = last_note(view, MADPO_NOTE_CHECKPOINT);
    if (note)
        line(&l, "saved", "%s", note->text + strlen("checkpoint "));
    else
        line(&l, "saved", "no checkpoint yet");
    for (size_t i = 0; i < history->n_phases; i++)
        for (size_t k = 0; k < history->phases[i]->n_metrics; k++)
            n_bad += history->phases[i]->metrics[k].series.n_bad;
    n_lines = history->n_bad + madpo_view_samples(view)->n_bad_tokens;
    line(&l, "trouble", "%s, %llu NaN, %lld bad line%s", madpo_view_warnings(warnings, view),
         (unsigned long long)n_bad, (long long)n_lines, n_lines == 1 ? "" : "s");
    line(&l, "run", "%s %s", madpo_short_time(text, history->t_last - history->t_first),
         view->source->live ? "so far"
         : history->ended   ? "in all"
                            : "until it stopped");
    line(&l, "driver", "%s", manifest_text(view, "driver"));
    line(&l, "model", "%s", manifest_text(view, "model"));
    line(&l, "loss", "%s", manifest_text(view, "objective"));
    line(&l, "data", "%s", manifest_text(view, "data"));
    line(&l, "madpo", "%s  seed %lld", manifest_text(view, "madpo"),
         (long long)json_integer_value(
             json_object_get(madpo_run_reader_manifest(view->source->reader), "seed")));
    line(&l, "folder", "%s", view->source->dir);
}

/* ---- log ---- */

static bool note_shown(const madpo_view *view, const madpo_note *note)
{
    if (view->log_kind == MADPO_LOG_WARNINGS && note->kind != MADPO_NOTE_WARNING)
        return false;
    return !(view->replay && note->t > madpo_view_moment(view).t);
}

static void draw_note(madpo_grid *grid, madpo_rect r, const madpo_note *note)
{
    time_t seconds = fabs(note->t) < 1e12 ? (time_t)note->t : 0;
    struct tm utc;
    char clock[16] = "";

    if (gmtime_r(&seconds, &utc))
        strftime(clock, sizeof clock, "%H:%M:%S", &utc);
    madpo_grid_text(grid, r.x, r.y, 9, dim, clock);
    madpo_grid_text(grid, r.x + 9, r.y, r.w - 9,
                    (madpo_pen){note->kind == MADPO_NOTE_WARNING   ? MADPO_TONE_ALERT
                                : note->kind == MADPO_NOTE_CONTROL ? MADPO_TONE_KEY
                                                                   : MADPO_TONE_PLAIN,
                                0},
                    note->text);
}

/* The end of log.txt; scrolled, the lines before it. */
static void draw_printed(madpo_grid *grid, madpo_rect r, const madpo_view *view)
{
    madpo_error err = {0};
    char *text;
    int row = r.h - 1, skip = view->log_scroll;

    if (madpo_feed_log(&text, view->source, 1 << 17, &err) != MADPO_OK) {
        madpo_grid_text(grid, r.x, r.y, r.w, (madpo_pen){MADPO_TONE_ALERT, 0}, err.message);
        return;
    }
    for (size_t n = strlen(text); n > 0 && row >= 0;) {
        size_t from = n - 1;

        while (from > 0 && text[from - 1] != '\n')
            from--;
        text[n - 1] = '\0'; /* the line's end */
        if (skip-- <= 0)
            madpo_grid_text(grid, r.x, r.y + row--, r.w, plain, text + from);
        n = from;
    }
    free(text);
}

/* Newest at the bottom, as a log reads. */
void madpo_panel_log(madpo_grid *grid, madpo_rect rect, madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    madpo_rect r = madpo_rect_inside(rect);
    static const char *const titles[] = {"", ": warnings", ": log.txt"};
    int row = r.h - 1, skip = view->log_scroll;
    char title[80], warnings[32];

    snprintf(title, sizeof title, "log%s  %lld notes, %s", titles[view->log_kind],
             (long long)history->n_notes, madpo_view_warnings(warnings, view));
    madpo_panel_frame(grid, rect, view, MADPO_PANEL_LOG, title);
    if (view->log_kind == MADPO_LOG_PRINTED) {
        draw_printed(grid, r, view);
        return;
    }
    for (int64_t i = history->n_notes - 1; i >= 0 && row >= 0; i--) {
        const madpo_note *note = madpo_history_note(history, i);

        if (!note)
            break;
        if (!note_shown(view, note) || skip-- > 0)
            continue;
        draw_note(grid, (madpo_rect){r.x, r.y + row, r.w, 1}, note);
        row--;
    }
    if (row == r.h - 1)
        madpo_grid_text(grid, r.x, r.y, r.w, dim, "nothing here");
}
