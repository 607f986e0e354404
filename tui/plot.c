/* Plots; see plot.h. */
#include "tui/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LABEL_WIDTH = 7, SHORT = 16 };

const char *const madpo_axis_names[MADPO_AXES] = {"step", "samples", "tokens", "time"};

/* ---- numbers ---- */

char *madpo_short_number(char *out, double x)
{
    double size = fabs(x);
    char *point;

    if (!isfinite(x))
        snprintf(out, SHORT, "%s", isnan(x) ? "-" : x > 0 ? "inf" : "-inf");
    else if (size >= 1e9 || (size > 0 && size < 1e-3))
        snprintf(out, SHORT, "%.1e", x);
    else if (size >= 1e6)
        snprintf(out, SHORT, "%.3gM", x / 1e6);
    else if (size >= 1e4)
        snprintf(out, SHORT, "%.3gk", x / 1e3);
    else if (size >= 100 || x >= floor(x) + 1.0 || (size >= 10 && x <= floor(x)))
        snprintf(out, SHORT, "%.0f", x);
    else if (size >= 10)
        snprintf(out, SHORT, "%.1f", x);
    else if (size >= 1)
        snprintf(out, SHORT, "%.2f", x);
    else
        snprintf(out, SHORT, size > 0 ? "%.3f" : "0", x);
    point = strchr(out, 'e'); /* e-07 to e-7, e+38 to e38 */
    if (point) {
        char *digits = point + 1, *to = point + 1 + (point[1] == '-');

        digits += strspn(digits, "+-0");
        memmove(to, digits, strlen(digits) + 1);
    }
    point = strstr(out, "0.");
    if (point && (point == out || (point == out + 1 && *out == '-')))
        memmove(point, point + 1, strlen(point));
    return out;
}

char *madpo_short_time(char *out, double seconds)
{
    unsigned s;

    if (!isfinite(seconds) || seconds < 0 || seconds > 1e8) {
        snprintf(out, SHORT, "-");
        return out;
    }
    s = (unsigned)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, SHORT, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, SHORT, "%u:%02u", s / 60, s % 60);
    return out;
}

/* ---- axes ---- */

static double phase_begin(const madpo_phase *phase)
{
    return isfinite(phase->begun) || phase->clock.n == 0 ? phase->begun
                                                         : madpo_series_mean(phase->clock.v);
}

double madpo_axis_from_step(const madpo_phase *phase, madpo_axis axis, double step)
{
    if (axis == MADPO_AXIS_SAMPLES)
        return madpo_series_interpolate(&phase->examples, step, false);
    if (axis == MADPO_AXIS_TOKENS)
        return madpo_series_interpolate(&phase->tokens, step, false);
    if (axis == MADPO_AXIS_TIME)
        return madpo_series_interpolate(&phase->clock, step, false) - phase_begin(phase);
    return step;
}

double madpo_axis_to_step(const madpo_phase *phase, madpo_axis axis, double x)
{
    if (axis == MADPO_AXIS_SAMPLES)
        return madpo_series_interpolate(&phase->examples, x, true);
    if (axis == MADPO_AXIS_TOKENS)
        return madpo_series_interpolate(&phase->tokens, x, true);
    if (axis == MADPO_AXIS_TIME)
        return madpo_series_interpolate(&phase->clock, x + phase_begin(phase), true);
    return x;
}

bool madpo_axis_is_known(const madpo_phase *phase, madpo_axis axis)
{
    return axis == MADPO_AXIS_STEP || (axis == MADPO_AXIS_SAMPLES  ? phase->examples.n > 0
                                       : axis == MADPO_AXIS_TOKENS ? phase->tokens.n > 0
                                                                   : phase->clock.n > 0);
}

void madpo_plot_add(madpo_plot *plot, madpo_curve curve)
{
    if (curve.series && curve.series->n > 0 && plot->n < MADPO_PLOT_CURVES)
        plot->curve[plot->n++] = curve;
}

bool madpo_plot_extent(const madpo_plot *plot, double *low, double *high)
{
    bool any = false;

    *low = 0;
    *high = 1;
    for (int i = 0; i < plot->n; i++) {
        const madpo_curve *c = &plot->curve[i];
        double from = madpo_axis_from_step(c->phase, plot->axis, c->series->v[0].x);
        double to =
            madpo_axis_from_step(c->phase, plot->axis, c->series->v[c->series->n - 1].x_last);

        if (!isfinite(from) || !isfinite(to))
            continue;
        *low = any ? fmin(*low, from) : from;
        *high = any ? fmax(*high, to) : to;
        any = true;
    }
    if (!(*high > *low))
        *high = *low + 1;
    return any;
}

