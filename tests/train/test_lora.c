/* Runs on a given model: adapters of every stage, what they leave, identities at step 0, storage
 * types, recomputation. */
#include "tests/train/lora_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tmp.h"

static const double ln2 = 0.69314718055994530942;

static double weight_or_1(const json_t *step)
{
    return train_number(step, "madpo/weight/mean");
}

/* At the first step policy and reference are the same function, whatever the dropout: the adapter
 * that is trained adds exactly nothing, and one that is frozen drops nothing. */
static void check_step_0(const train_result *r)
{
    const json_t *first = train_event(r, "step", "policy", 0), *pair;
    const json_t *pairs = json_object_get(train_event(r, "samples", "policy", 0), "pairs");
    size_t i;

    assert_true(json_array_size(pairs) > 0);
    json_array_foreach(pairs, i, pair)
    {
        if (train_number(pair, "m") != 0.0)
            fail_msg("pair %zu has the margin %g", i, train_number(pair, "m"));
    }
    assert_true(train_number(first, "rewards/margins") == 0.0);
    assert_true(fabs(train_number(first, "loss") - ln2 * weight_or_1(first)) <= 1e-12);
}

static void check_trained(const train_result *r, const char *stage)
{
    const json_t *trained = NULL;

    for (size_t i = 0; i < train_event_count(r, "stage", stage); i++) {
        const json_t *event = train_event(r, "stage", stage, i);

        if (strcmp(json_string_value(json_object_get(event, "status")), "trained") == 0)
            trained = event;
    }
    assert_non_null(trained);
    assert_int_equal(train_number(trained, "late_buffers"), 0);
    assert_int_equal(train_number(trained, "late_programs"), 0);
    assert_true(isfinite(train_number(train_event(r, "step", stage, 7), "loss")));
    assert_true(train_number(train_event(r, "step", stage, 0), "grad_norm") > 0.0);
}

static void check_files(const char *dir)
{
    static const char *const stages[] = {"sft", "reward", "policy"};

    for (size_t i = 0; i < 3; i++) {
        char name[96];

        snprintf(name, sizeof name, "models/%s/adapter_config.json", stages[i]);
        assert_true(train_has(dir, name));
        snprintf(name, sizeof name, "models/%s/adapter_model.safetensors", stages[i]);
        assert_true(train_has(dir, name));
        snprintf(name, sizeof name, "models/%s/tokenizer.json", stages[i]);
        assert_true(train_has(dir, name));
        snprintf(name, sizeof name, "models/%s/model.safetensors", stages[i]);
        assert_false(train_has(dir, name)); /* the base stays where it is */
        snprintf(name, sizeof name, "checkpoints/%s-step-8/adapter_model.safetensors", stages[i]);
        assert_true(train_has(dir, name));
        snprintf(name, sizeof name, "checkpoints/%s-step-8/model.safetensors", stages[i]);
        assert_false(train_has(dir, name));
    }
}

static void whole_way(const lora_fixture *f, const char *name, const char *base,
                      const char *const *more)
{
    train_result r = lora_run(f, name, base, more);
    const json_t *eval = train_event(&r, "eval", "evaluate", 1);
    char *dir = lora_dir(f, name);

    check_trained(&r, "sft");
    check_trained(&r, "reward");
    check_trained(&r, "policy");
    check_step_0(&r);
    check_files(dir);
    assert_string_equal(json_string_value(json_object_get(eval, "who")), "policy");
    assert_true(isfinite(train_number(eval, "mean")));
    train_result_free(&r);
    free(dir);
}

static void test_llama(void **state)
{
    const lora_fixture *f = *state;

    whole_way(f, "way-llama", f->llama, NULL);
}

static void test_gpt2(void **state)
{
    const lora_fixture *f = *state;

    whole_way(f, "way-gpt2", f->gpt2, NULL);
}

/* The paper's way: the reward model starts at the base. */
static void test_reward_from_base(void **state)
{
    static const char *const more[] = {"reward.init=base", "lora.rslora=true", NULL};
    const lora_fixture *f = *state;

    whole_way(f, "way-base", f->llama, more);
}

/* Without the sft stage reference and policy begin at the base itself. */
static void test_without_sft(void **state)
{
    static const char *const more[] = {"run.stages=generate,policy,evaluate",
                                       "policy.objective=dpo", NULL};
    const lora_fixture *f = *state;
    train_result r = lora_run(f, "no-sft", f->llama, more);
    char *dir = lora_dir(f, "no-sft");

    check_step_0(&r);
    /* as far as an event's 15 digits tell */
    assert_true(fabs(train_number(train_event(&r, "step", "policy", 0), "loss") - ln2) <= 1e-14);
    assert_false(train_has(dir, "models/sft"));
    assert_true(train_has(dir, "models/policy/adapter_model.safetensors"));
    train_result_free(&r);
    free(dir);
}

