/* The step loop. Read madpo_loop_run at the end first. */
#include "train/loop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "train/loop_inside.h"
#include "train/stats.h"

/* ---- the data's order ---- */

static int64_t steps_per_epoch(const madpo_stage_options *options, size_t n)
{
    return ((int64_t)n + options->batch - 1) / options->batch;
}

int64_t madpo_loop_total_steps(const madpo_stage_options *options, size_t n)
{
    if (options->max_steps > 0)
        return options->max_steps;
    return (int64_t)ceil(options->epochs * (double)steps_per_epoch(options, n) - 1e-9);
}

void madpo_loop_order(int64_t *index, size_t n, const madpo_stage_context *ctx, const char *stage,
                      int64_t epoch)
{
    madpo_pack_epoch_order(index, n, madpo_stage_seed(ctx, stage), (uint64_t)epoch);
}

/* Examples seen after so many steps. */
static int64_t loop_examples_seen(const madpo_loop *loop, int64_t steps)
{
    int64_t n = (int64_t)loop->set->train->n, epochs = steps / loop->steps_per_epoch;
    int64_t rest = steps % loop->steps_per_epoch * (int64_t)loop->batch;

    return epochs * n + (rest < n ? rest : n);
}

/* The examples of step `step`: a slice of its epoch's order. */
static size_t loop_step_examples(madpo_loop *loop, int64_t step, const int64_t **index)
{
    size_t n = loop->set->train->n;
    int64_t epoch = step / loop->steps_per_epoch;
    size_t first = (size_t)(step % loop->steps_per_epoch) * loop->batch;
    size_t left = n - first, batch = loop->batch;

    if (epoch != loop->epoch) {
        madpo_loop_order(loop->order, n, loop->set->ctx, loop->name, epoch);
        loop->epoch = epoch;
    }
    *index = loop->order + first;
    return left < batch ? left : batch;
}

/* ---- forward and backward over micro-batches ---- */

typedef struct loop_pass {
    madpo_loop *loop;
    double scale; /* 0 = forward only */
    double *rows; /* of the first example */
    uint64_t n;   /* micro-batches so far */
    bool done;    /* the backward passes are done, too */
} loop_pass;

enum { COUNTER_BITS = 20 }; /* micro-batches of a step that have counters of their own */

static madpo_status loop_micro_batch(void *user, const madpo_batch *batch, size_t first,
                                     madpo_error *err)
{
    loop_pass *pass = user;
    madpo_loop *loop = pass->loop;
    const madpo_loop_task *task = loop->set->task;
    bool train = pass->scale > 0.0;

    if (train)
        loop->state.n_tokens += batch->T;
    madpo_model_set_pass(loop->model, train, loop->dropout,
                         ((uint64_t)loop->state.step << COUNTER_BITS) + pass->n++);
    return task->run(task->user, loop->model, batch, pass->scale,
                     pass->rows + first * task->n_columns, err);
}

/* ---- tasks that plan their steps ---- */

static double rows_units(const double *rows, size_t n, size_t n_columns)
{
    double units = 0.0;

    for (size_t i = 0; i < n; i++)
        units += rows[i * n_columns + MADPO_ROW_UNITS];
    return units;
}

typedef struct loop_planning {
    loop_pass *pass;
    size_t n; /* examples of the step */
} loop_planning;

/* The step is one micro-batch and its forward pass has just been made, as training makes it. */
static madpo_status loop_plan_and_train(const loop_planning *planning, const madpo_batch *batch,
                                        madpo_error *err)
{
    loop_pass *pass = planning->pass;
    madpo_loop *loop = pass->loop;
    const madpo_loop_task *task = loop->set->task;
    madpo_status st = task->plan(task->user, pass->rows, planning->n, err);

    if (st != MADPO_OK)
        return st;
    loop->state.n_tokens += batch->T;
    pass->done = true;
    pass->scale = 1.0 / rows_units(pass->rows, planning->n, task->n_columns);
    return task->backward(task->user, loop->model, batch, pass->scale, pass->rows, err);
}

static madpo_status loop_plan_batch(void *user, const madpo_batch *batch, size_t first,
                                    madpo_error *err)
{
    const loop_planning *planning = user;
    loop_pass *pass = planning->pass;
    madpo_loop *loop = pass->loop;
    const madpo_loop_task *task = loop->set->task;
    /* with dropout the two forward passes are different ones */
    bool whole = loop->batches.ends[0] == planning->n && !madpo_stage_drops_out(loop->set->ctx);
    madpo_status st;

    madpo_model_set_pass(loop->model, whole, loop->dropout,
                         (uint64_t)loop->state.step << COUNTER_BITS);
    st = task->run(task->user, loop->model, batch, 0.0, pass->rows + first * task->n_columns, err);
    return st == MADPO_OK && whole ? loop_plan_and_train(planning, batch, err) : st;
}

