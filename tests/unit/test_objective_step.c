/* Objectives of a whole step: the filter draws as it says, the memory is exact, odd steps (one
 * pair, all alike, a million, not a number) leave it sound. */
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
enum { MOST = 64 };

static const char *const of_a_step[] = {"beta-dpo", "amapo", "alpha-dpo", "gamma-po"};

typedef struct fixture {
    const madpo_objective *objective;
    madpo_objective_options o;
    madpo_objective_state memory;
    madpo_pair_logps in[MOST];
    madpo_pair_plan plans[MOST];
    madpo_step_plan step;
} fixture;

/* Pair i has log-ratios m_i/2 and -m_i/2, m_i = from + i by. */
static void set_margins(fixture *f, double from, double by)
{
    for (size_t i = 0; i < MOST; i++) {
        double m = from + by * (double)i;

        f->in[i] = (madpo_pair_logps){.chosen = m / 2 - 40,
                                      .rejected = -m / 2 - 40,
                                      .ref_chosen = -40,
                                      .ref_rejected = -40,
                                      .n_chosen = 10,
                                      .n_rejected = 10};
    }
}

static fixture setup(const char *name)
{
    fixture f = {.objective = madpo_objective_find(name)};

    f.o = madpo_objective_options_usual(f.objective);
    f.o.seed = 42;
    madpo_objective_state_init(&f.memory, f.objective, &f.o);
    set_margins(&f, -3, .25);
    return f;
}

static void plan(fixture *f, size_t n)
{
    madpo_objective_plan(f->objective, &f->o, &f->memory, f->in, n, f->plans, &f->step);
}

static size_t count_kept(const fixture *f, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        assert_true(f->plans[i].weight == 0.0 || f->plans[i].weight == 1.0);
        kept += f->plans[i].weight == 1.0;
    }
    return kept;
}

static void test_kept(void **state)
{
    static const size_t want[][2] = {{1, 1}, {2, 1}, {5, 4}, {10, 8}, {32, 25}, {64, 51}};

    (void)state;
    for (size_t k = 0; k < 2 * LEN(want); k++) {
        fixture f = setup("beta-dpo");
        size_t n = want[k / 2][0];

        f.o.beta_mode = k & 1 ? MADPO_BETA_NOTEBOOK : MADPO_BETA_AUTHORS;
        plan(&f, n);
        assert_int_equal(f.step.n, n);
        assert_int_equal(f.step.n_kept, want[k / 2][1]);
        assert_int_equal(count_kept(&f, n), want[k / 2][1]);
        assert_true(f.step.divisor == (double)want[k / 2][1]);
        f.o.keep = 1;
        plan(&f, n);
        assert_int_equal(count_kept(&f, n), n);
    }
}

/* One of two pairs is kept with probability w_1/(w_1 + w_2): 20000 steps, five standard errors. */
static void test_filter_probabilities(void **state)
{
    fixture f = setup("beta-dpo");
    madpo_objective_state start = {.center = 0, .scale = 10};
    const int n = 20000;
    int first = 0;
    double w[2], p;

    (void)state;
    f.o.momentum = .999999;
    f.o.keep = .5;
    set_margins(&f, 2, 10); /* z = .2 and 1.2 */
    for (int i = 0; i < n; i++) {
        f.memory = start;
        f.memory.n_steps = i;
        plan(&f, 2);
        assert_int_equal(count_kept(&f, 2), 1);
        first += f.plans[0].weight > 0;
    }
    w[0] = exp(-.02);
    w[1] = exp(-.72);
    p = w[0] / (w[0] + w[1]);
    if (!(fabs((double)first / n - p) < 5 * sqrt(p * (1 - p) / n)))
        fail_msg("the first of two pairs kept in %d of %d steps, expected a share of %g", first, n,
                 p);
}

/* Far outside every weight underflows; still as many are kept, and those nearest most often. */
static void test_filter_far_out(void **state)
{
    fixture f = setup("beta-dpo");

    (void)state;
    f.memory.scale = 1e-3;
    f.o.momentum = .999999;
    set_margins(&f, 1e5, 1e3);
    plan(&f, 10);
    for (size_t i = 0; i < 10; i++)
        assert_true((f.plans[i].weight == 1.0) == (i < 8));
}

