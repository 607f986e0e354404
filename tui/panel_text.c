/* The panel of the log; numbers that several panels ask for. */
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
    if (phase->work.n < 1 || !(step > phase->work.v[0].x))
        return (double)NAN;
    /* from the first step's end on: it builds programs and fills caches */
    from = madpo_series_mean(&phase->work.v[0]);
    to = madpo_series_interpolate(&phase->work, step, false);
    return (to - from) / (step - (phase->work.v[0].x + phase->work.v[0].x_last) / 2);
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

const madpo_note *madpo_view_last_note(const madpo_view *view, madpo_note_kind kind)
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

/* ---- log ---- */

/* The text of a line, from the column on that the log is moved to; how far it reaches is kept. */
static void draw_moved(madpo_grid *grid, madpo_rect r, madpo_view *view, madpo_pen pen,
                       const char *text)
{
    int at = 0, width, rest = madpo_text_width(text) - r.w;
    uint32_t glyph;

    for (; *text && at < view->log_across; at += width)
        text += madpo_text_next(text, &glyph, &width);
    view->log_wide = rest > view->log_wide ? rest : view->log_wide;
    madpo_grid_text(grid, r.x, r.y, r.w, pen, text);
}

static bool note_shown(const madpo_view *view, const madpo_note *note)
{
    if (view->log_kind == MADPO_LOG_WARNINGS && note->kind != MADPO_NOTE_WARNING)
        return false;
    return !(view->replay && note->t > madpo_view_moment(view).t);
}

static void draw_note(madpo_grid *grid, madpo_rect r, madpo_view *view, const madpo_note *note)
{
    time_t seconds = fabs(note->t) < 1e12 ? (time_t)note->t : 0;
    struct tm utc;
    char clock[16] = "";

    if (gmtime_r(&seconds, &utc))
        strftime(clock, sizeof clock, "%H:%M:%S", &utc);
    madpo_grid_text(grid, r.x, r.y, 9, dim, clock);
    draw_moved(grid, (madpo_rect){r.x + 9, r.y, r.w - 9, 1}, view,
               (madpo_pen){note->kind == MADPO_NOTE_WARNING   ? MADPO_TONE_ALERT
                           : note->kind == MADPO_NOTE_CONTROL ? MADPO_TONE_KEY
                                                              : MADPO_TONE_PLAIN,
                           0},
               note->text);
}

/* How far it is scrolled, no further than to the first of so many lines. */
static int log_scrolled(madpo_view *view, int lines, int h)
{
    view->log_end = lines > h ? lines - h : 0;
    if (view->log_scroll > view->log_end)
        view->log_scroll = view->log_end;
    return view->log_scroll;
}

/* The end of log.txt; scrolled, the lines before it. */
static void draw_printed(madpo_grid *grid, madpo_rect r, madpo_view *view)
{
    madpo_error err = {0};
    char *text;
    int row = r.h - 1, skip, lines = 0;

    if (madpo_feed_log(&text, view->source, 1 << 17, &err) != MADPO_OK) {
        madpo_grid_text(grid, r.x, r.y, r.w, (madpo_pen){MADPO_TONE_ALERT, 0}, err.message);
        return;
    }
    for (const char *c = text; *c; c++)
        lines += *c == '\n' || !c[1];
    skip = log_scrolled(view, lines, r.h);
    if (lines == 0)
        madpo_grid_text(grid, r.x, r.y, r.w, dim, "nothing here");
    for (size_t n = strlen(text); n > 0 && row >= 0;) {
        size_t from = n - 1;

        while (from > 0 && text[from - 1] != '\n')
            from--;
        text[n - 1] = '\0'; /* the line's end */
        if (skip-- <= 0)
            draw_moved(grid, (madpo_rect){r.x, r.y + row--, r.w, 1}, view, plain, text + from);
        n = from;
    }
    free(text);
}

/* Bookmarks by time; the one shown now, if one is, stands out. */
static void draw_bookmarks(madpo_grid *grid, madpo_rect r, madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    const madpo_bookmarks *marks = &view->bookmarks;
    int top = marks->n - r.h - log_scrolled(view, marks->n, r.h);

    if (marks->n == 0)
        madpo_grid_text(grid, r.x, r.y, r.w, dim, "no bookmarks; , sets one");
    top = top > 0 ? top : 0;
    for (int i = top; i < marks->n && i - top < r.h; i++) {
        const madpo_bookmark *mark = &marks->v[i];
        bool here = view->replay && view->phase == madpo_history_phase(history, mark->stage) &&
                    floor(view->step) == mark->step;

        madpo_grid_print(
            grid, r.x, r.y + i - top, r.w,
            (madpo_pen){here ? MADPO_TONE_KEY : MADPO_TONE_PLAIN, here ? MADPO_BOLD : 0},
            "%c%2d  %s step %.0f", here ? '>' : ' ', i + 1, mark->stage, mark->step);
    }
}

/* Newest at the bottom, as a log reads. */
void madpo_panel_log(madpo_grid *grid, madpo_rect rect, madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    madpo_rect r = madpo_rect_inside(rect);
    static const char *const titles[] = {"", ": warnings", ": log.txt", ": bookmarks"};
    int row = r.h - 1, skip, lines = 0;
    char title[120], warnings[32], moved[40] = "";

    if (view->log_across > 0)
        snprintf(moved, sizeof moved, ", from column %d on", view->log_across + 1);
    view->log_wide = 0;
    snprintf(title, sizeof title, "log%s  %lld notes, %s%s", titles[view->log_kind],
             (long long)history->n_notes, madpo_view_warnings(warnings, view), moved);
    madpo_panel_frame(grid, rect, view, MADPO_PANEL_LOG, title);
    if (view->log_kind == MADPO_LOG_PRINTED) {
        draw_printed(grid, r, view);
        return;
    }
    if (view->log_kind == MADPO_LOG_BOOKMARKS) {
        draw_bookmarks(grid, r, view);
        return;
    }
    for (int64_t i = history->n_notes - 1; i >= 0; i--) {
        const madpo_note *note = madpo_history_note(history, i);

        if (!note)
            break;
        lines += note_shown(view, note);
    }
    skip = log_scrolled(view, lines, r.h);
    for (int64_t i = history->n_notes - 1; i >= 0 && row >= 0; i--) {
        const madpo_note *note = madpo_history_note(history, i);

        if (!note)
            break;
        if (!note_shown(view, note) || skip-- > 0)
            continue;
        draw_note(grid, (madpo_rect){r.x, r.y + row, r.w, 1}, view, note);
        row--;
    }
    if (row == r.h - 1)
        madpo_grid_text(grid, r.x, r.y, r.w, dim, "nothing here");
}