/* Plan the step, and train it where that takes no further forward pass. */
static madpo_status loop_plan(loop_pass *pass, const int64_t *index, size_t n, madpo_error *err)
{
    madpo_loop *loop = pass->loop;
    const madpo_loop_task *task = loop->set->task;
    loop_planning planning = {.pass = pass, .n = n};
    madpo_status st = madpo_batches_each(&loop->batches, loop->set->train, index, n,
                                         loop_plan_batch, &planning, err);

    if (st != MADPO_OK || pass->done)
        return st;
    return task->plan(task->user, pass->rows, n, err);
}

static madpo_status loop_accumulate(madpo_loop *loop, const int64_t *index, size_t n, double *rows,
                                    madpo_error *err)
{
    const madpo_loop_task *task = loop->set->task;
    double units = 0.0;
    loop_pass pass = {.loop = loop, .rows = rows};
    madpo_status st = madpo_model_zero_grads(loop->model, err);

    if (st == MADPO_OK && task->plan)
        st = loop_plan(&pass, index, n, err);
    if (st != MADPO_OK || pass.done)
        return st;
    if (task->plan)
        units = rows_units(rows, n, task->n_columns);
    else
        for (size_t i = 0; i < n; i++)
            units += (double)task->units(&loop->set->train->v[index[i]]);
    pass.scale = 1.0 / (units > 0.0 ? units : 1.0);
    return madpo_batches_each(&loop->batches, loop->set->train, index, n, loop_micro_batch, &pass,
                              err);
}

/* Mean loss per unit. */
static double rows_loss(const double *rows, size_t n, size_t n_columns)
{
    double loss = 0.0, units = rows_units(rows, n, n_columns);

    for (size_t i = 0; i < n; i++)
        loss += rows[i * n_columns + MADPO_ROW_LOSS];
    return units > 0.0 ? loss / units : NAN;
}

/* ---- one step ---- */

static madpo_status loop_give_up(madpo_loop *loop, madpo_error *err)
{
    madpo_stage_context *ctx = loop->set->ctx;
    char *dir = NULL;
    int64_t step;
    madpo_status st = madpo_checkpoint_latest(&dir, &step, ctx->run, loop->name, err);

    if (st == MADPO_OK && dir)
        st = madpo_error_set(
            err, MADPO_ERR_NUMERIC,
            "%s: loss or gradient is not finite for %lld steps at step %lld: lower "
            "%s.lr (now %g) or lower %s.clip (now %g); last good weights in %s",
            loop->name, (long long)loop->state.bad_steps, (long long)loop->state.step, loop->stage,
            loop->set->options->lr, loop->stage, loop->set->options->clip, dir);
    else if (st == MADPO_OK)
        st = madpo_error_set(
            err, MADPO_ERR_NUMERIC,
            "%s: loss or gradient is not finite for %lld steps at step %lld: lower "
            "%s.lr (now %g) or lower %s.clip (now %g); the results of earlier stages "
            "in %s are as they were",
            loop->name, (long long)loop->state.bad_steps, (long long)loop->state.step, loop->stage,
            loop->set->options->lr, loop->stage, loop->set->options->clip, madpo_run_dir(ctx->run));
    free(dir);
    return st;
}

/* The step's gradients are of no use: leave the weights as they are and go on with the next
 * examples. */
static madpo_status loop_bad_step(madpo_loop *loop, madpo_error *err)
{
    madpo_loop_state *s = &loop->state;
    madpo_stage_context *ctx = loop->set->ctx;
    madpo_status st;

    madpo_model_set_timed(loop->model, false);
    loop->watch.timed = false;
    s->step++;
    s->bad_steps++;
    madpo_run_message(ctx->run, "%s: step %lld skipped: loss or gradient is not finite", loop->name,
                      (long long)s->step);
    st = madpo__loop_event(loop, "warning",
                           json_pack("{s:s,s:I,s:s,s:I}", "stage", loop->stage, "step",
                                     (json_int_t)s->step, "what", "not finite, step skipped",
                                     "in_a_row", (json_int_t)s->bad_steps),
                           err);
    if (st == MADPO_OK && s->bad_steps >= ctx->options->run.max_bad_steps)
        st = loop_give_up(loop, err);
    return st;
}

