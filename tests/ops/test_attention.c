/* Attention over packed, prefix-shared segments against its twin. */
#include "ops/attention.h"
#include "ref/attention.h"
#include "tests/support/op_test.h"

#include <stdlib.h>

/* Groups of (prompt, chosen, rejected) lengths; a group with two zeros is a plain sequence. */
static const int32_t groups[][3] = {{5, 7, 3}, {1, 1, 1}, {20, 0, 0}, {17, 33, 2}, {3, 16, 40}};
#define N_GROUPS 5

typedef struct attention_ctx {
    madpo_attention_dims d;
    bool accumulate;
    op_array *o, *lse, *q, *k, *v, *seg, *tok_seg, *pos, *d_o, *delta, *dq, *dk, *dv;
} attention_ctx;

static void layout(op_test *T, attention_ctx *c, int n_groups)
{
    int32_t seg[3 * N_GROUPS][6] = {{0}}, tok_seg[512], pos[512], t = 0, s = 0;

    for (int g = 0; g < n_groups; g++) {
        const int32_t prompt = t, n_prompt = groups[g][0];

        for (int part = 0; part < 3; part++) {
            const int32_t n = groups[g][part];

            if (n == 0)
                continue;
            seg[s][0] = t;
            seg[s][1] = n;
            seg[s][2] = part ? prompt : 0;
            seg[s][3] = part ? n_prompt : 0;
            seg[s][4] = part ? 0 : prompt + n_prompt;
            seg[s][5] = part ? 0 : groups[g][1] + groups[g][2];
            for (int32_t i = 0; i < n; i++, t++) {
                tok_seg[t] = s;
                pos[t] = (part ? n_prompt : 0) + i;
            }
            s++;
        }
    }
    c->d.T = t;
    c->d.n_seg = s;
    c->seg = op_ints(T, s * 6, &seg[0][0]);
    c->tok_seg = op_ints(T, t, tok_seg);
    c->pos = op_ints(T, t, pos);
}

static void run(op_test *T, void *ctx)
{
    const attention_ctx *c = ctx;
    const madpo_attention_grads g = {c->dq->t,  c->dk->t,     c->dv->t, c->delta->t, c->d_o->t,
                                     c->o->t,   c->lse->t,    c->q->t,  c->k->t,     c->v->t,
                                     c->seg->t, c->tok_seg->t, c->pos->t};

    OP_OK(T, madpo_attention_fwd(T->dev, c->o->t, c->lse->t, c->q->t, c->k->t, c->v->t, c->seg->t,
                                 c->tok_seg->t, c->pos->t, &c->d, &T->err));
    OP_OK(T, madpo_attention_bwd(T->dev, &g, &c->d, c->accumulate, &T->err));
}

static void check(op_test *T, madpo_attention_dims d, int n_groups, bool accumulate)
{
    attention_ctx c = {.d = d, .accumulate = accumulate};

    op_case(T, "attention H=%lld K=%lld D=%lld window=%lld groups=%d accumulate=%d", (long long)d.H,
            (long long)d.K, (long long)d.D, (long long)d.window, n_groups, accumulate);
    layout(T, &c, n_groups);
    const int64_t nq = c.d.T * d.H * d.D, nk = c.d.T * d.K * d.D;
    c.q = op_random(T, nq, -1, 1);
    c.k = op_random(T, nk, -1, 1);
    c.v = op_random(T, nk, -1, 1);
    c.d_o = op_random(T, nq, -1, 1);
    c.o = op_output(T, nq, false);
    c.lse = op_output(T, c.d.T * d.H, false);
    c.delta = op_output(T, c.d.T * d.H, false);
    c.dq = op_output(T, nq, accumulate);
    c.dk = op_output(T, nk, accumulate);
    c.dv = op_output(T, nk, accumulate);
    op_run(T, run, &c);
    const madpo_ref_attention_dims r = {c.d.T, c.d.n_seg, d.H, d.K, d.D, d.window, d.scale};
    const madpo_ref_attention_grads g = {c.dq->d, c.dk->d, c.dv->d, c.delta->d, c.d_o->d,     c.o->d,  c.lse->d,
                                         c.q->d,  c.k->d,  c.v->d,   c.seg->i, c.tok_seg->i, c.pos->i};
    madpo_ref_attention_fwd(c.o->d, c.lse->d, c.q->d, c.k->d, c.v->d, c.seg->i, c.tok_seg->i,
                            c.pos->i, &r);
    madpo_ref_attention_bwd(&g, &r, accumulate);
    op_check(T, c.o, "o", 2e-6, 1e-5);
    op_check(T, c.lse, "lse", 2e-6, 1e-5);
    op_check(T, c.dq, "dq", 1e-5, 1e-4);
    op_check(T, c.dk, "dk", 1e-5, 1e-4);
    op_check(T, c.dv, "dv", 1e-5, 1e-4);
}

static void test_twin(void **state)
{
    static const madpo_attention_dims dims[] = {
        {.H = 1, .K = 1, .D = 5, .scale = 0.4f},  {.H = 4, .K = 2, .D = 32, .scale = 0.2f},
        {.H = 2, .K = 1, .D = 7, .window = 4, .scale = 0.3f}, {.H = 6, .K = 2, .D = 64, .window = 9, .scale = 0.1f},
        {.H = 3, .K = 3, .D = 80, .scale = 0.1f},
    };
    op_test *T = *state;

    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        for (int accumulate = 0; accumulate < 2; accumulate++)
            check(T, dims[i], T->tiny ? 2 : N_GROUPS, accumulate);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_twin),
};

OP_TEST_MAIN(tests)
