/* Curves and distributions in bounded memory: nothing that was logged is lost from them. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tui/hist.h"
#include "tui/series.h"

static void add(madpo_series *series, double x, double y)
{
    madpo_error err = MADPO_ERROR_INIT;

    assert_int_equal(madpo_series_add(series, x, y, &err), MADPO_OK);
}

/* Ten million values, one of them a spike: few points, and the spike among them. */
static void test_spike_survives(void **state)
{
    madpo_series series = {0};
    uint64_t n = 0;
    float most = 0;

    (void)state;
    for (int i = 0; i < 10000000; i++)
        add(&series, i, i == 7654321 ? 1000.0 : 1.0);
    assert_true(series.n <= MADPO_SERIES_POINTS && series.n >= MADPO_SERIES_POINTS / 2);
    for (size_t i = 0; i < series.n; i++) {
        n += series.v[i].n;
        most = fmaxf(most, series.v[i].max);
        assert_true(series.v[i].min <= 1.0f);
        assert_true(i == 0 || series.v[i].x > series.v[i - 1].x_last);
    }
    assert_true(n == 10000000);
    assert_true(most >= 1000.0f);
    assert_true(series.capacity * sizeof *series.v <= (size_t)1 << 20);
    madpo_series_dispose(&series);
}

static void test_nan_is_counted(void **state)
{
    madpo_series series = {0};

    (void)state;
    add(&series, 1, 2.0);
    add(&series, 2, (double)NAN);
    add(&series, 3, INFINITY);
    add(&series, 4, 4.0);
    assert_int_equal(series.n_bad, 2);
    assert_true(madpo_series_at(&series, 3.5) >= 2.0 && madpo_series_at(&series, 3.5) <= 2.0);
    assert_true(isnan(madpo_series_mean(&series.v[1])));
    assert_true(isnan(madpo_series_at(&series, 0.5)));
    madpo_series_dispose(&series);
}

/* A run taken up from step 50 again: what it had reported after that is replaced. */
static void test_resumed(void **state)
{
    madpo_series series = {0};

    (void)state;
    for (int i = 1; i <= 100; i++)
        add(&series, i, 1.0);
    for (int i = 51; i <= 80; i++)
        add(&series, i, 2.0);
    assert_int_equal(series.n, 80);
    assert_true(series.v[49].last < 1.5f && series.v[50].last > 1.5f);
    assert_true(madpo_series_at(&series, 1000) > 1.5);
    madpo_series_dispose(&series);
}

static void test_interpolate(void **state)
{
    madpo_series series = {0};

    (void)state;
    assert_true(isnan(madpo_series_interpolate(&series, 1, false)));
    add(&series, 10, 100);
    add(&series, 20, 300);
    assert_true(fabs(madpo_series_interpolate(&series, 15, false) - 200) <= 1e-9);
    assert_true(fabs(madpo_series_interpolate(&series, 200, true) - 15) <= 1e-9);
    assert_true(fabs(madpo_series_interpolate(&series, 0, false) - 100) <= 1e-9);
    assert_true(fabs(madpo_series_interpolate(&series, 99, false) - 300) <= 1e-9);
    madpo_series_dispose(&series);
}

/* The average of a constant is the constant from the first value on, and n equal values at once are
 * n values. */
static void test_smoothing(void **state)
{
    madpo_smoother one = {.factor = 0.9}, many = {.factor = 0.9}, none = {.factor = 0.0};
    double a = 0, b;

    (void)state;
    assert_true(isnan(madpo_smoother_add(&none, (double)NAN, 1)));
    assert_true(fabs(madpo_smoother_add(&none, 3.0, 1) - 3.0) <= 1e-12);
    for (int i = 0; i < 5; i++) {
        a = madpo_smoother_add(&one, 7.0, 1);
        assert_true(fabs(a - 7.0) <= 1e-12);
    }
    madpo_smoother_add(&many, 7.0, 5);
    for (int i = 0; i < 3; i++)
        a = madpo_smoother_add(&one, 1.0, 1);
    b = madpo_smoother_add(&many, 1.0, 3);
    assert_true(fabs(a - b) <= 1e-12);
    assert_true(a > 1.0 && a < 7.0);
}

static void test_weights(void **state)
{
    float w[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, skew[10] = {11, 1, 1, 1, 1, 1, 1, 1, 1, 1};

    (void)state;
    assert_true(fabs(madpo_weights_top_share(w, 10, 0.1) - 0.1) <= 1e-7);
    assert_true(fabs(madpo_weights_top_share(skew, 10, 0.1) - 0.55) <= 1e-7);
    assert_true(fabs(madpo_weights_ess(10, 10, 10) - 1.0) <= 1e-12);
    assert_true(fabs(madpo_weights_ess(1, 1, 10) - 0.1) <= 1e-12);
    assert_true(isnan(madpo_weights_ess(0, 0, 0)));
}

static void test_hist(void **state)
{
    madpo_hist hist;
    uint64_t n = 0;

    (void)state;
    madpo_hist_init(&hist, -1, 1, 10);
    for (int i = 0; i < 1000; i++)
        madpo_hist_add(&hist, (i - 500) / 250.0);
    madpo_hist_add(&hist, (double)NAN);
    for (int i = 0; i < hist.n_bins; i++)
        n += hist.count[i];
    assert_true(n == 1000 && hist.n == 1000);
    assert_int_equal(madpo_hist_bin(&hist, -5), 0);
    assert_int_equal(madpo_hist_bin(&hist, 5), 9);
}

/* However many steps, no weight is lost, and weights above the range widen it. */
static void test_heat(void **state)
{
    madpo_heat heat = {0};
    madpo_error err = MADPO_ERROR_INIT;
    uint64_t n = 0, counted = 0;

    (void)state;
    for (int i = 1; i <= 5000; i++) {
        assert_int_equal(madpo_heat_step(&heat, i, &err), MADPO_OK);
        madpo_heat_add(&heat, i == 4000 ? 7.5 : 1.0);
        madpo_heat_add(&heat, 0.5);
    }
    assert_true(heat.n <= MADPO_HEAT_COLUMNS && heat.high >= 7.5);
    for (size_t i = 0; i < heat.n; i++) {
        n += heat.v[i].n;
        for (int row = 0; row < MADPO_HEAT_ROWS; row++)
            counted += heat.v[i].count[row];
    }
    assert_true(n == 10000 && counted == 10000);
    madpo_heat_dispose(&heat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spike_survives), cmocka_unit_test(test_nan_is_counted),
        cmocka_unit_test(test_resumed),        cmocka_unit_test(test_interpolate),
        cmocka_unit_test(test_smoothing),      cmocka_unit_test(test_weights),
        cmocka_unit_test(test_hist),           cmocka_unit_test(test_heat)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
