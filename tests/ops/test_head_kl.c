/* Divergence of two heads against its twin: chunks, tiles of rows, storage of the heads, equal
 * heads, policies far from and close to the reference. */
#include "ops/head_kl.h"
#include "ref/head_kl.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <string.h>

typedef struct kl_shape {
    int64_t C, V, R, chunk;
} kl_shape;

static const kl_shape shapes[] = {
    {1, 1, 1, 0},     {4, 5, 2, 2},       {7, 13, 9, 5},      {16, 33, 6, 33},  {5, 11, 0, 0},
    {33, 97, 31, 40}, {64, 500, 64, 128}, {129, 1031, 77, 0}, {3, 18, 1100, 7},
};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

static const madpo_dtype types[] = {MADPO_DTYPE_F32, MADPO_DTYPE_BF16, MADPO_DTYPE_F16};

typedef struct kl_ctx {
    madpo_head_kl_dims d;
    op_array *p_rows, *q_rows, *P, *Q, *kl;
} kl_ctx;

static void run(op_test *T, void *ctx)
{
    const kl_ctx *c = ctx;
    const madpo_head_kl_io io = {
        .p_rows = c->p_rows->t, .q_rows = c->q_rows->t, .P = c->P->t, .Q = c->Q->t, .kl = c->kl->t};

    OP_OK(T, madpo_head_kl(T->dev, &io, &c->d, &T->err));
}

/* Random policy rows of size `scale`. */
static void begin(op_test *T, kl_ctx *c, const kl_shape *s, double scale, madpo_dtype P,
                  madpo_dtype Q)
{
    c->d = (madpo_head_kl_dims){
        .C = s->C, .V = s->V, .R = s->R, .chunk = s->chunk, .P_dtype = P, .Q_dtype = Q};
    op_case(T, "head_kl C=%lld V=%lld R=%lld chunk=%lld scale=%g P %s Q %s", (long long)s->C,
            (long long)s->V, (long long)s->R, (long long)s->chunk, scale, madpo_dtype_name(P),
            madpo_dtype_name(Q));
    c->p_rows = op_random(T, s->R * s->C, -scale, scale);
    c->P = op_random_as(T, s->V * s->C, -1, 1, P);
    c->kl = op_output(T, s->R, false);
    OP_OK(T, madpo_workspace_reserve(T->dev, madpo_head_kl_workspace(T->dev, &c->d) + 1, &T->err));
}

static void check(op_test *T, kl_ctx *c, double scale)
{
    op_run(T, run, c);
    madpo_ref_head_kl(c->kl->d, c->p_rows->d, c->P->d, c->q_rows->d, c->Q->d, c->d.R, c->d.C,
                      c->d.V);
    /* that of a log-prob (test_head.c), of which there are two */
    op_check(T, c->kl, "kl", 4 * (1e-6 + 1e-7 * (double)c->d.C) * fmax(1, scale), 2e-6);
}

static void test_shapes(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        for (size_t t = 0; t < 3; t++) {
            const kl_shape *s = &shapes[i];
            kl_ctx c;

            if (op_too_large(T, s->R * s->V * s->C / 8))
                continue;
            begin(T, &c, s, 1, types[t], types[(i + t) % 3]);
            c.q_rows = op_random(T, s->R * s->C, -1, 1);
            c.Q = op_random_as(T, s->V * s->C, -1, 1, types[(i + t) % 3]);
            check(T, &c, 1);
        }
    }
}

/* Logits hundreds apart: maxima move from chunk to chunk and rows saturate. */
static void test_far(void **state)
{
    op_test *T = *state;
    kl_ctx c;

    begin(T, &c, &shapes[2], 300, MADPO_DTYPE_F32, MADPO_DTYPE_F32);
    c.q_rows = op_random(T, shapes[2].R * shapes[2].C, -300, 300);
    c.Q = op_random(T, shapes[2].V * shapes[2].C, -1, 1);
    check(T, &c, 300);
}

/* The policy before its first update is the reference: exactly 0, whatever the chunks. */
static void test_equal(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        kl_ctx c;

        if (op_too_large(T, shapes[i].R * shapes[i].V * shapes[i].C / 8))
            continue;
        begin(T, &c, &shapes[i], 3, MADPO_DTYPE_F32, MADPO_DTYPE_F32);
        c.q_rows = c.p_rows;
        c.Q = c.P;
        op_run(T, run, &c);
        for (int64_t r = 0; r < c.d.R; r++)
            assert_true(op_got(c.kl, r) == 0.0f);
    }
}

/* A known value: logits (x, 0) against (y, 0), of two words. */
static void test_two_words(void **state)
{
    op_test *T = *state;
    const float heads[] = {1, 0}, p[] = {0, 2, -1}, q[] = {0, 0, 3};
    kl_ctx c = {.d = {.C = 1, .V = 2, .R = 3, .chunk = 1}};

    op_case(T, "head_kl two words");
    c.p_rows = op_values(T, 3, p);
    c.q_rows = op_values(T, 3, q);
    c.P = op_values(T, 2, heads);
    c.Q = op_values(T, 2, heads);
    c.kl = op_output(T, 3, false);
    OP_OK(T, madpo_workspace_reserve(T->dev, madpo_head_kl_workspace(T->dev, &c.d) + 1, &T->err));
    op_run(T, run, &c);
    for (int i = 0; i < 3; i++) {
        const double a = 1 / (1 + exp(-p[i])), b = 1 / (1 + exp(-q[i]));

        op_check_value(T, "kl", op_got(c.kl, i), a * log(a / b) + (1 - a) * log((1 - a) / (1 - b)),
                       1e-6, 1e-6);
    }
}

static void test_refusals(void **state)
{
    op_test *T = *state;
    kl_ctx c;
    madpo_head_kl_io io;

    begin(T, &c, &shapes[1], 1, MADPO_DTYPE_F32, MADPO_DTYPE_F32);
    c.q_rows = op_random(T, c.d.R * c.d.C, -1, 1);
    c.Q = op_random(T, c.d.V * c.d.C, -1, 1);
    io = (madpo_head_kl_io){c.p_rows->t, madpo_tensor_slice(c.q_rows->t, 0, c.d.C), c.P->t, c.Q->t,
                            c.kl->t};
    assert_int_equal(madpo_head_kl(T->dev, &io, &c.d, &T->err), MADPO_ERR_USAGE);
    assert_non_null(strstr(T->err.message, "q_rows"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_shapes),    cmocka_unit_test(test_far),      cmocka_unit_test(test_equal),
    cmocka_unit_test(test_two_words), cmocka_unit_test(test_refusals),
};

OP_TEST_MAIN(tests)
