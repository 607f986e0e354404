/* What tokenizer.json's sections and the files beside it do, on tokenizers small enough to follow
 * by hand; whole families are in tests/golden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "tests/support/tmp.h"
#include "tests/unit/expect.h"
#include "text/tokenizer.h"
#include "text/tokenizer_inside.h"
#include "text/utf8.h"

static char *dir;

static int setup(void **state)
{
    (void)state;
    dir = tmp_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_free(dir);
    return 0;
}

/* A character-level tokenizer of 13 tokens; %s: added tokens, other sections, flags of the model.
 */
static madpo_status parse(madpo_tokenizer **tok, const char *added, const char *sections,
                          const char *model, madpo_error *err)
{
    madpo_strbuf text = {0};
    char *moved;
    size_t n;

    madpo_strbuf_printf(
        &text,
        "{\"version\":\"1.0\",\"added_tokens\":[%s]%s,\"model\":{%s\"vocab\":{\"<unk>\":0,"
        "\"a\":1,\"b\":2,\"ab\":3,\"\xE2\x96\x81\":4,\" \":5,\"1\":6,\"<0xC3>\":7,\"<0xA9>\":8,"
        "\"\xE2\x96\x81"
        "a\":9,\"<0xE2>\":10,\"<s>\":11,\"\\u00e4\":12},\"merges\":[[\"a\",\"b\"],[\"\xE2\x96\x81"
        "\",\"a\"]]}}",
        added, sections, model);
    assert_false(text.failed);
    assert_int_equal(madpo_strbuf_steal(&text, &moved, &n, err), MADPO_OK);
    return madpo__tokenizer_parse(tok, moved, n, "small", err);
}

/* The ids as text: "1 2 3". */
static void expect_ids(madpo_tokenizer *tok, const char *text, bool around, const char *want)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_strbuf got = {0};
    madpo_ids ids = {0};
    size_t n = strlen(text);

    if (around)
        EXPECT_OK(madpo_tokenizer_encode_with_specials(tok, text, n, true, &ids, &err));
    else
        EXPECT_OK(madpo_tokenizer_encode(tok, text, n, true, &ids, &err));
    for (size_t i = 0; i < ids.n; i++)
        madpo_strbuf_printf(&got, "%s%d", i ? " " : "", (int)ids.v[i]);
    assert_string_equal(got.s ? got.s : "", want);
    madpo_strbuf_dispose(&got);
    madpo_ids_dispose(&ids);
}

