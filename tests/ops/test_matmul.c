/* Matrix product against its twin: every transpose, provider, edge, stride, batch and storage of B;
 * and the promises that an element depends on its row, its column and K alone, and that B in 16
 * bits gives the bits of the widened B. */
#include "ops/matmul.h"
#include "ops/matmul_inside.h"
#include "ref/matmul.h"
#include "tests/support/op_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t shapes[][3] = {
    {1, 1, 1},       {1, 33, 7},     {14, 32, 16},  {15, 31, 17},  {13, 1, 5},
    {2, 65, 3},      {29, 97, 1},    {64, 128, 64}, {61, 67, 129}, {113, 40, 71},
    {257, 100, 300}, {33, 47, 5000}, {0, 5, 3},     {4, 0, 3},     {5, 6, 0},
};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

static const char *const op_names[] = {"NN", "NT", "TN", "TT"};

static const madpo_dtype types[] = {MADPO_DTYPE_F32, MADPO_DTYPE_BF16, MADPO_DTYPE_F16};

typedef struct matmul_ctx {
    madpo_matmul_provider provider;
    madpo_matmul_spec spec;
    bool packed; /* through madpo_matmul_pack and madpo_matmul_packed */
    madpo_tensor b_packed;
    op_array *A, *B, *C;
} matmul_ctx;

static bool transposed_a(madpo_matmul_op op)
{
    return op == MADPO_MATMUL_TN || op == MADPO_MATMUL_TT;
}

static bool transposed_b(madpo_matmul_op op)
{
    return op == MADPO_MATMUL_NT || op == MADPO_MATMUL_TT;
}

static void run(op_test *T, void *ctx)
{
    matmul_ctx *c = ctx;

    if (c->packed) {
        OP_OK(T, madpo_matmul_pack(T->dev, &c->spec, c->b_packed, c->B->t, &T->err));
        OP_OK(T, madpo_matmul_packed(T->dev, &c->spec, c->C->t, c->A->t, c->b_packed, &T->err));
        return;
    }
    OP_OK(T, madpo_matmul_with(T->dev, c->provider, &c->spec, c->C->t, c->A->t, c->B->t, &T->err));
}

