/* Reward-model quality: temperatures against closed forms and a grid search, tables by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "objective/calibration.h"
#include "objective/objective.h"

#define LEN(a) (sizeof(a) / sizeof *(a))
enum { MANY = 20000 };

/* Fails on NaN. */
static void check(double got, double want, double tol, const char *what)
{
    bool ok = got == want || fabs(got - want) <= tol;

    if (!ok)
        fail_msg("%s: got %.17g, want %.17g within %g", what, got, want, tol);
}

/* Three of four margins of size v agree with their label: sigma(v/T) = 3/4, so T = v/ln 3. */
static void test_closed_form(void **state)
{
    static const double sizes[] = {1e-6, .3, 1, 7, 900, 1e6};

    (void)state;
    for (size_t i = 0; i < LEN(sizes); i++) {
        double v = sizes[i], h[] = {v, v, -v, v};
        madpo_temperature fit = madpo_temperature_fit(h, 4);

        assert_false(fit.at_bound);
        check(fit.t, v / log(3), 1e-12 * v, "T");
        check(fit.nll_after, -.75 * log(.75) - .25 * log(.25), 1e-14, "entropy of 3/4");
        assert_true(fit.nll_after <= fit.nll_before + 1e-15);
    }
}

/* Labels drawn with probability sigma(h): T is 1; of margins three times too large, 3. */
static double *drawn(double scale)
{
    double *h = malloc(MANY * sizeof *h);
    madpo_rng rng;

    assert_non_null(h);
    madpo_rng_init(&rng, 5, 1);
    for (size_t i = 0; i < MANY; i++) {
        double x = 2 * madpo_rng_normal(&rng);

        h[i] = scale * (madpo_rng_uniform(&rng) < madpo_sigmoid(x) ? x : -x);
    }
    return h;
}

static void test_drawn_labels(void **state)
{
    madpo_reliability_bin bins[10];
    double *h = drawn(1), *large = drawn(3), *scratch = malloc(MANY * sizeof *scratch);
    madpo_temperature one = madpo_temperature_fit(h, MANY);
    madpo_temperature three = madpo_temperature_fit(large, MANY);

    (void)state;
    assert_non_null(scratch);
    check(one.t, 1, .03, "T of calibrated margins");
    check(three.t, 3 * one.t, 1e-11, "T has the unit of h");
    assert_true(madpo_reliability(bins, LEN(bins), scratch, h, MANY) < .015);
    assert_true(madpo_reliability(bins, LEN(bins), scratch, large, MANY) > .1);
    assert_true(madpo_margin_brier(h, MANY) < madpo_margin_brier(large, MANY));
    check(three.nll_after, one.nll_after, 1e-12, "the same once calibrated");
    free(h);
    free(large);
    free(scratch);
}

/* No T on a fine grid is better, and the slope changes sign at the one found. */
static void test_grid(void **state)
{
    static const double h[] = {3.1, -.4, 2.2, .05, -1.7, 8.5, .9, 1.1, -.02, 4.4, -5, 2};
    madpo_temperature fit = madpo_temperature_fit(h, LEN(h));
    double scaled[LEN(h)];

    (void)state;
    for (double t = .05; t < 60; t *= 1.01) {
        for (size_t i = 0; i < LEN(h); i++)
            scaled[i] = h[i] / t;
        assert_true(madpo_margin_nll(scaled, LEN(h)) >= fit.nll_after - 1e-15);
    }
    assert_false(fit.at_bound);
    assert_true(fit.t > 1 && fit.t < 10);
}

static void test_temperature_corners(void **state)
{
    static const double agree[] = {.5, 2, 9}, coin[] = {2, -2}, wrong[] = {-1, -3, .1},
                        zero[] = {0, 0}, steep[] = {1e-3, 1e6, -1e-3, 1e6};
    madpo_temperature fit;

    (void)state;
    fit = madpo_temperature_fit(agree, LEN(agree));
    assert_true(fit.at_bound && isfinite(fit.t) && fit.t > 0 && fit.t < .5);
    fit = madpo_temperature_fit(coin, LEN(coin));
    assert_true(fit.at_bound && fit.t > 100);
    check(fit.nll_after, log(2), 1e-6, "a coin");
    fit = madpo_temperature_fit(wrong, LEN(wrong));
    assert_true(fit.at_bound && fit.t > 100);
    fit = madpo_temperature_fit(zero, LEN(zero));
    assert_true(!fit.at_bound && fit.t == 1.0 && fit.nll_after == log(2));
    fit = madpo_temperature_fit(zero, 0);
    assert_true(fit.t == 1.0 && isnan(fit.nll_before));
    fit = madpo_temperature_fit(steep, LEN(steep));
    assert_true(isfinite(fit.t) && fit.t > 0 && isfinite(fit.nll_after));
}

static void test_reliability_by_hand(void **state)
{
    static const double h[] = {2, -1, 0, 1, -2, 3};
    madpo_reliability_bin bins[3], many[8];
    double scratch[LEN(h)], want;

    (void)state;
    /* by |h|: 0 -1 | 1 -2 | 2 3 */
    want = (2 * fabs((.5 + madpo_sigmoid(1)) / 2 - .25) +
            2 * fabs((madpo_sigmoid(1) + madpo_sigmoid(2)) / 2 - .5) +
            2 * fabs((madpo_sigmoid(2) + madpo_sigmoid(3)) / 2 - 1)) /
           6;
    check(madpo_reliability(bins, 3, scratch, h, LEN(h)), want, 1e-15, "expected error");
    check(bins[0].accuracy, .25, 0, "a half for no margin");
    check(bins[1].low, madpo_sigmoid(1), 0, "low");
    check(bins[1].high, madpo_sigmoid(2), 0, "high");
    assert_true(bins[0].n == 2 && bins[1].n == 2 && bins[2].n == 2);
    check(madpo_reliability(many, 8, scratch, h, LEN(h)),
          (.5 * 0 + 0) / 6 + (madpo_sigmoid(1) + madpo_sigmoid(-1) + madpo_sigmoid(2) +
                              madpo_sigmoid(-2) + madpo_sigmoid(-3)) /
                                 6,
          1e-15, "one pair a bin");
    assert_true(many[0].n == 0 && isnan(many[0].accuracy));
    assert_true(isnan(madpo_reliability(bins, 3, scratch, h, 0)));
    check(madpo_margin_brier((const double[]){0, 0}, 2), .25, 0, "a coin's Brier score");
    check(madpo_margin_brier((const double[]){1e6, -1e6}, 2), .5, 0, "one right, one wrong");
    assert_true(isnan(madpo_margin_brier(h, 0)));
}

static void test_ensemble(void **state)
{
    static const double h[3][2] = {{1, -4}, {2, -4}, {6, -4}};
    double mean[2], spread[2];

    (void)state;
    madpo_ensemble(mean, spread, &h[0][0], 3, 2);
    check(mean[0], 3, 0, "mean");
    check(spread[0], sqrt(7), 1e-15, "spread");
    check(mean[1], -4, 0, "mean of one value");
    check(spread[1], 0, 0, "no spread");
    madpo_ensemble(mean, spread, &h[0][0], 1, 2);
    assert_true(mean[0] == 1 && isnan(spread[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_form),
        cmocka_unit_test(test_drawn_labels),
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_temperature_corners),
        cmocka_unit_test(test_reliability_by_hand),
        cmocka_unit_test(test_ensemble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
