/* The picture as a whole: head, panels, foot, what lies over them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tui/panels.h"

static const madpo_pen plain = {MADPO_TONE_PLAIN, 0}, bold = {MADPO_TONE_PLAIN, MADPO_BOLD};
static const double silence = 60.0; /* seconds: then a live run is called silent */
static const madpo_pen dim = {MADPO_TONE_DIM, 0}, alert = {MADPO_TONE_ALERT, MADPO_BOLD};

static void (*const render_panels[MADPO_PANELS])(madpo_grid *, madpo_rect, madpo_view *) = {
    [MADPO_PANEL_LOSS] = madpo_panel_loss,       [MADPO_PANEL_MARGINS] = madpo_panel_margins,
    [MADPO_PANEL_SAMPLES] = madpo_panel_samples, [MADPO_PANEL_REWARDS] = madpo_panel_rewards,
    [MADPO_PANEL_WEIGHTS] = madpo_panel_weights, [MADPO_PANEL_SYSTEM] = madpo_panel_system,
    [MADPO_PANEL_QUALITY] = madpo_panel_quality, [MADPO_PANEL_GROUPS] = madpo_panel_groups,
    [MADPO_PANEL_PAIR] = madpo_panel_pair,       [MADPO_PANEL_LOG] = madpo_panel_log};

void madpo_panel_frame(madpo_grid *grid, madpo_rect rect, const madpo_view *view, madpo_panel panel,
                       const char *title)
{
    char text[300];

    snprintf(text, sizeof text, "%d %s", panel == MADPO_PANEL_LOG ? 0 : (int)panel, title);
    madpo_grid_frame(grid, rect, text, view->wish.focus == panel);
}

/* ---- head ---- */

static const char *run_state(const madpo_view *view)
{
    static const char *const ends[][2] = {
        {"done", "DONE"}, {"stopped", "STOPPED"}, {"failed", "FAILED"}};
    const madpo_history *history = madpo_view_history(view);

    if (view->replay)
        return view->playing ? "REPLAY >" : "REPLAY";
    if (view->source->live)
        return history->paused ? "PAUSED" : "LIVE";
    for (size_t i = 0; history->ended && i < sizeof ends / sizeof *ends; i++)
        if (strcmp(history->status, ends[i][0]) == 0)
            return ends[i][1];
    return history->ended ? history->status : "NOT RUNNING";
}

/* "14.2 pair/s ", where the line is long enough to have it beside what follows */
static int draw_rate(madpo_grid *grid, madpo_rect r, const madpo_view *view, const char *stage)
{
    bool pairs = strcmp(stage, "policy") == 0 || strcmp(stage, "reward") == 0;
    int room = view->source->live ? 26 : 13; /* the time left is behind it */
    double rate = madpo_view_value(view, "examples_per_second");
    char text[16];

    if (isnan(rate) || r.w < room)
        return 0;
    return madpo_grid_print(grid, r.x, r.y, r.w, plain, "%s %s/s ", madpo_short_number(text, rate),
                            pairs ? "pair" : "text");
}

