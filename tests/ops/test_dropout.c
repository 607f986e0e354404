/* Dropout against its twin. */
#include "ops/dropout.h"
#include "ref/dropout.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <stdlib.h>

static const int64_t dropout_sizes[] = {0, 1, 3, 4, 5, 16, 17, 31, 1000, 4096, 4099, 20011};
#define N_SIZES (sizeof dropout_sizes / sizeof dropout_sizes[0])
/* the last two: a bound of the words that is no integer, and the largest p there is */
static const float probabilities[] = {0, 0.1f, 0.5f, 0.9f, 1e-9f, 0x1.fffffep-1f};
#define N_PROBABILITIES (sizeof probabilities / sizeof probabilities[0])
/* every word of the counter and the key matters */
static const uint64_t SEED = 0x8A5CD789635D2DFFu, STREAM = 0x121FD2155C472F96u;

typedef struct dropout_ctx {
    int64_t n;
    float p;
    uint64_t seed, stream;
    bool accumulate;
    op_array *y, *x;
} dropout_ctx;

static void run(op_test *T, void *ctx)
{
    const dropout_ctx *c = ctx;

    OP_OK(T, madpo_dropout(T->dev, c->y->t, c->x->t, c->n, c->p, c->seed, c->stream, c->accumulate,
                           &T->err));
}

/* mode: overwrite (0), accumulate (1), y is x (2). Dropped elements must be 0, or left alone, to
 * the bit. */
static void check(op_test *T, int64_t n, float p, int mode)
{
    dropout_ctx c = {.n = n, .p = p, .seed = SEED, .stream = STREAM, .accumulate = mode == 1};

    op_case(T, "dropout n=%lld p=%g mode=%d", (long long)n, (double)p, mode);
    c.x = op_random(T, n, 1, 2);
    c.y = mode == 2 ? op_in_place(c.x) : op_output(T, n, c.accumulate);
    op_run(T, run, &c);
    madpo_ref_dropout(c.y->d, c.x->d, n, p, SEED, STREAM, c.accumulate);
    /* the factor, the product and the sum are rounded */
    op_check(T, c.y, "y", c.accumulate ? 2e-7 : 0, 2e-7);
}

static void test_shapes(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SIZES; i++) {
        for (size_t k = 0; k < N_PROBABILITIES && !op_too_large(T, dropout_sizes[i]); k++) {
            for (int mode = 0; mode < 3; mode++)
                check(T, dropout_sizes[i], probabilities[k], mode);
        }
    }
}

/* Run dropout of `n` ones in a case of its own; kept[i] tells whether element i was kept. */
static void mask(op_test *T, bool *kept, int64_t n, float p, uint64_t stream)
{
    dropout_ctx c = {.n = n, .p = p, .seed = SEED, .stream = stream};

    op_case(T, "dropout mask n=%lld p=%g stream=%llu", (long long)n, (double)p,
            (unsigned long long)stream);
    c.x = op_random(T, n, 1, 2);
    c.y = op_output(T, n, false);
    op_run(T, run, &c);
    for (int64_t i = 0; i < n; i++)
        kept[i] = op_got(c.y, i) != 0;
}

/* The documented word of the documented block decides, to the bit. */
static void test_mask_words(void **state)
{
    op_test *T = *state;
    bool kept[1000];

    mask(T, kept, 1000, 0.3f, STREAM);
    for (int64_t i = 0; i < 1000; i++) {
        const uint32_t word = madpo_philox_block(SEED, STREAM, (uint64_t)i / 4).v[i % 4];
        if (kept[i] != (word >= 0.3f * 0x1p32))
            op_fail(T, "element %lld with word %08x is %s", (long long)i, (unsigned)word,
                    kept[i] ? "kept" : "dropped");
    }
}

static double share(const bool *a, const bool *b, int64_t n)
{
    int64_t k = 0;

    for (int64_t i = 0; i < n; i++)
        k += a[i] == (b ? b[i] : true);
    return (double)k / (double)n;
}

/* The share kept is 1 - p; masks of two streams agree where independent ones would; all within five
 * standard deviations. */
