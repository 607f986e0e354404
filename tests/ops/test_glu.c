/* Gated activation against its twin. */
#include "ops/glu.h"
#include "ref/glu.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <stdlib.h>

typedef struct glu_shape {
    int64_t T, F;
} glu_shape;

static const glu_shape glu_shapes[] = {
    {0, 8}, {1, 1}, {3, 5}, {1, 16}, {7, 17}, {31, 33}, {64, 64}, {19, 1001}, {100, 2048},
};
#define N_SHAPES (sizeof glu_shapes / sizeof glu_shapes[0])

typedef struct glu_ctx {
    int64_t T, F;
    madpo_activation act;
    bool accumulate;
    op_array *y, *a, *b, *dy, *da, *db;
} glu_ctx;

static void run_fwd(op_test *T, void *ctx)
{
    const glu_ctx *c = ctx;

    OP_OK(T, madpo_glu_fwd(T->dev, c->y->t, c->a->t, c->b->t, c->T, c->F, c->act, &T->err));
}

static void run_bwd(op_test *T, void *ctx)
{
    const glu_ctx *c = ctx;

    OP_OK(T, madpo_glu_bwd(T->dev, c->da->t, c->db->t, c->dy->t, c->a->t, c->b->t, c->T, c->F,
                           c->act, c->accumulate, &T->err));
}

static glu_ctx glu_begin(op_test *T, const char *what, const glu_shape *s, int act, int mode)
{
    glu_ctx c = {.T = s->T, .F = s->F, .act = (madpo_activation)act};

    op_case(T, "%s T=%lld F=%lld act=%d mode=%d", what, (long long)s->T, (long long)s->F, act,
            mode);
    c.a = op_random(T, s->T * s->F, -6, 6);
    c.b = op_random(T, s->T * s->F, -2, 2);
    return c;
}

/* mode: y is a third tensor (0), a (1), b (2). */
static void check_fwd(op_test *T, const glu_shape *s, int act, int mode)
{
    glu_ctx c = glu_begin(T, "glu_fwd", s, act, mode);

    c.y = mode == 0 ? op_output(T, s->T * s->F, false) : op_in_place(mode == 1 ? c.a : c.b);
    op_run(T, run_fwd, &c);
    madpo_ref_glu_fwd(c.y->d, c.a->d, c.b->d, s->T, s->F, act);
    op_check(T, c.y, "y", 1e-7, 4e-6);
}

/* mode: overwrite (0), accumulate (1), da and db are a and b (2). */
static void check_bwd(op_test *T, const glu_shape *s, int act, int mode)
{
    glu_ctx c = glu_begin(T, "glu_bwd", s, act, mode);

    c.accumulate = mode == 1;
    c.dy = op_random(T, s->T * s->F, -1, 1);
    c.da = mode == 2 ? op_in_place(c.a) : op_output(T, s->T * s->F, c.accumulate);
    c.db = mode == 2 ? op_in_place(c.b) : op_output(T, s->T * s->F, c.accumulate);
    op_run(T, run_bwd, &c);
    madpo_ref_glu_bwd(c.da->d, c.db->d, c.dy->d, c.a->d, c.b->d, s->T, s->F, act, c.accumulate);
    /* act' is a difference of two terms of order 1 */
    op_check(T, c.da, "da", 2e-6, 4e-6);
    op_check(T, c.db, "db", 5e-7, 4e-6);
}

static void test_shapes(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        const glu_shape *s = &glu_shapes[i];
        for (int k = 0; k < 9 && !op_too_large(T, s->T * s->F); k++) {
            check_fwd(T, s, k / 3, k % 3);
            check_bwd(T, s, k / 3, k % 3);
        }
    }
}

