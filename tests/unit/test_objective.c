/* Objectives: the published weight table, closed-form cases, identities that hold to the last bit,
 * finite differences in double, saturation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "objective/objective.h"

/* Fails on NaN. */
static void check(double got, double want, double tol, const char *what)
{
    bool ok = fabs(got - want) <= tol;

    if (!ok)
        fail_msg("%s: got %.17g, want %.17g within %g", what, got, want, tol);
}

static madpo_weight_options weight_of(double c_max, double c_min, double lambda, double tau)
{
    return (madpo_weight_options){.c_max = c_max, .c_min = c_min, .lambda = lambda, .tau = tau};
}

static madpo_pair_logps pair_of(double chosen, double rejected, double ref_chosen,
                                double ref_rejected, double h)
{
    return (madpo_pair_logps){.chosen = chosen,
                              .rejected = rejected,
                              .ref_chosen = ref_chosen,
                              .ref_rejected = ref_rejected,
                              .h = h,
                              .n_chosen = 7,
                              .n_rejected = 5,
                              .score_chosen = h,
                              .score_rejected = 0};
}

static madpo_weight_options options_a(void)
{
    return (madpo_weight_options){.c_max = 2, .c_min = .5, .lambda = 1, .tau = log(999.0)};
}

static madpo_weight_options options_b(void)
{
    return (madpo_weight_options){.c_max = 4, .c_min = .25, .lambda = 1, .tau = 7};
}

/* h, then ten digits of c and w at setting A and at setting B, worked out apart from this code. */
static const double table[][5] = {
    {-10, 0.5332616149, 1, 0.2961015612, 1},
    {-7, 0.9694157226, 1, 1.0000000000, 1},
    {-6.9, 1.0022541220, 0.9845821864, 1.0618025839, 0.6530587085},
    {-4, 1.8521972596, 0.0336667414, 3.3772196133, 0.0000755489},
    {-2, 1.9781341025, 0.1575056701, 3.9015833010, 0.0034250235},
    {-1, 1.9918811742, 0.4464094258, 3.9631837508, 0.0693391020},
    {-0.5, 1.9950651737, 0.7136365510, 3.9775832212, 0.3188656821},
    {0, 1.9970029970, 1, 3.9863714809, 1},
    {0.5, 1.9950651737, 1.1736882117, 3.9775832212, 1.4131288472},
    {1, 1.9918811742, 1.2036545911, 3.9631837508, 1.3423710111},
    {2, 1.9781341025, 1.1140192088, 3.9015833010, 1.1348717567},
    {4, 1.8521972596, 1.0176990110, 3.3772196133, 1.0183142552},
    {6.9, 1.0022541220, 1.0000155378, 1.0618025839, 1.0003496424},
    {7, 0.9694157226, 0.9997825483, 1.0000000000, 1},
    {10, 0.5332616149, 0.9952369982, 0.2961015612, 0.9508247077},
    {20, 0.5000015443, 0.9999546056, 0.2500021191, 0.9933074329},
};

static void test_weight_table(void **state)
{
    madpo_weight_options a = options_a(), b = options_b();

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        double h = table[i][0];

        check(madpo_weight_c(&a, h), table[i][1], 1e-9, "c, setting A");
        check(madpo_weight_w(&a, h), table[i][2], 1e-9, "w, setting A");
        check(madpo_weight_c(&b, h), table[i][3], 1e-9, "c, setting B");
        check(madpo_weight_w(&b, h), table[i][4], 1e-9, "w, setting B");
    }
}

