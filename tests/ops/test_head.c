/* Fused head against its twin: chunks, kept logits, shared tokens, extremes, storage of W, the way
 * of a frozen head, tiles of rows. */
#include "ops/head.h"
#include "ops/matmul.h"
#include "ref/head.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct head_shape {
    int64_t T, C, V, R, chunk;
} head_shape;

static const head_shape shapes[] = {
    {1, 1, 1, 1, 0},  {3, 4, 5, 2, 2},      {5, 7, 13, 9, 5},       {9, 16, 33, 6, 33},
    {4, 5, 11, 0, 0}, {20, 33, 97, 31, 40}, {40, 64, 500, 64, 128}, {64, 129, 1031, 77, 0},
};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

static const madpo_dtype types[] = {MADPO_DTYPE_F32, MADPO_DTYPE_BF16, MADPO_DTYPE_F16};

typedef struct head_ctx {
    madpo_head_dims d;
    bool keep, accumulate;
    op_array *hidden, *W, *row_token, *row_label, *logp, *lse, *zmax, *logits;
    op_array *coef, *tok_row_start, *tok_row, *dhidden, *dW;
    op_array *expect; /* or NULL */
} head_ctx;

static madpo_head_io io_of(const head_ctx *c)
{
    return (madpo_head_io){.hidden = c->hidden->t,
                           .W = c->W->t,
                           .row_token = c->row_token->t,
                           .row_label = c->row_label->t,
                           .logp = c->logp->t,
                           .lse = c->lse->t,
                           .zmax = c->zmax->t,
                           .logits = c->keep ? c->logits->t : (madpo_tensor){0},
                           .expect = c->expect ? c->expect->t : (madpo_tensor){0}};
}

static void run_fwd(op_test *T, void *ctx)
{
    const head_ctx *c = ctx;
    const madpo_head_io io = io_of(c);

    OP_OK(T, madpo_head_fwd(T->dev, &io, &c->d, &T->err));
}

/* Forward first: backward needs lse, and the logits where they are kept. */
static void run_both(op_test *T, void *ctx)
{
    const head_ctx *c = ctx;
    const madpo_head_io io = io_of(c);
    const madpo_head_grads g = {.coef = c->coef->t,
                                .tok_row_start = c->tok_row_start->t,
                                .tok_row = c->tok_row->t,
                                .dhidden = c->dhidden->t,
                                .dW = c->dW ? c->dW->t : (madpo_tensor){0}};

    run_fwd(T, ctx);
    OP_OK(T, madpo_head_bwd(T->dev, &io, &g, &c->d, c->accumulate, c->accumulate, &T->err));
}

/* Row i belongs to token (i * 2) / 3: some tokens carry two rows, later ones none. */
static void make_rows(op_test *T, head_ctx *c)
{
    const int64_t R = c->d.R, n = c->d.T;
    int32_t *token = calloc((size_t)R + 1, sizeof *token),
            *label = calloc((size_t)R + 1, sizeof *label);
    int32_t *start = calloc((size_t)n + 1, sizeof *start),
            *row = calloc((size_t)R + 1, sizeof *row);

    assert_true(token && label && start && row);
    for (int64_t i = 0; i < R; i++) {
        token[i] = (int32_t)(i * 2 / 3 % n);
        label[i] = (int32_t)madpo_rng_below(&T->rng, (uint64_t)c->d.V);
    }
    for (int64_t t = 0, k = 0; t < n; t++) {
        start[t] = (int32_t)k;
        for (int64_t i = 0; i < R; i++) {
            if (token[i] == t)
                row[k++] = (int32_t)i;
        }
        start[t + 1] = (int32_t)k;
    }
    c->row_token = op_ints(T, R, token);
    c->row_label = op_ints(T, R, label);
    c->tok_row_start = op_ints(T, n + 1, start);
    c->tok_row = op_ints(T, R, row);
    free(token);
    free(label);
    free(start);
    free(row);
}

static void begin(op_test *T, head_ctx *c, const head_shape *s, double scale, madpo_dtype type)
{
    c->d = (madpo_head_dims){
        .T = s->T, .C = s->C, .V = s->V, .R = s->R, .chunk = s->chunk, .W_dtype = type};
    op_case(T, "head T=%lld C=%lld V=%lld R=%lld chunk=%lld keep=%d accumulate=%d scale=%g W %s",
            (long long)s->T, (long long)s->C, (long long)s->V, (long long)s->R, (long long)s->chunk,
            c->keep, c->accumulate, scale, madpo_dtype_name(type));
    make_rows(T, c);
    c->hidden = op_random(T, s->T * s->C, -scale, scale);
    c->W = op_random_as(T, s->V * s->C, -1, 1, type);
    c->logp = op_output(T, s->R, false);
    c->lse = op_output(T, s->R, false);
    c->zmax = op_output(T, s->R, false);
    c->logits = op_output(T, c->keep ? s->R * s->V : 0, false);
    OP_OK(T, madpo_workspace_reserve(T->dev, madpo_head_workspace(T->dev, &c->d) + 1, &T->err));
}

