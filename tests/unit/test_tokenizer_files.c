/* tokenizer.json: written, read back, refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/tmp.h"
#include "tests/unit/expect.h"
#include "text/tokenizer.h"

static char *dir;
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
    dir = tmp_new();
    english = train(sample, strlen(sample), 340);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    madpo_tokenizer_free(english);
    tmp_free(dir);
    return 0;
}

/* ---- files ---- */

static void expect_same_ids(madpo_tokenizer *a, madpo_tokenizer *b, const char *text, size_t n)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_ids x = {0}, y = {0};

    EXPECT_OK(madpo_tokenizer_encode(a, text, n, true, &x, &err));
    EXPECT_OK(madpo_tokenizer_encode(b, text, n, true, &y, &err));
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.v, y.v, x.n * sizeof *x.v);
    madpo_ids_dispose(&x);
    madpo_ids_dispose(&y);
}

static void expect_same_file(const char *a, const char *b, const char *name)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *x = tmp_path(a, name), *y = tmp_path(b, name), *p, *q;
    size_t n, m;

    EXPECT_OK(madpo_file_read(&p, &n, x, &err));
    EXPECT_OK(madpo_file_read(&q, &m, y, &err));
    assert_int_equal(n, m);
    assert_memory_equal(p, q, n);
    free(p);
    free(q);
    free(x);
    free(y);
}

static void test_save_and_load(void **state)
{
    char *one = tmp_path(dir, "one"), *two = tmp_path(dir, "two"),
         *path = tmp_path(one, "tokenizer.json");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer *back;

    (void)state;
    EXPECT_OK(madpo_tokenizer_save(english, one, &err));
    EXPECT_OK(madpo_tokenizer_load(&back, path, &err));
    assert_int_equal(madpo_tokenizer_vocab(back), madpo_tokenizer_vocab(english));
    assert_int_equal(madpo_tokenizer_bos(back), 1);
    assert_int_equal(madpo_tokenizer_eos(back), 2);
    assert_int_equal(madpo_tokenizer_pad(back), 0);
    expect_same_ids(english, back, sample, strlen(sample));
    EXPECT_OK(madpo_tokenizer_save(back, two, &err)); /* as it was read */
    expect_same_file(one, two, "tokenizer.json");
    expect_same_file(one, two, "tokenizer_config.json");
    expect_same_file(one, two, "special_tokens_map.json");
    madpo_tokenizer_free(back);
    free(one);
    free(two);
    free(path);
}

/* A small tokenizer.json as a JSON value, to be spoiled and written. */
static json_t *saved(void)
{
    char *sub = tmp_path(dir, "base"), *path = tmp_path(sub, "tokenizer.json");
    madpo_error err = MADPO_ERROR_INIT;
    json_t *root;

    EXPECT_OK(madpo_tokenizer_save(english, sub, &err));
    EXPECT_OK(madpo_json_load(&root, path, &err));
    free(sub);
    free(path);
    return root;
}

static madpo_status load_value(const json_t *root, const char **path, madpo_error *err)
{
    static char *kept;
    madpo_tokenizer *tok;
    madpo_status st;

    free(kept);
    kept = tmp_path(dir, "spoiled.json");
    *path = kept;
    assert_int_equal(madpo_json_save(root, kept, err), MADPO_OK);
    st = madpo_tokenizer_load(&tok, kept, err);
    assert_true((st == MADPO_OK) == (tok != NULL));
    madpo_tokenizer_free(tok);
    if (!root) {
        free(kept);
        kept = NULL;
    }
    return st;
}

