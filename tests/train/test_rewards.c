/* Several reward models: folds that keep a pair's label out of its own margin, ensembles of seeds,
 * the temperature of the held-out pairs, what the stage margins tells, and going on after a stop
 * without doing a model twice. */
#include "tests/train/pairs_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "objective/calibration.h"
#include "objective/objective.h"
#include "tests/support/tmp.h"

enum { N_PAIRS = 60, N_PROMPTS = 20, MOST = 12 };

static const pairs_recipe recipe = {.n = N_PAIRS,
                                    .n_prompts = N_PROMPTS,
                                    .held_out_every = 4,
                                    .wrong_every = 7,
                                    .swap_prompt = -1,
                                    .h = NAN,
                                    .margin = NAN};

typedef struct fixture {
    char *root;
    char model[1024];
    madpo_pairs *pairs;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    if (!f)
        return -1;
    f->root = tmp_new();
    f->pairs = pairs_make(&recipe);
    pairs_make_start(f->model, f->root, f->pairs);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    madpo_pairs_free(f->pairs);
    tmp_free(f->root);
    free(f);
    return 0;
}

/* A run in root/name; its folder is the caller's, free(). */
typedef struct reward_run {
    const char *name, *stages;
    const char *more[MOST];
    const madpo_pairs *pairs; /* NULL = the fixture's */
    train_moment stop;
    bool resume;
} reward_run;

static train_result run(char **dir, const fixture *f, const reward_run *p)
{
    const char *settings[MOST + 4] = {p->stages ? p->stages : "run.stages=reward,margins",
                                      f->model};
    train_result r;

    for (size_t i = 0; i < MOST && p->more[i]; i++)
        settings[2 + i] = p->more[i];
    *dir = tmp_path(f->root, p->name);
    r = train_run(&(train_case){.dir = *dir,
                                .settings = settings,
                                .pairs = p->pairs ? p->pairs : f->pairs,
                                .stop = p->stop,
                                .resume = p->resume});
    if (r.status != (p->stop.stage ? MADPO_ERR_STOPPED : MADPO_OK))
        fail_msg("%s: %s", p->name, r.err.message);
    return r;
}

static void column(double out[N_PAIRS], const char *dir, const char *file, const char *key)
{
    pairs_column(out, N_PAIRS, dir, file, key);
}

static const json_t *reliability(const train_result *r, const char *split)
{
    for (size_t i = 0; i < train_event_count(r, "eval", "margins"); i++) {
        const json_t *event = train_event(r, "eval", "margins", i);
        const char *of = json_string_value(json_object_get(event, "split"));

        if (of && strcmp(of, split) == 0)
            return event;
    }
    fail_msg("no reliability of %s", split);
    return NULL;
}

/* ---- folds ---- */

static bool is_held_out(size_t i)
{
    return i % N_PROMPTS % 4 == 0;
}

/* Margins of training pairs are those of the model of their fold, which gives no other; of held-out
 * ones they are the mean. */
static void check_folds(const char *dir)
{
    double h[N_PAIRS], fold[N_PAIRS], part[3][N_PAIRS];

    column(h, dir, "margins.jsonl", "h");
    column(fold, dir, "margins.jsonl", "fold");
    for (int k = 0; k < 3; k++) {
        char file[64];

        snprintf(file, sizeof file, "margins-reward-fold-%d.jsonl", k + 1);
        column(part[k], dir, file, "h");
    }
    for (size_t i = 0; i < N_PAIRS; i++) {
        if (is_held_out(i)) {
            double mean = (part[0][i] + part[1][i] + part[2][i]) / 3.0;

            assert_true(isnan(fold[i]) && fabs(h[i] - mean) <= 1e-12);
            continue;
        }
        assert_true(fold[i] >= 1.0 && fold[i] <= 3.0);
        assert_true(fold[i] == fold[i % N_PROMPTS]); /* one prompt, one fold */
        for (int k = 0; k < 3; k++)
            assert_true(k + 1 == (int)fold[i] ? part[k][i] == h[i] : isnan(part[k][i]));
    }
}