static void test_draws_belong_to_seed_and_step(void **state)
{
    fixture f = setup("beta-dpo"), same = setup("beta-dpo"), other = setup("beta-dpo");
    bool differ_by_seed = false, differ_by_step = false;

    (void)state;
    other.o.seed = 43;
    for (int step = 0; step < 10; step++) {
        madpo_pair_plan before[MOST];

        memcpy(before, f.plans, sizeof before);
        plan(&f, 32);
        plan(&same, 32);
        plan(&other, 32);
        assert_memory_equal(f.plans, same.plans, sizeof f.plans);
        assert_memory_equal(&f.memory, &same.memory, sizeof f.memory);
        for (size_t i = 0; i < 32; i++) {
            differ_by_seed |= f.plans[i].weight != other.plans[i].weight;
            differ_by_step |= step > 0 && f.plans[i].weight != before[i].weight;
        }
    }
    assert_true(differ_by_seed && differ_by_step);
    assert_true(f.memory.n_steps == 10);
}

/* Nothing adapted, nothing filtered: DPO to the last bit. */
static void test_beta_dpo_is_dpo(void **state)
{
    fixture f = setup("beta-dpo");

    (void)state;
    f.o.alpha = 0;
    f.o.keep = 1;
    plan(&f, 32);
    for (size_t i = 0; i < 32; i++) {
        madpo_pair_loss got, want;

        madpo_objective_pair(f.objective, &f.o, &f.plans[i], &f.in[i], &got);
        madpo_objective_find("dpo")->pair(&f.o, &f.in[i], &want);
        assert_memory_equal(&got, &want, sizeof got);
    }
}

/* The rule by hand, first step: authors' running mean is a tenth of the step's. */
static void test_beta_by_hand(void **state)
{
    fixture f = setup("beta-dpo");

    (void)state;
    f.o.keep = 1;
    set_margins(&f, 2, 0);
    plan(&f, 8);
    assert_true(fabs(f.step.beta - .1 * (1 + .6 * (2 - .2))) < 1e-15);
    set_margins(&f, -1e4, 0); /* the authors' floor */
    plan(&f, 8);
    assert_true(f.step.beta == 1e-3);
    f = setup("beta-dpo");
    f.o.beta_mode = MADPO_BETA_NOTEBOOK;
    madpo_objective_state_init(&f.memory, f.objective, &f.o);
    assert_true(f.memory.scale == 1.0);
    set_margins(&f, -1e4, 0); /* gap -1000: no floor, beta negative */
    plan(&f, 8);
    assert_true(fabs(f.step.beta - .1 * (1 + .6 * (-1000 + 100))) < 1e-9);
    assert_true(fabs(f.memory.scale - (.9 + .1e-6)) < 1e-15);
}

/* One pair, or many that are one: no spread to divide by. */
static void test_no_spread(void **state)
{
    (void)state;
    for (size_t k = 0; k < LEN(of_a_step); k++)
        for (size_t n = 1; n <= 16; n += 3) { /* means of 7 and 13 equal numbers round */
            fixture f = setup(of_a_step[k]);
            madpo_pair_loss planned, plain;

            f.o.alpha = k == 0 ? 0 : f.o.alpha;
            f.o.keep = 1;
            set_margins(&f, n == 1 ? .7 : 1e5 / 7, 0);
            plan(&f, n);
            for (size_t i = 0; i < n; i++) {
                madpo_objective_pair(f.objective, &f.o, &f.plans[i], &f.in[i], &planned);
                madpo_objective_pair(f.objective, &f.o, NULL, &f.in[i], &plain);
                assert_memory_equal(&planned, &plain, sizeof plain);
            }
        }
}

static void test_a_million(void **state)
{
    (void)state;
    for (size_t k = 0; k < LEN(of_a_step); k++)
        for (int mode = 0; mode < 2; mode++) {
            fixture f = setup(of_a_step[k]);

            f.o.beta_mode = (madpo_beta_mode)mode;
            for (int round = 0; round < 3; round++) {
                set_margins(&f, round == 1 ? 1e6 : -1e6, round == 2 ? 0 : 3e4);
                plan(&f, MOST);
                for (size_t i = 0; i < MOST; i++) {
                    madpo_pair_loss l;

                    madpo_objective_pair(f.objective, &f.o, &f.plans[i], &f.in[i], &l);
                    assert_true(isfinite(l.loss) && isfinite(l.dchosen) && isfinite(l.drejected));
                }
                assert_true(isfinite(f.memory.center) && isfinite(f.memory.scale));
            }
        }
}