/* Run again with the widened B: the same bits. */
static void check_widened(op_test *T, matmul_ctx *c)
{
    const size_t bytes = (size_t)c->C->n * sizeof(uint32_t);
    op_array *first = c->C;
    uint32_t *got = malloc(bytes + 1);

    if (c->spec.b_dtype != MADPO_DTYPE_F32) {
        assert_non_null(got);
        memcpy(got, first->got, bytes);
        c->B = op_values(T, c->B->n, c->B->f);
        c->C = op_in_place(op_values(T, first->n, first->f)); /* what it accumulates into */
        madpo_buffer_free(c->b_packed.buffer);
        c->b_packed = (madpo_tensor){0};
        if (c->packed)
            OP_OK(T, madpo_tensor_new(&c->b_packed, T->dev,
                                      madpo_matmul_packed_elements(T->dev, &c->spec),
                                      MADPO_DTYPE_F32, "packed", &T->err));
        op_run(T, run, c);
        assert_memory_equal(got, c->C->got, bytes);
    }
    free(got);
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Dense leading dimensions plus `pad`, strides to match; batch item i of B repeats item 0 if
 * share_b. */
static void fill_spec(madpo_matmul_spec *s, int64_t pad, bool share_b)
{
    const int64_t a_rows = transposed_a(s->op) ? s->K : s->M,
                  b_rows = transposed_b(s->op) ? s->N : s->K;

    s->lda = (transposed_a(s->op) ? s->M : s->K) + pad;
    s->ldb = (transposed_b(s->op) ? s->K : s->N) + pad;
    s->ldc = s->N; /* outputs are dense: the harness checks every element of them */
    s->stride_a = a_rows * s->lda + pad;
    s->stride_b = share_b ? 0 : b_rows * s->ldb + pad;
    s->stride_c = s->M * s->ldc;
}

static void reserve(op_test *T, const madpo_matmul_spec *s)
{
    OP_OK(T, madpo_workspace_reserve(T->dev, max64(madpo_matmul_workspace(T->dev, s), 1), &T->err));
    /* whichever provider is asked for by name */
    OP_OK(T, madpo_workspace_reserve(T->dev,
                                     4 * (s->M + 256) * (s->K + 256) +
                                         4 * (s->N + 256) * (s->K + 256) +
                                         4 * (s->M + 256) * (s->N + 256),
                                     &T->err));
}

static void reference(const matmul_ctx *c)
{
    const madpo_matmul_spec *s = &c->spec;
    const madpo_ref_matmul_spec r = {transposed_a(s->op),
                                     transposed_b(s->op),
                                     s->M,
                                     s->N,
                                     s->K,
                                     s->lda,
                                     s->ldb,
                                     s->ldc,
                                     s->alpha,
                                     s->accumulate};

    for (int64_t i = 0; i < max64(s->batch, 1); i++)
        madpo_ref_matmul(&r, c->C->d + i * s->stride_c, c->A->d + i * s->stride_a,
                         c->B->d + i * s->stride_b);
}

static void check(op_test *T, matmul_ctx *c, int64_t pad, bool share_b)
{
    madpo_matmul_spec *s = &c->spec;
    const int64_t batch = max64(s->batch, 1);

    op_case(T,
            "matmul %s %lldx%lldx%lld %s pad %lld batch %lld provider %d packed %d accumulate %d",
            op_names[s->op], (long long)s->M, (long long)s->N, (long long)s->K,
            madpo_dtype_name(s->b_dtype), (long long)pad, (long long)batch, c->provider, c->packed,
            s->accumulate);
    fill_spec(s, pad, share_b);
    c->A = op_random(T, batch * max64(s->stride_a, 1), -1, 1);
    c->B = op_random_as(
        T, share_b ? max64(s->N * s->K, s->ldb * max64(s->N, s->K)) : batch * max64(s->stride_b, 1),
        -1, 1, s->b_dtype);
    c->C = op_output(T, batch * s->M * s->N, s->accumulate);
    reserve(T, s);
    if (c->packed)
        OP_OK(T, madpo_tensor_new(&c->b_packed, T->dev, madpo_matmul_packed_elements(T->dev, s),
                                  s->b_dtype, "packed", &T->err));
    op_run(T, run, c);
    reference(c);
    /* a sum of K products below 1 in magnitude, rounded K times */
    op_check(T, c->C, "C", 1e-6 + 1e-7 * (double)s->K, 2e-6);
    check_widened(T, c);
    madpo_buffer_free(c->b_packed.buffer);
    c->b_packed = (madpo_tensor){0};
}

static void check_type(op_test *T, madpo_matmul_provider provider, bool packed, madpo_dtype type)
{
    for (size_t i = 0; i < N_SHAPES; i++) {
        const int64_t *d = shapes[i];

        for (int op = 0; op < 4 && !op_too_large(T, d[0] * d[1] * d[2] / 16); op++) {
            matmul_ctx c = {.provider = provider, .packed = packed};

            c.spec = (madpo_matmul_spec){
                .op = (madpo_matmul_op)op, .M = d[0], .N = d[1], .K = d[2], .b_dtype = type};
            if (d[0] * d[1] * d[2] == 0 && packed)
                continue;
            c.spec.accumulate = (i + (size_t)op) % 2;
            c.spec.alpha = op == 1 ? 0.5f : 0.0f;
            check(T, &c, op == 2 ? 3 : 0, false);
        }
    }
}

static void check_provider(op_test *T, madpo_matmul_provider provider, bool packed)
{
    for (int t = 0; t < 3; t++)
        check_type(T, provider, packed, types[t]);
}

static void test_panel(void **state)
{
    check_provider(*state, MADPO_MATMUL_PANEL, false);
}

static void test_clblast(void **state)
{
    op_test *T = *state;

    if (T->tiny)
        return; /* a slow checker would test CLBlast's kernels, not ours */
    check_provider(T, MADPO_MATMUL_CLBLAST, false);
}

static void test_packed(void **state)
{
    check_provider(*state, MADPO_MATMUL_AUTO, true);
}

static void test_batch(void **state)
{
    op_test *T = *state;

    for (int op = 0; op < 4; op++) {
        for (int provider = MADPO_MATMUL_PANEL; provider <= MADPO_MATMUL_CLBLAST; provider++) {
            for (int share = 0; share < 2; share++) {
                matmul_ctx c = {.provider = (madpo_matmul_provider)provider};

                if (T->tiny && provider == MADPO_MATMUL_CLBLAST)
                    continue;
                c.spec = (madpo_matmul_spec){.op = (madpo_matmul_op)op,
                                             .M = 17,
                                             .N = 35,
                                             .K = 9,
                                             .batch = 3,
                                             .accumulate = op % 2,
                                             .b_dtype = types[(op + share) % 3]};
                check(T, &c, 2, share);
            }
        }
    }
}

/* Leading dimensions of 4 KiB, where operands are packed or staged that otherwise lie as they are;
 * and several runs of k. */
static void test_aliasing(void **state)
{
    static const int64_t sizes[][4] = {
        /* M, N, K, op */
        {70, 70, 1024, MADPO_MATMUL_NN}, {70, 520, 1024, MADPO_MATMUL_NT},
        {1024, 65, 70, MADPO_MATMUL_TN}, {65, 1024, 70, MADPO_MATMUL_TN},
        {1024, 70, 33, MADPO_MATMUL_TT}, {9, 40, 2048, MADPO_MATMUL_NN},
        {30, 40, 1537, MADPO_MATMUL_TN}, {30, 40, 2100, MADPO_MATMUL_NT},
    };
    op_test *T = *state;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const int64_t *d = sizes[i];

        for (int mode = 0; mode < 3 && !op_too_large(T, d[0] * d[1] * d[2] / 16); mode++) {
            matmul_ctx c = {.provider = MADPO_MATMUL_PANEL};

            c.spec =
                (madpo_matmul_spec){.op = (madpo_matmul_op)d[3], .M = d[0], .N = d[1], .K = d[2]};
            c.spec.accumulate = mode == 1;
            c.spec.alpha = mode == 2 ? -0.75f : 0.0f;
            c.spec.b_dtype = types[mode];
            check(T, &c, 0, false);
        }
    }
}

