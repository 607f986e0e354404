/* The tokenizer: pieces, merges, training, encoding and decoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "tests/unit/expect.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"
#include "text/tokenizer_inside.h"
#include "text/utf8.h"

static madpo_tokenizer *english; /* trained on `sample` */

static const char sample[] =
    "The film is about a man who finds a letter. The film isn't long, but it's good; the man's "
    "letter "
    "is in the film's last scene, and they've found it. I'd say 12 of 100 films are like that.\n\n"
    "  The man who wrote the letter isn't in the film.\tWe'll see. <eos> caf\xC3\xA9, "
    "na\xC3\xAFve! "
    "\xE6\x98\xA0\xE7\x94\xBB \xE6\x98\xA0\xE7\x94\xBB \xF0\x9F\x8E\xAC\xF0\x9F\x8E\xAC";

static madpo_tokenizer *train(const char *text, size_t n, int32_t vocab)
{
    madpo_tokenizer_train_options o;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_text t = {text, n};
    madpo_tokenizer *tok;

    madpo_tokenizer_train_options_defaults(&o);
    o.vocab = vocab;
    EXPECT_OK(madpo_tokenizer_train(&tok, &t, 1, &o, &err));
    return tok;
}

static int setup(void **state)
{
    (void)state;
    english = train(sample, strlen(sample), 340);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    madpo_tokenizer_free(english);
    return 0;
}

/* ---- pieces ---- */

/* The pieces joined by '|'; digits 0: GPT-2's pattern, else how many of them Llama-3's takes. */
static void expect_pieces(const char *text, const char *pieces, int digits)
{
    char got[200];
    size_t n = strlen(text), at = 0, w = 0;

    while (at < n) {
        size_t end = digits ? madpo__pretokenize_llama3(text, n, at, digits)
                            : madpo__pretokenize_next(text, n, at);

        assert_true(end > at && end <= n && w + n + 2 < sizeof got);
        if (at)
            got[w++] = '|';
        memcpy(got + w, text + at, end - at);
        w += end - at;
        at = end;
    }
    got[w] = '\0';
    assert_string_equal(got, pieces);
}

