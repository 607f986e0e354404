/* RMSNorm against its twin. */
#include "ops/rmsnorm.h"
#include "ref/rmsnorm.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <stdlib.h>

typedef struct rmsnorm_shape {
    int64_t T, C;
} rmsnorm_shape;

static const rmsnorm_shape rmsnorm_shapes[] = {
    {0, 8},   {1, 1},     {1, 16},    {3, 17},    {5, 31},     {7, 64},
    {13, 33}, {257, 129}, {300, 640}, {1001, 64}, {4096, 256},
};
#define N_SHAPES (sizeof rmsnorm_shapes / sizeof rmsnorm_shapes[0])

typedef struct rmsnorm_ctx {
    int64_t T, C;
    float eps;
    bool add_one, accumulate;
    op_array *y, *r, *x, *gain, *dy, *out;
} rmsnorm_ctx;

static void run_fwd(op_test *T, void *ctx)
{
    const rmsnorm_ctx *c = ctx;

    OP_OK(T, madpo_rmsnorm_fwd(T->dev, c->y->t, c->r->t, c->x->t, c->gain->t, c->T, c->C, c->eps,
                               c->add_one, &T->err));
}

static void run_bwd_x(op_test *T, void *ctx)
{
    const rmsnorm_ctx *c = ctx;

    OP_OK(T, madpo_rmsnorm_bwd_x(T->dev, c->out->t, c->dy->t, c->x->t, c->r->t, c->gain->t, c->T,
                                 c->C, c->add_one, c->accumulate, &T->err));
}

static void run_bwd_gain(op_test *T, void *ctx)
{
    const rmsnorm_ctx *c = ctx;

    OP_OK(T, madpo_rmsnorm_bwd_gain(T->dev, c->out->t, c->dy->t, c->x->t, c->r->t, c->T, c->C,
                                    c->accumulate, &T->err));
}

/* flags: 1 add_one, 2 accumulate or in place. */
static rmsnorm_ctx rmsnorm_begin(op_test *T, const char *what, const rmsnorm_shape *s, int flags)
{
    rmsnorm_ctx c = {.T = s->T, .C = s->C, .eps = 1e-6f, .add_one = flags & 1};

    op_case(T, "%s T=%lld C=%lld flags=%d", what, (long long)s->T, (long long)s->C, flags);
    c.x = op_random(T, s->T * s->C, -3, 3);
    c.gain = op_random(T, s->C, -1, 1);
    return c;
}

static void check_fwd(op_test *T, const rmsnorm_shape *s, int flags)
{
    rmsnorm_ctx c = rmsnorm_begin(T, "rmsnorm_fwd", s, flags);

    c.r = op_output(T, s->T, false);
    c.y = flags & 2 ? op_in_place(c.x) : op_output(T, s->T * s->C, false);
    op_run(T, run_fwd, &c);
    madpo_ref_rmsnorm_fwd(c.y->d, c.r->d, c.x->d, c.gain->d, s->T, s->C, c.eps, c.add_one);
    op_check(T, c.r, "r", 0, 2e-6);
    op_check(T, c.y, "y", 1e-7, 2e-6);
}

static void test_fwd(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        const rmsnorm_shape *s = &rmsnorm_shapes[i];
        for (int flags = 0; flags < 4 && !op_too_large(T, s->T * s->C); flags++)
            check_fwd(T, s, flags);
    }
}

/* r for the backward passes: the twin's, rounded. */
static void rmsnorm_backward_inputs(op_test *T, rmsnorm_ctx *c)
{
    double *y = op_doubles(T, c->T * c->C, 0, 0);

    c->dy = op_random(T, c->T * c->C, -1, 1);
    c->r = op_random(T, c->T, 0, 0);
    madpo_ref_rmsnorm_fwd(y, c->r->d, c->x->d, c->gain->d, c->T, c->C, c->eps, c->add_one);
    for (int64_t t = 0; t < c->T; t++)
        c->r->d[t] = c->r->f[t] = (float)c->r->d[t];
    free(y);
}

static void check_bwd(op_test *T, const rmsnorm_shape *s, int flags)
{
    rmsnorm_ctx c = rmsnorm_begin(T, "rmsnorm_bwd_x", s, flags);

    rmsnorm_backward_inputs(T, &c);
    c.accumulate = flags & 2;
    c.out = op_output(T, s->T * s->C, c.accumulate);
    op_run(T, run_bwd_x, &c);
    madpo_ref_rmsnorm_bwd_x(c.out->d, c.dy->d, c.x->d, c.r->d, c.gain->d, s->T, s->C, c.add_one,
                            c.accumulate);
    op_check(T, c.out, "dx", 2e-6, 2e-6);

    c = rmsnorm_begin(T, "rmsnorm_bwd_gain", s, flags);
    rmsnorm_backward_inputs(T, &c);
    c.accumulate = flags & 2;
    c.out = op_output(T, s->C, c.accumulate);
    OP_OK(T, madpo_workspace_reserve(T->dev, madpo_rmsnorm_workspace(T->dev, s->T, s->C), &T->err));
    op_run(T, run_bwd_gain, &c);
    madpo_ref_rmsnorm_bwd_gain(c.out->d, c.dy->d, c.x->d, c.r->d, s->T, s->C, c.accumulate);
    /* T addends of order 1 and random sign */
    op_check(T, c.out, "dgain", 5e-7 * sqrt((double)s->T + 1), 2e-6);
}

