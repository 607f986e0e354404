/* Examples and packing: the layout of base/batch.h, held against a second, plain computation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "data/pack.h"
#include "tests/support/fail_alloc.h"
#include "tests/unit/expect.h"

enum { N_EXAMPLES = 200, N_VOCAB = 5000, MAX_PART = 40 };

static int32_t pool[1 << 16];
static madpo_example examples[N_EXAMPLES];

/* Examples of all kinds: pairs and plain ones, without prompt, of one token. */
static int make_examples(void **state)
{
    madpo_rng rng;
    size_t at = 0;

    (void)state;
    madpo_rng_init(&rng, 7, 1);
    for (size_t i = 0; i < sizeof pool / sizeof *pool; i++)
        pool[i] = (int32_t)madpo_rng_below(&rng, i % 3 ? 20 : N_VOCAB);
    for (int i = 0; i < N_EXAMPLES; i++) {
        madpo_example *e = &examples[i];

        e->id = 1000 + i;
        e->n_branches = 1 + (int)madpo_rng_below(&rng, 2);
        e->n_prompt = madpo_rng_below(&rng, 8) ? (int32_t)madpo_rng_below(&rng, MAX_PART) : 0;
        e->prompt = pool + at;
        at += (size_t)e->n_prompt;
        for (int b = 0; b < e->n_branches; b++) {
            e->n_branch[b] = 1 + (int32_t)madpo_rng_below(&rng, MAX_PART);
            e->branch[b] = pool + at;
            at += (size_t)e->n_branch[b];
        }
    }
    assert_true(at < sizeof pool / sizeof *pool);
    return 0;
}

/* Position and token of what sequence s of example e predicts at its k-th label, walking the
 * example. */
static void check_sequence(const madpo_batch *b, const madpo_example *e, int branch, int64_t s)
{
    int32_t n = e->n_branch[branch], first = e->n_prompt == 0;
    int64_t row = b->seq_row[s];

    assert_int_equal(b->seq_id[s], e->id);
    assert_int_equal(b->seq_row[s + 1] - row, n - first);
    for (int32_t k = first; k < n; k++, row++) {
        int32_t t = b->row_token[row];
        int32_t before = k > 0 ? e->branch[branch][k - 1] : e->prompt[e->n_prompt - 1];

        assert_int_equal(b->row_seq[row], s);
        assert_int_equal(b->row_label[row], e->branch[branch][k]);
        assert_int_equal(b->ids[t], before);
        assert_int_equal(b->pos[t], e->n_prompt + k - 1);
    }
    assert_int_equal(b->ids[b->seq_last[s]], e->branch[branch][n - 1]);
    assert_int_equal(b->pos[b->seq_last[s]], e->n_prompt + n - 1);
}

/* What the last token of a branch sees, prefix first, must be exactly prompt + branch. */
static void check_context(const madpo_batch *b, const madpo_example *e, int branch, int64_t s)
{
    const madpo_segment *seg = &b->seg[b->tok_seg[b->seq_last[s]]];
    int32_t k = 0;

    assert_int_equal(seg->prefix_len + seg->len, e->n_prompt + e->n_branch[branch]);
    for (int32_t i = 0; i < seg->prefix_len + seg->len; i++, k++) {
        int32_t t = i < seg->prefix_len ? seg->prefix_start + i : seg->start + i - seg->prefix_len;
        int32_t want = k < e->n_prompt ? e->prompt[k] : e->branch[branch][k - e->n_prompt];

        assert_int_equal(b->ids[t], want);
        assert_int_equal(b->pos[t], k);
    }
    assert_int_equal(b->seq_last[s], seg->start + seg->len - 1);
}

