/* Schedules and statistics: values worked out by hand or by other programs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "train/loop.h"
#include "train/optimiser.h"
#include "train/schedule.h"
#include "train/stats.h"

#define LEN(a) (sizeof(a) / sizeof *(a))

static void near(double got, double want, double atol)
{
    if (!(got == want || fabs(got - want) <= atol))
        fail_msg("%.12g, not %.12g", got, want);
}

/* The published experiment's schedule: 626 steps, 18 of warm-up. */
static void test_cosine(void **state)
{
    static const struct {
        int64_t s;
        double want;
    } table[] = {{0, 0.0},         {1, 0.05555556}, {17, 0.94444444}, {18, 1.0},
                 {19, 0.99999333}, {322, 0.5},      {624, 2.67e-5},   {625, 6.67e-6}};
    madpo_stage_options o = {.lr = 2e-4, .schedule = (char[]){"cosine"}, .warmup = 0.03};
    madpo_schedule schedule;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    assert_int_equal(madpo_schedule_init(&schedule, &o, 626, &err), MADPO_OK);
    assert_int_equal(schedule.warmup, 18);
    for (size_t i = 0; i < LEN(table); i++)
        near(madpo_schedule_factor(&schedule, table[i].s), table[i].want, 5e-9);
    near(madpo_schedule_lr(&schedule, 322), 1e-4, 1e-18);
    near(madpo_schedule_factor(&schedule, 626), 0.0, 1e-15);
}

static void test_other_schedules(void **state)
{
    madpo_stage_options o = {.lr = 1.0, .schedule = (char[]){"linear"}, .warmup = 0.1};
    madpo_schedule schedule;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    assert_int_equal(madpo_schedule_init(&schedule, &o, 100, &err), MADPO_OK);
    assert_int_equal(schedule.warmup, 10);
    near(madpo_schedule_factor(&schedule, 5), 0.5, 1e-15);
    near(madpo_schedule_factor(&schedule, 10), 1.0, 1e-15);
    near(madpo_schedule_factor(&schedule, 55), 0.5, 1e-15);
    near(madpo_schedule_factor(&schedule, 99), 1.0 / 90.0, 1e-15);
    o.schedule = (char[]){"constant"};
    assert_int_equal(madpo_schedule_init(&schedule, &o, 100, &err), MADPO_OK);
    near(madpo_schedule_factor(&schedule, 3), 0.3, 1e-15);
    near(madpo_schedule_factor(&schedule, 99), 1.0, 0.0);
    o.warmup = 0.0; /* no warm-up: the first step has the peak */
    assert_int_equal(madpo_schedule_init(&schedule, &o, 1, &err), MADPO_OK);
    near(madpo_schedule_factor(&schedule, 0), 1.0, 0.0);
    o.schedule = (char[]){"cosin"};
    assert_int_equal(madpo_schedule_init(&schedule, &o, 1, &err), MADPO_ERR_CONFIG);
    assert_non_null(strstr(err.message, "cosin"));
}

static void test_total_steps(void **state)
{
    madpo_stage_options o = {.epochs = 2.0, .batch = 32};

    (void)state;
    assert_int_equal(madpo_loop_total_steps(&o, 10000), 626); /* 313 an epoch, the last of 16 */
    o.epochs = 0.5;
    assert_int_equal(madpo_loop_total_steps(&o, 96), 2); /* 1.5, rounded up */
    o.epochs = 1.0;
    assert_int_equal(madpo_loop_total_steps(&o, 1), 1);
    o.max_steps = 7;
    assert_int_equal(madpo_loop_total_steps(&o, 10000), 7);
}

static void test_clip(void **state)
{
    (void)state;
    near(madpo_clip_factor(1.0, 0.5), 1.0, 0.0);
    near(madpo_clip_factor(1.0, 1.0), 1.0 / 1.000001, 1e-15); /* torch divides even here */
    near(madpo_clip_factor(1.0, 4.0), 0.24999993750001562, 1e-15);
    near(madpo_clip_factor(0.0, 1e9), 1.0, 0.0);
}

static void test_summary(void **state)
{
    static const double x[] = {2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0};
    madpo_summary s = madpo_summarize(x, LEN(x));

    (void)state;
    near(s.mean, 5.0, 0.0);
    near(s.sd, 2.138089935299395, 1e-15); /* sqrt(32/7) */
    near(s.high - s.mean, 1.96 * 2.138089935299395 / sqrt(8.0), 1e-14);
    near(s.mean - s.low, s.high - s.mean, 1e-14);
    assert_true(isnan(madpo_summarize(x, 1).sd));
    assert_true(isnan(madpo_summarize(x, 0).mean));
}

/* Newcombe 1998, table I: 81/263, 15/148, 0/20, 1/29, at 95 %. */
static void test_wilson(void **state)
{
    static const struct {
        size_t k, n;
        double low, high;
    } table[] = {{81, 263, 0.2553, 0.3662},
                 {15, 148, 0.0624, 0.1605},
                 {0, 20, 0.0, 0.1611},
                 {1, 29, 0.0061, 0.1718}};

    (void)state;
    for (size_t i = 0; i < LEN(table); i++) {
        madpo_share s = madpo_share_of(table[i].k, table[i].n);

        near(s.low, table[i].low, 6e-5);
        near(s.high, table[i].high, 6e-5);
    }
    assert_true(isnan(madpo_share_of(0, 0).share));
}

static void test_quantiles(void **state)
{
    double x[] = {3.0, -1.0, 7.0, 2.0};
    static const double w[] = {1.0, 1.0, 1.0, 1.0}, one[] = {0.0, 0.0, 4.0, 0.0};

    (void)state;
    madpo_sort(x, LEN(x));
    near(madpo_quantile(x, LEN(x), 0.0), -1.0, 0.0);
    near(madpo_quantile(x, LEN(x), 0.5), 2.5, 1e-15);
    near(madpo_quantile(x, LEN(x), 0.9), 5.8, 1e-14);
    near(madpo_quantile(x, LEN(x), 1.0), 7.0, 0.0);
    assert_true(isnan(madpo_quantile(x, 0, 0.5)));
    near(madpo_effective_share(w, LEN(w)), 1.0, 0.0);
    near(madpo_effective_share(one, LEN(one)), 0.25, 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cosine),      cmocka_unit_test(test_other_schedules),
        cmocka_unit_test(test_total_steps), cmocka_unit_test(test_clip),
        cmocka_unit_test(test_summary),     cmocka_unit_test(test_wilson),
        cmocka_unit_test(test_quantiles)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
