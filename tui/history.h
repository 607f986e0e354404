#ifndef MADPO_TUI_HISTORY_H
#define MADPO_TUI_HISTORY_H
/* All that the events of a run say, in bounded memory: the curves of every stage, the distribution
 * of weights, and the notes (checkpoints, evaluations, control, warnings) that are ticks in the
 * plots and lines in the log. Filled line by line; asked about any moment of the run.
 */
#include "tui/hist.h"
#include "tui/samples.h"
#include "tui/series.h"

enum {
    MADPO_HISTORY_STAGES = 32,
    MADPO_HISTORY_METRICS = 96, /* a stage's; further names are dropped */
    MADPO_HISTORY_NOTES = 2048  /* the newest are kept */
};

typedef struct madpo_metric {
    char *name; /* owned */
    madpo_series series;
} madpo_metric;

typedef struct madpo_phase { /* a stage of the run */
    char *name;              /* owned */
    madpo_metric metrics[MADPO_HISTORY_METRICS];
    size_t n_metrics, hint;
    /* by step: seconds since 1970, tokens seen, examples seen */
    madpo_series clock, tokens, examples;
    madpo_series work; /* seconds of work by step: the clock, less what the run stood */
    madpo_heat heat;
    double begun, ended; /* seconds since 1970, NaN if not */
    double step, total_steps;
    bool done;
} madpo_phase;

typedef enum madpo_note_kind {
    MADPO_NOTE_STAGE,
    MADPO_NOTE_CHECKPOINT,
    MADPO_NOTE_EVAL,
    MADPO_NOTE_CONTROL,
    MADPO_NOTE_WARNING,
    MADPO_NOTE_END,
    MADPO_NOTE_OTHER
} madpo_note_kind;

typedef struct madpo_note {
    double t, step; /* step NaN if it has none */
    int phase;      /* -1 if it belongs to none */
    madpo_note_kind kind;
    char text[200];
} madpo_note;

typedef struct madpo_history {
    madpo_phase *phases[MADPO_HISTORY_STAGES]; /* owned, in the order they began */
    size_t n_phases;
    madpo_note *notes; /* [MADPO_HISTORY_NOTES] owned; number i is notes[i % MADPO_HISTORY_NOTES] */
    int64_t n_notes, n_warnings, n_events, n_bad;
    double t_first, t_last; /* seconds since 1970, NaN before the first event */
    bool ended;
    char status[32];         /* of the last "end" event */
    bool paused;             /* the last control event said so */
    double paused_at, stood; /* since when, NaN = not; seconds in all of pauses and between ends */
} madpo_history;

void madpo_history_init(madpo_history *history);
void madpo_history_dispose(madpo_history *history);
/* Take a line of events.jsonl. What is no event is counted in n_bad. */
madpo_status madpo_history_line(madpo_history *history, madpo_samples *samples, const char *line,
                                size_t n, madpo_error *err) MADPO_MUST_CHECK;

/* Index of a stage by name, -1 if it has not begun. */
int madpo_history_phase(const madpo_history *history, const char *name);
/* A curve of a stage, NULL if it has none of this name. */
const madpo_series *madpo_phase_metric(const madpo_phase *phase, const char *name);
/* Note by number, n_notes - 1 being the newest; NULL if it is no longer kept. */
const madpo_note *madpo_history_note(const madpo_history *history, int64_t number);

/* A moment of the run: the stage at work and its step. */
typedef struct madpo_moment {
    int phase;   /* -1 before the first */
    double step; /* of that stage */
    double t;    /* seconds since 1970 */
} madpo_moment;
/* The moment of the last event. */
madpo_moment madpo_history_now(const madpo_history *history);
/* The moment a stage stood at a step. */
madpo_moment madpo_history_moment(const madpo_history *history, int phase, double step);
/* The step that another stage stood at, at this moment: all of it if it was over, -1 if it had not
 * begun. */
double madpo_history_step_of(const madpo_history *history, int phase, madpo_moment moment);
#endif
