#ifndef MADPO_TRAIN_LOOP_H
#define MADPO_TRAIN_LOOP_H
/* The step loop of every training stage: micro-batches, optimiser, schedule, events, held-out
 * evaluation with early stopping, checkpoints and exact resume. What is trained is the task's
 * affair.
 *
 * A step is `batch` examples (the last step of an epoch takes what is left), packed into
 * micro-batches by token budget; its gradient is that of the mean loss per unit (token or pair)
 * over the whole step, however it was cut into micro-batches. The order of an epoch is a pure
 * function of (seed, epoch), so a checkpoint holds no random state: weights, moments, counters, the
 * best weights so far and the rows not yet reported are all there is, and a resumed run ends with
 * the same bits as an undisturbed one.
 *
 * Every micro-batch of training has a counter of its own, step * 2^20 + its number in the step,
 * from which its dropout masks follow; evaluation drops nothing.
 *
 * A step whose gradient norm or loss is not finite is skipped and told by a "warning" event; after
 * run.max_bad_steps of them in a row the stage fails.
 */
#include "train/stage_model.h"

/* What a task computes. Every example of a micro-batch gives one row of `n_columns` doubles, of
 * which the loop knows the first two: the example's loss (a sum over its units) and its units; the
 * others are the task's own. */
enum { MADPO_ROW_LOSS, MADPO_ROW_UNITS, MADPO_ROW_OWN };

typedef struct madpo_loop_task {
    const char *stage; /* its settings and events */
    const char *name; /* of what is trained, in checkpoints, seeds and messages: NULL = the stage */
    size_t n_columns;
    void *user;
    /* Units of loss of an example, before it is run: tokens, or 1 for a pair. */
    int64_t (*units)(const madpo_example *example);
    /* Forward pass: fill rows [examples, n_columns], in the batch's order. If scale > 0 also the
     * backward pass of scale * (sum of the rows' losses). */
    madpo_status (*run)(void *user, madpo_model *model, const madpo_batch *batch, double scale,
                        double *rows, madpo_error *err);
    /* Add the task's own metrics of rows [n, n_columns] to `fields`, each name behind `prefix`. */
    void (*report)(void *user, const double *rows, size_t n, const char *prefix, json_t *fields);
    /* After a step event, with the last step's rows; may be NULL. */
    madpo_status (*logged)(void *user, int64_t step, const double *rows, size_t n,
                           madpo_error *err);
    /* Before the first step of this call, when `step` steps are done (by a checkpoint); and after
     * every evaluation, and the last step if that is none, with the weights of that step: for more
     * to be said of them. Forward passes are free to be made, and change nothing. May be NULL. */
    madpo_status (*begun)(void *user, int64_t step, madpo_error *err);
    madpo_status (*evaluated)(void *user, int64_t step, madpo_error *err);
    /* Of a held-out evaluation at `step`, before its event is written: further fields of it.
     * Forward passes are free to be made, and change nothing. May be NULL. */
    madpo_status (*measured)(void *user, int64_t step, json_t *fields, madpo_error *err);

    /* Tasks that decide about a whole step before any of it is trained; all four or none.
     *
     * `plan` gets the rows of the step's examples, in its order, from forward passes without
     * dropout (`run` with scale 0). What it decides it leaves in them, for `run` to find when the
     * training passes come, and it sets their units: those of the step's mean. */
    madpo_status (*plan)(void *user, double *rows, size_t n, madpo_error *err);
    /* Backward pass of the very batch `run` was last called with, whose rows are planned by now: a
     * step that is one micro-batch needs no second forward pass. Fills the rows as `run` does. */
    madpo_status (*backward)(void *user, madpo_model *model, const madpo_batch *batch, double scale,
                             double *rows, madpo_error *err);
    /* What the task remembers from step to step, to a checkpoint and back (new reference, NULL
     * without memory; `state` NULL: there is none in the file `where`). */
    json_t *(*save)(void *user);
    madpo_status (*load)(void *user, const json_t *state, const char *where, madpo_error *err);
} madpo_loop_task;

typedef struct madpo_loop_setup {
    madpo_stage_context *ctx;
    const madpo_stage_options *options;
    const madpo_loop_task *task;
    const madpo_stage_model *net;   /* with the weights to start from */
    const madpo_examples *train;    /* not empty */
    const madpo_examples *held_out; /* may be empty: then no evaluation, no early stopping */
    madpo_batch_limits limits;      /* what the model was planned for */
} madpo_loop_setup;

typedef struct madpo_loop_result {
    int64_t steps, updates;
    int64_t
        best_step; /* whose weights the model holds; -1 = the last step's, early stopping is off */
    double eval_loss; /* held-out loss of those weights, NaN without held-out examples */
    /* device buffers created, programs built since the first step of this call: none */
    uint64_t late_buffers, late_programs;
} madpo_loop_result;

/* Train to the end; the model then holds the last weights, or the best ones if patience > 0. Goes
 * on from the stage's newest checkpoint if there is one. MADPO_ERR_STOPPED after a stop request
 * (checkpoint saved), MADPO_ERR_NUMERIC after too many bad steps. */
madpo_status madpo_loop_run(const madpo_loop_setup *setup, madpo_loop_result *result,
                            madpo_error *err) MADPO_MUST_CHECK;

/* Steps of a whole stage over n examples: max_steps, or ceil(epochs * ceil(n / batch)). */
int64_t madpo_loop_total_steps(const madpo_stage_options *options, size_t n);
/* Order of epoch `epoch` of a stage, as the loop uses it. index [n] write. */
void madpo_loop_order(int64_t *index, size_t n, const madpo_stage_context *ctx, const char *stage,
                      int64_t epoch);

/* Rows that one report of training steps can hold, at most: run.log_every steps, or all there are.
 */
int64_t madpo_loop_report_rows(const madpo_stage_context *ctx, const madpo_stage_options *options,
                               size_t n);

/* Metrics helpers for `report`: one named number, and the mean of a column. */
void madpo_loop_metric(json_t *fields, const char *prefix, const char *name, double value);
double madpo_loop_column_mean(const double *rows, size_t n, size_t n_columns, size_t column);
#endif
