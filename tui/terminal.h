#ifndef MADPO_TUI_TERMINAL_H
#define MADPO_TUI_TERMINAL_H
/* The only part that knows ncurses: a grid goes out, keys come in, and the terminal is given back
 * as it was, whatever happens.
 */
#include "base/strbuf.h"
#include "tui/grid.h"

/* What recordings are made for: what every terminal emulator of today is like. */
#define MADPO_TERMINAL_FILE_TERM "xterm-256color"

typedef struct madpo_terminal_options {
    const char *color;      /* "never", "16", "256", "auto" or NULL; checked */
    const char *background; /* "dark", "light", "auto" or NULL */
    bool mouse;
} madpo_terminal_options;

/* Something the user or the system did. */
typedef enum madpo_event_kind {
    MADPO_EVENT_NONE,    /* time is over */
    MADPO_EVENT_IGNORED, /* a key that means nothing here; there may be more */
    MADPO_EVENT_KEY,
    MADPO_EVENT_MOUSE,
    MADPO_EVENT_RESIZE,
    MADPO_EVENT_END /* a signal asks to end, or the terminal is gone */
} madpo_event_kind;
typedef struct madpo_terminal_event {
    madpo_event_kind kind;
    int key;         /* see tui/view.h */
    bool pasted;     /* the key comes out of a text that was pasted */
    int x, y, wheel; /* of the mouse */
} madpo_terminal_event;

/* Take the terminal. Standard error goes to a file of its own until it is given back. */
madpo_status madpo_terminal_open(const madpo_terminal_options *options,
                                 madpo_error *err) MADPO_MUST_CHECK;
/* Draw for a terminal of w x h that nobody sits at: what would be sent to it goes to a file. Takes
 * no signals and no keys; the locale's characters must be UTF-8. Ended by _close, too. */
madpo_status madpo_terminal_open_file(const madpo_terminal_options *options, int w, int h,
                                      madpo_error *err) MADPO_MUST_CHECK;
/* Append the bytes sent since the last _take. */
madpo_status madpo_terminal_take(madpo_strbuf *out, madpo_error *err) MADPO_MUST_CHECK;
/* Give it back and show what was written to standard error meanwhile. */
void madpo_terminal_close(void);
void madpo_terminal_size(int *w, int *h);
bool madpo_terminal_has_colors(void);
/* Show a grid: only cells that differ from what is shown are sent. */
void madpo_terminal_show(const madpo_grid *grid);
/* Show everything anew at the next _show. */
void madpo_terminal_repaint(void);
void madpo_terminal_mouse(bool on);
/* Wait for at most so many milliseconds. */
madpo_terminal_event madpo_terminal_wait(int ms);
/* The signal that asked to end, 0 if none did. */
int madpo_terminal_signal(void);
#endif