/* name STATE stage step 12/34 [####....] 31% 14.2 pair/s ETA 0:42 */
static void draw_progress(madpo_grid *grid, madpo_rect r, const madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    madpo_moment at = madpo_view_moment(view);
    const madpo_phase *phase = at.phase >= 0 ? history->phases[at.phase] : NULL;
    double loaded = madpo_feed_loaded(view->source), seconds = madpo_view_step_seconds(view);
    const char *state = run_state(view);
    char text[16];
    int x = r.x + 1;

    x += madpo_grid_print(grid, x, r.y, r.w * 2 / 5, bold, "%s ", view->source->name);
    x += madpo_grid_print(
        grid, x, r.y, r.x + r.w - x,
        view->source->live && !view->replay ? (madpo_pen){MADPO_TONE_KEY, MADPO_BOLD} : alert,
        "%s ", state);
    if (view->source->live && !view->replay && !history->paused &&
        view->now - history->t_last > silence)
        x += madpo_grid_print(grid, x, r.y, r.x + r.w - x, alert, "silent for %s ",
                              madpo_short_time(text, view->now - history->t_last));
    if (phase && !(phase->total_steps > 0)) { /* without steps: those of the last that had some */
        x += madpo_grid_print(grid, x, r.y, r.x + r.w - x, plain, "%s ", phase->name);
        at.step = madpo_view_plot_step(view);
        at.phase = madpo_view_plot_phase(view);
        phase = at.phase >= 0 ? history->phases[at.phase] : NULL;
    }
    if (phase && phase->total_steps > 0) {
        double share = fmin(1, at.step / phase->total_steps);
        int bar = r.w > 100 ? 24 : r.w > 60 ? 16 : 0;

        x += madpo_grid_print(grid, x, r.y, r.x + r.w - x, plain, "%s step %.0f/%.0f ", phase->name,
                              at.step, phase->total_steps);
        if (bar > 0) {
            madpo_grid_put(grid, x, r.y, '[', dim);
            for (int i = 0; i < bar; i++)
                madpo_grid_put(grid, x + 1 + i, r.y, i < (int)(share * bar + 0.5) ? '#' : '.',
                               i < (int)(share * bar + 0.5) ? plain : dim);
            madpo_grid_put(grid, x + 1 + bar, r.y, ']', dim);
            x += bar + 3;
        }
        x += madpo_grid_print(grid, x, r.y, r.x + r.w - x, plain, "%.0f%% ", share * 100);
        x += draw_rate(grid, (madpo_rect){x, r.y, r.x + r.w - x, 1}, view, phase->name);
        if (view->source->live && phase->total_steps > at.step && isfinite(seconds))
            x += madpo_grid_print(grid, x, r.y, r.x + r.w - x, plain, "ETA %s ",
                                  madpo_short_time(text, (phase->total_steps - at.step) * seconds));
    } else if (history->n_phases == 0) {
        x += madpo_grid_text(grid, x, r.y, r.x + r.w - x, dim, "no events yet ");
    }
    if (loaded < 0.999)
        madpo_grid_print(grid, x, r.y, r.x + r.w - x, dim, "loading %.0f%%", loaded * 100);
}

/* The lowest held-out loss up to the step shown, and where: ".560@1100"; "" if there is none. */
static void fact_best(char *out, size_t size, const madpo_view *view)
{
    int phase = madpo_view_plot_phase(view);
    const madpo_series *series =
        phase >= 0 ? madpo_phase_metric(madpo_view_history(view)->phases[phase], "eval_loss")
                   : NULL;
    size_t n = series ? madpo_series_until(series, madpo_view_plot_step(view)) : 0, best = n;
    char text[16];

    out[0] = '\0';
    for (size_t i = 0; i < n; i++)
        if (series->v[i].n > 0 && (best == n || series->v[i].min < series->v[best].min))
            best = i;
    if (best < n)
        snprintf(out, size, "%s@%.0f", madpo_short_number(text, (double)series->v[best].min),
                 series->v[best].x);
}

static void fact_memory(char *out, size_t size, const madpo_view *view)
{
    const double limit = madpo_view_value(view, "device_limit_bytes");
    char a[16], b[16];

    snprintf(out, size, limit > 0 ? "%s/%s" : "%s",
             madpo_short_bytes(a, madpo_view_value(view, "device_bytes")),
             madpo_short_bytes(b, limit));
}

static void fact_checkpoint(char *out, size_t size, const madpo_view *view)
{
    const madpo_note *note = madpo_view_last_note(view, MADPO_NOTE_CHECKPOINT);

    out[0] = '\0';
    if (note && note->phase == madpo_view_plot_phase(view) && isfinite(note->step))
        snprintf(out, size, "%.0f", note->step);
}

static const struct {
    const char *metric, *label;
    void (*text)(char *out, size_t size, const madpo_view *view); /* or the number itself */
} render_facts[] = {{"loss", "loss", NULL},
                    {"eval_loss", "eval", NULL},
                    {"madpo/margin/mean", "h", NULL},
                    {"rewards/accuracies", "acc", NULL},
                    {"accuracy", "acc", NULL},
                    {"mean_token_accuracy", "acc", NULL},
                    {"madpo/weight/ess", "ESS", NULL},
                    {"grad_norm", "|g|", NULL},
                    {"learning_rate", "lr", NULL},
                    {"eval_kl", "KL", NULL},
                    {"eval_loss", "best", fact_best},
                    {"loss", "ckpt", fact_checkpoint},
                    {"device_bytes", "mem", fact_memory},
                    {"rewards/margins", "margin", NULL},
                    {"tokens_per_second", "tok/s", NULL},
                    {"epoch", "ep", NULL}};

