/* Student's t, paired tests, the cells of an experiment and its tables. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/experiment_inside.h"

#define LEN(a) (sizeof(a) / sizeof *(a))

static void near(double got, double want, double atol)
{
    if (!(got == want || fabs(got - want) <= atol))
        fail_msg("%.15g, not %.15g", got, want);
}

/* ---- statistics ---- */

/* Closed forms for 1, 2 and 4 degrees of freedom. */
static void test_t_cdf(void **state)
{
    static const double at[] = {-30.0, -2.5, -1.0, -0.1, 0.0, 0.3, 1.0, 4.0, 50.0};

    (void)state;
    for (size_t i = 0; i < LEN(at); i++) {
        double t = at[i], s = t / sqrt(4.0 + t * t);

        near(madpo_t_cdf(t, 1.0), 0.5 + atan(t) / acos(-1.0), 1e-14);
        near(madpo_t_cdf(t, 2.0), 0.5 + 0.5 * t / sqrt(2.0 + t * t), 1e-14);
        near(madpo_t_cdf(t, 4.0), 0.5 + 0.75 * (s - s * s * s / 3.0), 1e-14);
    }
    assert_true(isnan(madpo_t_cdf(NAN, 3.0)));
}

/* Tables of the t distribution; 1, 2 and 4 degrees from their closed forms, 1e5 from the expansion
 * around the normal quantile (Abramowitz and Stegun 26.7.5). */
static void test_t_quantile(void **state)
{
    static const struct {
        double p, df, want, atol;
    } table[] = {{0.975, 1, 12.7062047361747, 1e-11},
                 {0.975, 2, 4.30265272974946, 1e-12},
                 {0.975, 4, 2.77644510519779, 1e-12},
                 {0.975, 9, 2.262, 5e-4},
                 {0.95, 10, 1.812, 5e-4},
                 {0.995, 30, 2.750, 5e-4},
                 {0.975, 120, 1.980, 5e-4},
                 {0.975, 1e5, 1.95998770754, 1e-10},
                 {0.5, 3, 0.0, 0.0},
                 {0.025, 2, -4.30265272974946, 1e-12}};

    (void)state;
    for (size_t i = 0; i < LEN(table); i++) {
        double t = madpo_t_quantile(table[i].p, table[i].df);

        near(t, table[i].want, table[i].atol);
        near(madpo_t_cdf(t, table[i].df), table[i].p, 1e-12);
    }
    assert_true(isnan(madpo_t_quantile(0.0, 3.0)));
    assert_true(isnan(madpo_t_quantile(0.9, 0.0)));
}

/* The hours of sleep of Student 1908: t = 4.0621, p = 0.002833, interval [0.7001, 2.4599]. Nine
 * differences are positive and one is 0, so 4 of 1024 ways to turn signs reach the sum. */
static void test_paired(void **state)
{
    static const double sleep[] = {1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4};
    madpo_paired test = madpo_paired_test(sleep, LEN(sleep), 1);

    (void)state;
    near(test.mean, 1.58, 1e-14);
    near(test.t, 4.0621, 5e-5);
    near(test.p, 0.002833, 5e-7);
    near(test.low, 0.7001142, 5e-7);
    near(test.high, 2.4598858, 5e-7);
    near(test.p_flip, 4.0 / 1024.0, 0.0);
    assert_true(isnan(madpo_paired_test(sleep, 1, 1).p));
    assert_true(isnan(madpo_paired_test(sleep, 0, 1).mean));
}

/* 15 of 20 equal steps go up: the exact p is that of the binomial distribution, 0.041389. */
static void test_random_flips(void **state)
{
    double d[20], same[100] = {0.0};
    madpo_paired test;

    (void)state;
    for (size_t i = 0; i < LEN(d); i++)
        d[i] = i < 15 ? 0.1 : -0.1;
    test = madpo_paired_test(d, LEN(d), 7);
    near(test.p_flip, 0.041389, 0.008); /* four standard errors of 9999 rounds */
    near(madpo_paired_test(d, LEN(d), 7).p_flip, test.p_flip, 0.0);
    test = madpo_paired_test(same, LEN(same), 7);
    near(test.p, 1.0, 0.0);
    near(test.p_flip, 1.0, 0.0);
}

/* 10 / 4; linearised terms (a - 2.5 b) / 2 are -0.25 and 0.25: half width 1.96 * 0.25 * sqrt(2) /
 * sqrt(2). */
static void test_ratio(void **state)
{
    static const double a[] = {2.0, 8.0}, b[] = {1.0, 3.0};
    madpo_summary s = madpo_ratio(a, b, 2);

    (void)state;
    near(s.mean, 2.5, 1e-15);
    near(s.high, 2.5 + 1.96 * 0.25, 1e-14);
    near(s.low, 2.5 - 1.96 * 0.25, 1e-14);
}

