/* AdamW against its twin and against numbers worked out by hand. */
#include "ops/adamw.h"
#include "ref/adamw.h"
#include "tests/support/op_test.h"

#include <math.h>

static const int64_t adamw_sizes[] = {0, 1, 7, 16, 33, 1000, 4097, 50021};
#define N_SIZES (sizeof adamw_sizes / sizeof adamw_sizes[0])

typedef struct adamw_ctx {
    op_array *p, *g, *m, *v;
    int64_t n;
    madpo_adamw_options o;
} adamw_ctx;

static madpo_ref_adamw_options in_double(const madpo_adamw_options *o)
{
    return (madpo_ref_adamw_options){.lr = o->lr,
                                     .beta1 = o->beta1,
                                     .beta2 = o->beta2,
                                     .eps = o->eps,
                                     .weight_decay = o->weight_decay,
                                     .grad_scale = o->grad_scale,
                                     .t = o->t};
}

static void run(op_test *T, void *ctx)
{
    const adamw_ctx *c = ctx;

    OP_OK(T, madpo_adamw_step(T->dev, c->p->t, c->g->t, c->m->t, c->v->t, c->n, &c->o, &T->err));
}

static void check_step(op_test *T, int64_t n, const madpo_adamw_options *o)
{
    adamw_ctx c = {.n = n, .o = *o};
    const madpo_ref_adamw_options d = in_double(o);

    op_case(T, "adamw n=%lld t=%lld", (long long)n, (long long)o->t);
    c.p = op_in_place(op_random(T, n, -1, 1));
    c.g = op_random(T, n, -1, 1);
    c.m = op_in_place(op_random(T, n, -0.1, 0.1));
    c.v = op_in_place(op_random(T, n, 0, 0.1));
    op_run(T, run, &c);
    madpo_ref_adamw_step(c.p->d, c.g->d, c.m->d, c.v->d, n, &d);
    op_check(T, c.m, "m", 1e-8, 1e-6);
    op_check(T, c.v, "v", 1e-9, 1e-6);
    op_check(T, c.p, "p", 1e-7, 1e-6);
}

static void test_shapes(void **state)
{
    op_test *T = *state;
    const madpo_adamw_options first = {1e-3f, 0.9f, 0.999f, 1e-8f, 0.1f, 1, 1};
    const madpo_adamw_options later = {5e-2f, 0.8f, 0.95f, 1e-6f, 0, 0.25f, 1234};

    for (size_t i = 0; i < N_SIZES; i++) {
        if (op_too_large(T, adamw_sizes[i]))
            continue;
        check_step(T, adamw_sizes[i], &first);
        check_step(T, adamw_sizes[i], &later);
    }
}

/* Three steps of one parameter: p0 = 1, gradients 0.5, -0.25, 2 scaled by 0.5, lr 0.1, betas 0.9
 * and 0.99, eps 1e-3, decay 0.2; worked out with the formulas of adamw.h in 50-digit arithmetic. */
static const double by_hand[3][3] = {
    /* p, m, v */
    {0.88039840637450195, 0.025000000000000001, 0.00062500000000000001},
    {0.83625495828897112, 0.01, 0.00077499999999999997},
    {0.75283848891121663, 0.109, 0.010767250000000001},
};

static void test_by_hand(void **state)
{
    op_test *T = *state;
    const double gradients[3] = {0.5, -0.25, 2};
    madpo_ref_adamw_options o = {.lr = 0.1,
                                 .beta1 = 0.9,
                                 .beta2 = 0.99,
                                 .eps = 1e-3,
                                 .weight_decay = 0.2,
                                 .grad_scale = 0.5};
    double p = 1, m = 0, v = 0;

    op_case(T, "adamw by hand");
    for (int k = 0; k < 3; k++) {
        o.t = k + 1;
        madpo_ref_adamw_step(&p, &gradients[k], &m, &v, 1, &o);
        op_check_value(T, "p", p, by_hand[k][0], 0, 1e-13);
        op_check_value(T, "m", m, by_hand[k][1], 0, 1e-13);
        op_check_value(T, "v", v, by_hand[k][2], 0, 1e-13);
    }
}

/* Many steps on the device, state kept there, against the twin: no drift. */
static void run_many(op_test *T, void *ctx)
{
    adamw_ctx *c = ctx;

    for (int64_t t = 1; t <= 40; t++) {
        c->o.t = t;
        c->o.lr = 1e-2f / (float)t;
        run(T, c);
    }
}

static void test_many_steps(void **state)
{
    op_test *T = *state;
    adamw_ctx c = {.n = 131, .o = {1e-2f, 0.9f, 0.999f, 1e-8f, 0.01f, 0.5f, 1}};

    op_case(T, "adamw, 40 steps");
    c.p = op_in_place(op_random(T, c.n, -1, 1));
    c.g = op_random(T, c.n, -1, 1);
    c.m = op_in_place(op_random(T, c.n, 0, 0));
    c.v = op_in_place(op_random(T, c.n, 0, 0));
    op_run(T, run_many, &c);
    for (int64_t t = 1; t <= 40; t++) {
        c.o.t = t;
        c.o.lr = 1e-2f / (float)t;
        const madpo_ref_adamw_options d = in_double(&c.o);
        madpo_ref_adamw_step(c.p->d, c.g->d, c.m->d, c.v->d, c.n, &d);
    }
    op_check(T, c.p, "p", 2e-6, 1e-6);
    op_check(T, c.m, "m", 1e-8, 1e-5);
    op_check(T, c.v, "v", 1e-9, 1e-5);
}

/* Zero gradients: only the decay acts; a NaN gradient spoils its own parameter alone. */
static void test_special(void **state)
{
    op_test *T = *state;
    const float p[] = {1, -2, 3}, g[] = {0, NAN, 0}, zero[] = {0, 0, 0};
    adamw_ctx c = {.n = 3, .o = {0.5f, 0.9f, 0.999f, 1e-8f, 0.25f, 1, 1}};

    op_case(T, "adamw special gradients");
    c.p = op_in_place(op_values(T, 3, p));
    c.g = op_values(T, 3, g);
    c.m = op_in_place(op_values(T, 3, zero));
    c.v = op_in_place(op_values(T, 3, zero));
    op_run(T, run, &c);
    op_check_value(T, "p[0]", op_got(c.p, 0), 0.875, 0, 0);
    op_check_value(T, "p[2]", op_got(c.p, 2), 2.625, 0, 0);
    if (!isnan(op_got(c.p, 1)))
        op_fail(T, "a NaN gradient gave %g", op_got(c.p, 1));
    c.o.t = 0;
    assert_int_equal(madpo_adamw_step(T->dev, c.p->t, c.g->t, c.m->t, c.v->t, c.n, &c.o, &T->err),
                     MADPO_ERR_USAGE);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_shapes),
    cmocka_unit_test(test_by_hand),
    cmocka_unit_test(test_many_steps),
    cmocka_unit_test(test_special),
};
OP_TEST_MAIN(tests)
