/* Objectives against PyTorch: every objective's loss, weight and gradients, and whole steps of
 * those that look at one, as golden/objectives.py wrote them. Inputs go through single precision,
 * as they do in training. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "objective/objective.h"

enum { COLUMNS = 4, MOST_PAIRS = 64 };
static const char *const columns[COLUMNS] = {"loss", "weight", "dloss/dchosen", "dloss/drejected"};

/* 1e-6 of the value; what is smaller than 1e-14 has drowned in the other computation's rounding. */
static bool agrees(double got, double want)
{
    return got == want || fabs(got - want) <= 1e-6 * fabs(want) + 1e-14;
}

static json_t *golden_load(void)
{
    const char *source = getenv("MADPO_TEST_SOURCE_DIR");
    madpo_error err = MADPO_ERROR_INIT;
    char path[4096];
    json_t *golden;

    assert_non_null(source);
    snprintf(path, sizeof path, "%s/tests/unit/golden/objectives.json", source);
    if (madpo_json_load(&golden, path, &err) != MADPO_OK)
        fail_msg("%s", err.message);
    return golden;
}

static madpo_pair_logps golden_pair(const json_t *row)
{
    double v[9];

    assert_int_equal(json_array_size(row), 9);
    for (size_t i = 0; i < 9; i++) {
        v[i] = (double)(float)json_number_value(json_array_get(row, i));
        assert_true(v[i] == json_number_value(json_array_get(row, i)));
    }
    return (madpo_pair_logps){.chosen = v[0],
                              .rejected = v[1],
                              .ref_chosen = v[2],
                              .ref_rejected = v[3],
                              .h = v[4],
                              .n_chosen = v[5],
                              .n_rejected = v[6],
                              .score_chosen = v[7],
                              .score_rejected = v[8]};
}

static size_t golden_pairs(madpo_pair_logps *out, const json_t *rows)
{
    size_t n = json_array_size(rows), most = 2 * MOST_PAIRS;

    assert_true(n > 0 && n <= most);
    for (size_t i = 0; i < n; i++)
        out[i] = golden_pair(json_array_get(rows, i));
    return n;
}

static void golden_number(double *field, const json_t *options, const char *key)
{
    const json_t *value = json_object_get(options, key);

    if (value)
        *field = json_number_value(value);
}

/* The published settings, then what the case says. */
static madpo_objective_options golden_options(const madpo_objective *objective, const json_t *json)
{
    madpo_objective_options o = madpo_objective_options_usual(objective);
    const char *variant = json_string_value(json_object_get(json, "variant"));
    const char *mode = json_string_value(json_object_get(json, "beta_mode"));

    golden_number(&o.beta, json, "beta");
    golden_number(&o.weight.c_max, json, "c_max");
    golden_number(&o.weight.c_min, json, "c_min");
    golden_number(&o.weight.lambda, json, "lambda");
    golden_number(&o.weight.tau, json, "tau");
    golden_number(&o.weight.max_weight, json, "max_weight");
    golden_number(&o.label_smoothing, json, "label_smoothing");
    golden_number(&o.soft_scale, json, "soft_scale");
    golden_number(&o.alpha, json, "alpha");
    golden_number(&o.gamma, json, "gamma");
    golden_number(&o.keep, json, "keep");
    golden_number(&o.momentum, json, "momentum");
    o.seed = (uint64_t)json_integer_value(json_object_get(json, "seed"));
    o.average = json_is_true(json_object_get(json, "average"));
    o.scores = json_is_true(json_object_get(json, "scores"));
    assert_true(!variant || madpo_weight_variant_find(&o.weight.variant, variant));
    assert_true(!mode || madpo_beta_mode_find(&o.beta_mode, mode));
    return o;
}

static const madpo_objective *golden_objective(const json_t *entry)
{
    const char *name = json_string_value(json_object_get(entry, "objective"));
    const madpo_objective *objective = madpo_objective_find(name);

    if (!objective)
        fail_msg("no objective %s", name);
    return objective;
}

static void expect_loss(const madpo_pair_loss *got, const json_t *want, const char *name, size_t i)
{
    double v[COLUMNS] = {got->loss, got->weight, got->dchosen, got->drejected};

    assert_int_equal(json_array_size(want), COLUMNS);
    for (size_t k = 0; k < COLUMNS; k++) {
        double w = json_number_value(json_array_get(want, k));

        if (!agrees(v[k], w))
            fail_msg("%s, pair %zu: %s is %.17g, PyTorch has %.17g", name, i, columns[k], v[k], w);
    }
}