static void test_folds(void **state)
{
    const fixture *f = *state;
    reward_run p = {.name = "folds", .more = {"reward.folds=3"}};
    char *dir;
    train_result r = run(&dir, f, &p);
    size_t n_named = 0;

    for (size_t i = 0; i < train_event_count(&r, "step", "reward"); i++) {
        const json_t *model = json_object_get(train_event(&r, "step", "reward", i), "model");

        n_named += strcmp(json_string_value(model), "reward-fold-2") == 0;
    }
    assert_int_equal(n_named, 8);
    assert_int_equal(train_event_count(&r, "step", "reward"), 24);
    assert_false(train_has(dir, "models/reward"));
    assert_true(train_has(dir, "models/reward-fold-3/tokenizer.json"));
    check_folds(dir);
    assert_true(json_is_false(json_object_get(reliability(&r, "train"), "seen")));
    assert_true(train_number(reliability(&r, "eval"), "spread") > 0.0);
    train_result_free(&r);
    free(dir);
}

/* The labels of one prompt turned round: the model that judges it is the same to the last byte, the
 * others are not, and its pairs' margins change their sign. */
static void test_no_label_leaks(void **state)
{
    const fixture *f = *state;
    pairs_recipe turned = recipe;
    madpo_pairs *pairs;
    double before[N_PAIRS], after[N_PAIRS], fold[N_PAIRS];
    char *a, *b, name[80];
    reward_run p = {.name = "leak-a", .more = {"reward.folds=3"}};
    train_result r = run(&a, f, &p);

    train_result_free(&r);
    turned.swap_prompt = 7;
    pairs = pairs_make(&turned);
    p.name = "leak-b";
    p.pairs = pairs;
    r = run(&b, f, &p);
    column(before, a, "margins.jsonl", "h");
    column(after, b, "margins.jsonl", "h");
    column(fold, b, "margins.jsonl", "fold");
    for (int k = 1; k <= 3; k++) {
        size_t n_a, n_b;
        char *bytes_a, *bytes_b;

        snprintf(name, sizeof name, "models/reward-fold-%d/model.safetensors", k);
        bytes_a = train_file(a, name, &n_a);
        bytes_b = train_file(b, name, &n_b);
        assert_int_equal(n_a, n_b);
        assert_int_equal(memcmp(bytes_a, bytes_b, n_a) == 0, k == (int)fold[7]);
        free(bytes_a);
        free(bytes_b);
    }
    for (size_t i = 7; i < N_PAIRS; i += N_PROMPTS) {
        assert_true(before[i] != 0.0);
        assert_true(fabs(before[i] + after[i]) <= 1e-5 * (1.0 + fabs(before[i])));
    }
    train_result_free(&r);
    madpo_pairs_free(pairs);
    free(a);
    free(b);
}

static void test_too_many_folds(void **state)
{
    const fixture *f = *state;
    const char *settings[] = {f->model, "run.stages=reward", "reward.folds=16", NULL};
    char *dir = tmp_path(f->root, "too-many");
    train_result r = train_run(&(train_case){.dir = dir, .settings = settings, .pairs = f->pairs});

    assert_int_equal(r.status, MADPO_ERR_DATA);
    if (!strstr(r.err.message, "reward.folds: 15 prompts are too few for 16 folds"))
        fail_msg("%s", r.err.message);
    train_result_free(&r);
    free(dir);
}

/* ---- ensembles ---- */

static void test_ensemble(void **state)
{
    const fixture *f = *state;
    reward_run p = {.name = "ensemble", .more = {"reward.ensemble=3"}};
    static const char *const files[] = {"margins-reward.jsonl", "margins-reward-seed-2.jsonl",
                                        "margins-reward-seed-3.jsonl"};
    double h[N_PAIRS], spread[N_PAIRS], part[3][N_PAIRS];
    char *dir;
    train_result r = run(&dir, f, &p);

    column(h, dir, "margins.jsonl", "h");
    column(spread, dir, "margins.jsonl", "spread");
    for (int k = 0; k < 3; k++)
        column(part[k], dir, files[k], "h");
    for (size_t i = 0; i < N_PAIRS; i++) {
        double said[3] = {part[0][i], part[1][i], part[2][i]}, mean, sd;

        madpo_ensemble(&mean, &sd, said, 3, 1);
        assert_true(h[i] == mean && spread[i] == sd);
        assert_true(said[0] != said[1] && said[1] != said[2]);
    }
    train_result_free(&r);
    free(dir);
}

/* ---- temperature, report ---- */

