/* The tile provider: every tile gives the bits of the panel provider, at sizes around its own, for
 * rows that can be read four at a time and for others; K in parts gives the twin's numbers and the
 * same bits again. */
#include "ops/matmul.h"
#include "ops/matmul_inside.h"
#include "ref/matmul.h"
#include "tests/support/op_test.h"

#include <stdlib.h>
#include <string.h>

enum { N_TILES = 4 };

static const char *const op_names[] = {"NN", "NT", "TN", "TT"};

typedef struct tile_ctx {
    const madpo__tile *tile; /* NULL: the panel provider */
    madpo__product p;
    op_array *A, *B, *C;
} tile_ctx;

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void run(op_test *T, void *ctx)
{
    tile_ctx *c = ctx;

    if (c->tile)
        OP_OK(T, madpo__tile_run(T->dev, c->tile, &c->p, c->C->t, c->A->t, c->B->t, &T->err));
    else
        OP_OK(T, madpo__panel_run(T->dev, madpo__panel_of(T->dev), &c->p, c->C->t, c->A->t, c->B->t,
                                  false, &T->err));
}

/* Leading dimensions `pad` beyond dense. */
static madpo__product product(madpo_matmul_op op, const int64_t d[3], int64_t pad, int64_t batch,
                              madpo_dtype type)
{
    madpo_matmul_spec s = {
        .op = op, .M = d[0], .N = d[1], .K = d[2], .batch = batch, .b_dtype = type};
    madpo__product p = madpo__product_of(&s);

    p.lda += pad;
    p.ldb += pad;
    p.stride_a = (p.ta ? p.K : p.M) * p.lda;
    p.stride_b = (p.tb ? p.N : p.K) * p.ldb;
    p.stride_c = p.M * p.N;
    return p;
}

static void fill(op_test *T, tile_ctx *c)
{
    const madpo__product *p = &c->p;

    c->A = op_random(T, p->batch * p->stride_a, -1, 1);
    c->B = op_random_as(T, p->batch * p->stride_b, -1, 1, p->b_dtype);
    c->C = op_output(T, p->batch * p->stride_c, p->accumulate);
    OP_OK(T, madpo_workspace_reserve(T->dev,
                                     max64(madpo__tile_workspace(T->dev, p),
                                           madpo__panel_workspace(madpo__panel_of(T->dev), p)),
                                     &T->err));
}

static void check_twin(op_test *T, const tile_ctx *c)
{
    const madpo__product *p = &c->p;
    const madpo_ref_matmul_spec r = {p->ta,  p->tb,  p->M,   p->N,     p->K,
                                     p->lda, p->ldb, p->ldc, p->alpha, p->accumulate};

    for (int64_t i = 0; i < p->batch; i++)
        madpo_ref_matmul(&r, c->C->d + i * p->stride_c, c->A->d + i * p->stride_a,
                         c->B->d + i * p->stride_b);
    op_check(T, c->C, "C", 1e-6 + 1e-7 * (double)p->K, 2e-6);
}

/* Against the panel provider, to the bit. */
static void check_bits(op_test *T, tile_ctx *c, const madpo__tile *tile)
{
    const size_t bytes = (size_t)(c->p.batch * c->p.stride_c) * sizeof(float);
    float *want = malloc(bytes);
    op_array *before;

    assert_non_null(want);
    fill(T, c);
    before = c->C;
    c->tile = NULL;
    op_run(T, run, c);
    memcpy(want, c->C->got, bytes);
    c->tile = tile;
    c->C = c->p.accumulate ? op_in_place(op_values(T, before->n, before->f))
                           : op_output(T, before->n, false);
    op_run(T, run, c);
    assert_memory_equal(want, c->C->got, bytes);
    free(want);
}