typedef struct columns_ctx {
    matmul_ctx m;
    int64_t most;
} columns_ctx;

static void run_columns(op_test *T, void *ctx)
{
    const columns_ctx *c = ctx;
    const madpo__product p = madpo__product_of(&c->m.spec);

    OP_OK(T, madpo_workspace_reserve(T->dev, madpo__clblast_workspace(T->dev, &p, c->most) + 1,
                                     &T->err));
    OP_OK(T, madpo__clblast_run(T->dev, &p, c->m.C->t, c->m.A->t, c->m.B->t, c->most, &T->err));
}

/* CLBlast with a B of 16 bits that is widened piece by piece. */
static void test_columns(void **state)
{
    op_test *T = *state;

    for (int op = 0; op < 4 && !T->tiny; op++) {
        for (int64_t most = 1; most < 1000; most += 397) {
            columns_ctx c = {.most = most};

            c.m.spec = (madpo_matmul_spec){.op = (madpo_matmul_op)op,
                                           .M = 7,
                                           .N = 45,
                                           .K = 20,
                                           .batch = 2,
                                           .accumulate = op == 1,
                                           .b_dtype = types[1 + op % 2]};
            op_case(T, "matmul %s by columns of %lld", op_names[op], (long long)most);
            fill_spec(&c.m.spec, 1, op == 2);
            c.m.A = op_random(T, 2 * c.m.spec.stride_a, -1, 1);
            c.m.B = op_random_as(T, 2 * 46 * 46, -1, 1, c.m.spec.b_dtype);
            c.m.C = op_output(T, 2 * c.m.spec.stride_c, op == 1);
            op_run(T, run_columns, &c);
            reference(&c.m);
            op_check(T, c.m.C, "C", 3e-6, 2e-6);
        }
    }
}

typedef struct width_ctx {
    const madpo__panel *panel;
    madpo__product product;
    op_array *A, *B, *C;
} width_ctx;