/* ---- what is on the screen ---- */

typedef struct frame {
    madpo_canvas canvas;
    const madpo_plot *plot;
    double x_low, x_high, y_low, y_high; /* y in logarithms with log_y */
    bool log_y;
    uint64_t n_outside;      /* points beyond a clipped range */
    uint64_t n_bad, n_below; /* NaN met; values a logarithm cannot show */
} frame;

static int frame_x(const frame *f, double x)
{
    double at = (x - f->x_low) / (f->x_high - f->x_low) * (f->canvas.w - 1);

    return (int)fmin(1e5, fmax(-1e5, floor(at + 0.5)));
}

static int frame_y(const frame *f, double y)
{
    double at;

    if (f->log_y)
        y = y > 0 ? log10(y) : f->y_low;
    at = (f->y_high - y) / (f->y_high - f->y_low) * (f->canvas.h - 1);
    return (int)fmin(1e4, fmax(-1e4, floor(at + 0.5)));
}

static bool point_shown(const frame *f, const madpo_curve *c, const madpo_series_point *p,
                        double *x0, double *x1)
{
    *x0 = madpo_axis_from_step(c->phase, f->plot->axis, p->x);
    *x1 = p->x_last > p->x ? madpo_axis_from_step(c->phase, f->plot->axis, p->x_last) : *x0;
    return *x1 >= f->x_low && *x0 <= f->x_high;
}

static double frame_value(const frame *f, double y)
{
    return f->log_y ? (y > 0 ? log10(y) : f->y_low) : y;
}

/* Visit the points that are shown: count means into a histogram, and what lies outside its range.
 */
static void frame_count(frame *f, madpo_hist *hist)
{
    double x0, x1;

    f->n_outside = 0;
    for (int i = 0; i < f->plot->n; i++) {
        const madpo_curve *c = &f->plot->curve[i];
        size_t n = madpo_series_until(c->series, c->until);

        for (size_t k = 0; k < n; k++) {
            const madpo_series_point *p = &c->series->v[k];

            if (p->n == 0 || !point_shown(f, c, p, &x0, &x1))
                continue;
            madpo_hist_add(hist, frame_value(f, madpo_series_mean(p)));
            f->n_outside += frame_value(f, (double)p->max) > f->y_high ||
                            frame_value(f, (double)p->min) < f->y_low;
        }
    }
}

/* Leave the outermost hundredth of the values on either side out of the range. A histogram over the
 * whole range is too coarse where a single value is far off, so it is made again over what was
 * found. */
static void frame_clip(frame *f)
{
    madpo_hist hist;

    for (int round = 0; round < 5; round++) {
        madpo_hist_init(&hist, f->y_low, f->y_high, MADPO_HIST_BINS);
        frame_count(f, &hist);
        if (round == 4 || hist.n < 10)
            return;
        f->y_low = madpo_hist_quantile(&hist, 0.01);
        f->y_high = madpo_hist_quantile(&hist, 0.99);
    }
}

/* The range of what is shown, with a little air. */
static void frame_scale(frame *f)
{
    double low = INFINITY, high = -INFINITY, least = INFINITY, x0, x1, air;

    for (int i = 0; i < f->plot->n; i++) {
        const madpo_curve *c = &f->plot->curve[i];
        size_t n = madpo_series_until(c->series, c->until);

        for (size_t k = 0; k < n; k++) {
            const madpo_series_point *p = &c->series->v[k];

            if (!point_shown(f, c, p, &x0, &x1))
                continue;
            f->n_bad += p->n_bad;
            if (p->n == 0)
                continue;
            low = fmin(low, (double)p->min);
            high = fmax(high, (double)p->max);
            least = p->min > 0 ? fmin(least, (double)p->min) : least;
            f->n_below += p->min <= 0;
        }
    }
    f->log_y = f->plot->log_y && isfinite(least);
    if (f->log_y) {
        low = log10(least);
        high = log10(high);
    }
    if (!(low <= high)) {
        low = 0;
        high = 1;
    }
    f->y_low = low;
    f->y_high = high;
    if (f->plot->clip)
        frame_clip(f);
    air = f->y_high > f->y_low ? (f->y_high - f->y_low) * 0.04 : fmax(fabs(f->y_low) * 0.05, 0.01);
    f->y_low -= air;
    f->y_high += air;
}