/* One row: a tokenizer and what it makes of a text. */
static void test_encode(void **state)
{
    static const struct {
        const char *added, *sections, *model, *text, *ids;
    } cases[] = {
        {"", "", "", "abcab", "3 3"}, /* c is dropped: no unknown token, no bytes */
        {"", "", "\"unk_token\":\"<unk>\",", "ccab", "0 0 3"},
        {"", "", "\"unk_token\":\"<unk>\",\"fuse_unk\":true,",
         "cc\xC3\xBC"
         "ab",
         "0 3"},
        {"", "", "\"byte_fallback\":true,",
         "\xC3\xA9"
         "a",
         "7 8 1"},
        {"", "", "\"byte_fallback\":true,", "\xC3\xBC", ""}, /* <0xBC> is missing */
        {"", "", "\"byte_fallback\":true,\"unk_token\":\"<unk>\",", "\xC3\xBC\xC3\xA9", "7 8 0"},
        {"", "", "\"byte_fallback\":true,\"unk_token\":\"<unk>\",",
         "a\xE2"
         "b\xC3",
         "1 10 2 7"},
        {"", ",\"normalizer\":{\"type\":\"NFC\"}", "", "a\xCC\x88", "12"},
        {"", ",\"normalizer\":{\"type\":\"NFC\"}", "\"unk_token\":\"<unk>\",",
         "\xFF"
         "a\xCC\x88\xFE",
         "0 12 0"}, /* around bytes that are no UTF-8 */
        {"", ",\"normalizer\":{\"type\":\"Lowercase\"}", "", "A\xC3\x84", "1 12"},
        {"", ",\"normalizer\":{\"type\":\"Strip\",\"strip_right\":false}", "", " \n a ", "1 5"},
        {"",
         ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"c+\"},\"content\":"
         "\"1\"}",
         "", "accbcd", "1 6 2 6"},
        {"",
         ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"c*$\"},\"content\":"
         "\"1\"}",
         "",
         "c\xFF"
         "ac\xC3"
         "b",
         "6 1 6 2 6"}, /* each stretch of valid UTF-8 by itself */
        {"{\"id\":11,\"content\":\"<s>\",\"lstrip\":true,\"rstrip\":true}", "", "", "a <s>  b",
         "1 11 2"},
        {"{\"id\":11,\"content\":\"<s>\",\"single_word\":true}", "", "", "<s>a <s> b1<s> <s>",
         "1 5 11 5 2 6 5 11"},
        {"{\"id\":20,\"content\":\"ba\"},{\"id\":21,\"content\":\"bab\"}", "", "", "babab",
         "21 3"}, /* the longest at the leftmost place */
        {"{\"id\":20,\"content\":\"A\",\"normalized\":true}",
         ",\"normalizer\":{\"type\":\"Lowercase\"}", "", "ba", "2 20"},
        {"{\"id\":20,\"content\":\"A\",\"normalized\":false}",
         ",\"normalizer\":{\"type\":\"Lowercase\"}", "", "bAba", "2 20 2 1"},
    };
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_tokenizer *tok;

        EXPECT_OK(parse(&tok, cases[i].added, cases[i].sections, cases[i].model, &err));
        expect_ids(tok, cases[i].text, false, cases[i].ids);
        madpo_tokenizer_free(tok);
    }
}

#define METASPACE ",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\","

static void test_metaspace(void **state)
{
    static const struct {
        const char *scheme, *text, *ids;
    } cases[] = {
        {METASPACE "\"prepend_scheme\":\"always\"}", "a<s>a a", "9 11 9 9"},
        {METASPACE "\"prepend_scheme\":\"first\"}", "a<s>a a", "9 11 1 9"},
        {METASPACE "\"prepend_scheme\":\"first\"}", "<s>a", "11 1"},
        {METASPACE "\"prepend_scheme\":\"never\"}", "a<s>a a", "1 11 1 9"},
        {METASPACE "\"add_prefix_space\":false}", "a<s>a a", "1 11 1 9"},
        {METASPACE "\"add_prefix_space\":true}", " a", "9"},
    };
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_tokenizer *tok;

        EXPECT_OK(parse(&tok, "{\"id\":11,\"content\":\"<s>\",\"special\":true}", cases[i].scheme,
                        "", &err));
        expect_ids(tok, cases[i].text, false, cases[i].ids);
        madpo_tokenizer_free(tok);
    }
}

/* ---- decoding id by id ---- */

static void expect_stream(const madpo_tokenizer *tok, const int32_t *ids, size_t n_ids,
                          const char *const *want)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer_stream *s;
    const char *part;
    size_t n;

    EXPECT_OK(madpo_tokenizer_stream_new(&s, tok, true, &err));
    for (int twice = 0; twice < 2; twice++) { /* after _end it is as new */
        for (size_t i = 0; i < n_ids; i++) {
            EXPECT_OK(madpo_tokenizer_stream_push(s, ids[i], &part, &n, &err));
            assert_string_equal(part, want[i]);
            assert_int_equal(n, strlen(want[i]));
        }
        EXPECT_OK(madpo_tokenizer_stream_end(s, &part, &n, &err));
        assert_string_equal(part, want[n_ids]);
    }
    EXPECT_OK(madpo_tokenizer_stream_push(s, 999, &part, &n, &err)); /* no token has it: no text */
    assert_int_equal(n, 0);
    assert_int_equal(madpo_tokenizer_stream_push(s, -1, &part, &n, &err), MADPO_ERR_DATA);
    madpo_tokenizer_stream_free(s);
}

