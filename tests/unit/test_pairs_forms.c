/* The forms that pairs come in: what is taken for prompt and answers, how labels and scores put
 * answers in order, and what is refused in which words. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "data/pairs.h"
#include "tests/unit/expect.h"

static madpo_pairs_options options_of(const char *fields, const char *chat)
{
    madpo_pairs_options o;

    madpo_pairs_options_defaults(&o);
    o.fields = fields;
    o.chat = chat;
    return o;
}

/* Every pair as prompt|chosen|rejected, one a line. */
static void expect_pairs(const madpo_pairs *pairs, const char *want)
{
    madpo_strbuf got = {0};

    for (size_t i = 0; i < madpo_pairs_count(pairs); i++) {
        const madpo_pair *p = madpo_pairs_at(pairs, i);

        madpo_strbuf_printf(&got, "%s%s|%s|%s", i ? "\n" : "", p->prompt, p->chosen, p->rejected);
        assert_int_equal(p->n_prompt, strlen(p->prompt));
        assert_int_equal(p->n_chosen, strlen(p->chosen));
        assert_int_equal(p->n_rejected, strlen(p->rejected));
    }
    assert_string_equal(got.s ? got.s : "", want);
    madpo_strbuf_dispose(&got);
}

typedef struct form_case {
    const char *name, *fields, *chat, *text, *want;
} form_case;

#define HUMAN "\\n\\nHuman: "
#define HELP  "\\n\\nAssistant:"

static const form_case forms[] = {
    {"a.jsonl", "", "none", "{\"chosen\":\"Hi Ann Lee\",\"rejected\":\"Hi Ann Moe\"}",
     "Hi Ann| Lee| Moe"},
    {"a.jsonl", "", "none", "{\"chosen\":\"Hi, yes\",\"rejected\":\"Hi, yet\"}", "Hi, ye|s|t"},
    {"a.jsonl", "", "none", "{\"prompt\":null,\"chosen\":\"ab\",\"rejected\":\"abc\"}", "a|b|bc"},
    {"a.jsonl", "", "none", "{\"chosen\":\"x\",\"rejected\":\"y\"}", "|x|y"},
    /* é and è share their first byte */
    {"a.jsonl", "", "none", "{\"chosen\":\"caf\\u00e9\",\"rejected\":\"caf\\u00e8\"}",
     "caf|\xC3\xA9|\xC3\xA8"},
    {"a.jsonl", "", "none",
     "{\"chosen\":\"" HUMAN "a" HELP " b" HUMAN "c" HELP " I do\",\"rejected\":\"" HUMAN "a" HELP
     " b" HUMAN "c" HELP " I don't\"}",
     "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:| I do| I don't"},
    /* the answers part in an earlier turn */
    {"a.jsonl", "", "none",
     "{\"chosen\":\"" HUMAN "a" HELP " b" HUMAN "c" HELP " d\",\"rejected\":\"" HUMAN "a" HELP
     " e" HUMAN "c" HELP " d\"}",
     "\n\nHuman: a\n\nAssistant:| b\n\nHuman: c\n\nAssistant: d| e\n\nHuman: c\n\nAssistant: d"},
    /* no answer by the assistant yet: as any other text */
    {"a.jsonl", "", "none", "{\"chosen\":\"" HUMAN "a b\",\"rejected\":\"" HUMAN "a c\"}",
     "\n\nHuman: a| b| c"},
    {"a.json", "", "none",
     " [ {\"prompt\":\"p\",\"chosen\":\"[,]\\\"\",\"rejected\":\"}\"}\n,\n"
     "{\"prompt\":\"q\",\"chosen\":\"c\",\"rejected\":\"r\"} ]\n",
     "p|[,]\"|}\nq|c|r"},
    {"a", "", "none", "[{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}]", "p|c|r"},
    {"a.csv", "", "none", "id, prompt ,chosen,rejected\r\n7,p,\"c,\nd\",r\r\n", "p|c,\nd|r"},
    {"a", "", "none", "chosen,rejected\nab x,ab y\n", "ab| x| y"},
    {"a.jsonl", "prompt=q, chosen = good ,rejected=bad", "none",
     "{\"q\":\"p\",\"good\":\"c\",\"bad\":\"r\"}", "p|c|r"},
    {"a.jsonl", "prompt=in.q,chosen=a.b.c,rejected=a.d", "none",
     "{\"in\":{\"q\":\"p\"},\"a\":{\"b\":{\"c\":\"x\"},\"d\":\"y\"}}", "p|x|y"},
    {"a.jsonl", "chosen=a.b", "none", "{\"prompt\":\"p\",\"a.b\":\"c\",\"rejected\":\"r\"}",
     "p|c|r"},
    {"a.jsonl", "", "none",
     "{\"input\":\"i\",\"output_1\":\"x\",\"output_2\":\"y\",\"label\":1}\n"
     "{\"input\":\"i\",\"output_1\":\"x\",\"output_2\":\"y\",\"label\":2}\n",
     "i|x|y\ni|y|x"},
    {"a.csv", "", "none",
     "prompt,first_response,second_response,scores,choice\np,x,y,\"[2, -1]\",0\n"
     "p,x,y,\"[2, -1]\",1\n",
     "p|x|y\np|y|x"},
    {"a.csv", "prompt=q,first=a,second=b,label=best", "none",
     "q,a,b,best\np,x,y,1\np,x,y,2\np,x,z,tie\np,w,w,1\np,x,y,b\n", "p|x|y\np|y|x\np|y|x"},
};

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const form_case *c = &forms[i];
        madpo_pairs_options o = options_of(c->fields, c->chat);
        madpo_error err = MADPO_ERROR_INIT;
        madpo_pairs *pairs;

        EXPECT_OK(
            madpo_pairs_parse_with(&pairs, c->text, strlen(c->text), c->name, &o, NULL, &err));
        expect_pairs(pairs, c->want);
        madpo_pairs_free(pairs);
    }
}