static void run_width(op_test *T, void *ctx)
{
    const width_ctx *c = ctx;

    OP_OK(T, madpo__panel_run(T->dev, c->panel, &c->product, c->C->t, c->A->t, c->B->t, false,
                              &T->err));
}

/* The blocks of every vector width, not only this device's, at sizes around their edges; they all
 * give the same bits. */
static void check_widths(op_test *T, const madpo_matmul_spec *spec, int mode)
{
    static const int widths[] = {4, 8, 16};
    const int64_t M = spec->M, N = spec->N, K = spec->K;
    uint32_t *first = NULL;
    width_ctx c = {.product = madpo__product_of(spec)};

    for (size_t w = 0; w < 3; w++) {
        matmul_ctx r = {.spec = *spec};

        op_case(T, "matmul %s %lldx%lldx%lld %s width %d mode %d", op_names[spec->op], (long long)M,
                (long long)N, (long long)K, madpo_dtype_name(spec->b_dtype), widths[w], mode);
        madpo_rng_init(&T->rng, 7, (uint64_t)(M * 1000 + N)); /* the same numbers for every width */
        c.panel = madpo__panel_by_width(widths[w]);
        c.A = r.A = op_random(T, M * K, -1, 1);
        c.B = r.B = op_random_as(T, N * K, -1, 1, spec->b_dtype);
        c.C = r.C = op_output(T, M * N, spec->accumulate);
        OP_OK(T, madpo_workspace_reserve(T->dev, madpo__panel_workspace(c.panel, &c.product),
                                         &T->err));
        op_run(T, run_width, &c);
        r.spec.lda = c.product.lda;
        r.spec.ldb = c.product.ldb;
        r.spec.ldc = c.product.ldc;
        reference(&r);
        op_check(T, c.C, "C", 1e-6 + 1e-7 * (double)K, 2e-6);
        if (!first) {
            first = malloc((size_t)(M * N) * sizeof *first);
            assert_non_null(first);
            memcpy(first, c.C->got, (size_t)(M * N) * sizeof *first);
        }
        assert_memory_equal(first, c.C->got, (size_t)(M * N) * sizeof *first);
    }
    free(first);
}

static void test_widths(void **state)
{
    static const int64_t sizes[][3] = {{1, 7, 5},    {3, 8, 4},   {4, 9, 17},  {6, 16, 16},
                                       {7, 15, 33},  {8, 31, 20}, {9, 33, 19}, {13, 63, 9},
                                       {15, 32, 35}, {29, 70, 40}};
    op_test *T = *state;

    if (T->tiny)
        return; /* slow checkers need minutes to compile a width that is not theirs; test_panel runs
                   that */
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int op = 0; op < 4; op++) {
            const int mode = (int)(i + (size_t)op) % 3;

            check_widths(T,
                         &(madpo_matmul_spec){.op = (madpo_matmul_op)op,
                                              .M = sizes[i][0],
                                              .N = sizes[i][1],
                                              .K = sizes[i][2],
                                              .alpha = mode == 2 ? 0.5f : 1.0f,
                                              .accumulate = mode == 1,
                                              .b_dtype = types[i % 2]},
                         mode);
        }
    }
}

/* Rows [row, row + m) of A times B into `got`, plainly or with B packed. */
static void some_rows(op_test *T, const matmul_ctx *whole, int64_t row, int64_t m, bool packed,
                      float *got)
{
    const int64_t N = whole->spec.N, K = whole->spec.K;
    madpo_matmul_spec spec = whole->spec;
    const madpo_tensor A = madpo_tensor_slice(whole->A->t, row * K, m * K);
    madpo_tensor C, Bp;

    spec.M = m;
    OP_OK(T, madpo_tensor_new(&C, T->dev, m * N, MADPO_DTYPE_F32, "rows", &T->err));
    OP_OK(T, madpo_tensor_new(&Bp, T->dev, madpo_matmul_packed_elements(T->dev, &spec),
                              spec.b_dtype, "packed", &T->err));
    if (packed) {
        OP_OK(T, madpo_matmul_pack(T->dev, &spec, Bp, whole->B->t, &T->err));
        OP_OK(T, madpo_matmul_packed(T->dev, &spec, C, A, Bp, &T->err));
    } else {
        OP_OK(T, madpo_matmul(T->dev, &spec, C, A, whole->B->t, &T->err));
    }
    OP_OK(T, madpo_tensor_read(T->dev, C, got, m * N, &T->err));
    madpo_buffer_free(C.buffer);
    madpo_buffer_free(Bp.buffer);
}

