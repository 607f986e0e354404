/* Published tokenizers against ids from Hugging Face's library, in the folder that MADPO_TEST_DATA
 * names; skipped without it. */
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
#include "text/chat.h"
#include "text/tokenizer.h"

static const char *data;

static madpo_tokenizer *load(const char *name)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *path = tmp_path(data, name);
    madpo_tokenizer *tok;

    EXPECT_OK(madpo_tokenizer_load(&tok, path, &err));
    free(path);
    return tok;
}

static json_t *vectors(const char *name)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *folder = tmp_path(data, "tokenizers/_vectors"), *path = tmp_path(folder, name);
    json_t *value;

    EXPECT_OK(madpo_json_load(&value, path, &err));
    free(path);
    free(folder);
    return value;
}

static size_t expect_ids(madpo_tokenizer *tok, const json_t *text, const json_t *want)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_ids ids = {0};
    size_t n;

    EXPECT_OK(madpo_tokenizer_encode_with_specials(tok, json_string_value(text),
                                                   json_string_length(text), true, &ids, &err));
    n = ids.n;
    if (n != json_array_size(want))
        fail_msg("%zu ids, wanted %zu: %s", n, json_array_size(want), json_string_value(text));
    for (size_t k = 0; k < n; k++)
        assert_int_equal(ids.v[k], json_integer_value(json_array_get(want, k)));
    madpo_ids_dispose(&ids);
    return n;
}

/* 83 texts in many scripts. `gap`: texts with this byte are left out. */
static void check_multilingual(madpo_tokenizer *tok, const char *name, char gap)
{
    json_t *inputs = vectors("inputs.json"), *file = vectors(name), *entry, *input;
    size_t i, k, n = 0;

    json_array_foreach(json_object_get(file, "entries"), i, entry)
    {
        const json_t *text = NULL;

        json_array_foreach(inputs, k, input) if (json_equal(json_object_get(input, "id"),
                                                            json_object_get(entry, "id"))) text =
            json_object_get(input, "text");
        assert_non_null(text);
        if (!gap || !strchr(json_string_value(text), gap))
            n += expect_ids(tok, text, json_object_get(entry, "input_ids"));
    }
    assert_true(n > 1000);
    json_decref(inputs);
    json_decref(file);
}

/* One text of a few thousand characters. */
static void check_long(madpo_tokenizer *tok, const char *name)
{
    json_t *file = vectors(name);

    assert_true(expect_ids(tok, json_object_get(file, "text"), json_object_get(file, "token_ids")) >
                100);
    json_decref(file);
}

static void test_gpt2(void **state)
{
    madpo_tokenizer *tok = load("tokenizers/gpt2"); /* a folder */

    (void)state;
    assert_int_equal(madpo_tokenizer_vocab(tok), 50257);
    assert_int_equal(madpo_tokenizer_eos(tok), 50256);
    assert_int_equal(madpo_tokenizer_max_length(tok), 1024);
    check_multilingual(tok, "gpt2_multilingual.json", '\0');
    check_long(tok, "gpt2_encoded_tokens.json");
    madpo_tokenizer_free(tok);
}

static void test_llama2(void **state)
{
    madpo_tokenizer *tok = load("tokenizers/llama2/tokenizer.json.gz");
    size_t n;

    (void)state;
    check_long(tok, "llama_encoded.json");
    assert_int_equal(madpo_tokenizer_front(tok, &n)[0], 1);
    assert_int_equal(n, 1);
    assert_int_equal(madpo_tokenizer_unk(tok), 0);
    madpo_tokenizer_free(tok);
}

static void test_tinyllama(void **state)
{
    madpo_tokenizer *tok = load("tokenizers/tinyllama/tokenizer.json.gz");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_chat_kind kind;

    (void)state;
    check_multilingual(tok, "tinyllama_multilingual.json", '\0');
    assert_int_equal(madpo_chat_of_tokenizer(&kind, tok, &err), MADPO_ERR_UNSUPPORTED);
    madpo_tokenizer_free(tok);
}

