/* Line plots as SVG; see plot.h. */
#include "report/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/inside.h"

enum {
    WIDTH = 640,
    HEIGHT = 280,
    LEFT = 70,
    RIGHT = 104, /* names of the lines, or a second axis */
    TOP = 22,
    BOTTOM = 44
};
static const double plot_width = WIDTH - LEFT - RIGHT, plot_height = HEIGHT - TOP - BOTTOM;

typedef struct axis {
    double low, high;
} axis;

typedef struct drawing {
    madpo_strbuf *b;
    const madpo__plot *plot;
    axis x, y, right;
} drawing;

/* ---- axes ---- */

/* What is beyond 1e300 has no place on an axis. */
static void axis_take(axis *a, double value)
{
    if (!(fabs(value) < 1e300))
        return;
    a->low = isnan(a->low) ? value : fmin(a->low, value);
    a->high = isnan(a->high) ? value : fmax(a->high, value);
}

static void axis_take_line(axis *a, const madpo__plot_line *line)
{
    for (size_t i = 0; i < line->n; i++) {
        axis_take(a, line->y[i]);
        if (line->kind == MADPO__PLOT_BAND)
            axis_take(a, line->y2[i]);
    }
    if (line->kind == MADPO__PLOT_BARS)
        axis_take(a, 0.0);
}

/* A little room; a constant gets an interval around it. */
static void axis_finish(axis *a, double room)
{
    double span;

    if (isnan(a->low))
        *a = (axis){0.0, 1.0};
    span = a->high - a->low;
    if (!(span > 1e-12 * fmax(fabs(a->low), fabs(a->high))))
        *a = a->low != 0.0 ? (axis){a->low - 0.1 * fabs(a->low), a->high + 0.1 * fabs(a->low)}
                           : (axis){-0.5, 0.5};
    span = a->high - a->low;
    if (a->low != 0.0)
        a->low -= room * span;
    a->high += room * span;
}

/* 1, 2 or 5 times a power of ten, so that at most `n` fit into the axis. */
static double axis_step(const axis *a, int n)
{
    double raw = (a->high - a->low) / n, power = pow(10.0, floor(log10(raw)));
    double lead = raw / power;

    return power * (lead <= 1.0 ? 1.0 : lead <= 2.0 ? 2.0 : lead <= 5.0 ? 5.0 : 10.0);
}

static double place_x(const drawing *d, double x)
{
    return LEFT + plot_width * (x - d->x.low) / (d->x.high - d->x.low);
}

static double place_y(const drawing *d, const madpo__plot_line *line, double y)
{
    const axis *a = line && line->right ? &d->right : &d->y;

    return fmin(fmax(TOP + plot_height * (1.0 - (y - a->low) / (a->high - a->low)), -HEIGHT),
                2.0 * HEIGHT);
}

static void put_text(madpo_strbuf *b, double x, double y, const char *extra, const char *text)
{
    madpo_strbuf_printf(b, "<text x=\"%.1f\" y=\"%.1f\"%s>", x, y, extra);
    madpo__put_escaped(b, text);
    madpo_strbuf_append(b, "</text>\n");
}

static void put_tick_number(madpo_strbuf *b, double x, double y, const char *extra, double value,
                            double step)
{
    char text[40];

    if (fabs(value) < 1e-9 * step)
        value = 0.0;
    snprintf(text, sizeof text, "%.6g", value);
    put_text(b, x, y, extra, text);
}

static void draw_x_axis(const drawing *d)
{
    double step = axis_step(&d->x, 7);

    for (double v = ceil(d->x.low / step) * step; v <= d->x.high + 1e-9 * step; v += step)
        put_tick_number(d->b, place_x(d, v), HEIGHT - BOTTOM + 17, " text-anchor=\"middle\"", v,
                        step);
    put_text(d->b, LEFT + plot_width / 2, HEIGHT - 6, " text-anchor=\"middle\"", d->plot->x_name);
}

static void draw_y_axis(const drawing *d)
{
    double step = axis_step(&d->y, 5);

    for (double v = ceil(d->y.low / step) * step; v <= d->y.high + 1e-9 * step; v += step) {
        double y = place_y(d, NULL, v);

        madpo_strbuf_printf(d->b, "<path class=\"grid\" d=\"M%d %.1fH%.0f\"/>\n", LEFT, y,
                            LEFT + plot_width);
        put_tick_number(d->b, LEFT - 6, y + 4, " text-anchor=\"end\"", v, step);
    }
    if (strlen(d->plot->y_name) <= 8)
        put_text(d->b, LEFT - 6, TOP - 7, " text-anchor=\"end\"", d->plot->y_name);
    else /* it would begin outside */
        put_text(d->b, 2, TOP - 7, "", d->plot->y_name);
}

