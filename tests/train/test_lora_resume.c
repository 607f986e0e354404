/* A LoRA run with dropout that was stopped, or that died, goes on to the same bytes as an
 * undisturbed one: masks are functions of step and micro-batch, and a checkpoint of the adapter
 * alone is enough. A resume on another base is refused. */
#include "tests/train/lora_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tmp.h"

/* Several micro-batches a step, best weights to carry, enough chunks to be cut in the middle. */
static const char *const more[] = {"batch.tokens=128", "reward.patience=3",   "reward.eval_every=2",
                                   "generate.batch=4", "evaluate.prompts=12", NULL};

typedef struct fixture {
    lora_fixture *bases;
    char *whole;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    void *bases = NULL;
    train_result r;

    if (!f || lora_setup(&bases) != 0)
        return -1;
    f->bases = bases;
    f->whole = lora_dir(f->bases, "whole");
    r = lora_run(f->bases, "whole", f->bases->llama, more);
    train_result_free(&r);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    void *bases = f->bases;

    free(f->whole);
    lora_teardown(&bases);
    free(f);
    return 0;
}

static const train_moment moments[] = {{"sft", 2},    {"sft", 5},     {"generate", 0},
                                       {"reward", 5}, {"margins", 0}, {"policy", 0},
                                       {"policy", 5}, {"policy", 8},  {"evaluate", 0}};

static void test_stopped(void **state)
{
    const fixture *f = *state;
    const char *const *settings = lora_settings(f->bases->llama, more);

    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        char name[64], *dir;
        train_result r;

        snprintf(name, sizeof name, "stopped-%s-%d", moments[i].stage, (int)moments[i].step);
        dir = lora_dir(f->bases, name);
        r = train_run(&(train_case){.dir = dir, .settings = settings, .stop = moments[i]});
        if (r.status != MADPO_ERR_STOPPED)
            fail_msg("%s: status %d: %s", name, r.status, r.err.message);
        train_result_free(&r);
        r = train_run_ok(&(train_case){.dir = dir, .settings = settings, .resume = true});
        train_assert_same_results(f->whole, dir);
        train_result_free(&r);
        free(dir);
    }
}

/* A crash between two checkpoints: the steps since the last one are done again, masks and all. */
static void test_crashed(void **state)
{
    static const train_moment at[] = {{"sft", 5}, {"reward", 5}, {"policy", 5}};
    const fixture *f = *state;
    const char *const *settings = lora_settings(f->bases->llama, more);

    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        char name[64], *dir, *crash;
        train_result r;

        snprintf(name, sizeof name, "crashed-%s", at[i].stage);
        crash = lora_dir(f->bases, name);
        snprintf(name, sizeof name, "ran-%s", at[i].stage);
        dir = lora_dir(f->bases, name);
        r = train_run(&(train_case){.dir = dir,
                                    .settings = settings,
                                    .snapshot = at[i],
                                    .snapshot_dir = crash,
                                    .stop = at[i]});
        assert_int_equal(r.status, MADPO_ERR_STOPPED);
        train_result_free(&r);
        r = train_run_ok(&(train_case){.dir = crash, .settings = settings, .resume = true});
        train_assert_same_results(f->whole, crash);
        train_result_free(&r);
        free(dir);
        free(crash);
    }
}

/* Dropout does something: without it the same run has other losses. */
static void test_dropout_matters(void **state)
{
    static const char *const none[] = {"batch.tokens=128", "run.stages=sft", "lora.dropout=0",
                                       NULL};
    static const char *const some[] = {"batch.tokens=128", "run.stages=sft", NULL};
    const fixture *f = *state;
    train_result a = lora_run(f->bases, "no-dropout", f->bases->llama, none);
    train_result b = lora_run(f->bases, "dropout", f->bases->llama, some);
    const json_t *first_a = train_event(&a, "step", "sft", 0);
    const json_t *first_b = train_event(&b, "step", "sft", 0);

    /* B = 0: the first forward pass has nothing to drop, its gradient has */
    assert_true(train_number(first_a, "loss") == train_number(first_b, "loss"));
    assert_true(train_number(first_a, "grad_norm") != train_number(first_b, "grad_norm"));
    assert_true(train_number(train_event(&a, "step", "sft", 7), "loss") !=
                train_number(train_event(&b, "step", "sft", 7), "loss"));
    train_result_free(&a);
    train_result_free(&b);
}

static void refused(const fixture *f, const char *const *settings, const char *told)
{
    train_result r =
        train_run(&(train_case){.dir = f->whole, .settings = settings, .resume = true});

    assert_int_equal(r.status, MADPO_ERR_MISMATCH);
    if (!strstr(r.err.message, told))
        fail_msg("'%s' does not name %s", r.err.message, told);
    train_result_free(&r);
}

static void copy(const char *from, const char *to)
{
    char command[1024];

    snprintf(command, sizeof command, "cp -r '%s' '%s'", from, to);
    if (system(command) != 0)
        fail_msg("%s", command);
}

static void test_another_base(void **state)
{
    static const char *const rank[] = {"lora.rank=8", NULL};
    const fixture *f = *state;
    char *other = lora_make_base(f->bases->root, "base-other", "llama", "8");
    char *weights = tmp_path(f->bases->llama, "model.safetensors");
    char *kept = tmp_path(f->bases->root, "kept"), *others = tmp_path(other, "model.safetensors");

    refused(f, lora_settings(other, more), "model.path was ");
    refused(f, lora_settings(f->bases->llama, rank), "lora.rank was 4, now 8");
    /* other weights of the same shape under the same name */
    copy(weights, kept);
    copy(others, weights);
    refused(f, lora_settings(f->bases->llama, more), "digest");
    copy(kept, weights);
    free(other);
    free(weights);
    free(kept);
    free(others);
}

/* The same base elsewhere is the same base. */
static void test_moved_base(void **state)
{
    const fixture *f = *state;
    char *moved = lora_dir(f->bases, "moved");
    train_result r;

    copy(f->bases->llama, moved);
    r = train_run_ok(
        &(train_case){.dir = f->whole, .settings = lora_settings(moved, more), .resume = true});
    train_result_free(&r);
    free(moved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped), cmocka_unit_test(test_crashed),
        cmocka_unit_test(test_dropout_matters), cmocka_unit_test(test_another_base),
        cmocka_unit_test(test_moved_base)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
