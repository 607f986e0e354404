#ifndef MADPO_TUI_LAYOUT_H
#define MADPO_TUI_LAYOUT_H
/* Where things stand on a screen of any size: a pure function. Below 40 x 10 there are only status
 * lines; below 80 x 24 one panel at a time; then three, six, and from 200 x 56 nine.
 */
#include "tui/grid.h"

typedef enum madpo_panel {
    MADPO_PANEL_NONE,
    MADPO_PANEL_LOSS,
    MADPO_PANEL_MARGINS,
    MADPO_PANEL_SAMPLES,
    MADPO_PANEL_REWARDS,
    MADPO_PANEL_WEIGHTS,
    MADPO_PANEL_SYSTEM,
    MADPO_PANEL_QUALITY,
    MADPO_PANEL_GROUPS,
    MADPO_PANEL_PAIR,
    MADPO_PANEL_LOG,
    MADPO_PANELS
} madpo_panel;

typedef struct madpo_layout_wish {
    madpo_panel focus;
    bool zoomed;            /* the focused panel alone */
    madpo_panel guest_plot; /* what stands in for the second plot when it does not fit otherwise */
    madpo_panel guest_wide; /* the same for the table of samples */
} madpo_layout_wish;

typedef struct madpo_layout {
    madpo_rect header;              /* 0 to 2 rows; the status lines of tiny screens */
    madpo_rect notes, keys;         /* a row each, or none */
    madpo_rect panel[MADPO_PANELS]; /* w = 0: not shown */
    int n_panels;
    bool status_only;
} madpo_layout;

madpo_layout madpo_layout_make(int w, int h, const madpo_layout_wish *wish);
/* Does a panel need the whole width (texts), or can it stand beside another? */
bool madpo_panel_is_wide(madpo_panel panel);
#endif
