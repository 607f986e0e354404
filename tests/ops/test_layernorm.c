/* LayerNorm against its twin. */
#include "ops/layernorm.h"
#include "ref/layernorm.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <stdlib.h>

typedef struct layernorm_shape {
    int64_t T, C;
} layernorm_shape;

static const layernorm_shape layernorm_shapes[] = {
    {0, 8},   {1, 1},     {1, 16},    {3, 17},    {5, 31},     {7, 64},
    {13, 33}, {257, 129}, {300, 640}, {1001, 64}, {4096, 256},
};
#define N_SHAPES (sizeof layernorm_shapes / sizeof layernorm_shapes[0])

typedef struct layernorm_ctx {
    int64_t T, C;
    float eps;
    bool accumulate;
    op_array *y, *mean, *rstd, *x, *gain, *bias, *dy, *out, *dbias; /* bias, dbias: or NULL */
} layernorm_ctx;

static madpo_tensor tensor_or_none(const op_array *a)
{
    return a ? a->t : (madpo_tensor){0};
}

static void run_fwd(op_test *T, void *ctx)
{
    const layernorm_ctx *c = ctx;

    OP_OK(T, madpo_layernorm_fwd(T->dev, c->y->t, c->mean->t, c->rstd->t, c->x->t, c->gain->t,
                                 tensor_or_none(c->bias), c->T, c->C, c->eps, &T->err));
}

static void run_bwd_x(op_test *T, void *ctx)
{
    const layernorm_ctx *c = ctx;

    OP_OK(T, madpo_layernorm_bwd_x(T->dev, c->out->t, c->dy->t, c->x->t, c->mean->t, c->rstd->t,
                                   c->gain->t, c->T, c->C, c->accumulate, &T->err));
}

static void run_bwd_gain(op_test *T, void *ctx)
{
    const layernorm_ctx *c = ctx;

    OP_OK(T,
          madpo_layernorm_bwd_gain(T->dev, c->out->t, tensor_or_none(c->dbias), c->dy->t, c->x->t,
                                   c->mean->t, c->rstd->t, c->T, c->C, c->accumulate, &T->err));
}

/* The rows lie around 5, so that the mean matters; gains around 1 and of both signs. */
static layernorm_ctx layernorm_begin(op_test *T, const char *what, const layernorm_shape *s,
                                     int flags)
{
    layernorm_ctx c = {.T = s->T, .C = s->C, .eps = 1e-5f};

    op_case(T, "%s T=%lld C=%lld flags=%d", what, (long long)s->T, (long long)s->C, flags);
    c.x = op_random(T, s->T * s->C, 2, 8);
    c.gain = op_random(T, s->C, -1, 2);
    return c;
}

static void ref_fwd(const layernorm_ctx *c)
{
    madpo_ref_layernorm_fwd(c->y->d, c->mean->d, c->rstd->d, c->x->d, c->gain->d,
                            c->bias ? c->bias->d : NULL, c->T, c->C, c->eps);
}

/* flags: 1 with a bias, 2 in place. A row of one column has no spread: there its difference from
 * the mean is exactly 0 on both sides. */
static void check_fwd(op_test *T, const layernorm_shape *s, int flags)
{
    layernorm_ctx c = layernorm_begin(T, "layernorm_fwd", s, flags);

    c.bias = flags & 1 ? op_random(T, s->C, -1, 1) : NULL;
    c.mean = op_output(T, s->T, false);
    c.rstd = op_output(T, s->T, false);
    c.y = flags & 2 ? op_in_place(c.x) : op_output(T, s->T * s->C, false);
    op_run(T, run_fwd, &c);
    ref_fwd(&c);
    op_check(T, c.mean, "mean", 0, 1e-6);
    op_check(T, c.rstd, "rstd", 0, 2e-6);
    /* the mean's rounding, 5 half ulps of 5, shows in the small differences */
    op_check(T, c.y, "y", 4e-6, 2e-6);
}

static void test_fwd(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        const layernorm_shape *s = &layernorm_shapes[i];
        for (int flags = 0; flags < 4 && !op_too_large(T, s->T * s->C); flags++)
            check_fwd(T, s, flags);
    }
}