static void check_segments(const madpo_batch *b)
{
    int64_t at = 0;

    for (int64_t i = 0; i < b->n_seg; i++) {
        const madpo_segment *s = &b->seg[i];

        assert_int_equal(s->start, at);
        assert_true(s->len > 0);
        for (int32_t t = s->start; t < s->start + s->len; t++)
            assert_int_equal(b->tok_seg[t], i);
        at += s->len;
        if (s->prefix_len) {
            const madpo_segment *p = &b->seg[b->tok_seg[s->prefix_start]];

            assert_true(p < s && p->start == s->prefix_start && p->len == s->prefix_len);
            assert_true(s->start >= p->branch_start &&
                        s->start + s->len <= p->branch_start + p->branch_len);
        }
        /* every token of the branches has this segment as its prefix */
        for (int32_t t = s->branch_start; t < s->branch_start + s->branch_len; t++)
            assert_int_equal(b->seg[b->tok_seg[t]].prefix_start, s->start);
    }
    assert_int_equal(at, b->T);
}

static void check_inverse_lists(const madpo_batch *b)
{
    int64_t n = 0;

    for (int64_t u = 0; u < b->n_uniq; u++) {
        assert_true(u == 0 || b->uniq[u - 1] < b->uniq[u]);
        assert_true(b->uniq_start[u] < b->uniq_start[u + 1]);
        for (int32_t i = b->uniq_start[u]; i < b->uniq_start[u + 1]; i++, n++) {
            assert_int_equal(b->ids[b->uniq_token[i]], b->uniq[u]);
            assert_true(i == b->uniq_start[u] || b->uniq_token[i - 1] < b->uniq_token[i]);
        }
    }
    assert_int_equal(n, b->T);
    n = 0;
    for (int64_t t = 0; t < b->T; t++)
        for (int32_t i = b->tok_row_start[t]; i < b->tok_row_start[t + 1]; i++, n++) {
            assert_int_equal(b->row_token[b->tok_row[i]], t);
            assert_true(i == b->tok_row_start[t] || b->tok_row[i - 1] < b->tok_row[i]);
        }
    assert_int_equal(n, b->R);
    assert_int_equal(b->tok_row_start[0], 0);
}

static void check_batch(const madpo_batch *b, const madpo_batch_limits *l, size_t from, size_t to)
{
    int64_t s = 0;

    assert_true(b->T <= l->max_tokens && b->R <= l->max_rows);
    assert_true(b->n_seg <= l->max_segments && b->n_seq <= l->max_sequences);
    for (size_t i = from; i < to; i++)
        for (int branch = 0; branch < examples[i].n_branches; branch++, s++) {
            check_sequence(b, &examples[i], branch, s);
            check_context(b, &examples[i], branch, s);
        }
    assert_int_equal(s, b->n_seq);
    assert_int_equal(b->seq_row[b->n_seq], b->R);
    check_segments(b);
    check_inverse_lists(b);
}

/* All examples through one packer, under limits each of which binds once. */
static void test_layout(void **state)
{
    static const madpo_batch_limits limits[] = {
        {200, 10000, 1000, 1000}, {100000, 150, 1000, 1000},    {100000, 10000, 7, 1000},
        {100000, 10000, 1000, 5}, {100000, 100000, 1000, 1000}, {120, 80, 3, 2},
    };

    (void)state;
    for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
        madpo_error err = MADPO_ERROR_INIT;
        madpo_packer *packer;
        size_t from = 0;

        EXPECT_OK(madpo_packer_new(&packer, &limits[k], &err));
        for (size_t i = 0; i < N_EXAMPLES; i++) {
            if (madpo_packer_add(packer, &examples[i]))
                continue;
            assert_true(i > from);
            check_batch(madpo_packer_finish(packer), &limits[k], from, i);
            madpo_packer_reset(packer);
            assert_true(madpo_packer_add(packer, &examples[i]));
            from = i;
        }
        check_batch(madpo_packer_finish(packer), &limits[k], from, N_EXAMPLES);
        assert_true(k == 4 ? from == 0 : from > 0);
        madpo_packer_free(packer);
    }
}