static void test_stream(void **state)
{
    static const char decoder[] =
        ",\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{"
        "\"String\":\"\xE2\x96\x81\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":"
        "\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":1}]}";
    static const int32_t whole[] = {9, 7, 11, 8, 3, 4, 4, 4}, broken[] = {4, 4, 7, 3};
    static const char *const whole_text[] = {"a",
                                             "",
                                             "",
                                             "",
                                             "\xC3\xA9"
                                             "ab",
                                             "",
                                             " ",
                                             " ",
                                             ""};
    static const char *const broken_text[] = {"", "", "",
                                              " \xEF\xBF\xBD"
                                              "ab",
                                              ""};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer *tok;

    (void)state;
    EXPECT_OK(parse(&tok, "{\"id\":11,\"content\":\"<s>\",\"special\":true}", decoder,
                    "\"byte_fallback\":true,", &err));
    expect_stream(tok, whole, 8, whole_text);
    expect_stream(tok, broken, 4, broken_text);
    madpo_tokenizer_free(tok);
}

/* Bytes of one character over several tokens, and a character that never becomes whole. */
static void test_stream_of_bytes(void **state)
{
    static const char text[] = "\xF0\x9F\x8E\xAC";
    madpo_tokenizer_train_options o;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer *tok;
    madpo_ids ids = {0};
    static const char *const parts[] = {"", "", "", text, ""}, *const half[] = {"", "\xC3"};

    (void)state;
    madpo_tokenizer_train_options_defaults(&o);
    o.vocab = 259;
    EXPECT_OK(madpo_tokenizer_train(&tok, NULL, 0, &o, &err));
    EXPECT_OK(madpo_tokenizer_encode(tok, text, 4, false, &ids, &err));
    expect_stream(tok, ids.v, ids.n, parts);
    ids.n = 0;
    EXPECT_OK(madpo_tokenizer_encode(tok, "\xC3", 1, false, &ids, &err));
    expect_stream(tok, ids.v, ids.n, half);
    madpo_ids_dispose(&ids);
    madpo_tokenizer_free(tok);
}

/* ---- queries ---- */

static void test_queries(void **state)
{
    static const char post[] =
        ",\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},{"
        "\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{"
        "\"Sequence\":{\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"e\"}}],\"special_tokens\":{"
        "\"<s>\":{\"ids\":[11]},\"e\":{\"ids\":[3,1]}}},{\"type\":\"BertProcessing\",\"cls\":["
        "\"b\",2],\"sep\":[\"1\",6]}]}";
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer *tok;
    size_t n;

    (void)state;
    EXPECT_OK(parse(&tok,
                    "{\"id\":11,\"content\":\"<s>\",\"special\":true},{\"id\":20,\"content\":"
                    "\"\\n\"}",
                    post, "\"unk_token\":\"<unk>\",", &err));
    expect_ids(tok, "ab", true, "2 11 3 3 1 6");
    expect_ids(tok, "", true, "2 11 3 1 6");
    assert_int_equal(madpo_tokenizer_front(tok, &n)[1], 11);
    assert_int_equal(n, 2);
    assert_int_equal(madpo_tokenizer_behind(tok, &n)[2], 6);
    assert_int_equal(n, 3);
    assert_int_equal(madpo_tokenizer_unk(tok), 0);
    assert_int_equal(madpo_tokenizer_vocab(tok), 21);
    assert_true(madpo_tokenizer_is_special(tok, 11));
    assert_true(madpo_tokenizer_is_added(tok, 20));
    assert_false(madpo_tokenizer_is_special(tok, 20));
    assert_false(madpo_tokenizer_is_added(tok, 1));
    assert_false(madpo_tokenizer_is_added(tok, 15)); /* a hole */
    assert_false(madpo_tokenizer_is_added(tok, -1));
    assert_null(madpo_tokenizer_content(tok, 15));
    assert_null(madpo_tokenizer_content(tok, 21));
    assert_string_equal(madpo_tokenizer_content(tok, 7), "<0xC3>");
    assert_int_equal(madpo_tokenizer_bytes(tok, 3, &n)[1], 'b');
    assert_int_equal(n, 2);
    madpo_tokenizer_free(tok);
}