/* ---- cells ---- */

static madpo_config *config_of(const char *const *set, size_t n)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_config *config;

    assert_int_equal(madpo_config_new(&config, &err), MADPO_OK);
    for (size_t i = 0; i < n; i++)
        if (madpo_config_set(config, set[i], &err) != MADPO_OK)
            fail_msg("%s", err.message);
    return config;
}

static void test_plan(void **state)
{
    static const char *const set[] = {"experiment.tiers=low, high",
                                      "experiment.methods=madpo, dpo@beta=0.05@sft.lr=1e-4",
                                      "experiment.seeds=3,1",
                                      "experiment.sweep_c=2",
                                      "policy.c_max=4",
                                      "policy.tau=7",
                                      "experiment.sweep_tau=7",
                                      "experiment.ablation=true"};
    static const char *const cells[] = {"low-madpo-s3",     "low-dpo@beta=0.05@sft.lr=1e-4-s3",
                                        "high-madpo-s3",    "high-dpo@beta=0.05@sft.lr=1e-4-s3",
                                        "low-madpo-s1",     "low-dpo@beta=0.05@sft.lr=1e-4-s1",
                                        "high-madpo-s1",    "high-dpo@beta=0.05@sft.lr=1e-4-s1",
                                        "low-madpo@c=2-s3", "low-madpo@variant=amplify-s3"};
    madpo_config *config = config_of(set, LEN(set));
    madpo_error err = MADPO_ERROR_INIT;
    madpo__exp_plan plan;

    (void)state;
    assert_int_equal(madpo__exp_plan_init(&plan, config, &err), MADPO_OK);
    assert_int_equal(plan.n_cells, 20);
    for (size_t i = 0; i < LEN(cells); i++)
        assert_string_equal(plan.cell[i].name, cells[i]);
    assert_int_equal(plan.method[0].roles,
                     MADPO_ROLE_METHOD | MADPO_ROLE_ABLATION | MADPO_ROLE_SWEEP_TAU);
    assert_string_equal(plan.method[1].set[0], "policy.objective=dpo");
    assert_string_equal(plan.method[1].set[1], "policy.beta=0.05");
    assert_string_equal(plan.method[1].set[2], "sft.lr=1e-4");
    assert_string_equal(plan.method[2].set[1], "policy.c_max=2");
    assert_string_equal(plan.method[2].set[2], "policy.c_min=0.5");
    near(plan.method[2].c, 2.0, 0.0);
    near(plan.method[0].tau, 7.0, 0.0); /* the configuration's own, so no method of its own */
    madpo__exp_plan_dispose(&plan);
    madpo_config_free(config);
}

static void test_plan_refused(void **state)
{
    static const struct {
        const char *set, *why;
    } table[] = {{"experiment.tiers=high,best", "unknown tier \"best\""},
                 {"experiment.tiers=high,high", "\"high\" is there twice"},
                 {"experiment.tiers=", "experiment.tiers is empty"},
                 {"experiment.seeds=1,x", "\"x\" is no whole number"},
                 {"experiment.seeds=1,1", "1 is there twice"},
                 {"experiment.methods=madpo,madpo", "\"madpo\" is there twice"},
                 {"experiment.methods=madpo@beta", "method \"madpo@beta\""},
                 {"experiment.methods=dppo", "method \"dppo\": policy.objective"},
                 {"experiment.methods=dpo@model.path=/x", "names a folder"},
                 {"experiment.sweep_tau=0", "\"0\" is no positive number"}};

    (void)state;
    for (size_t i = 0; i < LEN(table); i++) {
        madpo_config *config = config_of(&table[i].set, 1);
        madpo_error err = MADPO_ERROR_INIT;
        madpo__exp_plan plan;

        assert_int_equal(madpo__exp_plan_init(&plan, config, &err), MADPO_ERR_CONFIG);
        if (!strstr(err.message, table[i].why))
            fail_msg("\"%s\" lacks \"%s\"", err.message, table[i].why);
        madpo_config_free(config);
    }
}

/* ---- tables ---- */

enum { TIERS = 2, METHODS = 2, SEEDS = 2, PROMPTS = 3 };

typedef struct made {
    madpo_exp_results r;
    madpo_exp_column column[METHODS];
    bool done[TIERS * METHODS * SEEDS], failed[TIERS * METHODS * SEEDS], has_reference[SEEDS];
    double score[TIERS * METHODS * SEEDS * PROMPTS], reference[SEEDS * PROMPTS];
    json_t *reward[TIERS];
    madpo_exp_failure failure[1];
} made;

/* High: madpo has 1, 2, 3 and 2, 3, 4, dpo with both seeds 0, 1, 2; low: of dpo only seed 5, the
 * other one failed. */