/* The numbers that matter, as many as fit. */
static int draw_facts(madpo_grid *grid, madpo_rect r, const madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    int x = r.x + 1, y = r.y, phase = madpo_view_plot_phase(view);
    char text[32];

    if (view->plot_phase >= 0 && phase >= 0 && phase != madpo_view_moment(view).phase)
        x += madpo_grid_print(grid, x, y, r.x + r.w - x, plain, "%s: ", /* not the one at work */
                              history->phases[phase]->name);

    for (size_t i = 0; i < sizeof render_facts / sizeof *render_facts; i++) {
        double value = madpo_view_value(view, render_facts[i].metric);
        int width;

        if (isnan(value))
            continue;
        if (render_facts[i].text)
            render_facts[i].text(text, sizeof text, view);
        else
            madpo_short_number(text, value);
        if (!text[0])
            continue;
        width = (int)(strlen(text) + strlen(render_facts[i].label)) + 3;
        if (x + width > r.x + r.w + 2) {
            if (++y >= r.y + r.h)
                break;
            x = r.x + 1;
        }
        x += madpo_grid_print(grid, x, y, r.x + r.w - x, dim, "%s ", render_facts[i].label);
        x += madpo_grid_print(grid, x, y, r.x + r.w - x, bold, "%s", text) + 2;
    }
    return y;
}

void madpo_draw_header(madpo_grid *grid, const madpo_view *view)
{
    madpo_rect r = view->layout.header;

    draw_progress(grid, (madpo_rect){r.x, r.y, r.w, 1}, view);
    if (r.h > 1)
        draw_facts(grid, (madpo_rect){r.x, r.y + 1, r.w, 1}, view);
}

/* Screens too small for panels still say what matters. */
void madpo_draw_status(madpo_grid *grid, const madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    madpo_moment at = madpo_view_moment(view);
    const madpo_phase *phase = at.phase >= 0 ? history->phases[at.phase] : NULL;
    madpo_rect r = view->layout.header;
    int rest = 1;
    char text[16];

    if (r.h < 1)
        return;
    if (phase && !(phase->total_steps > 0) && madpo_view_plot_phase(view) >= 0) {
        phase = history->phases[madpo_view_plot_phase(view)];
        at.step = madpo_view_plot_step(view);
    }
    if (phase && phase->total_steps > 0)
        madpo_grid_print(grid, 0, 0, r.w, bold, "%.0f/%.0f %s", at.step, phase->total_steps,
                         madpo_short_number(text, madpo_view_value(view, "loss")));
    else
        madpo_grid_print(grid, 0, 0, r.w, bold, "%s", phase ? phase->name : run_state(view));
    if (r.h > 2)
        madpo_grid_print(grid, 0, rest++, r.w, plain, "%s %s", run_state(view), view->source->name);
    if (r.h > rest)
        draw_facts(grid, (madpo_rect){-1, rest, r.w + 1, r.h - rest}, view);
}

/* ---- foot ---- */

void madpo_draw_notes(madpo_grid *grid, const madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    madpo_rect r = view->layout.notes;
    double t = madpo_view_moment(view).t;
    char warnings[64] = "", n[32];
    int right;

    if (*madpo_view_warnings(n, view) != '0')
        snprintf(warnings, sizeof warnings, "%s, press w", n);
    right = r.x + r.w - (int)strlen(warnings) - 1;
    madpo_grid_text(grid, right, r.y, r.w, alert, warnings);
    if (view->message[0]) {
        madpo_grid_text(grid, r.x + 1, r.y, right - r.x - 1, (madpo_pen){MADPO_TONE_KEY, 0},
                        view->message);
        return;
    }
    if (view->attached && !view->source->live) {
        madpo_grid_print(grid, r.x + 1, r.y, right - r.x - 1, alert,
                         "%s%s. q leaves; all of it can still be looked at",
                         history->ended ? "the run has ended: " : "the run is gone without a word",
                         history->ended ? history->status : "");
        return;
    }
    for (int64_t i = history->n_notes - 1; i >= 0; i--) {
        const madpo_note *note = madpo_history_note(history, i);

        if (!note)
            break;
        if (view->replay && note->t > t)
            continue;
        madpo_grid_text(grid, r.x + 1, r.y, right - r.x - 1, dim, note->text);
        break;
    }
}

