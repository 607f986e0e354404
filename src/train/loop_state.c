/* Checkpoints of the step loop: checkpoints/<stage>-step-N/ holds
 *
 *   config.json, model.safetensors   the weights: a whole model, or, where an adapter is trained,
 *                                    adapter_config.json and adapter_model.safetensors
 *   optimiser.safetensors            moments m, v
 *   best.safetensors                 best weights so far (early stopping only, once there are any)
 *   state.json                       counters, losses with 17 digits, rows not yet reported, and
 *                                    what the task remembers
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/safetensors.h"
#include "train/loop_inside.h"

/* ---- state.json ---- */

static json_t *rows_to_json(const double *rows, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; array && i < n; i++)
        json_array_append_new(array, madpo_json_real(rows[i]));
    return array;
}

static json_t *state_to_json(const madpo_loop *loop)
{
    const madpo_loop_state *s = &loop->state;

    return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:I,s:o,s:I,s:o}", "stage", loop->name,
                     "step", (json_int_t)s->step, "updates", (json_int_t)s->updates, "n_tokens",
                     (json_int_t)s->n_tokens, "bad_steps", (json_int_t)s->bad_steps, "best_step",
                     (json_int_t)s->best_step, "best_loss", madpo_json_real(s->best_loss),
                     "eval_loss", madpo_json_real(s->eval_loss), "n_stale", (json_int_t)s->n_stale,
                     "lr_scale", madpo_json_real(s->lr_scale), "eval_step",
                     (json_int_t)s->eval_step, "rows",
                     rows_to_json(loop->rows, s->n_rows * loop->set->task->n_columns));
}

/* A number, or `otherwise` where JSON had to write null. */
static madpo_status number_or(double *out, const json_t *object, const char *key, double otherwise,
                              const char *where, madpo_error *err)
{
    *out = otherwise;
    return madpo_json_has(object, key) ? madpo_json_get_number(out, object, key, where, err)
                                       : MADPO_OK;
}

static madpo_status counters_from_json(madpo_loop_state *s, const json_t *state, const char *where,
                                       madpo_error *err)
{
    struct {
        const char *key;
        int64_t *to;
    } counters[] = {{"step", &s->step},           {"updates", &s->updates},
                    {"n_tokens", &s->n_tokens},   {"bad_steps", &s->bad_steps},
                    {"best_step", &s->best_step}, {"n_stale", &s->n_stale}};
    madpo_status st = MADPO_OK;

    for (size_t i = 0; i < sizeof counters / sizeof *counters && st == MADPO_OK; i++)
        st = madpo_json_get_int(counters[i].to, state, counters[i].key, where, err);
    if (st == MADPO_OK)
        st = number_or(&s->best_loss, state, "best_loss", INFINITY, where, err);
    if (st == MADPO_OK)
        st = number_or(&s->eval_loss, state, "eval_loss", NAN, where, err);
    if (st == MADPO_OK)
        st = number_or(&s->lr_scale, state, "lr_scale", 1.0, where, err);
    if (st == MADPO_OK && madpo_json_has(state, "eval_step"))
        st = madpo_json_get_int(&s->eval_step, state, "eval_step", where, err);
    return st;
}

static madpo_status rows_from_json(madpo_loop *loop, const json_t *state, const char *where,
                                   madpo_error *err)
{
    size_t n_columns = loop->set->task->n_columns, n;
    json_t *rows;
    madpo_status st = madpo_json_get_array(&rows, state, "rows", where, err);

    if (st != MADPO_OK)
        return st;
    n = json_array_size(rows);
    /* written under another batch size or run.log_every: these rows only fed the next step event */
    if (n % n_columns != 0 || n / n_columns + loop->batch > madpo__loop_row_capacity(loop))
        n = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(rows, i);

        loop->rows[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    loop->state.n_rows = n / n_columns;
    return MADPO_OK;
}

/* ---- files ---- */

typedef madpo_status (*checkpoint_part)(madpo_loop *loop, const char *dir, madpo_error *err);

static madpo_status save_weights(madpo_loop *loop, const char *dir, madpo_error *err)
{
    return madpo_stage_save_trained(loop->set->ctx, loop->set->net, dir, err);
}

static madpo_status load_weights(madpo_loop *loop, const char *dir, madpo_error *err)
{
    return madpo_stage_load_trained(loop->set->net, dir, err);
}

static madpo_status save_moments(madpo_loop *loop, const char *dir, madpo_error *err)
{
    char *path;
    madpo_status st = madpo_path_join(&path, dir, "optimiser.safetensors", err);

    if (st == MADPO_OK)
        st = madpo_optimiser_save(loop->optimiser, path, err);
    free(path);
    return st;
}

static madpo_status load_moments(madpo_loop *loop, const char *dir, madpo_error *err)
{
    char *path;
    madpo_status st = madpo_path_join(&path, dir, "optimiser.safetensors", err);

    if (st == MADPO_OK)
        st = madpo_optimiser_load(loop->optimiser, path, loop->state.updates, err);
    free(path);
    return st;
}

static madpo_status save_best(madpo_loop *loop, const char *dir, madpo_error *err)
{
    int64_t n = madpo_model_weights(loop->model).n;
    madpo_safetensor tensor = {.name = "best",
                               .dtype = "F32",
                               .n_dims = 1,
                               .shape = {n},
                               .data = loop->best,
                               .bytes = (uint64_t)n * sizeof *loop->best};
    char *path;
    madpo_status st;

    if (!loop->best || loop->state.best_step < 0)
        return MADPO_OK;
    st = madpo_path_join(&path, dir, "best.safetensors", err);
    if (st == MADPO_OK)
        st = madpo_safetensors_write(path, &tensor, 1, err);
    free(path);
    return st;
}

static madpo_status load_best(madpo_loop *loop, const char *dir, madpo_error *err)
{
    uint64_t bytes = (uint64_t)madpo_model_weights(loop->model).n * sizeof *loop->best;
    madpo_safetensors *file = NULL;
    const madpo_safetensor *found;
    char *path;
    madpo_status st;

    if (!loop->best || loop->state.best_step < 0)
        return MADPO_OK;
    st = madpo_path_join(&path, dir, "best.safetensors", err);
    if (st == MADPO_OK)
        st = madpo_safetensors_open(&file, path, err);
    if (st == MADPO_OK) {
        found = madpo_safetensors_find(file, "best");
        if (found && found->bytes == bytes)
            memcpy(loop->best, found->data, bytes);
        else
            st = madpo_error_set(err, MADPO_ERR_DATA,
                                 "%s: tensor best is missing or has another size", path);
    }
    madpo_safetensors_close(file);
    free(path);
    return st;
}

static madpo_status save_state(madpo_loop *loop, const char *dir, madpo_error *err)
{
    const madpo_loop_task *task = loop->set->task;
    json_t *state = state_to_json(loop);
    char *path = NULL;
    madpo_status st = madpo_path_join(&path, dir, "state.json", err);

    if (st == MADPO_OK &&
        (!state || (task->save && json_object_set_new(state, "task", task->save(task->user)))))
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "checkpoint: out of host memory");
    if (st == MADPO_OK)
        st = madpo_json_save(state, path, err);
    json_decref(state);
    free(path);
    return st;
}

