/* Every objective: gradients against finite differences, margins of a million, averaging, MADPO's
 * variants, options and needs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
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

static madpo_objective_options usual(const char *name)
{
    return madpo_objective_options_usual(madpo_objective_find(name));
}

static void test_table(void **state)
{
    const char *choices = MADPO_OBJECTIVE_CHOICES;

    (void)state;
    assert_null(madpo_objective_find("DPO"));
    assert_null(madpo_objective_find(""));
    assert_null(madpo_objective_at(madpo_objective_count()));
    for (size_t i = 0; i < madpo_objective_count(); i++) {
        const madpo_objective *o = madpo_objective_at(i);
        size_t n = strlen(o->name);

        assert_ptr_equal(madpo_objective_find(o->name), o);
        assert_true(*o->formula && *o->source && *o->mean && o->pair && o->options);
        assert_true(!o->plan == !o->planned);
        /* the rows' names are those of the list, in its order */
        assert_true(strncmp(choices, o->name, n) == 0 && strspn(choices + n, ",") <= 1);
        choices += n;
        choices += strspn(choices, ", ");
    }
    assert_true(*choices == '\0');
}

/* Of h = (f(x+e) - f(x-e))/2e; kinks of hinge and odpo are not on these points. */
static void expect_slope(const madpo_objective *obj, const madpo_objective_options *o,
                         const madpo_pair_logps *in, bool chosen)
{
    const double e = 1e-5;
    madpo_pair_logps up = *in, down = *in;
    madpo_pair_loss at, hi, lo;
    double got;

    *(chosen ? &up.chosen : &up.rejected) += e;
    *(chosen ? &down.chosen : &down.rejected) -= e;
    obj->pair(o, in, &at);
    obj->pair(o, &up, &hi);
    obj->pair(o, &down, &lo);
    got = chosen ? at.dchosen : at.drejected;
    check(got, (hi.loss - lo.loss) / (2 * e), 1e-7 * (1 + fabs(got)) + 1e-10 * fabs(at.loss),
          obj->name);
}

static void test_finite_differences(void **state)
{
    (void)state;
    for (size_t k = 0; k < 4 * madpo_objective_count(); k++)
        for (int i = -20; i <= 20; i++) {
            const madpo_objective *obj = madpo_objective_at(k / 4);
            madpo_objective_options o = madpo_objective_options_usual(obj);
            madpo_pair_logps in = pair_of(i * 3.1 + 1, -i * 1.7 + 2, i * .4 + .03);

            o.average = k & 1;
            o.scores = k & 2;
            expect_slope(obj, &o, &in, true);
            expect_slope(obj, &o, &in, false);
        }
}

static void expect_finite(const madpo_objective *obj, const madpo_objective_options *o,
                          const madpo_pair_logps *in)
{
    madpo_pair_loss out;

    obj->pair(o, in, &out);
    if (!isfinite(out.loss) || !isfinite(out.weight) || !isfinite(out.m) ||
        !isfinite(out.dchosen) || !isfinite(out.drejected))
        fail_msg("%s of a %g, b %g, h %g: loss %g, weight %g, gradients %g %g", obj->name,
                 in->chosen - in->ref_chosen, in->rejected - in->ref_rejected, in->h, out.loss,
                 out.weight, out.dchosen, out.drejected);
}

static void test_extremes(void **state)
{
    static const double v[] = {-1e6, -750, -30, -1e-300, 0, 1e-300, 1e-9, 30, 750, 1e6};
    size_t n = LEN(v);

    (void)state;
    for (size_t k = 0; k < madpo_objective_count() * n * n * n; k++) {
        const madpo_objective *obj = madpo_objective_at(k / (n * n * n));
        madpo_objective_options o = madpo_objective_options_usual(obj);
        madpo_pair_logps in = {.chosen = v[k % n],
                               .rejected = v[k / n % n],
                               .h = v[k / n / n % n],
                               .n_chosen = 1,
                               .n_rejected = 3,
                               .score_chosen = v[k / n / n % n]};

        expect_finite(obj, &o, &in);
        o.beta = 10;
        o.scores = true;
        expect_finite(obj, &o, &in);
        o.weight.variant = MADPO_WEIGHT_UNCAPPED;
        expect_finite(obj, &o, &in);
    }
}