/* A rate of 0 leaves the policy's adapter without effect: one joined adapter of twice the rank then
 * samples what the first alone does. */
static void test_joined(void **state)
{
    static const char *const more[] = {"run.stages=sft,generate,policy,evaluate",
                                       "policy.objective=dpo", "policy.lr=0", NULL};
    const lora_fixture *f = *state;
    train_result r = lora_run(f, "joined", f->llama, more);
    const json_t *reference = train_event(&r, "eval", "evaluate", 0);
    const json_t *policy = train_event(&r, "eval", "evaluate", 1);

    (void)state;
    assert_true(train_number(reference, "mean") == train_number(policy, "mean"));
    assert_true(train_number(reference, "sd") == train_number(policy, "sd"));
    train_result_free(&r);
}

/* The decisions of a step come from passes without dropout; the training passes drop what they
 * would have dropped without them. Deciding nothing is DPO. */
static void test_planned(void **state)
{
    static const char *const dpo[] = {"run.stages=generate,policy", "policy.objective=dpo", NULL};
    static const char *const beta[] = {"run.stages=generate,policy", "policy.objective=beta-dpo",
                                       "policy.alpha=0", "policy.keep=1", NULL};
    const lora_fixture *f = *state;
    train_result a = lora_run(f, "dpo", f->llama, dpo), b = lora_run(f, "beta-dpo", f->llama, beta);
    char *dir_a = lora_dir(f, "dpo"), *dir_b = lora_dir(f, "beta-dpo");

    train_assert_same(dir_a, dir_b, "models/policy/adapter_model.safetensors");
    /* reference and policy agree where nothing is dropped: the decisions saw no gap at first … */
    assert_true(train_number(train_event(&b, "step", "policy", 0), "madpo/gap/center") == 0.0);
    /* … while training does drop */
    assert_true(train_number(train_event(&b, "step", "policy", 1), "madpo/gap/center") != 0.0);
    train_result_free(&a);
    train_result_free(&b);
    free(dir_a);
    free(dir_b);
}

static void assert_same_losses(const train_result *a, const train_result *b, const char *stage,
                               double atol)
{
    for (size_t i = 0; i < 8; i++) {
        double x = train_number(train_event(a, "step", stage, i), "loss");
        double y = train_number(train_event(b, "step", stage, i), "loss");

        if (!(fabs(x - y) <= atol))
            fail_msg("%s step %zu: loss %.15g and %.15g", stage, i + 1, x, y);
    }
}

static void test_recompute(void **state)
{
    static const char *const kept[] = {"model.recompute=false", NULL};
    static const char *const again[] = {"model.recompute=true", NULL};
    const lora_fixture *f = *state;
    train_result a = lora_run(f, "kept", f->gpt2, kept);
    train_result b = lora_run(f, "again", f->gpt2, again);
    char *dir_a = lora_dir(f, "kept"), *dir_b = lora_dir(f, "again");

    assert_same_losses(&a, &b, "policy", 0.0);
    train_assert_same_results(dir_a, dir_b);
    train_result_free(&a);
    train_result_free(&b);
    free(dir_a);
    free(dir_b);
}

/* The base in 16 bits: a little other numbers, the same identities. */
static void test_storage(void **state)
{
    static const char *const full[] = {"run.stages=sft", NULL};
    static const char *const half[] = {"model.storage=bf16", NULL};
    const lora_fixture *f = *state;
    train_result a = lora_run(f, "f32", f->llama, full), b;
    const json_t *x = train_event(&a, "step", "sft", 0), *y;

    whole_way(f, "bf16", f->llama, half);
    b = lora_run(f, "bf16-again", f->llama, half);
    y = train_event(&b, "step", "sft", 0);
    assert_true(train_number(x, "loss") != train_number(y, "loss"));
    assert_same_losses(&a, &b, "sft", 0.02);
    train_result_free(&a);
    train_result_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_llama),
                                       cmocka_unit_test(test_gpt2),
                                       cmocka_unit_test(test_reward_from_base),
                                       cmocka_unit_test(test_without_sft),
                                       cmocka_unit_test(test_joined),
                                       cmocka_unit_test(test_planned),
                                       cmocka_unit_test(test_recompute),
                                       cmocka_unit_test(test_storage)};

    return cmocka_run_group_tests(tests, lora_setup, lora_teardown);
}
