#ifndef MADPO_TUI_TUI_H
#define MADPO_TUI_TUI_H
/* Watching a run: on a terminal, as one picture in text, or as plain lines. Reads the run directory
 * and nothing else; the trainer does not know that it is watched.
 */
#include <stdio.h>

#include "madpo/error.h"

enum { MADPO_TUI_COMPARED = 6 };

typedef struct madpo_tui_options {
    const char *run;                         /* its folder, or that of an experiment */
    const char *compare[MADPO_TUI_COMPARED]; /* folders of other runs, NULL = none */
    const char *glyphs;                      /* "braille", "block", "ascii", "auto" */
    const char *color;                       /* "never", "16", "256", "auto" */
    const char *background;                  /* "dark", "light", "auto" */
    bool mouse;
    bool control;       /* may steer the run */
    bool attached;      /* the run was started from here */
    const char *dump;   /* "80x24": print one picture and end; NULL = watch */
    const char *panel;  /* print this panel as numbers and end, "cells" of an experiment; or NULL */
    const char *at;     /* "STEP" or "STAGE:STEP" to show; NULL = now */
    const char *script; /* file of keys typed before the picture is printed, NULL = none */
    double plain_every; /* seconds between plain lines */
} madpo_tui_options;

/* The newest run in runs/ or experiment in experiments/ (owned by the caller, free()); NULL without
 * error if there is none. */
madpo_status madpo_tui_find_latest(char **out, madpo_error *err) MADPO_MUST_CHECK;
/* Print one picture as text on `out`, or a panel as numbers. */
madpo_status madpo_tui_dump(const madpo_tui_options *options, FILE *out,
                            madpo_error *err) MADPO_MUST_CHECK;
/* Print a line about the run now and whenever it has moved on, until it ends. */
madpo_status madpo_tui_plain(const madpo_tui_options *options, FILE *out,
                             madpo_error *err) MADPO_MUST_CHECK;
/* Can standard input and output show pictures? If not, *why says why (a constant). */
bool madpo_tui_has_terminal(const char **why);
/* Watch on the terminal until the user leaves. */
madpo_status madpo_tui_watch(const madpo_tui_options *options, madpo_error *err) MADPO_MUST_CHECK;
#endif