/* The picture in base/batch.h, number by number. */
static void test_picture(void **state)
{
    static const int32_t ids[] = {5, 6, 7, 8, 9, 6};
    const madpo_example pair = {.prompt = ids,
                                .n_prompt = 2,
                                .branch = {ids + 2, ids + 4},
                                .n_branch = {2, 2},
                                .n_branches = 2,
                                .id = 3};
    const madpo_batch_limits limits = {6, 4, 3, 2};
    static const int32_t pos[] = {0, 1, 2, 3, 2, 3}, row_token[] = {1, 2, 1, 4},
                         row_label[] = {7, 8, 9, 6}, row_start[] = {0, 0, 2, 3, 3, 4, 4};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_packer *packer;
    const madpo_batch *b;

    (void)state;
    EXPECT_OK(madpo_packer_new(&packer, &limits, &err));
    assert_true(madpo_packer_add(packer, &pair));
    assert_false(madpo_packer_add(packer, &pair));
    b = madpo_packer_finish(packer);
    assert_int_equal(b->T, 6);
    assert_memory_equal(b->ids, ids, sizeof ids);
    assert_memory_equal(b->pos, pos, sizeof pos);
    assert_int_equal(b->R, 4);
    assert_memory_equal(b->row_token, row_token, sizeof row_token);
    assert_memory_equal(b->row_label, row_label, sizeof row_label);
    assert_memory_equal(b->tok_row_start, row_start, sizeof row_start);
    assert_int_equal(b->n_uniq, 5);
    assert_int_equal(b->uniq[1], 6);
    assert_int_equal(b->uniq_start[2] - b->uniq_start[1], 2);
    assert_int_equal(b->seg[0].branch_start, 2);
    assert_int_equal(b->seg[0].branch_len, 4);
    assert_int_equal(b->seg[2].prefix_len, 2);
    madpo_packer_free(packer);
}

static void test_large_ids(void **state)
{
    int32_t ids[] = {262143, 5, 2147483647, 262143, 0, 5, 1 << 22};
    const madpo_example e = {
        .prompt = ids, .n_prompt = 1, .branch = {ids + 1}, .n_branch = {6}, .n_branches = 1};
    const madpo_batch_limits limits = {7, 6, 1, 1};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_packer *packer;

    (void)state;
    EXPECT_OK(madpo_packer_new(&packer, &limits, &err));
    assert_true(madpo_packer_add(packer, &e));
    check_inverse_lists(madpo_packer_finish(packer));
    madpo_packer_reset(packer);
    assert_int_equal(madpo_packer_finish(packer)->T, 0);
    check_inverse_lists(madpo_packer_finish(packer));
    madpo_packer_free(packer);
}

static void test_no_allocation(void **state)
{
    const madpo_batch_limits limits = {4000, 4000, 200, 100};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_packer *packer;

    (void)state;
    EXPECT_OK(madpo_packer_new(&packer, &limits, &err));
    fail_alloc_arm(1);
    for (size_t i = 0; i < N_EXAMPLES; i++)
        if (!madpo_packer_add(packer, &examples[i])) {
            madpo_packer_finish(packer);
            madpo_packer_reset(packer);
        }
    madpo_packer_finish(packer);
    assert_false(fail_alloc_disarm());
    madpo_packer_free(packer);
}

