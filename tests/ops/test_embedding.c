/* Token embedding against its twin. */
#include "ops/embedding.h"
#include "base/half.h"
#include "ref/embedding.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <stdlib.h>

typedef struct embedding_shape {
    int64_t T, V, C;
    float scale;
} embedding_shape;

static const embedding_shape embedding_shapes[] = {
    {0, 5, 8, 1},      {1, 1, 1, 1},       {3, 2, 7, 1.5f},          {13, 5, 16, 1},
    {40, 7, 17, 4.0f}, {97, 31, 64, 8.0f}, {129, 1000, 640, 25.25f}, {2048, 300, 256, 1},
};
#define N_SHAPES (sizeof embedding_shapes / sizeof embedding_shapes[0])

/* Tokens and the inverse list of base/batch.h, on the host. */
typedef struct embedding_lists {
    int32_t *ids, *uniq, *start, *token;
    int64_t U;
} embedding_lists;

static void *take(int64_t n)
{
    void *p = calloc((size_t)n + 1, sizeof(int32_t));

    assert_non_null(p);
    return p;
}

static embedding_lists lists_new(op_test *T, const embedding_shape *s)
{
    embedding_lists l = {take(s->T), take(s->T), take(s->T + 1), take(s->T), 0};
    int64_t k = 0;

    for (int64_t t = 0; t < s->T; t++)
        l.ids[t] = (int32_t)madpo_rng_below(&T->rng, (uint64_t)s->V);
    for (int32_t id = 0; id < s->V; id++) {
        const int64_t first = k;
        for (int64_t t = 0; t < s->T; t++) {
            if (l.ids[t] == id)
                l.token[k++] = (int32_t)t;
        }
        if (k > first) {
            l.uniq[l.U] = id;
            l.start[l.U++] = (int32_t)first;
        }
    }
    l.start[l.U] = (int32_t)k;
    return l;
}

static void lists_free(embedding_lists *l)
{
    free(l->ids);
    free(l->uniq);
    free(l->start);
    free(l->token);
}

typedef struct embedding_ctx {
    embedding_shape s;
    op_array *x, *ids, *E, *uniq, *start, *token;
    int64_t U;
    bool accumulate;
} embedding_ctx;

static void run_fwd(op_test *T, void *ctx)
{
    const embedding_ctx *c = ctx;

    OP_OK(T, madpo_embedding_fwd(T->dev, c->x->t, c->ids->t, c->E->t, c->s.scale, c->s.T, c->s.C,
                                 &T->err));
}

static void run_bwd(op_test *T, void *ctx)
{
    const embedding_ctx *c = ctx;

    OP_OK(T, madpo_embedding_bwd(T->dev, c->E->t, c->x->t, c->uniq->t, c->start->t, c->token->t,
                                 c->s.scale, c->U, c->s.C, c->accumulate, &T->err));
}

static void check_fwd(op_test *T, const embedding_shape *s, madpo_dtype type)
{
    embedding_ctx c = {.s = *s};

    op_case(T, "embedding_fwd T=%lld V=%lld C=%lld E %s", (long long)s->T, (long long)s->V,
            (long long)s->C, madpo_dtype_name(type));
    embedding_lists l = lists_new(T, s);
    c.x = op_output(T, s->T * s->C, false);
    c.ids = op_ints(T, s->T, l.ids);
    c.E = op_random_as(T, s->V * s->C, -1, 1, type);
    op_run(T, run_fwd, &c);
    madpo_ref_embedding_fwd(c.x->d, l.ids, c.E->d, s->scale, s->T, s->C);
    op_check(T, c.x, "x", 0, 1e-7);
    lists_free(&l);
}

static void test_fwd(void **state)
{
    static const madpo_dtype types[] = {MADPO_DTYPE_F32, MADPO_DTYPE_BF16, MADPO_DTYPE_F16};
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        const embedding_shape *s = &embedding_shapes[i];

        for (int t = 0; t < 3 && !op_too_large(T, (s->T + s->V) * s->C); t++)
            check_fwd(T, s, types[t]);
    }
}

/* Every code of 16 bits is widened to the number it stands for, as the host does it; infinities and
 * NaN too. */
