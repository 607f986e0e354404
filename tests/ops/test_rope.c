/* Rotary positions against their twin. */
#include "ops/rope.h"
#include "ref/rope.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <stdlib.h>

typedef struct rope_shape {
    int64_t T, H, D, rotary;
} rope_shape;

static const rope_shape rope_shapes[] = {
    {0, 2, 8, 8},     {1, 1, 2, 2},     {3, 2, 6, 6},      {5, 3, 32, 32},
    {2, 1, 34, 34},   {7, 2, 10, 4},    {4, 2, 7, 0},      {13, 5, 50, 26},
    {129, 4, 64, 64}, {300, 3, 80, 32}, {64, 4, 256, 256},
};
#define N_SHAPES (sizeof rope_shapes / sizeof rope_shapes[0])
enum { N_POSITIONS = 97 };

typedef struct rope_ctx {
    rope_shape s;
    op_array *x, *pos, *table;
    bool inverse;
} rope_ctx;

static void run(op_test *T, void *ctx)
{
    const rope_ctx *c = ctx;

    OP_OK(T, madpo_rope(T->dev, c->x->t, c->pos->t, c->table->t, c->s.T, c->s.H, c->s.D,
                        c->s.rotary, c->inverse, &T->err));
}

static op_array *rope_angles(op_test *T, int64_t rotary)
{
    const int64_t half = rotary / 2;
    double *inv_freq = op_doubles(T, half, 0, 0);
    float *table = calloc((size_t)(N_POSITIONS * rotary) + 1, sizeof *table);

    assert_non_null(table);
    for (int64_t i = 0; i < half; i++)
        inv_freq[i] = pow(10000, -2.0 * (double)i / (double)rotary);
    madpo_rope_table(table, inv_freq, N_POSITIONS, rotary);
    op_array *a = op_values(T, N_POSITIONS * rotary, table);
    free(table);
    free(inv_freq);
    return a;
}

static op_array *rope_positions(op_test *T, int64_t n)
{
    int32_t *pos = calloc((size_t)n + 1, sizeof *pos);

    assert_non_null(pos);
    for (int64_t t = 0; t < n; t++)
        pos[t] = (int32_t)madpo_rng_below(&T->rng, N_POSITIONS);
    op_array *a = op_ints(T, n, pos);
    free(pos);
    return a;
}

static void check(op_test *T, const rope_shape *s, bool inverse)
{
    rope_ctx c = {.s = *s, .inverse = inverse};

    op_case(T, "rope T=%lld H=%lld D=%lld rotary=%lld inverse=%d", (long long)s->T, (long long)s->H,
            (long long)s->D, (long long)s->rotary, inverse);
    c.x = op_in_place(op_random(T, s->T * s->H * s->D, -2, 2));
    c.pos = rope_positions(T, s->T);
    c.table = rope_angles(T, s->rotary);
    op_run(T, run, &c);
    madpo_ref_rope(c.x->d, c.pos->i, c.table->d, s->T, s->H, s->D, s->rotary, inverse);
    op_check(T, c.x, "x", 5e-7, 0);
}

static void test_shapes(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        const rope_shape *s = &rope_shapes[i];
        if (op_too_large(T, s->T * s->H * s->D))
            continue;
        check(T, s, false);
        check(T, s, true);
    }
}

/* The table's entries, by hand: position p, pair i -> cos and sin of p 10000^(-i/half). */
static void test_table(void **state)
{
    op_test *T = *state;
    const double inv_freq[2] = {1, 0.01};
    float table[3 * 2 * 2];

    op_case(T, "rope table");
    madpo_rope_table(table, inv_freq, 3, 4);
    const double want[12] = {1,
                             0,
                             1,
                             0,
                             0.54030230586813972,
                             0.84147098480789651,
                             0.99995000041666528,
                             0.0099998333341666647,
                             -0.41614683654714239,
                             0.90929742682568170,
                             0.99980000666657778,
                             0.019998666693333079};
    for (int i = 0; i < 12; i++)
        op_check_value(T, "table", table[i], want[i], 0, 6e-8);
}

