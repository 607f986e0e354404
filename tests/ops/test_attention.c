/* Prefix-shared attention against its twin: forward, backward, decoding; what may not see what. */
#include "ops/attention.h"
#include "ref/attention.h"
#include "tests/support/op_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/batch.h"

/* Groups of a batch: {prompt, chosen, rejected} tokens. A plain sequence has no branches; 0, 0, 0
 * ends the list. */
typedef int32_t group[3];
static const group one_token[] = {{1, 0, 0}, {0, 0, 0}};
static const group plain_7[] = {{7, 0, 0}, {0, 0, 0}};
static const group small_pair[] = {{2, 3, 1}, {0, 0, 0}};
static const group two_small[] = {{3, 1, 4}, {5, 0, 0}, {1, 1, 1}, {0, 0, 0}};
static const group three_tiles[] = {{14, 19, 3}, {0, 0, 0}};
static const group one_branch[] = {{18, 21, 0}, {4, 0, 2}, {0, 0, 0}};
static const group long_prompt[] = {{70, 5, 2}, {0, 0, 0}};
static const group many[] = {{20, 60, 60}, {3, 1, 40}, {50, 0, 0}, {1, 1, 1},
                             {33, 17, 2},  {1, 0, 0},  {0, 0, 0}};
static const group plain_150[] = {{150, 0, 0}, {0, 0, 0}};

typedef struct shape {
    const group *groups;
    int64_t H, K, D, window;
} shape;

static const shape shapes[] = {
    {one_token, 1, 1, 5, 0},    {one_token, 2, 1, 5, 0},    {plain_7, 2, 2, 5, 0},
    {plain_7, 1, 1, 5, 3},      {plain_7, 1, 1, 33, 0},     {small_pair, 4, 2, 5, 0},
    {two_small, 2, 1, 5, 0},    {two_small, 2, 1, 5, 1},    {three_tiles, 1, 1, 5, 0},
    {three_tiles, 1, 1, 5, 12}, {plain_7, 40, 8, 1, 0},     {small_pair, 8, 2, 13, 2},
    {two_small, 3, 3, 13, 4},   {one_branch, 4, 2, 13, 0},  {one_branch, 2, 1, 32, 7},
    {long_prompt, 4, 1, 13, 0}, {long_prompt, 4, 1, 32, 9}, {many, 4, 2, 32, 0},
    {many, 4, 4, 64, 0},        {many, 6, 2, 13, 25},       {many, 2, 1, 80, 33},
    {plain_150, 2, 1, 64, 20},  {plain_150, 1, 1, 128, 0},  {plain_150, 8, 2, 7, 1000},
    {small_pair, 1, 1, 520, 0},
};
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

/* A batch with everything the launchers take. */
typedef struct attention_ctx {
    madpo_attention_dims dims;
    madpo_ref_attention_dims ref;
    op_array *o, *lse, *q, *k, *v, *seg, *tok_seg, *pos;
    op_array *d_o, *delta, *dq, *dk, *dv;
    bool accumulate;
} attention_ctx;

typedef struct layout {
    int64_t T, n_seg;
    madpo_segment *seg; /* owned, as the two below */
    int32_t *tok_seg, *pos;
} layout;

static void layout_add(layout *l, int32_t len, int32_t prefix_start, int32_t prefix_len,
                       int32_t branch_len)
{
    const int32_t start = (int32_t)l->T;

    if (len == 0)
        return;
    l->seg[l->n_seg] = (madpo_segment){
        start, len, prefix_start, prefix_len, branch_len ? start + len : 0, branch_len};
    for (int32_t i = 0; i < len; i++) {
        l->tok_seg[start + i] = (int32_t)l->n_seg;
        l->pos[start + i] = prefix_len + i;
    }
    l->T += len;
    l->n_seg++;
}

