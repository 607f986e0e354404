/* Texts that grow token by token: whole characters, stop strings across tokens, control characters;
 * and generation_config.json. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/completion.h"
#include "cli/sampling.h"
#include "../support/tmp.h"

/* A vocabulary of the special tokens and bytes: every byte is a token. */
static madpo_tokenizer *byte_tokenizer(void)
{
    madpo_tokenizer_train_options options;
    madpo_tokenizer *tok = NULL;
    madpo_text text = {"x", 1};
    madpo_error err = MADPO_ERROR_INIT;

    madpo_tokenizer_train_options_defaults(&options);
    options.vocab = options.n_specials + 256;
    assert_int_equal(madpo_tokenizer_train(&tok, &text, 1, &options, &err), MADPO_OK);
    return tok;
}

/* Push the tokens of `text` until a stop string comes; how many were pushed goes to *n_pushed. */
static void push_text(madpo_cli_completion *c, madpo_tokenizer *tok, const madpo_cli_stops *stops,
                      const char *text, size_t *n_pushed)
{
    madpo_ids ids = {0};
    madpo_error err = MADPO_ERROR_INIT;

    assert_int_equal(madpo_tokenizer_encode(tok, text, strlen(text), false, &ids, &err), MADPO_OK);
    assert_int_equal(ids.n, strlen(text));
    for (*n_pushed = 0; *n_pushed < ids.n && !c->stopped; ++*n_pushed)
        assert_int_equal(madpo__completion_push(c, stops, ids.v[*n_pushed], &err), MADPO_OK);
    madpo_ids_dispose(&ids);
}

static void test_stops(void **state)
{
    static const struct {
        const char *stop[2], *text, *want; /* want: the text that is left */
        size_t pushed;                     /* tokens until it was noticed */
    } rows[] = {
        {{"END", NULL}, "abcENDxyz", "abc", 6},
        {{"END", NULL}, "abcENxyz", "abcENxyz", 8},
        {{"EN", "END"}, "abENDx", "ab", 4},
        {{"cd", "bcd"}, "abcde", "a", 4}, /* both end here, one begins earlier */
        {{"aab", NULL}, "aaab", "a", 4},
        {{"a", NULL}, "a", "", 1},
        {{"\xc3\xa9", NULL}, "caf\xc3\xa9s", "caf", 5}, /* two bytes, one character */
        {{NULL, NULL}, "abc", "abc", 3},
    };
    madpo_tokenizer *tok = byte_tokenizer();
    madpo_cli_completion c;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    assert_int_equal(madpo__completion_init(&c, tok, &err), MADPO_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        madpo_cli_stops stops = {rows[i].stop, (size_t) !!rows[i].stop[0] + !!rows[i].stop[1]};
        size_t n;

        madpo__completion_reset(&c);
        push_text(&c, tok, &stops, rows[i].text, &n);
        assert_int_equal(madpo__completion_finish(&c, &stops, &err), MADPO_OK);
        assert_int_equal(n, rows[i].pushed);
        assert_int_equal(c.end, strlen(rows[i].want));
        assert_memory_equal(c.text.s, rows[i].want, c.end);
        assert_int_equal(c.stopped, c.end < strlen(rows[i].text));
    }
    madpo__completion_dispose(&c);
    madpo_tokenizer_free(tok);
}

/* A character shows when its last byte is there; a half one at the end becomes U+FFFD. */
static void test_characters(void **state)
{
    const char *film = "\xf0\x9f\x8e\xac"; /* one character of four bytes */
    madpo_tokenizer *tok = byte_tokenizer();
    madpo_cli_stops none = {0};
    madpo_cli_completion c;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_ids ids = {0};

    (void)state;
    assert_int_equal(madpo__completion_init(&c, tok, &err), MADPO_OK);
    assert_int_equal(madpo_tokenizer_encode(tok, film, 4, false, &ids, &err), MADPO_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(c.text.n, 0);
        assert_int_equal(madpo__completion_push(&c, &none, ids.v[i], &err), MADPO_OK);
    }
    assert_int_equal(c.text.n, 4);
    assert_memory_equal(c.text.s, film, 4);
    assert_int_equal(madpo__completion_push(&c, &none, ids.v[0], &err), MADPO_OK);
    assert_int_equal(c.end, 4);
    assert_int_equal(madpo__completion_finish(&c, &none, &err), MADPO_OK);
    assert_int_equal(c.end, 7);
    assert_memory_equal(c.text.s + 4, "\xef\xbf\xbd", 3);
    /* and it is ready for another */
    madpo__completion_reset(&c);
    assert_int_equal(madpo__completion_push(&c, &none, ids.v[0], &err), MADPO_OK);
    assert_int_equal(c.end, 0);
    madpo_ids_dispose(&ids);
    madpo__completion_dispose(&c);
    madpo_tokenizer_free(tok);
}

