/* Chat layouts: the texts that the families' templates render, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/file.h"
#include "tests/support/tmp.h"
#include "tests/unit/expect.h"
#include "text/chat.h"

#define MESSAGE(role, text)                                                                        \
    {                                                                                              \
        role, text, sizeof(text) - 1                                                               \
    }

static const madpo_chat_message talk[] = {
    MESSAGE("system", "Be brief. "),
    MESSAGE("user", "  Hi!\n"),
    MESSAGE("assistant", "Hello.\n"),
    MESSAGE("user", "\xC2\xA0"
                    "Why?"),
    MESSAGE("assistant", " Ask. "),
};

static void expect_chat(madpo_chat_kind kind, size_t from, size_t n, bool prompt, const char *want)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *text;
    size_t n_text;

    EXPECT_OK(madpo_chat_format(&text, &n_text, kind, talk + from, n, prompt, &err));
    assert_string_equal(text, want);
    assert_int_equal(n_text, strlen(want));
    free(text);
}

/* As Jinja renders the templates of gemma-3-1b-it, Llama-3-8B-Instruct and Qwen2-0.5B-Instruct
 * (these without the begin token, which the tokenizer adds). */
static void test_layouts(void **state)
{
    (void)state;
    expect_chat(MADPO_CHAT_GEMMA, 0, 4, true,
                "<start_of_turn>user\nBe brief. \n\nHi!<end_of_turn>\n"
                "<start_of_turn>model\nHello.<end_of_turn>\n"
                "<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n");
    expect_chat(
        MADPO_CHAT_GEMMA, 1, 2, false,
        "<start_of_turn>user\nHi!<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n");
    expect_chat(MADPO_CHAT_LLAMA3, 0, 3, true,
                "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
                "<|start_header_id|>user<|end_header_id|>\n\nHi!<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
                "<|start_header_id|>assistant<|end_header_id|>\n\n");
    expect_chat(MADPO_CHAT_CHATML, 0, 2, true,
                "<|im_start|>system\nBe brief. <|im_end|>\n<|im_start|>user\n  Hi!\n<|im_end|>\n"
                "<|im_start|>assistant\n");
    expect_chat(MADPO_CHAT_CHATML, 4, 1, false, "<|im_start|>assistant\n Ask. <|im_end|>\n");
    expect_chat(MADPO_CHAT_NONE, 1, 2, true, "  Hi!\nHello.\n");
}

/* Prompt and completion put together are the whole conversation. */
static void test_completion(void **state)
{
    static const char *const end[] = {"", "<end_of_turn>", "<|eot_id|>", "<|im_end|>"};
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    for (int kind = MADPO_CHAT_NONE; kind <= MADPO_CHAT_CHATML; kind++) {
        char *prompt, *completion, *all;
        size_t n_prompt, n_completion, n_all;
        madpo_chat_kind k = (madpo_chat_kind)kind;

        EXPECT_OK(madpo_chat_format(&prompt, &n_prompt, k, talk, 4, true, &err));
        EXPECT_OK(madpo_chat_format_completion(&completion, &n_completion, k, &talk[4], &err));
        EXPECT_OK(madpo_chat_format(&all, &n_all, k, talk, 5, false, &err));
        assert_int_equal(n_all, n_prompt + n_completion);
        assert_memory_equal(all, prompt, n_prompt);
        assert_string_equal(all + n_prompt, completion);
        assert_string_equal(madpo_chat_end_of_turn(k), end[kind]);
        assert_non_null(strstr(completion, end[kind]));
        free(prompt);
        free(completion);
        free(all);
    }
}

static void test_names(void **state)
{
    static const char *const names[] = {"none", "gemma", "llama3", "chatml"};
    madpo_chat_kind kind;

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_true(madpo_chat_kind_find(&kind, names[i]));
        assert_int_equal(kind, i);
    }
    assert_false(madpo_chat_kind_find(&kind, "alpaca"));
}

