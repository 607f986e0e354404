/* Learned positions against their twin. */
#include "ops/position.h"
#include "ref/position.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <stdlib.h>

typedef struct position_shape {
    int64_t T, n_pos, C;
} position_shape;

/* Tokens below, at and above the kernel's chunk (512 at widths 1 and 64). */
static const position_shape position_shapes[] = {
    {0, 5, 8},     {3, 1, 1},     {1, 4, 16},      {13, 5, 17},    {40, 7, 15},
    {97, 31, 64},  {64, 200, 5},  {512, 2, 1},     {513, 2, 1},    {700, 1, 1},
    {1024, 3, 16}, {1025, 3, 17}, {2500, 300, 33}, {4100, 1, 256},
};
#define N_SHAPES (sizeof position_shapes / sizeof position_shapes[0])

typedef struct position_ctx {
    position_shape s;
    op_array *x, *pos, *P;
    bool accumulate;
} position_ctx;

static void run_fwd(op_test *T, void *ctx)
{
    const position_ctx *c = ctx;

    OP_OK(T, madpo_position_fwd(T->dev, c->x->t, c->pos->t, c->P->t, c->s.T, c->s.C, &T->err));
}

static void run_bwd(op_test *T, void *ctx)
{
    const position_ctx *c = ctx;

    OP_OK(T, madpo_position_bwd(T->dev, c->P->t, c->x->t, c->pos->t, c->s.T, c->s.n_pos, c->s.C,
                                c->accumulate, &T->err));
}

/* order 0: as in a batch, sequences of different lengths from 0 upwards; 1: at random. */
static op_array *positions(op_test *T, const position_shape *s, int order)
{
    int32_t *pos = calloc((size_t)s->T + 1, sizeof *pos);
    int64_t length = 0, p = 0;

    assert_non_null(pos);
    for (int64_t t = 0; t < s->T; t++, p++) {
        if (p >= length) {
            p = 0;
            length = 1 + (int64_t)madpo_rng_below(&T->rng, (uint64_t)s->n_pos);
        }
        pos[t] = order == 0 ? (int32_t)p : (int32_t)madpo_rng_below(&T->rng, (uint64_t)s->n_pos);
    }
    op_array *a = op_ints(T, s->T, pos);
    free(pos);
    return a;
}

static void check_fwd(op_test *T, const position_shape *s, int order)
{
    position_ctx c = {.s = *s};

    op_case(T, "position_fwd T=%lld n_pos=%lld C=%lld order=%d", (long long)s->T,
            (long long)s->n_pos, (long long)s->C, order);
    c.x = op_output(T, s->T * s->C, true);
    c.pos = positions(T, s, order);
    c.P = op_random(T, s->n_pos * s->C, -1, 1);
    op_run(T, run_fwd, &c);
    madpo_ref_position_fwd(c.x->d, c.pos->i, c.P->d, s->T, s->n_pos, s->C);
    op_check(T, c.x, "x", 0, 6e-8); /* one rounding */
}

static void check_bwd(op_test *T, const position_shape *s, int order, bool accumulate)
{
    position_ctx c = {.s = *s, .accumulate = accumulate};

    op_case(T, "position_bwd T=%lld n_pos=%lld C=%lld order=%d accumulate=%d", (long long)s->T,
            (long long)s->n_pos, (long long)s->C, order, accumulate);
    c.P = op_output(T, s->n_pos * s->C, accumulate);
    c.x = op_random(T, s->T * s->C, -1, 1);
    c.pos = positions(T, s, order);
    op_run(T, run_bwd, &c);
    madpo_ref_position_bwd(c.P->d, c.x->d, c.pos->i, s->T, s->n_pos, s->C, accumulate);
    /* T roundings of sums that walk to some sqrt(T): 2^-24 sqrt(T) each, adding up like sqrt(T) */
    op_check(T, c.P, "dP", 6e-8 * (double)(s->T + 16), 1e-6);
}

static void test_shapes(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        const position_shape *s = &position_shapes[i];
        for (int order = 0; order < 2 && !op_too_large(T, (s->T + s->n_pos) * s->C); order++) {
            check_fwd(T, s, order);
            check_bwd(T, s, order, false);
            check_bwd(T, s, order, true);
        }
    }
}

/* A position outside must be seen, must not read outside P, and adds nothing to the gradient. */
static void test_bad_positions(void **state)
{
    op_test *T = *state;
    const int32_t pos[4] = {2, -1, 3, INT32_MAX};
    position_ctx c = {.s = {4, 3, 5}};

    op_case(T, "positions outside");
    c.x = op_output(T, 4 * 5, true);
    c.pos = op_ints(T, 4, pos);
    c.P = op_random(T, 3 * 5, -1, 1);
    op_run(T, run_fwd, &c);
    for (int64_t i = 0; i < 4 * 5; i++) {
        if (i < 5)
            op_check_value(T, "x", op_got(c.x, i), c.x->d[i] + c.P->d[2 * 5 + i], 0, 6e-8);
        else if (!isnan(op_got(c.x, i)))
            op_fail(T, "x[%lld] of a bad position is %g", (long long)i, op_got(c.x, i));
    }

    op_case(T, "gradient of positions outside");
    c.x = op_random(T, 4 * 5, -1, 1);
    c.pos = op_ints(T, 4, pos);
    c.P = op_output(T, 3 * 5, false);
    op_run(T, run_bwd, &c);
    for (int64_t i = 0; i < 3 * 5; i++)
        op_check_value(T, "dP", op_got(c.P, i), i < 2 * 5 ? 0 : c.x->d[i - 2 * 5], 0, 0);
}

typedef struct position_gradient {
    const int32_t *pos;
    position_shape s;
    double *x, *dx, *P;
} position_gradient;

static double loss(void *ctx)
{
    const position_gradient *g = ctx;

    for (int64_t i = 0; i < g->s.T * g->s.C; i++)
        g->x[i] = 0.25;
    madpo_ref_position_fwd(g->x, g->pos, g->P, g->s.T, g->s.n_pos, g->s.C);
    return op_dot(g->x, g->dx, g->s.T * g->s.C);
}

static void test_gradient(void **state)
{
    op_test *T = *state;
    position_gradient g = {.s = {11, 6, 5}};

    op_case(T, "position gradient");
    g.pos = positions(T, &g.s, 1)->i;
    g.x = op_doubles(T, g.s.T * g.s.C, 0, 0);
    g.dx = op_doubles(T, g.s.T * g.s.C, -1, 1);
    g.P = op_doubles(T, g.s.n_pos * g.s.C, -1, 1);
    double *dP = op_doubles(T, g.s.n_pos * g.s.C, 0, 0);
    madpo_ref_position_bwd(dP, g.dx, g.pos, g.s.T, g.s.n_pos, g.s.C, false);
    op_check_gradient(T, "dP", g.P, dP, g.s.n_pos * g.s.C, loss, &g, 1e-6);
    free(g.x);
    free(g.dx);
    free(g.P);
    free(dP);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_shapes),
    cmocka_unit_test(test_bad_positions),
    cmocka_unit_test(test_gradient),
};
OP_TEST_MAIN(tests)
