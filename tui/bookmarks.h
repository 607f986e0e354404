#ifndef MADPO_TUI_BOOKMARKS_H
#define MADPO_TUI_BOOKMARKS_H
/* Moments of a run that somebody wants to come back to: a stage and a step. Kept, if they are, in
 * $XDG_STATE_HOME/madpo/bookmarks/ID (else $HOME/.local/state/…), ID being the run's, a moment a
 * line: "policy 120". The run directory is not written.
 */
#include "tui/history.h"

enum { MADPO_BOOKMARKS = 64 };

typedef struct madpo_bookmark {
    char stage[48];
    double step;
} madpo_bookmark;

typedef struct madpo_bookmarks {
    madpo_bookmark v[MADPO_BOOKMARKS]; /* stages in the order they came, steps of one ascending */
    int n;
    char *path; /* owned; NULL: for this session only */
} madpo_bookmarks;

/* Read those of a run with this id; `id` NULL or without a place to keep them: none, and they are
 * not kept. What is no bookmark in the file is passed over. */
void madpo_bookmarks_open(madpo_bookmarks *marks, const char *id);
void madpo_bookmarks_dispose(madpo_bookmarks *marks);
/* Set one at this moment, or remove the one that is there; *set says which. MADPO_ERR_USAGE when
 * there are too many, MADPO_ERR_IO if it could not be kept (it is set all the same). */
madpo_status madpo_bookmarks_toggle(madpo_bookmarks *marks, const madpo_history *history,
                                    madpo_moment at, bool *set, madpo_error *err) MADPO_MUST_CHECK;
/* Number of the next one after a moment, or of the one before; -1 if there is none. Stages that the
 * run does not have (yet) are passed over. */
int madpo_bookmarks_next(const madpo_bookmarks *marks, const madpo_history *history,
                         madpo_moment at, bool forward);
#endif