static void test_weight_shape(void **state)
{
    madpo_weight_options set[] = {options_a(), options_b(), weight_of(3, .1, 2.5, 4),
                                  weight_of(2, 0, .5, 3)};

    (void)state;
    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) {
        const madpo_weight_options *o = &set[i];

        check(madpo_weight_c(o, o->tau), 1, 1e-14, "c(tau)");
        check(madpo_weight_c(o, -o->tau), 1, 1e-14, "c(-tau)");
        assert_true(madpo_weight_w(o, 0) == 1.0);
        assert_true(madpo_weight_w(o, -o->tau) == 1.0); /* the first branch is strict */
        for (double h = 0; h < o->tau; h += .037)
            check(madpo_sigmoid(h) * madpo_weight_w(o, h) +
                      madpo_sigmoid(-h) * madpo_weight_w(o, -h),
                  1, 1e-13, "calibrated identity");
        for (double h = -30; h < 30; h += .11)
            assert_true(madpo_weight_w(o, h) > 0 && madpo_weight_w(o, h) < 2);
    }
    /* The largest weights and where they are. */
    check(madpo_weight_w(&set[0], .880), 1.2060, 5e-5, "peak of A");
    check(madpo_weight_w(&set[1], .580), 1.4185, 5e-5, "peak of B");
}

static void test_weight_extremes(void **state)
{
    madpo_weight_options o = options_b(), one = weight_of(1, 1, 1, 7), low = weight_of(1, .5, 1, 7);

    (void)state;
    check(madpo_weight_w(&o, 1e6), 1, 0, "w(1e6)");
    check(madpo_weight_w(&o, -1e6), 1, 0, "w(-1e6)");
    check(madpo_weight_c(&o, 1e6), .25, 0, "c(1e6)");
    check(madpo_weight_c(&o, -1e6), .25, 0, "c(-1e6)");
    o.tau = 2e6; /* nothing is capped: w underflows to 0 and must not become NaN */
    check(madpo_weight_w(&o, -1e6), 0, 0, "w(-1e6), tau 2e6");
    for (double h = -50; h < 50; h += .7) {
        assert_true(madpo_weight_c(&one, h) == 1.0 && madpo_weight_w(&one, h) == 1.0);
        assert_true(madpo_weight_c(&low, h) == 1.0 && madpo_weight_w(&low, h) == 1.0);
    }
    assert_true(isnan(madpo_weight_w(&o, NAN)) && isnan(madpo_weight_w(&one, NAN)));
}