/* Soft labels and policies that are both certain differ by what is left of 1. */
static void test_sigmoid_difference(void **state)
{
    (void)state;
    check(madpo_sigmoid_difference(45, 40), exp(-40) - exp(-45), 1e-30, "both near 1");
    check(madpo_sigmoid_difference(-45, -40), exp(-45) - exp(-40), 1e-30, "both near 0");
    check(madpo_sigmoid_difference(2, -1), madpo_sigmoid(2) - madpo_sigmoid(-1), 0, "in between");
    check(madpo_sigmoid_difference(1e6, 1e6), 0, 0, "equal");
}

/* ---- MADPO's variants ---- */

static void test_weight_variants(void **state)
{
    madpo_weight_options full = {4, .25, 1, 7, MADPO_WEIGHT_FULL, 10}, w = full;

    (void)state;
    for (int i = -400; i <= 400; i++) {
        double h = i * .05, all = madpo_weight_w(&full, h);

        w.variant = MADPO_WEIGHT_AMPLIFY;
        check(madpo_weight_w(&w, h), fabs(h) < 7 ? all : 1, 0, "amplify");
        w.variant = MADPO_WEIGHT_REGULARISE;
        check(madpo_weight_w(&w, h), h >= 7 ? all : 1, 0, "regularise");
        w.variant = MADPO_WEIGHT_NEGATIVE;
        check(madpo_weight_w(&w, h), h > -7 && h < 0 ? all : 1, 0, "negative");
        w.variant = MADPO_WEIGHT_UNCAPPED;
        if (h > -7)
            check(madpo_weight_w(&w, h), all, 0, "uncapped above -tau");
        else
            check(madpo_weight_w(&w, h),
                  fmin(10, madpo_sigmoid(madpo_weight_c(&w, h) * h) / madpo_sigmoid(h)), 1e-12,
                  "uncapped");
    }
    check(madpo_weight_w(&w, -1e6), 10, 0, "the limit");
    for (int v = MADPO_WEIGHT_FULL; v <= MADPO_WEIGHT_NEGATIVE; v++) {
        w.variant = (madpo_weight_variant)v;
        assert_true(isnan(madpo_weight_w(&w, NAN)));
        assert_true(madpo_weight_w(&w, 0) == 1.0);
    }
    w.variant = MADPO_WEIGHT_UNCAPPED;
    w.max_weight = 0;
    assert_int_equal(madpo_weight_options_check(&w, NULL), MADPO_ERR_CONFIG);
    assert_false(madpo_weight_variant_find(&w.variant, "ful"));
    assert_true(madpo_weight_variant_find(&w.variant, "negative"));
    assert_int_equal(w.variant, MADPO_WEIGHT_NEGATIVE);
}

/* ---- lengths ---- */

/* Averaging is the objective of the divided log-probs, and its gradient by the chain rule. */
static void test_average(void **state)
{
    (void)state;
    for (size_t k = 0; k < madpo_objective_count(); k++) {
        const madpo_objective *obj = madpo_objective_at(k);
        madpo_objective_options o = madpo_objective_options_usual(obj);
        madpo_pair_logps in = {-48, -30, -40, -36, .75, 8, 4, .75, 0};
        madpo_pair_logps divided = {-6, -7.5, -5, -9, .75, 1, 1, .75, 0};
        madpo_pair_loss a, b;

        o.average = true;
        obj->pair(&o, &in, &a);
        obj->pair(&o, &divided, &b);
        assert_true(a.loss == b.loss && a.m == b.m);
        assert_true(a.dchosen == b.dchosen / 8 && a.drejected == b.drejected / 4);
    }
}

/* ---- options and needs ---- */