/* Each row replaces what lies at a dotted path by another JSON value. */
static const struct {
    const char *where, *value;
    madpo_status code;
    const char *rest;
} refusal[] = {
    {"version", "\"2.0\"", MADPO_ERR_UNSUPPORTED,
     ": tokenizer version \"2.0\" is not implemented; use \"1.0\""},
    {"normalizer", "{\"type\":\"BertNormalizer\"}", MADPO_ERR_UNSUPPORTED,
     ": normalizer \"BertNormalizer\" is not implemented; use NFC, NFD, NFKC, NFKD, Lowercase, "
     "Strip, StripAccents, Prepend, Replace or Sequence"},
    {"normalizer", "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"\"}",
     MADPO_ERR_UNSUPPORTED, ": an empty pattern is not implemented"},
    {"normalizer", "{\"type\":\"Replace\",\"content\":\"\"}", MADPO_ERR_DATA,
     ": Replace has no pattern {\"String\": ..} or {\"Regex\": ..}"},
    {"normalizer", "{\"type\":\"Prepend\"}", MADPO_ERR_DATA,
     ": a section of type \"Prepend\" has no string \"prepend\""},
    {"pre_tokenizer", "{\"type\":\"UnicodeScripts\"}", MADPO_ERR_UNSUPPORTED,
     ": pre_tokenizer \"UnicodeScripts\" is not implemented; use ByteLevel, Split, Digits, "
     "Metaspace or Sequence"},
    {"pre_tokenizer",
     "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{\"type\":\"Digits\"}]"
     "}",
     MADPO_ERR_UNSUPPORTED,
     ": pre_tokenizer behind ByteLevel: \"Digits\" is not implemented; use ByteLevel as the "
     "last "
     "one"},
    {"pre_tokenizer",
     "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\w+\"},\"behavior\":\"Isolated\"}",
     MADPO_ERR_UNSUPPORTED, ": pattern \"\\w+\": \"\\w\" is not implemented"},
    {"pre_tokenizer",
     "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a\"},\"behavior\":\"Isolated\"}",
     MADPO_ERR_UNSUPPORTED, ": pattern \"(a\": missing closing parenthesis"},
    {"pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"x\"}",
     MADPO_ERR_UNSUPPORTED,
     ": pre_tokenizer Split with behavior \"x\" is not implemented; use Removed, Isolated, "
     "MergedWithPrevious, MergedWithNext or Contiguous"},
    {"pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"ab\"}", MADPO_ERR_DATA,
     ": Metaspace has no \"replacement\" of one character"},
    {"decoder", "{\"type\":\"WordPiece\"}", MADPO_ERR_UNSUPPORTED,
     ": decoder \"WordPiece\" is not implemented; use ByteLevel, Metaspace, Replace, "
     "ByteFallback, Fuse, Strip or Sequence"},
    {"decoder", "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}",
     MADPO_ERR_UNSUPPORTED,
     ": in a decoder of several steps, at this place, \"Strip\" is not implemented; use "
     "Replace, "
     "ByteFallback, Fuse, Strip in this order"},
    {"post_processor", "{\"type\":\"Other\"}", MADPO_ERR_UNSUPPORTED,
     ": post_processor \"Other\" is not implemented; use ByteLevel, TemplateProcessing, "
     "RobertaProcessing, BertProcessing or Sequence"},
    {"post_processor", "{\"type\":\"BertProcessing\"}", MADPO_ERR_DATA,
     ": the post_processor has a special token without an id"},
    {"post_processor", "{\"type\":\"BertProcessing\",\"cls\":[\"a\",5000],\"sep\":[\"<eos>\",2]}",
     MADPO_ERR_DATA, ": id 5000 of the post_processor is not in the vocabulary"},
    {"post_processor", "{\"type\":\"TemplateProcessing\",\"single\":[]}", MADPO_ERR_DATA,
     ": the template \"single\" of the post_processor has no sequence A"},
    {"post_processor",
     "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}]}",
     MADPO_ERR_DATA, ": special token \"x\" of the post_processor has no ids"},
    {"model.type", "\"Unigram\"", MADPO_ERR_UNSUPPORTED,
     ": model \"Unigram\" is not implemented; use BPE"},
    {"model.dropout", "0.1", MADPO_ERR_UNSUPPORTED,
     ": model \"BPE with dropout\" is not implemented; use dropout null"},
    {"model.end_of_word_suffix", "\"</w>\"", MADPO_ERR_UNSUPPORTED,
     ": model with pre_tokenizer ByteLevel and \"end_of_word_suffix\" is not implemented; use "
     "a "
     "BPE without it"},
    {"model", "null", MADPO_ERR_DATA, ": is no tokenizer.json: section \"model\" is missing"},
    {"model.vocab", "[]", MADPO_ERR_DATA, ": model.vocab is missing or no object"},
    {"model.merges", "{}", MADPO_ERR_DATA, ": model.merges is missing or no array"},
    {"model.merges", "[\"a\"]", MADPO_ERR_DATA, ": merge 0 is neither \"a b\" nor [\"a\", \"b\"]"},
    {"model.merges", "[\"e q\"]", MADPO_ERR_DATA, ": merge 0: \"eq\" is not in the vocabulary"},
    {"model.merges", "[[\"zz\", \"b\"]]", MADPO_ERR_DATA,
     ": merge 0: \"zz\" is not in the vocabulary"},
    {"model.vocab.A", "null", MADPO_ERR_DATA, ": token \"A\" has no integer id"},
    {"model.vocab.A", "99999999", MADPO_ERR_DATA,
     ": token \"A\" has id 99999999 in a vocabulary of 305 tokens; ids must count from 0"},
    {"model.vocab.B", "3", MADPO_ERR_DATA, ": id 3 is given to two tokens: \"!\" and \"B\""},
    {"model.vocab", "{\"a\":0}", MADPO_ERR_DATA, ": merge 0: \"h\" is not in the vocabulary"},
    {"added_tokens", "[{\"id\":1}]", MADPO_ERR_DATA,
     ": an entry of added_tokens has no string \"content\""},
    {"added_tokens", "[{\"id\":7,\"content\":\"<eos>\"}]", MADPO_ERR_DATA,
     ": added token \"<eos>\" has id 7, but 2 in the vocabulary"},
};