/* Rotary dims that are odd or more than the head has are refused. */
static void test_bad_dims(void **state)
{
    op_test *T = *state;

    op_case(T, "rope with impossible dims");
    op_array *x = op_random(T, 24, -1, 1), *pos = rope_positions(T, 3);
    op_array *table = rope_angles(T, 8);
    assert_int_equal(madpo_rope(T->dev, x->t, pos->t, table->t, 3, 1, 8, 7, false, &T->err),
                     MADPO_ERR_USAGE);
    madpo_error_clear(&T->err);
    assert_int_equal(madpo_rope(T->dev, x->t, pos->t, table->t, 3, 1, 6, 8, false, &T->err),
                     MADPO_ERR_USAGE);
}

typedef struct rope_gradient {
    rope_shape s;
    const int32_t *pos;
    const double *table;
    double *x, *y, *dy;
} rope_gradient;

static double loss(void *ctx)
{
    const rope_gradient *g = ctx;
    const int64_t n = g->s.T * g->s.H * g->s.D;

    for (int64_t i = 0; i < n; i++)
        g->y[i] = g->x[i];
    madpo_ref_rope(g->y, g->pos, g->table, g->s.T, g->s.H, g->s.D, g->s.rotary, false);
    return op_dot(g->y, g->dy, n);
}

/* The inverse rotation of the upstream gradient is the gradient. */
static void check_gradient(op_test *T, const rope_shape *s)
{
    rope_gradient g = {.s = *s};
    const int64_t n = g.s.T * g.s.H * g.s.D;

    op_case(T, "rope gradient D=%lld rotary=%lld", (long long)s->D, (long long)s->rotary);
    g.pos = rope_positions(T, g.s.T)->i;
    g.table = rope_angles(T, g.s.rotary)->d;
    g.x = op_doubles(T, n, -1, 1);
    g.y = op_doubles(T, n, 0, 0);
    g.dy = op_doubles(T, n, -1, 1);
    double *dx = op_doubles(T, n, 0, 0);
    for (int64_t i = 0; i < n; i++)
        dx[i] = g.dy[i];
    madpo_ref_rope(dx, g.pos, g.table, g.s.T, g.s.H, g.s.D, g.s.rotary, true);
    op_check_gradient(T, "dx", g.x, dx, n, loss, &g, 1e-6);
    free(g.x);
    free(g.y);
    free(g.dy);
    free(dx);
}

/* All dims rotary, most of them, a quarter (as GPT-NeoX), none. */
static void test_gradient(void **state)
{
    static const rope_shape shapes[] = {{3, 2, 6, 6}, {3, 2, 8, 6}, {2, 3, 16, 4}, {2, 1, 5, 0}};

    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        check_gradient(*state, &shapes[i]);
}

/* Dims beyond the rotary ones keep their bits, and the pairs lie half the rotary dims apart, not
 * half the head: by hand for one head at position 1. */
static void test_partial(void **state)
{
    op_test *T = *state;
    const float x[7] = {1, 2, 3, 4, 5, 6, 7}, table[2 * 4] = {1, 0, 1, 0, 0.6f, 0.8f, 0, 1};
    const double want[7] = {0.6 * 1 - 0.8 * 3, -4, 0.6 * 3 + 0.8 * 1, 2, 5, 6, 7};
    const int32_t pos[1] = {1};
    rope_ctx c = {.s = {1, 1, 7, 4}};

    op_case(T, "rope of a part of the head");
    c.x = op_in_place(op_values(T, 7, x));
    c.pos = op_ints(T, 1, pos);
    c.table = op_values(T, 8, table);
    op_run(T, run, &c);
    for (int64_t i = 0; i < 7; i++)
        op_check_value(T, "x", op_got(c.x, i), want[i], i < 4 ? 5e-7 : 0, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_shapes),   cmocka_unit_test(test_table),
    cmocka_unit_test(test_partial),  cmocka_unit_test(test_bad_dims),
    cmocka_unit_test(test_gradient),
};
OP_TEST_MAIN(tests)