static void draw_right_axis(const drawing *d)
{
    double step = axis_step(&d->right, 5);

    if (!d->plot->right_name)
        return;
    for (double v = ceil(d->right.low / step) * step; v <= d->right.high + 1e-9 * step; v += step) {
        const madpo__plot_line right = {.right = true};

        put_tick_number(d->b, LEFT + plot_width + 6, place_y(d, &right, v) + 4, "", v, step);
    }
    put_text(d->b, LEFT + plot_width + 6, TOP - 7, "", d->plot->right_name);
}

/* ---- lines ---- */

/* The points of one column of the drawing: first, lowest, highest, last. */
typedef struct column {
    double first, low, high, last;
    size_t n;
} column;

static size_t take_column(const drawing *d, const madpo__plot_line *line, size_t i, column *out)
{
    double at = floor(place_x(d, line->x[i]));

    *out = (column){line->y[i], line->y[i], line->y[i], line->y[i], 0};
    for (; i < line->n && isfinite(line->y[i]) && floor(place_x(d, line->x[i])) == at; i++) {
        out->low = fmin(out->low, line->y[i]);
        out->high = fmax(out->high, line->y[i]);
        out->last = line->y[i];
        out->n++;
    }
    return i;
}

static void draw_path(const drawing *d, const madpo__plot_line *line)
{
    bool down = false;
    column c;

    madpo_strbuf_printf(d->b, "<path class=\"line s%d\" d=\"", line->style);
    for (size_t i = 0; i < line->n;) {
        double x = place_x(d, line->x[i]);

        if (!isfinite(line->y[i])) {
            down = false;
            i++;
            continue;
        }
        i = take_column(d, line, i, &c);
        madpo_strbuf_printf(d->b, "%c%.1f %.1f", down ? 'L' : 'M', x, place_y(d, line, c.first));
        if (c.n > 2)
            madpo_strbuf_printf(d->b, "V%.1fV%.1f", place_y(d, line, c.high),
                                place_y(d, line, c.low));
        if (c.n > 1)
            madpo_strbuf_printf(d->b, "V%.1f", place_y(d, line, c.last));
        down = true;
    }
    madpo_strbuf_append(d->b, "\"/>\n");
}

/* Each a short stroke with round ends: one element however many there are. */
static void draw_dots(const drawing *d, const madpo__plot_line *line)
{
    column c;

    madpo_strbuf_printf(d->b, "<path class=\"dots s%d\" d=\"", line->style);
    for (size_t i = 0; i < line->n;) {
        double x = place_x(d, line->x[i]);

        if (!isfinite(line->y[i])) {
            i++;
            continue;
        }
        i = take_column(d, line, i, &c);
        madpo_strbuf_printf(d->b, "M%.1f %.1fh.01", x, place_y(d, line, c.high));
        if (c.n > 1)
            madpo_strbuf_printf(d->b, "M%.1f %.1fh.01", x, place_y(d, line, c.low));
    }
    madpo_strbuf_append(d->b, "\"/>\n");
}

static void draw_marks(const drawing *d, const madpo__plot_line *line)
{
    draw_path(d, line);
    for (size_t i = 0; i < line->n && line->n <= 200; i++)
        if (isfinite(line->y[i]))
            madpo_strbuf_printf(d->b,
                                "<circle class=\"mark s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n",
                                line->style, place_x(d, line->x[i]), place_y(d, line, line->y[i]));
}

static void draw_band(const drawing *d, const madpo__plot_line *line)
{
    size_t stride = line->n / 1000 + 1;
    bool any = false;

    madpo_strbuf_printf(d->b, "<path class=\"band s%d\" d=\"", line->style);
    for (size_t i = 0; i < line->n; i += stride) {
        if (!isfinite(line->y[i]) || !isfinite(line->y2[i]))
            continue;
        madpo_strbuf_printf(d->b, "%c%.1f %.1f", any ? 'L' : 'M', place_x(d, line->x[i]),
                            place_y(d, line, line->y[i]));
        any = true;
    }
    for (size_t i = (line->n - 1) / stride * stride + stride; i >= stride; i -= stride)
        if (isfinite(line->y[i - stride]) && isfinite(line->y2[i - stride]))
            madpo_strbuf_printf(d->b, "L%.1f %.1f", place_x(d, line->x[i - stride]),
                                place_y(d, line, line->y2[i - stride]));
    madpo_strbuf_append(d->b, any ? "Z\"/>\n" : "\"/>\n");
}

static void draw_bars(const drawing *d, const madpo__plot_line *line)
{
    double width = line->n > 1 ? place_x(d, line->x[1]) - place_x(d, line->x[0]) : 10.0;

    madpo_strbuf_printf(d->b, "<path class=\"bars s%d\" d=\"", line->style);
    for (size_t i = 0; i < line->n; i++) {
        double top = place_y(d, line, line->y[i]), bottom = place_y(d, line, 0.0);

        if (isfinite(line->y[i]) && line->y[i] > 0.0)
            madpo_strbuf_printf(d->b, "M%.1f %.1fV%.1fh%.1fV%.1fZ",
                                place_x(d, line->x[i]) - width / 2, bottom, top, width, bottom);
    }
    madpo_strbuf_append(d->b, "\"/>\n");
}

