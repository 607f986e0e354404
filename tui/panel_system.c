/* The panel of what the run costs: device, memory, time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/panels.h"

static const madpo_pen plain = {MADPO_TONE_PLAIN, 0}, dim = {MADPO_TONE_DIM, 0};
static const madpo_pen pen_bar = {MADPO_TONE_SERIES, 0};

static const char *manifest_text(const madpo_view *view, const char *key)
{
    const char *text =
        json_string_value(json_object_get(madpo_run_reader_manifest(view->source->reader), key));

    return text ? text : "-";
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

/* "42%", ".12%" */
static char *percent(char *out, size_t size, double share)
{
    if (share <= 0)
        snprintf(out, size, "0%%");
    else if (share >= 0.00995)
        snprintf(out, size, "%.0f%%", share * 100);
    else
        snprintf(out, size, ".%02.0f%%", share * 1e4);
    return out;
}

/* A bar of `width` columns. */
static void bar(const lines *l, int x, int width, double share)
{
    const bool ascii = l->grid->glyphs == MADPO_GLYPHS_ASCII;
    const int full = (int)(fmin(1, fmax(0, share)) * width + 0.5);

    for (int i = 0; i < width; i++)
        madpo_grid_put(l->grid, x + i, l->r.y + l->row,
                       i >= full ? '.'
                       : ascii   ? '#'
                                 : (uint32_t)0x2588,
                       i < full ? pen_bar : dim);
}

/* ---- shares ---- */

enum { SHARES = 8 };

typedef struct share {
    const char *name, *brief;
    double of; /* of all, 0 to 1 */
} share;

static int share_order(const void *a, const void *b)
{
    const share *x = a, *y = b;

    return x->of < y->of ? 1 : x->of > y->of ? -1 : strcmp(x->name, y->name);
}

/* Shares of the wall clock over the last interval: what went to evaluations, checkpoints and the
 * log as it was measured, the rest as the last step went. Sorted; 0 where the run does not tell. */
static int time_shares(share *out, const madpo_view *view)
{
    static const struct {
        const char *name, *brief, *metric;
        bool of_step;
    } parts[] = {{"forward", "fwd", "forward_seconds", true},
                 {"backward", "bwd", "backward_seconds", true},
                 {"optimizer", "opt", "optimizer_seconds", true},
                 {"data", "data", "data_seconds", true},
                 {"evaluate", "eval", "evaluate_seconds", false},
                 {"save", "save", "checkpoint_seconds", false},
                 {"log", "log", "write_seconds", false}};
    const double step = madpo_view_value(view, "step_seconds");
    const double interval = madpo_view_value(view, "interval_seconds");
    double steps = interval;
    int n = 0;

    if (!(step > 0) || !(interval > 0))
        return 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!parts[i].of_step)
            steps -= madpo_view_value(view, parts[i].metric);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const double seconds = madpo_view_value(view, parts[i].metric);

        out[n++] = (share){parts[i].name, parts[i].brief,
                           parts[i].of_step ? fmax(0, seconds / step * steps / interval)
                                            : seconds / interval};
    }
    qsort(out, (size_t)n, sizeof *out, share_order);
    return n;
}

/* Shares of the device's time by groups of kernels; 0 without device.profile. */
static int kernel_shares(share *out, const madpo_view *view)
{
    static const char *const groups[] = {"matmul",    "attention", "norm",        "head",
                                         "optimizer", "embedding", "elementwise", "other"};
    double all = 0;
    int n = 0;

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        char metric[64];
        double seconds;

        snprintf(metric, sizeof metric, "kernels/%s_seconds", groups[i]);
        seconds = madpo_view_value(view, metric);
        if (!(seconds > 0))
            continue;
        all += seconds;
        out[n++] = (share){groups[i], groups[i], seconds};
    }
    for (int i = 0; i < n; i++)
        out[i].of /= all;
    qsort(out, (size_t)n, sizeof *out, share_order);
    return n;
}

