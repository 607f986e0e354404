#ifndef MADPO_TUI_CURSOR_H
#define MADPO_TUI_CURSOR_H
/* Cursors: of lists and texts, of the histogram, and the crosshair of the plots, with the range of
 * x that is shown around it. Used by the keys and by the mouse. */
#include "tui/view.h"

/* `at` moved by so much, within [low, high]. */
int madpo_cursor_moved(int at, int low, int high, double by);
/* Range of x of the stage that is plotted; false if there is none. The range that is shown. */
bool madpo_cursor_extent(const madpo_view *view, double *low, double *high);
void madpo_cursor_range(const madpo_view *view, double *low, double *high);
/* Move the cursor of the list of samples. */
void madpo_cursor_list(madpo_view *view, double by);
/* Move whatever the cursor of the focused panel is, in columns and rows. */
void madpo_cursor_move(madpo_view *view, double across, double down);
/* Show less of x, or more, around the crosshair. */
void madpo_cursor_zoom(madpo_view *view, bool closer);
#endif
