/* Plots of every kind of data with every kind of characters: what is in the data is on the screen.
 */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tui/plot.h"

enum { W = 60, H = 14 };

static void add(madpo_series *series, double x, double y)
{
    madpo_error err = MADPO_ERROR_INIT;

    assert_int_equal(madpo_series_add(series, x, y, &err), MADPO_OK);
}

/* Draw one series; the text of the picture is the caller's, free(). */
static char *draw_as(const madpo_series *series, madpo_glyphs glyphs, bool log_y, bool clip,
                     double smoothing)
{
    static const madpo_phase phase = {.begun = 0};
    madpo_plot plot = {.log_y = log_y,
                       .clip = clip,
                       .smoothing = smoothing,
                       .x_low = NAN,
                       .x_high = NAN,
                       .cross = NAN,
                       .phase = -1};
    madpo_grid grid = {0};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_rect rect = {0, 0, W, H};
    char *text;

    madpo_plot_add(&plot, (madpo_curve){.series = series,
                                        .phase = &phase,
                                        .until = INFINITY,
                                        .smoothed = true,
                                        .pen = {{MADPO_TONE_SERIES, 0}, '*'},
                                        .label = "y"});
    assert_int_equal(madpo_grid_reset(&grid, W, H, glyphs, &err), MADPO_OK);
    madpo_grid_frame(&grid, rect, "", false);
    madpo_plot_draw(&grid, rect, &plot);
    assert_int_equal(madpo_grid_dump(&text, &grid, &err), MADPO_OK);
    madpo_grid_dispose(&grid);
    return text;
}

static char *draw(const madpo_series *series, madpo_glyphs glyphs, bool log_y, double smoothing)
{
    return draw_as(series, glyphs, log_y, false, smoothing);
}

static char *draw_clipped(const madpo_series *series)
{
    return draw_as(series, MADPO_GLYPHS_ASCII, false, true, 0.0);
}

static const char *row_of(const char *text, int row)
{
    while (row-- > 0)
        text = strchr(text, '\n') + 1;
    return text;
}

/* Is anything drawn in this row of the plot's inside, right of the labels? */
static bool row_has_ink(const char *text, int row)
{
    const char *at = row_of(text, row + 1) + 8;

    for (; *at && *at != '\n' && *at != '|'; at++)
        if (*at == '*' || *at == '.')
            return true;
    return false;
}

static void test_every_kind(void **state)
{
    (void)state;
    for (int kind = 0; kind < 8; kind++)
        for (int glyphs = 0; glyphs < MADPO_GLYPHS_KINDS; glyphs++)
            for (int way = 0; way < 4; way++) {
                madpo_series series = {0};
                int n = kind == 0 ? 0 : kind == 1 ? 1 : 300;
                char *text;

                for (int i = 0; i < n; i++)
                    add(&series, i,
                        kind == 2   ? 0.5
                        : kind == 3 ? (i % 3 ? i : (double)NAN)
                        : kind == 4 ? -1e300 * i
                        : kind == 5 ? 1e-300 * i
                        : kind == 6 ? (double)NAN
                                    : (i % 2 ? INFINITY : i));
                text = draw(&series, (madpo_glyphs)glyphs, way & 1, way & 2 ? 0.9 : 0.0);
                assert_int_equal(strlen(text) > W * 2, 1);
                assert_int_equal(strstr(text, "nothing logged") != NULL, n == 0);
                assert_int_equal(strstr(text, "NaN") != NULL, series.n_bad > 0);
                free(text);
                madpo_series_dispose(&series);
            }
}

/* One value among ten million reaches the top row, above a smoothed line at the foot. */
static void test_spike_is_seen(void **state)
{
    madpo_series series = {0};
    char *text;

    (void)state;
    for (int i = 0; i < 10000000; i++)
        add(&series, i, i == 1234567 ? 50.0 : 1.0);
    text = draw(&series, MADPO_GLYPHS_ASCII, false, 0.9);
    assert_true(row_has_ink(text, 0) && row_has_ink(text, 5) && row_has_ink(text, H - 3));
    free(text);
    text = draw(&series, MADPO_GLYPHS_ASCII, false, 0.0);
    assert_true(row_has_ink(text, 0));
    free(text);
    madpo_series_dispose(&series);
}