static void test_codes(void **state)
{
    op_test *T = *state;
    const int n = T->tiny ? 1024 : 65536, step = 65536 / n;

    for (int t = 0; t < 2; t++) {
        embedding_ctx c = {.s = {1, 1, n, 1}};

        op_case(T, "embedding_fwd of every %s", t ? "f16" : "bf16");
        c.x = op_output(T, n, false);
        c.ids = op_ints(T, 1, (const int32_t[1]){0});
        c.E = op_random_as(T, n, 0, 1, t ? MADPO_DTYPE_F16 : MADPO_DTYPE_BF16);
        for (int i = 0; i < n; i++)
            c.E->h[i] = (uint16_t)(i * step + i % step);
        (t ? madpo_f32_from_f16 : madpo_f32_from_bf16)(c.E->f, c.E->h, (size_t)n);
        op_run(T, run_fwd, &c);
        for (int i = 0; i < n; i++) {
            const float want = c.E->f[i], got = op_got(c.x, i);

            /* a device may flush what is subnormal as a float */
            if (!(isnan(want) ? isnan(got) : got == want || (fabsf(want) < 1.2e-38f && got == 0)))
                op_fail(T, "code %04x: got %g, want %g", c.E->h[i], got, want);
        }
    }
}

static void check_bwd(op_test *T, const embedding_shape *s, bool accumulate)
{
    embedding_ctx c = {.s = *s, .accumulate = accumulate};

    op_case(T, "embedding_bwd T=%lld V=%lld C=%lld accumulate=%d", (long long)s->T, (long long)s->V,
            (long long)s->C, accumulate);
    embedding_lists l = lists_new(T, s);
    c.U = l.U;
    /* rows of ids that do not occur must keep what they hold, so dE always starts with numbers */
    c.E = op_output(T, s->V * s->C, true);
    c.x = op_random(T, s->T * s->C, -1, 1);
    c.uniq = op_ints(T, l.U, l.uniq);
    c.start = op_ints(T, l.U + 1, l.start);
    c.token = op_ints(T, s->T, l.token);
    op_run(T, run_bwd, &c);
    madpo_ref_embedding_bwd(c.E->d, c.x->d, l.uniq, l.start, l.token, s->scale, l.U, s->C,
                            accumulate);
    /* sums of up to T numbers below 1, times scale */
    op_check(T, c.E, "dE", 2e-6 * s->scale * sqrt((double)s->T + 1), 1e-6);
    lists_free(&l);
}

static void test_bwd(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        const embedding_shape *s = &embedding_shapes[i];
        if (op_too_large(T, (s->T + s->V) * s->C))
            continue;
        check_bwd(T, s, false);
        check_bwd(T, s, true);
    }
}

/* An id outside the vocabulary (sampling says -1 for a row without a distribution) must be seen,
 * and must not read outside E. */
static void test_bad_ids(void **state)
{
    op_test *T = *state;
    const int32_t ids[4] = {2, -1, 3, INT32_MAX};
    embedding_ctx c = {.s = {4, 3, 5, 1}};

    op_case(T, "embedding_fwd with ids outside the vocabulary");
    c.x = op_output(T, 4 * 5, false);
    c.ids = op_ints(T, 4, ids);
    c.E = op_random(T, 3 * 5, -1, 1);
    op_run(T, run_fwd, &c);
    for (int64_t i = 0; i < 4 * 5; i++) {
        if (i < 5)
            op_check_value(T, "x", op_got(c.x, i), c.E->d[2 * 5 + i], 0, 0);
        else if (!isnan(op_got(c.x, i)))
            op_fail(T, "x[%lld] of a bad id is %g", (long long)i, op_got(c.x, i));
    }
}

typedef struct embedding_gradient {
    const embedding_lists *l;
    embedding_shape s;
    double *x, *dx, *E;
} embedding_gradient;

static double loss(void *ctx)
{
    const embedding_gradient *g = ctx;

    madpo_ref_embedding_fwd(g->x, g->l->ids, g->E, g->s.scale, g->s.T, g->s.C);
    return op_dot(g->x, g->dx, g->s.T * g->s.C);
}

static void test_gradient(void **state)
{
    op_test *T = *state;
    embedding_gradient g = {.s = {11, 6, 5, 2.5f}};

    op_case(T, "embedding gradient");
    embedding_lists l = lists_new(T, &g.s);
    g.l = &l;
    g.x = op_doubles(T, g.s.T * g.s.C, -1, 1);
    g.dx = op_doubles(T, g.s.T * g.s.C, -1, 1);
    g.E = op_doubles(T, g.s.V * g.s.C, -1, 1);
    double *dE = op_doubles(T, g.s.V * g.s.C, 0, 0);
    madpo_ref_embedding_bwd(dE, g.dx, l.uniq, l.start, l.token, g.s.scale, l.U, g.s.C, false);
    op_check_gradient(T, "dE", g.E, dE, g.s.V * g.s.C, loss, &g, 1e-6);
    free(g.x);
    free(g.dx);
    free(g.E);
    free(dE);
    lists_free(&l);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_fwd),     cmocka_unit_test(test_codes),    cmocka_unit_test(test_bwd),
    cmocka_unit_test(test_bad_ids), cmocka_unit_test(test_gradient),
};
OP_TEST_MAIN(tests)