/* mean and rstd for the backward passes: the twin's, rounded. */
static void layernorm_backward_inputs(op_test *T, layernorm_ctx *c)
{
    double *y = op_doubles(T, c->T * c->C, 0, 0);

    c->dy = op_random(T, c->T * c->C, -1, 1);
    c->mean = op_random(T, c->T, 0, 0);
    c->rstd = op_random(T, c->T, 0, 0);
    madpo_ref_layernorm_fwd(y, c->mean->d, c->rstd->d, c->x->d, c->gain->d, NULL, c->T, c->C,
                            c->eps);
    for (int64_t t = 0; t < c->T; t++) {
        c->mean->d[t] = c->mean->f[t] = (float)c->mean->d[t];
        c->rstd->d[t] = c->rstd->f[t] = (float)c->rstd->d[t];
    }
    free(y);
}

/* mode: overwrite (0), accumulate (1), dx is dy (2). */
static void check_bwd_x(op_test *T, const layernorm_shape *s, int mode)
{
    layernorm_ctx c = layernorm_begin(T, "layernorm_bwd_x", s, mode);
    double largest = 1;

    layernorm_backward_inputs(T, &c);
    c.accumulate = mode == 1;
    c.out = mode == 2 ? op_in_place(c.dy) : op_output(T, s->T * s->C, c.accumulate);
    op_run(T, run_bwd_x, &c);
    madpo_ref_layernorm_bwd_x(c.out->d, c.dy->d, c.x->d, c.mean->d, c.rstd->d, c.gain->d, s->T,
                              s->C, c.accumulate);
    /* three terms of order rstd gain dy cancel; a row of one column has rstd = eps^-0.5 */
    for (int64_t t = 0; t < s->T; t++)
        largest = fmax(largest, c.rstd->d[t]);
    op_check(T, c.out, "dx", 2e-6 * largest, 4e-6);
}

/* flags: 1 with dbias, 2 accumulate. */
static void check_bwd_gain(op_test *T, const layernorm_shape *s, int flags)
{
    layernorm_ctx c = layernorm_begin(T, "layernorm_bwd_gain", s, flags);
    const double atol = 1e-6 * sqrt((double)s->T + 1);

    layernorm_backward_inputs(T, &c);
    c.accumulate = flags & 2;
    c.out = op_output(T, s->C, c.accumulate);
    c.dbias = flags & 1 ? op_output(T, s->C, c.accumulate) : NULL;
    OP_OK(T,
          madpo_workspace_reserve(T->dev, madpo_layernorm_workspace(T->dev, s->T, s->C), &T->err));
    op_run(T, run_bwd_gain, &c);
    madpo_ref_layernorm_bwd_gain(c.out->d, c.dbias ? c.dbias->d : NULL, c.dy->d, c.x->d, c.mean->d,
                                 c.rstd->d, s->T, s->C, c.accumulate);
    /* T addends of order 1 and random sign */
    op_check(T, c.out, "dgain", atol, 2e-6);
    if (c.dbias)
        op_check(T, c.dbias, "dbias", atol, 2e-6);
}

static void test_bwd(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        const layernorm_shape *s = &layernorm_shapes[i];
        if (op_too_large(T, s->T * s->C))
            continue;
        for (int mode = 0; mode < 3; mode++)
            check_bwd_x(T, s, mode);
        for (int flags = 0; flags < 4; flags++)
            check_bwd_gain(T, s, flags);
    }
}

/* A constant row gives the bias through eps; a mean a thousand times the spread costs no digits of
 * the variance (E[x^2] - mean^2 would lose six); a NaN shows in all of its row and in no other. */
