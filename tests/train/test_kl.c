/* What evaluations measure beside the loss, and "system" events: they are there, they are right
 * where that can be said, and the training result has the same bits with and without them. */
#include "tests/train/lora_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tmp.h"

/* Several micro-batches an evaluation. */
#define SETTINGS "batch.tokens=64", "data.eval_fraction=0.4", "evaluate.prompts=8"

typedef struct fixture {
    char *root, *whole;
    train_result r; /* of the run with everything on */
} fixture;

static int setup(void **state)
{
    static const char *const settings[] = {SETTINGS, "device.profile=true", NULL};
    fixture *f = calloc(1, sizeof *f);

    if (!f)
        return -1;
    f->root = tmp_new();
    f->whole = tmp_path(f->root, "whole");
    f->r = train_run_ok(&(train_case){.dir = f->whole, .settings = settings});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    train_result_free(&f->r);
    free(f->whole);
    tmp_free(f->root);
    free(f);
    return 0;
}

static bool has_kl(const train_result *r)
{
    return json_object_get(train_event(r, "eval", "policy", 0), "eval_kl") != NULL;
}

static void test_moves(void **state)
{
    const fixture *f = *state;

    assert_int_equal(train_event_count(&f->r, "eval", "policy"), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *event = train_event(&f->r, "eval", "policy", i);
        double all = train_number(event, "eval_kl");
        double chosen = train_number(event, "eval_kl/chosen");
        double rejected = train_number(event, "eval_kl/rejected");

        assert_true(chosen > 1e-5 && rejected > 1e-5);
        assert_true(all >= fmin(chosen, rejected) && all <= fmax(chosen, rejected));
    }
    assert_false(json_object_get(train_event(&f->r, "eval", "reward", 0), "eval_kl"));
}

/* The same results without the measurement and without a profile. */
static void test_same_bits(void **state)
{
    static const char *const settings[] = {SETTINGS, "policy.kl_pairs=0", NULL};
    const fixture *f = *state;
    char *dir = tmp_path(f->root, "without");
    train_result r = train_run_ok(&(train_case){.dir = dir, .settings = settings});

    assert_false(has_kl(&r));
    train_assert_same_results(f->whole, dir);
    assert_int_equal(train_event_count(&r, "step", "policy"),
                     train_event_count(&f->r, "step", "policy"));
    for (size_t i = 0; i < train_event_count(&r, "step", "policy"); i++)
        assert_true(json_equal(train_event(&r, "step", "policy", i),
                               train_event(&f->r, "step", "policy", i)));
    train_result_free(&r);
    free(dir);
}

/* The reference is what the stage began with, not what a checkpoint holds. */
static void test_resumed(void **state)
{
    static const char *const settings[] = {SETTINGS, NULL};
    const fixture *f = *state;
    char *dir = tmp_path(f->root, "stopped");
    train_result r = train_run(
        &(train_case){.dir = dir, .settings = settings, .stop = {.stage = "policy", .step = 5}});

    assert_int_equal(r.status, MADPO_ERR_STOPPED);
    train_result_free(&r);
    r = train_run_ok(&(train_case){.dir = dir, .settings = settings, .resume = true});
    train_assert_same_results(f->whole, dir);
    if (!json_equal(train_event(&r, "eval", "policy", 0), train_event(&f->r, "eval", "policy", 1)))
        fail_msg("step 8 is evaluated otherwise: %s",
                 json_dumps(train_event(&r, "eval", "policy", 0), JSON_COMPACT));
    train_result_free(&r);
    free(dir);
}

/* A policy that does not move is its reference, row for row, whatever the micro-batches. */
static void test_still(void **state)
{
    static const char *const settings[] = {SETTINGS, "policy.lr=1e-30",
                                           "run.stages=sft,generate,reward,margins,policy", NULL};
    const fixture *f = *state;
    char *dir = tmp_path(f->root, "still");
    train_result r = train_run_ok(&(train_case){.dir = dir, .settings = settings});

    for (size_t i = 0; i < 2; i++)
        assert_true(train_number(train_event(&r, "eval", "policy", i), "eval_kl") == 0.0);
    train_result_free(&r);
    free(dir);
}