/* ---- curves ---- */

static void draw_raw(frame *f, const madpo_curve *c)
{
    size_t n = madpo_series_until(c->series, c->until);
    int before_x = 0, before_y = 0;
    bool before = false;

    for (size_t k = 0; k < n; k++) {
        const madpo_series_point *p = &c->series->v[k];
        double x0, x1;
        bool shown = point_shown(f, c, p, &x0, &x1);
        int px = frame_x(f, x0);

        if (p->n == 0) { /* NaN: the line is broken here */
            before = false;
            continue;
        }
        if (shown) {
            if (before && !c->marks)
                madpo_canvas_line(&f->canvas, before_x, before_y, px,
                                  frame_y(f, madpo_series_mean(p)));
            madpo_canvas_line(&f->canvas, px, frame_y(f, (double)p->min), px,
                              frame_y(f, (double)p->max));
        }
        before = true;
        before_x = frame_x(f, x1);
        before_y = frame_y(f, p->n > 1 ? madpo_series_mean(p) : (double)p->last);
    }
}

static void draw_smooth(frame *f, const madpo_curve *c)
{
    madpo_smoother smoother = {.factor = f->plot->smoothing};
    size_t n = madpo_series_until(c->series, c->until);
    int before_x = 0, before_y = 0;
    bool before = false;

    for (size_t k = 0; k < n; k++) {
        const madpo_series_point *p = &c->series->v[k];
        double y = madpo_smoother_add(&smoother, madpo_series_mean(p), p->n), x0, x1;
        bool shown = point_shown(f, c, p, &x0, &x1);
        int px = frame_x(f, (x0 + x1) / 2), py = frame_y(f, y);

        if (isnan(y))
            continue;
        if (shown && before)
            madpo_canvas_line(&f->canvas, before_x, before_y, px, py);
        else if (shown)
            madpo_canvas_dot(&f->canvas, px, py);
        before = true;
        before_x = px;
        before_y = py;
    }
}

static double curve_at(const frame *f, const madpo_curve *c, double step)
{
    madpo_smoother smoother = {.factor = f->plot->smoothing};
    size_t n = madpo_series_until(c->series, fmin(step, c->until));
    double y = (double)NAN;

    if (!c->smoothed)
        return madpo_series_at(c->series, fmin(step, c->until));
    for (size_t k = 0; k < n; k++)
        y = madpo_smoother_add(&smoother, madpo_series_mean(&c->series->v[k]), c->series->v[k].n);
    return y;
}

/* ---- around the curves ---- */

static void draw_labels(madpo_grid *grid, madpo_rect frame_rect, const frame *f)
{
    madpo_rect r = f->canvas.rect;
    int rows[3] = {0, (r.h - 1) / 2, r.h - 1};
    char text[SHORT];

    for (int i = 0; i < 3; i++) {
        double y = f->y_high - (f->y_high - f->y_low) * rows[i] / (r.h > 1 ? r.h - 1 : 1);

        if (i > 0 && rows[i] == rows[i - 1])
            continue;
        madpo_short_number(text, f->log_y ? pow(10.0, y) : y);
        if (strlen(text) > LABEL_WIDTH) { /* -1.2e-12: never cut an exponent */
            char *point = strchr(text, '.');

            memmove(point, point + 2, strlen(point + 2) + 1);
        }
        madpo_grid_print(grid, frame_rect.x + 1, r.y + rows[i], LABEL_WIDTH,
                         (madpo_pen){MADPO_TONE_DIM, 0}, "%6s", text);
    }
}

static void draw_x_axis(madpo_grid *grid, madpo_rect frame_rect, const frame *f)
{
    madpo_rect r = f->canvas.rect;
    int y = frame_rect.y + frame_rect.h - 1, n = r.w / 14 < 2 ? 2 : r.w / 14;
    int last = frame_rect.x + frame_rect.w - 2, done = r.x;
    char text[SHORT];

    for (int i = 0; i < n; i++) {
        double x = f->x_low + (f->x_high - f->x_low) * i / (n - 1);
        int width, at = r.x + (r.w - 1) * i / (n - 1);
        bool whole = f->x_high - f->x_low > n;

        if (f->plot->axis == MADPO_AXIS_TIME)
            madpo_short_time(text, x);
        else if (whole && fabs(x) < 999)
            snprintf(text, sizeof text, "%.0f", floor(x + 0.5));
        else
            madpo_short_number(text, whole ? floor(x + 0.5) : x);
        width = (int)strlen(text);
        at = i == 0 ? at : at - width / 2;
        at = at + width > last ? last - width : at;
        if (at < done)
            continue;
        madpo_grid_text(grid, at, y, width, (madpo_pen){MADPO_TONE_DIM, 0}, text);
        done = at + width + 1;
    }
}

