/* RFC 4180, row by row: what is read and what is refused, with the line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "data/csv.h"
#include "tests/unit/expect.h"

static void csv_from(madpo_csv *csv, const char *text, size_t n)
{
    char *copy = malloc(n + 1);

    assert_non_null(copy);
    memcpy(copy, text, n);
    copy[n] = '\0';
    madpo_csv_init(csv, copy, n, "x.csv");
}

/* Text in, rows out: fields separated by '|', rows by '/'. */
typedef struct good_case {
    const char *text, *rows;
    int last_line; /* where the last row begins */
} good_case;

static void test_rows(void **state)
{
    static const good_case cases[] = {
        {"a,b\n1,2\n", "a|b/1|2", 2},
        {"a,b\r\n1,2", "a|b/1|2", 2},
        {"a,b\r1,2\r", "a|b/1|2", 2},
        {"\xEF\xBB\xBF"
         "a,b\n",
         "a|b", 1},
        {"\"a\",\"b\"\n", "a|b", 1},
        {"\"say \"\"hi\"\"\",x\n", "say \"hi\"|x", 1},
        {"\"\"\"\"\n", "\"", 1},
        {"\"one\ntwo\",x\ny,z\n", "one\ntwo|x/y|z", 3},
        {"\"one\r\ntwo\",x\ny,z\n", "one\r\ntwo|x/y|z", 3},
        {"a,\n,b\n,\n", "a|/|b/|", 3},
        {"\n\na\n\n\nb\n\n", "a/b", 6},
        {"\"\",\"\"\n", "|", 1},
        {"a b , c\n", "a b | c", 1},
        {"\"a,b\",c", "a,b|c", 1},
        {"", "", 0},
        {"\n\r\n\n", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_error err = MADPO_ERROR_INIT;
        madpo_csv csv;
        madpo_strbuf rows = {0};
        bool more;
        int last_line = 0;

        csv_from(&csv, cases[i].text, strlen(cases[i].text));
        for (;;) {
            EXPECT_OK(madpo_csv_next(&csv, &more, &err));
            if (!more)
                break;
            if (last_line)
                madpo_strbuf_append_char(&rows, '/');
            for (size_t f = 0; f < csv.n_fields; f++) {
                assert_int_equal(csv.field[f].n, strlen(csv.field[f].text));
                madpo_strbuf_append(&rows, f ? "|" : "");
                madpo_strbuf_append(&rows, csv.field[f].text);
            }
            last_line = csv.line;
        }
        assert_string_equal(rows.s ? rows.s : "", cases[i].rows);
        madpo_strbuf_dispose(&rows);
        assert_int_equal(last_line, cases[i].last_line);
        madpo_csv_dispose(&csv);
    }
}

static void test_nul_inside(void **state)
{
    static const char text[] = "a\0b,\"c\0\"\n";
    madpo_error err = MADPO_ERROR_INIT;
    madpo_csv csv;
    bool more;

    (void)state;
    csv_from(&csv, text, sizeof text - 1);
    EXPECT_OK(madpo_csv_next(&csv, &more, &err));
    assert_int_equal(csv.n_fields, 2);
    assert_int_equal(csv.field[0].n, 3);
    assert_memory_equal(csv.field[0].text, "a\0b", 4);
    assert_int_equal(csv.field[1].n, 2);
    assert_memory_equal(csv.field[1].text, "c\0", 3);
    madpo_csv_dispose(&csv);
}

static void test_errors(void **state)
{
    static const char unclosed[] = "the quote that opens a field here is never closed; close it, "
                                   "and write quotes inside a field twice";
    static const char behind[] = "text follows the closing quote of a field; write quotes inside a "
                                 "field twice";
    static const char inside[] = "a quote stands inside an unquoted field; quote the whole field "
                                 "and write the inner quote twice";
    static const struct {
        const char *text;
        int line;
        const char *message;
    } cases[] = {
        {"a,b\n\"x,1\ny,2\n", 2, unclosed}, {"\"", 1, unclosed},       {"\"a\"\"", 1, unclosed},
        {"a,b\n\"x\ny\"z,1\n", 3, behind},  {"\"a\" ,b\n", 1, behind}, {"a,b\nx\"y,1\n", 2, inside},
        {"a\n\n b\"\n", 3, inside},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_error err = MADPO_ERROR_INIT;
        madpo_status st = MADPO_OK;
        char rest[300];
        madpo_csv csv;
        bool more = true;

        csv_from(&csv, cases[i].text, strlen(cases[i].text));
        while (st == MADPO_OK && more)
            st = madpo_csv_next(&csv, &more, &err);
        snprintf(rest, sizeof rest, ":%d: %s", cases[i].line, cases[i].message);
        expect_error_at(&err, MADPO_ERR_DATA, "x.csv", rest);
        madpo_csv_dispose(&csv);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_nul_inside),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
