/* The step loop's own clock: the times of a "system" event (train/system.h). Nothing that decides a
 * result reads it. */
#include "train/loop_inside.h"

#include <stdio.h>

#include "base/clock.h"

static const double watch_every = 1.0; /* seconds between events, at least */

void madpo__watch_begin(madpo_loop *loop)
{
    madpo__watch *w = &loop->watch;

    w->began = madpo_clock_monotonic();
    w->first_step = loop->state.step;
    w->wrote = madpo_run_writing_seconds(loop->set->ctx->run);
    w->evaluate = w->checkpoint = 0.0;
}

void madpo__watch_step(madpo_loop *loop, bool logged)
{
    madpo__watch *w = &loop->watch;
    double now = madpo_clock_monotonic();
    bool last = loop->state.step + 1 >= loop->total_steps;

    w->timed = logged && (w->n == 0 || last || now - w->began >= watch_every);
    madpo_model_set_timed(loop->model, w->timed);
    w->step_began = now;
}

void madpo__watch_gathered(madpo_loop *loop)
{
    loop->watch.step_gathered = madpo_clock_monotonic();
}

madpo_status madpo__watch_updated(madpo_loop *loop, madpo_error *err)
{
    madpo__watch *w = &loop->watch;
    madpo_model_times times = madpo_model_get_times(loop->model);
    madpo_status st;
    double now;

    madpo_model_set_timed(loop->model, false);
    if (!w->timed)
        return MADPO_OK;
    st = madpo_device_finish(loop->set->ctx->dev, err);
    now = madpo_clock_monotonic();
    w->step = now - w->step_began;
    w->forward = times.forward;
    w->backward = times.backward;
    w->optimizer = now - w->step_gathered;
    w->data = w->step - w->forward - w->backward - w->optimizer;
    return st;
}

static void watch_kernels(madpo_loop *loop, const madpo_system_kernels *kernels, json_t *fields)
{
    char name[64];

    for (int i = 0; i < MADPO_SYSTEM_GROUPS; i++) {
        snprintf(name, sizeof name, "kernels/%s_seconds", madpo_system_group_name(i));
        madpo_loop_metric(fields, "", name, (kernels->ms[i] - loop->watch.kernels.ms[i]) / 1e3);
    }
    loop->watch.kernels = *kernels;
}

static void watch_times(const madpo_loop *loop, json_t *fields)
{
    const madpo__watch *w = &loop->watch;
    const struct {
        const char *name;
        double seconds;
    } times[] = {
        {"step_seconds", w->step},
        {"forward_seconds", w->forward},
        {"backward_seconds", w->backward},
        {"optimizer_seconds", w->optimizer},
        {"data_seconds", w->data},
        {"interval_seconds", madpo_clock_monotonic() - w->began},
        {"evaluate_seconds", w->evaluate},
        {"checkpoint_seconds", w->checkpoint},
        {"write_seconds", madpo_run_writing_seconds(loop->set->ctx->run) - w->wrote},
    };

    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        madpo_loop_metric(fields, "", times[i].name, times[i].seconds);
}

madpo_status madpo__watch_event(madpo_loop *loop, madpo_error *err)
{
    madpo__watch *w = &loop->watch;
    madpo_stage_context *ctx = loop->set->ctx;
    madpo_system_kernels kernels;
    madpo_status st;
    json_t *fields;

    if (!w->timed)
        return MADPO_OK;
    w->timed = false;
    st = madpo_system_kernels_get(&kernels, ctx->dev, err);
    if (st != MADPO_OK)
        return st;
    fields = json_pack("{s:s,s:I,s:I}", "stage", loop->stage, "step", (json_int_t)loop->state.step,
                       "interval_steps", (json_int_t)(loop->state.step - w->first_step));
    if (fields) {
        madpo_system_memory(ctx->dev, fields);
        watch_times(loop, fields);
        if (ctx->options->device.profile)
            watch_kernels(loop, &kernels, fields);
    }
    madpo__watch_begin(loop);
    w->n++;
    return madpo__loop_event(loop, "system", fields, err);
}
