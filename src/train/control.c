/* The queue between a run's socket and its training thread; see control.h. */
#include "train/control.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "train/stage.h"

enum { QUEUE = 32 };
static const long look_every_ns = 100000000; /* for signals, while paused */

struct madpo_control {
    madpo_run *run;
    madpo_control_server *server;   /* NULL = nobody can ask */
    const madpo_control_list *file; /* borrowed */
    double waited;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    /* under lock */
    madpo_control_view view;
    madpo_control_request queue[QUEUE];
    size_t first, n; /* of the queue */
    int64_t n_accepted, n_done;
    bool paused, will_pause; /* now; once the queue is empty */
    bool stopping;
};

/* ---- the socket's thread ---- */

static json_t *control_status(const madpo_control *c)
{
    const madpo_control_view *v = &c->view;
    const char *dir = madpo_run_dir(c->run);

    return json_pack("{s:s,s:s,s:I,s:I,s:b,s:b,s:I,s:I,s:o,s:o,s:o,s:I,s:o}", "stage", v->stage,
                     "unit", v->unit, "done", (json_int_t)v->done, "total", (json_int_t)v->total,
                     "paused", c->paused, "stopping", c->stopping, "accepted",
                     (json_int_t)c->n_accepted, "applied", (json_int_t)c->n_done, "next_lr",
                     madpo_json_real(v->next_lr), "loss", madpo_json_real(v->loss), "eval_loss",
                     madpo_json_real(v->eval_loss), "pid", (json_int_t)getpid(), "run",
                     madpo_json_text(dir, strlen(dir)));
}

/* Why a request makes no sense now, NULL if it does. */
static const char *control_refusal(const madpo_control *c, const madpo_control_request *request)
{
    const madpo_control_view *v = &c->view;

    if (c->stopping)
        return "the run is stopping";
    if (c->n == QUEUE)
        return "too many requests wait already";
    switch (request->action) {
    case MADPO_CONTROL_PAUSE:
        return c->will_pause ? "the run is paused already" : NULL;
    case MADPO_CONTROL_RESUME:
        return c->will_pause ? NULL : "the run is not paused";
    case MADPO_CONTROL_EVALUATE:
        if (!v->steps)
            return "the run is not training just now: a held-out evaluation comes between steps";
        return v->can_evaluate ? NULL
                               : "the stage has no held-out examples (see data.eval_fraction)";
    case MADPO_CONTROL_LR:
        if (!v->steps)
            return "the run is not training just now: there is no learning rate to change";
        if (isnan(v->next_lr))
            return "the stage has no step left";
        return request->lr != 0.0 && v->next_lr == 0.0
                   ? "the schedule's learning rate is 0 at this step: scale it (x0.5), or wait for "
                     "the next step"
                   : NULL;
    default:
        return NULL;
    }
}

static json_t *control_accept(madpo_control *c, const madpo_control_request *request)
{
    const madpo_control_view *v = &c->view;
    json_t *reply;

    c->queue[(c->first + c->n++) % QUEUE] = *request;
    c->n_accepted++;
    if (request->action == MADPO_CONTROL_PAUSE || request->action == MADPO_CONTROL_RESUME)
        c->will_pause = request->action == MADPO_CONTROL_PAUSE;
    if (request->action == MADPO_CONTROL_STOP)
        c->stopping = true;
    pthread_cond_signal(&c->asked);
    reply = json_pack("{s:b,s:s,s:I,s:s}", "ok", 1, "action",
                      madpo_control_action_name(request->action), "id", (json_int_t)c->n_accepted,
                      "stage", v->stage);
    if (reply && v->steps) /* a step is under way, unless the run is paused */
        json_object_set_new(reply, "after", json_integer((json_int_t)v->done + !c->paused));
    return reply;
}

static json_t *control_answer(void *user, const madpo_control_request *request)
{
    madpo_control *c = user;
    const char *reason;
    json_t *reply;

    pthread_mutex_lock(&c->lock);
    if (request->action == MADPO_CONTROL_STATUS)
        reply =
            json_pack("{s:b,s:s,s:o}", "ok", 1, "action", "status", "status", control_status(c));
    else if ((reason = control_refusal(c, request)) != NULL)
        reply = json_pack("{s:b,s:s,s:s}", "ok", 0, "action",
                          madpo_control_action_name(request->action), "reason", reason);
    else
        reply = control_accept(c, request);
    pthread_mutex_unlock(&c->lock);
    return reply;
}

/* ---- opening ---- */