static layout layout_new(const group *groups)
{
    layout l = {0};
    int64_t n = 0, T = 0;

    for (; groups[n][0]; n++)
        T += groups[n][0] + groups[n][1] + groups[n][2];
    l.seg = calloc((size_t)(3 * n + 1), sizeof *l.seg);
    l.tok_seg = calloc((size_t)T + 1, sizeof *l.tok_seg);
    l.pos = calloc((size_t)T + 1, sizeof *l.pos);
    assert_true(l.seg && l.tok_seg && l.pos);
    for (int64_t i = 0; i < n; i++) {
        const int32_t *g = groups[i], start = (int32_t)l.T;
        layout_add(&l, g[0], 0, 0, g[1] + g[2]);
        layout_add(&l, g[1], start, g[0], 0);
        layout_add(&l, g[2], start, g[0], 0);
    }
    return l;
}

static void layout_dispose(layout *l)
{
    free(l->seg);
    free(l->tok_seg);
    free(l->pos);
}

/* Batch, q, k, v and the forward's outputs; `range` bounds q, k and v. */
static attention_ctx ctx_new(op_test *T, const shape *s, double range)
{
    layout l = layout_new(s->groups);
    const float scale = 1 / sqrtf((float)s->D);
    attention_ctx c = {.dims = {l.T, l.n_seg, s->H, s->K, s->D, s->window, scale},
                       .ref = {l.T, l.n_seg, s->H, s->K, s->D, s->window, scale}};

    c.seg = op_ints(T, l.n_seg * 6, (const int32_t *)l.seg);
    c.tok_seg = op_ints(T, l.T, l.tok_seg);
    c.pos = op_ints(T, l.T, l.pos);
    c.q = op_random(T, l.T * s->H * s->D, -range, range);
    c.k = op_random(T, l.T * s->K * s->D, -range, range);
    c.v = op_random(T, l.T * s->K * s->D, -1, 1);
    c.o = op_output(T, l.T * s->H * s->D, false);
    c.lse = op_output(T, l.T * s->H, false);
    layout_dispose(&l);
    return c;
}

static int64_t work_of(const shape *s)
{
    int64_t T = 0;

    for (const group *g = s->groups; (*g)[0]; g++)
        T += (*g)[0] + (*g)[1] + (*g)[2];
    return T * s->H * (s->D < 32 ? 32 : s->D); /* narrow heads are padded */
}

static void name_case(op_test *T, const char *what, const shape *s)
{
    op_case(T, "attention %s groups=(%d,%d,%d).. H=%d K=%d D=%d window=%d", what, s->groups[0][0],
            s->groups[0][1], s->groups[0][2], (int)s->H, (int)s->K, (int)s->D, (int)s->window);
}

static void run_fwd(op_test *T, void *ctx)
{
    const attention_ctx *c = ctx;

    OP_OK(T, madpo_attention_fwd(T->dev, c->o->t, c->lse->t, c->q->t, c->k->t, c->v->t, c->seg->t,
                                 c->tok_seg->t, c->pos->t, &c->dims, &T->err));
}

static void run_bwd(op_test *T, void *ctx)
{
    const attention_ctx *c = ctx;
    const madpo_attention_grads t = {c->dq->t,  c->dk->t,      c->dv->t, c->delta->t, c->d_o->t,
                                     c->o->t,   c->lse->t,     c->q->t,  c->k->t,     c->v->t,
                                     c->seg->t, c->tok_seg->t, c->pos->t};

    OP_OK(T, madpo_attention_bwd(T->dev, &t, &c->dims, c->accumulate, &T->err));
}

static void ref_fwd(const attention_ctx *c)
{
    madpo_ref_attention_fwd(c->o->d, c->lse->d, c->q->d, c->k->d, c->v->d, c->seg->i, c->tok_seg->i,
                            c->pos->i, &c->ref);
}

static void ref_bwd(const attention_ctx *c)
{
    const madpo_ref_attention_grads t = {c->dq->d,  c->dk->d,      c->dv->d, c->delta->d, c->d_o->d,
                                         c->o->d,   c->lse->d,     c->q->d,  c->k->d,     c->v->d,
                                         c->seg->i, c->tok_seg->i, c->pos->i};

    madpo_ref_attention_bwd(&t, &c->ref, c->accumulate);
}