static void test_load_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusal / sizeof *refusal; i++) {
        const char *dot = strrchr(refusal[i].where, '.'), *path;
        json_t *root = saved(), *at = root;
        madpo_error err = MADPO_ERROR_INIT;

        if (dot && strchr(refusal[i].where, '.') != dot)
            at = json_object_get(json_object_get(root, "model"), "vocab");
        else if (dot)
            at = json_object_getn(root, refusal[i].where, (size_t)(dot - refusal[i].where));
        assert_int_equal(json_object_set_new(at, dot ? dot + 1 : refusal[i].where,
                                             json_loads(refusal[i].value, JSON_DECODE_ANY, NULL)),
                         0);
        assert_int_equal(load_value(root, &path, &err), refusal[i].code);
        expect_error_at(&err, refusal[i].code, path, refusal[i].rest);
        json_decref(root);
    }
}

/* " film" as a merged token and as an added one, which would be text with U+0120 in it. */
static void test_added_and_merged(void **state)
{
    json_t *root = saved();
    int id = madpo_tokenizer_id(english, "\xC4\xA0"
                                         "film");
    madpo_error err = MADPO_ERROR_INIT;
    const char *path;

    (void)state;
    assert_true(id > 0);
    json_object_set_new(root, "added_tokens",
                        json_pack("[{s:i,s:s}]", "id", id, "content",
                                  "\xC4\xA0"
                                  "film"));
    assert_int_equal(load_value(root, &path, &err), MADPO_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "added token \"\xC4\xA0"
                                        "film\" is also made by merges, from "
                                        "other bytes; remove it from added_tokens"));
    json_decref(root);
}

static void test_missing_byte(void **state)
{
    json_t *root = saved(), *model = json_object_get(root, "model");
    madpo_error err = MADPO_ERROR_INIT;
    const char *path;

    (void)state;
    json_array_clear(json_object_get(model, "merges"));
    json_object_del(json_object_get(model, "vocab"), "~");
    assert_int_equal(load_value(root, &path, &err), MADPO_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "the vocabulary has no token for byte 0x7E"));
    json_decref(root);
}

static void test_bad_files(void **state)
{
    char *path = tmp_file(dir, "x.json", "");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer *tok;

    (void)state;
    assert_int_equal(madpo_tokenizer_load(&tok, path, &err), MADPO_ERR_DATA);
    expect_error_at(&err, MADPO_ERR_DATA, path, ": is empty; a tokenizer.json is expected");
    free(path);
    path = tmp_file(dir, "x.json", "[]");
    assert_int_equal(madpo_tokenizer_load(&tok, path, &err), MADPO_ERR_DATA);
    expect_error_at(&err, MADPO_ERR_DATA, path,
                    ": is no tokenizer.json: the file holds no JSON object");
    free(path);
    path = tmp_file(dir, "x.json", "{\n\"version\": 1.0,\n}");
    assert_int_equal(madpo_tokenizer_load(&tok, path, &err), MADPO_ERR_DATA);
    assert_int_equal(err.line, 3);
    assert_null(tok);
    assert_int_equal(madpo_tokenizer_load(&tok, path, NULL), MADPO_ERR_DATA);
    free(path);
}

/* Roles come from the files beside tokenizer.json when they name them. */
static void test_roles(void **state)
{
    char *sub = tmp_path(dir, "roles"), *json = tmp_path(sub, "tokenizer.json"), *path;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer *tok;

    (void)state;
    EXPECT_OK(madpo_tokenizer_save(english, sub, &err));
    path = tmp_file(sub, "tokenizer_config.json",
                    "{\"bos_token\":null,\"eos_token\":{\"content\":\"<bos>\"}}");
    EXPECT_OK(madpo_tokenizer_load(&tok, json, &err));
    assert_int_equal(madpo_tokenizer_bos(tok), -1);
    assert_int_equal(madpo_tokenizer_eos(tok), 1);
    assert_int_equal(madpo_tokenizer_pad(tok), 0); /* from special_tokens_map.json */
    madpo_tokenizer_free(tok);
    free(path);
    path = tmp_file(sub, "tokenizer_config.json", "{\"bos_token\":\"<s>\"}");
    assert_int_equal(madpo_tokenizer_load(&tok, json, &err), MADPO_ERR_DATA);
    expect_error_at(&err, MADPO_ERR_DATA, json,
                    ": bos_token \"<s>\" of the files beside it is not in the vocabulary");
    free(path);
    free(json);
    free(sub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save_and_load), cmocka_unit_test(test_load_refusals),
        cmocka_unit_test(test_missing_byte),  cmocka_unit_test(test_added_and_merged),
        cmocka_unit_test(test_bad_files),     cmocka_unit_test(test_roles),

    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