char *madpo_short_bytes(char *out, double bytes)
{
    static const char units[] = "kMGTP";
    int i = 0;

    bytes /= 1e3;
    while (bytes >= 999.5 && units[i + 1]) {
        bytes /= 1e3;
        i++;
    }
    snprintf(out, SHORT, isfinite(bytes) ? bytes < 9.95 ? "%.1f%c" : "%.0f%c" : "-", bytes,
             units[i]);
    return out;
}

/* Checkpoints, or control and warnings, at the foot of the plot; NaN is marked at its head. */
static void draw_ticks(madpo_grid *grid, const frame *f, bool checkpoints)
{
    static const char marks[] = {
        [MADPO_NOTE_CHECKPOINT] = 'c', [MADPO_NOTE_CONTROL] = '^', [MADPO_NOTE_WARNING] = '!'};
    const madpo_history *history = f->plot->history;
    madpo_rect r = f->canvas.rect;

    for (int64_t i = history ? history->n_notes - 1 : -1; i >= 0; i--) {
        const madpo_note *note = madpo_history_note(history, i);
        double x;
        int cell;

        if (!note)
            break;
        if (note->phase != f->plot->phase || isnan(note->step) ||
            (size_t)note->kind >= sizeof marks || !marks[note->kind] ||
            (note->kind == MADPO_NOTE_CHECKPOINT) != checkpoints)
            continue;
        x = madpo_axis_from_step(history->phases[note->phase], f->plot->axis, note->step);
        if (!(x >= f->x_low && x <= f->x_high) || note->step > f->plot->curve[0].until)
            continue;
        cell = frame_x(f, x) / f->canvas.sx;
        madpo_grid_put(
            grid, r.x + cell, r.y + r.h - 1, (uint32_t)marks[note->kind],
            (madpo_pen){note->kind == MADPO_NOTE_WARNING ? MADPO_TONE_ALERT : MADPO_TONE_KEY, 0});
    }
}

/* Bookmarks stand at the head, where they hide no tick: whoever set one looks for it. */
static void draw_bookmarks(madpo_grid *grid, const frame *f)
{
    const madpo_bookmarks *marks = f->plot->bookmarks;
    const madpo_history *history = f->plot->history;
    madpo_rect r = f->canvas.rect;

    for (int i = 0; marks && history && i < marks->n; i++) {
        int phase = madpo_history_phase(history, marks->v[i].stage);
        double x;

        if (phase < 0 || phase != f->plot->phase)
            continue;
        x = madpo_axis_from_step(history->phases[phase], f->plot->axis, marks->v[i].step);
        if (x >= f->x_low && x <= f->x_high)
            madpo_grid_put(grid, r.x + frame_x(f, x) / f->canvas.sx, r.y, 'v',
                           (madpo_pen){MADPO_TONE_KEY, MADPO_BOLD});
    }
}

static void draw_bad(madpo_grid *grid, const frame *f)
{
    madpo_rect r = f->canvas.rect;
    madpo_pen pen = {MADPO_TONE_ALERT, MADPO_BOLD};

    for (int i = 0; f->n_bad > 0 && i < f->plot->n; i++) {
        const madpo_curve *c = &f->plot->curve[i];
        size_t n = madpo_series_until(c->series, c->until);

        for (size_t k = 0; k < n; k++) {
            double x0, x1;

            if (c->series->v[k].n_bad > 0 && point_shown(f, c, &c->series->v[k], &x0, &x1))
                madpo_grid_put(grid, r.x + frame_x(f, x0) / f->canvas.sx, r.y, 'N', pen);
        }
    }
    if (f->n_bad > 0)
        madpo_grid_print(grid, r.x + 1, r.y + (r.h > 1), r.w - 1, pen, "NaN %llu",
                         (unsigned long long)f->n_bad);
}