/* The twin's forward, rounded, is the backward's input. */
static void ctx_add_bwd(op_test *T, attention_ctx *c, bool accumulate)
{
    const madpo_attention_dims *d = &c->dims;

    ref_fwd(c);
    for (int64_t i = 0; i < c->o->n; i++)
        c->o->d[i] = c->o->f[i] = (float)c->o->d[i];
    for (int64_t i = 0; i < c->lse->n; i++)
        c->lse->d[i] = c->lse->f[i] = (float)c->lse->d[i];
    c->o->written = c->lse->written = false;
    c->accumulate = accumulate;
    c->d_o = op_random(T, d->T * d->H * d->D, -1, 1);
    c->delta = op_output(T, d->T * d->H, false);
    c->dq = op_output(T, d->T * d->H * d->D, accumulate);
    c->dk = op_output(T, d->T * d->K * d->D, accumulate);
    c->dv = op_output(T, d->T * d->K * d->D, accumulate);
}

static void test_fwd(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        if (op_too_large(T, work_of(&shapes[i])))
            continue;
        name_case(T, "fwd", &shapes[i]);
        attention_ctx c = ctx_new(T, &shapes[i], 2);
        op_run(T, run_fwd, &c);
        ref_fwd(&c);
        op_check(T, c.o, "o", 3e-6, 3e-6);
        op_check(T, c.lse, "lse", 3e-6, 3e-6);
    }
}

static void test_bwd(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < 2 * N_SHAPES; i++) {
        const shape *s = &shapes[i / 2];
        if (op_too_large(T, work_of(s)))
            continue;
        name_case(T, i % 2 ? "bwd accumulate" : "bwd", s);
        attention_ctx c = ctx_new(T, s, 1);
        ctx_add_bwd(T, &c, i % 2);
        op_run(T, run_bwd, &c);
        ref_bwd(&c);
        op_check(T, c.delta, "delta", 4e-6, 1e-6);
        op_check(T, c.dq, "dq", 4e-6, 4e-6);
        op_check(T, c.dk, "dk", 8e-6, 8e-6);
        op_check(T, c.dv, "dv", 8e-6, 8e-6);
    }
}

/* ---- the twin's gradient ---- */

static double linear_loss(void *ctx)
{
    const attention_ctx *c = ctx;

    ref_fwd(c);
    return op_dot(c->o->d, c->d_o->d, c->o->n);
}

static void test_gradient(void **state)
{
    static const shape some[] = {{small_pair, 4, 2, 5, 0},
                                 {two_small, 2, 1, 3, 0},
                                 {two_small, 2, 2, 4, 2},
                                 {one_branch, 2, 1, 3, 7}};
    op_test *T = *state;

    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        name_case(T, "gradient of the twin", &some[i]);
        attention_ctx c = ctx_new(T, &some[i], 1);
        ctx_add_bwd(T, &c, false);
        ref_fwd(&c); /* unrounded: differences are taken of these */
        ref_bwd(&c);
        op_check_gradient(T, "q", c.q->d, c.dq->d, c.q->n, linear_loss, &c, 1e-6);
        op_check_gradient(T, "k", c.k->d, c.dk->d, c.k->n, linear_loss, &c, 1e-6);
        op_check_gradient(T, "v", c.v->d, c.dv->d, c.v->n, linear_loss, &c, 1e-6);
    }
}

/* ---- a pair computed with a shared prompt is two plain sequences ---- */

static const group shared[] = {{21, 34, 19}, {0, 0, 0}};
static const group apart[] = {{55, 0, 0}, {40, 0, 0}, {0, 0, 0}};

/* Token of `apart` that is token t of `shared`: prompt tokens have two (copy 0 and 1). */
static int64_t apart_token(int64_t t, int copy)
{
    if (t < 21)
        return copy ? 55 + t : t;
    return t < 55 ? t : 55 + 21 + (t - 55);
}