/* A row has the same bits in every product it is part of: alone, in groups of every size, packed.
 */
static void check_row_bits(op_test *T, madpo_matmul_op op, int64_t K, madpo_dtype type)
{
    static const int64_t counts[] = {1, 2, 3, 4, 7, 8, 13, 14, 15, 29, 60};
    const int64_t M = 61, N = 45;
    matmul_ctx whole = {.provider = MADPO_MATMUL_AUTO};
    float *got = malloc((size_t)(M * N) * sizeof *got);

    assert_non_null(got);
    op_case(T, "matmul row bits %s K=%lld %s", op_names[op], (long long)K, madpo_dtype_name(type));
    whole.spec = (madpo_matmul_spec){.op = op, .M = M, .N = N, .K = K, .b_dtype = type};
    fill_spec(&whole.spec, 0, false);
    whole.A = op_random(T, M * K, -1, 1);
    whole.B = op_random_as(T, N * K, -1, 1, type);
    whole.C = op_output(T, M * N, false);
    reserve(T, &whole.spec);
    op_run(T, run, &whole);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const int64_t m = counts[i], row = (int64_t)(i * 17) % (M - m + 1);

        for (int packed = 0; packed < 2; packed++) {
            some_rows(T, &whole, row, m, packed, got);
            assert_memory_equal(got, whole.C->got + row * N, (size_t)(m * N) * sizeof *got);
        }
    }
    free(got);
}

/* The first n columns have the same bits whatever n, narrow blocks or wide. */
static void check_column_bits(op_test *T, int64_t K, madpo_dtype type)
{
    static const int64_t counts[] = {1, 4, 5, 8, 9, 16, 17, 31, 33};
    const int64_t M = 31, N = 45;
    matmul_ctx whole = {.provider = MADPO_MATMUL_AUTO};
    float *got = malloc((size_t)(M * N) * sizeof *got);

    assert_non_null(got);
    op_case(T, "matmul column bits K=%lld %s", (long long)K, madpo_dtype_name(type));
    whole.spec =
        (madpo_matmul_spec){.op = MADPO_MATMUL_NT, .M = M, .N = N, .K = K, .b_dtype = type};
    fill_spec(&whole.spec, 0, false);
    whole.A = op_random(T, M * K, -1, 1);
    whole.B = op_random_as(T, N * K, -1, 1, type);
    whole.C = op_output(T, M * N, false);
    reserve(T, &whole.spec);
    op_run(T, run, &whole);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const int64_t n = counts[i];

        for (int packed = 0; packed < 2; packed++) {
            matmul_ctx part = whole;

            part.spec.N = n;
            part.spec.ldc = 0;
            some_rows(T, &part, 0, M, packed, got);
            for (int64_t row = 0; row < M; row++)
                assert_memory_equal(got + row * n, whole.C->got + row * N, (size_t)n * sizeof *got);
        }
    }
    free(got);
}

static void test_row_bits(void **state)
{
    op_test *T = *state;

    if (strcmp(madpo_matmul_provider_name(T->dev), "clblast") == 0) {
        print_message("row bits: not promised by CLBlast\n");
        return;
    }
    for (int t = 0; t < (T->tiny ? 1 : 3); t++) {
        check_row_bits(T, MADPO_MATMUL_NT, T->tiny ? 33 : 4500, types[t]);
        check_row_bits(T, MADPO_MATMUL_NN, T->tiny ? 16 : 1024, types[t]); /* staged rows */
        check_column_bits(T, T->tiny ? 16 : 1500, types[t]);
    }
}

typedef struct grad_ctx {
    madpo_ref_matmul_spec spec;
    double *A, *B, *C, *dC;
} grad_ctx;

