/* Plain activation against its twin. */
#include "ops/act.h"
#include "ref/act.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_ACTS = 3 };
static const int64_t act_sizes[] = {0, 1, 5, 16, 17, 127, 1000, 4096, 4097, 20011};
#define N_SIZES (sizeof act_sizes / sizeof act_sizes[0])

typedef struct act_ctx {
    int64_t n;
    madpo_activation act;
    bool accumulate;
    op_array *y, *a, *dy, *da;
} act_ctx;

static void run_fwd(op_test *T, void *ctx)
{
    const act_ctx *c = ctx;

    OP_OK(T, madpo_act_fwd(T->dev, c->y->t, c->a->t, c->n, c->act, &T->err));
}

static void run_bwd(op_test *T, void *ctx)
{
    const act_ctx *c = ctx;

    OP_OK(T,
          madpo_act_bwd(T->dev, c->da->t, c->dy->t, c->a->t, c->n, c->act, c->accumulate, &T->err));
}

static act_ctx act_begin(op_test *T, const char *what, int64_t n, int act, int mode)
{
    act_ctx c = {.n = n, .act = (madpo_activation)act};

    op_case(T, "%s n=%lld act=%d mode=%d", what, (long long)n, act, mode);
    c.a = op_random(T, n, -6, 6);
    return c;
}

/* mode: y is another tensor (0) or a (1). */
static void check_fwd(op_test *T, int64_t n, int act, int mode)
{
    act_ctx c = act_begin(T, "act_fwd", n, act, mode);

    c.y = mode == 0 ? op_output(T, n, false) : op_in_place(c.a);
    op_run(T, run_fwd, &c);
    madpo_ref_act_fwd(c.y->d, c.a->d, n, act);
    op_check(T, c.y, "y", 1e-7, 2e-6);
}

/* mode: overwrite (0), accumulate (1), da is a (2), da is dy (3). */
static void check_bwd(op_test *T, int64_t n, int act, int mode)
{
    act_ctx c = act_begin(T, "act_bwd", n, act, mode);

    c.accumulate = mode == 1;
    c.dy = op_random(T, n, -1, 1);
    if (mode >= 2)
        c.da = op_in_place(mode == 2 ? c.a : c.dy);
    else
        c.da = op_output(T, n, c.accumulate);
    op_run(T, run_bwd, &c);
    madpo_ref_act_bwd(c.da->d, c.dy->d, c.a->d, n, act, c.accumulate);
    /* the rounding of 1 - sigma times a z'(a), which tanh-GELU's cube lets grow to 40 */
    op_check(T, c.da, "da", act == MADPO_ACT_GELU_TANH ? 2.5e-6 : 5e-7, 1e-6);
}

static void test_shapes(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SIZES; i++) {
        for (int act = 0; act < N_ACTS && !op_too_large(T, act_sizes[i]); act++) {
            for (int mode = 0; mode < 4; mode++) {
                if (mode < 2)
                    check_fwd(T, act_sizes[i], act, mode);
                check_bwd(T, act_sizes[i], act, mode);
            }
        }
    }
}

/* The fit of the normal distribution on a grid over all it covers: 1e-7 absolute, 2e-6 relative
 * down to -5 (the values there are a Phi(a); slopes at dy = 1 are Phi + a phi). */
static void test_gelu_accuracy(void **state)
{
    op_test *T = *state;
    const int64_t n = T->tiny ? 257 : 32001;
    act_ctx c = {.n = n, .act = MADPO_ACT_GELU};
    double worst = 0, worst_slope = 0;

    op_case(T, "gelu accuracy");
    c.a = op_random(T, n, 0, 0);
    c.dy = op_random(T, n, 0, 0);
    for (int64_t i = 0; i < n; i++) {
        c.a->d[i] = c.a->f[i] = (float)(-16 + 32 * (double)i / (double)(n - 1));
        c.dy->f[i] = 1;
    }
    c.y = op_output(T, n, false);
    c.da = op_output(T, n, false);
    op_run(T, run_fwd, &c);
    for (int64_t i = 0; i < n; i++) {
        const double a = c.a->d[i], phi = 0.5 * erfc(-a / sqrt(2.0)), y = op_got(c.y, i);
        op_check_value(T, "a Phi(a)", y, a * phi, fabs(a) * 1e-7, a > -5 && a < 0 ? 2e-6 : 1e-7);
        if (a > -5 && a < 0)
            op_check_value(T, "tail", y, a * phi, 0, 2e-6);
        worst = fmax(worst, fabs(y - a * phi));
    }
    op_run(T, run_bwd, &c);
    for (int64_t i = 0; i < n; i++) {
        double slope;
        madpo_ref_act(c.a->d[i], MADPO_ACT_GELU, &slope);
        op_check_value(T, "slope", op_got(c.da, i), slope, 2.5e-7, 0);
        worst_slope = fmax(worst_slope, fabs(op_got(c.da, i) - slope));
    }
    printf("exact GELU: value off by %.2g at most, slope by %.2g\n", worst, worst_slope);
}

