#ifndef MADPO_TUI_NUMBERS_H
#define MADPO_TUI_NUMBERS_H
/* Panels as numbers: what a panel draws, as a table with the names of its columns in the first line
 * and tabs between them. For screen readers, scripts and spreadsheets. Not known: "nan".
 */
#include "base/strbuf.h"
#include "tui/view.h"

typedef struct madpo_numbers_panel {
    madpo_panel panel;
    const char *name;    /* "loss": what it is asked for by */
    const char *columns; /* their names with tabs between */
    madpo_status (*write)(madpo_strbuf *out, madpo_view *view, madpo_error *err);
} madpo_numbers_panel;
/* A row for every panel, in the order of their keys. */
extern const madpo_numbers_panel madpo_numbers_panels[];
extern const int madpo_n_numbers_panels;

/* Append a panel at the moment shown; the view must have been drawn. */
madpo_status madpo_numbers_write(madpo_strbuf *out, madpo_view *view, madpo_panel panel,
                                 madpo_error *err) MADPO_MUST_CHECK;
/* The panel of this name. MADPO_ERR_USAGE naming those that there are. */
madpo_status madpo_numbers_find(madpo_panel *panel, const char *name,
                                madpo_error *err) MADPO_MUST_CHECK;
/* Append a text with its tabs, line ends and backslashes escaped. */
void madpo_numbers_text(madpo_strbuf *out, const char *text);
#endif
