/* Requests to the step loop: what each of them does at the end of a step. The order counts. First
 * everything that was asked for, then the checkpoint that is due: so a checkpoint of step N holds
 * what was done at the end of step N, and a run that goes on from it does not do it again. */
#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "train/control.h"
#include "train/loop_inside.h"

/* The next step's learning rate by the schedule alone, NaN if there is no further step. */
static double scheduled_lr(const madpo_loop *loop)
{
    const madpo_loop_state *s = &loop->state;

    return s->step < loop->total_steps ? madpo_schedule_lr(&loop->schedule, s->step) : NAN;
}

static void loop_show_state(const madpo_loop *loop)
{
    const madpo_loop_state *s = &loop->state;

    madpo_control_show(loop->set->ctx,
                       &(madpo_control_view){.stage = loop->name,
                                             .unit = "step",
                                             .done = s->step,
                                             .total = loop->total_steps,
                                             .steps = true,
                                             .can_evaluate = loop->set->held_out->n > 0,
                                             .next_lr = scheduled_lr(loop) * s->lr_scale,
                                             .loss = loop->loss,
                                             .eval_loss = s->eval_loss});
}

/* The schedule goes on as it was, in proportion. */
static const char *change_lr(madpo_loop *loop, const madpo_control_request *request, json_t *fields)
{
    madpo_loop_state *s = &loop->state;
    double base = scheduled_lr(loop), was = s->lr_scale;
    double scale = request->lr != 0.0 ? request->lr / base : was * request->times;

    if (isnan(base))
        return "the stage has no step left";
    if (request->lr != 0.0 && base == 0.0)
        return "the schedule's learning rate is 0 at this step";
    if (!isfinite(scale) || !(scale > 0.0))
        return "the learning rate would be beyond all numbers";
    if (base * scale > MADPO_CONTROL_MAX_LR)
        return "the learning rate would be above 10";
    s->lr_scale = scale;
    loop->saved_step = -1; /* a checkpoint of this step would not know */
    json_object_set_new(fields, "was", madpo_json_real(base * was));
    json_object_set_new(fields, "now", madpo_json_real(base * scale));
    return NULL;
}

static madpo_status loop_stop(madpo_loop *loop, madpo_error *err)
{
    long long step = (long long)loop->state.step, total = (long long)loop->total_steps;
    madpo_status st = madpo__loop_save(loop, err);

    if (st != MADPO_OK)
        return st;
    return madpo_error_set(
        err, MADPO_ERR_STOPPED,
        "%s: stopped on request at step %lld of %lld, checkpoint saved; go on with "
        "--resume",
        loop->name, step, total);
}

/* Why it cannot be done, NULL if it can (and, for a learning rate, was). */
static const char *loop_begin_order(madpo_loop *loop, const madpo_control_request *request,
                                    json_t *fields)
{
    if (request->action == MADPO_CONTROL_LR)
        return change_lr(loop, request, fields);
    if (request->action == MADPO_CONTROL_EVALUATE && loop->set->held_out->n == 0)
        return "the stage has no held-out examples";
    return NULL;
}

static madpo_status loop_do(madpo_loop *loop, const madpo_control_order *order, madpo_error *err)
{
    madpo_stage_context *ctx = loop->set->ctx;
    madpo_control_action action = order->request.action;
    json_t *fields = json_object();
    const char *refused = loop_begin_order(loop, &order->request, fields);
    madpo_status st =
        madpo_control_event(ctx, order, loop->name, "step", loop->state.step, fields, refused, err);

    if (st != MADPO_OK || refused)
        return st;
    switch (action) {
    case MADPO_CONTROL_PAUSE:
    case MADPO_CONTROL_RESUME:
        madpo_control_set_paused(ctx, action == MADPO_CONTROL_PAUSE);
        return MADPO_OK;
    case MADPO_CONTROL_CHECKPOINT:
        *ctx->checkpoint = 0;
        return madpo__loop_save(loop, err);
    case MADPO_CONTROL_EVALUATE: /* twice would count twice against patience */
        return loop->state.eval_step == loop->state.step ? MADPO_OK
                                                         : madpo__loop_evaluate(loop, err);
    case MADPO_CONTROL_STOP:
        return loop_stop(loop, err);
    default:
        return MADPO_OK;
    }
}

static madpo_status loop_do_file(madpo_loop *loop, madpo_error *err)
{
    madpo_stage_context *ctx = loop->set->ctx;
    int64_t after = loop->control_step, step = loop->state.step;
    madpo_control_order order;
    madpo_status st = MADPO_OK;
    size_t next = 0;

    while (st == MADPO_OK && madpo_control_from_file(ctx, &next, loop->name, after, step, &order))
        st = loop_do(loop, &order, err);
    loop->control_step = step;
    return st;
}

/* What a control file wants done after the last step will not be: say so before the first. */
static void loop_tell_beyond(const madpo_loop *loop)
{
    const madpo_stage_context *ctx = loop->set->ctx;
    int64_t last = loop->total_steps;
    madpo_control_order order;
    size_t next = 0, n = 0;

    while (madpo_control_from_file(ctx, &next, loop->name, last, INT64_MAX, &order))
        n++;
    if (n > 0)
        madpo_run_message(ctx->run,
                          "%s: %zu action%s of the control file: after the last step, %lld",
                          loop->name, n, n == 1 ? "" : "s", (long long)last);
}

madpo_status madpo__loop_control_begin(madpo_loop *loop, madpo_error *err)
{
    madpo_status st;

    loop->loss = NAN;
    loop_tell_beyond(loop);
    loop->control_step = loop->saved_step; /* what came before it is in the checkpoint */
    st = loop_do_file(loop, err);
    loop_show_state(loop);
    return st;
}

madpo_status madpo__loop_control(madpo_loop *loop, madpo_error *err)
{
    madpo_stage_context *ctx = loop->set->ctx;
    double waited = madpo_control_waited(ctx), began = madpo_clock_monotonic();
    madpo_control_order order;
    madpo_status st = loop_do_file(loop, err);
    bool asked = false;

    loop_show_state(loop);
    while (st == MADPO_OK && madpo_control_next(ctx, &order)) {
        asked = true;
        st = loop_do(loop, &order, err);
        loop_show_state(loop);
        madpo_control_finish(ctx, &order);
    }
    if (!asked) /* what is asked for is work of its own; to listen is not */
        loop->reporting += madpo_clock_monotonic() - began;
    waited = madpo_control_waited(ctx) - waited;
    loop->log_clock += waited;
    loop->watch.began += waited;
    loop->begun += waited;
    loop->meter.started += waited;
    return st;
}