static double held_out_loss(const double *h, double t)
{
    double sum = 0.0;
    size_t n = 0;

    for (size_t i = 0; i < N_PAIRS; i++)
        if (is_held_out(i)) {
            sum -= madpo_log_sigmoid(h[i] / t);
            n++;
        }
    return sum / (double)n;
}

static void test_calibrated(void **state)
{
    const fixture *f = *state;
    reward_run p = {.name = "plain", .more = {"reward.lr=0.003"}};
    double raw[N_PAIRS], again[N_PAIRS], h[N_PAIRS], w[N_PAIRS], t;
    madpo_weight_options weight =
        madpo_objective_options_usual(madpo_objective_find("madpo")).weight;
    char *plain, *dir;
    train_result r = run(&plain, f, &p);
    const json_t *event;

    column(raw, plain, "margins.jsonl", "h");
    t = train_number(reliability(&r, "eval"), "temperature");
    assert_true(json_is_false(json_object_get(reliability(&r, "eval"), "calibrated")));
    train_result_free(&r);
    p = (reward_run){.name = "calibrated", .more = {"reward.lr=0.003", "reward.calibrate=true"}};
    r = run(&dir, f, &p);
    event = reliability(&r, "eval");
    assert_true(json_is_true(json_object_get(event, "calibrated")));
    assert_true(json_is_false(json_object_get(event, "temperature_at_bound")));
    assert_true(train_number(event, "temperature") == t && t != 1.0);
    /* events have 15 digits */
    assert_true(fabs(train_number(event, "log_loss_before") - held_out_loss(raw, 1.0)) <= 1e-12);
    assert_true(fabs(train_number(event, "log_loss") - held_out_loss(raw, t)) <= 1e-9);
    assert_true(held_out_loss(raw, t) < held_out_loss(raw, t * 1.01));
    assert_true(held_out_loss(raw, t) < held_out_loss(raw, t / 1.01));
    column(again, dir, "margins-reward.jsonl", "h");
    column(h, dir, "margins.jsonl", "h");
    column(w, dir, "margins.jsonl", "w");
    for (size_t i = 0; i < N_PAIRS; i++) {
        assert_true(again[i] == raw[i]);
        assert_true(fabs(h[i] * t - raw[i]) <= 1e-12 * (1.0 + fabs(raw[i])));
        assert_true(fabs(w[i] - madpo_weight_w(&weight, h[i])) <= 1e-12);
    }
    train_assert_same(plain, dir, "models/reward/model.safetensors");
    train_result_free(&r);
    free(plain);
    free(dir);
}

/* Labels that no margin contradicts ask for no temperature at all: margins stay as they are. */
static void test_not_to_be_calibrated(void **state)
{
    const fixture *f = *state;
    pairs_recipe right = recipe;
    reward_run p = {.name = "all-right", .more = {"reward.lr=0.01", "reward.calibrate=true"}};
    double raw[N_PAIRS], h[N_PAIRS];
    madpo_pairs *pairs;
    char *dir;
    train_result r;

    right.wrong_every = 0;
    pairs = pairs_make(&right);
    p.pairs = pairs;
    r = run(&dir, f, &p);
    assert_true(train_number(reliability(&r, "eval"), "mean") == 1.0);
    assert_true(json_is_true(json_object_get(reliability(&r, "eval"), "temperature_at_bound")));
    assert_true(json_is_false(json_object_get(reliability(&r, "eval"), "calibrated")));
    column(raw, dir, "margins-reward.jsonl", "h");
    column(h, dir, "margins.jsonl", "h");
    for (size_t i = 0; i < N_PAIRS; i++)
        assert_true(h[i] == raw[i]);
    train_result_free(&r);
    madpo_pairs_free(pairs);
    free(dir);
}