/* Does the event of a step come behind it (or earlier, should the rows run out)? */
static bool loop_is_logged(const madpo_loop *loop, int64_t step)
{
    return step == 1 || step % loop->set->ctx->options->run.log_every == 0 ||
           step >= loop->total_steps;
}

static madpo_status loop_step(madpo_loop *loop, madpo_error *err)
{
    madpo_loop_state *s = &loop->state;
    size_t n_columns = loop->set->task->n_columns;
    double *rows = loop->rows + s->n_rows * n_columns;
    const int64_t *index;
    size_t n = loop_step_examples(loop, s->step, &index);
    madpo_status st;

    madpo__watch_step(loop, loop_is_logged(loop, s->step + 1));
    st = loop_accumulate(loop, index, n, rows, err);
    madpo__watch_gathered(loop);
    if (st == MADPO_OK)
        st = madpo_optimiser_norm(loop->optimiser, &loop->grad_norm, err);
    if (st != MADPO_OK)
        return st;
    if (!isfinite(loop->grad_norm) || !isfinite(rows_loss(rows, n, n_columns)))
        return loop_bad_step(loop, err);
    loop->lr = madpo_schedule_lr(&loop->schedule, s->step) * s->lr_scale;
    st = madpo_optimiser_step(loop->optimiser, loop->lr, loop->grad_norm, err);
    if (st == MADPO_OK)
        st = madpo__watch_updated(loop, err);
    if (st != MADPO_OK)
        return st;
    s->step++;
    loop->log_examples += n;
    s->updates = madpo_optimiser_updates(loop->optimiser);
    s->bad_steps = 0;
    s->n_rows += n;
    return MADPO_OK;
}

/* ---- reporting ---- */

void madpo_loop_metric(json_t *fields, const char *prefix, const char *name, double value)
{
    char key[64];

    snprintf(key, sizeof key, "%s%s", prefix, name);
    json_object_set_new(fields, key, madpo_json_real(value));
}

double madpo_loop_column_mean(const double *rows, size_t n, size_t n_columns, size_t column)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += rows[i * n_columns + column];
    return n > 0 ? sum / (double)n : NAN;
}

static json_t *loop_step_fields(madpo_loop *loop)
{
    const madpo_loop_state *s = &loop->state;
    const madpo_loop_task *task = loop->set->task;
    double now = madpo_clock_monotonic(), seconds = now - loop->log_clock;
    json_t *fields = json_pack("{s:s,s:I,s:I}", "stage", loop->stage, "step", (json_int_t)s->step,
                               "total_steps", (json_int_t)loop->total_steps);

    if (!fields)
        return NULL;
    madpo_loop_metric(fields, "", "epoch", (double)s->step / (double)loop->steps_per_epoch);
    loop->loss = rows_loss(loop->rows, s->n_rows, task->n_columns);
    madpo_loop_metric(fields, "", "loss", loop->loss);
    task->report(task->user, loop->rows, s->n_rows, "", fields);
    madpo_loop_metric(fields, "", "grad_norm", loop->grad_norm);
    madpo_loop_metric(fields, "", "learning_rate", loop->lr);
    json_object_set_new(fields, "num_examples",
                        json_integer((json_int_t)loop_examples_seen(loop, s->step)));
    json_object_set_new(fields, "num_tokens", json_integer((json_int_t)s->n_tokens));
    madpo_loop_metric(fields, "", "tokens_per_second",
                      seconds > 0.0 ? (double)(s->n_tokens - loop->log_tokens) / seconds : NAN);
    madpo_loop_metric(fields, "", "examples_per_second",
                      seconds > 0.0 ? (double)loop->log_examples / seconds : NAN);
    loop->log_clock = now;
    loop->log_tokens = s->n_tokens;
    loop->log_examples = 0;
    return fields;
}

static bool loop_is_at_end(const madpo_loop *loop)
{
    const madpo_loop_state *s = &loop->state;
    int64_t patience = loop->set->options->patience;

    return s->step >= loop->total_steps || (loop->best && patience > 0 && s->n_stale >= patience);
}