static void test_no_reference(void **state)
{
    static const char *const settings[] = {SETTINGS, "policy.objective=simpo",
                                           "run.stages=sft,generate,policy", NULL};
    const fixture *f = *state;
    char *dir = tmp_path(f->root, "simpo");
    train_result r = train_run_ok(&(train_case){.dir = dir, .settings = settings});

    assert_false(has_kl(&r));
    train_result_free(&r);
    free(dir);
}

/* Adapters on a frozen base: one head for both. */
static void test_lora(void **state)
{
    static const char *const moving[] = {"policy.lr=1e-2", NULL};
    static const char *const still[] = {"policy.lr=1e-30", NULL};
    void *bases = NULL;
    lora_fixture *f;
    train_result r;

    (void)state;
    assert_int_equal(lora_setup(&bases), 0);
    f = bases;
    r = lora_run(f, "moving", f->llama, moving);
    assert_true(train_number(train_event(&r, "eval", "policy", 1), "eval_kl") > 1e-5);
    train_result_free(&r);
    r = lora_run(f, "still", f->llama, still);
    assert_true(train_number(train_event(&r, "eval", "policy", 1), "eval_kl") == 0.0);
    train_result_free(&r);
    lora_teardown(&bases);
}

/* ---- system events ---- */

/* Events of a kind as they are in the run's file, array; json_decref(). */
static json_t *system_events(const char *dir)
{
    size_t n;
    char *text = train_file(dir, "events.jsonl", &n);
    json_t *all = json_array();

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *event = json_loads(line, 0, NULL);

        if (strcmp(json_string_value(json_object_get(event, "ev")), "system") == 0)
            json_array_append(all, event);
        json_decref(event);
    }
    free(text);
    return all;
}

static void check_memory(const json_t *event)
{
    double now = train_number(event, "device_bytes"),
           peak = train_number(event, "device_peak_bytes");

    assert_true(now > 0 && now <= peak);
    assert_true(train_number(event, "host_bytes") > 0);
    assert_true(train_number(event, "host_bytes") <= train_number(event, "host_peak_bytes"));
}

static void check_times(const json_t *event)
{
    static const char *const parts[] = {"forward_seconds", "backward_seconds", "optimizer_seconds",
                                        "data_seconds"};
    double sum = 0, step = train_number(event, "step_seconds");

    for (size_t i = 0; i < 4; i++) {
        assert_true(train_number(event, parts[i]) >= 0);
        sum += train_number(event, parts[i]);
    }
    assert_true(fabs(sum - step) <= 1e-6 * step + 1e-9);
    assert_true(train_number(event, "forward_seconds") > 0);
    assert_true(train_number(event, "backward_seconds") > 0);
    assert_true(step <= train_number(event, "interval_seconds"));
    assert_true(train_number(event, "write_seconds") > 0);
    assert_true(train_number(event, "kernels/matmul_seconds") > 0);
    assert_true(train_number(event, "kernels/other_seconds") == 0); /* every stem has its group */
}

static void test_system(void **state)
{
    const fixture *f = *state;
    json_t *all = system_events(f->whole);
    size_t i, n_stages = 0, n_policy = 0;
    const json_t *event;

    json_array_foreach(all, i, event)
    {
        bool at_step = json_object_get(event, "step") != NULL;

        check_memory(event);
        n_stages += !at_step;
        if (!at_step)
            continue;
        check_times(event);
        n_policy += strcmp(json_string_value(json_object_get(event, "stage")), "policy") == 0;
    }
    assert_int_equal(n_stages, 6);
    assert_true(n_policy >= 2); /* the first step and the last */
    json_decref(all);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_moves),        cmocka_unit_test(test_same_bits),
    cmocka_unit_test(test_resumed),      cmocka_unit_test(test_still),
    cmocka_unit_test(test_no_reference), cmocka_unit_test(test_lora),
    cmocka_unit_test(test_system),
};

int main(void)
{
    return cmocka_run_group_tests_name("train.kl", tests, setup, teardown);
}
