/* The panels of distributions: margins with the weight over them, weights over training, groups. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tui/panels.h"

static const madpo_pen dim = {MADPO_TONE_DIM, 0};

/* ---- margins ---- */

/* A bar of eighths of a cell, from the bottom of the rectangle. */
static void draw_bar(madpo_grid *grid, madpo_rect r, int x, double share, madpo_pen pen)
{
    static const uint32_t eighths[] = {' ',    0x2581, 0x2582, 0x2583, 0x2584,
                                       0x2585, 0x2586, 0x2587, 0x2588};
    bool ascii = grid->glyphs == MADPO_GLYPHS_ASCII;
    int n = (int)(share * r.h * 8 + 0.5);

    for (int row = 0; row < r.h && n > 0; row++, n -= 8) {
        int part = n > 8 ? 8 : n;

        madpo_grid_put(grid, r.x + x, r.y + r.h - 1 - row,
                       ascii ? (part >= 4 ? '#' : '.') : eighths[part], pen);
    }
}

static void draw_weight(madpo_canvas *canvas, const madpo_view *view,
                        const madpo_weight_options *weight, double high, madpo_dot_pen pen)
{
    int before = -1;

    madpo_canvas_pen(canvas, pen);
    for (int x = 0; x < canvas->w; x++) {
        double h = view->stats.low + (view->stats.high - view->stats.low) * (x + 0.5) / canvas->w;
        double w = madpo_weight_w(weight, h);
        double share = fmin(1.0, fmax(0.0, w / high)); /* NaN counts as 0 */
        int y = (int)floor((1.0 - share) * (canvas->h - 1) + 0.5);

        madpo_canvas_line(canvas, before >= 0 ? x - 1 : x, before >= 0 ? before : y, x, y);
        before = y;
    }
}

/* Most weight on the screen, so that both curves fit. */
static double weight_high(const madpo_view *view)
{
    double high = 1.0;

    for (int i = 0; i < 64; i++) {
        double h = view->stats.low + (view->stats.high - view->stats.low) * i / 63;

        if (view->source->has_weight)
            high = fmax(high, madpo_weight_w(&view->source->weight, h));
        if (view->has_preview)
            high = fmax(high, madpo_weight_w(&view->preview, h));
    }
    return high * 1.05;
}

static void draw_parameters(madpo_grid *grid, madpo_rect r, const madpo_view *view)
{
    const madpo_weight_options *w = view->has_preview ? &view->preview : &view->source->weight;
    double value[5] = {w->c_max, w->c_min, w->tau, w->lambda,
                       view->has_preview ? view->preview_beta : view->source->beta};
    static const char *const names[3][5] = {{"c_max", "c_min", "tau", "lambda", "beta"},
                                            {"c+", "c-", "tau", "lam", "beta"},
                                            {"c+", "c-", "tau", "l", "b"}};
    int narrow = (r.w < 56) + (r.w < 44);
    bool focused = view->wish.focus == MADPO_PANEL_MARGINS;
    char text[16];
    int x = r.x;

    for (int i = 0; i < 5; i++) {
        madpo_pen pen = {focused && i == view->parameter ? MADPO_TONE_KEY : MADPO_TONE_DIM,
                         focused && i == view->parameter ? MADPO_REVERSE : 0};

        madpo_short_number(text, value[i]);
        if (x + (int)(strlen(names[narrow][i]) + strlen(text)) >= r.x + r.w)
            break; /* no name without its number */
        x +=
            madpo_grid_print(grid, x, r.y, r.x + r.w - x, pen, "%s %s", names[narrow][i], text) + 1;
    }
    if (view->has_preview && x + 5 <= r.x + r.w) /* the title says it too */
        madpo_grid_text(grid, x, r.y, 5, (madpo_pen){MADPO_TONE_ALERT, 0}, "tried");
}