/* The rows of the last step are the newest ones; a skipped step has none. */
static madpo_status loop_log(madpo_loop *loop, size_t n_before, madpo_error *err)
{
    madpo_loop_state *s = &loop->state;
    const madpo_loop_task *task = loop->set->task;
    size_t n_last = s->n_rows - n_before;
    bool full = s->n_rows + loop->batch > madpo__loop_row_capacity(loop);
    bool due = full || loop_is_logged(loop, s->step);
    madpo_status st;

    if (!due || s->n_rows == 0)
        return MADPO_OK;
    st = madpo__loop_event(loop, "step", loop_step_fields(loop), err);
    if (st == MADPO_OK && task->logged && n_last > 0)
        st =
            task->logged(task->user, s->step, loop->rows + n_before * task->n_columns, n_last, err);
    s->n_rows = 0;
    return st == MADPO_OK ? madpo__watch_event(loop, err) : st;
}

static void loop_show(const madpo_loop *loop, size_t n_before)
{
    const madpo_loop_state *s = &loop->state;
    size_t n_columns = loop->set->task->n_columns;
    char detail[96] = "";

    if (s->n_rows > n_before)
        snprintf(detail, sizeof detail, "loss %.4f lr %.2e",
                 rows_loss(loop->rows + n_before * n_columns, s->n_rows - n_before, n_columns),
                 loop->lr);
    madpo_meter_show(&loop->meter, s->step, detail);
}

/* ---- held-out evaluation ---- */

static madpo_status loop_keep_best(madpo_loop *loop, madpo_error *err)
{
    madpo_loop_state *s = &loop->state;
    madpo_tensor weights = madpo_model_weights(loop->model);

    if (!(s->eval_loss < s->best_loss)) { /* NaN is no improvement */
        s->n_stale++;
        return MADPO_OK;
    }
    s->best_loss = s->eval_loss;
    s->best_step = s->step;
    s->n_stale = 0;
    return madpo_tensor_read(madpo_model_get_device(loop->model), weights, loop->best, weights.n,
                             err);
}

madpo_status madpo__loop_evaluate(madpo_loop *loop, madpo_error *err)
{
    madpo_loop_state *s = &loop->state;
    const madpo_loop_task *task = loop->set->task;
    size_t n = loop->set->held_out->n;
    loop_pass pass = {.loop = loop, .scale = 0.0, .rows = loop->eval_rows};
    double began = madpo_clock_monotonic();
    json_t *fields;
    madpo_status st = madpo_batches_each(&loop->batches, loop->set->held_out, loop->held_out_order,
                                         n, loop_micro_batch, &pass, err);

    if (st != MADPO_OK)
        return st;
    s->eval_loss = rows_loss(loop->eval_rows, n, task->n_columns);
    s->eval_step = s->step;
    if (loop->best)
        st = loop_keep_best(loop, err);
    if (st != MADPO_OK)
        return st;
    fields = json_pack("{s:s,s:I,s:I}", "stage", loop->stage, "step", (json_int_t)s->step, "n",
                       (json_int_t)n);
    if (fields) {
        madpo_loop_metric(fields, "eval_", "loss", s->eval_loss);
        task->report(task->user, loop->eval_rows, n, "eval_", fields);
        if (loop->best)
            json_object_set_new(fields, "best_step", json_integer((json_int_t)s->best_step));
    }
    if (fields && task->measured)
        st = task->measured(task->user, s->step, fields, err);
    if (st != MADPO_OK) {
        json_decref(fields);
        return st;
    }
    loop->watch.evaluate += madpo_clock_monotonic() - began;
    madpo_run_message(loop->set->ctx->run, "%s: step %lld of %lld: held-out loss %.4f%s",
                      loop->name, (long long)s->step, (long long)loop->total_steps, s->eval_loss,
                      loop->best && s->best_step == s->step ? " (best so far)" : "");
    st = madpo__loop_event(loop, "eval", fields, err);
    began = madpo_clock_monotonic();
    if (st == MADPO_OK && task->evaluated)
        st = task->evaluated(task->user, s->step, err);
    loop->watch.evaluate += madpo_clock_monotonic() - began;
    return st;
}

static bool loop_evaluation_is_due(const madpo_loop *loop)
{
    int64_t every = loop->set->options->eval_every;

    if (loop->set->held_out->n == 0)
        return false;
    if (every == 0)
        every = loop->steps_per_epoch;
    return loop->state.step % every == 0 || loop->state.step >= loop->total_steps;
}

/* ---- requests and checkpoints at the step boundary ---- */

static madpo_status loop_boundary(madpo_loop *loop, madpo_error *err)
{
    const madpo_loop_state *s = &loop->state;
    int64_t every = loop->set->options->checkpoint_every;
    madpo_status st = madpo__loop_control(loop, err);
    bool due = loop_is_at_end(loop) || (every > 0 && s->step % every == 0);

    /* after a bad step the weights are suspect: the last checkpoint stays the last good one */
    return st == MADPO_OK && due && s->bad_steps == 0 ? madpo__loop_save(loop, err) : st;
}