/* ---- what the reader of the two big parts refuses ---- */

static void test_hostile(void **state)
{
    static const struct {
        const char *vocab, *merges, *rest;
    } cases[] = {
        {"{\"a\":0,}", "[]", ":1: invalid JSON: a string is expected"},
        {"{\"a\" 0}", "[]", ":1: invalid JSON: ':' expected in the vocabulary"},
        {"{\"a\":0 \"b\":1}", "[]", ":1: invalid JSON: ',' expected between the members of a list"},
        {"{\"a\":0]", "[]", ":1:36: invalid JSON: string or '}' expected near ']'"},
        {"{\"a\":00}", "[]", ": token \"a\" has no integer id"},
        {"{\"a\":1.0}", "[]", ": token \"a\" has no integer id"},
        {"{\"a\":-1}", "[]",
         ": token \"a\" has id -1 in a vocabulary of 1 tokens; ids must count from 0"},
        {"{\"a\":0,\"a\":1}", "[]", ": token \"a\" has two ids: 0 and 1"},
        {"{\"\\x\":0}", "[]", ":1: invalid JSON: a bad escape in a string"},
        {"{\"\\uD800\":0}", "[]", ":1: invalid JSON: a bad escape in a string"},
        {"{\n\"\\uDC00\":0}", "[]", ":2: invalid JSON: a bad escape in a string"},
        {"{\"\\u12g4\":0}", "[]", ":1: invalid JSON: a bad escape in a string"},
        {"{\"\xFF\":0}", "[]", ":1: invalid JSON: a string that is not UTF-8"},
        {"{\"\x01\":0}", "[]", ":1: invalid JSON: a control character in a string"},
        {"{\"a\":0,\"b\":1}", "[\"a b\"]", ": merge 0: \"ab\" is not in the vocabulary"},
        {"{\"a\":0}", "[[\"a\",\"\"]]", ": merge 0 is neither \"a b\" nor [\"a\", \"b\"]"},
        {"{\"a\":0}", "[[\"a\"]]", ": merge 0 is neither \"a b\" nor [\"a\", \"b\"]"},
        {"{\"a\":0,\"aa\":1}", "[\"#version: 0.2\",\"a a\",7]",
         ": merge 2 is neither \"a b\" nor [\"a\", \"b\"]"},
        {"{},\"vocab\":{}", "[]", ": model.vocab or model.merges is given twice"},
    };
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_strbuf text = {0};
        madpo_tokenizer *tok;
        char *path;

        madpo_strbuf_printf(&text, "{\"version\":\"1.0\",\"model\":{\"vocab\":%s,\"merges\":%s}}",
                            cases[i].vocab, cases[i].merges);
        path = tmp_file(dir, "hostile.json", text.s);
        assert_int_equal(madpo_tokenizer_load(&tok, path, &err), MADPO_ERR_DATA);
        expect_error_at(&err, MADPO_ERR_DATA, path, cases[i].rest);
        assert_null(tok);
        madpo_strbuf_dispose(&text);
        free(path);
    }
}

/* ---- the files beside ---- */

static void write_json(const char *sub, const char *post)
{
    madpo_strbuf text = {0};

    madpo_strbuf_printf(&text,
                        "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":1,\"content\":\"<s>\","
                        "\"special\":true}]%s,\"model\":{\"vocab\":{\"a\":0,\"</s>\":2,\"b\":3},"
                        "\"merges\":[]}}",
                        post);
    free(tmp_file(sub, "tokenizer.json", text.s));
    madpo_strbuf_dispose(&text);
}

