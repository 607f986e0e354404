/* What ties the objectives together: swapped labels, the cases in which one is another, minima, the
 * first step. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "objective/objective.h"

#define LEN(a) (sizeof(a) / sizeof *(a))

/* Fails on NaN. */
static void check(double got, double want, double tol, const char *what)
{
    bool ok = got == want || fabs(got - want) <= tol;

    if (!ok)
        fail_msg("%s: got %.17g, want %.17g within %g", what, got, want, tol);
}

static madpo_pair_logps pair_of(double a, double b, double h)
{
    return (madpo_pair_logps){.chosen = a - 60.5,
                              .rejected = b - 48.25,
                              .ref_chosen = -60.5,
                              .ref_rejected = -48.25,
                              .h = h,
                              .n_chosen = 12,
                              .n_rejected = 9,
                              .score_chosen = h,
                              .score_rejected = 0};
}

static madpo_pair_logps swapped(madpo_pair_logps p)
{
    return (madpo_pair_logps){.chosen = p.rejected,
                              .rejected = p.chosen,
                              .ref_chosen = p.ref_rejected,
                              .ref_rejected = p.ref_chosen,
                              .h = -p.h,
                              .n_chosen = p.n_rejected,
                              .n_rejected = p.n_chosen,
                              .score_chosen = p.score_rejected,
                              .score_rejected = p.score_chosen};
}

static madpo_pair_loss loss_of(const char *name, const madpo_objective_options *o,
                               madpo_pair_logps in)
{
    madpo_pair_loss out;

    madpo_objective_find(name)->pair(o, &in, &out);
    return out;
}

static madpo_objective_options usual(const char *name)
{
    return madpo_objective_options_usual(madpo_objective_find(name));
}

/* ---- swapped labels: what the two losses of a pair have to do with each other ---- */

enum { BETA_10 = 10 }; /* 1/beta */

static double log_odds(double e)
{
    return log((1 - e) / e);
}

/* loss(pair) + sign loss(swapped), from the formulas; a, b as without averaging. */
static double swap_dpo(double a, double b, double e)
{
    (void)e;
    return -.1 * (a - b);
}
static double swap_ipo(double a, double b, double e)
{
    (void)e;
    return -2 * (a - b) * BETA_10;
}
static double swap_robust(double a, double b, double e)
{
    return -.1 * (a - b) / (1 - 2 * e);
}
static double swap_cdpo(double a, double b, double e)
{
    return -.1 * (a - b) * (1 - 2 * e);
}
static double swap_exo(double a, double b, double e)
{
    return (madpo_sigmoid(-.1 * (a - b)) - madpo_sigmoid(.1 * (a - b))) * log_odds(e);
}
static double swap_nca(double a, double b, double e)
{
    (void)e;
    return madpo_log_sigmoid(.1 * b) - madpo_log_sigmoid(.1 * a);
}
static double swap_apo_zero(double a, double b, double e)
{
    (void)a, (void)b, (void)e;
    return 2;
}
static double swap_apo_down(double a, double b, double e)
{
    (void)e;
    return madpo_sigmoid(.1 * a) + madpo_sigmoid(.1 * b) + 1;
}
static double swap_same(double a, double b, double e)
{
    (void)a, (void)b, (void)e;
    return 0;
}
static double swap_hinge(double a, double b, double e)
{
    double x = .1 * (a - b);

    (void)e;
    return fmax(2, 1 + fabs(x));
}
static double swap_sft(double a, double b, double e)
{
    (void)e;
    return -(a - 60.5) - (b - 48.25);
}

static const struct {
    const char *name;
    int sign;
    double (*want)(double a, double b, double e);
} swaps[] = {
    {"dpo", -1, swap_dpo},          {"beta-dpo", -1, swap_dpo},  {"ipo", -1, swap_ipo},
    {"sppo", -1, swap_ipo},         {"robust", -1, swap_robust}, {"cdpo", -1, swap_cdpo},
    {"exo", -1, swap_exo},          {"nca", -1, swap_nca},       {"apo-zero", 1, swap_apo_zero},
    {"apo-down", 1, swap_apo_down}, {"soft-dpo", -1, swap_same}, {"soft-madpo", -1, swap_same},
    {"distill", -1, swap_same},     {"hinge", 1, swap_hinge},    {"sft", 1, swap_sft},
};

static void test_label_swap(void **state)
{
    (void)state;
    for (size_t k = 0; k < LEN(swaps); k++)
        for (int i = -15; i <= 15; i++) {
            madpo_objective_options o = usual(swaps[k].name);
            double a = 1.3 * i + .4, b = -.9 * i, e = o.label_smoothing;
            madpo_pair_logps in = pair_of(a, b, .31 * i - 1);
            madpo_pair_loss one, other;

            o.beta = .1;
            one = loss_of(swaps[k].name, &o, in);
            other = loss_of(swaps[k].name, &o, swapped(in));
            check(one.loss + swaps[k].sign * other.loss, swaps[k].want(a, b, e),
                  1e-12 * (1 + fabs(one.loss)), swaps[k].name);
        }
}

/* What is a function of m and h alone sees a swapped pair as the pair with both negated. */
static void test_label_swap_is_negation(void **state)
{
    static const char *const names[] = {"madpo",    "dpo",   "ipo",    "soft-madpo",
                                        "soft-dpo", "cdpo",  "robust", "odpo",
                                        "distill",  "hinge", "exo"};

    (void)state;
    for (size_t k = 0; k < LEN(names); k++)
        for (int i = -10; i <= 10; i++) {
            madpo_objective_options o = usual(names[k]);
            madpo_pair_logps in = pair_of(2.25 * i, 1.5, .5 * i);
            madpo_pair_loss a = loss_of(names[k], &o, swapped(in));
            madpo_pair_loss b = loss_of(names[k], &o, pair_of(-2.25 * i, -1.5, -.5 * i));

            assert_true(a.m == b.m && a.loss == b.loss && a.weight == b.weight);
            assert_true(a.dchosen == b.dchosen && a.drejected == b.drejected);
            assert_true(a.dchosen == -a.drejected);
        }
}

