/* The queue between the run's socket and the training thread, with several askers at once and a
 * training loop that takes no steps of a model: whatever was accepted is done, once, in the order
 * in which its asker asked for it. Built with ThreadSanitizer too (tests/sanitize). */
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/error.h"
#include "tests/support/tmp.h"
#include "tests/unit/expect.h"
#include "train/control.h"
#include "train/stage.h"

enum { ASKERS = 4, REQUESTS = 40 };

/* Of src/train/stage.c, without all that it needs. */
madpo_status madpo_stage_event(madpo_stage_context *ctx, const char *ev, json_t *fields,
                               madpo_error *err)
{
    return madpo_run_event(ctx->run, ev, fields, err);
}

typedef struct trainer {
    char *dir;
    madpo_stage_context ctx;
    volatile sig_atomic_t stop, checkpoint;
    madpo_control_list file;
    /* what was done: asker and number, from the factor */
    int done[ASKERS * REQUESTS], n_done;
    int64_t step;
} trainer;

static void trainer_open(trainer *t)
{
    static const madpo_run_manifest manifest = {.device = "d",
                                                .driver = "1",
                                                .stages = "sft",
                                                .objective = "o",
                                                .model = "m",
                                                .data = "d",
                                                .config = ""};
    madpo_error err = MADPO_ERROR_INIT;
    char *root = tmp_new(), *run = tmp_path(root, "run");

    memset(t, 0, sizeof *t);
    t->dir = root;
    t->ctx.stop = &t->stop;
    t->ctx.checkpoint = &t->checkpoint;
    EXPECT_OK(madpo_run_create(&t->ctx.run, run, &manifest, NULL, &err));
    EXPECT_OK(madpo_control_open(&t->ctx.control, t->ctx.run, true, &t->file, &err));
    free(run);
}

static void trainer_close(trainer *t)
{
    madpo_control_close(t->ctx.control);
    madpo_run_close(t->ctx.run);
    tmp_free(t->dir);
}

/* The end of a step: tell how it stands, do what was asked. False after a stop. */
static bool trainer_step(trainer *t)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_control_order order;
    bool stopped = false;

    t->step++;
    madpo_control_show(&t->ctx, &(madpo_control_view){.stage = "sft",
                                                      .unit = "step",
                                                      .done = t->step,
                                                      .total = 1000,
                                                      .steps = true,
                                                      .can_evaluate = true,
                                                      .next_lr = 1e-3,
                                                      .loss = 1,
                                                      .eval_loss = NAN});
    while (!stopped && madpo_control_next(&t->ctx, &order)) {
        madpo_control_action action = order.request.action;

        if (action == MADPO_CONTROL_PAUSE || action == MADPO_CONTROL_RESUME)
            madpo_control_set_paused(&t->ctx, action == MADPO_CONTROL_PAUSE);
        if (action == MADPO_CONTROL_LR) {
            assert_true(t->n_done < ASKERS * REQUESTS);
            t->done[t->n_done++] = (int)(order.request.times * 1000 + 0.5);
        }
        stopped = action == MADPO_CONTROL_STOP;
        EXPECT_OK(madpo_control_event(&t->ctx, &order, "sft", "step", t->step, NULL, NULL, &err));
        madpo_control_finish(&t->ctx, &order);
    }
    return !stopped;
}

typedef struct asker {
    const char *dir;
    int id, n_accepted, accepted[REQUESTS];
    bool broken; /* no answer, or one that is none */
} asker;

static json_t *ask(asker *a, madpo_control_action action, double times)
{
    madpo_control_request request = {.action = action, .times = times};
    madpo_error err = MADPO_ERROR_INIT;
    json_t *reply = NULL;

    if (madpo_control_ask(&reply, a->dir, &request, 30.0, &err) != MADPO_OK)
        a->broken = true;
    return reply;
}

static void *asker_run(void *data)
{
    asker *a = data;

    for (int i = 0; i < REQUESTS; i++) {
        int name = 1 + a->id * REQUESTS + i;
        json_t *reply = ask(a, MADPO_CONTROL_LR, name / 1000.0);
        const char *reason = json_string_value(json_object_get(reply, "reason"));

        if (json_is_true(json_object_get(reply, "ok")))
            a->accepted[a->n_accepted++] = name;
        else if (!reason || !strstr(reason, "wait already")) /* the queue is full: no mistake */
            a->broken = true;
        json_decref(reply);
        json_decref(ask(a, MADPO_CONTROL_STATUS, 0));
    }
    return NULL;
}