static void reference_fwd(head_ctx *c)
{
    madpo_ref_head_fwd(c->logp->d, c->lse->d, c->zmax->d, c->hidden->d, c->W->d, c->row_token->i,
                       c->row_label->i, c->d.R, c->d.C, c->d.V);
}

static void check_fwd(op_test *T, const head_shape *s, double scale, madpo_dtype type)
{
    head_ctx c = {.keep = false};
    const double tol = (1e-6 + 1e-7 * (double)s->C) * fmax(1, scale);

    begin(T, &c, s, scale, type);
    op_run(T, run_fwd, &c);
    reference_fwd(&c);
    op_check(T, c.lse, "lse", tol, 1e-6);
    op_check(T, c.zmax, "zmax", tol, 1e-6);
    op_check(T, c.logp, "logp", 2 * tol, 2e-6);
    for (int64_t i = 0; i < s->R; i++) {
        const float zmax = op_got(c.zmax, i), lse = op_got(c.lse, i);
        /* the label's logit from logp is the maximum iff the identity of the header holds */
        assert_true(op_got(c.logp, i) <= zmax - lse);
    }
}

static void check_bwd(op_test *T, const head_shape *s, bool keep, bool accumulate, bool frozen,
                      madpo_dtype type)
{
    head_ctx c = {.keep = keep && s->chunk == 0, .accumulate = accumulate};

    begin(T, &c, s, 1, type);
    c.coef = op_random(T, s->R, -1, 1);
    c.dhidden = op_output(T, s->T * s->C, accumulate);
    c.dW = frozen ? NULL : op_output(T, s->V * s->C, accumulate);
    op_run(T, run_both, &c);
    reference_fwd(&c);
    const madpo_ref_head_grads g = {
        s->T,      s->C,     s->V,        s->R,   c.dhidden->d,   frozen ? NULL : c.dW->d,
        c.coef->d, c.lse->d, c.hidden->d, c.W->d, c.row_token->i, c.row_label->i};
    madpo_ref_head_bwd(&g, accumulate, accumulate);
    op_check(T, c.dhidden, "dhidden", 3e-6 + 1e-7 * (double)s->C, 1e-5);
    if (!frozen)
        op_check(T, c.dW, "dW", 3e-6 + 1e-7 * (double)s->R, 1e-5);
}

static void test_fwd(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        for (int t = 0; t < 3; t++) {
            if (!op_too_large(T, shapes[i].R * shapes[i].V * shapes[i].C / 16))
                check_fwd(T, &shapes[i], 1, types[t]);
        }
    }
    check_fwd(T, &shapes[2], 1e4, MADPO_DTYPE_F32); /* logits of tens of thousands */
}

static void test_bwd(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        for (int v = 0; v < 4; v++) {
            if (!op_too_large(T, shapes[i].R * shapes[i].V * shapes[i].C / 16))
                check_bwd(T, &shapes[i], v & 1, v & 2, v == 3, types[(i + (size_t)v) % 3]);
        }
    }
}

/* A frozen head: expect against the twin, the same log-probs to the bit as without it, and the
 * gradient that needs no product. */
static void check_expect(op_test *T, const head_shape *s, double scale, bool accumulate,
                         madpo_dtype type)
{
    const size_t bytes = (size_t)s->R * sizeof(uint32_t);
    const double tol = 1e-6 + 1e-7 * (double)s->C;
    head_ctx c = {.accumulate = accumulate};
    uint32_t *plain = malloc(3 * bytes + 1);

    assert_non_null(plain);
    begin(T, &c, s, scale, type);
    op_run(T, run_fwd, &c);
    memcpy(plain, c.logp->got, bytes);
    memcpy(plain + s->R, c.lse->got, bytes);
    memcpy(plain + 2 * s->R, c.zmax->got, bytes);
    c.expect = op_output(T, s->R * s->C, false);
    c.coef = op_random(T, s->R, -1, 1);
    c.dhidden = op_output(T, s->T * s->C, accumulate);
    op_run(T, run_both, &c);
    assert_memory_equal(plain, c.logp->got, bytes);
    assert_memory_equal(plain + s->R, c.lse->got, bytes);
    assert_memory_equal(plain + 2 * s->R, c.zmax->got, bytes);
    free(plain);
    reference_fwd(&c);
    madpo_ref_head_expect(c.expect->d, c.hidden->d, c.W->d, c.row_token->i, c.row_label->i, s->R,
                          s->C, s->V);
    op_check(T, c.expect, "expect", 2 * tol * fmax(1, scale), 1e-5);
    const madpo_ref_head_grads g = {s->T,         s->C,   s->V,           s->R,
                                    c.dhidden->d, NULL,   c.coef->d,      c.lse->d,
                                    c.hidden->d,  c.W->d, c.row_token->i, c.row_label->i};
    madpo_ref_head_bwd(&g, accumulate, false);
    op_check(T, c.dhidden, "dhidden", 4 * tol * fmax(1, scale), 1e-5);
}

