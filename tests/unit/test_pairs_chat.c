/* Pairs of chat messages: where the prompt ends, what the layout makes of them, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "data/pairs.h"
#include "tests/unit/expect.h"

#define MSG(role, content) "{\"role\":\"" role "\",\"content\":\"" content "\"}"
#define USER(content)      MSG("user", content)
#define SAYS(content)      MSG("assistant", content)
#define HEAD               "<|im_start|>assistant\n"
#define TURN(role, text)   "<|im_start|>" role "\n" text "<|im_end|>\n"
#define HI                 TURN("user", "Hi") HEAD

static const struct chat_case {
    const char *text, *prompt, *chosen, *rejected;
} cases[] = {
    {"{\"prompt\":[" USER("Hi") "],\"chosen\":[" SAYS("Yes") "],\"rejected\":[" SAYS("No") "]}", HI,
     "Yes<|im_end|>\n", "No<|im_end|>\n"},
    /* whole conversations */
    {"{\"chosen\":[" USER("Hi") "," SAYS("Yes") "],\"rejected\":[" USER("Hi") "," SAYS("No") "]}",
     HI, "Yes<|im_end|>\n", "No<|im_end|>\n"},
    /* the prompt apart and again within, as some data sets have it */
    {"{\"prompt\":\"Hi\",\"chosen\":[" USER("Hi") "," SAYS("Yes") "],\"rejected\":[" USER(
         "Hi") "," SAYS("No") "]}",
     HI, "Yes<|im_end|>\n", "No<|im_end|>\n"},
    /* a system message and an earlier turn; one message without a list; a plain text */
    {"{\"prompt\":[" MSG("system", "S") "," USER("a") "," SAYS("b") "," USER(
         "c") "],\"chosen\":" SAYS("Yes") ",\"rejected\":\"No\"}",
     TURN("system", "S") TURN("user", "a") TURN("assistant", "b") TURN("user", "c") HEAD,
     "Yes<|im_end|>\n", "No<|im_end|>\n"},
    /* the answers part in an earlier turn */
    {"{\"chosen\":[" USER("Hi") "," SAYS("a") "," USER("b") "," SAYS("c") "],\"rejected\":[" USER(
         "Hi") "," SAYS("d") "," USER("b") "," SAYS("c") "]}",
     HI, "a<|im_end|>\n" TURN("user", "b") TURN("assistant", "c"),
     "d<|im_end|>\n" TURN("user", "b") TURN("assistant", "c")},
};

static void test_rendered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_error err = MADPO_ERROR_INIT;
        madpo_pairs_options o;
        madpo_pairs_report report;
        madpo_pairs *pairs, *back;
        const madpo_pair *p;
        char *line;

        madpo_pairs_options_defaults(&o);
        o.chat = "chatml";
        EXPECT_OK(madpo_pairs_parse_with(&pairs, cases[i].text, strlen(cases[i].text), "c.jsonl",
                                         &o, &report, &err));
        assert_int_equal(report.n_messages, 1);
        EXPECT_OK(madpo_pair_format(&line, madpo_pairs_at(pairs, 0), &err));
        madpo_pairs_free(pairs);
        /* and after pairs.jsonl, which needs no layout any more */
        EXPECT_OK(madpo_pairs_parse(&back, line, strlen(line), "c.jsonl", false, NULL, &err));
        p = madpo_pairs_at(back, 0);
        assert_string_equal(p->prompt, cases[i].prompt);
        assert_string_equal(p->chosen, cases[i].chosen);
        assert_string_equal(p->rejected, cases[i].rejected);
        assert_true(p->specials);
        madpo_pairs_free(back);
        free(line);
    }
}

/* A system message for all conversations, in front of those alone that have none. */
static void test_system(void **state)
{
    static const char text[] = "{\"prompt\":[" USER(
        "Hi") "],\"chosen\":\"a\",\"rejected\":\"b\"}\n"
              "{\"prompt\":[" MSG("system", "Own") "," USER(
                  "Hi") "],\"chosen\":\"a\",\"rejected\":\"b\"}\n"
                        "{\"chosen\":[" USER("Hi") "," SAYS("a") "," USER("b") "," SAYS(
                            "c") "],\"rejected\":[" USER("Hi") "," SAYS("d") "]}\n";
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs_options o;
    madpo_pairs *pairs;

    (void)state;
    madpo_pairs_options_defaults(&o);
    o.chat = "chatml";
    o.system = "Be kind.";
    EXPECT_OK(madpo_pairs_parse_with(&pairs, text, strlen(text), "c.jsonl", &o, NULL, &err));
    assert_string_equal(madpo_pairs_at(pairs, 0)->prompt, TURN("system", "Be kind.") HI);
    assert_string_equal(madpo_pairs_at(pairs, 1)->prompt, TURN("system", "Own") HI);
    assert_string_equal(madpo_pairs_at(pairs, 2)->prompt, TURN("system", "Be kind.") HI);
    assert_string_equal(madpo_pairs_at(pairs, 2)->chosen,
                        "a<|im_end|>\n" TURN("user", "b") TURN("assistant", "c"));
    madpo_pairs_free(pairs);
}