static void test_config(void **state)
{
    static const struct {
        const char *config, *text, *ids; /* with the template */
    } cases[] = {
        {"{}", "a</s>",
         "1 0"}, /* by tokenizer.json; </s> is no added token and its characters unknown */
        {"{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\"}", "a</s>", "1 0 2"},
        {"{\"tokenizer_class\":\"LlamaTokenizer\",\"bos_token\":\"<s>\",\"eos_token\":{\"content\":"
         "\"</s>\"},\"add_eos_token\":true}",
         "a", "1 0 2"},
        {"{\"tokenizer_class\":\"GemmaTokenizerFast\",\"add_bos_token\":false,\"bos_token\":"
         "\"<s>\"}",
         "a", "0"},
        {"{\"tokenizer_class\":\"GPT2Tokenizer\",\"add_bos_token\":false,\"bos_token\":\"<s>\"}",
         "a", "1 0"},
        {"{\"added_tokens_decoder\":{\"9\":{\"content\":\"ab\",\"special\":true},\"1\":{"
         "\"content\":\"<s>\",\"rstrip\":true}}}",
         "<s>  aab", "1 1 0 9"},
        {"{\"additional_special_tokens\":[\"ba\",{\"content\":\"a\"}]}", "ba", "1 4"},
    };
    char *sub = tmp_path(dir, "config");
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    EXPECT_OK(madpo_dir_make(sub, &err));
    write_json(sub, ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{"
                    "\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{\"id\":\"A\"}}],"
                    "\"special_tokens\":{\"<s>\":{\"ids\":[1]}}}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_tokenizer *tok;

        free(tmp_file(sub, "tokenizer_config.json", cases[i].config));
        EXPECT_OK(madpo_tokenizer_load(&tok, sub, &err));
        expect_ids(tok, cases[i].text, true, cases[i].ids);
        madpo_tokenizer_free(tok);
    }
    free(tmp_file(sub, "tokenizer_config.json",
                  "{\"tokenizer_class\":\"LlamaTokenizer\",\"bos_token\":null}"));
    {
        madpo_tokenizer *tok;

        assert_int_equal(madpo_tokenizer_load(&tok, sub, &err), MADPO_ERR_DATA);
        expect_error_at(&err, MADPO_ERR_DATA, sub,
                        ": add_bos_token is true in tokenizer_config.json, but the tokenizer has "
                        "no such token");
    }
    free(sub);
}

static void expect_same_ids(madpo_tokenizer *a, const char *text, madpo_tokenizer *b,
                            const char *other)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_ids x = {0}, y = {0};

    EXPECT_OK(madpo_tokenizer_encode(a, text, strlen(text), false, &x, &err));
    EXPECT_OK(madpo_tokenizer_encode(b, other, strlen(other), false, &y, &err));
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.v, y.v, x.n * sizeof *x.v);
    madpo_ids_dispose(&x);
    madpo_ids_dispose(&y);
}

/* vocab.json and merges.txt of a trained tokenizer encode as its tokenizer.json does, and are saved
 * as they were read. */
