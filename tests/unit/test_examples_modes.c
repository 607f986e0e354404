/* Tokenizing pairs in the ways of other programs: truncations, joint tokens, special tokens in the
 * text, tokenizers without a begin token; and what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "data/pack.h"
#include "tests/unit/expect.h"

static madpo_tokenizer *bytes_only, *merging /* knows "ab" */, *no_bos;

static madpo_tokenizer *train(int32_t vocab, const char *text, const char *const *specials, int n)
{
    madpo_tokenizer_train_options o;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_text t = {text, strlen(text)};
    madpo_tokenizer *tok;

    madpo_tokenizer_train_options_defaults(&o);
    o.vocab = vocab;
    if (specials) {
        o.specials = specials;
        o.n_specials = n;
    }
    EXPECT_OK(madpo_tokenizer_train(&tok, &t, 1, &o, &err));
    return tok;
}

static int setup(void **state)
{
    static const char *const only_eos[] = {"<eos>"};

    (void)state;
    bytes_only = train(259, "", NULL, 0);
    merging = train(260, "ab ab ab ab", NULL, 0);
    no_bos = train(257, "", only_eos, 1);
    assert_true(madpo_tokenizer_id(merging, "ab") >= 0);
    assert_int_equal(madpo_tokenizer_bos(no_bos), -1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    madpo_tokenizer_free(bytes_only);
    madpo_tokenizer_free(merging);
    madpo_tokenizer_free(no_bos);
    return 0;
}

/* Texts "prompt|chosen|rejected", one pair each. */
static madpo_pairs *pairs_of(const char *const *texts, size_t n, bool specials)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs *pairs;

    EXPECT_OK(madpo_pairs_new(&pairs, &err));
    for (size_t i = 0; i < n; i++) {
        madpo_pair p = {.id = 70 + (int64_t)i, .specials = specials};
        const char *a = strchr(texts[i], '|'), *b = strrchr(texts[i], '|');

        p.prompt = (char *)(uintptr_t)texts[i]; /* only read */
        p.n_prompt = (size_t)(a - texts[i]);
        p.chosen = (char *)(uintptr_t)(a + 1);
        p.n_chosen = (size_t)(b - a - 1);
        p.rejected = (char *)(uintptr_t)(b + 1);
        p.n_rejected = strlen(b + 1);
        EXPECT_OK(madpo_pairs_add(pairs, &p, &err));
    }
    return pairs;
}

static void print_ids(madpo_strbuf *out, const madpo_tokenizer *tok, const int32_t *ids, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        madpo_error err = MADPO_ERROR_INIT;
        size_t bytes;
        char *text;

        if (ids[i] == madpo_tokenizer_bos(tok) || ids[i] == madpo_tokenizer_eos(tok)) {
            madpo_strbuf_append(out, ids[i] == madpo_tokenizer_bos(tok) ? "^" : "$");
            continue;
        }
        EXPECT_OK(madpo_tokenizer_decode(tok, &ids[i], 1, false, &text, &bytes, &err));
        madpo_strbuf_printf(out, bytes > 1 ? "(%s)" : "%s", text);
        free(text);
    }
}

/* Examples as "prompt|chosen|rejected" with ^ for bos, $ for eos and longer tokens in brackets, and
 * what the report says after the number of examples. */
static void expect_examples(madpo_tokenizer *tok, const madpo_tokenize_options *o,
                            const madpo_pairs *pairs, const char *want, const char *report)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_strbuf got = {0};
    madpo_examples e;
    char line[400];

    EXPECT_OK(madpo_examples_from_pairs(&e, pairs, tok, o, &err));
    for (size_t i = 0; i < e.n; i++) {
        assert_int_equal(e.v[i].id, 70 + (int64_t)e.v[i].position);
        madpo_strbuf_append(&got, i ? " " : "");
        print_ids(&got, tok, e.v[i].prompt, e.v[i].n_prompt);
        for (int b = 0; b < 2; b++) {
            madpo_strbuf_append(&got, "|");
            print_ids(&got, tok, e.v[i].branch[b], e.v[i].n_branch[b]);
        }
    }
    assert_string_equal(got.s ? got.s : "", want);
    assert_int_equal(e.n + e.n_dropped, madpo_pairs_count(pairs));
    madpo_examples_report_format(&e.report, line, sizeof line);
    assert_string_equal(strstr(line, ", ") + 2, report);
    madpo_strbuf_dispose(&got);
    madpo_examples_dispose(&e);
}

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void test_keep_start(void **state)
{
    static const char *const texts[] = {"abc|de|fghijk", "abcdefg|h|i", "abcdef|hij|k", "a||b"};
    madpo_tokenize_options o = {
        .max_tokens = 8, .truncation = MADPO_TRUNCATION_KEEP_START, .add_eos = true};
    madpo_pairs *pairs = pairs_of(texts, COUNT(texts), false);

    (void)state;
    expect_examples(bytes_only, &o, pairs, "^abc|de$|fghi ^abcdef|h|k",
                    "end token appended to 1 answers, 3 answers cut, 1 dropped: the prompt leaves "
                    "no room for an answer, 1 dropped: an answer has no tokens");
    o.max_prompt = 4; /* now every prompt leaves room */
    expect_examples(bytes_only, &o, pairs, "^abc|de$|fghi ^efg|h$|i$ ^def|hij$|k$",
                    "end token appended to 5 answers, 2 prompts cut, 1 answers cut, 1 dropped: an "
                    "answer has no tokens");
    o.keep_prompt_start = true;
    expect_examples(bytes_only, &o, pairs, "^abc|de$|fghi ^abc|h$|i$ ^abc|hij$|k$",
                    "end token appended to 5 answers, 2 prompts cut, 1 answers cut, 1 dropped: an "
                    "answer has no tokens");
    madpo_pairs_free(pairs);
}

