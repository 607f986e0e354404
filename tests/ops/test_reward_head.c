/* Scalar reward head against its twin. */
#include "ops/reward_head.h"
#include "ref/reward_head.h"
#include "tests/support/op_test.h"

#include <stdlib.h>

/* S sequences, T tokens, C width */
static const int64_t shapes[][3] = {{0, 3, 5},  {1, 1, 1},    {2, 3, 7},     {3, 5, 16},
                                    {5, 9, 17}, {16, 64, 64}, {33, 40, 129}, {64, 500, 640}};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

typedef struct reward_ctx {
    op_array *reward, *hidden, *last, *w, *dhidden, *dw, *dreward;
    int64_t S, T, C;
    bool accumulate;
} reward_ctx;

static void run_fwd(op_test *T, void *ctx)
{
    const reward_ctx *c = ctx;

    OP_OK(T, madpo_reward_head_fwd(T->dev, c->reward->t, c->hidden->t, c->last->t, c->w->t, c->S,
                                   c->C, &T->err));
}

static void run_bwd(op_test *T, void *ctx)
{
    const reward_ctx *c = ctx;

    OP_OK(T, madpo_reward_head_bwd(T->dev, c->dhidden->t, c->dw->t, c->dreward->t, c->hidden->t,
                                   c->last->t, c->w->t, c->S, c->C, c->accumulate, &T->err));
}

/* Distinct tokens, not in order: the last S of the T, rotated. */
static op_array *last_tokens(op_test *T, int64_t S, int64_t n_tokens)
{
    int32_t *last = calloc((size_t)S + 1, sizeof *last);
    op_array *a;

    assert_non_null(last);
    for (int64_t s = 0; s < S; s++)
        last[s] = (int32_t)(n_tokens - 1 - (s + S / 2) % S);
    a = op_ints(T, S, last);
    free(last);
    return a;
}

static void check(op_test *T, const int64_t *shape, bool accumulate)
{
    reward_ctx c = {.S = shape[0], .T = shape[1], .C = shape[2], .accumulate = accumulate};

    op_case(T, "reward_head S=%lld T=%lld C=%lld accumulate=%d", (long long)c.S, (long long)c.T,
            (long long)c.C, accumulate);
    c.hidden = op_random(T, c.T * c.C, -1, 1);
    c.last = last_tokens(T, c.S, c.T);
    c.w = op_random(T, c.C, -1, 1);
    c.reward = op_output(T, c.S, false);
    op_run(T, run_fwd, &c);
    madpo_ref_reward_head_fwd(c.reward->d, c.hidden->d, c.last->i, c.w->d, c.S, c.C);
    op_check(T, c.reward, "reward", 1e-6 + 1e-7 * (double)c.C, 1e-6);

    op_case(T, "reward_head_bwd S=%lld T=%lld C=%lld accumulate=%d", (long long)c.S, (long long)c.T,
            (long long)c.C, accumulate);
    c.hidden = op_random(T, c.T * c.C, -1, 1);
    c.last = last_tokens(T, c.S, c.T);
    c.w = op_random(T, c.C, -1, 1);
    c.dreward = op_random(T, c.S, -1, 1);
    c.dhidden = op_in_place(op_random(T, c.T * c.C, -1, 1));
    c.dw = op_output(T, c.C, accumulate);
    op_run(T, run_bwd, &c);
    madpo_ref_reward_head_bwd(c.dhidden->d, c.dw->d, c.dreward->d, c.hidden->d, c.last->i, c.w->d,
                              c.S, c.C, accumulate);
    op_check(T, c.dhidden, "dhidden", 1e-6, 1e-6);
    op_check(T, c.dw, "dw", 1e-6 + 1e-7 * (double)c.S, 2e-6);
}

static void test_against_twin(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            if (!op_too_large(T, shapes[i][1] * shapes[i][2]))
                check(T, shapes[i], accumulate);
        }
    }
}

enum { GS = 3, GT = 5, GC = 4 };
typedef struct gradient_ctx {
    double *hidden, *w, *reward, *dreward;
    int32_t last[GS];
} gradient_ctx;

static double loss(void *ctx)
{
    const gradient_ctx *g = ctx;

    madpo_ref_reward_head_fwd(g->reward, g->hidden, g->last, g->w, GS, GC);
    return op_dot(g->reward, g->dreward, GS);
}

static void test_gradient(void **state)
{
    op_test *T = *state;
    gradient_ctx g = {.last = {4, 0, 2}};
    double *dhidden = calloc(GT * GC, sizeof *dhidden), *dw = calloc(GC, sizeof *dw);

    assert_true(dhidden && dw);
    op_case(T, "reward_head gradient");
    g.hidden = op_doubles(T, GT * GC, -1, 1);
    g.w = op_doubles(T, GC, -1, 1);
    g.reward = op_doubles(T, GS, -1, 1);
    g.dreward = op_doubles(T, GS, -1, 1);
    madpo_ref_reward_head_bwd(dhidden, dw, g.dreward, g.hidden, g.last, g.w, GS, GC, false);
    op_check_gradient(T, "dhidden", g.hidden, dhidden, GT * GC, loss, &g, 1e-6);
    op_check_gradient(T, "dw", g.w, dw, GC, loss, &g, 1e-6);
    free(g.hidden);
    free(g.w);
    free(g.reward);
    free(g.dreward);
    free(dhidden);
    free(dw);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_against_twin),
    cmocka_unit_test(test_gradient),
};

OP_TEST_MAIN(tests)