static void test_expect(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        for (int t = 0; t < 3; t++) {
            if (!op_too_large(T, shapes[i].R * shapes[i].V * shapes[i].C / 16))
                check_expect(T, &shapes[i], 1, (i + (size_t)t) % 2, types[t]);
        }
    }
    /* logits far apart: the maximum moves by hundreds from chunk to chunk, and rows saturate */
    check_expect(T, &shapes[2], 300, false, MADPO_DTYPE_F32);
}

/* Rows [row0, row0 + R) of a case as a batch of their own, dW accumulating over the calls. */
static void run_rows(op_test *T, const head_ctx *c, int64_t row0, int64_t R)
{
    madpo_head_io io = io_of(c);
    madpo_head_dims d = c->d;
    madpo_tensor *const rows[] = {&io.row_token, &io.row_label, &io.logp, &io.lse, &io.zmax};
    const madpo_head_grads g = {.coef = madpo_tensor_slice(c->coef->t, row0, R),
                                .tok_row_start = c->tok_row_start->t,
                                .tok_row = c->tok_row->t,
                                .dhidden = c->dhidden->t,
                                .dW = c->dW->t};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        *rows[i] = madpo_tensor_slice(*rows[i], row0, R);
    io.expect = madpo_tensor_slice(c->expect->t, row0 * d.C, R * d.C);
    d.R = R;
    OP_OK(T, madpo_head_fwd(T->dev, &io, &d, &T->err));
    OP_OK(T, madpo_head_bwd(T->dev, &io, &g, &d, true, row0 > 0, &T->err));
}

typedef struct tile_ctx {
    head_ctx c;
    int64_t first; /* rows of the first call; 0 = all in one call */
} tile_ctx;

/* dhidden is left out: what it sums over is in tok_row, which knows one batch only. */
static void run_tiles(op_test *T, void *ctx)
{
    const tile_ctx *t = ctx;

    if (t->first)
        run_rows(T, &t->c, 0, t->first);
    run_rows(T, &t->c, t->first, t->c.d.R - t->first);
}

/* More rows than a tile holds, cut in other places: the same bits, dW's too. */
static void test_tiles(void **state)
{
    op_test *T = *state;
    const head_shape s = {3, 5, 30, 4500, 12};
    const bool panel = !strcmp(madpo_matmul_provider_name(T->dev), "panel");
    tile_ctx t = {.first = 0};
    op_array *outs[5];
    uint32_t *got[5];

    if (op_too_large(T, s.R))
        return;
    begin(T, &t.c, &s, 1, MADPO_DTYPE_F32);
    memset(t.c.tok_row_start->i, 0, (size_t)(s.T + 1) * sizeof(int32_t)); /* nothing to scatter */
    outs[0] = t.c.logp;
    outs[1] = t.c.lse;
    outs[2] = t.c.zmax;
    outs[3] = t.c.expect = op_output(T, s.R * s.C, false);
    outs[4] = t.c.dW = op_output(T, s.V * s.C, false);
    t.c.coef = op_random(T, s.R, -1, 1);
    t.c.dhidden = op_output(T, s.T * s.C, true);
    op_run(T, run_tiles, &t);
    for (int i = 0; i < 5; i++) {
        got[i] = malloc((size_t)outs[i]->n * sizeof *got[i]);
        assert_non_null(got[i]);
        memcpy(got[i], outs[i]->got, (size_t)outs[i]->n * sizeof *got[i]);
    }
    reference_fwd(&t.c);
    op_check(T, t.c.logp, "logp", 3e-6, 2e-6);
    const madpo_ref_head_grads g = {
        s.T,         s.C,        s.V,           s.R,      t.c.dhidden->d,   t.c.dW->d,
        t.c.coef->d, t.c.lse->d, t.c.hidden->d, t.c.W->d, t.c.row_token->i, t.c.row_label->i};
    madpo_ref_head_bwd(&g, true, false);
    op_check(T, t.c.dW, "dW", 1e-4, 1e-5);
    t.first = 1000;
    op_run(T, run_tiles, &t);
    for (int i = 0; i < 5; i++) {
        if (panel) /* whose promise this is */
            assert_memory_equal(got[i], outs[i]->got, (size_t)outs[i]->n * sizeof *got[i]);
        free(got[i]);
    }
}

