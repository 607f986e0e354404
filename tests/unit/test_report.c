/* The pieces of a report: escaping, series, drawings. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "report/inside.h"
#include "report/plot.h"

static void test_escape(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},
        {"plain \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
         "plain \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"<script>alert(\"1\") && 2</script>",
         "&lt;script&gt;alert(&quot;1&quot;) &amp;&amp; 2&lt;/script&gt;"},
        {"a\x01"
         "b\x1b[31m\x7f",
         "a\xef\xbf\xbd"
         "b\xef\xbf\xbd[31m\xef\xbf\xbd"},
        {"tab\tline\n", "tab\tline\n"},
        {"c1 \xc2\x85.", "c1 \xef\xbf\xbd."},
        {"\xef\xbf\xbe\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        madpo_strbuf b = {0};

        madpo__put_escaped(&b, rows[i].text);
        assert_string_equal(b.s ? b.s : "", rows[i].want);
        madpo_strbuf_dispose(&b);
    }
}

static void test_series(void **state)
{
    static const double x[] = {1, 2, 3, 4, 3, 4, 5}; /* resumed after step 2 */
    madpo_report r = {0};
    madpo_error err = MADPO_ERROR_INIT;
    const madpo__series *s;

    (void)state;
    assert_null(madpo__series_find(&r, "sft", "loss"));
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        assert_int_equal(madpo__series_add(&r, "sft", "loss", x[i], 10.0 * (double)i, &err),
                         MADPO_OK);
    s = madpo__series_find(&r, "sft", "loss");
    assert_non_null(s);
    assert_int_equal(s->n, 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(s->x[i] == (double)(i + 1));
    assert_true(s->y[1] == 10.0 && s->y[2] == 40.0 && s->y[4] == 60.0);
    assert_null(madpo__series_find(&r, "policy", "loss"));
    madpo__series_dispose(&r.series[0]);
    free(r.series);
}

static void test_smooth(void **state)
{
    const double constant[] = {3, 3, 3, 3}, gap[] = {NAN, 2, NAN, 4};
    double out[4];

    (void)state;
    madpo__smooth(constant, out, 4, 0.9);
    for (size_t i = 0; i < 4; i++)
        assert_true(fabs(out[i] - 3.0) < 1e-12);
    madpo__smooth(gap, out, 4, 0.5);
    assert_true(isnan(out[0]) && out[1] == 2.0 && out[2] == 2.0);
    assert_true(fabs(out[3] - (0.5 * 0.5 * 2 + 0.5 * 4) / 0.75) < 1e-12);
}

/* The drawing of one line (owned by the caller). */
static char *draw(const double *x, const double *y, size_t n, madpo__plot_kind kind)
{
    madpo__plot plot = {.title = "a <title>",
                        .x_name = "step",
                        .y_name = "y",
                        .line = {{.label = "line", .kind = kind, .x = x, .y = y, .y2 = y, .n = n}},
                        .n_lines = 1};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_strbuf b = {0};
    char *text;

    madpo__plot_svg(&b, &plot);
    assert_int_equal(madpo_strbuf_steal(&b, &text, NULL, &err), MADPO_OK);
    assert_non_null(strstr(text, "<title>a &lt;title&gt;</title>"));
    assert_non_null(strstr(text, "</svg>"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    return text;
}

static void test_odd_values(void **state)
{
    static const double x[] = {1, 2, 3, 4};
    static const double values[][4] = {
        {0, 0, 0, 0},
        {5, 5, 5, 5},
        {NAN, NAN, NAN, NAN},
        {1, NAN, INFINITY, 2},
        {-1e308, 1e308, 0, 1},
        {1e-320, 2e-320, 0, 1e-320},
        {-3, -2, -1, -INFINITY},
        {1e15, 1e15 + 1, 1e15, 1e15},
    };

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (int kind = MADPO__PLOT_LINE; kind <= MADPO__PLOT_BARS; kind++) {
            free(draw(x, values[i], 4, (madpo__plot_kind)kind));
            free(draw(x, values[i], 1, (madpo__plot_kind)kind));
            free(draw(x, values[i], 0, (madpo__plot_kind)kind));
        }
}

/* A million points become a small drawing that still shows the one that sticks out. */
static void test_spike(void **state)
{
    size_t n = 1000000, at = 654321;
    double *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
    char *flat, *spiked;

    (void)state;
    assert_true(x && y);
    for (size_t i = 0; i < n; i++) {
        x[i] = (double)i;
        y[i] = (double)(i % 7);
    }
    y[0] = 1000.0; /* so that the axes agree */
    flat = draw(x, y, n, MADPO__PLOT_LINE);
    y[at] = 900.0;
    spiked = draw(x, y, n, MADPO__PLOT_LINE);
    assert_true(strlen(spiked) < 60000);
    assert_string_not_equal(flat, spiked);
    free(flat);
    free(spiked);
    free(x);
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape), cmocka_unit_test(test_series),
        cmocka_unit_test(test_smooth), cmocka_unit_test(test_odd_values),
        cmocka_unit_test(test_spike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