static void test_refusals(void **state)
{
    static const struct {
        madpo_chat_kind kind;
        size_t n;
        madpo_chat_message m[3];
        const char *want;
    } cases[] = {
        {MADPO_CHAT_CHATML, 0, {{0}}, "a conversation has no messages"},
        {MADPO_CHAT_LLAMA3,
         1,
         {MESSAGE("tool", "x")},
         "message 1 has the role \"tool\"; use system, user or assistant"},
        {MADPO_CHAT_GEMMA,
         1,
         {MESSAGE("system", "x")},
         "a conversation has no message but the system's"},
        {MADPO_CHAT_GEMMA,
         2,
         {MESSAGE("user", "x"), MESSAGE("user", "y")},
         "message 2 is by \"user\"; in the layout gemma user and assistant take turns, user first, "
         "behind one system message at most"},
        {MADPO_CHAT_GEMMA,
         1,
         {MESSAGE("assistant", "x")},
         "message 1 is by \"assistant\"; in the layout gemma user and assistant take turns, user "
         "first, behind one system message at most"},
        {MADPO_CHAT_GEMMA,
         3,
         {MESSAGE("user", "x"), MESSAGE("assistant", "y"), MESSAGE("system", "z")},
         "message 3 is by \"system\"; in the layout gemma user and assistant take turns, user "
         "first, behind one system message at most"},
    };
    madpo_error err = MADPO_ERROR_INIT;
    char *text;
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(
            madpo_chat_format(&text, &n, cases[i].kind, cases[i].m, cases[i].n, true, &err),
            MADPO_ERR_DATA);
        assert_null(text);
        expect_error_at(&err, MADPO_ERR_DATA, "", cases[i].want);
    }
}

/* ---- of a tokenizer ---- */

static madpo_tokenizer *with_template(const char *dir, const char *config, const char *jinja)
{
    madpo_tokenizer_train_options o;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_tokenizer *tok, *back;
    char *path;

    madpo_tokenizer_train_options_defaults(&o);
    o.vocab = 259;
    EXPECT_OK(madpo_tokenizer_train(&tok, NULL, 0, &o, &err));
    EXPECT_OK(madpo_tokenizer_save(tok, dir, &err));
    madpo_tokenizer_free(tok);
    if (config)
        free(tmp_file(dir, "tokenizer_config.json", config));
    path = jinja ? tmp_file(dir, "chat_template.jinja", jinja) : NULL;
    EXPECT_OK(madpo_tokenizer_load(&back, dir, &err));
    if (path)
        EXPECT_OK(madpo_dir_remove(path, &err));
    free(path);
    return back;
}