/* The head of a 270M model over a batch of long texts. */
static void test_workspace(void **state)
{
    op_test *T = *state;
    const madpo_head_dims d = {.T = 6000, .C = 640, .V = 262144, .R = 5632};

    op_case(T, "head workspace");
    if (!strcmp(madpo_matmul_provider_name(T->dev), "panel"))
        assert_in_range(madpo_head_workspace(T->dev, &d), 1, 200000000 / sizeof(float));
}

static void test_refusals(void **state)
{
    op_test *T = *state;
    head_ctx c = {.keep = true};

    begin(T, &c, &(head_shape){3, 4, 5, 2, 0}, 1, MADPO_DTYPE_F32);
    c.expect = op_output(T, 8, false);
    const madpo_head_io io = io_of(&c);
    assert_int_equal(madpo_head_fwd(T->dev, &io, &c.d, &T->err), MADPO_ERR_USAGE);
    assert_string_equal(T->err.message, "head: logits are kept for one way of going back and "
                                        "expect for the other: give one of the two");
}

/* logp == zmax - lse to the bit where the label is the arg max, in one chunk and in many. */
static void test_arg_max(void **state)
{
    op_test *T = *state;

    for (int chunk = 0; chunk <= 5; chunk += 5) {
        const head_shape s = {6, 9, 23, 6, chunk};
        head_ctx c = {.keep = false};
        int32_t best[6] = {0};

        begin(T, &c, &s, 1, MADPO_DTYPE_F32);
        op_run(T, run_fwd, &c);
        for (int64_t i = 0; i < s.R; i++) {
            double z_best = -INFINITY;

            for (int64_t v = 0; v < s.V; v++) {
                const double z =
                    op_dot(c.hidden->d + c.row_token->i[i] * s.C, c.W->d + v * s.C, s.C);

                if (z > z_best)
                    best[i] = (int32_t)v;
                z_best = fmax(z, z_best);
            }
        }
        memcpy(c.row_label->i, best, sizeof best);
        op_run(T, run_fwd, &c);
        for (int64_t i = 0; i < s.R; i++)
            assert_true(op_got(c.logp, i) == op_got(c.zmax, i) - op_got(c.lse, i));
    }
}

enum { GT = 4, GC = 3, GV = 5, GR = 5 };
typedef struct gradient_ctx {
    double *hidden, *W, *coef, logp[GR], lse[GR], zmax[GR];
    int32_t token[GR], label[GR];
} gradient_ctx;

static double loss(void *ctx)
{
    gradient_ctx *g = ctx;

    madpo_ref_head_fwd(g->logp, g->lse, g->zmax, g->hidden, g->W, g->token, g->label, GR, GC, GV);
    return op_dot(g->logp, g->coef, GR);
}

static void test_gradient(void **state)
{
    op_test *T = *state;
    gradient_ctx g = {.token = {0, 0, 1, 3, 3}, .label = {4, 1, 0, 2, 2}};
    double dhidden[GT * GC], dW[GV * GC], expect[GR * GC];

    op_case(T, "head gradient");
    g.hidden = op_doubles(T, GT * GC, -1, 1);
    g.W = op_doubles(T, GV * GC, -1, 1);
    g.coef = op_doubles(T, GR, -1, 1);
    loss(&g);
    const madpo_ref_head_grads grads = {GT,     GC,    GV,       GR,  dhidden, dW,
                                        g.coef, g.lse, g.hidden, g.W, g.token, g.label};
    madpo_ref_head_bwd(&grads, false, false);
    op_check_gradient(T, "dhidden", g.hidden, dhidden, GT * GC, loss, &g, 1e-6);
    op_check_gradient(T, "dW", g.W, dW, GV * GC, loss, &g, 1e-6);
    /* expect is what dhidden sums up */
    madpo_ref_head_expect(expect, g.hidden, g.W, g.token, g.label, GR, GC, GV);
    memset(dhidden, 0, sizeof dhidden);
    for (int i = 0; i < GR * GC; i++)
        dhidden[g.token[i / GC] * GC + i % GC] += g.coef[i / GC] * expect[i];
    op_check_gradient(T, "expect", g.hidden, dhidden, GT * GC, loss, &g, 1e-6);
    free(g.hidden);
    free(g.W);
    free(g.coef);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_fwd),       cmocka_unit_test(test_bwd),
    cmocka_unit_test(test_expect),    cmocka_unit_test(test_tiles),
    cmocka_unit_test(test_workspace), cmocka_unit_test(test_refusals),
    cmocka_unit_test(test_arg_max),   cmocka_unit_test(test_gradient),
};

OP_TEST_MAIN(tests)