static void make_results(made *m)
{
    static char reason[] = "the device is gone";
    static const char *const tiers[] = {"high", "low"}, *const seeds[] = {"5", "6"};

    *m = (made){
        .column = {{"madpo", MADPO_ROLE_METHOD, 0, 0}, {"dpo@beta=0.05", MADPO_ROLE_METHOD, 0, 0}},
        .has_reference = {true, true},
        .reference = {0.0, 0.5, 1.0, 0.0, 0.5, 1.0}};
    for (size_t cell = 0; cell < LEN(m->done); cell++) {
        size_t method = cell / SEEDS % METHODS, seed = cell % SEEDS;

        m->done[cell] = true;
        for (size_t i = 0; i < PROMPTS; i++)
            m->score[cell * PROMPTS + i] = (double)i + (method == 0 ? 1.0 + (double)seed : 0.0);
    }
    m->done[7] = false;
    m->failed[7] = true;
    m->failure[0] = (madpo_exp_failure){"low-dpo@beta=0.05-s6", reason};
    m->r = (madpo_exp_results){.metric = "true reward",
                               .tier = tiers,
                               .seed = seeds,
                               .column = m->column,
                               .n_tiers = TIERS,
                               .n_seeds = SEEDS,
                               .n_columns = METHODS,
                               .n_prompts = PROMPTS,
                               .done = m->done,
                               .failed = m->failed,
                               .score = m->score,
                               .has_reference = m->has_reference,
                               .reference = m->reference,
                               .reward = m->reward,
                               .failure = m->failure,
                               .n_failures = 1};
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("lacks \"%s\":\n%s", part, text);
}

static void test_markdown(void **state)
{
    made m;
    madpo_strbuf b = {0};

    (void)state;
    make_results(&m);
    madpo_exp_markdown(&b, &m.r);
    assert_false(b.failed);
    has(b.s, "| method | high | low |\n|---|---|---|\n");
    /* t(0.975, 1) * 0.5 = 6.353 */
    has(b.s, "| madpo | 2.500 [-3.853, 8.853] | 2.500 [-3.853, 8.853] |\n");
    /* of one seed the prompts: t(0.975, 2) / sqrt(3) = 2.484 */
    has(b.s, "| dpo@beta=0.05 | 1.000 [1.000, 1.000] | 1.000 [-1.484, 3.484] (1 of 2 seeds) |\n");
    has(b.s, "| reference | 0.500 [0.500, 0.500] | 0.500 [0.500, 0.500] |\n");
    /* three equal differences: the t test is certain, two of eight flips reach the sum */
    has(b.s, "| high | dpo@beta=0.05 | +1.500 | [+1.500, +1.500] | < 0.0001 | 0.2500 | 2 |\n");
    has(b.s, "| low | dpo@beta=0.05 | +1.000 | [+1.000, +1.000] | < 0.0001 | 0.2500 | 1 |\n");
    has(b.s, "| low | dpo@beta=0.05 | 1.000 | – |\n");
    has(b.s, "## Failed\n\n- low-dpo@beta=0.05-s6: the device is gone\n");
    madpo_strbuf_dispose(&b);
}

static void test_csv(void **state)
{
    made m;
    madpo_strbuf b = {0};

    (void)state;
    make_results(&m);
    m.column[1].spec = "dpo \"soft\", 1";
    madpo_exp_csv(&b, &m.r);
    has(b.s, "tier,method,seed,status,n,mean,sd,ci95_low,ci95_high\n,reference,5,done,3,0.5,0.5,");
    has(b.s, "\nhigh,madpo,5,done,3,2,1,-0.484137712,4.48413771\n");
    has(b.s, "\nlow,\"dpo \"\"soft\"\", 1\",6,failed,0,,,,\n");
    madpo_strbuf_dispose(&b);
}

static void test_json(void **state)
{
    made m;
    json_t *json, *high, *dpo;

    (void)state;
    make_results(&m);
    json = madpo_exp_json(&m.r);
    assert_non_null(json);
    high = json_array_get(json_object_get(json, "tiers"), 0);
    dpo = json_array_get(json_object_get(high, "methods"), 1);
    assert_string_equal(json_string_value(json_object_get(dpo, "method")), "dpo@beta=0.05");
    near(json_number_value(json_object_get(json_object_get(dpo, "test"), "mean")), 1.5, 1e-15);
    assert_int_equal(json_array_size(json_object_get(json_object_get(dpo, "reward"), "of_seeds")),
                     2);
    assert_int_equal(json_array_size(json_object_get(json, "failed")), 1);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_t_cdf),        cmocka_unit_test(test_t_quantile),
        cmocka_unit_test(test_paired),       cmocka_unit_test(test_random_flips),
        cmocka_unit_test(test_ratio),        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_plan_refused), cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_csv),          cmocka_unit_test(test_json)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