static double loss(void *ctx)
{
    const grad_ctx *g = ctx;

    madpo_ref_matmul(&g->spec, g->C, g->A, g->B);
    return op_dot(g->C, g->dC, g->spec.M * g->spec.N);
}

/* The twin's gradients, and that they are what the device's products of the other kinds compute:
 * NT forward has dA = dC B (NN) and dB = dC^T A (TN). */
static void test_gradient(void **state)
{
    op_test *T = *state;

    for (int op = 0; op < 4; op++) {
        grad_ctx g = {.spec = {.transpose_a = transposed_a((madpo_matmul_op)op),
                               .transpose_b = transposed_b((madpo_matmul_op)op),
                               .M = 5,
                               .N = 4,
                               .K = 3}};

        op_case(T, "matmul gradient %s", op_names[op]);
        g.A = op_doubles(T, 15, -1, 1);
        g.B = op_doubles(T, 12, -1, 1);
        g.C = op_doubles(T, 20, -1, 1);
        g.dC = op_doubles(T, 20, -1, 1);
        double *dA = op_doubles(T, 15, -1, 1), *dB = op_doubles(T, 12, -1, 1);
        madpo_ref_matmul_bwd(&g.spec, dA, dB, g.A, g.B, g.dC);
        op_check_gradient(T, "dA", g.A, dA, 15, loss, &g, 1e-6);
        op_check_gradient(T, "dB", g.B, dB, 12, loss, &g, 1e-6);
        free(g.A);
        free(g.B);
        free(g.C);
        free(g.dC);
        free(dA);
        free(dB);
    }
}

static void test_refusals(void **state)
{
    op_test *T = *state;
    const madpo_matmul_spec spec = {.op = MADPO_MATMUL_NN, .M = 4, .N = 4, .K = 4};
    const madpo_matmul_spec narrow = {.op = MADPO_MATMUL_NN, .M = 4, .N = 4, .K = 4, .lda = 3};

    op_case(T, "matmul refusals");
    op_array *A = op_random(T, 16, -1, 1), *B = op_random(T, 15, -1, 1),
             *C = op_output(T, 16, false);
    assert_int_equal(madpo_matmul(T->dev, &spec, C->t, A->t, B->t, &T->err), MADPO_ERR_USAGE);
    assert_string_equal(T->err.message,
                        "matrix product 4 x 4 x 4: B has 15 f32 elements, 16 f32 needed");
    madpo_error_clear(&T->err);
    assert_int_equal(madpo_matmul(T->dev, &narrow, C->t, A->t, A->t, &T->err), MADPO_ERR_USAGE);
    madpo_error_clear(&T->err);
    op_array *I = op_ints(T, 16, (const int32_t[16]){0}), *H = op_random_as(T, 16, 0, 1, types[1]);
    assert_int_equal(madpo_matmul(T->dev, &spec, C->t, A->t, I->t, &T->err), MADPO_ERR_USAGE);
    assert_string_equal(T->err.message,
                        "matrix product 4 x 4 x 4: B has 16 i32 elements, 16 f32 needed");
    madpo_error_clear(&T->err);
    /* only B may be narrow */
    assert_int_equal(madpo_matmul(T->dev, &spec, C->t, H->t, A->t, &T->err), MADPO_ERR_USAGE);
    assert_string_equal(T->err.message,
                        "matrix product 4 x 4 x 4: A has 16 bf16 elements, 16 f32 needed");
    madpo_error_clear(&T->err);
    assert_int_equal(madpo_matmul_pack(T->dev, &spec, H->t, A->t, &T->err), MADPO_ERR_USAGE);
    madpo_error_clear(&T->err);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_panel),    cmocka_unit_test(test_clblast),
    cmocka_unit_test(test_packed),   cmocka_unit_test(test_batch),
    cmocka_unit_test(test_aliasing), cmocka_unit_test(test_widths),
    cmocka_unit_test(test_row_bits), cmocka_unit_test(test_gradient),
    cmocka_unit_test(test_refusals), cmocka_unit_test(test_columns),
};

OP_TEST_MAIN(tests)
