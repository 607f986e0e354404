/* Pairs and texts as ids: bos and eos, cuts, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "data/pack.h"
#include "tests/unit/expect.h"

static madpo_tokenizer *tok; /* bytes only: id of a letter is easy to tell */

static int setup(void **state)
{
    madpo_tokenizer_train_options o;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    madpo_tokenizer_train_options_defaults(&o);
    o.vocab = 259;
    EXPECT_OK(madpo_tokenizer_train(&tok, NULL, 0, &o, &err));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    madpo_tokenizer_free(tok);
    return 0;
}

static void add(madpo_pairs *pairs, const char *prompt, const char *chosen, const char *rejected)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pair p = {.prompt = (char *)(uintptr_t)prompt,
                    .chosen = (char *)(uintptr_t)chosen,
                    .rejected = (char *)(uintptr_t)rejected,
                    .n_prompt = strlen(prompt),
                    .n_chosen = strlen(chosen),
                    .n_rejected = strlen(rejected),
                    .id = 70 + (int64_t)madpo_pairs_count(pairs)};

    EXPECT_OK(madpo_pairs_add(pairs, &p, &err));
}

/* ids as text: '^' bos, '$' eos, letters themselves. */
static void expect_ids(const int32_t *ids, int32_t n, const char *want)
{
    assert_int_equal(n, strlen(want));
    for (int32_t i = 0; i < n; i++) {
        char c = ids[i] == madpo_tokenizer_bos(tok)   ? '^'
                 : ids[i] == madpo_tokenizer_eos(tok) ? '$'
                                                      : (char)(ids[i] - 3 + '!');

        assert_int_equal(c, want[i]);
    }
}

static void test_pairs(void **state)
{
    const madpo_tokenize_options o = {
        .max_prompt = 4, .max_tokens = 8, .add_eos = true, .truncate_prompt = true};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_examples e;
    madpo_pairs *pairs;

    (void)state;
    EXPECT_OK(madpo_pairs_new(&pairs, &err));
    add(pairs, "ab", "cd", "efg");
    add(pairs, "abcdef", "x", "y");     /* prompt cut in front */
    add(pairs, "abc", "wxyz", "wxyzv"); /* no room for eos; cut */
    add(pairs, "", "x", "abcdefg");
    EXPECT_OK(madpo_examples_from_pairs(&e, pairs, tok, &o, &err));
    assert_int_equal(e.n, 4);
    assert_int_equal(e.n_truncated, 3); /* the last has no room for its eos */
    assert_int_equal(e.v[0].id, 70);
    assert_int_equal(e.v[0].n_branches, 2);
    expect_ids(e.v[0].prompt, e.v[0].n_prompt, "^ab");
    expect_ids(e.v[0].branch[0], e.v[0].n_branch[0], "cd$");
    expect_ids(e.v[0].branch[1], e.v[0].n_branch[1], "efg$");
    expect_ids(e.v[1].prompt, e.v[1].n_prompt, "^def");
    expect_ids(e.v[1].branch[0], e.v[1].n_branch[0], "x$");
    expect_ids(e.v[2].branch[0], e.v[2].n_branch[0], "wxyz");
    expect_ids(e.v[2].branch[1], e.v[2].n_branch[1], "wxyz");
    expect_ids(e.v[3].prompt, e.v[3].n_prompt, "^");
    expect_ids(e.v[3].branch[1], e.v[3].n_branch[1], "abcdefg");
    madpo_examples_dispose(&e);
    madpo_pairs_free(pairs);
}

static void test_texts(void **state)
{
    static const madpo_text texts[] = {{"abc", 3}, {"", 0}, {"abcdefgh", 8}, {"abcd", 4}};
    madpo_tokenize_options o = {.max_tokens = 6, .add_eos = true};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_examples e;

    (void)state;
    EXPECT_OK(madpo_examples_from_texts(&e, texts, 4, tok, &o, &err));
    assert_int_equal(e.n, 3);
    assert_int_equal(e.n_dropped, 1);
    assert_int_equal(e.n_truncated, 1);
    assert_int_equal(e.v[1].id, 2);
    expect_ids(e.v[0].prompt, e.v[0].n_prompt, "^");
    expect_ids(e.v[0].branch[0], e.v[0].n_branch[0], "abc$");
    expect_ids(e.v[1].branch[0], e.v[1].n_branch[0], "abcde");
    expect_ids(e.v[2].branch[0], e.v[2].n_branch[0], "abcd$");
    madpo_examples_dispose(&e);
    o.add_eos = false;
    EXPECT_OK(madpo_examples_from_texts(&e, texts, 1, tok, &o, &err));
    expect_ids(e.v[0].branch[0], e.v[0].n_branch[0], "abc");
    madpo_examples_dispose(&e);
}

static void test_refusals(void **state)
{
    madpo_tokenize_options o = {.max_prompt = 4, .max_tokens = 8};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_examples e;
    madpo_pairs *pairs;

    (void)state;
    EXPECT_OK(madpo_pairs_new(&pairs, &err));
    add(pairs, "a", "b", "c");
    add(pairs, "abcd", "b", "c");
    assert_int_equal(madpo_examples_from_pairs(&e, pairs, tok, &o, &err), MADPO_ERR_DATA);
    expect_error_at(
        &err, MADPO_ERR_DATA, "",
        "the prompt of pair 71 has 5 tokens, more than data.max_prompt (4); raise it, or set "
        "data.truncate_prompt to keep the prompt's end");
    assert_null(e.v);
    o.max_tokens = 4;
    assert_int_equal(madpo_examples_from_pairs(&e, pairs, tok, &o, &err), MADPO_ERR_CONFIG);
    expect_error_at(
        &err, MADPO_ERR_CONFIG, "",
        "data.max_tokens (4) leaves no room for an answer after data.max_prompt (4); raise the "
        "first or lower the second");
    madpo_pairs_free(pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
