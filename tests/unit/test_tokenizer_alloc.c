/* Every allocation of loading, encoding and decoding with each section of tokenizer.json fails
 * once: the answer is MADPO_ERR_NOMEM, outputs are empty and (under AddressSanitizer) nothing
 * leaks. The files are those of the fuzz corpus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp.h"
#include "tests/unit/expect.h"
#include "text/chat.h"
#include "text/tokenizer_inside.h"
#include "text/utf8.h"

static const char *const names[] = {"llama.json",   "gemma.json", "metaspace.json", "patterns.json",
                                    "affixes.json", "qwen.json",  "prefix.json"};
static const char text[] = " The th\xC3\xA9 e\xCC\x81 typ  added \xE2\x82\xAC 123\nthe <s>\xFF the";

static char *dir, *json, *folder;
static madpo_tokenizer *loaded;

typedef madpo_status (*action)(void);

static void fail_each(action run)
{
    bool reached = true;

    for (size_t n = 1; reached; n++) {
        madpo_status st;

        assert_true(n < 20000);
        fail_alloc_arm(n);
        st = run();
        reached = fail_alloc_disarm();
        if (st != (reached ? MADPO_ERR_NOMEM : MADPO_OK))
            fail_msg("%s: allocation %zu: %s", json, n, madpo_status_name(st));
    }
}

static madpo_status load_folder(void)
{
    madpo_tokenizer *tok;
    madpo_status st = madpo_tokenizer_load(&tok, folder, NULL);

    assert_true((st == MADPO_OK) == (tok != NULL));
    madpo_tokenizer_free(tok);
    return st;
}

static madpo_status encode_and_decode(void)
{
    madpo_tokenizer_stream *stream = NULL;
    madpo_ids ids = {0};
    const char *part;
    char *back = NULL;
    size_t n;
    madpo_status st =
        madpo_tokenizer_encode_with_specials(loaded, text, sizeof text - 1, true, &ids, NULL);

    if (st == MADPO_OK)
        st = madpo_tokenizer_decode(loaded, ids.v, ids.n, false, &back, &n, NULL);
    if (st == MADPO_OK)
        st = madpo_tokenizer_stream_new(&stream, loaded, true, NULL);
    for (size_t i = 0; i < ids.n && st == MADPO_OK; i++)
        st = madpo_tokenizer_stream_push(stream, ids.v[i], &part, &n, NULL);
    if (st == MADPO_OK)
        st = madpo_tokenizer_stream_end(stream, &part, &n, NULL);
    madpo_tokenizer_stream_free(stream);
    madpo_ids_dispose(&ids);
    free(back);
    return st;
}

static madpo_status chat(void)
{
    static const madpo_chat_message m[] = {{"system", "a", 1}, {"user", " b ", 3}};
    char *out;
    size_t n;
    madpo_status st = madpo_chat_format(&out, &n, MADPO_CHAT_GEMMA, m, 2, true, NULL);

    assert_true((st == MADPO_OK) == (out != NULL));
    free(out);
    return st;
}

static madpo_status load_and_encode(void)
{
    madpo_status st = madpo_tokenizer_load(&loaded, json, NULL);

    if (st == MADPO_OK)
        st = encode_and_decode();
    madpo_tokenizer_free(loaded);
    return st;
}

static void test_encode(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json = tmp_path(dir, names[i]);
        fail_each(load_and_encode);
        free(json);
    }
}

/* A vocab.json of the 256 bytes and two merges. */
static void write_vocab(void)
{
    madpo_strbuf out = {0};
    char utf8[5];

    for (int b = 0; b < 256; b++) {
        utf8[madpo_utf8_write(madpo__byte_to_char((uint8_t)b), utf8)] = '\0';
        madpo_strbuf_printf(&out, "%s\"%s%s\":%d", b ? "," : "{",
                            *utf8 == '"' || *utf8 == '\\' ? "\\" : "", utf8, b);
    }
    madpo_strbuf_append(&out, ",\"th\":256,\"the\":257}");
    free(tmp_file(folder, "vocab.json", out.s));
    madpo_strbuf_dispose(&out);
}

static void test_folder(void **state)
{
    (void)state;
    folder = tmp_new();
    free(tmp_file(folder, "merges.txt", "#version: 0.2\nt h\nth e\n"));
    free(tmp_file(
        folder, "tokenizer_config.json",
        "{\"tokenizer_class\":\"GPT2Tokenizer\",\"bos_token\":\"<s>\",\"chat_template\":"
        "[{\"name\":\"default\",\"template\":\"x\"}],\"added_tokens_decoder\":{\"258\":"
        "{\"content\":\"<s>\",\"special\":true}},\"additional_special_tokens\":[\"<t>\"]}"));
    free(tmp_file(folder, "added_tokens.json", "{\"<u>\":259}"));
    free(tmp_file(folder, "chat_template.jinja", "y"));
    write_vocab();
    json = folder;
    fail_each(load_folder);
    tmp_free(folder);
}

static void test_chat(void **state)
{
    (void)state;
    json = dir;
    fail_each(chat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_chat),
    };
    const char *source = getenv("MADPO_TEST_SOURCE_DIR");
    int failed;

    if (!source)
        return 2;
    dir = tmp_path(source, "tests/fuzz/corpus/tokenizer");
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(dir);
    return failed;
}