/* ---- set-up and tear-down ---- */

int64_t madpo_loop_report_rows(const madpo_stage_context *ctx, const madpo_stage_options *options,
                               size_t n)
{
    int64_t steps = ctx->options->run.log_every, total = madpo_loop_total_steps(options, n);
    int64_t batch = options->batch < (int64_t)n ? options->batch : (int64_t)n;

    return (steps < total ? steps : total + 1) * batch;
}

size_t madpo__loop_row_capacity(const madpo_loop *loop)
{
    return (size_t)madpo_loop_report_rows(loop->set->ctx, loop->set->options, loop->set->train->n);
}

static madpo_status loop_new_buffers(madpo_loop *loop, madpo_error *err)
{
    const madpo_loop_setup *set = loop->set;
    size_t n_columns = set->task->n_columns, n = set->train->n, n_eval = set->held_out->n;
    bool keeps_best = set->options->patience > 0 && n_eval > 0;

    loop->order = malloc(n * sizeof *loop->order);
    loop->rows = calloc(madpo__loop_row_capacity(loop) * n_columns, sizeof *loop->rows);
    loop->held_out_order = malloc((n_eval + 1) * sizeof *loop->held_out_order);
    loop->eval_rows = calloc((n_eval + 1) * n_columns, sizeof *loop->eval_rows);
    if (keeps_best)
        loop->best = malloc((size_t)madpo_model_weights(loop->model).n * sizeof *loop->best);
    if (!loop->order || !loop->rows || !loop->held_out_order || !loop->eval_rows ||
        (keeps_best && !loop->best))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", loop->name);
    for (size_t i = 0; i < n_eval; i++)
        loop->held_out_order[i] = (int64_t)i;
    return MADPO_OK;
}

static madpo_status loop_init(madpo_loop *loop, const madpo_loop_setup *set, madpo_error *err)
{
    const madpo_stage_options *o = set->options;
    madpo_optimiser_options optimiser = {.beta1 = o->beta1,
                                         .beta2 = o->beta2,
                                         .eps = o->eps,
                                         .weight_decay = o->weight_decay,
                                         .clip = o->clip};
    size_t n = set->train->n, n_eval = set->held_out->n;
    char dropout[64];
    madpo_status st;

    *loop = (madpo_loop){.set = set,
                         .stage = set->task->stage,
                         .name = set->task->name ? set->task->name : set->task->stage,
                         .model = set->net->model,
                         .epoch = -1,
                         .saved_step = -1};
    snprintf(loop->what, sizeof loop->what, loop->name == loop->stage ? "training" : "training %s",
             loop->name);
    snprintf(dropout, sizeof dropout, "dropout %s", loop->name);
    loop->dropout = madpo_stage_seed(set->ctx, dropout);
    loop->state = (madpo_loop_state){
        .best_step = -1, .best_loss = INFINITY, .eval_loss = NAN, .lr_scale = 1.0, .eval_step = -1};
    if (n == 0)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: there is nothing to train on: give more data or lower "
                               "data.eval_fraction",
                               loop->name);
    loop->batch = (size_t)o->batch < n ? (size_t)o->batch : n;
    loop->steps_per_epoch = steps_per_epoch(o, n);
    loop->total_steps = madpo_loop_total_steps(o, n);
    st = madpo_schedule_init(&loop->schedule, o, loop->total_steps, err);
    if (st == MADPO_OK)
        st = loop_new_buffers(loop, err);
    if (st == MADPO_OK)
        st = madpo_batches_init(&loop->batches, &set->limits,
                                loop->batch > n_eval ? loop->batch : n_eval, err);
    if (st == MADPO_OK)
        st = madpo_optimiser_new(&loop->optimiser, loop->model, &optimiser, err);
    if (st == MADPO_OK)
        st = madpo__loop_restore(loop, err);
    return st;
}

static void loop_dispose(madpo_loop *loop)
{
    madpo_optimiser_free(loop->optimiser);
    madpo_batches_dispose(&loop->batches);
    free(loop->order);
    free(loop->held_out_order);
    free(loop->rows);
    free(loop->eval_rows);
    free(loop->best);
}

/* ---- the whole ---- */

