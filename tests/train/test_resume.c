/* A run that was stopped, or that died, goes on to the same bytes as an undisturbed one: any stage,
 * at a checkpoint, between two, and before the first. */
#include "tests/train/train_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tmp.h"

/* Enough chunks for every stage to be interrupted in its middle; few numbers a step event, so that
 * what a checkpoint carries of an unreported step matters. */
static const char *const settings[] = {"run.log_every=1",     "reward.patience=3",
                                       "generate.batch=4",    "reward.eval_every=2",
                                       "evaluate.prompts=12", NULL};

typedef struct fixture {
    char *root, *whole;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    train_result r;

    if (!f)
        return -1;
    f->root = tmp_new();
    f->whole = tmp_path(f->root, "whole");
    r = train_run_ok(&(train_case){.dir = f->whole, .settings = settings});
    train_result_free(&r);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    free(f->whole);
    tmp_free(f->root);
    free(f);
    return 0;
}

static const train_moment moments[] = {
    {"sft", 1},    {"sft", 3},    {"sft", 5},     {"generate", 0}, {"reward", 1},
    {"reward", 4}, {"reward", 5}, {"margins", 0}, {"policy", 0},   {"policy", 2},
    {"policy", 3}, {"policy", 8}, {"evaluate", 0}};

static void test_stopped(void **state)
{
    const fixture *f = *state;

    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        char name[64], *dir;
        train_result r;

        snprintf(name, sizeof name, "stopped-%s-%d", moments[i].stage, (int)moments[i].step);
        dir = tmp_path(f->root, name);
        r = train_run(&(train_case){.dir = dir, .settings = settings, .stop = moments[i]});
        if (r.status != MADPO_ERR_STOPPED)
            fail_msg("%s: status %d: %s", name, r.status, r.err.message);
        assert_string_equal(json_string_value(json_object_get(
                                json_array_get(r.events, json_array_size(r.events) - 1), "status")),
                            "stopped");
        train_result_free(&r);
        r = train_run_ok(&(train_case){.dir = dir, .settings = settings, .resume = true});
        train_assert_same_results(f->whole, dir);
        train_result_free(&r);
        free(dir);
    }
}

/* The copy is what a crash at that moment leaves. */
static void test_crashed(void **state)
{
    const fixture *f = *state;

    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        char name[64], *dir, *copy;
        train_result r;

        snprintf(name, sizeof name, "crashed-%s-%d", moments[i].stage, (int)moments[i].step);
        copy = tmp_path(f->root, name);
        snprintf(name, sizeof name, "ran-%s-%d", moments[i].stage, (int)moments[i].step);
        dir = tmp_path(f->root, name);
        /* stopped soon after, only to save time */
        r = train_run(&(train_case){.dir = dir,
                                    .settings = settings,
                                    .snapshot = moments[i],
                                    .snapshot_dir = copy,
                                    .stop = moments[i]});
        assert_int_equal(r.status, MADPO_ERR_STOPPED);
        train_result_free(&r);
        r = train_run_ok(&(train_case){.dir = copy, .settings = settings, .resume = true});
        train_assert_same_results(f->whole, copy);
        train_result_free(&r);
        free(dir);
        free(copy);
    }
}

/* A checkpoint on request appears at once and changes nothing. */
static void test_requested(void **state)
{
    const fixture *f = *state;
    char *dir = tmp_path(f->root, "requested");
    train_result r =
        train_run_ok(&(train_case){.dir = dir, .settings = settings, .save = {"policy", 4}});
    const json_t *first = train_event(&r, "control", "policy", 0);
    bool seen = false;

    assert_string_equal(json_string_value(json_object_get(first, "action")), "checkpoint");
    for (size_t i = 0; i < train_event_count(&r, "checkpoint", "policy"); i++)
        seen = seen || train_number(train_event(&r, "checkpoint", "policy", i), "step") == 4.0;
    assert_true(seen);
    train_assert_same_results(f->whole, dir);
    train_result_free(&r);
    free(dir);
}

/* A resumed run reports what the undisturbed one would have, though reports span the interruption.
 */
static void test_reports_span(void **state)
{
    static const char *const sparse[] = {"run.stages=sft", "run.log_every=4",
                                         "sft.checkpoint_every=2", NULL};
    const fixture *f = *state;
    char *whole = tmp_path(f->root, "sparse"), *dir = tmp_path(f->root, "sparse-crashed");
    char *copy = tmp_path(f->root, "sparse-copy");
    train_moment at = {"sft", 4};
    train_result rw, r;

    rw = train_run_ok(&(train_case){.dir = whole, .settings = sparse});
    r = train_run_ok(
        &(train_case){.dir = dir, .settings = sparse, .snapshot = at, .snapshot_dir = copy});
    train_result_free(&r);
    /* the newest checkpoint is that of step 2: step 2's rows wait in it for the report of step 4 */
    r = train_run_ok(&(train_case){.dir = copy, .settings = sparse, .resume = true});
    if (!json_equal(train_event(&rw, "step", "sft", 1), train_event(&r, "step", "sft", 0)))
        fail_msg("step 4 is reported otherwise: %s",
                 json_dumps(train_event(&r, "step", "sft", 0), JSON_COMPACT));
    train_result_free(&r);
    train_result_free(&rw);
    free(whole);
    free(dir);
    free(copy);
}

static void test_mismatch(void **state)
{
    static const struct {
        const char *settings[2];
        const char *told;
    } others[] = {{{"policy.beta=0.2", NULL}, "policy.beta was 0.1, now 0.2"},
                  {{"model.hidden=64", NULL}, "model.hidden was 32, now 64"},
                  {{"data.synthetic=170", NULL}, "data.synthetic was 160, now 170"}};
    const fixture *f = *state;

    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        train_result r = train_run(
            &(train_case){.dir = f->whole, .settings = others[i].settings, .resume = true});

        assert_int_equal(r.status, MADPO_ERR_MISMATCH);
        if (!strstr(r.err.message, others[i].told))
            fail_msg("'%s' does not name %s", r.err.message, others[i].told);
        train_result_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped), cmocka_unit_test(test_crashed),
        cmocka_unit_test(test_requested), cmocka_unit_test(test_reports_span),
        cmocka_unit_test(test_mismatch)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