/* ---- identities ---- */

static void test_reductions_to_dpo(void **state)
{
    static const char *const names[] = {"cdpo", "robust"};

    (void)state;
    for (int i = -30; i <= 30; i++) {
        madpo_pair_logps in = pair_of(1.7 * i, -.4 * i + .1, .3 * i);
        madpo_objective_options o = usual("dpo");
        madpo_pair_loss dpo = loss_of("dpo", &o, in), other;

        o.label_smoothing = 0;
        for (size_t k = 0; k < LEN(names); k++) {
            other = loss_of(names[k], &o, in);
            check(other.loss, dpo.loss, 1e-14 * dpo.loss, names[k]);
            check(other.dchosen, dpo.dchosen, 1e-15, names[k]);
        }
        in.h = 1e6; /* a certain label */
        o.soft_scale = 1;
        check(loss_of("soft-dpo", &o, in).loss, dpo.loss, 1e-14 * dpo.loss, "soft-dpo");
        other = loss_of("beta-dpo", &o, in); /* as in an evaluation */
        assert_memory_equal(&other, &dpo, sizeof dpo);
        o.alpha = 1;
        in.h = 1; /* log 1 = 0 */
        other = loss_of("odpo", &o, in);
        assert_memory_equal(&other, &dpo, sizeof dpo);
    }
}

/* Labels wrong with probability e: robust's mean is DPO's loss of the right one. */
static void test_robust_is_unbiased(void **state)
{
    (void)state;
    for (int i = -20; i <= 20; i++) {
        madpo_objective_options o = usual("robust");
        madpo_pair_logps in = pair_of(2.1 * i, .3, 0);
        double e = o.label_smoothing, mean;

        mean =
            (1 - e) * loss_of("robust", &o, in).loss + e * loss_of("robust", &o, swapped(in)).loss;
        check(mean, loss_of("dpo", &o, in).loss, 1e-13, "mean of robust");
    }
}

/* Labels drawn with the reward model's own probability: MADPO's mean is soft-madpo inside tau. */
static void test_soft_madpo_is_the_mean_of_madpo(void **state)
{
    madpo_objective_options o = usual("madpo");

    (void)state;
    for (int i = -22; i <= 22; i++)
        for (int j = -8; j <= 8; j++) {
            madpo_pair_logps in = pair_of(9 * j, 2.5, .3 * i);
            double p = madpo_sigmoid(in.h), mean;

            mean = p * loss_of("madpo", &o, in).loss +
                   (1 - p) * loss_of("madpo", &o, swapped(in)).loss;
            check(loss_of("soft-madpo", &o, in).loss, mean, 1e-12, "soft-madpo");
        }
}

/* beta m where each loss is smallest, or flat. */
static void test_minima(void **state)
{
    static const struct {
        const char *name;
        double x; /* beta m, with h = .5 */
    } cases[] = {{"ipo", .5}, {"distill", .5}, {"soft-dpo", .5}, {"exo", 6.906754778648554}};
    madpo_objective_options o;

    (void)state;
    for (size_t k = 0; k < LEN(cases); k++) {
        o = usual(cases[k].name);
        check(loss_of(cases[k].name, &o, pair_of(cases[k].x / o.beta, 0, .5)).dchosen, 0, 1e-13,
              cases[k].name);
    }
    o = usual("soft-madpo");
    check(loss_of("soft-madpo", &o, pair_of(madpo_weight_c(&o.weight, .5) * 5, 0, .5)).dchosen, 0,
          1e-13, "soft-madpo");
    o = usual("hinge");
    check(loss_of("hinge", &o, pair_of(10, 0, 0)).dchosen, 0, 0, "hinge from 1 on");
    check(loss_of("hinge", &o, pair_of(9.999, 0, 0)).dchosen, -.1, 0, "hinge below 1");
    o = usual("exo");
    check(loss_of("exo", &o, pair_of(log_odds(1e-3) * 10, 0, 0)).loss, 0, 1e-13, "exo");
}

/* Step 0, where policy and reference are one. */
static void test_step_zero(void **state)
{
    static const struct {
        const char *name;
        double loss;
    } cases[] = {{"dpo", .69314718055994531},
                 {"ipo", 25},
                 {"sppo", 50},
                 {"cdpo", .69314718055994531},
                 {"hinge", 1},
                 {"apo-zero", 1},
                 {"robust", .69314718055994531},
                 {"distill", 0},
                 {"apo-down", 1},
                 {"nca", 2 * .69314718055994531},
                 {"madpo", .69314718055994531},
                 {"soft-dpo", .69314718055994531},
                 {"beta-dpo", .69314718055994531},
                 {"soft-madpo", .69314718055994531},
                 {"sft", 60.5}};

    (void)state;
    for (size_t k = 0; k < LEN(cases); k++) {
        madpo_objective_options o = usual(cases[k].name);

        check(loss_of(cases[k].name, &o, pair_of(0, 0, 0)).loss, cases[k].loss, 1e-13,
              cases[k].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label_swap),
        cmocka_unit_test(test_label_swap_is_negation),
        cmocka_unit_test(test_reductions_to_dpo),
        cmocka_unit_test(test_robust_is_unbiased),
        cmocka_unit_test(test_soft_madpo_is_the_mean_of_madpo),
        cmocka_unit_test(test_minima),
        cmocka_unit_test(test_step_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