static void test_plan(void **state)
{
    const madpo_batch_limits limits = {300, 200, 9, 6};
    madpo_examples all = {.v = examples, .n = N_EXAMPLES};
    madpo_error err = MADPO_ERROR_INIT;
    int64_t order[N_EXAMPLES];
    size_t ends[N_EXAMPLES], n_runs, from = 0;
    madpo_packer *packer;

    (void)state;
    madpo_pack_epoch_order(order, N_EXAMPLES, 11, 3);
    EXPECT_OK(madpo_packer_new(&packer, &limits, &err));
    EXPECT_OK(madpo_pack_plan(&n_runs, ends, &all, order, N_EXAMPLES, &limits, &err));
    assert_true(n_runs > 10);
    assert_int_equal(ends[n_runs - 1], N_EXAMPLES);
    for (size_t r = 0; r < n_runs; from = ends[r++]) {
        madpo_packer_reset(packer);
        for (size_t i = from; i < ends[r]; i++)
            assert_true(madpo_packer_add(packer, &examples[order[i]]));
        if (ends[r] < N_EXAMPLES) /* and not one more */
            assert_false(madpo_packer_add(packer, &examples[order[ends[r]]]));
    }
    madpo_packer_free(packer);
    EXPECT_OK(madpo_pack_plan(&n_runs, ends, &all, order, 0, &limits, &err));
    assert_int_equal(n_runs, 0);
}

static void test_plan_too_big(void **state)
{
    madpo_examples all = {.v = examples, .n = N_EXAMPLES};
    const madpo_batch_limits limits = {20, 1000, 10, 10};
    madpo_error err = MADPO_ERROR_INIT;
    int64_t order[N_EXAMPLES];
    size_t ends[N_EXAMPLES], n_runs, i = 0;
    char want[300];
    int tokens;

    (void)state;
    for (size_t k = 0; k < N_EXAMPLES; k++)
        order[k] = (int64_t)k;
    while (examples[i].n_prompt + examples[i].n_branch[0] +
               (examples[i].n_branches > 1 ? examples[i].n_branch[1] : 0) <=
           20)
        i++;
    tokens = examples[i].n_prompt + examples[i].n_branch[0] +
             (examples[i].n_branches > 1 ? examples[i].n_branch[1] : 0);
    assert_int_equal(madpo_pack_plan(&n_runs, ends, &all, order, N_EXAMPLES, &limits, &err),
                     MADPO_ERR_MEMORY);
    assert_int_equal(n_runs, 0);
    snprintf(want, sizeof want, "example %d (%d tokens, ", 1000 + (int)i, tokens);
    assert_non_null(strstr(err.message, want));
    assert_non_null(strstr(err.message, "fits no batch of 20 tokens and 1000 log-probs; lower "
                                        "data.max_tokens or raise batch.tokens"));
}

static void test_epoch_order(void **state)
{
    int64_t a[500], b[500];
    bool seen[500] = {false};

    (void)state;
    madpo_pack_epoch_order(a, 500, 1, 0);
    madpo_pack_epoch_order(b, 500, 1, 0);
    assert_memory_equal(a, b, sizeof a);
    for (int i = 0; i < 500; i++) {
        assert_false(seen[a[i]]);
        seen[a[i]] = true;
    }
    madpo_pack_epoch_order(b, 500, 1, 1);
    assert_memory_not_equal(a, b, sizeof a);
    madpo_pack_epoch_order(b, 500, 2, 0);
    assert_memory_not_equal(a, b, sizeof a);
}

static void test_bad_limits(void **state)
{
    const madpo_batch_limits none = {0, 1, 1, 1}, huge = {INT64_MAX, 1, 1, 1};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_packer *packer;

    (void)state;
    assert_int_equal(madpo_packer_new(&packer, &none, &err), MADPO_ERR_CONFIG);
    expect_error_at(&err, MADPO_ERR_CONFIG, "",
                    "a batch of 0 tokens cannot be; set batch.tokens between 1 and 1073741823");
    assert_int_equal(madpo_packer_new(&packer, &huge, &err), MADPO_ERR_CONFIG);
    assert_null(packer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),      cmocka_unit_test(test_picture),
        cmocka_unit_test(test_large_ids),   cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_plan),        cmocka_unit_test(test_plan_too_big),
        cmocka_unit_test(test_epoch_order), cmocka_unit_test(test_bad_limits),
    };

    return cmocka_run_group_tests(tests, make_examples, NULL);
}