/* AMaPO by hand: l = -1, 0, 4 has mean 1, sd sqrt 7. */
static void test_amapo_by_hand(void **state)
{
    fixture f = setup("amapo");
    static const double l[] = {-1, 0, 4};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        f.in[i] =
            (madpo_pair_logps){.chosen = 10 * l[i], .rejected = 0, .n_chosen = 10, .n_rejected = 5};
    plan(&f, 3);
    assert_true(fabs(f.plans[0].offset - 2 * exp(2 / sqrt(7))) < 1e-14);
    assert_true(fabs(f.plans[1].offset - 2 * exp(1 / sqrt(7))) < 1e-14);
    assert_true(f.plans[2].offset == 0.0);
}

/* gamma-PO's targets have gamma as their mean and grow with the gap; held together they are all
 * gamma. */
static void test_gamma_po_targets(void **state)
{
    fixture f = setup("gamma-po");
    double sum = 0;

    (void)state;
    f.o.alpha = 3;
    plan(&f, 40);
    for (size_t i = 0; i < 40; i++) {
        sum += f.plans[i].offset;
        assert_true(i == 0 || f.plans[i].offset > f.plans[i - 1].offset);
    }
    assert_true(fabs(sum / 40 - f.o.gamma) < 1e-14);
    assert_true(f.plans[39].offset - f.plans[0].offset > 1e-3);
    f.o.alpha = 1e9;
    plan(&f, 40);
    for (size_t i = 0; i < 40; i++)
        assert_true(fabs(f.plans[i].offset - f.o.gamma) < 1e-8);
}

static void test_not_finite(void **state)
{
    (void)state;
    for (size_t k = 0; k < LEN(of_a_step); k++) {
        fixture f = setup(of_a_step[k]);
        madpo_objective_state before;

        plan(&f, 8);
        before = f.memory;
        f.in[3].chosen = k == 1 ? INFINITY : NAN;
        plan(&f, 8);
        assert_memory_equal(&before, &f.memory, sizeof before);
        assert_int_equal(count_kept(&f, 8), 8); /* so that the step's loss shows it */
        assert_true(f.step.divisor == 8.0);
    }
}

/* An objective of one pair takes part in the same loop. */
static void test_plain_objectives(void **state)
{
    (void)state;
    for (size_t k = 0; k < madpo_objective_count(); k++) {
        fixture f = setup(madpo_objective_at(k)->name);
        madpo_pair_loss planned, plain;

        if (f.objective->plan)
            continue;
        plan(&f, 5);
        assert_true(f.step.divisor == 5.0 && f.step.n_kept == 5 && f.memory.n_steps == 1);
        madpo_objective_pair(f.objective, &f.o, &f.plans[2], &f.in[2], &planned);
        f.objective->pair(&f.o, &f.in[2], &plain);
        assert_memory_equal(&planned, &plain, sizeof plain);
    }
}

static void test_memory(void **state)
{
    fixture f = setup("beta-dpo");
    double saved[MADPO_OBJECTIVE_STATE_N];
    madpo_objective_state again = {0};
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    for (int i = 0; i < 5; i++)
        plan(&f, 31);
    madpo_objective_state_save(&f.memory, saved);
    assert_int_equal(madpo_objective_state_load(&again, saved, &err), MADPO_OK);
    assert_memory_equal(&again, &f.memory, sizeof again);
    for (size_t i = 0; i < 5; i++) {
        static const double bad[5][3] = {
            {NAN, 1, 1}, {0, -1, 1}, {0, 1, 1.5}, {0, 1, -1}, {0, INFINITY, 0}};

        madpo_error_clear(&err);
        assert_int_equal(madpo_objective_state_load(&again, bad[i], &err), MADPO_ERR_DATA);
        assert_true(strstr(err.message, "state of the objective is damaged") != NULL);
        assert_memory_equal(&again, &f.memory, sizeof again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_filter_probabilities),
        cmocka_unit_test(test_filter_far_out),
        cmocka_unit_test(test_draws_belong_to_seed_and_step),
        cmocka_unit_test(test_beta_dpo_is_dpo),
        cmocka_unit_test(test_beta_by_hand),
        cmocka_unit_test(test_no_spread),
        cmocka_unit_test(test_a_million),
        cmocka_unit_test(test_amapo_by_hand),
        cmocka_unit_test(test_gamma_po_targets),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_plain_objectives),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
