/* The whole way on generated reviews: what it reports, that it repeats, that it does not allocate
 * late, and the identities that hold exactly. */
#include "tests/train/train_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tmp.h"

static const double ln2 = 0.69314718055994530942;

static train_result run(const char *dir, const char *const *settings)
{
    return train_run_ok(&(train_case){.dir = dir, .settings = settings});
}

/* ---- what a run reports ---- */

static void check_steps(const train_result *r, const char *stage)
{
    static const char *const keys[] = {"loss",       "grad_norm",    "learning_rate",
                                       "num_tokens", "num_examples", "epoch"};
    const json_t *trained = NULL;

    assert_int_equal(train_event_count(r, "step", stage), 8);
    for (size_t i = 0; i < 8; i++) {
        const json_t *step = train_event(r, "step", stage, i);

        assert_int_equal(train_number(step, "step"), i + 1);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            assert_true(isfinite(train_number(step, keys[k])));
    }
    /* two steps an epoch at least: what was seen grows by a batch, or by what an epoch has left */
    for (size_t i = 1; i < 8; i++)
        assert_true(train_number(train_event(r, "step", stage, i), "num_examples") >
                    train_number(train_event(r, "step", stage, i - 1), "num_examples"));
    for (size_t i = 0; i < train_event_count(r, "stage", stage); i++) {
        const json_t *event = train_event(r, "stage", stage, i);

        if (strcmp(json_string_value(json_object_get(event, "status")), "trained") == 0)
            trained = event;
    }
    assert_non_null(trained);
    /* nothing is allocated on the device and no program built once the loop is warm */
    assert_int_equal(train_number(trained, "late_buffers"), 0);
    assert_int_equal(train_number(trained, "late_programs"), 0);
    assert_true(train_event_count(r, "checkpoint", stage) >= 3);
    assert_true(train_event_count(r, "eval", stage) >= 2);
}

static void check_evaluation(const train_result *r)
{
    static const char *const who[] = {"reference", "policy"};

    for (size_t i = 0; i < 2; i++) {
        const json_t *eval = train_event(r, "eval", "evaluate", i);
        const json_t *ci = json_object_get(eval, "ci95");
        double mean = train_number(eval, "mean"), low = json_number_value(json_array_get(ci, 0));

        assert_string_equal(json_string_value(json_object_get(eval, "who")), who[i]);
        assert_string_equal(json_string_value(json_object_get(eval, "metric")), "true_reward");
        assert_int_equal(train_number(eval, "n"), 8);
        assert_true(mean >= -3.0 && mean <= 3.0);
        assert_true(fabs(mean - low - 1.96 * train_number(eval, "sd") / sqrt(8.0)) <= 1e-9);
    }
}

static void test_reports(void **state)
{
    char *dir = tmp_new(), *a = tmp_path(dir, "a");
    train_result r = run(a, NULL);
    const json_t *reward = NULL, *end = json_array_get(r.events, json_array_size(r.events) - 1);
    const json_t *first = train_event(&r, "step", "policy", 0);
    const json_t *pairs = json_object_get(train_event(&r, "samples", "policy", 0), "pairs");
    const json_t *pair;
    size_t i;

    (void)state;
    check_steps(&r, "sft");
    check_steps(&r, "reward");
    check_steps(&r, "policy");
    check_evaluation(&r);
    for (i = 0; i < train_event_count(&r, "eval", "reward"); i++)
        if (json_object_get(train_event(&r, "eval", "reward", i), "who"))
            reward = train_event(&r, "eval", "reward", i);
    assert_non_null(reward);
    assert_true(json_is_object(json_object_get(reward, "true_order_clear")));
    /* at the first step policy and reference are the same weights: margins are 0 to the last bit */
    assert_int_equal(json_array_size(pairs), 4);
    json_array_foreach(pairs, i, pair)
    {
        assert_true(train_number(pair, "m") == 0.0);
    }
    assert_true(train_number(first, "rewards/margins") == 0.0);
    assert_true(fabs(train_number(first, "loss") -
                     ln2 * train_number(first, "madpo/weight/mean")) <= 1e-12);
    assert_string_equal(json_string_value(json_object_get(end, "status")), "done");
    train_result_free(&r);
    free(a);
    tmp_free(dir);
}

/* ---- repetition ---- */