void madpo_draw_keys(madpo_grid *grid, const madpo_view *view)
{
    static const char *const asks[][2] = {
        [MADPO_PROMPT_NONE] = {"", ""},
        [MADPO_PROMPT_SEARCH] = {"search: ", "search: "},
        [MADPO_PROMPT_FILTER] = {"filter (h<0 w>.8 src:x text:word): ", "filter: "},
        [MADPO_PROMPT_STEER] = {"the run is to (pause resume checkpoint evaluate lr stop): ",
                                "run: "},
        [MADPO_PROMPT_RATE] = {"learning rate of the next step (2e-4 or x0.3): ", "lr: "}};
    madpo_rect r = view->layout.keys;
    int x = r.x + 1;

    if (r.h < 1)
        return;
    if (view->prompt != MADPO_PROMPT_NONE) {
        x += madpo_grid_text(grid, x, r.y, r.w - 2, (madpo_pen){MADPO_TONE_KEY, 0},
                             asks[view->prompt][r.w < 70]);
        x += madpo_grid_text(grid, x, r.y, r.x + r.w - x - 1, bold, view->typed);
        madpo_grid_put(grid, x, r.y, '_', (madpo_pen){MADPO_TONE_KEY, MADPO_BOLD});
        return;
    }
    if (view->message[0] && view->layout.notes.h == 0) {
        madpo_grid_text(grid, x, r.y, r.w - 2, (madpo_pen){MADPO_TONE_KEY, 0}, view->message);
        return;
    }
    for (int i = 0; i < madpo_n_keys; i++) {
        const char *bar = madpo_keys[i].bar;

        if ((madpo_keys[i].run == madpo_key_steer || madpo_keys[i].run == madpo_key_stop) &&
            !(view->control && view->source->live))
            continue;
        if (bar && view->inside && madpo_keys[i].keys[0] == 'q')
            bar = "q:back";
        if (bar && x + (int)strlen(bar) < r.x + r.w)
            x += madpo_grid_text(grid, x, r.y, r.x + r.w - x, dim, bar) + 1;
    }
}

/* ---- over everything ---- */

madpo_rect madpo_draw_overlay(madpo_grid *grid, int w, int h, const char *title)
{
    madpo_rect r = {.w = w < grid->w ? w : grid->w, .h = h < grid->h ? h : grid->h};

    r.x = (grid->w - r.w) / 2;
    r.y = (grid->h - r.h) / 2;
    madpo_grid_fill(grid, r, ' ', plain);
    madpo_grid_frame(grid, r, title, true);
    return madpo_rect_inside(r);
}

static bool help_has(const madpo_help_row *row, const char *word)
{
    return !word[0] || strstr(row->shown, word) || strstr(row->help, word);
}

/* A text from this row on, broken where there are blanks; returns the row behind it. */
static int help_text(madpo_grid *grid, madpo_rect r, int row, madpo_pen pen, const char *text)
{
    do {
        size_t skip, n = madpo_text_break(text, r.w > 0 ? r.w : 1, &skip);

        if (row >= 0 && row < r.h)
            madpo_grid_print(grid, r.x, r.y + row, r.w, pen, "%.*s", (int)n, text);
        row++;
        text += n + skip;
    } while (*text);
    return row;
}

/* The rows that have the word, from row -scroll on; returns the row behind them. */
static int help_rows(madpo_grid *grid, madpo_rect r, const madpo_help_row *rows, int n_rows,
                     const char *word, int scroll)
{
    static const madpo_pen key = {MADPO_TONE_KEY, 0};
    int row = -scroll, width = r.w < 30 ? 5 : r.w < 44 ? 10 : 14;
    madpo_rect shown = {r.x + 1, r.y, width - 1, r.h};
    madpo_rect help = {r.x + width + 1, r.y, r.w - width - 2, r.h};

    for (int i = 0; i < n_rows; i++) {
        bool heading = !rows[i].shown[0];

        if ((heading && word[0]) || !help_has(&rows[i], word))
            continue;
        if (heading) {
            row =
                help_text(grid, (madpo_rect){r.x + 1, r.y, r.w - 1, r.h}, row, bold, rows[i].help);
        } else {
            int behind = help_text(grid, shown, row, key, rows[i].shown);

            row = help_text(grid, help, row, plain, rows[i].help);
            row = row > behind ? row : behind;
        }
    }
    return row;
}

