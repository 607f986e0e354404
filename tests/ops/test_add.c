/* Residual add against its twin. */
#include "ops/add.h"
#include "ref/add.h"
#include "tests/support/op_test.h"

#include <stdlib.h>

static const int64_t add_sizes[] = {0, 1, 2, 15, 16, 17, 641, 4095, 4096, 4099, 20011, 300000};
#define N_SIZES (sizeof add_sizes / sizeof add_sizes[0])

typedef struct add_ctx {
    op_array *y, *a, *b;
    int64_t n;
    bool accumulate;
} add_ctx;

static void run_fwd(op_test *T, void *ctx)
{
    const add_ctx *c = ctx;

    OP_OK(T, madpo_add_fwd(T->dev, c->y->t, c->a->t, c->b->t, c->n, &T->err));
}

static void run_bwd(op_test *T, void *ctx)
{
    const add_ctx *c = ctx;

    OP_OK(T, madpo_add_bwd(T->dev, c->y->t, c->a->t, c->n, c->accumulate, &T->err));
}

/* alias: y is a third tensor (0), a (1) or b (2). */
static void check_fwd(op_test *T, int64_t n, int alias)
{
    add_ctx c = {.n = n};

    op_case(T, "add_fwd n=%lld alias=%d", (long long)n, alias);
    c.a = op_random(T, n, -2, 2);
    c.b = op_random(T, n, -2, 2);
    c.y = alias == 0 ? op_output(T, n, false) : op_in_place(alias == 1 ? c.a : c.b);
    op_run(T, run_fwd, &c);
    madpo_ref_add_fwd(c.y->d, c.a->d, c.b->d, n);
    op_check(T, c.y, "y", 0, 1e-7);
}

static void test_fwd(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SIZES; i++) {
        for (int alias = 0; alias < 3 && !op_too_large(T, add_sizes[i]); alias++)
            check_fwd(T, add_sizes[i], alias);
    }
}

static void check_bwd(op_test *T, int64_t n, bool accumulate)
{
    add_ctx c = {.n = n, .accumulate = accumulate};

    op_case(T, "add_bwd n=%lld accumulate=%d", (long long)n, accumulate);
    c.a = op_random(T, n, -2, 2);
    c.y = op_output(T, n, accumulate);
    op_run(T, run_bwd, &c);
    madpo_ref_add_bwd(c.y->d, c.a->d, n, accumulate);
    op_check(T, c.y, "da", 0, 1e-7);
}

static void test_bwd(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SIZES; i++) {
        for (int accumulate = 0; accumulate < 2 && !op_too_large(T, add_sizes[i]); accumulate++)
            check_bwd(T, add_sizes[i], accumulate);
    }
}

typedef struct add_gradient {
    double *a, *b, *y, *dy;
    int64_t n;
} add_gradient;

static double loss(void *ctx)
{
    const add_gradient *g = ctx;

    madpo_ref_add_fwd(g->y, g->a, g->b, g->n);
    return op_dot(g->y, g->dy, g->n);
}

static void test_gradient(void **state)
{
    op_test *T = *state;
    add_gradient g = {.n = 17};

    op_case(T, "add gradient");
    g.a = op_doubles(T, g.n, -1, 1);
    g.b = op_doubles(T, g.n, -1, 1);
    g.y = op_doubles(T, g.n, -1, 1);
    g.dy = op_doubles(T, g.n, -1, 1);
    double *da = op_doubles(T, g.n, -1, 1);
    madpo_ref_add_bwd(da, g.dy, g.n, false);
    op_check_gradient(T, "da", g.a, da, g.n, loss, &g, 1e-6);
    op_check_gradient(T, "db", g.b, da, g.n, loss, &g, 1e-6);
    free(g.a);
    free(g.b);
    free(g.y);
    free(g.dy);
    free(da);
}

/* A tensor that is too short is refused before anything is enqueued. */
static void test_short_tensor(void **state)
{
    op_test *T = *state;

    op_case(T, "add with a short tensor");
    op_array *y = op_output(T, 10, false), *a = op_random(T, 10, -1, 1),
             *b = op_random(T, 9, -1, 1);
    assert_int_equal(madpo_add_fwd(T->dev, y->t, a->t, b->t, 10, &T->err), MADPO_ERR_USAGE);
    assert_string_equal(T->err.message, "madpo_add_fwd: tensor b holds 9 elements, not 10 x 1");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_fwd),
    cmocka_unit_test(test_bwd),
    cmocka_unit_test(test_gradient),
    cmocka_unit_test(test_short_tensor),
};
OP_TEST_MAIN(tests)
