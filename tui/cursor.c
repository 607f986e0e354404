/* Moving about; see cursor.h. */
#include "tui/cursor.h"

#include <math.h>

static size_t moved(size_t at, size_t n, double by)
{
    double to = (double)at + by;

    if (n == 0 || to <= 0)
        return 0;
    return to >= (double)n ? n - 1 : (size_t)to;
}

int madpo_cursor_moved(int at, int low, int high, double by)
{
    double to = at + by;

    return to < low ? low : to > high ? high : (int)to;
}

/* The plot as far as the axis goes, to know where a crosshair can stand. */
bool madpo_cursor_extent(const madpo_view *view, double *low, double *high)
{
    const madpo_history *history = madpo_view_history(view);
    int phase = madpo_view_plot_phase(view);
    madpo_plot plot = {.axis = view->axis};

    if (phase < 0)
        return false;
    madpo_plot_add(&plot,
                   (madpo_curve){.series = madpo_phase_metric(history->phases[phase], "loss"),
                                 .phase = history->phases[phase]});
    return madpo_plot_extent(&plot, low, high);
}

void madpo_cursor_range(const madpo_view *view, double *low, double *high)
{
    if (!madpo_cursor_extent(view, low, high)) {
        *low = 0;
        *high = 1;
    }
    if (view->x_high > view->x_low) {
        *low = view->x_low;
        *high = view->x_high;
    }
}

static void move_cross(madpo_view *view, double columns)
{
    double low, high, width = view->layout.panel[view->wish.focus].w - 9;

    if (!madpo_cursor_extent(view, &low, &high))
        return;
    madpo_cursor_range(view, &low, &high);
    if (isnan(view->cross))
        view->cross = columns < 0 ? high : low;
    view->cross += columns * (high - low) / (width > 8 ? width : 8);
    view->cross = fmin(high, fmax(low, view->cross));
}

void madpo_cursor_list(madpo_view *view, double by)
{
    size_t was = view->cursor;

    view->cursor = moved(view->cursor, view->n_list, by);
    view->pair_scroll = 0;
    if (view->cursor != was)
        view->pair_end = MADPO_VIEW_FAR;
}

static void move_bin(madpo_view *view, double across)
{
    view->bin = madpo_cursor_moved(view->bin < 0 ? view->n_bins / 2 : view->bin, 0,
                                   view->n_bins - 1, across);
}

void madpo_cursor_move(madpo_view *view, double across, double down)
{
    switch (view->wish.focus) {
    case MADPO_PANEL_SAMPLES:
        madpo_cursor_list(view, down + across);
        break;
    case MADPO_PANEL_PAIR:
        if (across > 0 || across < 0)
            madpo_cursor_list(view, across);
        else
            view->pair_scroll = madpo_cursor_moved(view->pair_scroll, 0, view->pair_end, down);
        break;
    case MADPO_PANEL_LOG:
        view->log_scroll = madpo_cursor_moved(view->log_scroll, 0, view->log_end, -down);
        view->log_across = madpo_cursor_moved(view->log_across, 0, view->log_wide, 16 * across);
        break;
    case MADPO_PANEL_MARGINS:
        if (view->n_bins == 0)
            break;
        if (down > 0 || down < 0)
            view->parameter = madpo_cursor_moved(view->parameter, 0, 4, down);
        else
            move_bin(view, across);
        break;
    case MADPO_PANEL_QUALITY:
        if (down > 0 || down < 0) {
            view->metric = madpo_cursor_moved(view->metric, 0, view->metric_end, down);
            break;
        }
        move_cross(view, across);
        break;
    default:
        if (across > 0 || across < 0)
            move_cross(view, across);
        break;
    }
}

void madpo_cursor_zoom(madpo_view *view, bool closer)
{
    double low, high, all_low, all_high, centre, width;

    if (!madpo_cursor_extent(view, &all_low, &all_high))
        return;
    madpo_cursor_range(view, &low, &high);
    centre = isnan(view->cross) ? high : view->cross;
    width = (high - low) * (closer ? 1 / 1.5 : 1.5);
    low = centre - (centre - low) * width / (high - low);
    high = low + width;
    if (width >= all_high - all_low) {
        view->x_low = view->x_high = (double)NAN;
        return;
    }
    if (width < (all_high - all_low) * 1e-6)
        return;
    view->x_low = fmax(all_low, fmin(low, all_high - width));
    view->x_high = view->x_low + width;
}

/* The crosshair to where the mouse is. */
static void cursor_point(madpo_view *view, madpo_rect r, int x)
{
    double low, high;

    madpo_cursor_range(view, &low, &high);
    view->cross = low + (high - low) * fmin(1, fmax(0, x - r.x - 8) / (r.w > 10 ? r.w - 10 : 1));
}

void madpo_view_mouse(madpo_view *view, int x, int y, int wheel)
{
    for (int panel = 1; panel < MADPO_PANELS; panel++) {
        madpo_rect r = view->layout.panel[panel];

        if (r.w == 0 || x < r.x || y < r.y || x >= r.x + r.w || y >= r.y + r.h)
            continue;
        if (wheel != 0 && !madpo_panel_is_wide((madpo_panel)panel)) {
            view->wish.focus = (madpo_panel)panel;
            cursor_point(view, r, x);
            madpo_cursor_zoom(view, wheel < 0);
            return;
        }
        view->wish.focus = (madpo_panel)panel;
        if (wheel != 0) {
            madpo_cursor_move(view, 0, wheel * 3);
        } else if (panel == MADPO_PANEL_SAMPLES && y - r.y >= 2 && y < r.y + r.h - 1) {
            view->cursor = moved(view->top, view->n_list, y - r.y - 2);
        } else if (panel == MADPO_PANEL_MARGINS && x > r.x && x < r.x + r.w - 1) {
            view->bin =
                madpo_cursor_moved(x - r.x - 1, 0, view->n_bins > 0 ? view->n_bins - 1 : 0, 0);
        } else if (!madpo_panel_is_wide((madpo_panel)panel)) {
            cursor_point(view, r, x);
        }
        return;
    }
}
