/* Where tokens lie in their text: byte by byte, in merged tokens, behind a text's cut front, and in
 * texts that the tokens do not spell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/spans.h"
#include "tests/unit/expect.h"

static const char text[] = "the moon, the moon \xe6\xb5\xb7\xf0\x9f\x8c\x8a the\tsea\n";

static madpo_tokenizer *tokenizer(int32_t vocab)
{
    static const madpo_text corpus[] = {{"the moon the moon the sea the sea", 33}};
    madpo_tokenizer_train_options o;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer *tok;

    madpo_tokenizer_train_options_defaults(&o);
    o.vocab = vocab;
    EXPECT_OK(madpo_tokenizer_train(&tok, corpus, 1, &o, &err));
    return tok;
}

/* The spans of the tokens of text[from..], with eos, in `whole`. */
static void check(madpo_tokenizer *tok, size_t from, bool keep_end)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_ids ids = {0};
    madpo_span spans[128];
    size_t at = from, n = strlen(text);

    EXPECT_OK(madpo_tokenizer_encode(tok, text + from, n - from, false, &ids, &err));
    EXPECT_OK(madpo_ids_push(&ids, madpo_tokenizer_eos(tok), &err));
    assert_true(ids.n < 128);
    EXPECT_OK(madpo_token_spans(spans, tok, ids.v, ids.n, text, n, keep_end, &err));
    for (size_t i = 0; i + 1 < ids.n; i++) {
        size_t bytes;
        const char *token = madpo_tokenizer_bytes(tok, ids.v[i], &bytes);

        assert_int_equal(spans[i].at, at);
        assert_int_equal(spans[i].n, bytes);
        assert_memory_equal(text + at, token, bytes);
        at += bytes;
    }
    assert_int_equal(at, n);
    assert_int_equal(spans[ids.n - 1].at, n); /* eos is no part of the text */
    assert_int_equal(spans[ids.n - 1].n, 0);
    madpo_ids_dispose(&ids);
}

static void test_exact(void **state)
{
    (void)state;
    for (int32_t vocab = 259; vocab <= 267; vocab += 8) { /* bytes alone, and merged ones */
        madpo_tokenizer *tok = tokenizer(vocab);

        check(tok, 0, false);
        check(tok, 0, true);
        check(tok, 10, true); /* "the moon " is in the text twice */
        check(tok, 21, true); /* cut inside of a character */
        madpo_tokenizer_free(tok);
    }
}

/* What is left of a text may be at both its ends: which one says how it was cut. */
static void test_cut(void **state)
{
    static const char twice[] = "sea and sea";
    madpo_tokenizer *tok = tokenizer(259);
    madpo_error err = MADPO_ERROR_INIT;
    madpo_ids ids = {0};
    madpo_span spans[3];

    (void)state;
    EXPECT_OK(madpo_tokenizer_encode(tok, "sea", 3, false, &ids, &err));
    assert_int_equal(ids.n, 3);
    EXPECT_OK(madpo_token_spans(spans, tok, ids.v, ids.n, twice, strlen(twice), false, &err));
    assert_true(spans[0].at == 0 && spans[2].at == 2);
    EXPECT_OK(madpo_token_spans(spans, tok, ids.v, ids.n, twice, strlen(twice), true, &err));
    assert_true(spans[0].at == 8 && spans[2].at == 10);
    madpo_ids_dispose(&ids);
    madpo_tokenizer_free(tok);
}

/* Tokens of another text: what is found lies where it is, the rest nowhere, all of it in order. */
static void test_other_text(void **state)
{
    static const char other[] = "The moo, the moon rises";
    madpo_tokenizer *tok = tokenizer(267);
    madpo_error err = MADPO_ERROR_INIT;
    madpo_ids ids = {0};
    madpo_span spans[128];
    int32_t end = 0;
    size_t n_found = 0;

    (void)state;
    EXPECT_OK(madpo_tokenizer_encode(tok, text, strlen(text), false, &ids, &err));
    EXPECT_OK(madpo_token_spans(spans, tok, ids.v, ids.n, other, strlen(other), false, &err));
    for (size_t i = 0; i < ids.n; i++) {
        size_t bytes;
        const char *token = madpo_tokenizer_bytes(tok, ids.v[i], &bytes);

        assert_true(spans[i].at >= end && spans[i].n >= 0);
        end = spans[i].at + spans[i].n;
        assert_true((size_t)end <= strlen(other));
        if (spans[i].n > 0) {
            size_t cut = bytes - (size_t)spans[i].n; /* a blank in front at most */

            assert_true(cut <= 1);
            assert_memory_equal(other + spans[i].at, token + cut, bytes - cut);
            n_found++;
        }
    }
    assert_true(n_found >= 2);
    EXPECT_OK(madpo_token_spans(spans, tok, ids.v, ids.n, "", 0, false, &err));
    for (size_t i = 0; i < ids.n; i++)
        assert_true(spans[i].at == 0 && spans[i].n == 0);
    madpo_ids_dispose(&ids);
    madpo_tokenizer_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact), cmocka_unit_test(test_cut),
                                       cmocka_unit_test(test_other_text)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