static void copy_tokens(op_array *to, const op_array *from, int64_t width)
{
    for (int64_t t = 0; t < from->n / width; t++)
        for (int copy = 0; copy < 2; copy++)
            for (int64_t i = 0; i < width; i++) {
                const int64_t at = apart_token(t, copy) * width + i;
                to->d[at] = to->f[at] = from->f[t * width + i];
            }
}

static void compare_forward(op_test *T, const attention_ctx *a, const attention_ctx *b)
{
    const int64_t width = a->dims.H * a->dims.D;

    for (int64_t i = 0; i < a->o->n; i++)
        for (int copy = 0; copy < 2; copy++) {
            const int64_t at = apart_token(i / width, copy) * width + i % width;
            if (a->o->got[i] != b->o->got[at])
                op_fail(T, "o[%lld]: shared %.9g, apart %.9g", (long long)i, op_got(a->o, i),
                        op_got(b->o, at));
        }
}

/* Shared keys collect what both copies get. */
static void compare_keys(op_test *T, const char *what, const op_array *a, const op_array *b,
                         int64_t width)
{
    for (int64_t i = 0; i < a->n; i++) {
        const int64_t t = i / width;
        const double first = op_got(b, apart_token(t, 0) * width + i % width);
        const double second = t < 21 ? op_got(b, apart_token(t, 1) * width + i % width) : 0;
        op_check_value(T, what, op_got(a, i), first + second, 4e-6, 4e-6);
    }
}

static void check_sharing(op_test *T, const shape *a_shape, const shape *b_shape)
{
    const int64_t H = a_shape->H, K = a_shape->K, D = a_shape->D;

    name_case(T, "shared prefix", a_shape);
    attention_ctx a = ctx_new(T, a_shape, 1), b = ctx_new(T, b_shape, 1);
    copy_tokens(b.q, a.q, H * D);
    copy_tokens(b.k, a.k, K * D);
    copy_tokens(b.v, a.v, K * D);
    op_run(T, run_fwd, &a);
    uint32_t *o = malloc((size_t)a.o->n * sizeof *o);
    assert_non_null(o);
    memcpy(o, a.o->got, (size_t)a.o->n * sizeof *o);
    op_run(T, run_fwd, &b); /* brings back the initial content of a.o */
    memcpy(a.o->got, o, (size_t)a.o->n * sizeof *o);
    free(o);
    compare_forward(T, &a, &b);

    ctx_add_bwd(T, &a, false);
    ctx_add_bwd(T, &b, false);
    copy_tokens(b.d_o, a.d_o, H * D);
    /* the second copy of the prompt gets no gradient of its own: it is the same token */
    for (int64_t i = 0; i < 21 * H * D; i++)
        b.d_o->d[55 * H * D + i] = b.d_o->f[55 * H * D + i] = 0;
    op_run(T, run_bwd, &a);
    float *got = malloc((size_t)(a.dk->n + a.dv->n) * sizeof *got);
    assert_non_null(got);
    memcpy(got, a.dk->got, (size_t)a.dk->n * sizeof *got);
    memcpy(got + a.dk->n, a.dv->got, (size_t)a.dv->n * sizeof *got);
    op_run(T, run_bwd, &b);
    memcpy(a.dk->got, got, (size_t)a.dk->n * sizeof *got);
    memcpy(a.dv->got, got + a.dk->n, (size_t)a.dv->n * sizeof *got);
    free(got);
    compare_keys(T, "dk", a.dk, b.dk, K * D);
    compare_keys(T, "dv", a.dv, b.dv, K * D);
}

static void test_sharing(void **state)
{
    op_test *T = *state;

    for (int64_t window = 0; window <= 30; window += 15) {
        const shape a = {shared, 4, 2, 13, window}, b = {apart, 4, 2, 13, window};
        if (!op_too_large(T, work_of(&a)))
            check_sharing(T, &a, &b);
    }
    const shape a = {shared, 1, 1, 5, 0}, b = {apart, 1, 1, 5, 0};
    if (!op_too_large(T, work_of(&a)))
        check_sharing(T, &a, &b);
}