static void test_pairs(void **state)
{
    static madpo_pair_logps pairs[2 * MOST_PAIRS];
    json_t *golden = golden_load(), *cases = json_object_get(golden, "cases");
    size_t n = golden_pairs(pairs, json_object_get(golden, "pairs"));

    (void)state;
    assert_true(json_array_size(cases) >= madpo_objective_count());
    for (size_t k = 0; k < json_array_size(cases); k++) {
        const json_t *entry = json_array_get(cases, k), *out = json_object_get(entry, "out");
        const madpo_objective *objective = golden_objective(entry);
        madpo_objective_options o = golden_options(objective, json_object_get(entry, "options"));
        madpo_error err = MADPO_ERROR_INIT;

        if (madpo_objective_options_check(objective, &o, &err) != MADPO_OK)
            fail_msg("%s: %s", objective->name, err.message);
        assert_int_equal(json_array_size(out), n);
        for (size_t i = 0; i < n; i++) {
            madpo_pair_loss loss;

            madpo_objective_pair(objective, &o, NULL, &pairs[i], &loss);
            expect_loss(&loss, json_array_get(out, i), objective->name, i);
        }
    }
    json_decref(golden);
}

static void test_every_objective_is_there(void **state)
{
    json_t *golden = golden_load(), *cases = json_object_get(golden, "cases");

    (void)state;
    for (size_t i = 0; i < madpo_objective_count(); i++) {
        const madpo_objective *objective = madpo_objective_at(i);
        bool found = false;

        for (size_t k = 0; k < json_array_size(cases); k++)
            found |= golden_objective(json_array_get(cases, k)) == objective;
        if (!found)
            fail_msg("golden/objectives.json lacks %s", objective->name);
    }
    json_decref(golden);
}

static void expect_number(double got, const json_t *want, const char *name, const char *what)
{
    if (!agrees(got, json_number_value(want)))
        fail_msg("%s: %s is %.17g, PyTorch has %.17g", name, what, got, json_number_value(want));
}

/* One optimiser step; the memory goes through its saved form every time. */
static void run_step(const madpo_objective *objective, const madpo_objective_options *o,
                     madpo_objective_state *memory, const json_t *want)
{
    madpo_pair_logps pairs[2 * MOST_PAIRS];
    madpo_pair_plan plans[2 * MOST_PAIRS];
    size_t n = golden_pairs(pairs, json_object_get(want, "pairs"));
    const json_t *numbers = json_object_get(want, "state");
    double saved[MADPO_OBJECTIVE_STATE_N], sum = 0.0;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_step_plan step;

    madpo_objective_plan(objective, o, memory, pairs, n, plans, &step);
    assert_int_equal(step.n_kept, json_integer_value(json_object_get(want, "kept")));
    expect_number(step.beta, json_object_get(want, "beta"), objective->name, "beta");
    for (size_t i = 0; i < n; i++) {
        madpo_pair_loss loss;

        madpo_objective_pair(objective, o, &plans[i], &pairs[i], &loss);
        expect_loss(&loss, json_array_get(json_object_get(want, "out"), i), objective->name, i);
        sum += loss.loss;
    }
    expect_number(sum / step.divisor, json_object_get(want, "mean_loss"), objective->name,
                  "the step's loss");
    madpo_objective_state_save(memory, saved);
    for (size_t i = 0; i < MADPO_OBJECTIVE_STATE_N; i++)
        expect_number(saved[i], json_array_get(numbers, i), objective->name, "the running state");
    memset(memory, 0xFF, sizeof *memory);
    assert_int_equal(madpo_objective_state_load(memory, saved, &err), MADPO_OK);
}

static void test_steps(void **state)
{
    json_t *golden = golden_load(), *entries = json_object_get(golden, "steps");

    (void)state;
    assert_true(json_array_size(entries) >= 4);
    for (size_t k = 0; k < json_array_size(entries); k++) {
        const json_t *entry = json_array_get(entries, k), *steps = json_object_get(entry, "steps");
        const madpo_objective *objective = golden_objective(entry);
        madpo_objective_options o = golden_options(objective, json_object_get(entry, "options"));
        madpo_objective_state memory;

        assert_non_null(objective->plan);
        madpo_objective_state_init(&memory, objective, &o);
        assert_true(json_array_size(steps) >= 3);
        for (size_t i = 0; i < json_array_size(steps); i++)
            run_step(objective, &o, &memory, json_array_get(steps, i));
    }
    json_decref(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_every_objective_is_there),
        cmocka_unit_test(test_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