/* Where exp, the square or the cube overflow, the activation is 0 or its argument, never NaN. */
static void test_extremes(void **state)
{
    op_test *T = *state;
    const float a[] = {-1e30f, -1e15f, -1e4f, -100, -20, -0.0f, 0, 20, 100, 1e4f, 1e15f, 1e30f};
    const float ones[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const int64_t n = sizeof a / sizeof a[0];

    for (int act = 0; act < N_ACTS; act++) {
        /* the slope of the cube's overflow would be infinity times 0 */
        const int64_t from = act == MADPO_ACT_GELU_TANH ? 1 : 0;
        act_ctx c = {.n = n - 2 * from, .act = (madpo_activation)act};
        op_case(T, "act extremes act=%d", act);
        c.a = op_values(T, c.n, a + from);
        c.dy = op_values(T, c.n, ones);
        c.y = op_output(T, c.n, false);
        c.da = op_output(T, c.n, false);
        op_run(T, run_fwd, &c);
        for (int64_t i = 0; i < c.n; i++)
            op_check_value(T, "y", op_got(c.y, i), fmax(c.a->d[i], 0), 1e-7, 1e-7);
        op_run(T, run_bwd, &c);
        for (int64_t i = 0; i < c.n; i++) {
            const double want = c.a->d[i] < 0 ? 0 : c.a->d[i] > 0 ? 1 : 0.5;
            op_check_value(T, "da", op_got(c.da, i), want, 1e-6, 0);
        }
    }
}

/* A NaN stays one. */
static void test_nan(void **state)
{
    op_test *T = *state;
    const float a[] = {NAN, 1};

    for (int act = 0; act < N_ACTS; act++) {
        act_ctx c = {.n = 2, .act = (madpo_activation)act};
        op_case(T, "act with NaN act=%d", act);
        c.a = op_values(T, 2, a);
        c.y = op_output(T, 2, true);
        op_run(T, run_fwd, &c);
        if (!isnan(op_got(c.y, 0)) || isnan(op_got(c.y, 1)))
            op_fail(T, "got %g %g", op_got(c.y, 0), op_got(c.y, 1));
    }
}

typedef struct act_gradient {
    double *a, *y, *dy;
    int64_t n;
    int act;
} act_gradient;

static double loss(void *ctx)
{
    const act_gradient *g = ctx;

    madpo_ref_act_fwd(g->y, g->a, g->n, g->act);
    return op_dot(g->y, g->dy, g->n);
}

static void test_gradient(void **state)
{
    op_test *T = *state;

    for (int act = 0; act < N_ACTS; act++) {
        act_gradient g = {.n = 23, .act = act};
        op_case(T, "act gradient act=%d", act);
        g.a = op_doubles(T, g.n, -4, 4);
        g.y = op_doubles(T, g.n, 0, 0);
        g.dy = op_doubles(T, g.n, -1, 1);
        double *da = op_doubles(T, g.n, 0, 0);
        madpo_ref_act_bwd(da, g.dy, g.a, g.n, act, false);
        op_check_gradient(T, "da", g.a, da, g.n, loss, &g, 1e-6);
        free(g.a);
        free(g.y);
        free(g.dy);
        free(da);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_shapes),   cmocka_unit_test(test_gelu_accuracy),
    cmocka_unit_test(test_extremes), cmocka_unit_test(test_nan),
    cmocka_unit_test(test_gradient),
};
OP_TEST_MAIN(tests)
