/* Key/value cache stores against their twin. */
#include "ops/kv_cache.h"
#include "ref/kv_cache.h"
#include "tests/support/op_test.h"

#include <stdlib.h>

typedef struct kv_shape {
    int64_t n, tokens, slots, P, C;
} kv_shape;

static const kv_shape kv_shapes[] = {
    {0, 1, 2, 3, 4},    {1, 1, 1, 1, 1},      {5, 2, 3, 4, 7},        {6, 6, 3, 5, 16},
    {29, 11, 5, 7, 33}, {64, 64, 64, 3, 128}, {500, 37, 8, 100, 256},
};
#define N_SHAPES (sizeof kv_shapes / sizeof kv_shapes[0])

typedef struct kv_ctx {
    kv_shape s;
    op_array *cache, *x, *token, *slot, *pos;
} kv_ctx;

static void run(op_test *T, void *ctx)
{
    const kv_ctx *c = ctx;

    OP_OK(T, madpo_kv_cache_store(T->dev, c->cache->t, c->x->t, c->token->t, c->slot->t, c->pos->t,
                                  c->s.n, c->s.P, c->s.C, &T->err));
}

/* Distinct places of the cache in random order, each fed from a random token (tokens repeat: one
 * prompt goes into several slots). */
static void kv_places(op_test *T, kv_ctx *c)
{
    const int64_t places = c->s.slots * c->s.P;
    int64_t *order = calloc((size_t)places, sizeof *order);
    int32_t *list = calloc((size_t)c->s.n * 3 + 1, sizeof *list);

    assert_non_null(order);
    assert_non_null(list);
    for (int64_t i = 0; i < places; i++)
        order[i] = i;
    madpo_rng_shuffle(&T->rng, order, (size_t)places);
    for (int64_t t = 0; t < c->s.n; t++) {
        list[t] = (int32_t)madpo_rng_below(&T->rng, (uint64_t)c->s.tokens);
        list[c->s.n + t] = (int32_t)(order[t] / c->s.P);
        list[2 * c->s.n + t] = (int32_t)(order[t] % c->s.P);
    }
    c->token = op_ints(T, c->s.n, list);
    c->slot = op_ints(T, c->s.n, list + c->s.n);
    c->pos = op_ints(T, c->s.n, list + 2 * c->s.n);
    free(order);
    free(list);
}

static void test_shapes(void **state)
{
    op_test *T = *state;

    for (size_t i = 0; i < N_SHAPES; i++) {
        kv_ctx c = {.s = kv_shapes[i]};
        if (op_too_large(T, c.s.n * c.s.C))
            continue;
        op_case(T, "kv_cache_store n=%lld slots=%lld P=%lld C=%lld", (long long)c.s.n,
                (long long)c.s.slots, (long long)c.s.P, (long long)c.s.C);
        kv_places(T, &c);
        c.x = op_random(T, c.s.tokens * c.s.C, -1, 1);
        c.cache =
            op_output(T, c.s.slots * c.s.P * c.s.C, true); /* other places keep their values */
        op_run(T, run, &c);
        madpo_ref_kv_cache_store(c.cache->d, c.x->d, c.token->i, c.slot->i, c.pos->i, c.s.n, c.s.P,
                                 c.s.C);
        op_check(T, c.cache, "cache", 0, 0);
    }
}

/* Places outside the cache store nothing; the others are stored. */
static void test_outside(void **state)
{
    op_test *T = *state;
    const int32_t token[] = {0, 1, 0, 1, 1}, slot[] = {-1, 2, 0, 1, 0}, pos[] = {0, 1, 3, -1, 2};
    kv_ctx c = {.s = {5, 2, 2, 3, 5}};

    op_case(T, "kv_cache_store outside the cache");
    c.token = op_ints(T, 5, token);
    c.slot = op_ints(T, 5, slot);
    c.pos = op_ints(T, 5, pos);
    c.x = op_random(T, 2 * 5, -1, 1);
    c.cache = op_output(T, 2 * 3 * 5, true);
    op_run(T, run, &c);
    madpo_ref_kv_cache_store(c.cache->d, c.x->d, token + 4, slot + 4, pos + 4, 1, 3, 5);
    op_check(T, c.cache, "cache", 0, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_shapes),
    cmocka_unit_test(test_outside),
};
OP_TEST_MAIN(tests)
