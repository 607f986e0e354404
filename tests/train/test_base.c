/* Starting from a given model: full fine-tuning, an adapter that is given with it, and what is
 * refused before anything begins. */
#include "tests/train/lora_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tmp.h"

static const double ln2 = 0.69314718055994530942;

static char *path_setting(const char *key, const char *path)
{
    static char text[4][1024]; /* as many as a test has at once */
    static int turn;

    turn = (turn + 1) % 4;
    snprintf(text[turn], sizeof text[turn], "%s=%s", key, path);
    return text[turn];
}

/* ---- full fine-tuning ---- */

static void full(const lora_fixture *f, const char *name, const char *base)
{
    static const char *const one_step[] = {"run.stages=sft", "sft.max_steps=1", NULL};
    char *dir = lora_dir(f, name), *scratch = lora_dir(f, "scratch");
    const char *settings[] = {path_setting("model.path", base), "reward.init=base", NULL};
    train_result before = train_run_ok(&(train_case){.dir = scratch, .settings = one_step});
    train_result r = train_run_ok(&(train_case){.dir = dir, .settings = settings});
    const json_t *first = train_event(&r, "step", "sft", 0);

    /* it begins where the base's training ended, not at random */
    assert_true(train_number(first, "loss") <
                train_number(train_event(&before, "step", "sft", 0), "loss") - 0.2);
    assert_true(train_has(dir, "models/sft/model.safetensors"));
    assert_true(train_has(dir, "models/policy/model.safetensors"));
    assert_false(train_has(dir, "models/policy/adapter_config.json"));
    assert_true(train_number(train_event(&r, "step", "policy", 0), "rewards/margins") == 0.0);
    train_result_free(&before);
    train_result_free(&r);
    tmp_free(scratch);
    free(dir);
}

static void test_full(void **state)
{
    const lora_fixture *f = *state;

    full(f, "full-llama", f->llama);
    full(f, "full-gpt2", f->gpt2);
}

/* Without the sft stage the policy starts at the base, in a whole copy. */
static void test_full_without_sft(void **state)
{
    const lora_fixture *f = *state;
    char *dir = lora_dir(f, "full-no-sft");
    const char *settings[] = {path_setting("model.path", f->llama),
                              "run.stages=generate,policy,evaluate", "policy.objective=dpo", NULL};
    train_result r = train_run_ok(&(train_case){.dir = dir, .settings = settings});

    assert_true(fabs(train_number(train_event(&r, "step", "policy", 0), "loss") - ln2) <= 1e-14);
    assert_false(train_has(dir, "models/sft"));
    train_result_free(&r);
    free(dir);
}

/* ---- an adapter given with the model ---- */

/* models/sft of one run as model.adapter of another is the same start: the same pairs, reference
 * and policy follow from it. */
static void test_given_adapter(void **state)
{
    static const char *const first[] = {"run.stages=sft,generate,policy", "policy.objective=dpo",
                                        NULL};
    const lora_fixture *f = *state;
    char *a = lora_dir(f, "own-sft"), *b = lora_dir(f, "given-sft"),
         *sft = tmp_path(a, "models/sft");
    const char *second[] = {"run.stages=generate,policy", "policy.objective=dpo",
                            path_setting("model.adapter", sft), NULL};
    train_result ra = lora_run(f, "own-sft", f->llama, first);
    train_result rb = lora_run(f, "given-sft", f->llama, second);

    train_assert_same(a, b, "pairs.jsonl");
    train_assert_same(a, b, "reference.jsonl");
    train_assert_same(a, b, "models/policy/adapter_model.safetensors");
    train_result_free(&ra);
    train_result_free(&rb);
    free(a);
    free(b);
    free(sft);
}

/* ---- refused ---- */

static void refuse(const lora_fixture *f, const char *const *settings, madpo_status status,
                   const char *told)
{
    static int n;
    char name[32], *dir;
    train_result r;

    snprintf(name, sizeof name, "refused-%d", ++n);
    dir = lora_dir(f, name);
    r = train_run(&(train_case){.dir = dir, .settings = settings});
    if (r.status != status || !strstr(r.err.message, told))
        fail_msg("status %d and '%s', not %d with '%s'", r.status, r.err.message, status, told);
    train_result_free(&r);
    free(dir);
}

static void test_refused(void **state)
{
    static const char *const targets[] = {"lora.targets=q_prj", NULL};
    static const char *const reward[] = {"run.stages=generate,reward", NULL};
    const lora_fixture *f = *state;
    char *run = lora_dir(f, "reward-run"), *adapter = tmp_path(run, "models/reward");
    const char *missing[] = {"model.path=/nowhere/at/all", NULL};
    const char *is_adapter[] = {path_setting("model.path", adapter), NULL};
    const char *long_texts[] = {path_setting("model.path", f->gpt2), "data.max_tokens=64", NULL};
    const char *given[] = {path_setting("model.adapter", adapter), NULL};
    train_result r = lora_run(f, "reward-run", f->llama, reward);

    train_result_free(&r);
    refuse(f, missing, MADPO_ERR_IO, "model.path");
    refuse(f, is_adapter, MADPO_ERR_CONFIG, "is an adapter");
    refuse(f, long_texts, MADPO_ERR_CONFIG, "positions");
    refuse(f, lora_settings(f->llama, given), MADPO_ERR_CONFIG, "is a reward model's");
    refuse(f, lora_settings(f->llama, targets), MADPO_ERR_CONFIG, "q_prj");
    free(run);
    free(adapter);
}

/* A model that cannot fit is refused before the first step, with what would help. */
static void test_memory(void **state)
{
    static const char *const small[] = {"device.memory_mb=1", NULL};
    const lora_fixture *f = *state;
    char *dir = lora_dir(f, "small");
    train_result r =
        train_run(&(train_case){.dir = dir, .settings = lora_settings(f->llama, small)});

    assert_int_equal(r.status, MADPO_ERR_MEMORY);
    assert_non_null(strstr(r.err.message, "lower batch.tokens (now 256)"));
    assert_non_null(strstr(r.err.message, "model.recompute"));
    assert_int_equal(train_event_count(&r, "step", NULL), 0);
    assert_false(train_has(dir, "models"));
    train_result_free(&r);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full), cmocka_unit_test(test_full_without_sft),
        cmocka_unit_test(test_given_adapter), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_memory)};

    return cmocka_run_group_tests(tests, lora_setup, lora_teardown);
}