static void draw_cross(madpo_grid *grid, const frame *f)
{
    madpo_rect r = f->canvas.rect;
    madpo_pen pen = {MADPO_TONE_KEY, 0}, text_pen = {MADPO_TONE_KEY, MADPO_BOLD};
    char text[SHORT];
    int x, at, used = 0;

    if (!(f->plot->cross >= f->x_low && f->plot->cross <= f->x_high))
        return;
    x = r.x + frame_x(f, f->plot->cross) / f->canvas.sx;
    for (int y = 0; y < r.h; y++)
        if (x < grid->w && r.y + y < grid->h &&
            grid->cells[(size_t)(r.y + y) * (size_t)grid->w + (size_t)x].glyph == ' ')
            madpo_grid_put(grid, x, r.y + y, grid->glyphs == MADPO_GLYPHS_ASCII ? ':' : 0x250a,
                           pen);
    at = x - r.x > r.w / 2 ? r.x : r.x + r.w / 2;
    for (int i = 0; i < f->plot->n && i < r.h; i++) {
        const madpo_curve *c = &f->plot->curve[i];
        double step = madpo_axis_to_step(c->phase, f->plot->axis, f->plot->cross);

        if (i == 0)
            used = madpo_grid_print(grid, at, r.y, r.w / 2, text_pen, "step %.0f", step);
        madpo_grid_print(grid, at + (i == 0 ? used + 1 : 0), r.y + i,
                         r.w / 2 - (i == 0 ? used + 1 : 0), text_pen, "%s %s",
                         c->label ? c->label : "", madpo_short_number(text, curve_at(f, c, step)));
    }
}

static void draw_guides(madpo_grid *grid, const frame *f)
{
    madpo_rect r = f->canvas.rect;
    uint32_t dot = grid->glyphs == MADPO_GLYPHS_ASCII ? '.' : 0xb7;

    for (int row = 0; f->plot->guides && row < 3; row++)
        for (int x = 0; x < r.w; x += 4)
            madpo_grid_put(grid, r.x + x, r.y + (r.h - 1) * row / 2, dot,
                           (madpo_pen){MADPO_TONE_FRAME, 0});
}

static void draw_curves(frame *f)
{
    for (int i = 0; i < f->plot->n; i++) { /* faint ones first */
        const madpo_curve *c = &f->plot->curve[i];

        if (!c->smoothed || f->plot->smoothing <= 0)
            continue;
        madpo_canvas_pen(&f->canvas, (madpo_dot_pen){{MADPO_TONE_DIM, 0}, '.'});
        draw_raw(f, c);
    }
    for (int i = 0; i < f->plot->n; i++) {
        const madpo_curve *c = &f->plot->curve[i];

        madpo_canvas_pen(&f->canvas, c->pen);
        if (c->smoothed && f->plot->smoothing > 0)
            draw_smooth(f, c);
        else
            draw_raw(f, c);
    }
}

/* Single points are letters, not dots: they stay visible on a busy plot. */
static void draw_marks(madpo_grid *grid, const frame *f)
{
    for (int i = 0; i < f->plot->n; i++) {
        const madpo_curve *c = &f->plot->curve[i];
        size_t n = c->marks ? madpo_series_until(c->series, c->until) : 0;

        for (size_t k = 0; k < n; k++) {
            const madpo_series_point *p = &c->series->v[k];
            double x0, x1;

            if (p->n > 0 && point_shown(f, c, p, &x0, &x1))
                madpo_grid_put(grid, f->canvas.rect.x + frame_x(f, x0) / f->canvas.sx,
                               f->canvas.rect.y + frame_y(f, (double)p->last) / f->canvas.sy,
                               (uint32_t)c->pen.ascii, c->pen.pen);
        }
    }
}

/* Where one of these pens has drawn last, from the right: the cell's place, false if nowhere. */
static bool last_ink(const madpo_grid *grid, madpo_rect r, madpo_tone tone, int *x, int *y)
{
    for (*x = r.x + r.w - 1; *x >= r.x; --*x)
        for (*y = r.y; *y < r.y + r.h; ++*y) {
            const madpo_cell *cell;

            if (*x >= grid->w || *y >= grid->h)
                continue;
            cell = &grid->cells[(size_t)*y * (size_t)grid->w + (size_t)*x];
            if (cell->tone == tone && cell->glyph > 0x7f)
                return true;
        }
    return false;
}

/* Dots of several curves look alike but for their colour: each ends in the letter that the title
 * explains. */
static void draw_letters(madpo_grid *grid, const frame *f)
{
    int n = 0, x, y;

    for (int i = 0; i < f->plot->n; i++)
        n += !f->plot->curve[i].marks;
    for (int i = 0; n > 1 && grid->glyphs != MADPO_GLYPHS_ASCII && i < f->plot->n; i++) {
        const madpo_curve *c = &f->plot->curve[i];

        if (!c->marks && last_ink(grid, f->canvas.rect, c->pen.pen.tone, &x, &y))
            madpo_grid_put(grid, x, y, (uint32_t)c->pen.ascii,
                           (madpo_pen){c->pen.pen.tone, MADPO_BOLD});
    }
}

