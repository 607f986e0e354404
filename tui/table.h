#ifndef MADPO_TUI_TABLE_H
#define MADPO_TUI_TABLE_H
/* The screen of an experiment: a table of its cells, live or finished, from which each can be
 * opened as a run of its own. As pure as the view of a run (view.h): keys go in, a grid comes out.
 */
#include "tui/cells.h"
#include "tui/view.h"

enum {
    MADPO_TABLE_RUN_ORDER,
    MADPO_TABLE_STATE,
    MADPO_TABLE_NAME,
    MADPO_TABLE_TIME,
    MADPO_TABLE_FIGURE, /* and madpo_figure behind it */
    MADPO_TABLE_SORTS = MADPO_TABLE_FIGURE + MADPO_FIGURES
};

typedef struct madpo_table {
    madpo_cells *cells; /* owned */
    size_t *shown;      /* [n_shown] owned: numbers of the parts that pass the filter, in order */
    size_t n_shown, top;
    char *at;      /* owned: folder of the part under the cursor, NULL = the first */
    size_t cursor; /* its place in `shown`, as of the last picture */
    int rows;      /* of the table in the last picture */
    int sort;
    bool descending;
    char filter[MADPO_VIEW_TEXT], typed[MADPO_VIEW_TEXT];
    bool typing, help, log_file; /* log_file: log.txt of the part under the cursor, not the notes */
    int help_scroll;
    char help_filter[MADPO_VIEW_TEXT];
    char message[200]; /* in place of the last note, until the next key */
    bool control, attached;
    bool stopping; /* the message says that a stop was accepted: it goes when that is done */
    madpo_menu menu;
    madpo_glyphs glyphs;
    double now; /* seconds since 1970; NaN in dumps */
} madpo_table;

/* Takes the cells. */
void madpo_table_init(madpo_table *table, madpo_cells *cells);
void madpo_table_dispose(madpo_table *table);
/* Draw a picture of w x h; fails for want of memory only. */
madpo_status madpo_table_render(madpo_grid *grid, madpo_table *table, int w, int h,
                                madpo_error *err) MADPO_MUST_CHECK;
/* Take a key. MADPO_ACTION_OPEN: show the part under the cursor, with those marked beside it. */
madpo_action madpo_table_key(madpo_table *table, int key);
void madpo_table_mouse(madpo_table *table, int x, int y, int wheel);
/* The part under the cursor, NULL without one. */
madpo_part *madpo_table_part(const madpo_table *table);

/* ---- for the file that draws ---- */

/* Bring `shown` and the cursor up to date. */
madpo_status madpo_table_arrange(madpo_table *table, madpo_error *err) MADPO_MUST_CHECK;
extern const char *const madpo_table_sort_names[MADPO_TABLE_SORTS];

/* The table of its keys: dispatcher, help and the bar, as that of a run. */
typedef struct madpo_table_row {
    int keys[6]; /* 0 ends */
    const char *shown, *bar, *help;
    madpo_action (*run)(madpo_table *table, int key);
} madpo_table_row;
extern const madpo_table_row madpo_table_keys[];
extern const int madpo_n_table_keys;
/* The key that needs control: not in the bar without. */
madpo_action madpo_table_stop(madpo_table *table, int key);
#endif