static void test_ties_and_labels(void **state)
{
    static const char text[] =
        "{\"prompt\":[" USER("Hi") "],\"first\":[" SAYS("a") "],\"second\":[" SAYS(
            "b") "],\"label\":1}\n"
                 "{\"prompt\":[" USER("Hi") "],\"first\":[" SAYS("a") "],\"second\":[" SAYS(
                     "a") "],"
                          "\"label\":0}\n"
                          "{\"prompt\":[" USER("Hi") "],\"first\":[" SAYS(
                              "a") "],\"second\":[" SAYS("b") "],"
                                                              "\"label\":0}\n";
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs_options o;
    madpo_pairs_report report;
    madpo_pairs *pairs;

    (void)state;
    madpo_pairs_options_defaults(&o);
    o.chat = "gemma";
    EXPECT_OK(madpo_pairs_parse_with(&pairs, text, strlen(text), "c.jsonl", &o, &report, &err));
    assert_int_equal(madpo_pairs_count(pairs), 2);
    assert_int_equal(report.n_ties, 1);
    assert_string_equal(madpo_pairs_at(pairs, 0)->prompt,
                        "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n");
    assert_string_equal(madpo_pairs_at(pairs, 0)->chosen, "b<end_of_turn>\n");
    assert_string_equal(madpo_pairs_at(pairs, 1)->chosen, "a<end_of_turn>\n");
    madpo_pairs_free(pairs);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *rest;
    } bad[] = {
        {"{\"prompt\":[],\"chosen\":[" SAYS("a") "],\"rejected\":[" SAYS("b") "]}",
         ":1: field \"prompt\" is a list without messages; fill it in or remove the line"},
        {"{\"prompt\":[" USER("Hi") "],\"chosen\":[7],\"rejected\":[" SAYS("b") "]}",
         ":1: message 1 of \"chosen\" is a number; an object with role and content is expected"},
        {"{\"prompt\":[" USER("Hi") "],\"chosen\":[{\"role\":\"assistant\"}],\"rejected\":\"b\"}",
         ":1: message 1 of \"chosen\": \"content\" must be a string, not missing"},
        {"{\"prompt\":[" USER("Hi") "],\"chosen\":[{\"content\":\"a\"}],\"rejected\":\"b\"}",
         ":1: message 1 of \"chosen\": \"role\" must be a string, not missing"},
        {"{\"prompt\":[" USER("Hi") "],\"chosen\":[" SAYS("a") "],\"rejected\":7}",
         ":1: field \"rejected\" must be a list of messages, not a number"},
        {"{\"prompt\":[" USER("Hi") "],\"chosen\":[" SAYS("") "],\"rejected\":[" SAYS("b") "]}",
         ":1: message 1 of \"chosen\" is empty; fill it in or remove the line"},
        {"{\"chosen\":[" USER("Hi") "," SAYS("a") "],\"rejected\":[" USER("Ho") "," SAYS("b") "]}",
         ":1: the conversations \"chosen\" and \"rejected\" begin differently; their prompt must "
         "be the same messages"},
        {"{\"chosen\":[" USER("Hi") "," SAYS("a") "],\"rejected\":[" USER("Hi") "," USER("b") "]}",
         ":1: message 2 of \"rejected\", with which the answer begins, is by \"user\"; it must be "
         "by \"assistant\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        madpo_error err = MADPO_ERROR_INIT;
        madpo_pairs_options o;
        madpo_pairs *pairs;

        madpo_pairs_options_defaults(&o);
        o.chat = "chatml";
        assert_int_equal(madpo_pairs_parse_with(&pairs, bad[i].text, strlen(bad[i].text), "c.jsonl",
                                                &o, NULL, &err),
                         MADPO_ERR_DATA);
        assert_null(pairs);
        expect_error_at(&err, MADPO_ERR_DATA, "c.jsonl", bad[i].rest);
    }
}

/* A role that the layout does not know is told with the line, and the name of a layout that there
 * is none of before any line is read. */
static void test_layouts(void **state)
{
    static const char text[] = "\n{\"prompt\":[" MSG("tool", "x") "],\"chosen\":[" SAYS(
        "a") "],\"rejected\":[" SAYS("b") "]}";
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs_options o;
    madpo_pairs *pairs;

    (void)state;
    madpo_pairs_options_defaults(&o);
    o.chat = "chatml";
    assert_int_equal(madpo_pairs_parse_with(&pairs, text, strlen(text), "c.jsonl", &o, NULL, &err),
                     MADPO_ERR_DATA);
    assert_int_equal(err.line, 2);
    assert_string_equal(err.file, "c.jsonl");
    assert_non_null(strstr(err.message, "tool"));
    madpo_error_clear(&err);
    o.chat = "alpaca";
    assert_int_equal(madpo_pairs_parse_with(&pairs, text, strlen(text), "c.jsonl", &o, NULL, &err),
                     MADPO_ERR_CONFIG);
    expect_error_at(&err, MADPO_ERR_CONFIG, "",
                    "chat layout \"alpaca\" is none of gemma, llama3, chatml and none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rendered),        cmocka_unit_test(test_system),
        cmocka_unit_test(test_ties_and_labels), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_layouts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