static void check_tile(op_test *T, int index, madpo_matmul_op op, int64_t pad, madpo_dtype type)
{
    const madpo__tile *t = madpo__tile_by_index(index);
    const int64_t sizes[][3] = {{1, 1, 1},
                                {3, t->tn, 5},
                                {t->tm, 6, t->tk},
                                {t->tm + 4, t->tn + 12, 2 * t->tk + 4},
                                {2 * t->tm, t->tn + 1, 3 * t->tk + 3}};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tile_ctx c = {.p = product(op, sizes[i], pad, 1 + (int64_t)i % 2, type)};

        if (op_too_large(T, sizes[i][0] * sizes[i][1] * sizes[i][2] / 8))
            continue;
        c.p.accumulate = i % 2;
        c.p.alpha = i % 3 == 2 ? 0.5f : 1.0f;
        op_case(T, "tile %dx%d %s %lldx%lldx%lld pad %lld %s", t->tm, t->tn, op_names[op],
                (long long)sizes[i][0], (long long)sizes[i][1], (long long)sizes[i][2],
                (long long)pad, madpo_dtype_name(type));
        check_bits(T, &c, t);
    }
}

static bool no_room(op_test *T)
{
    if (madpo__tile_fits(T->dev))
        return false;
    print_message("this device has no room for the tiles\n");
    return true;
}

static void test_bits(void **state)
{
    op_test *T = *state;
    const int last = N_TILES - 1;

    assert_null(madpo__tile_by_index(last + 1));
    if (no_room(T))
        return;
    for (int pad = 0; pad < 2; pad++) {
        for (int op = 0; op < 4; op++)
            check_tile(T, last, (madpo_matmul_op)op, pad, MADPO_DTYPE_F32);
        check_tile(T, last, MADPO_MATMUL_NT, pad, MADPO_DTYPE_BF16);
        check_tile(T, last, MADPO_MATMUL_NN, pad, MADPO_DTYPE_F16);
        check_tile(T, 0, MADPO_MATMUL_NT, pad, MADPO_DTYPE_F32);
        check_tile(T, 1, pad ? MADPO_MATMUL_NN : MADPO_MATMUL_TN, pad, MADPO_DTYPE_F32);
        check_tile(T, 2, pad ? MADPO_MATMUL_TT : MADPO_MATMUL_NT, pad, MADPO_DTYPE_F32);
    }
}

/* Few tiles and a long K: summed in parts, whose sum is the twin's, and the same every time. */
static void test_parts(void **state)
{
    static const int64_t sizes[][3] = {{5, 9, 600}, {40, 33, 2050}, {16, 70, 5000}};
    op_test *T = *state;

    if (no_room(T))
        return;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tile_ctx c = {
            .tile = madpo__tile_by_index(N_TILES - 1),
            .p = product(MADPO_MATMUL_TN, sizes[i], 0, 1 + (int64_t)i % 2, MADPO_DTYPE_F32)};

        if (op_too_large(T, sizes[i][0] * sizes[i][1] * sizes[i][2] / 8))
            continue;
        c.p.accumulate = i == 1;
        c.p.alpha = i == 2 ? -0.5f : 1.0f;
        op_case(T, "parts of %lldx%lldx%lld", (long long)sizes[i][0], (long long)sizes[i][1],
                (long long)sizes[i][2]);
        fill(T, &c);
        op_run(T, run, &c);
        check_twin(T, &c);
    }
}

/* Smaller sizes never need more than what was said for larger ones. */
static void test_workspace(void **state)
{
    op_test *T = *state;
    const int64_t most[3] = {300, 200, 3000};
    const madpo__product all = product(MADPO_MATMUL_TN, most, 0, 1, MADPO_DTYPE_F32);

    op_case(T, "workspace of parts");
    if (no_room(T))
        return;
    for (int64_t m = 1; m <= 300; m += 23)
        for (int64_t n = 1; n <= 200; n += 19)
            for (int64_t k = 100; k <= 3000; k += 290) {
                const madpo__product p =
                    product(MADPO_MATMUL_TN, (const int64_t[]){m, n, k}, 0, 1, MADPO_DTYPE_F32);

                assert_true(madpo__tile_parts_floats(T->dev, &p) <=
                            madpo__tile_workspace(T->dev, &all));
            }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_bits),
    cmocka_unit_test(test_parts),
    cmocka_unit_test(test_workspace),
};

OP_TEST_MAIN(tests)
