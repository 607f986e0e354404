/* Global gradient norm against its twin. */
#include "ops/grad_norm.h"
#include "ref/grad_norm.h"
#include "tests/support/op_test.h"

#include <math.h>

/* The last takes several tiles a block. */
static const int64_t norm_sizes[] = {0, 1, 2, 17, 100, 1023, 4096, 4097, 65537, 5000011};
#define N_SIZES (sizeof norm_sizes / sizeof norm_sizes[0])

typedef struct norm_ctx {
    op_array *out, *g;
    int64_t n;
} norm_ctx;

static void run(op_test *T, void *ctx)
{
    const norm_ctx *c = ctx;

    OP_OK(T, madpo_grad_norm(T->dev, c->out->t, c->g->t, c->n, &T->err));
}

static norm_ctx norm_begin(op_test *T, int64_t n, double scale)
{
    norm_ctx c = {.n = n};

    op_case(T, "grad_norm n=%lld scale=%g", (long long)n, scale);
    OP_OK(T, madpo_workspace_reserve(T->dev, madpo_grad_norm_workspace(T->dev, n), &T->err));
    c.out = op_output(T, 1, false);
    c.g = op_random(T, n, -scale, scale);
    return c;
}

static void test_shapes(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SIZES; i++) {
        if (op_too_large(T, norm_sizes[i]))
            continue;
        norm_ctx c = norm_begin(T, norm_sizes[i], 1);
        op_run(T, run, &c);
        madpo_ref_grad_norm(c.out->d, c.g->d, c.n);
        op_check(T, c.out, "norm", 0, 1e-6);
    }
}

static void test_scales(void **state)
{
    op_test *T = *state;

    for (double scale = 1e-12; scale < 1e15; scale *= 1e4) {
        norm_ctx c = norm_begin(T, 777, scale);
        op_run(T, run, &c);
        madpo_ref_grad_norm(c.out->d, c.g->d, c.n);
        op_check(T, c.out, "norm", 0, 2e-6);
    }
}

/* One bad element anywhere makes the norm non-finite. */
static void test_non_finite(void **state)
{
    op_test *T = *state;
    const float bad[] = {NAN, INFINITY, -INFINITY, 3e38f};
    const int64_t places[] = {0, 5, 776, 4096, 8191};

    for (size_t b = 0; b < sizeof bad / sizeof bad[0]; b++) {
        for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
            const int64_t n = places[k] < 777 ? 777 : 8192;
            if (op_too_large(T, n))
                continue;
            norm_ctx c = norm_begin(T, n, 1);
            c.g->f[places[k]] = bad[b];
            op_run(T, run, &c);
            if (isfinite(op_got(c.out, 0)))
                op_fail(T, "%g at %lld gave the norm %g", (double)bad[b], (long long)places[k],
                        op_got(c.out, 0));
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_shapes),
    cmocka_unit_test(test_scales),
    cmocka_unit_test(test_non_finite),
};
OP_TEST_MAIN(tests)