static void test_options_check(void **state)
{
    static const struct {
        const char *name;
        size_t offset;
        double value;
        const char *message;
    } cases[] = {
#define AT(field) offsetof(madpo_objective_options, field)
        {"dpo", AT(beta), 0, "policy.beta = 0 must be above 0"},
        {"sft", AT(beta), 0, ""}, /* reads no beta */
        {"robust", AT(label_smoothing), .5,
         "policy.label_smoothing = 0.5 must be at least 0 and below 0.5"},
        {"dpo", AT(label_smoothing), .5, ""},
        {"exo", AT(label_smoothing), 0,
         "policy.label_smoothing = 0 leaves objective exo without a minimum; it must be above 0 "
         "(0.001 is usual)"},
        {"soft-madpo", AT(weight.tau), 0, "policy.tau = 0 must be above 0"},
        {"odpo", AT(alpha), NAN, "policy.alpha = nan must be at least 0"},
        {"simpo", AT(gamma), -1, "policy.gamma = -1 must be at least 0"},
        {"beta-dpo", AT(keep), 0, "policy.keep = 0 must be above 0 and at most 1"},
        {"alpha-dpo", AT(momentum), 1, "policy.momentum = 1 must be at least 0 and below 1"},
        {"soft-dpo", AT(soft_scale), -2, "policy.soft_scale = -2 must be at least 0"}};

    (void)state;
    for (size_t k = 0; k < LEN(cases); k++) {
        const madpo_objective *obj = madpo_objective_find(cases[k].name);
        madpo_objective_options o = madpo_objective_options_usual(obj);
        madpo_error err = MADPO_ERROR_INIT;

        assert_int_equal(madpo_objective_options_check(obj, &o, &err), MADPO_OK);
        *(double *)((char *)&o + cases[k].offset) = cases[k].value;
        assert_int_equal(madpo_objective_options_check(obj, &o, &err),
                         *cases[k].message ? MADPO_ERR_CONFIG : MADPO_OK);
        assert_string_equal(err.message, cases[k].message);
    }
}

static void test_resolve(void **state)
{
    madpo_objective_options o = {.label_smoothing = -1, .alpha = -1, .gamma = -1};
    madpo_objective_options set = {.label_smoothing = .2, .alpha = 0, .gamma = 3};

    (void)state;
    madpo_objective_options_resolve(madpo_objective_find("alpha-dpo"), &o);
    check(o.alpha, .2, 0, "alpha");
    check(o.gamma, 1.5, 0, "gamma");
    check(o.label_smoothing, 0, 0, "not read");
    madpo_objective_options_resolve(madpo_objective_find("alpha-dpo"), &set);
    check(set.alpha + set.gamma + set.label_smoothing, 3.2, 0, "values that were given");
}

static void test_needs(void **state)
{
    madpo_pair_logps in = {-1, -2, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    madpo_objective_options o = usual("sft");
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
#define SAYS(name, text)                                                                           \
    do {                                                                                           \
        madpo_status st = madpo_objective_pair_check(madpo_objective_find(name), &o, &in, &err);   \
        assert_int_equal(st, *(text) ? MADPO_ERR_DATA : MADPO_OK);                                 \
        assert_true(strstr(err.message, text) != NULL);                                            \
        madpo_error_clear(&err);                                                                   \
    } while (0)
    SAYS("sft", "");
    SAYS("dpo", "needs the reference's log-probs");
    SAYS("simpo", "averages over tokens");
    SAYS("madpo", "run the stage margins first");
    o.scores = true;
    SAYS("soft-dpo", "needs the scores of both answers");
    in.score_chosen = in.score_rejected = in.ref_chosen = in.ref_rejected = 0;
    SAYS("soft-dpo", "");
    in.n_chosen = in.n_rejected = 3;
    o.average = true;
    SAYS("dpo", "");
    SAYS("amapo", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),           cmocka_unit_test(test_finite_differences),
        cmocka_unit_test(test_extremes),        cmocka_unit_test(test_sigmoid_difference),
        cmocka_unit_test(test_weight_variants), cmocka_unit_test(test_average),
        cmocka_unit_test(test_options_check),   cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_needs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
