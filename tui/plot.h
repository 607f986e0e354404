#ifndef MADPO_TUI_PLOT_H
#define MADPO_TUI_PLOT_H
/* Curves with axes inside a frame. Every point is drawn from its smallest to its largest value, so
 * nothing that was logged can hide between two columns; NaN shows as such.
 */
#include "tui/bookmarks.h"
#include "tui/canvas.h"
#include "tui/history.h"

typedef enum madpo_axis {
    MADPO_AXIS_STEP,
    MADPO_AXIS_SAMPLES, /* texts or pairs seen */
    MADPO_AXIS_TOKENS,
    MADPO_AXIS_TIME, /* seconds since the stage began */
    MADPO_AXES
} madpo_axis;
extern const char *const madpo_axis_names[MADPO_AXES];

typedef struct madpo_curve {
    const madpo_series *series;
    const madpo_phase *phase; /* what its x are steps of */
    double until;             /* later steps are not drawn */
    bool smoothed;            /* the raw curve faint, the smoothed one over it */
    bool marks;               /* single points: evaluations */
    madpo_dot_pen pen;
    const char *label; /* for the read-out */
} madpo_curve;

enum { MADPO_PLOT_CURVES = 14 };
typedef struct madpo_plot {
    madpo_curve curve[MADPO_PLOT_CURVES];
    int n;
    madpo_axis axis;
    bool log_y, guides;
    bool clip;            /* leave the outermost values out of the range, and say how many */
    double smoothing;     /* factor of the moving average */
    double x_low, x_high; /* what is shown, in units of the axis; NaN = all */
    double cross;         /* the crosshair, NaN = none */
    const madpo_history *history;     /* whose notes become ticks, may be NULL */
    const madpo_bookmarks *bookmarks; /* ticks, too; may be NULL */
    int phase;
} madpo_plot;

/* Do the stage's events tell this axis? */
bool madpo_axis_is_known(const madpo_phase *phase, madpo_axis axis);
/* A step in units of the axis, and back. */
double madpo_axis_from_step(const madpo_phase *phase, madpo_axis axis, double step);
double madpo_axis_to_step(const madpo_phase *phase, madpo_axis axis, double x);

void madpo_plot_add(madpo_plot *plot, madpo_curve curve);
/* Range of x of everything in the plot; false if there is nothing. */
bool madpo_plot_extent(const madpo_plot *plot, double *low, double *high);
/* Draw into a frame that stands already; its lower edge takes the x axis. */
void madpo_plot_draw(madpo_grid *grid, madpo_rect frame, const madpo_plot *plot);
/* A curve without axes, for one line or a few. */
void madpo_plot_spark(madpo_grid *grid, madpo_rect rect, const madpo_curve *curve);

/* Numbers short enough for axes: ".0123", "1.2e-5", "14.2k"; and times "1:02:03". Into out [16]. */
char *madpo_short_number(char *out, double x);
char *madpo_short_time(char *out, double seconds);
char *madpo_short_bytes(char *out, double bytes); /* "21M", "4.7G": powers of 1000 */
#endif