static void test_two_files(void **state)
{
    static const char text[] = "the cat sat on the mat, the cats' mats and hats; 12 hats <eos>";
    char *whole = tmp_path(dir, "whole"), *two = tmp_path(dir, "two"), *again = tmp_path(dir, "3");
    madpo_tokenizer_train_options o;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_text t = {text, sizeof text - 1};
    madpo_strbuf vocab = {0}, merges = {0}, want = {0};
    madpo_tokenizer *tok, *back;
    madpo_ids ids = {0};

    (void)state;
    madpo_tokenizer_train_options_defaults(&o);
    o.vocab = 280;
    EXPECT_OK(madpo_tokenizer_train(&tok, &t, 1, &o, &err));
    for (int32_t id = 0; id < madpo_tokenizer_vocab(tok); id++) {
        const char *content = madpo_tokenizer_content(tok, id);

        madpo_strbuf_printf(&vocab, "%s\"%s%s\": %d", id ? ", " : "{",
                            *content == '"' || *content == '\\' ? "\\" : "", content, (int)id);
    }
    madpo_strbuf_append(&vocab, "}");
    madpo_strbuf_append(&merges, "#version: 0.2\r\n");
    for (size_t i = 0; i < tok->n_merges; i++)
        madpo_strbuf_printf(&merges, "%s %s\r\n", madpo_tokenizer_content(tok, tok->merge[i].left),
                            madpo_tokenizer_content(tok, tok->merge[i].right));
    EXPECT_OK(madpo_tokenizer_save(tok, two, &err));
    free(tmp_file(two, "vocab.json", vocab.s));
    free(tmp_file(two, "merges.txt", merges.s));
    {
        char *json = tmp_path(two, "tokenizer.json");

        EXPECT_OK(madpo_dir_remove(json, &err));
        free(json);
    }
    free(tmp_file(two, "tokenizer_config.json", "{\"tokenizer_class\":\"GPT2Tokenizer\"}"));
    EXPECT_OK(madpo_tokenizer_load(&back, two, &err));
    EXPECT_OK(madpo_tokenizer_encode(tok, text, sizeof text - 1, true, &ids, &err));
    for (size_t i = 0; i < ids.n; i++)
        madpo_strbuf_printf(&want, "%s%d", i ? " " : "", (int)ids.v[i]);
    expect_ids(back, text, true, want.s);
    EXPECT_OK(madpo_tokenizer_save(back, again, &err));
    madpo_tokenizer_free(back);
    EXPECT_OK(madpo_tokenizer_load(&back, again, &err));
    expect_ids(back, text, true, want.s);
    madpo_tokenizer_free(back);
    free(tmp_file(two, "tokenizer_config.json", "{\"add_prefix_space\":true}"));
    EXPECT_OK(madpo_tokenizer_load(&back, two, &err));
    expect_same_ids(back, "cat", tok, " cat");
    madpo_tokenizer_free(back);
    EXPECT_OK(madpo_tokenizer_save(tok, again, &err));
    free(tmp_file(again, "tokenizer_config.json", "{\"add_prefix_space\":true}"));
    EXPECT_OK(madpo_tokenizer_load(&back, again, &err));
    expect_same_ids(back, "cat", tok, " cat");
    madpo_tokenizer_free(back);
    free(tmp_file(two, "tokenizer_config.json", "{\"tokenizer_class\":\"RobertaTokenizer\"}"));
    assert_int_equal(madpo_tokenizer_load(&back, two, &err), MADPO_ERR_UNSUPPORTED);
    expect_error_at(&err, MADPO_ERR_UNSUPPORTED, two,
                    ": vocab.json and merges.txt of class \"RobertaTokenizer\" is not implemented; "
                    "use the model's tokenizer.json");
    assert_int_equal(madpo_tokenizer_load(&back, dir, &err), MADPO_ERR_IO);
    expect_error_at(
        &err, MADPO_ERR_IO, dir,
        ": holds no tokenizer: neither tokenizer.json nor vocab.json and merges.txt are "
        "there");
    madpo_tokenizer_free(tok);
    madpo_strbuf_dispose(&vocab);
    madpo_strbuf_dispose(&merges);
    madpo_strbuf_dispose(&want);
    madpo_ids_dispose(&ids);
    free(whole);
    free(two);
    free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),  cmocka_unit_test(test_metaspace),
        cmocka_unit_test(test_stream),  cmocka_unit_test(test_stream_of_bytes),
        cmocka_unit_test(test_queries), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_config),  cmocka_unit_test(test_two_files),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