/* Pieces joined by '|', as GPT-2's pattern gives them in the engine of the `tokenizers` library. */
static void test_pieces(void **state)
{
    static const struct {
        const char *text, *pieces;
    } cases[] = {
        {"Hello world", "Hello| world"},
        {"it's we've I'll I'd I'm you're don't",
         "it|'s| we|'ve| I|'ll| I|'d| I|'m| you|'re| don|'t"},
        {"IT'S 's' 'x ''s", "IT|'|S| '|s|'| '|x| ''|s"},
        {"a1b22 33 4.5", "a|1|b|22| 33| 4|.|5"},
        {"  hi", " | hi"},
        {"a   b", "a|  | b"},
        {"a\n\n  b", "a|\n\n | b"},
        {"a \n", "a| \n"},
        {"a\tb \tc", "a|\t|b| |\t|c"},
        {"   ", "   "},
        {"wow!!! (yes) ...", "wow|!!!| (|yes|)| ..."},
        {"caf\xC3\xA9s \xC3\x89t\xC3\xA9", "caf\xC3\xA9s| \xC3\x89t\xC3\xA9"},
        {"e\xCC\x81", "e|\xCC\x81"}, /* a combining mark is no letter */
        {"x\xC2\xB2\xC2\xBD y",
         "x|\xC2\xB2\xC2\xBD| y"}, /* superscripts and fractions are numbers */
        {"a\xC2\xA0"
         "b",
         "a|\xC2\xA0|b"}, /* no-break space: white, but not U+0020 */
        {"a \xE2\x80\x83"
         "b",
         "a| |\xE2\x80\x83|b"},
        {"\xE6\x98\xA0\xE7\x94\xBB\xE3\x80\x82", "\xE6\x98\xA0\xE7\x94\xBB|\xE3\x80\x82"},
        {"a\xFF\xFE"
         "b \xC3",
         "a|\xFF\xFE|b| \xC3"}, /* bytes that are not UTF-8: other */
        {"a\xF0\xB1\x8D\x90"
         "b\xF0\x91\xBD\x90",
         "a\xF0\xB1\x8D\x90"
         "b|\xF0\x91\xBD\x90"}, /* U+31350, U+11F50: a letter and a digit since Unicode 15 */
        {"\xED\xA0\x80x", "\xED\xA0\x80|x"}, /* a surrogate is not UTF-8 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_pieces(cases[i].text, cases[i].pieces, 0);
}

/* The same for the patterns of Llama-3 (digits in threes) and Qwen2 (alone). */
static void test_pieces_llama3(void **state)
{
    static const struct {
        const char *text, *llama3, *qwen;
    } cases[] = {
        {"Hello world", "Hello| world", NULL},
        {"it's IT'S we'LL I'Re y'all", "it|'s| IT|'S| we|'LL| I|'Re| y|'all", NULL},
        {"x'\xC5\xBFy 'dx", "x|'\xC5\xBF|y| '|dx", NULL}, /* long s folds to s */
        {"a1b1234567 89", "a|1|b|123|456|7| |89", "a|1|b|1|2|3|4|5|6|7| |8|9"},
        {"  hi", " | hi", NULL},
        {"\thi (yes)!\n\n x", "\thi| (|yes|)!\n\n| x", NULL},
        {"a\n\n  b", "a|\n\n| | b", NULL},
        {"a \r\n \n  \tb", "a| \r\n \n|  |\tb", NULL},
        {"a  ", "a|  ", NULL},
        {"\xC2\xA0"
         "x\xE3\x80\x80 y",
         "\xC2\xA0"
         "x|\xE3\x80\x80| y",
         NULL},
        {"e\xCC\x81t", "e|\xCC\x81t", NULL},
        {"!\r\n'\n\rz", "!\r\n|'\n\r|z", NULL},
        {"\xFF"
         "a\xC3",
         "\xFF"
         "a|\xC3",
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_pieces(cases[i].text, cases[i].llama3, 3);
        expect_pieces(cases[i].text, cases[i].qwen ? cases[i].qwen : cases[i].llama3, 1);
    }
}

/* ---- round trip ---- */

static void expect_round_trip(madpo_tokenizer *tok, const char *text, size_t n, bool specials)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_ids ids = {0};
    char *back;
    size_t n_back;

    EXPECT_OK(madpo_tokenizer_encode(tok, text, n, specials, &ids, &err));
    EXPECT_OK(madpo_tokenizer_decode(tok, ids.v, ids.n, false, &back, &n_back, &err));
    assert_int_equal(n_back, n);
    assert_memory_equal(back, text, n);
    assert_int_equal(back[n], '\0');
    free(back);
    madpo_ids_dispose(&ids);
}

static void test_round_trip(void **state)
{
    /* what random texts are put together from */
    static const char *const parts[] = {" ",        "  ",   "\n",   "'s",
                                        "<eos>",    "<bos", "film", " the",
                                        "\xC3\xA9", "\xFF", "\xC3", "\xF0\x9F\x8E\xAC",
                                        "12",       "!?",   "\t",   "\xE2\x80\x83"};
    madpo_rng rng;
    char text[400];

    (void)state;
    expect_round_trip(english, "", 0, false);
    expect_round_trip(english, sample, strlen(sample), false);
    expect_round_trip(english, sample, strlen(sample), true);
    madpo_rng_init(&rng, 3, 0);
    for (int i = 0; i < 3000; i++) {
        size_t n = 0, want = madpo_rng_below(&rng, sizeof text - 8);

        while (n < want) {
            size_t k = madpo_rng_below(&rng, 20);
            const char *part = k < 16 ? parts[k] : NULL;

            if (part && n + strlen(part) <= sizeof text) {
                memcpy(text + n, part, strlen(part));
                n += strlen(part);
            } else {
                text[n++] = (char)madpo_rng_below(&rng, 256); /* NUL included */
            }
        }
        expect_round_trip(english, text, n, i % 2);
    }
}

/* Every byte, alone and in a run longer than the cache takes. */
static void test_every_byte(void **state)
{
    char text[3000];

    (void)state;
    for (int b = 0; b < 256; b++) {
        memset(text, b, sizeof text);
        expect_round_trip(english, text, 1, false);
        expect_round_trip(english, text, sizeof text, false);
    }
}

static void test_sanitize(void **state)
{
    static const char dirty[] = "a\xFF\xC3\xA9\xC3 \xED\xA0\x80\0\xF0\x9F\x8E\xAC\xF0\x9F";
    static const char clean[] = "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD"
                                "\xEF\xBF\xBD\0\xF0\x9F\x8E\xAC\xEF\xBF\xBD\xEF\xBF\xBD";
    madpo_error err = MADPO_ERROR_INIT;
    char *out;
    size_t n;

    (void)state;
    EXPECT_OK(madpo_utf8_sanitize(&out, &n, dirty, sizeof dirty - 1, &err));
    assert_int_equal(n, sizeof clean - 1);
    assert_memory_equal(out, clean, sizeof clean);
    free(out);
    EXPECT_OK(madpo_utf8_sanitize(&out, NULL, "", 0, &err));
    assert_string_equal(out, "");
    free(out);
}

/* ---- the merges themselves ---- */

/* The definition: merge the leftmost occurrence of the best-ranked pair until there is none. */
static size_t encode_slowly(const madpo_tokenizer *tok, const char *word, size_t n, int32_t *ids)
{
    for (size_t i = 0; i < n; i++)
        ids[i] = tok->byte_id[(unsigned char)word[i]];
    for (;;) {
        uint32_t best = UINT32_MAX;
        size_t at = 0;

        for (size_t i = 0; i + 1 < n; i++) {
            uint32_t rank = madpo__merge_rank(tok, ids[i], ids[i + 1]);

            if (rank < best) {
                best = rank;
                at = i;
            }
        }
        if (best == UINT32_MAX)
            return n;
        ids[at] = tok->merge[best].result;
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        n--;
    }
}

static void test_heap_against_definition(void **state)
{
    static const char letters[] = "abcab"; /* few, so that pairs abound and overlap */
    madpo_error err = MADPO_ERROR_INIT;
    char text[4000], word[300];
    madpo_tokenizer *tok;
    madpo_rng rng;

    (void)state;
    madpo_rng_init(&rng, 9, 0);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = madpo_rng_below(&rng, 9) ? letters[madpo_rng_below(&rng, 5)] : ' ';
    tok = train(text, sizeof text, 420);
    assert_int_equal(madpo_tokenizer_vocab(tok), 420);
    for (int i = 0; i < 500; i++) {
        size_t n = 1 + madpo_rng_below(&rng, sizeof word - 1), n_want;
        int32_t want[sizeof word];
        madpo_ids got = {0};

        for (size_t k = 0; k < n; k++)
            word[k] = letters[madpo_rng_below(&rng, 5)];
        for (int twice = 0; twice < 2; twice++) { /* the second time from the cache */
            got.n = 0;
            EXPECT_OK(madpo_tokenizer_encode(tok, word, n, false, &got, &err));
            n_want = encode_slowly(tok, word, n, want);
            assert_int_equal(got.n, n_want);
            assert_memory_equal(got.v, want, n_want * sizeof *want);
        }
        madpo_ids_dispose(&got);
    }
    madpo_tokenizer_free(tok);
}

/* A hundred thousand equal bytes in one word: hopeless in quadratic time. */
static void test_long_word(void **state)
{
    size_t n = 2000000;
    char *text = malloc(n);

    (void)state;
    assert_non_null(text);
    memset(text, 'e', n);
    expect_round_trip(english, text, n, false);
    free(text);
}

/* More distinct words than the cache holds: it is emptied on the way. */
static void test_cache_overflow(void **state)
{
    size_t n = 0;
    char *text = malloc(90000 * 8);

    (void)state;
    assert_non_null(text);
    for (int i = 0; i < 90000; i++)
        n += (size_t)sprintf(text + n, " %d", i + 1000);
    expect_round_trip(english, text, n, false);
    expect_round_trip(english, text, n, false);
    free(text);
}

/* ---- training ---- */

static void expect_token(const madpo_tokenizer *tok, const char *content, int32_t id)
{
    assert_int_equal(madpo_tokenizer_id(tok, content), id);
}

static void test_training(void **state)
{
    static const char text[] = "ab ab ab abc abc bc bc x";
    madpo_tokenizer *tok = train(text, sizeof text - 1, 1000);

    (void)state;
    expect_token(tok, "<pad>", 0);
    expect_token(tok, "<bos>", 1);
    expect_token(tok, "<eos>", 2);
    expect_token(tok, "!", 3);
    expect_token(tok, "\xC3\xBF", 3 + 187); /* the last printable byte, then U+0100 … */
    expect_token(tok, "\xC4\x80", 3 + 188);
    expect_token(tok, "\xC4\xA0", 3 + 188 + 32); /* the blank */
    /* counts: ab 5, " a" 4, " b" 2, bc 4; after ab: " ab" 4, abc 2, then bc 2, " abc" 2 … */
    expect_token(tok, "ab", 259);
    expect_token(tok,
                 "\xC4\xA0"
                 "ab",
                 260);
    expect_token(tok, "bc", 261);
    expect_token(tok,
                 "\xC4\xA0"
                 "bc",
                 262);
    expect_token(tok,
                 "\xC4\xA0"
                 "abc",
                 263);
    assert_int_equal(madpo_tokenizer_vocab(tok), 264); /* nothing else comes twice */
    assert_int_equal(madpo_tokenizer_bos(tok), 1);
    assert_int_equal(madpo_tokenizer_eos(tok), 2);
    assert_int_equal(madpo_tokenizer_pad(tok), 0);
    assert_int_equal(madpo_tokenizer_id(tok, "abx"), -1);
    madpo_tokenizer_free(tok);
}

/* Text full of "<eos>" must not teach a merge that makes the special token. */
static void test_special_text(void **state)
{
    static const char text[] = "<eos> <eos> <eos> eos> eos> <eos><eos>xeosx <pad> <bos>";
    madpo_tokenizer *tok = train(text, sizeof text - 1, 400);
    madpo_error err = MADPO_ERROR_INIT;
    madpo_ids ids = {0};
    char *back;
    size_t n;

    (void)state;
    EXPECT_OK(madpo_tokenizer_encode(tok, text, sizeof text - 1, false, &ids, &err));
    for (size_t i = 0; i < ids.n; i++)
        assert_true(ids.v[i] > 2);
    ids.n = 0;
    EXPECT_OK(madpo_tokenizer_encode(tok, "a<eos><bos>b<eos", 16, true, &ids, &err));
    assert_int_equal(ids.v[1], 2);
    assert_int_equal(ids.v[2], 1);
    assert_true(ids.v[4] > 2);
    EXPECT_OK(madpo_tokenizer_decode(tok, ids.v, ids.n, true, &back, &n, &err));
    assert_string_equal(back, "ab<eos");
    free(back);
    EXPECT_OK(madpo_tokenizer_decode(tok, ids.v, ids.n, false, &back, &n, &err));
    assert_string_equal(back, "a<eos><bos>b<eos");
    free(back);
    madpo_ids_dispose(&ids);
    madpo_tokenizer_free(tok);
}

static void test_train_refusals(void **state)
{
    static const char *const twice[] = {"<a>", "<a>"};
    static const char *const letter[] = {"x"};
    madpo_tokenizer_train_options o;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer *tok;

    (void)state;
    madpo_tokenizer_train_options_defaults(&o);
    o.vocab = 258;
    assert_int_equal(madpo_tokenizer_train(&tok, NULL, 0, &o, &err), MADPO_ERR_CONFIG);
    expect_error_at(&err, MADPO_ERR_CONFIG, "",
                    "a vocabulary of 258 is smaller than 3 special tokens + 256 bytes; set "
                    "tokenizer.vocab to at least 259");
    assert_null(tok);
    o.vocab = 300;
    o.specials = twice;
    o.n_specials = 2;
    assert_int_equal(madpo_tokenizer_train(&tok, NULL, 0, &o, &err), MADPO_ERR_DATA);
    expect_error_at(&err, MADPO_ERR_DATA, "", "token \"<a>\" has two ids: 0 and 1");
    o.specials = letter;
    o.n_specials = 1;
    assert_int_equal(madpo_tokenizer_train(&tok, NULL, 0, &o, &err), MADPO_ERR_DATA);
    o.n_specials = 0;
    madpo_error_clear(&err);
    EXPECT_OK(madpo_tokenizer_train(&tok, NULL, 0, &o, &err)); /* no text: the bytes alone */
    assert_int_equal(madpo_tokenizer_vocab(tok), 256);
    assert_int_equal(madpo_tokenizer_bos(tok), -1);
    expect_round_trip(tok, sample, strlen(sample), true);
    madpo_tokenizer_free(tok);
}

/* Beyond the vocabulary: rows of a padded embedding, which stand for nothing. */
static void test_decode_refusals(void **state)
{
    const int32_t a = madpo_tokenizer_id(english, "a"), low = -1;
    const int32_t high = madpo_tokenizer_vocab(english);
    const int32_t mixed[] = {a, high, a, INT32_MAX};
    madpo_error err = MADPO_ERROR_INIT;
    char *text, want[80];
    size_t n;

    (void)state;
    snprintf(want, sizeof want, "token id -1 is outside the vocabulary of %d", (int)high);
    EXPECT_OK(madpo_tokenizer_decode(english, mixed, 4, false, &text, &n, &err));
    assert_string_equal(text, "aa");
    free(text);
    assert_int_equal(madpo_tokenizer_decode(english, &low, 1, false, &text, &n, &err),
                     MADPO_ERR_DATA);
    assert_null(text);
    expect_error_at(&err, MADPO_ERR_DATA, "", want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),         cmocka_unit_test(test_pieces_llama3),
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_sanitize),       cmocka_unit_test(test_heap_against_definition),
        cmocka_unit_test(test_long_word),      cmocka_unit_test(test_cache_overflow),
        cmocka_unit_test(test_training),       cmocka_unit_test(test_special_text),
        cmocka_unit_test(test_train_refusals), cmocka_unit_test(test_decode_refusals),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