/* Mean pull on a pair's margin, beta w sigma(-beta m), over the pairs the policy has seen. */
static double mean_pull(const madpo_view *view)
{
    const madpo_samples *samples = madpo_view_samples(view);
    double beta = view->has_preview ? view->preview_beta : view->source->beta, sum = 0;
    double step = madpo_view_policy_step(view);
    size_t n = 0;

    for (size_t i = 0; i < samples->n && n < 20000; i++) {
        double m = madpo_samples_m(samples, &samples->v[i], step), h = (double)samples->v[i].h;
        double w = view->has_preview ? madpo_weight_w(&view->preview, h) : (double)samples->v[i].w;

        if (isnan(m) || isnan(w))
            continue;
        sum += beta * w * madpo_sigmoid(-beta * m);
        n++;
    }
    return n > 0 ? sum / (double)n : (double)NAN;
}

static void draw_margin_facts(madpo_grid *grid, madpo_rect r, const madpo_view *view)
{
    const madpo_stats *stats = &view->stats;
    char facts[4][32] = {"", "", "", ""}, text[16];
    int x = 0;

    if (view->bin >= 0 && view->n_bins > 0)
        snprintf(facts[0], sizeof facts[0], "h %+.2f: %u ",
                 madpo_hist_middle(&stats->drawn, view->bin), stats->drawn.count[view->bin]);
    snprintf(facts[1], sizeof facts[1], "ESS %s", madpo_short_number(text, stats->ess));
    snprintf(facts[2], sizeof facts[2], "top10%% %s%%",
             madpo_short_number(text, stats->top_share * 100));
    snprintf(facts[3], sizeof facts[3], "pull %s", madpo_short_number(text, mean_pull(view)));
    for (int i = 0; i < 4; i++) /* whole ones only, but for the first */
        if (facts[i][0] && (x == 0 || x + (int)strlen(facts[i]) <= r.w))
            x += madpo_grid_print(grid, r.x + x, r.y, r.w - x, (madpo_pen){MADPO_TONE_PLAIN, 0},
                                  "%s", facts[i]) +
                 1;
}

static void draw_margin_axis(madpo_grid *grid, madpo_rect rect, const madpo_view *view)
{
    int y = rect.y + rect.h - 1, n = rect.w > 50 ? 5 : rect.w > 26 ? 3 : 2;
    char text[16];

    for (int i = 0; i < n && rect.w > 14; i++) {
        double h = view->stats.low + (view->stats.high - view->stats.low) * i / (n - 1);
        int width = (int)strlen(madpo_short_number(text, h));
        int x = rect.x + 1 + (rect.w - 2 - width) * i / (n - 1);

        if (*text == '-' && x > rect.x + 1) /* a sign is no part of the frame */
            madpo_grid_put(grid, x - 1, y, ' ', dim);
        madpo_grid_text(grid, x, y, width, dim, text);
    }
}

void madpo_panel_margins(madpo_grid *grid, madpo_rect rect, madpo_view *view)
{
    madpo_rect r = madpo_rect_inside(rect), plot = r;
    const madpo_stats *stats = &view->stats;
    const madpo_hist *hist;
    uint32_t most = 1;
    char title[96];
    madpo_canvas canvas;
    double high;

    snprintf(title, sizeof title, "margin h #  w(h) *%s  n=%llu",
             view->has_preview ? "  tried o" : "", (unsigned long long)stats->h.n);
    madpo_panel_frame(grid, rect, view, MADPO_PANEL_MARGINS, title);
    if (r.w < 8 || r.h < 1)
        return;
    if (stats->h.n == 0) {
        madpo_grid_text(grid, r.x, r.y, r.w, dim, "no margins yet");
        return;
    }
    hist = madpo_stats_drawn(&view->stats, madpo_view_samples(view), plot.w);
    view->n_bins = hist->n_bins;
    if (view->bin >= hist->n_bins)
        view->bin = hist->n_bins - 1;
    if (r.h >= 5) {
        draw_margin_facts(grid, (madpo_rect){r.x, r.y, r.w, 1}, view);
        draw_parameters(grid, (madpo_rect){r.x, r.y + r.h - 1, r.w, 1}, view);
        plot.y++;
        plot.h -= 2;
    }
    for (int x = 0; x < hist->n_bins; x++)
        most = hist->count[x] > most ? hist->count[x] : most;
    for (int x = 0; x < plot.w; x++) {
        int bin = x * hist->n_bins / plot.w; /* x itself, but on screens wider than all bins */

        draw_bar(grid, plot, x, (double)hist->count[bin] / most,
                 (madpo_pen){bin == view->bin ? MADPO_TONE_KEY : MADPO_TONE_SERIES + 1,
                             bin == view->bin ? MADPO_REVERSE : 0});
    }
    high = weight_high(view);
    madpo_canvas_begin(&canvas, grid, plot);
    if (view->source->has_weight)
        draw_weight(&canvas, view, &view->source->weight, high,
                    (madpo_dot_pen){{MADPO_TONE_SERIES, MADPO_BOLD}, '*'});
    if (view->has_preview)
        draw_weight(&canvas, view, &view->preview, high,
                    (madpo_dot_pen){{MADPO_TONE_SERIES + 4, MADPO_BOLD}, 'o'});
    madpo_canvas_end(&canvas);
    madpo_grid_print(grid, plot.x, plot.y, 8, dim, "w %.2f", high / 1.05);
    draw_margin_axis(grid, rect, view);
}