/* ---- nothing leaks ---- */

/* Change q, k and v of tokens [from, to) and demand that o and lse outside keep their bits. */
static void check_leak(op_test *T, const shape *s, int64_t from, int64_t to)
{
    name_case(T, "leak", s);
    attention_ctx c = ctx_new(T, s, 1);
    op_array *all[] = {c.q, c.k, c.v};
    op_run(T, run_fwd, &c);
    uint32_t *before = malloc((size_t)c.o->n * sizeof *before);
    assert_non_null(before);
    memcpy(before, c.o->got, (size_t)c.o->n * sizeof *before);
    for (int a = 0; a < 3; a++) {
        const int64_t width = all[a]->n / c.dims.T;
        for (int64_t i = from * width; i < to * width; i++)
            all[a]->f[i] = 3 - all[a]->f[i];
    }
    op_run(T, run_fwd, &c);
    const int64_t width = s->H * s->D;
    int64_t changed = 0;
    for (int64_t i = 0; i < c.o->n; i++) {
        const bool inside = i >= from * width && i < to * width;
        changed += c.o->got[i] != before[i];
        if (!inside && c.o->got[i] != before[i])
            op_fail(T, "token %lld saw tokens %lld..%lld", (long long)(i / width), (long long)from,
                    (long long)to - 1);
    }
    free(before);
    assert_true(changed > 0);
}

static void test_leak(void **state)
{
    static const group pair[] = {{5, 7, 6}, {4, 0, 0}, {0, 0, 0}};
    const shape s = {pair, 1, 1, 5, 0}, windowed = {pair, 1, 1, 5, 3};
    op_test *T = *state;

    check_leak(T, &s, 12, 18); /* rejected: not seen by prompt, chosen, the next sequence */
    check_leak(T, &s, 5, 12);  /* chosen: not by rejected */
    check_leak(T, &s, 21, 22); /* the last token: by nobody else */
    check_leak(T, &windowed, 12, 18);
}

/* ---- extremes ---- */

static void test_extremes(void **state)
{
    const shape s = {two_small, 2, 1, 5, 0};
    op_test *T = *state;

    name_case(T, "scores of 1e4 stay finite", &s);
    attention_ctx c = ctx_new(T, &s, 100);
    op_run(T, run_fwd, &c);
    ref_fwd(&c);
    op_check(T, c.o, "o", 2e-2, 0); /* a score's rounding is 1e-3 and moves p by as much */
    op_check(T, c.lse, "lse", 1e-2, 1e-6);

    name_case(T, "NaN shows", &s);
    c = ctx_new(T, &s, 1);
    c.q->f[0] = NAN; /* token 0, head 0 */
    op_run(T, run_fwd, &c);
    for (int64_t i = 0; i < c.o->n; i++)
        if (isnan(op_got(c.o, i)) != (i < s.D))
            op_fail(T, "o[%lld] is %g", (long long)i, op_got(c.o, i));
}

static void test_nothing(void **state)
{
    op_test *T = *state;
    static const group none[] = {{0, 0, 0}};
    const shape s = {none, 2, 1, 5, 0};

    name_case(T, "no tokens", &s);
    attention_ctx c = ctx_new(T, &s, 1);
    op_run(T, run_fwd, &c);
    ctx_add_bwd(T, &c, false);
    op_run(T, run_bwd, &c);

    madpo_attention_dims bad = c.dims;
    bad.H = 3;
    bad.K = 2;
    assert_int_equal(madpo_attention_fwd(T->dev, c.o->t, c.lse->t, c.q->t, c.k->t, c.v->t, c.seg->t,
                                         c.tok_seg->t, c.pos->t, &bad, &T->err),
                     MADPO_ERR_USAGE);
}

/* ---- decoding ---- */

typedef struct decode_ctx {
    madpo_attention_dims dims;
    op_array *o, *q, *k_cache, *v_cache, *slot, *len;
    int64_t P;
} decode_ctx;