/* Where exp or the cube overflow the gate is 0 or 1, never NaN. */
static void check_extremes(op_test *T, madpo_activation act)
{
    const float a[] = {-1e15f, -1e4f, -100, -20, -0.0f, 0, 20, 100, 1e4f, 1e15f};
    const float ones[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const int64_t n = sizeof a / sizeof a[0];
    glu_ctx c = {.T = 1, .F = n, .act = act};

    op_case(T, "glu extremes act=%d", act);
    c.a = op_values(T, n, a);
    c.b = op_values(T, n, ones);
    c.dy = op_values(T, n, ones);
    c.y = op_output(T, n, false);
    c.da = op_output(T, n, false);
    c.db = op_output(T, n, false);
    op_run(T, run_fwd, &c);
    madpo_ref_glu_fwd(c.y->d, c.a->d, c.b->d, 1, n, (int)act);
    op_check(T, c.y, "y", 1e-6, 1e-6);
    op_run(T, run_bwd, &c);
    madpo_ref_glu_bwd(c.da->d, c.db->d, c.dy->d, c.a->d, c.b->d, 1, n, (int)act, false);
    for (int64_t i = 0; i < n; i++) /* the twin's textbook slope is 0 * inf at the far ends */
        op_check_value(T, "da", op_got(c.da, i), a[i] < -10 ? 0 : a[i] > 10 ? 1 : 0.5, 1e-6, 0);
}

static void test_extremes(void **state)
{
    check_extremes(*state, MADPO_ACT_SILU);
    check_extremes(*state, MADPO_ACT_GELU_TANH);
    check_extremes(*state, MADPO_ACT_GELU);
}

/* A NaN in either factor shows in the product. */
static void test_nan(void **state)
{
    op_test *T = *state;
    const float a[] = {NAN, 1, 2}, b[] = {1, NAN, 2};
    glu_ctx c = {.T = 1, .F = 3};

    op_case(T, "glu with NaN");
    c.a = op_values(T, 3, a);
    c.b = op_values(T, 3, b);
    c.y = op_output(T, 3, true);
    op_run(T, run_fwd, &c);
    if (!isnan(op_got(c.y, 0)) || !isnan(op_got(c.y, 1)) || isnan(op_got(c.y, 2)))
        op_fail(T, "got %g %g %g", op_got(c.y, 0), op_got(c.y, 1), op_got(c.y, 2));
}

typedef struct glu_gradient {
    double *a, *b, *y, *dy;
    int64_t n;
    int act;
} glu_gradient;

static double loss(void *ctx)
{
    const glu_gradient *g = ctx;

    madpo_ref_glu_fwd(g->y, g->a, g->b, 1, g->n, g->act);
    return op_dot(g->y, g->dy, g->n);
}

static void check_gradient(op_test *T, int act)
{
    glu_gradient g = {.n = 23, .act = act};

    op_case(T, "glu gradient act=%d", act);
    g.a = op_doubles(T, g.n, -4, 4);
    g.b = op_doubles(T, g.n, -1, 1);
    g.y = op_doubles(T, g.n, 0, 0);
    g.dy = op_doubles(T, g.n, -1, 1);
    double *da = op_doubles(T, g.n, 0, 0), *db = op_doubles(T, g.n, 0, 0);
    madpo_ref_glu_bwd(da, db, g.dy, g.a, g.b, 1, g.n, act, false);
    op_check_gradient(T, "da", g.a, da, g.n, loss, &g, 1e-6);
    op_check_gradient(T, "db", g.b, db, g.n, loss, &g, 1e-6);
    free(g.a);
    free(g.b);
    free(g.y);
    free(g.dy);
    free(da);
    free(db);
}

static void test_gradient(void **state)
{
    check_gradient(*state, MADPO_ACT_SILU);
    check_gradient(*state, MADPO_ACT_GELU_TANH);
    check_gradient(*state, MADPO_ACT_GELU);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_shapes),
    cmocka_unit_test(test_extremes),
    cmocka_unit_test(test_nan),
    cmocka_unit_test(test_gradient),
};
OP_TEST_MAIN(tests)