static void test_repeats(void **state)
{
    char *dir = tmp_new(), *a = tmp_path(dir, "a"), *b = tmp_path(dir, "b");
    train_result ra = run(a, NULL), rb = run(b, NULL);

    (void)state;
    assert_int_equal(json_array_size(ra.events), json_array_size(rb.events));
    for (size_t i = 0; i < json_array_size(ra.events); i++)
        if (!json_equal(json_array_get(ra.events, i), json_array_get(rb.events, i)))
            fail_msg("event %zu: %s, then %s", i,
                     json_dumps(json_array_get(ra.events, i), JSON_COMPACT),
                     json_dumps(json_array_get(rb.events, i), JSON_COMPACT));
    train_assert_same_results(a, b);
    train_result_free(&ra);
    train_result_free(&rb);
    free(a);
    free(b);
    tmp_free(dir);
}

/* Twenty steps: begins near a uniform guess over the vocabulary and falls. */
static void test_loss_curve(void **state)
{
    static const char *const settings[] = {"run.stages=sft", "sft.max_steps=20", NULL};
    char *dir = tmp_new(), *a = tmp_path(dir, "a");
    train_result r = run(a, settings);
    double first = train_number(train_event(&r, "step", "sft", 0), "loss");
    double last = train_number(train_event(&r, "step", "sft", 19), "loss");

    (void)state;
    assert_true(fabs(first - log(320.0)) <= 0.3);
    assert_true(last <= first - 0.5);
    /* the warm-up of 3 % is no whole step here; the peak comes first */
    assert_true(train_number(train_event(&r, "step", "sft", 0), "learning_rate") == 3e-3);
    train_result_free(&r);
    free(a);
    tmp_free(dir);
}

/* The budget of a micro-batch decides memory, not the result (but for the order of sums). */
static void test_budget(void **state)
{
    static const char *const wide[] = {"run.stages=sft", "batch.tokens=256", NULL};
    static const char *const narrow[] = {"run.stages=sft", "batch.tokens=64", NULL};
    char *dir = tmp_new(), *a = tmp_path(dir, "a"), *b = tmp_path(dir, "b");
    train_result ra = run(a, wide), rb = run(b, narrow);

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        double x = train_number(train_event(&ra, "step", "sft", i), "loss");
        double y = train_number(train_event(&rb, "step", "sft", i), "loss");

        if (!(fabs(x - y) <= 2e-3))
            fail_msg("step %zu: loss %.9g and %.9g", i + 1, x, y);
    }
    train_result_free(&ra);
    train_result_free(&rb);
    free(a);
    free(b);
    tmp_free(dir);
}

/* ---- identities ---- */

static void test_c_max_1_is_dpo(void **state)
{
    static const char *const dpo[] = {"policy.objective=dpo", NULL};
    static const char *const one[] = {"policy.objective=madpo", "policy.c_max=1", NULL};
    char *dir = tmp_new(), *a = tmp_path(dir, "dpo"), *b = tmp_path(dir, "madpo");
    train_result ra = run(a, dpo), rb = run(b, one);

    (void)state;
    /* as far as an event's 15 digits tell */
    assert_true(fabs(train_number(train_event(&ra, "step", "policy", 0), "loss") - ln2) <= 1e-14);
    train_assert_same(a, b, "models/policy/model.safetensors");
    train_assert_same(a, b, "samples.jsonl");
    train_result_free(&ra);
    train_result_free(&rb);
    free(a);
    free(b);
    tmp_free(dir);
}

/* A reward model without an opinion: every margin 0. */
static void flatten_margins(const char *dir)
{
    char *path = tmp_path(dir, "margins.jsonl");
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (int i = 0; i < 64; i++)
        fprintf(file, "{\"id\":%d,\"pair\":%d,\"h\":0.0,\"c\":1.0,\"w\":1.0}\n", i, i);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static void test_constant_reward_is_dpo(void **state)
{
    static const char *const dpo[] = {"policy.objective=dpo", "run.stages=sft,generate,policy",
                                      NULL};
    static const char *const most[] = {"run.stages=sft,generate,reward,margins", NULL};
    static const char *const rest[] = {"run.stages=policy", NULL};
    char *dir = tmp_new(), *a = tmp_path(dir, "dpo"), *b = tmp_path(dir, "madpo");
    train_result ra = run(a, dpo), rb = run(b, most), rc;

    (void)state;
    flatten_margins(b);
    rc = train_run_ok(&(train_case){.dir = b, .settings = rest, .resume = true});
    train_assert_same(a, b, "models/policy/model.safetensors");
    train_result_free(&ra);
    train_result_free(&rb);
    train_result_free(&rc);
    free(a);
    free(b);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports),        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_loss_curve),     cmocka_unit_test(test_budget),
        cmocka_unit_test(test_c_max_1_is_dpo), cmocka_unit_test(test_constant_reward_is_dpo)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
