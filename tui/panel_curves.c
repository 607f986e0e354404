/* The panels of curves: loss, rewards, all metrics. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tui/panels.h"

/* Colours by meaning; see the table in palette.c. */
static const madpo_dot_pen pen_main = {{MADPO_TONE_SERIES, MADPO_BOLD}, '*'};
static const madpo_dot_pen pen_eval = {{MADPO_TONE_SERIES + 1, MADPO_BOLD}, 'o'};
static const madpo_dot_pen pen_chosen = {{MADPO_TONE_SERIES + 1, 0}, 'C'};
static const madpo_dot_pen pen_rejected = {{MADPO_TONE_SERIES + 4, 0}, 'R'};
static const madpo_dot_pen pen_margin = {{MADPO_TONE_SERIES + 2, MADPO_BOLD}, '='};

/* Other runs keep the colour of their place, from the third on. */
static madpo_dot_pen pen_other(int i)
{
    return (madpo_dot_pen){{(madpo_tone)(MADPO_TONE_SERIES + 2 + i % 6), 0}, (char)('a' + i)};
}

static madpo_plot plot_of(const madpo_view *view)
{
    madpo_plot plot;

    memset(&plot, 0, sizeof plot);
    plot.axis = view->axis;
    plot.log_y = view->log_y;
    plot.guides = view->guides;
    plot.clip = view->clip;
    plot.smoothing = madpo_smoothings[view->smoothing];
    plot.x_low = view->x_low;
    plot.x_high = view->x_high;
    plot.cross = view->cross;
    plot.history = madpo_view_history(view);
    plot.bookmarks = &view->bookmarks;
    plot.phase = madpo_view_plot_phase(view);
    return plot;
}

static void add(madpo_plot *plot, const madpo_view *view, const char *metric, const char *label,
                madpo_dot_pen pen, bool smoothed, bool marks)
{
    const madpo_history *history = madpo_view_history(view);
    const madpo_phase *phase = plot->phase >= 0 ? history->phases[plot->phase] : NULL;

    if (phase)
        madpo_plot_add(plot, (madpo_curve){.series = madpo_phase_metric(phase, metric),
                                           .phase = phase,
                                           .until = madpo_view_plot_step(view),
                                           .smoothed = smoothed,
                                           .marks = marks,
                                           .pen = pen,
                                           .label = label});
}

/* The same metric of the same stage of the runs compared with. */
static void add_others(madpo_plot *plot, const madpo_view *view, const char *metric)
{
    const madpo_history *history = madpo_view_history(view);

    for (int i = 0; plot->phase >= 0 && i < MADPO_VIEW_OTHERS; i++) {
        const madpo_history *other;
        int phase;

        if (!view->others[i])
            continue;
        other = &madpo_feed_story(view->others[i])->history;
        phase = madpo_history_phase(other, history->phases[plot->phase]->name);
        if (phase >= 0)
            madpo_plot_add(plot,
                           (madpo_curve){.series = madpo_phase_metric(other->phases[phase], metric),
                                         .phase = other->phases[phase],
                                         .until = INFINITY,
                                         .smoothed = true,
                                         .pen = pen_other(i),
                                         .label = view->others[i]->name});
    }
}

static const char *stage_name(const madpo_view *view, int phase)
{
    return phase >= 0 ? madpo_view_history(view)->phases[phase]->name : "";
}

static void append_others(char *title, size_t size, const madpo_view *view)
{
    for (int i = 0; i < MADPO_VIEW_OTHERS; i++) {
        size_t n = strlen(title);

        if (view->others[i])
            snprintf(title + n, size - n, " %c=%.20s", 'a' + i, view->others[i]->name);
    }
}

static void curves_loss(madpo_plot *plot, const madpo_view *view)
{
    add(plot, view, "loss", "loss", pen_main, true, false);
    add_others(plot, view, "loss");
    add(plot, view, "eval_loss", "eval", pen_eval, false, true);
}

/* Chosen and rejected apart: a falling reward of the chosen answers hides behind a good margin.
 * Returns what is drawn, in words. */
static const char *curves_rewards(madpo_plot *plot, const madpo_view *view)
{
    const char *what = "rewards  chosen C  rejected R  margin =";

    plot->log_y = false;
    add(plot, view, "rewards/chosen", "chosen", pen_chosen, true, false);
    add(plot, view, "rewards/rejected", "rejected", pen_rejected, true, false);
    add(plot, view, "rewards/margins", "margin", pen_margin, true, false);
    if (plot->n == 0) { /* the reward model's own training */
        what = "rewards  max C  min R  mean *  margin =";
        add(plot, view, "max_reward", "max", pen_chosen, true, false);
        add(plot, view, "min_reward", "min", pen_rejected, true, false);
        add(plot, view, "mean_reward", "mean", pen_main, true, false);
        add(plot, view, "margin", "margin", pen_margin, true, false);
    }
    if (plot->n > 0) {
        add_others(plot, view, "rewards/margins");
        return what;
    }
    add(plot, view, "mean_token_accuracy", "accuracy", pen_main, true, false);
    add(plot, view, "eval_mean_token_accuracy", "eval", pen_eval, false, true);
    return "token accuracy *";
}

const char *madpo_panel_curves(madpo_plot *plot, const madpo_view *view, madpo_panel panel)
{
    *plot = plot_of(view);
    if (panel == MADPO_PANEL_REWARDS)
        return curves_rewards(plot, view);
    curves_loss(plot, view);
    return "loss";
}