/* ---- labels ---- */

#define ROW(label) "{\"first\":\"x\",\"second\":\"y\",\"prompt\":\"p\",\"label\":" label "}\n"
#define X          "p|x|y"
#define Y          "p|y|x"

static void test_labels(void **state)
{
    static const struct {
        const char *text;
        int base;
        const char *want; /* pairs, or the error */
    } cases[] = {
        {ROW("0") ROW("1"), -1, X "\n" Y},
        {ROW("1") ROW("0"), -1, Y "\n" X},
        {ROW("1") ROW("2"), -1, X "\n" Y},
        {ROW("2"), -1, Y},
        {ROW("1"), 0, Y},
        {ROW("1"), 1, X},
        {ROW("1.0") ROW("\"2\""), -1, X "\n" Y},
        {ROW("\"a\"") ROW("\"B\"") ROW("\"second\""), -1, X "\n" Y "\n" Y},
        {ROW("1") ROW("\"a\"") ROW("0"), -1, Y "\n" X "\n" X},
        {ROW("1") ROW("1"), -1,
         ":1: every label of the file is 1, which names the second answer if they count from 0 and "
         "the first if from 1; set data.label_base to 0 or 1"},
        {ROW("0") ROW("1") ROW("2"), -1,
         ":3: the label is 2 here and 0 in line 1: an answer is named by 0 and 1, or by 1 and 2; "
         "mend the labels"},
        {ROW("0") ROW("2"), 0,
         ":2: field \"label\" is 2, but the answers count from 0 (0 or 1); mend it, or set "
         "data.label_base"},
        {ROW("3"), -1,
         ":1: field \"label\" is 3; the better answer is named by 0, 1 or 2, a or b, first or "
         "second, or it is a tie"},
        {ROW("\"left\""), -1,
         ":1: field \"label\" is left; the better answer is named by 0, 1 or 2, a or b, first or "
         "second, or it is a tie"},
        {ROW("null"), -1,
         ":1: neither field \"label\" nor scores say which answer is better; fill one in or name "
         "the field in data.fields"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_pairs_options o = options_of("first=first,second=second", "none");
        madpo_error err = MADPO_ERROR_INIT;
        madpo_pairs *pairs;
        madpo_status st;

        o.label_base = cases[i].base;
        st = madpo_pairs_parse_with(&pairs, cases[i].text, strlen(cases[i].text), "l.jsonl", &o,
                                    NULL, &err);
        if (cases[i].want[0] == ':') {
            assert_null(pairs);
            expect_error_at(&err, MADPO_ERR_DATA, "l.jsonl", cases[i].want);
            continue;
        }
        assert_int_equal(st, MADPO_OK);
        expect_pairs(pairs, cases[i].want);
        madpo_pairs_free(pairs);
    }
}

/* Labels drawn from scores: by the seed, as often as the logistic function says. */
static void test_drawn(void **state)
{
    enum { N = 4000 };
    madpo_pairs_options o = options_of("", "none");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs_report report;
    madpo_strbuf text = {0};
    madpo_pairs *pairs, *again;
    char a[33], b[33];
    int first = 0;

    (void)state;
    madpo_strbuf_append(&text, "prompt,first_response,second_response,scores\n");
    for (int i = 0; i < N; i++)
        madpo_strbuf_append(&text, "p,x,y,\"[1.5, 0.5]\"\n");
    EXPECT_OK(madpo_pairs_parse_with(&pairs, text.s, text.n, "s.csv", &o, &report, &err));
    assert_int_equal(report.n_drawn, N);
    assert_int_equal(report.n_labelled, 0);
    for (size_t i = 0; i < N; i++) {
        const madpo_pair *p = madpo_pairs_at(pairs, i);
        bool is_first = !strcmp(p->chosen, "x");

        first += is_first;
        assert_true(p->score_chosen == (is_first ? 1.5 : 0.5));
        assert_true(p->score_rejected == (is_first ? 0.5 : 1.5));
    }
    /* 0.7311 with a standard error of 0.0070 */
    assert_true(fabs((double)first / N - 1.0 / (1.0 + exp(-1.0))) < 0.03);
    EXPECT_OK(madpo_pairs_parse_with(&again, text.s, text.n, "s.csv", &o, NULL, &err));
    madpo_pairs_digest(pairs, a);
    madpo_pairs_digest(again, b);
    assert_string_equal(a, b);
    madpo_pairs_free(again);
    o.label_seed++;
    EXPECT_OK(madpo_pairs_parse_with(&again, text.s, text.n, "s.csv", &o, NULL, &err));
    madpo_pairs_digest(again, b);
    assert_string_not_equal(a, b);
    madpo_pairs_free(again);
    madpo_pairs_free(pairs);
    madpo_strbuf_dispose(&text);
}

/* ---- counting ---- */

static void test_report(void **state)
{
    static const char text[] = "{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}\n"
                               "{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"c\"}\n"
                               "{\"prompt\":\"p\",\"chosen\":\"\",\"rejected\":\"c\"}\n"
                               "{\"chosen\":\"a c\",\"rejected\":\"a d\"}\nno\n";
    madpo_pairs_options o = options_of("", "none");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs_report report;
    madpo_pairs *pairs;
    char line[400];

    (void)state;
    o.skip_bad = true;
    EXPECT_OK(madpo_pairs_parse_with(&pairs, text, strlen(text), "r.jsonl", &o, &report, &err));
    expect_pairs(pairs, "p|c|r\na| c| d");
    assert_string_equal(
        madpo_pairs_report_format(&report, line, sizeof line),
        "2 pairs, 1 with a prompt, 1 with the prompt told by what both answers begin with, 1 ties "
        "left out, 2 bad ones passed over (first: r.jsonl:3: field \"chosen\" is empty; fill it in "
        "or remove the line)");
    assert_string_equal(madpo_pairs_report_format(&report, line, 8), "2 pairs");
    madpo_pairs_free(pairs);
    o.drop_ties = false;
    EXPECT_OK(madpo_pairs_parse_with(&pairs, text, strlen(text), "r.jsonl", &o, &report, &err));
    assert_int_equal(madpo_pairs_count(pairs), 3);
    madpo_pairs_free(pairs);
}

/* What a pair carries comes back from pairs.jsonl. */
static void test_round_trip(void **state)
{
    static const char text[] =
        "prompt,chosen,rejected,id,margin,source,split,score_chosen\np,c,r,12,-0.25,web,eval,3\n"
        "p,c,r,,,,,\n";
    madpo_pairs_options o = options_of("", "none");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pairs *pairs, *back;
    const madpo_pair *p;
    char *line;

    (void)state;
    EXPECT_OK(madpo_pairs_parse_with(&pairs, text, strlen(text), "t.csv", &o, NULL, &err));
    assert_int_equal(madpo_pairs_count(pairs), 2);
    EXPECT_OK(madpo_pair_format(&line, madpo_pairs_at(pairs, 0), &err));
    EXPECT_OK(madpo_pairs_parse(&back, line, strlen(line), "t.jsonl", false, NULL, &err));
    p = madpo_pairs_at(back, 0);
    assert_int_equal(p->id, 12);
    assert_true(p->margin == -0.25 && p->score_chosen == 3 && isnan(p->score_rejected) && p->eval);
    assert_string_equal(p->source, "web");
    p = madpo_pairs_at(pairs, 1);
    assert_true(isnan(p->margin) && p->id == 1 && !p->source && !p->eval && !p->specials);
    free(line);
    madpo_pairs_free(back);
    madpo_pairs_free(pairs);
}

/* ---- refusals ---- */

static void test_refused(void **state)
{
    static const struct {
        const char *name, *fields, *text, *rest; /* rest without a colon: MADPO_ERR_CONFIG */
    } cases[] = {
        {"x.json", "",
         "[{\"chosen\":\"a\",\"rejected\":\"b\"},\n\n {\"chosen\":1,"
         "\"rejected\":\"b\"}]",
         ":3: field \"chosen\" must be a string, not a number"},
        {"x.json", "", "[{\"chosen\":\"a\",\"rejected\":\"b\"},\n{\"chosen\":\"a\",",
         ":2: the list that the file holds is not closed after this element; is the file cut "
         "short?"},
        {"x.json", "", "[{\"chosen\":\"a\",\"rejected\":\"b\"}]\n{}",
         ":2: text follows the list that the file holds; remove it, or write one object a line"},
        {"x.json", "", "[\n\n",
         ":3: the list that the file holds is not closed; is the file cut "
         "short?"},
        {"x.json", "", "[]",
         ": the file is empty; write one JSON object with prompt, chosen and "
         "rejected a line"},
        {"x.json", "", "[\n nonsense]",
         ":2:8: invalid JSON: '[' or '{' expected near 'nonsense'; each element is one JSON object "
         "with prompt, chosen and rejected"},
        {"x.csv", "", "chosen,rejected\na b,a c\nq\n",
         ":3: the row has 1 fields where the header has 2; fill in what is missing"},
        {"x.csv", "", "chosen,rejected\n",
         ": the file has no rows; write a header such as "
         "prompt,chosen,rejected and a row for each pair"},
        {"x.csv", "", "question,answer\na,b\n",
         ":2: fields \"chosen\" and \"rejected\" are missing; there are \"question\", \"answer\"; "
         "say which is which with data.fields"},
        {"x.csv", "", "chosen,rejected,margin\na,b,wide\n",
         ":2: field \"margin\" must be a number, not \"wide\""},
        {"x.csv", "", "chosen,rejected,id\na,b,x1\n",
         ":2: field \"id\" must be an integer, not other text"},
        {"x.csv", "", "first_response,second_response,scores\na,b,[1]\n",
         ":2: field \"scores\" must be the two answers' scores, [1.5, -0.5], not [1]"},
        {"x.csv", "", "chosen,rejected\na,a\nb,b\n",
         ": all 2 pairs are ties, from which nothing can be learned"},
        {"x", "", "\xFF\xFEx", ":1: the file is UTF-16; save it as UTF-8"},
        {"x.jsonl", "",
         "{\"prompt\":\"p\",\"chosen\":[{\"role\":\"assistant\",\"content\":"
         "\"c\"}],\"rejected\":\"r\"}",
         ":1: the record holds chat messages, which need a layout: set data.chat to gemma, llama3 "
         "or chatml, or write prompt, chosen and rejected as plain text"},
        {"x", "chosen", "{}",
         "data.fields: \"chosen\" is not of the form part=field, as in "
         "prompt=question"},
        {"x", "chosn=a", "{}", "data.fields: a pair has no part \"chosn\"; did you mean chosen"},
        {"x", "chosen=", "{}", "data.fields: no field is named for chosen; write chosen=FIELD"},
        {"x", "id=a,id=b", "{}", "data.fields: id is there twice"},
        {"x", "first=a", "{}", "data.fields: first is named without second; name both"},
        {"x", "first=a,second=b,chosen=c", "{}",
         "data.fields names both chosen or rejected and first and second; a pair has either the "
         "better and the worse answer, or two and a label"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_pairs_options o = options_of(cases[i].fields, "none");
        madpo_error err = MADPO_ERROR_INIT;
        madpo_pairs *pairs;
        bool data = cases[i].rest[0] == ':';

        assert_int_not_equal(madpo_pairs_parse_with(&pairs, cases[i].text, strlen(cases[i].text),
                                                    cases[i].name, &o, NULL, &err),
                             MADPO_OK);
        assert_null(pairs);
        expect_error_at(&err, data ? MADPO_ERR_DATA : MADPO_ERR_CONFIG, data ? cases[i].name : "",
                        cases[i].rest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),      cmocka_unit_test(test_labels),
        cmocka_unit_test(test_drawn),      cmocka_unit_test(test_report),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