/* The prompt gives way to the longer answer; then the answers lose their front. */
static void test_keep_end(void **state)
{
    static const char *const texts[] = {"abc|de|fg", "abcdef|hij|k", "abcdef|ghijklmno|p"};
    madpo_tokenize_options o = {
        .max_tokens = 8, .truncation = MADPO_TRUNCATION_KEEP_END, .add_eos = true};
    madpo_pairs *pairs = pairs_of(texts, COUNT(texts), false);

    (void)state;
    expect_examples(bytes_only, &o, pairs, "^abc|de$|fg$ ^def|hij$|k$ ^|jklmno$|p$",
                    "end token appended to 6 answers, 2 prompts cut, 1 answers cut");
    madpo_pairs_free(pairs);
}

static void test_joint(void **state)
{
    static const char *const texts[] = {"xa|c|d", "xa|bc|d", "x|ab|ba"};
    madpo_tokenize_options o = {
        .max_prompt = 5, .max_tokens = 9, .mode = MADPO_TOKENIZE_JOINT, .add_eos = true};
    madpo_pairs *pairs = pairs_of(texts, COUNT(texts), false);

    (void)state;
    /* "xa" + "bc" is x, ab, c: the prompt's tokens x, a are no beginning of that */
    expect_examples(merging, &o, pairs, "^xa|c$|d$ ^xa|bc$|d$ ^x|(ab)$|ba$",
                    "end token appended to 6 answers, 1 tokenized separately: joined text begins "
                    "otherwise");
    madpo_pairs_free(pairs);
}

static void test_specials(void **state)
{
    static const char *const texts[] = {"<bos>a|b<eos>|c"};
    madpo_tokenize_options o = {.max_prompt = 20, .max_tokens = 40, .add_eos = true};
    madpo_pairs *plain = pairs_of(texts, 1, false), *chat = pairs_of(texts, 1, true);

    (void)state;
    expect_examples(bytes_only, &o, plain, "^<bos>a|b<eos>$|c$", "end token appended to 2 answers");
    /* neither doubled where the text has them; a chat layout's turn ends by itself */
    expect_examples(bytes_only, &o, chat, "^a|b$|c", "end token appended to 0 answers");
    o.end_with_eos = true;
    expect_examples(bytes_only, &o, chat, "^a|b$|c$", "end token appended to 1 answers");
    o.end_with_eos = false;
    o.specials = true;
    expect_examples(bytes_only, &o, plain, "^a|b$|c$", "end token appended to 1 answers");
    madpo_pairs_free(plain);
    madpo_pairs_free(chat);
}

static void test_without_bos(void **state)
{
    static const char *const texts[] = {"a|b|c", "|b|c"};
    madpo_tokenize_options o = {.max_tokens = 8, .truncation = MADPO_TRUNCATION_KEEP_START};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs *pairs = pairs_of(texts, 2, false);
    madpo_examples e;

    (void)state;
    expect_examples(no_bos, &o, pairs, "a|b|c",
                    "end token appended to 0 answers, 1 dropped: no prompt and no begin token");
    expect_examples(bytes_only, &o, pairs, "^a|b|c ^|b|c", "end token appended to 0 answers");
    o.template_bos = true; /* a trained tokenizer has no template */
    expect_examples(bytes_only, &o, pairs, "a|b|c",
                    "end token appended to 0 answers, 1 dropped: no prompt and no begin token");
    o.truncation = MADPO_TRUNCATION_ERROR;
    assert_int_equal(madpo_examples_from_pairs(&e, pairs, no_bos, &o, &err), MADPO_ERR_DATA);
    expect_error_at(&err, MADPO_ERR_DATA, "",
                    "pair 71 has no prompt and the tokenizer no begin token, so its answers' first "
                    "tokens have nothing to follow; give it a prompt");
    madpo_pairs_free(pairs);
}

/* Without a limit of its own the prompt is refused at the limit for all. */
static void test_no_prompt_limit(void **state)
{
    static const char *const texts[] = {"abcdefg|h|i"};
    madpo_tokenize_options o = {.max_tokens = 8};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs *pairs = pairs_of(texts, 1, false);
    madpo_examples e;

    (void)state;
    assert_int_equal(madpo_examples_from_pairs(&e, pairs, bytes_only, &o, &err), MADPO_ERR_DATA);
    expect_error_at(&err, MADPO_ERR_DATA, "",
                    "the prompt of pair 70 has 8 tokens, which leaves no room for an answer in "
                    "data.max_tokens (8); raise it, or set data.truncation");
    o.truncate_prompt = true;
    expect_examples(bytes_only, &o, pairs, "^bcdefg|h|i",
                    "end token appended to 0 answers, 1 prompts cut");
    madpo_pairs_free(pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_start),  cmocka_unit_test(test_keep_end),
        cmocka_unit_test(test_joint),       cmocka_unit_test(test_specials),
        cmocka_unit_test(test_without_bos), cmocka_unit_test(test_no_prompt_limit),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