/* That nobody can steer the run is no reason not to run it. */
static madpo_status control_listen(madpo_control *c, madpo_error *err)
{
    madpo_error why = MADPO_ERROR_INIT;
    madpo_status st =
        madpo_control_server_start(&c->server, madpo_run_dir(c->run), control_answer, c, &why);
    json_t *fields;

    if (st == MADPO_OK)
        return MADPO_OK;
    if (st == MADPO_ERR_NOMEM)
        return madpo_error_set(err, st, "%s", why.message);
    madpo_run_message(c->run, "warning: this run cannot be steered (madpo ctl): %s", why.message);
    fields = json_pack("{s:s,s:o}", "what", "no control socket", "text",
                       madpo_json_text(why.message, strlen(why.message)));
    return fields ? madpo_run_event(c->run, "warning", fields, err)
                  : madpo_error_set(err, MADPO_ERR_NOMEM, "control socket");
}

/* By a clock that is never set: a pause must not go deaf to signals. */
static void control_init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t how;

    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &how);
    pthread_condattr_destroy(&how);
}

madpo_status madpo_control_read(madpo_control_list *out, const char *path, madpo_error *err)
{
    madpo_status st = madpo_control_list_read(out, path, err);

    for (size_t i = 0; st == MADPO_OK && i < out->n; i++) {
        const madpo_control_entry *e = &out->v[i];

        if (strcmp(e->stage, "sft") != 0 && strcmp(e->stage, "reward") != 0 &&
            strcmp(e->stage, "policy") != 0)
            st = madpo_error_set_at(err, MADPO_ERR_DATA, path, e->line, 0,
                                    "stage \"%s\" takes no steps; sft, reward and policy do",
                                    e->stage);
    }
    if (st != MADPO_OK)
        madpo_control_list_dispose(out);
    return st;
}

madpo_status madpo_control_open(madpo_control **out, madpo_run *run, bool listen,
                                const madpo_control_list *file, madpo_error *err)
{
    madpo_control *c = calloc(1, sizeof *c);
    madpo_status st = MADPO_OK;

    *out = NULL;
    if (!c)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "control of the run");
    c->run = run;
    c->file = file;
    c->view = (madpo_control_view){
        .stage = "prepare", .unit = "step", .next_lr = NAN, .loss = NAN, .eval_loss = NAN};
    pthread_mutex_init(&c->lock, NULL);
    control_init_cond(&c->asked);
    if (listen)
        st = control_listen(c, err);
    if (st == MADPO_OK)
        *out = c;
    else
        madpo_control_close(c);
    return st;
}

void madpo_control_close(madpo_control *control)
{
    if (!control)
        return;
    madpo_control_server_stop(control->server);
    pthread_cond_destroy(&control->asked);
    pthread_mutex_destroy(&control->lock);
    free(control);
}

/* ---- the training thread ---- */

void madpo_control_show(madpo_stage_context *ctx, const madpo_control_view *view)
{
    madpo_control *c = ctx->control;

    pthread_mutex_lock(&c->lock);
    c->view = *view;
    pthread_mutex_unlock(&c->lock);
}

bool madpo_control_from_file(const madpo_stage_context *ctx, size_t *next, const char *stage,
                             int64_t after, int64_t step, madpo_control_order *out)
{
    const madpo_control_list *file = ctx->control->file;

    while (*next < file->n) {
        const madpo_control_entry *e = &file->v[(*next)++];

        if (strcmp(e->stage, stage) == 0 && e->step > after && e->step <= step) {
            *out = (madpo_control_order){e->request, "file"};
            return true;
        }
    }
    return false;
}

/* Without steps a checkpoint waits for the next stage that has them. */
static bool control_take_signal(const madpo_stage_context *ctx, madpo_control_order *out)
{
    *out = (madpo_control_order){{.action = MADPO_CONTROL_STOP}, "signal"};
    if (*ctx->stop)
        return true;
    out->request.action = MADPO_CONTROL_CHECKPOINT;
    return ctx->control->view.steps && *ctx->checkpoint != 0;
}

/* Wait for a request, at most until signals are to be looked for. Under lock. */
static void control_wait(madpo_control *c)
{
    struct timespec until;
    double began = madpo_clock_monotonic();

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += look_every_ns;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&c->asked, &c->lock, &until);
    c->waited += madpo_clock_monotonic() - began;
}