/* What madpo__completion_show prints, standard output being a file for the while. */
static void expect_shown(madpo_cli_completion *c, const madpo_cli_stops *stops, bool all,
                         const char *want)
{
    char got[64] = "";
    char *dir = tmp_new(), *path = tmp_path(dir, "shown");
    int kept = dup(STDOUT_FILENO), fd = open(path, O_RDWR | O_CREAT, 0600);
    ssize_t n;

    assert_true(kept >= 0 && fd >= 0);
    fflush(stdout);
    assert_true(dup2(fd, STDOUT_FILENO) >= 0);
    madpo__completion_show(c, stops, all);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    n = pread(fd, got, sizeof got - 1, 0);
    close(fd);
    close(kept);
    assert_true(n >= 0);
    assert_string_equal(got, want);
    free(path);
    tmp_free(dir);
}

/* On a terminal: no more than is certain, and no control characters. */
static void test_show(void **state)
{
    static const char *const end[] = {"END"};
    const madpo_cli_stops stops = {end, 1};
    madpo_tokenizer *tok = byte_tokenizer();
    madpo_cli_completion c;
    madpo_error err = MADPO_ERROR_INIT;
    size_t n;

    (void)state;
    assert_int_equal(madpo__completion_init(&c, tok, &err), MADPO_OK);
    push_text(&c, tok, &stops, "abEN", &n);
    expect_shown(&c, &stops, false, "ab");
    push_text(&c, tok, &stops, "x", &n);
    expect_shown(&c, &stops, false, "ENx");
    expect_shown(&c, &stops, true, "");
    push_text(&c, tok, &stops, "\033[2J\r\xc2\x9b\t\n\xc3\xa9 E", &n);
    expect_shown(&c, &stops, false, "[2J\t\n\xc3\xa9 ");
    push_text(&c, tok, &stops, "NDs", &n);
    assert_int_equal(n, 2);
    expect_shown(&c, &stops, true, "");
    madpo__completion_dispose(&c);
    madpo_tokenizer_free(tok);
}

static madpo_status load(madpo_cli_sampling *out, const char *json, madpo_error *err)
{
    char *dir = tmp_new();
    madpo_status st;

    if (json)
        free(tmp_file(dir, "generation_config.json", json));
    st = madpo__sampling_load(out, dir, err);
    tmp_free(dir);
    return st;
}

static void test_sampling(void **state)
{
    madpo_cli_sampling s;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    assert_int_equal(load(&s, NULL, &err), MADPO_OK);
    assert_false(s.sample);
    assert_true(s.temperature == 1.0 && s.top_p == 1.0);
    assert_int_equal(s.top_k, 50);
    assert_int_equal(s.max_new, 0);
    assert_int_equal(load(&s,
                          "{\"do_sample\":true,\"temperature\":0.6,\"top_p\":0.9,\"top_k\":null,"
                          "\"max_new_tokens\":32,\"eos_token_id\":[1,2],\"other\":{}}",
                          &err),
                     MADPO_OK);
    assert_true(s.sample);
    assert_true(s.temperature == 0.6 && s.top_p == 0.9);
    assert_int_equal(s.top_k, 50);
    assert_int_equal(s.max_new, 32);
    assert_int_equal(load(&s, "{\"do_sample\":false,\"temperature\":0.0,\"top_k\":0}", &err),
                     MADPO_OK);
    assert_true(s.temperature == 1.0);
    assert_int_equal(s.top_k, 0);
}

static void test_bad_sampling(void **state)
{
    static const char *const bad[][2] = {
        {"{\"do_sample\":true,\"temperature\":0}", "temperature is 0"},
        {"{\"temperature\":-1}", "temperature is -1"},
        {"{\"top_p\":0}", "top_p is 0"},
        {"{\"top_p\":1.5}", "top_p is 1.5"},
        {"{\"top_k\":-1}", "top_k is -1"},
        {"{\"max_new_tokens\":0}", "max_new_tokens is 0"},
        {"{\"do_sample\":1}", "do_sample"},
        {"{\"top_p\":\"0.9\"}", "top_p"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        madpo_cli_sampling s;
        madpo_error err = MADPO_ERROR_INIT;

        assert_int_equal(load(&s, bad[i][0], &err), MADPO_ERR_DATA);
        assert_non_null(strstr(err.message, bad[i][1]));
        assert_non_null(strstr(err.message, "generation_config.json"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops),        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_show),         cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_bad_sampling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