static void test_special_rows(void **state)
{
    op_test *T = *state;
    const layernorm_shape s = {4, 19};
    layernorm_ctx c = layernorm_begin(T, "layernorm_fwd special rows", &s, 0);

    for (int64_t i = 0; i < s.C; i++) {
        c.x->d[i] = c.x->f[i] = 4;
        c.x->d[s.C + i] = c.x->f[s.C + i] = 1024 + (float)(i % 3) - 1;
    }
    c.x->f[2 * s.C + 4] = NAN;
    c.bias = op_random(T, s.C, -1, 1);
    c.mean = op_output(T, s.T, false);
    c.rstd = op_output(T, s.T, false);
    c.y = op_output(T, s.T * s.C, false);
    op_run(T, run_fwd, &c);
    ref_fwd(&c);
    op_check_value(T, "rstd of a constant row", op_got(c.rstd, 0), sqrt(1e5), 0, 1e-5);
    op_check_value(T, "rstd far from 0", op_got(c.rstd, 1), c.rstd->d[1], 0, 1e-6);
    for (int64_t i = 0; i < s.C; i++) {
        op_check_value(T, "constant row", op_got(c.y, i), c.bias->d[i], 0, 0);
        op_check_value(T, "row far from 0", op_got(c.y, s.C + i), c.y->d[s.C + i], 2e-4, 0);
        if (!isnan(op_got(c.y, 2 * s.C + i)) || isnan(op_got(c.y, 3 * s.C + i)))
            op_fail(T, "NaN in the wrong place, column %lld", (long long)i);
    }
}

/* What is reserved for the longest batch must do for every shorter one. */
static void test_workspace(void **state)
{
    op_test *T = *state;
    int64_t before = 0;

    op_case(T, "layernorm workspace");
    for (int64_t t = 0; t < 5000; t++) {
        const int64_t now = madpo_layernorm_workspace(T->dev, t, 3);
        if (now < before)
            op_fail(T, "falls from %lld to %lld at T=%lld", (long long)before, (long long)now,
                    (long long)t);
        before = now;
    }
}

typedef struct layernorm_gradient {
    double *x, *gain, *bias, *y, *mean, *rstd, *dy;
    int64_t T, C;
} layernorm_gradient;

static double loss(void *ctx)
{
    const layernorm_gradient *g = ctx;

    madpo_ref_layernorm_fwd(g->y, g->mean, g->rstd, g->x, g->gain, g->bias, g->T, g->C, 1e-5);
    return op_dot(g->y, g->dy, g->T * g->C);
}

static void test_gradient(void **state)
{
    op_test *T = *state;
    layernorm_gradient g = {.T = 5, .C = 9};
    const int64_t n = g.T * g.C;

    op_case(T, "layernorm gradient");
    g.x = op_doubles(T, n, -1, 3);
    g.gain = op_doubles(T, g.C, -1, 2);
    g.bias = op_doubles(T, g.C, -1, 1);
    g.y = op_doubles(T, n, 0, 0);
    g.mean = op_doubles(T, g.T, 0, 0);
    g.rstd = op_doubles(T, g.T, 0, 0);
    g.dy = op_doubles(T, n, -1, 1);
    double *dx = op_doubles(T, n, 0, 0);
    double *dgain = op_doubles(T, g.C, 0, 0), *dbias = op_doubles(T, g.C, 0, 0);
    loss(&g); /* fills mean and rstd */
    madpo_ref_layernorm_bwd_x(dx, g.dy, g.x, g.mean, g.rstd, g.gain, g.T, g.C, false);
    madpo_ref_layernorm_bwd_gain(dgain, dbias, g.dy, g.x, g.mean, g.rstd, g.T, g.C, false);
    op_check_gradient(T, "dx", g.x, dx, n, loss, &g, 1e-6);
    op_check_gradient(T, "dgain", g.gain, dgain, g.C, loss, &g, 1e-6);
    op_check_gradient(T, "dbias", g.bias, dbias, g.C, loss, &g, 1e-6);
    double *owned[] = {g.x, g.gain, g.bias, g.y, g.mean, g.rstd, g.dy, dx, dgain, dbias};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        free(owned[i]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_fwd),          cmocka_unit_test(test_bwd),
    cmocka_unit_test(test_special_rows), cmocka_unit_test(test_workspace),
    cmocka_unit_test(test_gradient),
};
OP_TEST_MAIN(tests)