static madpo_status loop_turn(madpo_loop *loop, madpo_error *err)
{
    size_t n_before = loop->state.n_rows;
    madpo_status st = loop_step(loop, err);
    double began = madpo_clock_monotonic();

    if (st == MADPO_OK) {
        loop_show(loop, n_before);
        st = loop_log(loop, n_before, err);
    }
    loop->reporting += madpo_clock_monotonic() - began;
    if (st == MADPO_OK && loop_evaluation_is_due(loop))
        st = madpo__loop_evaluate(loop, err);
    if (st == MADPO_OK)
        st = loop_boundary(loop, err);
    return st;
}

static madpo_status loop_take_best(madpo_loop *loop, madpo_error *err)
{
    madpo_model *model = loop->model;
    madpo_tensor weights = madpo_model_weights(model);
    madpo_status st;

    if (!loop->best || loop->state.best_step < 0 || loop->state.best_step == loop->state.step)
        return MADPO_OK;
    st = madpo_tensor_write(madpo_model_get_device(model), weights, loop->best, weights.n, err);
    madpo_model_weights_changed(model);
    madpo_run_message(loop->set->ctx->run,
                      "%s: best weights are those of step %lld (held-out loss %.4f)", loop->name,
                      (long long)loop->state.best_step, loop->state.best_loss);
    return st;
}

static madpo_status loop_finish(madpo_loop *loop, madpo_loop_result *result, madpo_error *err)
{
    const madpo_loop_state *s = &loop->state;
    const madpo_loop_task *task = loop->set->task;
    double seconds = madpo_clock_monotonic() - loop->begun;
    bool best = loop->best && s->best_step >= 0;
    madpo_status st = MADPO_OK;

    if (task->evaluated && s->eval_step != s->step)
        st = task->evaluated(task->user, s->step, err);
    if (st == MADPO_OK)
        st = loop_take_best(loop, err);

    if (st != MADPO_OK)
        return st;
    madpo_model_set_pass(loop->model, false, 0, 0);
    result->steps = s->step;
    result->updates = s->updates;
    result->best_step = best ? s->best_step : -1;
    result->eval_loss = best ? s->best_loss : s->eval_loss;
    return madpo__loop_event(
        loop, "stage",
        json_pack("{s:s,s:s,s:I,s:I,s:I,s:o,s:b,s:I,s:I,s:o}", "stage", loop->stage, "status",
                  "trained", "steps", (json_int_t)s->step, "updates", (json_int_t)s->updates,
                  "best_step", (json_int_t)result->best_step, "eval_loss",
                  madpo_json_real(result->eval_loss), "stopped_early", s->step < loop->total_steps,
                  "late_buffers", (json_int_t)result->late_buffers, "late_programs",
                  (json_int_t)result->late_programs, "reporting_seconds_per_second",
                  madpo_json_real(seconds > 0.0 ? loop->reporting / seconds : NAN)),
        err);
}

madpo_status madpo_loop_run(const madpo_loop_setup *setup, madpo_loop_result *result,
                            madpo_error *err)
{
    madpo_device *dev = setup->ctx->dev;
    madpo_device_stats warm = {0}, now;
    madpo_loop loop;
    bool first = true;
    madpo_status st;

    *result = (madpo_loop_result){.best_step = -1, .eval_loss = NAN};
    st = loop_init(&loop, setup, err);
    if (st == MADPO_OK)
        madpo_meter_start(&loop.meter, setup->ctx, loop.stage, loop.what, "step", loop.state.step,
                          loop.total_steps);
    loop.log_clock = loop.begun = madpo_clock_monotonic();
    loop.log_tokens = loop.state.n_tokens;
    if (st == MADPO_OK && setup->task->begun)
        st = setup->task->begun(setup->task->user, loop.state.step, err);
    if (st == MADPO_OK) {
        madpo__watch_begin(&loop);
        st = madpo_system_kernels_get(&loop.watch.kernels, dev, err);
    }
    if (st == MADPO_OK)
        st = madpo__loop_control_begin(&loop, err);
    while (st == MADPO_OK && !loop_is_at_end(&loop)) {
        st = loop_turn(&loop, err);
        if (first)
            warm = madpo_device_get_stats(dev);
        first = false;
    }
    if (st == MADPO_OK && !first) {
        now = madpo_device_get_stats(dev);
        result->late_buffers = now.n_buffers - warm.n_buffers;
        result->late_programs = now.n_programs - warm.n_programs;
    }
    if (st == MADPO_OK)
        st = loop_finish(&loop, result, err);
    loop_dispose(&loop);
    return st;
}