static void test_of_tokenizer(void **state)
{
    static const struct {
        const char *config, *jinja;
        madpo_chat_kind kind;
        madpo_status st;
        const char *system;
    } cases[] = {
        {NULL, NULL, MADPO_CHAT_NONE, MADPO_OK, ""},
        {"{\"chat_template\":\"{{'<start_of_turn>'+role}}<end_of_turn>\"}", NULL, MADPO_CHAT_GEMMA,
         MADPO_OK, ""},
        {"{\"chat_template\":[{\"name\":\"rag\",\"template\":\"x\"},{\"name\":\"default\","
         "\"template\":\"<|start_header_id|> <|eot_id|>\"}]}",
         NULL, MADPO_CHAT_LLAMA3, MADPO_OK, ""},
        {"{\"chat_template\":\"x\"}",
         "{{ '<|im_start|>system\\nYou are kind.\\nVery.<|im_end|>\\n' }}", MADPO_CHAT_CHATML,
         MADPO_OK, "You are kind.\nVery."},
        {"{\"chat_template\":\"{{'<|im_start|>system\\n' + m + '<|im_end|>'}}{{'<|im_start|>"
         "system\\nBe good.<|im_end|>\\n'}}\"}",
         NULL, MADPO_CHAT_CHATML, MADPO_OK, "Be good."},
        {"{\"chat_template\":\"{{ '<|user|>' }}\"}", NULL, MADPO_CHAT_NONE, MADPO_ERR_UNSUPPORTED,
         ""},
        {"{\"chat_template\":\"<|im_start|>user<|im_sep|>x<|im_end|>\"}", NULL, MADPO_CHAT_NONE,
         MADPO_ERR_UNSUPPORTED, ""},
        {"{\"chat_template\":\"<|im_start|><|im_end|><start_of_turn><end_of_turn>\"}", NULL,
         MADPO_CHAT_NONE, MADPO_ERR_UNSUPPORTED, ""},
    };
    char *dir = tmp_new();
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_tokenizer *tok = with_template(dir, cases[i].config, cases[i].jinja);
        madpo_chat_kind kind;
        char *system;
        size_t n;

        assert_int_equal(madpo_chat_of_tokenizer(&kind, tok, &err), cases[i].st);
        assert_int_equal(kind, cases[i].kind);
        if (cases[i].st != MADPO_OK)
            expect_error_at(&err, MADPO_ERR_UNSUPPORTED, "",
                            "the tokenizer's chat template is none of gemma, llama3 and chatml; "
                            "give plain prompt text");
        EXPECT_OK(madpo_chat_default_system(&system, &n, tok, &err));
        assert_string_equal(system, cases[i].system);
        assert_int_equal(n, strlen(system));
        free(system);
        madpo_tokenizer_free(tok);
    }
    tmp_free(dir);
}

/* What the templates of Qwen2 and Llama-3.1 put into the system turn. */
static void test_format_of(void **state)
{
    static const char qwen[] =
        "{\"chat_template\":\"{{'<|im_start|>system\\nBe good.<|im_end|>\\n'}}\"}",
                      llama[] =
                          "{%- set date_string = \"26 Jul 2024\" %}{{- \"<|start_header_id|>\" }}"
                          "{{- \"Cutting Knowledge Date: December 2023\\n\" }}<|eot_id|>";
    static const struct {
        const char *config, *jinja;
        madpo_chat_kind kind;
        size_t from, n;
        const char *want;
    } cases[] = {
        {qwen, NULL, MADPO_CHAT_CHATML, 1, 1,
         "<|im_start|>system\nBe good.<|im_end|>\n<|im_start|>user\n  Hi!\n<|im_end|>\n"
         "<|im_start|>assistant\n"},
        {qwen, NULL, MADPO_CHAT_CHATML, 0, 1,
         "<|im_start|>system\nBe brief. <|im_end|>\n<|im_start|>assistant\n"},
        {"{}", llama, MADPO_CHAT_LLAMA3, 1, 1,
         "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
         "Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi!"
         "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
        {"{}", llama, MADPO_CHAT_LLAMA3, 0, 1,
         "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
         "Today Date: 26 Jul 2024\n\nBe brief.<|eot_id|><|start_header_id|>assistant"
         "<|end_header_id|>\n\n"},
        {"{}", NULL, MADPO_CHAT_GEMMA, 1, 1,
         "<start_of_turn>user\nHi!<end_of_turn>\n<start_of_turn>model\n"},
    };
    char *dir = tmp_new();
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_tokenizer *tok = with_template(dir, cases[i].config, cases[i].jinja);
        char *text;
        size_t n;

        EXPECT_OK(madpo_chat_format_of(&text, &n, tok, cases[i].kind, talk + cases[i].from,
                                       cases[i].n, true, &err));
        assert_string_equal(text, cases[i].want);
        free(text);
        assert_int_equal(madpo_chat_format_of(&text, &n, tok, cases[i].kind, talk, 0, true, &err),
                         MADPO_ERR_DATA);
        assert_null(text);
        madpo_error_clear(&err);
        madpo_tokenizer_free(tok);
    }
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),      cmocka_unit_test(test_completion),
        cmocka_unit_test(test_names),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_of_tokenizer), cmocka_unit_test(test_format_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