static void draw_line(const drawing *d, const madpo__plot_line *line)
{
    switch (line->kind) {
    case MADPO__PLOT_DOTS:
        draw_dots(d, line);
        break;
    case MADPO__PLOT_MARKS:
        draw_marks(d, line);
        break;
    case MADPO__PLOT_BAND:
        draw_band(d, line);
        break;
    case MADPO__PLOT_BARS:
        draw_bars(d, line);
        break;
    default:
        draw_path(d, line);
        break;
    }
}

/* ---- names ---- */

/* Where a line ends; NaN if it has no point. */
static double line_end(const drawing *d, const madpo__plot_line *line)
{
    for (size_t i = line->n; i > 0; i--)
        if (isfinite(line->y[i - 1]))
            return place_y(d, line, line->y[i - 1]);
    return NAN;
}

/* Names at the lines' ends, moved apart where they would cover each other. */
static void draw_names(const drawing *d)
{
    size_t order[MADPO__MAX_LINES], n = 0;
    double at[MADPO__MAX_LINES], next = TOP + 4;

    for (size_t i = 0; i < d->plot->n_lines; i++) {
        double y = line_end(d, &d->plot->line[i]);
        size_t k = n;

        if (!*d->plot->line[i].label || isnan(y))
            continue;
        for (n++; k > 0 && at[k - 1] > y; k--) {
            at[k] = at[k - 1];
            order[k] = order[k - 1];
        }
        at[k] = y;
        order[k] = i;
    }
    for (size_t k = 0; k < n; k++) {
        const madpo__plot_line *line = &d->plot->line[order[k]];
        double lowest = HEIGHT - BOTTOM - 15.0 * (double)(n - 1 - k);
        double y = fmin(fmax(at[k] + 4, next), fmax(lowest, next));
        char extra[40];

        snprintf(extra, sizeof extra, " class=\"name s%d\"", line->style);
        put_text(d->b, LEFT + plot_width + 6 + (d->plot->right_name ? 40 : 0), y, extra,
                 line->label);
        next = y + 15;
    }
}

static void draw_ticks(const drawing *d)
{
    double free_from = 0.0;

    for (size_t i = 0; i < d->plot->n_ticks; i++) {
        double x = place_x(d, d->plot->tick[i].x);

        if (!(x >= LEFT && x <= LEFT + plot_width + 0.5))
            continue;
        madpo_strbuf_printf(d->b, "<path class=\"tick\" d=\"M%.1f %dV%d\"/>\n", x, TOP,
                            HEIGHT - BOTTOM);
        if (x < free_from)
            continue; /* the table of controls has them all */
        put_text(d->b, x, TOP - 4, " class=\"small\" text-anchor=\"middle\"",
                 d->plot->tick[i].label);
        free_from = x + 60;
    }
}

/* ---- the whole ---- */

bool madpo__plot_has_points(const madpo__plot *plot)
{
    for (size_t i = 0; i < plot->n_lines; i++)
        for (size_t k = 0; k < plot->line[i].n; k++)
            if (isfinite(plot->line[i].y[k]))
                return true;
    return false;
}

static void find_axes(drawing *d)
{
    const madpo__plot *p = d->plot;

    d->x = d->y = d->right = (axis){NAN, NAN};
    for (size_t i = 0; i < p->n_lines; i++) {
        const madpo__plot_line *line = &p->line[i];

        for (size_t k = 0; k < line->n; k++)
            axis_take(&d->x, line->x[k]);
        axis_take_line(line->right ? &d->right : &d->y, line);
    }
    if (p->from_zero) {
        axis_take(&d->y, 0.0);
        axis_take(&d->right, 0.0);
    }
    axis_finish(&d->x, 0.0);
    axis_finish(&d->y, 0.05);
    axis_finish(&d->right, 0.05);
}

void madpo__plot_svg(madpo_strbuf *b, const madpo__plot *plot)
{
    drawing d = {.b = b, .plot = plot};

    find_axes(&d);
    madpo_strbuf_printf(b,
                        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                        "role=\"img\">\n<title>",
                        WIDTH, HEIGHT);
    madpo__put_escaped(b, plot->title);
    madpo_strbuf_append(b, "</title>\n");
    draw_y_axis(&d);
    draw_x_axis(&d);
    draw_right_axis(&d);
    for (size_t i = 0; i < plot->n_lines; i++)
        if (plot->line[i].n > 0)
            draw_line(&d, &plot->line[i]);
    draw_ticks(&d);
    madpo_strbuf_printf(b, "<path class=\"frame\" d=\"M%d %dV%dH%.0f\"/>\n", LEFT, TOP,
                        HEIGHT - BOTTOM, LEFT + plot_width);
    draw_names(&d);
    madpo_strbuf_append(b, "</svg>\n");
}