static void check_reliability(const json_t *event, const double *h, bool eval)
{
    double right = 0.0, wrong = 0.0, brier = 0.0, n = 0.0, ece = 0.0;
    const json_t *bin, *bins = json_object_get(event, "bins");
    size_t i;

    for (i = 0; i < N_PAIRS; i++) {
        if (is_held_out(i) != eval)
            continue;
        n += 1.0;
        right += h[i] > 0.0;
        wrong += h[i] < 0.0;
        brier += madpo_sigmoid(-h[i]) * madpo_sigmoid(-h[i]);
    }
    assert_true(train_number(event, "n") == n);
    assert_true(fabs(train_number(event, "mean") - right / n) <= 1e-12);
    assert_true(fabs(train_number(event, "contradicted") - wrong / n) <= 1e-12);
    assert_true(fabs(train_number(event, "brier") - brier / n) <= 1e-12);
    assert_int_equal(json_array_size(bins), 10);
    json_array_foreach(bins, i, bin)
    {
        /* equal masses, to within one */
        assert_true(fabs(train_number(bin, "n") - n / 10.0) < 1.0);
        ece += train_number(bin, "n") / n *
               fabs(train_number(bin, "confidence") - train_number(bin, "accuracy"));
    }
    assert_true(fabs(train_number(event, "ece") - ece) <= 1e-12);
}

static void test_report(void **state)
{
    const fixture *f = *state;
    reward_run p = {.name = "report"};
    double h[N_PAIRS];
    char *dir;
    train_result r = run(&dir, f, &p);

    column(h, dir, "margins.jsonl", "h");
    check_reliability(reliability(&r, "eval"), h, true);
    check_reliability(reliability(&r, "train"), h, false);
    assert_true(json_is_true(json_object_get(reliability(&r, "train"), "seen")));
    assert_null(json_object_get(reliability(&r, "eval"), "spread"));
    /* one model: no files of parts */
    assert_false(train_has(dir, "margins-reward.jsonl"));
    train_result_free(&r);
    free(dir);
}

/* ---- going on ---- */

static void test_resume(void **state)
{
    static const char *const names[] = {"models/reward-fold-1/model.safetensors",
                                        "models/reward-fold-2/model.safetensors", "margins.jsonl",
                                        "margins-reward-fold-1.jsonl"};
    const fixture *f = *state;
    reward_run p = {.name = "whole", .more = {"reward.folds=2", "reward.patience=0"}};
    const train_moment stops[] = {
        {"reward", 5}, {"reward", 5}, {"margins", 0}, {"margins", 0}, {0}};
    char *whole, *dir;
    train_result r = run(&whole, f, &p);

    train_result_free(&r);
    p.name = "parts";
    /* in the first model, in the second, in the margins of the first, and of the second */
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        p.stop = stops[i];
        p.resume = i > 0;
        r = run(&dir, f, &p);
        if (i == 2) /* the first model's steps do not come again */
            for (size_t k = 0; k < train_event_count(&r, "step", "reward"); k++)
                assert_string_equal("reward-fold-2",
                                    json_string_value(json_object_get(
                                        train_event(&r, "step", "reward", k), "model")));
        train_result_free(&r);
        free(dir);
    }
    dir = tmp_path(f->root, "parts");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        train_assert_same(whole, dir, names[i]);
    free(whole);
    free(dir);
}

/* Folds and seeds together, to the evaluation: the judge is the mean of all. */
static void test_to_the_end(void **state)
{
    const fixture *f = *state;
    reward_run p = {.name = "end",
                    .stages = "run.stages=reward,margins,policy,evaluate",
                    .more = {"reward.folds=2", "reward.ensemble=2", "reward.calibrate=true",
                             "reward.max_steps=2", "policy.max_steps=2"}};
    double h[N_PAIRS], spread[N_PAIRS];
    char *dir;
    train_result r = run(&dir, f, &p);
    const json_t *eval = train_event(&r, "eval", "evaluate", 1);

    assert_string_equal(json_string_value(json_object_get(eval, "metric")), "reward_model");
    assert_true(isfinite(train_number(eval, "mean")));
    assert_true(train_has(dir, "models/reward-fold-2-seed-2/model.safetensors"));
    column(h, dir, "margins.jsonl", "h");
    column(spread, dir, "margins.jsonl", "spread");
    for (size_t i = 0; i < N_PAIRS; i++)
        assert_true(isfinite(h[i]) && spread[i] > 0.0);
    train_result_free(&r);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folds),          cmocka_unit_test(test_no_label_leaks),
        cmocka_unit_test(test_too_many_folds), cmocka_unit_test(test_ensemble),
        cmocka_unit_test(test_calibrated),     cmocka_unit_test(test_not_to_be_calibrated),
        cmocka_unit_test(test_report),         cmocka_unit_test(test_resume),
        cmocka_unit_test(test_to_the_end)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