static madpo_status load_state(madpo_loop *loop, const char *dir, madpo_error *err)
{
    const madpo_loop_task *task = loop->set->task;
    json_t *state = NULL;
    char *path = NULL;
    madpo_status st = madpo_path_join(&path, dir, "state.json", err);

    if (st == MADPO_OK)
        st = madpo_json_load(&state, path, err);
    if (st == MADPO_OK)
        st = counters_from_json(&loop->state, state, path, err);
    if (st == MADPO_OK)
        st = rows_from_json(loop, state, path, err);
    if (st == MADPO_OK && task->load)
        st = task->load(task->user, json_object_get(state, "task"), path, err);
    json_decref(state);
    free(path);
    return st;
}

/* ---- the whole ---- */

madpo_status madpo__loop_event(const madpo_loop *loop, const char *ev, json_t *fields,
                               madpo_error *err)
{
    if (fields && loop->name != loop->stage)
        json_object_set_new(fields, "model", json_string(loop->name));
    return madpo_stage_event(loop->set->ctx, ev, fields, err);
}

madpo_status madpo__loop_save(madpo_loop *loop, madpo_error *err)
{
    static const checkpoint_part parts[] = {save_weights, save_moments, save_best, save_state};
    madpo_stage_context *ctx = loop->set->ctx;
    madpo_checkpoint *checkpoint = NULL;
    double began = madpo_clock_monotonic();
    char name[96];
    madpo_status st;

    if (loop->saved_step == loop->state.step)
        return MADPO_OK;
    st = madpo_checkpoint_begin(&checkpoint, ctx->run, loop->name, loop->state.step, err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && st == MADPO_OK; i++)
        st = parts[i](loop, madpo_checkpoint_dir(checkpoint), err);
    if (st != MADPO_OK) {
        madpo_checkpoint_abort(checkpoint);
        return st;
    }
    st = madpo_checkpoint_commit(checkpoint, ctx->options->run.keep_checkpoints, err);
    if (st != MADPO_OK)
        return st;
    loop->saved_step = loop->state.step;
    loop->watch.checkpoint += madpo_clock_monotonic() - began;
    snprintf(name, sizeof name, "checkpoints/%s-step-%lld", loop->name,
             (long long)loop->state.step);
    return madpo__loop_event(loop, "checkpoint",
                             json_pack("{s:s,s:I,s:s}", "stage", loop->stage, "step",
                                       (json_int_t)loop->state.step, "dir", name),
                             err);
}

madpo_status madpo__loop_restore(madpo_loop *loop, madpo_error *err)
{
    static const checkpoint_part parts[] = {load_state, load_weights, load_moments, load_best};
    madpo_stage_context *ctx = loop->set->ctx;
    char *dir = NULL;
    int64_t step = 0;
    madpo_status st = madpo_checkpoint_latest(&dir, &step, ctx->run, loop->name, err);

    if (st != MADPO_OK || !dir)
        return st;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && st == MADPO_OK; i++)
        st = parts[i](loop, dir, err);
    if (st == MADPO_OK) {
        loop->saved_step = loop->state.step;
        madpo_run_message(ctx->run, "%s: going on from step %lld of %lld", loop->name,
                          (long long)loop->state.step, (long long)loop->total_steps);
    } else {
        madpo_error_context(err, "%s: checkpoint %s", loop->name, dir);
    }
    free(dir);
    return st;
}
