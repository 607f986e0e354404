/* Stages alone and in other company: what is missing is told with the stage to run; objectives that
 * need no margins do without; training that runs away fails in time. */
#include "tests/train/train_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tmp.h"

static void says(const train_result *r, madpo_status status, const char *what)
{
    if (r->status != status || !strstr(r->err.message, what))
        fail_msg("status %d and '%s', not %d with '%s'", r->status, r->err.message, status, what);
}

static void test_missing(void **state)
{
    static const struct {
        const char *stages, *told;
    } cases[] = {{"run.stages=generate", "run the stage sft first"},
                 {"run.stages=reward", "run the stage generate first"},
                 {"run.stages=sft,generate,margins", "run the stage reward first"},
                 {"run.stages=sft,generate,policy", "run the stage margins first"},
                 {"run.stages=sft,evaluate", "run the stage policy first"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *settings[] = {cases[i].stages, NULL};
        char *dir = tmp_new(), *a = tmp_path(dir, "a");
        train_result r = train_run(&(train_case){.dir = a, .settings = settings});

        says(&r, MADPO_ERR_DATA, cases[i].told);
        train_result_free(&r);
        free(a);
        tmp_free(dir);
    }
}

static void test_one_by_one(void **state)
{
    static const char *const stages[] = {"sft",     "generate", "reward",
                                         "margins", "policy",   "evaluate"};
    char *dir = tmp_new(), *a = tmp_path(dir, "together"), *b = tmp_path(dir, "alone");
    train_result r = train_run_ok(&(train_case){.dir = a});

    (void)state;
    train_result_free(&r);
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        char stage[64];
        const char *settings[] = {stage, NULL};

        snprintf(stage, sizeof stage, "run.stages=%s", stages[i]);
        r = train_run_ok(&(train_case){.dir = b, .settings = settings, .resume = i > 0});
        train_result_free(&r);
    }
    train_assert_same_results(a, b);
    free(a);
    free(b);
    tmp_free(dir);
}

/* DPO and IPO need neither reward model nor margins. */
static void test_without_margins(void **state)
{
    static const struct {
        const char *objective;
        double first_loss;
    } cases[] = {{"policy.objective=dpo", 0.69314718055994530942},
                 {"policy.objective=ipo", 25.0}}; /* (0 - 1/(2 beta))^2 */

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *settings[] = {cases[i].objective, "run.stages=sft,generate,policy,evaluate",
                                  NULL};
        char *dir = tmp_new(), *a = tmp_path(dir, "a");
        train_result r = train_run_ok(&(train_case){.dir = a, .settings = settings});
        const json_t *step = train_event(&r, "step", "policy", 0);

        assert_true(fabs(train_number(step, "loss") - cases[i].first_loss) <= 1e-12);
        assert_null(json_object_get(step, "madpo/margin/mean"));
        assert_true(train_number(step, "madpo/weight/mean") == 1.0);
        train_result_free(&r);
        free(a);
        tmp_free(dir);
    }
}

static void test_early_stopping(void **state)
{
    /* a rate at which the tiny reward model soon knows its 20 pairs by heart */
    static const char *const settings[] = {"run.stages=sft,generate,reward",
                                           "reward.max_steps=60",
                                           "reward.eval_every=2",
                                           "reward.patience=2",
                                           "reward.lr=0.01",
                                           NULL};
    char *dir = tmp_new(), *a = tmp_path(dir, "a");
    train_result r = train_run_ok(&(train_case){.dir = a, .settings = settings});
    double best = INFINITY, best_step = -1.0;
    size_t n = train_event_count(&r, "eval", "reward") - 1; /* the last one judges the result */
    const json_t *judged = train_event(&r, "eval", "reward", n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        const json_t *eval = train_event(&r, "eval", "reward", i);

        if (train_number(eval, "eval_loss") < best) {
            best = train_number(eval, "eval_loss");
            best_step = train_number(eval, "step");
        }
    }
    assert_true(n >= 3 && n < 30); /* it did stop early */
    assert_true(best_step == train_number(train_event(&r, "eval", "reward", n - 3), "step"));
    /* what was saved is the best, not the last */
    assert_true(fabs(train_number(judged, "loss") - best) <= 1e-9);
    train_result_free(&r);
    free(a);
    tmp_free(dir);
}

/* Weights grow a hundredfold with each step, beyond any float after some twenty. */
static void test_runs_away(void **state)
{
    static const char *const good[] = {"run.stages=sft", NULL};
    static const char *const wild[] = {"run.stages=sft,generate,policy",
                                       "policy.objective=dpo",
                                       "policy.lr=10",
                                       "policy.weight_decay=10",
                                       "policy.max_steps=100",
                                       "policy.schedule=constant",
                                       "policy.warmup=0",
                                       "policy.checkpoint_every=0",
                                       "run.max_bad_steps=3",
                                       NULL};
    char *dir = tmp_new(), *a = tmp_path(dir, "a"), *b = tmp_path(dir, "b");
    train_result r = train_run_ok(&(train_case){.dir = a, .settings = good});
    const json_t *end;

    (void)state;
    train_result_free(&r);
    r = train_run(&(train_case){.dir = b, .settings = wild});
    says(&r, MADPO_ERR_NUMERIC, "not finite for 3 steps");
    says(&r, MADPO_ERR_NUMERIC, "lower policy.lr (now 10)");
    end = json_array_get(r.events, json_array_size(r.events) - 1);
    assert_string_equal(json_string_value(json_object_get(end, "status")), "failed");
    assert_string_equal(json_string_value(json_object_get(end, "reason")), r.err.message);
    assert_int_equal(train_event_count(&r, "warning", "policy"), 3);
    assert_false(train_has(b, "models/policy/model.safetensors"));
    train_assert_same(a, b, "models/sft/model.safetensors");
    train_result_free(&r);
    free(a);
    free(b);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing), cmocka_unit_test(test_one_by_one),
        cmocka_unit_test(test_without_margins), cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_runs_away)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
