/* The scanner of log lines, texts made safe, and filters. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tui/grid.h"
#include "tui/scan.h"
#include "tui/select.h"

static void test_numbers(void **state)
{
    static const char *const texts[] = {"0",
                                        "-0.5",
                                        "1e3",
                                        "1.7976931348623157e308",
                                        "5e-324",
                                        "1E+2",
                                        "-12.25e-1",
                                        "0.69314718055994529",
                                        "123456789012345678901234",
                                        "1795643817.482",
                                        "4.81e-07"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char line[64];
        double want = strtod(texts[i], NULL);
        madpo_scan scan;
        madpo_scan_value v;

        snprintf(line, sizeof line, "{\"x\":%s}", texts[i]);
        assert_true(madpo_scan_open(&scan, line, strlen(line)));
        assert_true(madpo_scan_next(&scan, &v));
        assert_true(madpo_scan_is(&v, "x"));
        if (!(fabs(v.number - want) <= 1e-15 * fabs(want) + 5e-324))
            fail_msg("%s was read as %.17g", texts[i], v.number);
        assert_false(madpo_scan_next(&scan, &v));
        assert_false(scan.failed);
    }
}

static void test_members(void **state)
{
    static const char line[] =
        " {\"a\" : \"x\\\"y\", \"b\":[1,{\"c\":\"]}\"}], \"n\":null,\"t\":true , \"z\":{}}";
    madpo_scan scan, list;
    madpo_scan_value v, w;
    char text[8];

    (void)state;
    assert_true(madpo_scan_open(&scan, line, sizeof line - 1));
    assert_true(madpo_scan_next(&scan, &v));
    assert_int_equal(madpo_scan_unescape(text, sizeof text, v.text, v.n_text), 3);
    assert_string_equal(text, "x\"y");
    assert_true(madpo_scan_next(&scan, &v) && madpo_scan_is(&v, "b"));
    assert_true(madpo_scan_open(&list, v.text, v.n_text));
    assert_true(madpo_scan_next(&list, &w) && w.number > 0.5);
    assert_true(madpo_scan_next(&list, &w) && w.kind == MADPO_SCAN_NESTED);
    assert_false(madpo_scan_next(&list, &w));
    assert_true(madpo_scan_next(&scan, &v) && v.kind == MADPO_SCAN_NULL && isnan(v.number));
    assert_true(madpo_scan_next(&scan, &v) && v.kind == MADPO_SCAN_BOOL);
    assert_true(madpo_scan_next(&scan, &v) && v.kind == MADPO_SCAN_NESTED);
    assert_false(madpo_scan_next(&scan, &v));
    assert_false(scan.failed);
}

/* Every beginning of a line, in memory of exactly its size, so that a sanitizer sees a step too
 * far. */
static void test_every_cut(void **state)
{
    static const char line[] =
        "{\"ev\":\"st\\u00e9\\\\\",\"x\":-1.5e+10,\"l\":[[\"a\"],{\"b\":null}]}";

    (void)state;
    for (size_t n = 0; n < sizeof line - 1; n++) {
        char *part = malloc(n ? n : 1);
        madpo_scan scan;
        madpo_scan_value v;

        assert_non_null(part);
        memcpy(part, line, n);
        if (madpo_scan_open(&scan, part, n)) {
            while (madpo_scan_next(&scan, &v))
                ;
            assert_true(scan.failed);
        }
        free(part);
    }
}

static void test_unescape(void **state)
{
    static const struct {
        const char *raw, *want;
    } cases[] = {{"a\\n\\t", "a\n\t"},
                 {"\\u00e9", "\xc3\xa9"},
                 {"\\ud83c\\udf0a", "\xf0\x9f\x8c\x8a"},
                 {"\\ud800x", "\xef\xbf\xbdx"},
                 {"\\u12", "\xef\xbf\xbd"
                           "12"},
                 {"\\", "\\"}};
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        madpo_scan_unescape(text, sizeof text, cases[i].raw, strlen(cases[i].raw));
        assert_string_equal(text, cases[i].want);
    }
    assert_int_equal(madpo_scan_unescape(text, 3, "\\ud83c\\udf0a", 12), 0); /* not cut in two */
}

/* No control character reaches the grid, wide characters take two cells and none is cut in two. */
static void test_safe_text(void **state)
{
    static const char nasty[] = "\x1b[31mred\x07\tx\xff\xc2\x9b\xe6\xb5\xb7y";
    madpo_grid grid = {0};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pen pen = {MADPO_TONE_PLAIN, 0};

    (void)state;
    for (int room = 0; room < 24; room++) {
        assert_int_equal(madpo_grid_reset(&grid, 24, 1, MADPO_GLYPHS_BRAILLE, &err), MADPO_OK);
        assert_true(madpo_grid_text(&grid, 0, 0, room, pen, nasty) <= room);
        for (int x = 0; x < 24; x++) {
            uint32_t c = grid.cells[x].glyph;

            assert_true(c >= ' ' && c != 0x7f && !(c >= 0x80 && c < 0xa0));
            if (c == 0x6d77) {
                assert_true(x + 1 < room);
                assert_true(grid.cells[x + 1].flags & MADPO_WIDE_TAIL);
            }
        }
    }
    madpo_grid_dispose(&grid);
}

static void test_wrapping(void **state)
{
    const char *text = "one two  three\nfour-and-a-half \xe6\xb5\xb7\xe6\xb5\xb7\xe6\xb5\xb7";
    size_t total = 0;

    (void)state;
    for (int width = 1; width < 20; width++) {
        const char *at = text;

        for (total = 0; *at && total < 200; total++) {
            size_t skip, n = madpo_text_break(at, width, &skip);
            char line[64];

            assert_true(n + skip > 0 && n < sizeof line);
            memcpy(line, at, n);
            line[n] = '\0';
            assert_true(madpo_text_width(line) <= (width < 2 ? 2 : width));
            at += n + skip;
        }
        assert_true(total < 200);
    }
}

static void test_filters(void **state)
{
    static const char *const good[] = {"",     "h<0",   "h<=0 w>.8  m!=1", "src:x flag:!",
                                       "tide", "len>=5"};
    static const char *const bad[] = {"h<", "h<x", "q>1", "w>1x", "h!1", "src:"};
    madpo_filter filter;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(madpo_filter_parse(&filter, good[i], &err), MADPO_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        madpo_error why = MADPO_ERROR_INIT;

        assert_int_equal(madpo_filter_parse(&filter, bad[i], &why), MADPO_ERR_USAGE);
        assert_non_null(strstr(why.message, bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_members),
        cmocka_unit_test(test_every_cut), cmocka_unit_test(test_unescape),
        cmocka_unit_test(test_safe_text), cmocka_unit_test(test_wrapping),
        cmocka_unit_test(test_filters)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