/* The largest in one line. */
static void shares_line(lines *l, const char *name, const share *shares, int n)
{
    char text[256] = "", p[16];
    int at = 0, room = l->r.w - 9;

    room = room < (int)sizeof text - 1 ? room : (int)sizeof text - 1;
    for (int i = 0; i < n; i++) {
        char one[64];
        const int width = snprintf(one, sizeof one, "%s%s %s", i ? " " : "", shares[i].brief,
                                   percent(p, sizeof p, shares[i].of));

        if (at + width > room)
            break;
        memcpy(text + at, one, (size_t)width + 1);
        at += width;
    }
    if (n > 0)
        line(l, name, "%s", text);
}

/* Each with a bar, as many of the largest as there is room for. */
static void shares_bars(lines *l, const char *title, const share *shares, int n)
{
    char p[16];

    if (n == 0 || l->row >= l->r.h)
        return;
    madpo_grid_text(l->grid, l->r.x, l->r.y + l->row++, l->r.w, dim, title);
    for (int i = 0; i < n && l->row < l->r.h; i++) {
        const int x = l->r.x + 13, width = l->r.w - 13 - 6;

        madpo_grid_text(l->grid, l->r.x + 1, l->r.y + l->row, 12, plain, shares[i].name);
        if (width > 3)
            bar(l, x, width, shares[i].of);
        madpo_grid_print(l->grid, l->r.x + l->r.w - 5, l->r.y + l->row, 5, plain, "%5s",
                         percent(p, sizeof p, shares[i].of));
        l->row++;
    }
}

/* ---- the whole ---- */

static void system_memory(lines *l, const madpo_view *view)
{
    const double now = madpo_view_value(view, "device_bytes");
    const double limit = madpo_view_value(view, "device_limit_bytes");
    char a[16], b[16], c[16];
    int width = l->r.w - 9 - 22;

    if (isnan(now) || l->row >= l->r.h)
        return;
    width = width > 24 ? 24 : width;
    if (limit > 0 && width >= 4) {
        bar(l, l->r.x + 9, width, now / limit);
        width++;
    } else {
        width = 0;
    }
    madpo_grid_text(l->grid, l->r.x, l->r.y + l->row, 9, dim, "memory");
    madpo_grid_print(l->grid, l->r.x + 9 + width, l->r.y + l->row++, l->r.w - 9 - width, plain,
                     "%s%s%s, most %s", madpo_short_bytes(a, now), limit > 0 ? "/" : "",
                     limit > 0 ? madpo_short_bytes(b, limit) : "",
                     madpo_short_bytes(c, madpo_view_value(view, "device_peak_bytes")));
}

static void system_time(lines *l, const madpo_view *view)
{
    int index = madpo_view_plot_phase(view);
    const madpo_phase *phase = madpo_view_history(view)->phases[index];
    double seconds = madpo_view_step_seconds(view), step = madpo_view_plot_step(view);
    double examples = madpo_view_value(view, "examples_per_second");
    double log =
        madpo_view_value(view, "write_seconds") / madpo_view_value(view, "interval_seconds");
    const bool pairs = strcmp(phase->name, "policy") == 0 || strcmp(phase->name, "reward") == 0;
    const bool ahead = view->source->live || view->replay; /* a run that stands has no end */
    char per[16], left[16], took[16];

    line(l, "step", "%s s%s%s%s%s", madpo_short_number(per, seconds), ahead ? "  ETA " : "",
         ahead ? madpo_short_time(left, (phase->total_steps - step) * seconds) : "",
         log >= 0 ? "  log " : "", log >= 0 ? percent(took, sizeof took, log) : "");
    madpo_short_number(left, madpo_view_value(view, "tokens_per_second"));
    if (isnan(examples))
        line(l, "rate", "%s tok/s", left);
    else
        line(l, "rate", "%s tok/s  %s %s/s", left, madpo_short_number(per, examples),
             pairs ? "pair" : "text");
    line(l, "stage", "%s for %s  %s tok", phase->name,
         madpo_short_time(took, madpo_axis_from_step(phase, MADPO_AXIS_TIME, step)),
         madpo_short_number(per, madpo_view_value(view, "num_tokens")));
}