void madpo_draw_help_rows(madpo_grid *grid, const madpo_help_row *rows, int n_rows,
                          const char *filter, int *scroll)
{
    char title[200];
    madpo_rect r;
    int last;

    snprintf(title, sizeof title, " keys  %s%s  (type to narrow, Esc closes) ",
             filter[0] ? "with: " : "", filter);
    r = madpo_draw_overlay(grid, 100, grid->h < 10 ? grid->h : grid->h - 2, title);
    last = help_rows(grid, (madpo_rect){r.x, r.y, r.w, 0}, rows, n_rows, filter, 0) - r.h;
    *scroll = *scroll > last ? last : *scroll;
    *scroll = *scroll > 0 ? *scroll : 0;
    help_rows(grid, r, rows, n_rows, filter, *scroll);
}

void madpo_draw_help(madpo_grid *grid, madpo_view *view)
{
    madpo_help_row rows[128];
    int n = 0;

    for (int i = 0; i < madpo_n_keys && n < 128; i++)
        if (madpo_keys[i].shown)
            rows[n++] = (madpo_help_row){madpo_keys[i].shown, madpo_keys[i].help};
    madpo_draw_help_rows(grid, rows, n, view->help_filter, &view->help_scroll);
}

void madpo_draw_runs(madpo_grid *grid, const madpo_view *view)
{
    madpo_rect r = madpo_draw_overlay(grid, 80, view->n_runs + 3 > 6 ? view->n_runs + 3 : 6,
                                      " runs beside this one  (Space compares, Esc closes) ");
    int top = view->run_cursor >= r.h ? view->run_cursor - r.h + 1 : 0;

    if (view->n_runs == 0)
        madpo_grid_text(grid, r.x + 1, r.y, r.w - 1, dim, "there is no other run in this folder");
    for (int i = 0; i < r.h && top + i < view->n_runs; i++) {
        char mark = ' ';

        for (int k = 0; k < MADPO_VIEW_OTHERS; k++)
            if (view->others[k] && strcmp(view->others[k]->dir, view->runs[top + i]) == 0)
                mark = (char)('a' + k);
        madpo_grid_print(
            grid, r.x, r.y + i, r.w,
            (madpo_pen){MADPO_TONE_PLAIN, top + i == view->run_cursor ? MADPO_REVERSE : 0}, "%c %s",
            mark, view->runs[top + i]);
    }
}

/* ---- all of it ---- */

/* Where there are no panels: what waits for keys is shown all the same. */
static void draw_last_line(madpo_grid *grid, madpo_view *view)
{
    if (view->menu.open) {
        madpo_menu_draw(grid, &view->menu);
    } else if (view->steer.asking) {
        madpo_steer_draw(grid, view);
    } else if (view->help && grid->h > 2) {
        madpo_draw_help(grid, view);
    } else if (view->show_runs && grid->h > 2) {
        madpo_draw_runs(grid, view);
    } else if (view->prompt != MADPO_PROMPT_NONE || (view->control && view->message[0])) {
        view->layout.keys = (madpo_rect){0, grid->h - 1, grid->w, 1};
        madpo_grid_fill(grid, view->layout.keys, ' ', plain);
        madpo_draw_keys(grid, view);
    }
}

madpo_status madpo_view_render(madpo_grid *grid, madpo_view *view, int w, int h, madpo_error *err)
{
    madpo_status st = madpo_grid_reset(grid, w, h, view->glyphs, err);

    view->behind = false;
    if (st == MADPO_OK)
        st = madpo_stats_update(&view->stats, madpo_view_samples(view),
                                view->has_preview ? &view->preview : NULL, err);
    view->behind = view->stats.behind;
    if (st == MADPO_OK)
        st = madpo_view_list(view, err);
    if (st != MADPO_OK)
        return st;
    view->layout = madpo_layout_make(w, h, &view->wish);
    if (view->layout.status_only) {
        madpo_draw_status(grid, view);
        draw_last_line(grid, view);
        return MADPO_OK;
    }
    madpo_draw_header(grid, view);
    for (int i = 1; i < MADPO_PANELS; i++)
        if (view->layout.panel[i].w > 0)
            render_panels[i](grid, view->layout.panel[i], view);
    if (view->layout.notes.h > 0)
        madpo_draw_notes(grid, view);
    madpo_draw_keys(grid, view);
    if (view->menu.open)
        madpo_menu_draw(grid, &view->menu);
    else if (view->steer.asking)
        madpo_steer_draw(grid, view);
    else if (view->help)
        madpo_draw_help(grid, view);
    else if (view->show_runs)
        madpo_draw_runs(grid, view);
    return MADPO_OK;
}