static void test_frequency(void **state)
{
    op_test *T = *state;
    const int64_t n = T->tiny ? 1000 : 100000;
    bool *a = calloc((size_t)n, sizeof *a), *b = calloc((size_t)n, sizeof *b);

    assert_non_null(a);
    assert_non_null(b);
    for (size_t k = 1; k < 4; k++) {
        const float p = probabilities[k];
        const double q = 1 - (double)p, same = q * q + (1 - q) * (1 - q);
        mask(T, a, n, p, 7);
        mask(T, b, n, p, 8);
        op_check_value(T, "share kept", share(a, NULL, n), q, 5 * sqrt(q * (1 - q) / (double)n), 0);
        op_check_value(T, "share equal in two streams", share(a, b, n), same,
                       5 * sqrt(same * (1 - same) / (double)n), 0);
    }
    free(a);
    free(b);
}

/* What the forward pass dropped gets no gradient, what it kept gets dy / (1-p): the backward pass
 * is the same call, accumulating. */
static void test_backward(void **state)
{
    op_test *T = *state;
    enum { N = 777 };
    bool kept[N];
    dropout_ctx c = {.n = N, .p = 0.4f, .seed = SEED, .stream = STREAM, .accumulate = true};

    mask(T, kept, N, c.p, STREAM);
    op_case(T, "dropout backward");
    c.x = op_random(T, N, 1, 2); /* dy */
    c.y = op_output(T, N, true); /* dx */
    op_run(T, run, &c);
    for (int64_t i = 0; i < N; i++) {
        const double want = c.y->d[i] + (kept[i] ? c.x->d[i] / (1 - (double)c.p) : 0);
        /* three roundings of numbers below 4.4 */
        op_check_value(T, "dx", op_got(c.y, i), want, kept[i] ? 6e-7 : 0, 0);
    }
}

/* A NaN that is dropped is gone, one that is kept shows. */
static void test_nan(void **state)
{
    op_test *T = *state;
    bool kept[64];
    dropout_ctx c = {.n = 64, .p = 0.5f, .seed = SEED, .stream = STREAM};

    mask(T, kept, 64, c.p, STREAM);
    op_case(T, "dropout of NaN");
    c.x = op_random(T, 64, 0, 0);
    for (int64_t i = 0; i < 64; i++)
        c.x->f[i] = NAN;
    c.y = op_output(T, 64, false);
    op_run(T, run, &c);
    for (int64_t i = 0; i < 64; i++) {
        if (kept[i] ? !isnan(op_got(c.y, i)) : op_got(c.y, i) != 0)
            op_fail(T, "element %lld, kept=%d, is %g", (long long)i, kept[i], op_got(c.y, i));
    }
}

/* Probabilities outside [0,1) are refused. */
static void test_bad_probability(void **state)
{
    op_test *T = *state;
    const float bad[] = {1, -0.1f, 2, NAN, INFINITY};

    op_case(T, "dropout with impossible probabilities");
    op_array *x = op_random(T, 8, -1, 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(madpo_dropout(T->dev, x->t, x->t, 8, bad[i], 1, 1, false, &T->err),
                         MADPO_ERR_USAGE);
        madpo_error_clear(&T->err);
    }
}

typedef struct dropout_gradient {
    double *x, *y, *dy;
    int64_t n;
} dropout_gradient;

static double loss(void *ctx)
{
    const dropout_gradient *g = ctx;

    madpo_ref_dropout(g->y, g->x, g->n, 0.25, SEED, STREAM, false);
    return op_dot(g->y, g->dy, g->n);
}

static void test_gradient(void **state)
{
    op_test *T = *state;
    dropout_gradient g = {.n = 37};

    op_case(T, "dropout gradient");
    g.x = op_doubles(T, g.n, -1, 1);
    g.y = op_doubles(T, g.n, 0, 0);
    g.dy = op_doubles(T, g.n, -1, 1);
    double *dx = op_doubles(T, g.n, 0, 0);
    madpo_ref_dropout(dx, g.dy, g.n, 0.25, SEED, STREAM, false);
    op_check_gradient(T, "dx", g.x, dx, g.n, loss, &g, 1e-6);
    free(g.x);
    free(g.y);
    free(g.dy);
    free(dx);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_shapes),    cmocka_unit_test(test_mask_words),
    cmocka_unit_test(test_frequency), cmocka_unit_test(test_backward),
    cmocka_unit_test(test_nan),       cmocka_unit_test(test_bad_probability),
    cmocka_unit_test(test_gradient),
};
OP_TEST_MAIN(tests)
