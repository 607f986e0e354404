#ifndef MADPO_TRAIN_LOOP_INSIDE_H
#define MADPO_TRAIN_LOOP_INSIDE_H
/* The step loop's own state, shared by loop.c, loop_state.c and loop_control.c. */
#include "train/batches.h"
#include "train/loop.h"
#include "train/optimiser.h"
#include "train/schedule.h"
#include "train/system.h"

/* What a checkpoint carries beside weights and moments. */
typedef struct madpo_loop_state {
    int64_t step;      /* steps done, skipped ones included */
    int64_t updates;   /* optimiser updates */
    int64_t n_tokens;  /* seen in training */
    int64_t bad_steps; /* skipped in a row, up to now */
    int64_t best_step; /* -1 = none */
    double best_loss;  /* held-out, of best_step */
    double eval_loss;  /* the last evaluation's, NaN = none yet */
    int64_t n_stale;   /* evaluations since best_step */
    size_t n_rows;     /* rows gathered since the last step event */
    double lr_scale;   /* of the schedule's learning rates, as asked for (train/control.h) */
    int64_t eval_step; /* of the last evaluation, -1 = none */
} madpo_loop_state;

/* Times of the last step timed, and since the last "system" event; all in seconds. */
typedef struct madpo__watch {
    int64_t n;         /* events of this call */
    bool timed;        /* the step under way */
    double step_began; /* monotonic */
    double step_gathered;
    double step, forward, backward, optimizer, data;
    double began;       /* of the interval, monotonic */
    int64_t first_step; /* steps done then */
    double wrote;       /* madpo_run_writing_seconds then */
    double evaluate, checkpoint;
    madpo_system_kernels kernels; /* totals then */
} madpo__watch;

typedef struct madpo_loop {
    const madpo_loop_setup *set;
    const char *stage, *name; /* of the task */
    char what[96];            /* for the progress */
    madpo_model *model;       /* set->net's */
    uint64_t dropout;         /* seed */
    madpo_schedule schedule;
    madpo_optimiser *optimiser;
    madpo_batches batches;
    size_t batch; /* examples of a full step */
    int64_t steps_per_epoch, total_steps;
    int64_t *order;          /* [train n] of epoch `epoch` */
    int64_t epoch;           /* -1 = none yet */
    int64_t *held_out_order; /* [held_out n] 0, 1, 2, … */
    double *rows;            /* [n_rows capacity, n_columns] since the last step event */
    double *eval_rows;       /* [held_out n, n_columns] */
    float *best;             /* [weights n] best weights so far, NULL without early stopping */
    madpo_loop_state state;
    int64_t saved_step;   /* of the newest checkpoint, -1 = none or of another state */
    int64_t control_step; /* the control file is done up to this step, -1 = not begun */
    double grad_norm, lr; /* of the last step */
    double loss;          /* of the last step event, NaN = none since this process began */
    double log_clock;     /* seconds, when the last step event was written */
    int64_t log_tokens;   /* state.n_tokens then */
    size_t log_examples;  /* trained on since */
    madpo_meter meter;
    madpo__watch watch;
} madpo_loop;

/* Append an event of the stage; one of several models of it is named, too ("model"). */
madpo_status madpo__loop_event(const madpo_loop *loop, const char *ev, json_t *fields,
                               madpo_error *err) MADPO_MUST_CHECK;
/* Write a checkpoint of the current state; nothing to do if this step has one. */
madpo_status madpo__loop_save(madpo_loop *loop, madpo_error *err) MADPO_MUST_CHECK;
/* Go back to the newest checkpoint, if there is one. */
madpo_status madpo__loop_restore(madpo_loop *loop, madpo_error *err) MADPO_MUST_CHECK;
/* Loss of the held-out examples, now. */
madpo_status madpo__loop_evaluate(madpo_loop *loop, madpo_error *err) MADPO_MUST_CHECK;
/* Do what was asked for, at the end of a step; waits while the run is paused. MADPO_ERR_STOPPED
 * after a stop, with a checkpoint saved. */
madpo_status madpo__loop_control(madpo_loop *loop, madpo_error *err) MADPO_MUST_CHECK;
/* The same before the first step, for what a control file has there, and to tell that the steps
 * begin. */
madpo_status madpo__loop_control_begin(madpo_loop *loop, madpo_error *err) MADPO_MUST_CHECK;
/* loop_watch.c: an interval begins; a step begins, whose event will be written (`logged`); its
 * gradients are there; its weights are updated; its "system" event, if it is due. */
void madpo__watch_begin(madpo_loop *loop);
void madpo__watch_step(madpo_loop *loop, bool logged);
void madpo__watch_gathered(madpo_loop *loop);
madpo_status madpo__watch_updated(madpo_loop *loop, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo__watch_event(madpo_loop *loop, madpo_error *err) MADPO_MUST_CHECK;
/* Rows that fit before a step event empties them. */
size_t madpo__loop_row_capacity(const madpo_loop *loop);
#endif