static void *stopper_run(void *data)
{
    asker *all = data;
    pthread_t threads[ASKERS];

    for (int i = 0; i < ASKERS; i++)
        if (pthread_create(&threads[i], NULL, asker_run, &all[i]) != 0)
            abort();
    for (int i = 0; i < ASKERS; i++)
        pthread_join(threads[i], NULL);
    json_decref(ask(&all[0], MADPO_CONTROL_PAUSE, 0));
    json_decref(ask(&all[0], MADPO_CONTROL_RESUME, 0));
    for (bool stopped = false; !stopped && !all[0].broken;) { /* refused while the queue is full */
        json_t *reply = ask(&all[0], MADPO_CONTROL_STOP, 0);

        stopped = json_is_true(json_object_get(reply, "ok"));
        json_decref(reply);
    }
    return NULL;
}

static void test_many_askers(void **state)
{
    asker askers[ASKERS] = {{0}};
    int next[ASKERS] = {0}, n_accepted = 0;
    pthread_t stopper;
    trainer t;

    (void)state;
    trainer_open(&t);
    for (int i = 0; i < ASKERS; i++)
        askers[i] = (asker){.dir = madpo_run_dir(t.ctx.run), .id = i};
    trainer_step(&t); /* from now on a step is under way */
    assert_int_equal(pthread_create(&stopper, NULL, stopper_run, askers), 0);
    while (trainer_step(&t))
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL); /* a step takes its time */
    pthread_join(stopper, NULL);
    for (int i = 0; i < ASKERS; i++) {
        assert_false(askers[i].broken);
        assert_true(askers[i].n_accepted > 0);
        n_accepted += askers[i].n_accepted;
    }
    assert_int_equal(t.n_done, n_accepted);
    for (int i = 0; i < t.n_done; i++) {
        int id = (t.done[i] - 1) / REQUESTS;

        assert_int_equal(t.done[i], askers[id].accepted[next[id]++]);
    }
    trainer_close(&t);
}

/* Who waits for a request is not told that it is done while it is being done. */
static void test_done_when_finished(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_control_order order;
    asker a = {0};
    trainer t;

    (void)state;
    trainer_open(&t);
    a.dir = madpo_run_dir(t.ctx.run);
    trainer_step(&t);
    json_decref(ask(&a, MADPO_CONTROL_PAUSE, 0));
    assert_true(madpo_control_next(&t.ctx, &order));
    EXPECT_OK(madpo_control_event(&t.ctx, &order, "sft", "step", 1, NULL, NULL, &err));
    for (int64_t applied = 0; applied < 2; applied++) {
        json_t *reply = ask(&a, MADPO_CONTROL_STATUS, 0);
        const json_t *status = json_object_get(reply, "status");

        assert_int_equal(json_integer_value(json_object_get(status, "applied")), applied);
        assert_int_equal(json_is_true(json_object_get(status, "paused")), applied == 1);
        json_decref(reply);
        madpo_control_set_paused(&t.ctx, true);
        madpo_control_finish(&t.ctx, &order);
    }
    trainer_close(&t);
}

/* Refused while it stops, refused twice, and a pause that ends by a signal's flag. */
static void test_refusals(void **state)
{
    asker a = {0};
    trainer t;
    json_t *reply;

    (void)state;
    trainer_open(&t);
    a.dir = madpo_run_dir(t.ctx.run);
    trainer_step(&t);
    json_decref(ask(&a, MADPO_CONTROL_PAUSE, 0));
    reply = ask(&a, MADPO_CONTROL_PAUSE, 0);
    assert_true(json_is_false(json_object_get(reply, "ok")));
    json_decref(reply);
    t.stop = 1; /* a paused loop looks for signals all the same */
    assert_false(trainer_step(&t) && trainer_step(&t));
    reply = ask(&a, MADPO_CONTROL_LR, 2);
    assert_string_equal(json_string_value(json_object_get(reply, "reason")), "the run is stopping");
    json_decref(reply);
    assert_false(a.broken);
    trainer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_askers),
                                       cmocka_unit_test(test_done_when_finished),
                                       cmocka_unit_test(test_refusals)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