/* Clipped, the spike is out of the range, the rest fills the plot, and it is told how much is out.
 */
static void test_clipped(void **state)
{
    madpo_series series = {0};
    char *text;

    (void)state;
    for (int i = 0; i < 1000; i++)
        add(&series, i, i == 500 ? 1e9 : sin(i / 40.0));
    text = draw(&series, MADPO_GLYPHS_ASCII, false, 0.0);
    assert_null(strstr(text, " out"));
    free(text);
    text = draw_clipped(&series);
    assert_non_null(strstr(text, " out"));
    for (int row = 0; row < H - 2; row++)
        assert_true(row_has_ink(text, row));
    free(text);
    madpo_series_dispose(&series);
}

/* A line from corner to corner has ink in every row, in ASCII and in logarithms too. */
static void test_diagonal(void **state)
{
    madpo_series series = {0};
    char *text;

    (void)state;
    for (int i = 0; i < 200; i++)
        add(&series, i, pow(10.0, i / 50.0));
    text = draw(&series, MADPO_GLYPHS_ASCII, true, 0.0);
    for (int row = 0; row < H - 2; row++)
        assert_true(row_has_ink(text, row));
    free(text);
    madpo_series_dispose(&series);
}

static void test_ascii_is_ascii(void **state)
{
    madpo_series series = {0};
    char *text;

    (void)state;
    for (int i = 0; i < 50; i++)
        add(&series, i, sin(i));
    text = draw(&series, MADPO_GLYPHS_ASCII, false, 0.6);
    for (const char *at = text; *at; at++)
        assert_true(*at == '\n' || (*at >= ' ' && *at < 0x7f));
    free(text);
    madpo_series_dispose(&series);
}

static void test_short_numbers(void **state)
{
    static const struct {
        double x;
        const char *want;
    } cases[] = {{0, "0"},           {0.5, ".500"},      {-0.25, "-.250"},
                 {1, "1.00"},        {12.34, "12.3"},    {149, "149"},
                 {12345, "12.3k"},   {1.5e6, "1.5M"},    {4.81e-7, "4.8e-7"},
                 {-2e38, "-2.0e38"}, {(double)NAN, "-"}, {INFINITY, "inf"},
                 {10.05, "10.1"}};
    char text[16];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(madpo_short_number(text, cases[i].x), cases[i].want);
    assert_string_equal(madpo_short_time(text, 3723), "1:02:03");
    assert_string_equal(madpo_short_time(text, 62), "1:02");
    assert_string_equal(madpo_short_time(text, -1), "-");
}

/* Steps in units of the axes, and back; an axis that nothing was said of is not known. */
static void test_axes(void **state)
{
    madpo_phase phase = {.begun = 1000};

    (void)state;
    assert_true(madpo_axis_is_known(&phase, MADPO_AXIS_STEP));
    for (int axis = MADPO_AXIS_STEP + 1; axis < MADPO_AXES; axis++)
        assert_false(madpo_axis_is_known(&phase, (madpo_axis)axis));
    for (int step = 1; step <= 10; step++) {
        add(&phase.examples, step, 32.0 * step);
        add(&phase.tokens, step, 1000.0 * step);
        add(&phase.clock, step, 1000.0 + 2.0 * step);
    }
    for (int axis = 0; axis < MADPO_AXES; axis++) {
        const double want[MADPO_AXES] = {4, 128, 4000, 8};

        assert_true(madpo_axis_is_known(&phase, (madpo_axis)axis));
        assert_true(madpo_axis_from_step(&phase, (madpo_axis)axis, 4) == want[axis]);
        assert_true(madpo_axis_to_step(&phase, (madpo_axis)axis, want[axis]) == 4);
    }
    madpo_series_dispose(&phase.examples);
    madpo_series_dispose(&phase.tokens);
    madpo_series_dispose(&phase.clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_kind),
                                       cmocka_unit_test(test_spike_is_seen),
                                       cmocka_unit_test(test_clipped),
                                       cmocka_unit_test(test_diagonal),
                                       cmocka_unit_test(test_ascii_is_ascii),
                                       cmocka_unit_test(test_short_numbers),
                                       cmocka_unit_test(test_axes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