static void test_llama3(void **state)
{
    madpo_tokenizer *tok = load("tokenizers/llama3.2/tokenizer.assembled.json.gz");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_chat_kind kind;

    (void)state;
    check_long(tok, "llama_3.2_encoded.json");
    assert_int_equal(madpo_tokenizer_vocab(tok), 128256);
    EXPECT_OK(madpo_chat_of_tokenizer(&kind, tok, &err));
    assert_int_equal(kind, MADPO_CHAT_LLAMA3);
    madpo_tokenizer_free(tok);
}

/* vocab.json and merges.txt alone; the copy at hand lacks the merges that begin with '#'. */
static void test_qwen2(void **state)
{
    madpo_tokenizer *tok = load("tokenizers/qwen2");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_chat_kind kind;
    char *system;
    size_t n;

    (void)state;
    check_multilingual(tok, "qwen2_5_multilingual.json", '#');
    assert_int_equal(madpo_tokenizer_id(tok, "<|im_end|>"), 151645);
    assert_int_equal(madpo_tokenizer_eos(tok), 151645);
    assert_int_equal(madpo_tokenizer_pad(tok), 151643);
    assert_int_equal(madpo_tokenizer_bos(tok), -1);
    EXPECT_OK(madpo_chat_of_tokenizer(&kind, tok, &err));
    assert_int_equal(kind, MADPO_CHAT_CHATML);
    EXPECT_OK(madpo_chat_default_system(&system, &n, tok, &err));
    assert_string_equal(system, "You are a helpful assistant.");
    free(system);
    madpo_tokenizer_free(tok);
}

static void test_stories(void **state)
{
    madpo_tokenizer *tok = load("models/stories260K");
    static const int32_t want[] = {1, 403, 407, 261, 378};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_ids ids = {0};
    char *text;
    size_t n;

    (void)state;
    EXPECT_OK(madpo_tokenizer_decode(tok, want, 5, true, &text, &n, &err));
    EXPECT_OK(madpo_tokenizer_encode_with_specials(tok, text, n, true, &ids, &err));
    assert_int_equal(ids.n, 5);
    assert_memory_equal(ids.v, want, sizeof want);
    free(text);
    madpo_ids_dispose(&ids);
    madpo_tokenizer_free(tok);
}

/* A novel as one text, through a tokenizer that does not cut it: seconds would be quadratic time.
 */
static void test_long_text(void **state)
{
    madpo_tokenizer *tok = load("tokenizers/tinyllama/tokenizer.json.gz");
    madpo_error err = MADPO_ERROR_INIT;
    char *path = tmp_path(data, "tokenizers/_vectors/war-and-peace.txt.gz"), *text, *back;
    madpo_ids ids = {0};
    size_t n, n_back;

    (void)state;
    EXPECT_OK(madpo_file_read(&text, &n, path, &err));
    EXPECT_OK(madpo_tokenizer_encode(tok, text, n, true, &ids, &err));
    EXPECT_OK(madpo_tokenizer_decode(tok, ids.v, ids.n, true, &back, &n_back, &err));
    assert_int_equal(n_back, n);
    assert_memory_equal(back, text, n);
    free(back);
    free(text);
    free(path);
    madpo_ids_dispose(&ids);
    madpo_tokenizer_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpt2),      cmocka_unit_test(test_llama2),
        cmocka_unit_test(test_tinyllama), cmocka_unit_test(test_llama3),
        cmocka_unit_test(test_qwen2),     cmocka_unit_test(test_stories),
        cmocka_unit_test(test_long_text),
    };

    data = getenv("MADPO_TEST_DATA");
    if (!data || !data[0]) {
        printf("SKIPPED: set MADPO_TEST_DATA to the folder with tokenizers and models\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