/* ---- weights over training ---- */

static void draw_heat_cell(madpo_grid *grid, int x, int y, double share)
{
    static const char ascii[] = " .:+#@";
    static const uint32_t shades[] = {' ', 0x2591, 0x2591, 0x2592, 0x2593, 0x2588};
    int step = share <= 0 ? 0 : 1 + (int)(sqrt(share) * 4.999);

    step = step > 5 ? 5 : step;
    if (step > 0)
        madpo_grid_put(grid, x, y,
                       grid->glyphs == MADPO_GLYPHS_ASCII ? (uint32_t)ascii[step] : shades[step],
                       (madpo_pen){(madpo_tone)(MADPO_TONE_HEAT + step), 0});
}

/* Columns of the strip that fall into a column of the screen, added up; false if none do. */
static bool heat_sum(const madpo_heat *heat, double from, double to, madpo_heat_column *sum)
{
    memset(sum, 0, sizeof *sum);
    for (size_t i = 0; i < heat->n; i++) {
        const madpo_heat_column *column = &heat->v[i];

        /* a column reaches to the next: what was sampled at some steps stands for those between */
        if (column->x >= to || (i + 1 < heat->n ? heat->v[i + 1].x : column->x_last + 1) <= from)
            continue;
        sum->n += column->n;
        sum->sum += column->sum;
        sum->sum_squares += column->sum_squares;
        for (int row = 0; row < MADPO_HEAT_ROWS; row++)
            sum->count[row] += column->count[row];
    }
    return sum->n > 0;
}

static void draw_heat(madpo_grid *grid, madpo_rect r, const madpo_heat *heat, double last,
                      double until)
{
    for (int x = 0; x < r.w; x++) {
        double from = last * x / r.w, to = last * (x + 1) / r.w;
        madpo_heat_column sum;

        if (from > until || !heat_sum(heat, from, to, &sum))
            continue;
        for (int y = 0; y < r.h; y++) {
            int low = (r.h - 1 - y) * MADPO_HEAT_ROWS / r.h;
            int high = (r.h - y) * MADPO_HEAT_ROWS / r.h;
            uint32_t count = 0;

            for (int row = low; row < high || row == low; row++)
                count += sum.count[row];
            draw_heat_cell(grid, r.x + x, r.y + y, (double)count / sum.n);
        }
    }
}

static void draw_heat_facts(madpo_grid *grid, madpo_rect r, const madpo_view *view,
                            const madpo_phase *phase)
{
    double until = madpo_view_policy_step(view);
    const madpo_series *ess = madpo_phase_metric(phase, "madpo/weight/ess");
    char now[16], all[16], top[16];

    madpo_grid_print(grid, r.x, r.y, r.w, (madpo_pen){MADPO_TONE_PLAIN, 0},
                     r.w < 56 ? "ESS %s now %s all, top 10%%: %s%%"
                              : "ESS %s now, %s all; top 10%% of pairs carry %s%%",
                     madpo_short_number(now, ess ? madpo_series_at(ess, until) : (double)NAN),
                     madpo_short_number(all, view->stats.ess),
                     madpo_short_number(top, view->stats.top_share * 100));
}

