/* Bias of a linear layer against its twin. */
#include "ops/bias.h"
#include "ref/bias.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <stdlib.h>

typedef struct bias_shape {
    int64_t T, N;
} bias_shape;

static const bias_shape bias_shapes[] = {
    {0, 8},   {5, 0},     {1, 1},     {1, 16},    {3, 17},     {9, 31},   {8, 64},
    {13, 33}, {257, 129}, {300, 640}, {1001, 64}, {4096, 256}, {7, 3001},
};
#define N_SHAPES (sizeof bias_shapes / sizeof bias_shapes[0])

typedef struct bias_ctx {
    int64_t T, N;
    bool accumulate;
    op_array *y, *b, *dy, *db;
} bias_ctx;

static void run_fwd(op_test *T, void *ctx)
{
    const bias_ctx *c = ctx;

    OP_OK(T, madpo_bias_fwd(T->dev, c->y->t, c->b->t, c->T, c->N, &T->err));
}

static void run_bwd(op_test *T, void *ctx)
{
    const bias_ctx *c = ctx;

    OP_OK(T, madpo_bias_bwd(T->dev, c->db->t, c->dy->t, c->T, c->N, c->accumulate, &T->err));
}

static void check_fwd(op_test *T, const bias_shape *s)
{
    bias_ctx c = {.T = s->T, .N = s->N};

    op_case(T, "bias_fwd T=%lld N=%lld", (long long)s->T, (long long)s->N);
    c.y = op_output(T, s->T * s->N, true);
    c.b = op_random(T, s->N, -1, 1);
    op_run(T, run_fwd, &c);
    madpo_ref_bias_fwd(c.y->d, c.b->d, s->T, s->N);
    op_check(T, c.y, "y", 0, 6e-8); /* one rounding */
}

static void check_bwd(op_test *T, const bias_shape *s, bool accumulate)
{
    bias_ctx c = {.T = s->T, .N = s->N, .accumulate = accumulate};

    op_case(T, "bias_bwd T=%lld N=%lld accumulate=%d", (long long)s->T, (long long)s->N,
            accumulate);
    c.dy = op_random(T, s->T * s->N, -1, 1);
    c.db = op_output(T, s->N, accumulate);
    OP_OK(T, madpo_workspace_reserve(T->dev, madpo_bias_workspace(T->dev, s->T, s->N), &T->err));
    op_run(T, run_bwd, &c);
    madpo_ref_bias_bwd(c.db->d, c.dy->d, s->T, s->N, accumulate);
    /* T addends of order 1 and random sign */
    op_check(T, c.db, "db", 5e-7 * sqrt((double)s->T + 1), 1e-6);
}

static void test_shapes(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        const bias_shape *s = &bias_shapes[i];
        if (op_too_large(T, s->T * s->N))
            continue;
        check_fwd(T, s);
        check_bwd(T, s, false);
        check_bwd(T, s, true);
    }
}

/* What is reserved for the longest batch must do for every shorter one. */
static void test_workspace(void **state)
{
    op_test *T = *state;
    int64_t before = 0;

    op_case(T, "bias workspace");
    for (int64_t t = 0; t < 5000; t++) {
        const int64_t now = madpo_bias_workspace(T->dev, t, 3);
        if (now < before)
            op_fail(T, "falls from %lld to %lld at T=%lld", (long long)before, (long long)now,
                    (long long)t);
        before = now;
    }
}

typedef struct bias_gradient {
    double *y, *b, *dy;
    int64_t T, N;
} bias_gradient;

static double loss(void *ctx)
{
    const bias_gradient *g = ctx;

    for (int64_t i = 0; i < g->T * g->N; i++)
        g->y[i] = 0.5;
    madpo_ref_bias_fwd(g->y, g->b, g->T, g->N);
    return op_dot(g->y, g->dy, g->T * g->N);
}

static void test_gradient(void **state)
{
    op_test *T = *state;
    bias_gradient g = {.T = 6, .N = 7};

    op_case(T, "bias gradient");
    g.y = op_doubles(T, g.T * g.N, 0, 0);
    g.b = op_doubles(T, g.N, -1, 1);
    g.dy = op_doubles(T, g.T * g.N, -1, 1);
    double *db = op_doubles(T, g.N, 0, 0);
    madpo_ref_bias_bwd(db, g.dy, g.T, g.N, false);
    op_check_gradient(T, "db", g.b, db, g.N, loss, &g, 1e-6);
    free(g.y);
    free(g.b);
    free(g.dy);
    free(db);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_shapes),
    cmocka_unit_test(test_workspace),
    cmocka_unit_test(test_gradient),
};
OP_TEST_MAIN(tests)