bool madpo_control_next(madpo_stage_context *ctx, madpo_control_order *out)
{
    madpo_control *c = ctx->control;
    bool found;

    pthread_mutex_lock(&c->lock);
    while (!(found = control_take_signal(ctx, out)) && c->n == 0 && c->paused)
        control_wait(c);
    if (found && out->request.action == MADPO_CONTROL_STOP)
        c->stopping = true;
    if (!found && c->n > 0) {
        *out = (madpo_control_order){c->queue[c->first], "socket"};
        c->first = (c->first + 1) % QUEUE;
        c->n--;
        found = true;
    }
    pthread_mutex_unlock(&c->lock);
    return found;
}

void madpo_control_set_paused(madpo_stage_context *ctx, bool paused)
{
    madpo_control *c = ctx->control;

    pthread_mutex_lock(&c->lock);
    c->paused = paused;
    pthread_mutex_unlock(&c->lock);
}

void madpo_control_finish(madpo_stage_context *ctx, const madpo_control_order *order)
{
    madpo_control *c = ctx->control;

    if (strcmp(order->by, "socket") != 0)
        return;
    pthread_mutex_lock(&c->lock);
    c->n_done++;
    pthread_mutex_unlock(&c->lock);
}

double madpo_control_waited(const madpo_stage_context *ctx)
{
    return ctx->control->waited;
}

static void control_tell(const madpo_stage_context *ctx, const madpo_control_order *order,
                         const char *stage, const char *at, int64_t n, const json_t *event,
                         const char *refused)
{
    const char *name = madpo_control_action_name(order->request.action);

    if (refused)
        madpo_run_message(ctx->run, "%s: %s refused: %s", stage, name, refused);
    else if (json_object_get(event, "now"))
        madpo_run_message(ctx->run, "%s: %s from %.4g to %.4g by %s, at %s %lld", stage, name,
                          json_number_value(json_object_get(event, "was")),
                          json_number_value(json_object_get(event, "now")), order->by, at,
                          (long long)n);
    else
        madpo_run_message(ctx->run, "%s: %s by %s, at %s %lld", stage, name, order->by, at,
                          (long long)n);
}

madpo_status madpo_control_event(madpo_stage_context *ctx, const madpo_control_order *order,
                                 const char *stage, const char *at, int64_t n, json_t *fields,
                                 const char *refused, madpo_error *err)
{
    json_t *event =
        json_pack("{s:s,s:s,s:I,s:s}", "action", madpo_control_action_name(order->request.action),
                  "stage", stage, at, (json_int_t)n, "by", order->by);
    json_t *request = madpo_control_request_json(&order->request);

    if (event && request)
        json_object_update_missing(event, request);
    if (event && fields)
        json_object_update_missing(event, fields);
    if (event && refused)
        json_object_set_new(event, "refused", json_string(refused));
    json_decref(request);
    json_decref(fields);
    control_tell(ctx, order, stage, at, n, event, refused);
    return madpo_stage_event(ctx, "control", event, err);
}

/* ---- stages without steps ---- */

static madpo_status between_do(madpo_stage_context *ctx, const madpo_control_order *order,
                               const char *stage, int64_t done, madpo_error *err)
{
    madpo_control_action action = order->request.action;
    bool pause = action == MADPO_CONTROL_PAUSE;
    const char *refused = action == MADPO_CONTROL_LR || action == MADPO_CONTROL_EVALUATE
                              ? "it came too late: the steps it was meant for are over"
                              : NULL;

    if (pause || action == MADPO_CONTROL_RESUME)
        madpo_control_set_paused(ctx, pause);
    if (action == MADPO_CONTROL_STOP)
        *ctx->stop = 1;
    /* a checkpoint: the results of such a stage are kept as they come, there is nothing to save */
    return madpo_control_event(ctx, order, stage, "done", done, NULL, refused, err);
}

madpo_status madpo_control_between(madpo_stage_context *ctx, const char *stage, int64_t done,
                                   int64_t total, const char *unit, madpo_error *err)
{
    madpo_control_order order;
    madpo_status st = MADPO_OK;
    bool stopped = false;

    madpo_control_show(ctx, &(madpo_control_view){.stage = stage,
                                                  .unit = unit,
                                                  .done = done,
                                                  .total = total,
                                                  .next_lr = NAN,
                                                  .loss = NAN,
                                                  .eval_loss = NAN});
    while (st == MADPO_OK && !stopped && madpo_control_next(ctx, &order)) {
        st = between_do(ctx, &order, stage, done, err);
        madpo_control_finish(ctx, &order);
        stopped = order.request.action == MADPO_CONTROL_STOP;
    }
    if (st != MADPO_OK || !stopped)
        return st;
    return madpo_error_set(
        err, MADPO_ERR_STOPPED,
        "%s: stopped on request after %lld of %lld %ss, all kept; go on with --resume", stage,
        (long long)done, (long long)total, unit);
}
