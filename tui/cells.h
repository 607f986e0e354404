#ifndef MADPO_TUI_CELLS_H
#define MADPO_TUI_CELLS_H
/* An experiment opened for watching: its parts (runs that share a folder; those of the comparison
 * are its cells), what became of each and the figures it has so far. Reads experiment.json, the
 * events and cell.json of the parts, a slice at a time and again whenever they have grown; an
 * experiment without experiment.json shows the folders that are there. Writes nothing.
 */
#include "base/strbuf.h"
#include "run/reader.h"

typedef enum madpo_part_state { /* in the order of interest */
                                MADPO_PART_RUNNING,
                                MADPO_PART_FAILED,
                                MADPO_PART_STOPPED, /* begun, and nobody works on it: left over from
                                                       a stop */
                                MADPO_PART_WAITING,
                                MADPO_PART_LEFT, /* not begun, and nobody will now: left out, or the
                                                    experiment was stopped */
                                MADPO_PART_DONE,
                                MADPO_PART_STATES
} madpo_part_state;
extern const char *const madpo_part_state_names[MADPO_PART_STATES];

typedef enum madpo_figure {
    MADPO_FIGURE_SCORE, /* mean true reward of the policy's samples */
    MADPO_FIGURE_GAIN,  /* that less the reference's */
    MADPO_FIGURE_ACCURACY,
    MADPO_FIGURE_MARGIN,
    MADPO_FIGURE_EVAL,
    MADPO_FIGURE_LOSS,
    MADPO_FIGURE_ESS,
    MADPO_FIGURES
} madpo_figure;
extern const char *const madpo_figure_names[MADPO_FIGURES];

typedef struct madpo_part {
    char *dir, *name;                  /* owned; name: the cell's, or "shared/sft" */
    char *tier, *method, *seed;        /* owned, NULL where it has none */
    bool cell, chosen, marked, paused; /* chosen: not left out by --only */
    madpo_part_state state;
    char reason[200];             /* of a failure */
    char stage[32], ended[24];    /* at work now, or last; status of the last "end", "" = none */
    double step, total_steps;     /* of the stage; 0 without steps */
    double t_first, t_last;       /* of its events, seconds since 1970, NaN before the first */
    double seconds;               /* spent on it, pauses between two processes left out */
    double figure[MADPO_FIGURES]; /* NaN while unknown */
    double reference;
    int64_t n_warnings, size;
    uint64_t inode;
    madpo_run_reader *reader; /* owned; NULL before it has begun and once it is read to its end */
} madpo_part;

typedef struct madpo_cells {
    char *dir, *name;  /* owned */
    madpo_part **part; /* [n] owned, in the order they run */
    size_t n;
    bool live; /* a process works on it */
    long pid;
    int64_t listed;   /* what experiment.json was when it was read: time and size */
    double looked_at; /* seconds of a steady clock */
} madpo_cells;

/* Is there an experiment in this folder? */
bool madpo_cells_are_in(const char *dir);

madpo_status madpo_cells_open(madpo_cells **out, const char *dir,
                              madpo_error *err) MADPO_MUST_CHECK;
void madpo_cells_close(madpo_cells *cells); /* accepts NULL */
/* Look for what is new, for at most `seconds`. *more: there is more to be read now. */
madpo_status madpo_cells_load(madpo_cells *cells, double seconds, bool *changed, bool *more,
                              madpo_error *err) MADPO_MUST_CHECK;

/* Cells that count (were not left out), and how many of them are over. */
typedef struct madpo_cells_sum {
    size_t n, done, failed;
    const madpo_part *running; /* borrowed, NULL if none */
    double share;              /* of the work, 0 to 1: cells over and part of the one that runs */
    double left;               /* seconds, from the middle one of the times that cells took; NaN
                                  before one is done and when nobody works on them */
} madpo_cells_sum;
madpo_cells_sum madpo_cells_count(const madpo_cells *cells);
/* "quick: 3 of 8 cells done, 1 failed; high-dpo-s1 policy step 4/15 ...", the same words always. */
void madpo_cells_line(char *text, size_t size, const madpo_cells *cells);

/* Append the parts as a table: names of columns in the first line, tabs between. */
void madpo_cells_numbers(madpo_strbuf *out, const madpo_cells *cells);

/* What happened, by time: newest last. */
typedef struct madpo_cells_note {
    double t;
    bool alert;
    char text[240];
} madpo_cells_note;
/* At most `max` of the newest into notes; returns how many. */
size_t madpo_cells_notes(const madpo_cells *cells, madpo_cells_note *notes, size_t max);
#endif