static void test_weight_options(void **state)
{
    static const struct {
        double o[4];
        const char *message; /* NULL: valid */
    } cases[] = {
        {{2, .5, 1, 7}, NULL},
        {{1, 1, 1, 7}, NULL}, /* c_min = 1/c_max at c_max = 1 */
        {{1, 0, 1, 7}, NULL},
        {{.5, .25, 1, 7}, "policy.c_max = 0.5 must be at least 1 (1 gives DPO)"},
        {{2, 1, 1, 7}, "policy.c_min = 1 must be at least 0 and below 1 (1/c_max is usual)"},
        {{2, -.1, 1, 7}, "policy.c_min = -0.1 must be at least 0 and below 1 (1/c_max is usual)"},
        {{2, .5, 0, 7}, "policy.lambda = 0 must be above 0"},
        {{2, .5, 1, -1}, "policy.tau = -1 must be above 0"},
        {{2, .5, 1, NAN}, "policy.tau = nan must be above 0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        madpo_error err = MADPO_ERROR_INIT;
        const double *v = cases[i].o;
        madpo_weight_options o = weight_of(v[0], v[1], v[2], v[3]);
        madpo_status st = madpo_weight_options_check(&o, &err);

        assert_int_equal(st, cases[i].message ? MADPO_ERR_CONFIG : MADPO_OK);
        assert_string_equal(err.message, cases[i].message ? cases[i].message : "");
    }
}

static madpo_objective_options defaults(void)
{
    return (madpo_objective_options){.beta = .1, .weight = options_a()};
}

static void test_step_zero(void **state)
{
    madpo_objective_options o = defaults();
    madpo_pair_logps in = pair_of(-123.4567, -98.7654, -123.4567, -98.7654, 0);
    madpo_pair_loss dpo, madpo, ipo;

    (void)state;
    madpo_objective_find("dpo")->pair(&o, &in, &dpo);
    madpo_objective_find("madpo")->pair(&o, &in, &madpo);
    madpo_objective_find("ipo")->pair(&o, &in, &ipo);
    assert_true(dpo.m == 0.0 && dpo.weight == 1.0);
    check(dpo.loss, log(2.0), 1e-16, "loss at D = 0");
    check(dpo.dchosen, -.05, 1e-16, "slope at D = 0");
    check(ipo.loss, 25, 1e-12, "IPO at D = 0");
    assert_memory_equal(&dpo, &madpo, sizeof dpo); /* h = 0 */
}

/* w = 1 exactly, so MADPO is DPO to the last bit, whatever the log-probs. */
static void test_madpo_is_dpo(void **state)
{
    madpo_objective_options o = defaults();

    (void)state;
    for (int i = 0; i < 200; i++) {
        madpo_pair_logps in =
            pair_of(-50 - i * .731, -60 - i * .517, -52 - i * .7, -59 - i * .53, 0);
        madpo_pair_loss dpo, madpo;

        madpo_objective_find("dpo")->pair(&o, &in, &dpo);
        o.weight.c_max = 2;
        madpo_objective_find("madpo")->pair(&o, &in, &madpo); /* constant reward model: h = 0 */
        assert_memory_equal(&dpo, &madpo, sizeof dpo);
        o.weight.c_max = 1;
        in.h = (i - 100) * .3;
        madpo_objective_find("madpo")->pair(&o, &in, &madpo); /* c_max = 1 */
        assert_memory_equal(&dpo, &madpo, sizeof dpo);
    }
}

static void test_saturation(void **state)
{
    madpo_objective_options o = defaults();
    madpo_pair_logps up = pair_of(0, -1e6, -1e6, 0, 3), down = pair_of(-1e6, 0, 0, -1e6, 3);
    madpo_pair_loss out;

    (void)state;
    madpo_objective_find("dpo")->pair(&o, &up, &out);
    assert_true(out.loss == 0 && out.dchosen == 0);
    madpo_objective_find("dpo")->pair(&o, &down, &out);
    check(out.loss, 2e5, 1e-9, "DPO far on the wrong side");
    check(out.dchosen, -.1, 1e-15, "its slope");
    madpo_objective_find("madpo")->pair(&o, &down, &out);
    check(out.loss, out.weight * 2e5, 1e-6, "MADPO far on the wrong side");
    check(madpo_log_sigmoid(-800), -800, 0, "log sigma(-800)");
    check(madpo_log_sigmoid(800), 0, 0, "log sigma(800)");
    check(madpo_sigmoid(-1e6), 0, 0, "sigma(-1e6)");
    check(madpo_sigmoid(1e6), 1, 0, "sigma(1e6)");
    check(-madpo_log_sigmoid(.32), .545893, 1e-6, "-log sigma(0.32)");
    check(-madpo_log_sigmoid(-.32), .865893, 1e-6, "-log sigma(-0.32)");
}

static void test_bradley_terry(void **state)
{
    const double e = 1e-5;

    (void)state;
    check(madpo_bradley_terry(1.5, 1.5, 0, 0).loss, log(2.0), 1e-16, "equal rewards");
    check(madpo_bradley_terry(2, 1, 1, 0).loss, log(2.0), 1e-16, "difference = margin");
    for (int i = -10; i <= 10; i++) {
        double c = i * .7, r = .3 - i * .2, margin = i * .05, center = .01 * (i + 10);
        madpo_reward_loss at = madpo_bradley_terry(c, r, margin, center);
        double dc = (madpo_bradley_terry(c + e, r, margin, center).loss -
                     madpo_bradley_terry(c - e, r, margin, center).loss) /
                    (2 * e);
        double dr = (madpo_bradley_terry(c, r + e, margin, center).loss -
                     madpo_bradley_terry(c, r - e, margin, center).loss) /
                    (2 * e);

        check(at.dchosen, dc, 1e-8, "chosen");
        check(at.drejected, dr, 1e-8, "rejected");
    }
    assert_true(isfinite(madpo_bradley_terry(-1e6, 1e6, 0, 0).loss));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weight_table),    cmocka_unit_test(test_weight_shape),
        cmocka_unit_test(test_weight_extremes), cmocka_unit_test(test_weight_options),
        cmocka_unit_test(test_step_zero),       cmocka_unit_test(test_madpo_is_dpo),
        cmocka_unit_test(test_saturation),      cmocka_unit_test(test_bradley_terry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
