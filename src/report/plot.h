#ifndef MADPO_REPORT_PLOT_H
#define MADPO_REPORT_PLOT_H
/* Line plots as SVG for a page: colours are classes of its style sheet (s0 to s5), every line also
 * has a dash pattern of its own and its name at its end, so that they can be told apart in black
 * and white. Inside src/report. */
#include "base/strbuf.h"

typedef enum madpo__plot_kind {
    MADPO__PLOT_LINE,
    MADPO__PLOT_DOTS,  /* pale: raw values under a smoothed line */
    MADPO__PLOT_MARKS, /* a line with a mark at every point: few points */
    MADPO__PLOT_BAND,  /* filled between y and y2 */
    MADPO__PLOT_BARS   /* filled from 0 to y, as wide as the points are apart */
} madpo__plot_kind;

typedef struct madpo__plot_line {
    const char *label; /* "" = none */
    madpo__plot_kind kind;
    int style; /* 0 to 5 */
    const double *x, *y, *y2;
    size_t n;
    bool right; /* by the axis on the right */
} madpo__plot_line;

typedef struct madpo__plot_tick {
    double x;
    const char *label;
} madpo__plot_tick;

enum { MADPO__MAX_LINES = 8 };

typedef struct madpo__plot {
    const char *title; /* what it shows, for those who do not see it, too */
    const char *x_name, *y_name, *right_name;
    bool from_zero; /* the left axis begins at 0 */
    madpo__plot_line line[MADPO__MAX_LINES];
    size_t n_lines;
    const madpo__plot_tick *tick; /* [n_ticks] vertical marks: what was done to the run */
    size_t n_ticks;
} madpo__plot;

/* Append the drawing. Of many points per column, the highest and lowest are drawn, so that no spike
 * is lost; NaN breaks a line. */
void madpo__plot_svg(madpo_strbuf *b, const madpo__plot *plot);
/* Is there anything finite to draw? */
bool madpo__plot_has_points(const madpo__plot *plot);
#endif
