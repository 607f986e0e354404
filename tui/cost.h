#ifndef MADPO_TUI_COST_H
#define MADPO_TUI_COST_H
/* What the front end costs, measured on its own parts without a terminal: for `madpo bench watch`
 * and the tests that keep it small. */
#include "madpo/error.h"

/* Opening a run that is there, as on a terminal of w x h. Seconds are from the beginning. */
typedef struct madpo_cost_open {
    double first_seconds; /* until the first picture */
    double whole_seconds; /* until the picture of the whole log */
    double
        longest_seconds; /* that keys had to wait meanwhile: one slice of reading and a picture */
    int64_t first_resident;   /* bytes of memory this process has then, all of it */
    int64_t whole_resident;   /* the most of them at any time */
    int64_t log_bytes, steps; /* of events.jsonl, and events of steps in it */
    int64_t points;           /* kept by all curves */
} madpo_cost_open;
madpo_status madpo_cost_open_run(madpo_cost_open *out, const char *dir, int w, int h,
                                 madpo_error *err) MADPO_MUST_CHECK;

/* A run's log written again line by line as it was, and watched meanwhile: the log is looked at
 * four times a second of the run's time, as on a terminal, and every picture sent. The same run
 * gives the same bytes. */
typedef struct madpo_cost_replay {
    int64_t frames;            /* pictures after the first */
    int64_t first_bytes;       /* of the first one, a whole screen */
    int64_t median, p90, most; /* bytes of the others */
    int64_t bytes;             /* of all */
    double seconds;            /* the run took */
    double cpu_seconds;        /* of reading, drawing and sending */
} madpo_cost_replay;
/* `scratch`: an empty folder, for the log that grows. */
madpo_status madpo_cost_replay_run(madpo_cost_replay *out, const char *dir, const char *scratch,
                                   int w, int h, madpo_error *err) MADPO_MUST_CHECK;
#endif