void madpo_panel_weights(madpo_grid *grid, madpo_rect rect, madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    int index = madpo_history_phase(history, "policy");
    madpo_rect r = madpo_rect_inside(rect);
    const madpo_phase *phase = index >= 0 ? history->phases[index] : NULL;
    double last;
    char text[16];

    madpo_panel_frame(grid, rect, view, MADPO_PANEL_WEIGHTS, "weight w over time (dense = many)");
    if (!phase || phase->heat.n == 0) {
        madpo_grid_text(grid, r.x, r.y, r.w, dim, "no weights yet");
        return;
    }
    last = fmax(phase->step, 1) + 1;
    if (r.h >= 4) {
        draw_heat_facts(grid, (madpo_rect){r.x, r.y, r.w, 1}, view, phase);
        r.y++;
        r.h--;
    }
    if (r.w < 10 || r.h < 1)
        return;
    for (int y = 0; y < r.h; y++)
        if (y == 0 || y == r.h - 1 || (y == r.h / 2 && r.h > 4))
            madpo_grid_print(
                grid, r.x, r.y + y, 5, dim, "%4s",
                madpo_short_number(text, phase->heat.high * (r.h - y - (y > 0) * 0.5) / r.h));
    r.x += 5;
    r.w -= 5;
    draw_heat(grid, r, &phase->heat, last, madpo_view_policy_step(view));
    madpo_grid_text(grid, r.x, rect.y + rect.h - 1, 2, dim, "0");
    madpo_short_number(text, last - 1);
    madpo_grid_text(grid, r.x + r.w - (int)strlen(text), rect.y + rect.h - 1, 16, dim, text);
}

/* ---- groups ---- */

/* |-----[==|==]----| at the quantiles 5, 25, 50, 75, 95. */
static void draw_box(madpo_grid *grid, madpo_rect r, const madpo_hist *hist)
{
    static const double shares[5] = {0.05, 0.25, 0.5, 0.75, 0.95};
    int at[5];

    for (int i = 0; i < 5; i++) {
        double q = madpo_hist_quantile(hist, shares[i]);

        at[i] = (int)((q - hist->low) / (hist->high - hist->low) * (r.w - 1) + 0.5);
        at[i] = at[i] < 0 ? 0 : at[i] >= r.w ? r.w - 1 : at[i];
    }
    for (int x = at[0]; x <= at[4]; x++)
        madpo_grid_put(grid, r.x + x, r.y, x >= at[1] && x <= at[3] ? '=' : '-',
                       (madpo_pen){MADPO_TONE_SERIES + 1, 0});
    for (int i = 0; i < 5; i++)
        madpo_grid_put(
            grid, r.x + at[i], r.y, (uint32_t) "|[|]|" [i], (madpo_pen) {
                i == 2 ? MADPO_TONE_SERIES : MADPO_TONE_SERIES + 1, i == 2 ? MADPO_BOLD : 0
            });
}

void madpo_panel_groups(madpo_grid *grid, madpo_rect rect, madpo_view *view)
{
    madpo_rect r = madpo_rect_inside(rect);
    int row = 0;
    char text[16];

    madpo_panel_frame(grid, rect, view, MADPO_PANEL_GROUPS,
                      rect.w < 44 ? "h by group  n  mean w  5..95%"
                                  : "h by group  n  mean w  5 25 50 75 95%");
    for (int i = 0; i < view->stats.n_groups && row < r.h; i++) {
        const madpo_group *group = &view->stats.group[i];
        madpo_rect box = {r.x + 28, r.y + row, r.w - 29, 1};

        if (group->h.n == 0)
            continue;
        madpo_grid_print(grid, r.x, r.y + row, 15, (madpo_pen){MADPO_TONE_PLAIN, 0}, "%s",
                         group->name);
        madpo_grid_print(grid, r.x + 15, r.y + row, 13, dim, "%6llu %5s",
                         (unsigned long long)group->h.n,
                         madpo_short_number(text, group->sum_w / (double)group->h.n));
        if (box.w > 6)
            draw_box(grid, box, &group->h);
        row++;
    }
    if (row == 0)
        madpo_grid_text(grid, r.x, r.y, r.w, dim, "no pairs with margins yet");
    else {
        if (r.w > 26 + 14) /* a sign is no part of the frame */
            madpo_grid_put(grid, r.x + 26, rect.y + rect.h - 1, ' ', dim);
        draw_margin_axis(grid, (madpo_rect){r.x + 26, rect.y, r.w - 26, rect.h}, view);
    }
}