/* Values that were no numbers, until the moment that is shown. */
static uint64_t count_bad(const madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    const madpo_moment now = madpo_view_moment(view);
    uint64_t n = 0;

    for (int i = 0; i <= now.phase && i < (int)history->n_phases; i++)
        for (size_t k = 0; k < history->phases[i]->n_metrics; k++) {
            const madpo_series *series = &history->phases[i]->metrics[k].series;
            size_t until = i < now.phase ? series->n : madpo_series_until(series, now.step);

            for (size_t j = 0; series->n_bad > 0 && j < until; j++)
                n += series->v[j].n_bad;
        }
    return n;
}

static void system_trouble(lines *l, const madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    const madpo_note *note = madpo_view_last_note(view, MADPO_NOTE_CHECKPOINT);
    int64_t n_lines;
    char warnings[32];

    line(l, "saved", "%s", note ? note->text + strlen("checkpoint ") : "no checkpoint yet");
    n_lines = history->n_bad + madpo_view_samples(view)->n_bad_tokens;
    line(l, "trouble", "%s, %llu NaN, %lld bad line%s", madpo_view_warnings(warnings, view),
         (unsigned long long)count_bad(view), (long long)n_lines, n_lines == 1 ? "" : "s");
}

static void system_run(lines *l, const madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    const double host = madpo_view_value(view, "host_bytes");
    char text[16], most[16];

    line(l, "run", "%s %s", madpo_short_time(text, history->t_last - history->t_first),
         view->source->live ? "so far"
         : history->ended   ? "in all"
                            : "until it stopped");
    if (!isnan(host))
        line(l, "host", "%s, most %s", madpo_short_bytes(text, host),
             madpo_short_bytes(most, madpo_view_value(view, "host_peak_bytes")));
    line(l, "driver", "%s", manifest_text(view, "driver"));
    line(l, "model", "%s", manifest_text(view, "model"));
    line(l, "loss", "%s", manifest_text(view, "objective"));
    line(l, "data", "%s", manifest_text(view, "data"));
    line(l, "madpo", "%s  seed %lld", manifest_text(view, "madpo"),
         (long long)json_integer_value(
             json_object_get(madpo_run_reader_manifest(view->source->reader), "seed")));
    line(l, "folder", "%s", view->source->dir);
}

/* Rows of the facts, and of bars that are worth their title. */
enum { FACTS = 7, FEW_BARS = 4 };

void madpo_panel_system(madpo_grid *grid, madpo_rect rect, madpo_view *view)
{
    lines l = {.grid = grid, .r = madpo_rect_inside(rect)};
    share times[SHARES], kernels[SHARES];
    int n_times = 0, n_kernels = 0;
    bool time_bars, kernel_bars;

    madpo_panel_frame(grid, rect, view, MADPO_PANEL_SYSTEM, "device and time");
    if (madpo_view_plot_phase(view) >= 0) {
        n_times = time_shares(times, view);
        n_kernels = kernel_shares(kernels, view);
    }
    kernel_bars = l.r.h > FACTS + 1 + FEW_BARS;
    time_bars = n_kernels == 0 ? kernel_bars : l.r.h > FACTS + n_times + 1 + n_kernels;
    line(&l, "device", "%s", manifest_text(view, "device"));
    if (madpo_view_plot_phase(view) >= 0) {
        system_memory(&l, view);
        if (!time_bars)
            shares_line(&l, "time", times, n_times);
        if (!kernel_bars)
            shares_line(&l, "kernels", kernels, n_kernels);
        system_time(&l, view);
    }
    system_trouble(&l, view);
    if (time_bars)
        shares_bars(&l, "time", times, n_times);
    if (kernel_bars)
        shares_bars(&l, "kernels on the device", kernels, n_kernels);
    system_run(&l, view);
}