static void test_bwd(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        const rmsnorm_shape *s = &rmsnorm_shapes[i];
        for (int flags = 0; flags < 4 && !op_too_large(T, s->T * s->C); flags++)
            check_bwd(T, s, flags);
    }
}

/* dx may be dy when overwriting. */
static void test_bwd_in_place(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        const rmsnorm_shape *s = &rmsnorm_shapes[i];
        if (op_too_large(T, s->T * s->C))
            continue;
        rmsnorm_ctx c = rmsnorm_begin(T, "rmsnorm_bwd_x in place", s, 1);
        rmsnorm_backward_inputs(T, &c);
        c.out = op_in_place(c.dy);
        op_run(T, run_bwd_x, &c);
        madpo_ref_rmsnorm_bwd_x(c.out->d, c.dy->d, c.x->d, c.r->d, c.gain->d, s->T, s->C, true,
                                false);
        op_check(T, c.out, "dx", 2e-6, 2e-6);
    }
}

/* A zero row gives zeros through eps; a NaN in a row shows in all of it and in no other row. */
static void test_special_rows(void **state)
{
    op_test *T = *state;
    const rmsnorm_shape s = {3, 19};
    rmsnorm_ctx c = rmsnorm_begin(T, "rmsnorm_fwd special rows", &s, 0);

    for (int64_t i = 0; i < s.C; i++)
        c.x->f[i] = 0;
    c.x->f[s.C + 4] = NAN;
    c.r = op_output(T, s.T, false);
    c.y = op_output(T, s.T * s.C, false);
    op_run(T, run_fwd, &c);
    op_check_value(T, "r of a zero row", op_got(c.r, 0), 1e3, 0, 1e-5);
    for (int64_t i = 0; i < s.C; i++) {
        op_check_value(T, "zero row", op_got(c.y, i), 0, 0, 0);
        if (!isnan(op_got(c.y, s.C + i)) || isnan(op_got(c.y, 2 * s.C + i)))
            op_fail(T, "NaN in the wrong place, column %lld", (long long)i);
    }
}

typedef struct rmsnorm_gradient {
    double *x, *gain, *y, *r, *dy;
    int64_t T, C;
    bool add_one;
} rmsnorm_gradient;

static double loss(void *ctx)
{
    const rmsnorm_gradient *g = ctx;

    madpo_ref_rmsnorm_fwd(g->y, g->r, g->x, g->gain, g->T, g->C, 1e-5, g->add_one);
    return op_dot(g->y, g->dy, g->T * g->C);
}

static void check_gradient(op_test *T, bool add_one)
{
    rmsnorm_gradient g = {.T = 5, .C = 9, .add_one = add_one};
    const int64_t n = g.T * g.C;

    op_case(T, "rmsnorm gradient add_one=%d", add_one);
    g.x = op_doubles(T, n, -2, 2);
    g.gain = op_doubles(T, g.C, -1, 1);
    g.y = op_doubles(T, n, 0, 0);
    g.r = op_doubles(T, g.T, 0, 0);
    g.dy = op_doubles(T, n, -1, 1);
    double *dx = op_doubles(T, n, 0, 0), *dgain = op_doubles(T, g.C, 0, 0);
    loss(&g); /* fills r */
    madpo_ref_rmsnorm_bwd_x(dx, g.dy, g.x, g.r, g.gain, g.T, g.C, add_one, false);
    madpo_ref_rmsnorm_bwd_gain(dgain, g.dy, g.x, g.r, g.T, g.C, false);
    op_check_gradient(T, "dx", g.x, dx, n, loss, &g, 1e-6);
    op_check_gradient(T, "dgain", g.gain, dgain, g.C, loss, &g, 1e-6);
    free(g.x);
    free(g.gain);
    free(g.y);
    free(g.r);
    free(g.dy);
    free(dx);
    free(dgain);
}

static void test_gradient(void **state)
{
    check_gradient(*state, false);
    check_gradient(*state, true);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_fwd),          cmocka_unit_test(test_bwd),
    cmocka_unit_test(test_bwd_in_place), cmocka_unit_test(test_special_rows),
    cmocka_unit_test(test_gradient),
};
OP_TEST_MAIN(tests)
