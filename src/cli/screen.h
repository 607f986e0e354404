#ifndef MADPO_CLI_SCREEN_H
#define MADPO_CLI_SCREEN_H
/* Shows a run as it goes: messages and progress for people, events as JSON lines for programs.
 *
 *   default     messages and progress on standard output; on a terminal the progress is one line
 * redrawn in place and cut to the width, elsewhere now and then a plain line
 *   --headless  plain lines even on a terminal
 *   --json      events on standard output and nothing else there; messages and progress on standard
 * error if that is a terminal
 *   --quiet     errors only (and events with --json)
 *
 * Losing standard output does not hurt the run: everything is in the run directory, too.
 */
#include <stdio.h>

#include "base/strbuf.h"
#include "madpo/trainer.h"

typedef struct madpo_cli_screen {
    FILE *out;           /* messages and progress, NULL = none */
    bool redraw;         /* out is a terminal to draw on */
    bool json;           /* events to standard output */
    bool drawn;          /* a progress line stands on the terminal */
    bool lost;           /* standard output is gone; told once */
    double printed_at;   /* monotonic seconds of the last plain progress line */
    double began_at;     /* … of the first progress of the activity going on */
    char *activity;      /* "stage: what" of the activity going on, owned */
    char *printed_stage; /* stage of the last plain line, owned */
    madpo_listener listener;
} madpo_cli_screen;

/* `screen` must stay where it is while its listener is in use. */
void madpo__screen_init(madpo_cli_screen *screen, bool headless, bool json, bool quiet);
/* Wipe a progress line that stands on the terminal, before something else is printed. */
void madpo__screen_clear(madpo_cli_screen *screen);
/* Append text that may come from data, control characters but newline and tab replaced. */
void madpo__screen_append_clean(madpo_strbuf *b, const char *text);
void madpo__screen_dispose(madpo_cli_screen *screen);
#endif
