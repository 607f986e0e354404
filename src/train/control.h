#ifndef MADPO_TRAIN_CONTROL_H
#define MADPO_TRAIN_CONTROL_H
/* What a run is asked to do while it goes on, and when it does it: at the end of a step, or, in a
 * stage without steps, between two pieces of its work. Requests come through the run's socket
 * (run/control.h), as signals (the flags of the stage context), or from a control file. Inside
 * src/train only.
 *
 * The socket's thread answers at once, from what the training thread last told, and queues what it
 * accepted; everything is done by the training thread. While a run is paused that one sleeps. */
#include "run/control.h"
#include "train/stages.h"

/* What is known about the run, for status and to accept or refuse requests. The answer to a status
 * request has it as
 *
 *     {"stage":"sft","unit":"step","done":17,"total":400,"paused":false,"stopping":false,
 *      "accepted":3,"applied":2,"next_lr":0.001,"loss":5.2,"eval_loss":null,"pid":123,"run":"DIR"}
 *
 * where "accepted" is the id of the last request accepted and "applied" of the last one dealt
 * with. */
typedef struct madpo_control_view {
    const char *stage; /* of static storage */
    const char *unit;  /* "step", "pair", "sample", of static storage */
    int64_t done, total;
    bool steps;        /* the stage trains, and has begun to */
    bool can_evaluate; /* there are held-out examples */
    double next_lr;    /* the next step's; NaN if there is none, 0 where the schedule has 0 */
    double loss;       /* of the last step event, NaN = none */
    double eval_loss;  /* of the last held-out evaluation, NaN = none */
} madpo_control_view;

/* Something to do now. */
typedef struct madpo_control_order {
    madpo_control_request request;
    const char *by; /* "socket", "signal" or "file" */
} madpo_control_order;

/* Read a control file and check that its stages are such as take steps. */
madpo_status madpo_control_read(madpo_control_list *out, const char *path,
                                madpo_error *err) MADPO_MUST_CHECK;
/* `file` is what a control file says (borrowed, may be empty). With `listen`, listen in the run's
 * directory; that it cannot is a warning of the run, no error. */
madpo_status madpo_control_open(madpo_control **out, madpo_run *run, bool listen,
                                const madpo_control_list *file, madpo_error *err) MADPO_MUST_CHECK;
void madpo_control_close(madpo_control *control); /* accepts NULL */

/* Tell what is known now. */
void madpo_control_show(madpo_stage_context *ctx, const madpo_control_view *view);
/* The next entry of the control file, from *next on, for a step in (after, step] of this stage:
 * false if there is none (left). */
bool madpo_control_from_file(const madpo_stage_context *ctx, size_t *next, const char *stage,
                             int64_t after, int64_t step, madpo_control_order *out);
/* What signals and socket ask for; false = nothing more now. While the run is paused this waits for
 * something to do. */
bool madpo_control_next(madpo_stage_context *ctx, madpo_control_order *out);
/* Pause, or go on. */
void madpo_control_set_paused(madpo_stage_context *ctx, bool paused);
/* What was asked for has been dealt with, and what is known says so: only now may whoever waits for
 * it be told. */
void madpo_control_finish(madpo_stage_context *ctx, const madpo_control_order *order);
/* Seconds spent waiting so far: what is paused is no working time. */
double madpo_control_waited(const madpo_stage_context *ctx);

/* Write what was done to events.jsonl: `fields` (stolen) with action and by in front; `at` is step
 * or done. `refused` NULL = it was done. */
madpo_status madpo_control_event(madpo_stage_context *ctx, const madpo_control_order *order,
                                 const char *stage, const char *at, int64_t n, json_t *fields,
                                 const char *refused, madpo_error *err) MADPO_MUST_CHECK;

/* Serve requests in a stage without steps; MADPO_ERR_STOPPED after a stop. */
madpo_status madpo_control_between(madpo_stage_context *ctx, const char *stage, int64_t done,
                                   int64_t total, const char *unit,
                                   madpo_error *err) MADPO_MUST_CHECK;
#endif