void madpo_plot_draw(madpo_grid *grid, madpo_rect rect, const madpo_plot *plot)
{
    madpo_rect inside = madpo_rect_inside(rect);
    frame f = {.plot = plot};

    if (inside.w < LABEL_WIDTH + 3 || inside.h < 1)
        return;
    if (!madpo_plot_extent(plot, &f.x_low, &f.x_high)) {
        madpo_grid_text(grid, inside.x + 1, inside.y, inside.w - 1, (madpo_pen){MADPO_TONE_DIM, 0},
                        "nothing logged yet");
        return;
    }
    if (plot->x_high > plot->x_low) {
        f.x_low = plot->x_low;
        f.x_high = plot->x_high;
    }
    inside.x += LABEL_WIDTH;
    inside.w -= LABEL_WIDTH;
    frame_scale(&f);
    madpo_canvas_begin(&f.canvas, grid, inside);
    draw_guides(grid, &f);
    draw_curves(&f);
    madpo_canvas_end(&f.canvas);
    draw_letters(grid, &f);
    draw_marks(grid, &f);
    draw_ticks(grid, &f, true); /* the rarer ones over them */
    draw_ticks(grid, &f, false);
    draw_bookmarks(grid, &f);
    draw_bad(grid, &f);
    draw_cross(grid, &f);
    draw_labels(grid, rect, &f);
    draw_x_axis(grid, rect, &f);
    if (f.n_outside > 0)
        madpo_grid_print(grid, inside.x + inside.w - 12, inside.y, 12,
                         (madpo_pen){MADPO_TONE_ALERT, 0}, "%8llu out",
                         (unsigned long long)f.n_outside);
    if (f.log_y && f.n_below > 0)
        madpo_grid_print(grid, inside.x, inside.y + inside.h - 1, inside.w,
                         (madpo_pen){MADPO_TONE_ALERT, 0}, "%llu at or below 0",
                         (unsigned long long)f.n_below);
}

/* One line without fine dots: a character's height, or where its ink is, stands for the value. */
static void spark_line(frame *f, madpo_grid *grid, madpo_rect rect, const madpo_curve *curve)
{
    static const char ascii[] = "_.-\"^";
    bool plain = grid->glyphs == MADPO_GLYPHS_ASCII;
    int levels = plain ? 5 : 8;
    size_t n = madpo_series_until(curve->series, curve->until);

    for (size_t k = 0; k < n; k++) {
        const madpo_series_point *p = &curve->series->v[k];
        double share = (madpo_series_mean(p) - f->y_low) / (f->y_high - f->y_low);
        int from = frame_x(f, p->x), level = p->n > 0 ? (int)(share * levels) : 0;
        int to = k + 1 < n ? frame_x(f, p[1].x) : from + 1;

        level = level < 0 ? 0 : level >= levels ? levels - 1 : level;
        for (int x = from; x < to || x == from; x++)
            if (x >= 0 && x < rect.w)
                madpo_grid_put(grid, rect.x + x, rect.y,
                               p->n == 0 ? 'N'
                               : plain   ? (uint32_t)ascii[level]
                                         : 0x2581u + (uint32_t)level,
                               curve->pen.pen);
    }
}

void madpo_plot_spark(madpo_grid *grid, madpo_rect rect, const madpo_curve *curve)
{
    madpo_plot plot = {.axis = MADPO_AXIS_STEP, .x_low = NAN, .x_high = NAN, .cross = NAN};
    frame f = {.plot = &plot};

    madpo_plot_add(&plot, *curve);
    if (rect.w < 1 || rect.h < 1 || !madpo_plot_extent(&plot, &f.x_low, &f.x_high))
        return;
    frame_scale(&f);
    if (rect.h == 1 && grid->glyphs != MADPO_GLYPHS_BRAILLE) {
        f.canvas.w = rect.w; /* one "dot" a column */
        spark_line(&f, grid, rect, &plot.curve[0]);
        return;
    }
    madpo_canvas_begin(&f.canvas, grid, rect);
    madpo_canvas_pen(&f.canvas, curve->pen);
    draw_raw(&f, &plot.curve[0]);
    madpo_canvas_end(&f.canvas);
}
