/* Preference pairs: JSON lines in and out, what is refused and in which words. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "data/pairs.h"
#include "tests/support/tmp.h"
#include "tests/unit/expect.h"

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

static void test_load(void **state)
{
    char *path =
        tmp_file(dir, "a.jsonl",
                 "\xEF\xBB\xBF{\"prompt\":\"\",\"chosen\":\" yes\",\"rejected\":\"no\"}\r\n\n"
                 "{\"id\":7,\"prompt\":\"Q\\n\",\"chosen\":\"a\\u0000b\",\"rejected\":\"c\","
                 "\"score_chosen\":1.5,\"score_rejected\":-2,\"split\":\"eval\",\"source\":\"x\"}\n"
                 "{\"id\":null,\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\",\"split\":"
                 "\"train\",\"score_chosen\":null}");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs *pairs;
    const madpo_pair *p;
    size_t skipped = 9;

    (void)state;
    EXPECT_OK(madpo_pairs_load(&pairs, path, false, &skipped, &err));
    assert_int_equal(madpo_pairs_count(pairs), 3);
    assert_int_equal(skipped, 0);
    p = madpo_pairs_at(pairs, 0);
    assert_string_equal(p->prompt, "");
    assert_string_equal(p->chosen, " yes");
    assert_int_equal(p->n_chosen, 4);
    assert_int_equal(p->id, 0);
    assert_true(isnan(p->score_chosen) && isnan(p->score_rejected));
    assert_false(p->eval);
    p = madpo_pairs_at(pairs, 1);
    assert_int_equal(p->id, 7);
    assert_int_equal(p->n_chosen, 3);
    assert_memory_equal(p->chosen, "a\0b", 4);
    assert_true(p->score_chosen == 1.5 && p->score_rejected == -2);
    assert_true(p->eval);
    p = madpo_pairs_at(pairs, 2);
    assert_int_equal(p->id, 2);
    assert_false(p->eval);
    madpo_pairs_free(pairs);
    free(path);
}

#define PAIR "{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}\n"

static const struct bad_line {
    const char *text, *rest;
} bad_lines[] = {
    {PAIR "{\"prompt\":\"p\",\"chosen\":\"\",\"rejected\":\"r\"}\n",
     ":2: field \"chosen\" is empty; fill it in or remove the line"},
    {PAIR "\n{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"\"}\n",
     ":3: field \"rejected\" is empty; fill it in or remove the line"},
    {PAIR "{\"prompt\":\"p\",\"rejected\":\"r\"}\n",
     ":2: field \"chosen\" is missing; a pair has prompt, chosen and rejected"},
    {PAIR "{\"prompt\":\"p\",\"answer\":\"r\"}\n",
     ":2: fields \"chosen\" and \"rejected\" are missing; there are \"prompt\", \"answer\"; say "
     "which is which with data.fields"},
    {PAIR "{\"prompt\":7,\"chosen\":\"c\",\"rejected\":\"r\"}\n",
     ":2: field \"prompt\" must be a string, not a number"},
    {PAIR "{\"prompt\":\"p\",\"chosen\":1,\"rejected\":\"r\"}\n",
     ":2: field \"chosen\" must be a string, not a number"},
    {PAIR "[1]\n",
     ":2: the line holds an array; an object with prompt, chosen and rejected is expected"},
    {PAIR "{\"id\":\"x\",\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}\n",
     ":2: field \"id\" must be an integer, not a string"},
    {PAIR "{\"split\":\"test\",\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}\n",
     ":2: field \"split\" must be \"train\" or \"eval\", not test"},
    {PAIR "{\"score_chosen\":true,\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}\n",
     ":2: field \"score_chosen\" must be a number, not true"},
    {PAIR "{\"prompt\":\"p\",\n", ":2:14: invalid JSON: string or '}' expected near end of file; "
                                  "each line is one JSON object with "
                                  "prompt, chosen and rejected"},
    {PAIR "hello\n", ":2:5: invalid JSON: '[' or '{' expected near 'hello'; each line is one JSON "
                     "object with prompt, "
                     "chosen and rejected"},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++) {
        char *path = tmp_file(dir, "bad.jsonl", bad_lines[i].text);
        madpo_error err = MADPO_ERROR_INIT;
        madpo_pairs *pairs;
        size_t skipped;

        assert_int_equal(madpo_pairs_load(&pairs, path, false, NULL, &err), MADPO_ERR_DATA);
        assert_null(pairs);
        expect_error_at(&err, MADPO_ERR_DATA, path, bad_lines[i].rest);
        EXPECT_OK(madpo_pairs_load(&pairs, path, true, &skipped, &err));
        assert_int_equal(err.code, MADPO_OK);
        assert_int_equal(madpo_pairs_count(pairs), 1);
        assert_int_equal(skipped, 1);
        madpo_pairs_free(pairs);
        assert_int_equal(madpo_pairs_load(&pairs, path, false, NULL, NULL), MADPO_ERR_DATA);
        free(path);
    }
}

static void test_nothing_there(void **state)
{
    char *path = tmp_file(dir, "empty.jsonl", "");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs *pairs;

    (void)state;
    assert_int_equal(madpo_pairs_load(&pairs, path, false, NULL, &err), MADPO_ERR_DATA);
    expect_error_at(
        &err, MADPO_ERR_DATA, path,
        ": the file is empty; write one JSON object with prompt, chosen and rejected a line");
    free(path);
    path = tmp_file(dir, "bad.jsonl", "x\ny\n");
    assert_int_equal(madpo_pairs_load(&pairs, path, true, NULL, &err), MADPO_ERR_DATA);
    expect_error_at(
        &err, MADPO_ERR_DATA, path,
        ": none of the 2 lines is a pair; each needs the strings prompt, chosen and rejected");
    free(path);
    path = tmp_path(dir, "missing.jsonl");
    assert_int_equal(madpo_pairs_load(&pairs, path, true, NULL, &err), MADPO_ERR_IO);
    free(path);
}

static void test_format_and_load(void **state)
{
    madpo_pair p = {.prompt = "a\n\"b\"",
                    .chosen = "c\xFF!",
                    .rejected = "\xC3\xA9",
                    .n_prompt = 5,
                    .n_chosen = 3,
                    .n_rejected = 2,
                    .id = 41,
                    .score_chosen = 0.1,
                    .score_rejected = NAN,
                    .margin = NAN,
                    .eval = true};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs *pairs;
    const madpo_pair *back;
    char *line, *path;

    (void)state;
    EXPECT_OK(madpo_pair_format(&line, &p, &err));
    assert_string_equal(line,
                        "{\"id\":41,\"prompt\":\"a\\n\\\"b\\\"\",\"chosen\":\"c\xEF\xBF\xBD!\","
                        "\"rejected\":\"\xC3\xA9\",\"score_chosen\":0.10000000000000001,"
                        "\"split\":\"eval\"}\n");
    path = tmp_file(dir, "b.jsonl", line);
    EXPECT_OK(madpo_pairs_load(&pairs, path, false, NULL, &err));
    back = madpo_pairs_at(pairs, 0);
    assert_string_equal(back->prompt, p.prompt);
    assert_string_equal(back->rejected, p.rejected);
    assert_true(back->score_chosen == 0.1 && isnan(back->score_rejected));
    assert_true(back->eval && back->id == 41);
    madpo_pairs_free(pairs);
    free(line);
    free(path);
}

static void digest_of(const char *prompt, const char *chosen, const char *rejected, int64_t id,
                      char hex[33])
{
    madpo_pair p = {.prompt = (char *)(uintptr_t)prompt,
                    .chosen = (char *)(uintptr_t)chosen,
                    .rejected = (char *)(uintptr_t)rejected,
                    .n_prompt = strlen(prompt),
                    .n_chosen = strlen(chosen),
                    .n_rejected = strlen(rejected),
                    .id = id};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs *pairs;

    EXPECT_OK(madpo_pairs_new(&pairs, &err));
    EXPECT_OK(madpo_pairs_add(pairs, &p, &err));
    madpo_pairs_digest(pairs, hex);
    madpo_pairs_free(pairs);
    assert_int_equal(strlen(hex), 32);
}

static void test_digest(void **state)
{
    char base[33], other[33];

    (void)state;
    digest_of("ab", "c", "d", 1, base);
    digest_of("ab", "c", "d", 1, other);
    assert_string_equal(base, other);
    digest_of("a", "bc", "d", 1, other);
    assert_string_not_equal(base, other);
    digest_of("ab", "d", "c", 1, other);
    assert_string_not_equal(base, other);
    digest_of("ab", "c", "d", 2, other);
    assert_string_not_equal(base, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),          cmocka_unit_test(test_errors),
        cmocka_unit_test(test_nothing_there), cmocka_unit_test(test_format_and_load),
        cmocka_unit_test(test_digest),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