static void run_decode(op_test *T, void *ctx)
{
    const decode_ctx *c = ctx;

    OP_OK(T, madpo_attention_decode(T->dev, c->o->t, c->q->t, c->k_cache->t, c->v_cache->t,
                                    c->slot->t, c->len->t, c->P, &c->dims, &T->err));
}

static void check_decode(op_test *T, int64_t P, int64_t H, int64_t K, int64_t D, int64_t window)
{
    static const int32_t slots[] = {3, 0, 4};
    const int32_t lens[] = {(int32_t)P, 1, (int32_t)(P / 2 + 1)};
    const double scale = (float)0.25;
    const madpo_ref_attention_dims ref = {3, 0, H, K, D, window, scale};
    decode_ctx c = {.dims = {3, 0, H, K, D, window, (float)scale}, .P = P};

    op_case(T, "attention decode P=%d H=%d K=%d D=%d window=%d", (int)P, (int)H, (int)K, (int)D,
            (int)window);
    c.slot = op_ints(T, 3, slots);
    c.len = op_ints(T, 3, lens);
    c.q = op_random(T, 3 * H * D, -2, 2);
    c.k_cache = op_random(T, 5 * P * K * D, -2, 2);
    c.v_cache = op_random(T, 5 * P * K * D, -1, 1);
    c.o = op_output(T, 3 * H * D, false);
    op_run(T, run_decode, &c);
    madpo_ref_attention_decode(c.o->d, c.q->d, c.k_cache->d, c.v_cache->d, c.slot->i, c.len->i, P,
                               &ref);
    op_check(T, c.o, "o", 4e-6, 4e-6);
}

static void test_decode(void **state)
{
    static const int64_t cases[][5] = {{1, 1, 1, 5, 0},    {3, 2, 1, 5, 0},    {5, 2, 2, 5, 2},
                                       {17, 1, 1, 5, 0},   {17, 4, 2, 13, 0},  {40, 4, 2, 32, 0},
                                       {100, 4, 1, 64, 0}, {100, 2, 1, 80, 9}, {130, 2, 2, 128, 70},
                                       {9, 1, 1, 520, 0}};
    op_test *T = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (!op_too_large(T, cases[i][0] * cases[i][1] * 32))
            check_decode(T, cases[i][0], cases[i][1], cases[i][2], cases[i][3], cases[i][4]);
}

/* The newest token of a sequence gets the same from the cache as from the whole. */
static void test_decode_is_last_row(void **state)
{
    static const group sequence[] = {{19, 0, 0}, {0, 0, 0}};
    op_test *T = *state;

    for (int64_t window = 0; window <= 6; window += 6) {
        const shape s = {sequence, 2, 1, 5, window};
        const int32_t slot = 0, len = 19;
        name_case(T, "decode is the last row", &s);
        attention_ctx c = ctx_new(T, &s, 2);
        const int64_t row = s.H * s.D, last = 18 * row;
        decode_ctx d = {.dims = c.dims, .P = len};
        d.dims.T = 1;
        d.k_cache = c.k;
        d.v_cache = c.v;
        d.slot = op_ints(T, 1, &slot);
        d.len = op_ints(T, 1, &len);
        d.q = op_values(T, row, c.q->f + last);
        d.o = op_output(T, row, false);
        op_run(T, run_fwd, &c);
        for (int64_t i = 0; i < row; i++)
            d.o->d[i] = op_got(c.o, last + i);
        op_run(T, run_decode, &d);
        op_check(T, d.o, "o", 3e-6, 3e-6);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_fwd),
    cmocka_unit_test(test_bwd),
    cmocka_unit_test(test_gradient),
    cmocka_unit_test(test_sharing),
    cmocka_unit_test(test_leak),
    cmocka_unit_test(test_extremes),
    cmocka_unit_test(test_nothing),
    cmocka_unit_test(test_decode),
    cmocka_unit_test(test_decode_is_last_row),
};

OP_TEST_MAIN(tests)