void madpo_panel_loss(madpo_grid *grid, madpo_rect rect, madpo_view *view)
{
    madpo_plot plot;
    char title[256];

    madpo_panel_curves(&plot, view, MADPO_PANEL_LOSS);
    if (rect.w < 56)
        snprintf(title, sizeof title, "loss %s ema(%g) eval o", stage_name(view, plot.phase),
                 plot.smoothing);
    else
        snprintf(title, sizeof title, "loss %s  raw .  ema(%g) *  eval o  x:%s%s%s",
                 stage_name(view, plot.phase), plot.smoothing, madpo_axis_names[plot.axis],
                 plot.log_y ? " y:log" : "", plot.clip ? " y:most" : "");
    append_others(title, sizeof title, view);
    madpo_panel_frame(grid, rect, view, MADPO_PANEL_LOSS, title);
    madpo_plot_draw(grid, rect, &plot);
}

void madpo_panel_rewards(madpo_grid *grid, madpo_rect rect, madpo_view *view)
{
    madpo_plot plot;
    const char *what;
    char title[256];

    what = madpo_panel_curves(&plot, view, MADPO_PANEL_REWARDS);
    if (rect.w < 44 && strncmp(what, "rewards  chosen", 15) == 0)
        what = "rewards chosen C rejected R margin =";
    snprintf(title, sizeof title, "%s", what);
    append_others(title, sizeof title, view);
    madpo_panel_frame(grid, rect, view, MADPO_PANEL_REWARDS, title);
    madpo_plot_draw(grid, rect, &plot);
}

/* ---- all metrics ---- */

enum { QUALITY_NAME = 22, QUALITY_VALUE = 8 };

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n >= m && strcmp(name + n - m, end) == 0;
}

/* Those asked for most come first, whatever order they were logged in. */
static int metric_rank(const char *name)
{
    static const char *const first[] = {
        "rewards/accuracies", "accuracy",           "madpo/weight/ess", "eval_kl",
        "grad_norm",          "learning_rate",      "logps/chosen",     "logps/rejected",
        "tokens_per_second",  "examples_per_second"};
    int n = (int)(sizeof first / sizeof *first);

    for (int i = 0; i < n; i++)
        if (strcmp(name, first[i]) == 0)
            return i;
    if (ends_with(name, "_seconds") || ends_with(name, "_bytes") ||
        strcmp(name, "interval_steps") == 0) /* what the run costs: panel 6 */
        return n + 2;
    return strncmp(name, "eval_", 5) == 0 ? n + 1 : n;
}

static int quality_order(const madpo_phase *phase, int *order)
{
    int n = 0;

    for (int rank = 0; rank < 16; rank++)
        for (size_t i = 0; i < phase->n_metrics; i++)
            if (metric_rank(phase->metrics[i].name) == rank)
                order[n++] = (int)i;
    return n;
}

static void quality_row(madpo_grid *grid, madpo_rect r, const madpo_view *view,
                        const madpo_phase *phase, const madpo_metric *metric, bool cursor)
{
    double until = madpo_view_plot_step(view);
    madpo_pen pen = {MADPO_TONE_PLAIN, cursor ? MADPO_BOLD : 0};
    madpo_rect spark = {r.x + QUALITY_NAME + QUALITY_VALUE, r.y, r.w - QUALITY_NAME - QUALITY_VALUE,
                        r.h};
    madpo_curve curve = {.series = &metric->series,
                         .phase = phase,
                         .until = until,
                         .pen = {{(madpo_tone)(MADPO_TONE_SERIES + (cursor ? 0 : 1)), 0}, '*'}};
    char text[16];

    madpo_grid_print(grid, r.x, r.y, QUALITY_NAME, pen, "%c%s", cursor ? '>' : ' ', metric->name);
    madpo_grid_print(grid, r.x + QUALITY_NAME, r.y, QUALITY_VALUE - 1, pen, "%7s",
                     madpo_short_number(text, madpo_series_at(&metric->series, until)));
    if (metric->series.n_bad > 0)
        madpo_grid_print(grid, r.x + 1, r.y + 1, QUALITY_NAME - 2, (madpo_pen){MADPO_TONE_ALERT, 0},
                         r.h > 1 ? "NaN %llu" : "%.0llu", (unsigned long long)metric->series.n_bad);
    if (spark.w > 3)
        madpo_plot_spark(grid, spark, &curve);
}

void madpo_panel_quality(madpo_grid *grid, madpo_rect rect, madpo_view *view)
{
    madpo_rect r = madpo_rect_inside(rect);
    int order[MADPO_HISTORY_METRICS], n, rows, top, phase_index = madpo_view_plot_phase(view);
    const madpo_phase *phase;
    char title[96];

    snprintf(title, sizeof title, "accuracy, gradient, rate, ... of %s",
             stage_name(view, phase_index));
    madpo_panel_frame(grid, rect, view, MADPO_PANEL_QUALITY, title);
    view->metric_end = 0;
    if (phase_index < 0 || r.h < 1)
        return;
    phase = madpo_view_history(view)->phases[phase_index];
    n = quality_order(phase, order);
    if (n == 0)
        return;
    if (view->metric >= n)
        view->metric = n - 1;
    view->metric_end = n - 1;
    rows = view->wish.zoomed ? r.h / n : r.h / (n < 5 ? n : 5);
    rows = rows < 1 ? 1 : rows > 4 && !view->wish.zoomed ? 4 : rows;
    top = view->metric - r.h / rows + 1;
    top = top > 0 ? top : 0;
    for (int i = 0; i < r.h / rows && top + i < n; i++)
        quality_row(grid, (madpo_rect){r.x, r.y + i * rows, r.w, rows}, view, phase,
                    &phase->metrics[order[top + i]],
                    top + i == view->metric && view->wish.focus == MADPO_PANEL_QUALITY);
}
