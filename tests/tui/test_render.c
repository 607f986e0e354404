/* Plots of every kind of data with every kind of characters, against the pictures kept in
 * tests/tui/plots; UPDATE=1 in the environment writes them anew. And what any picture must keep:
 * a bar for every pair, the weight where the objective has it. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "tests/fuzz/printable.h"
#include "tests/support/tmp.h"
#include "tests/unit/expect.h"
#include "tui/view.h"

enum { W = 46, H = 10 };

static const char *const kinds[] = {"empty",
                                    "1 point",
                                    "constant",
                                    "NaN and infinite among numbers",
                                    "10 million points, one spike",
                                    "negative",
                                    "huge",
                                    "beyond what is drawn"};
enum { KINDS = sizeof kinds / sizeof *kinds, SPIKE = 4 };

static double value(int kind, int i)
{
    switch (kind) {
    case 1:
        return 0.25;
    case 2:
        return 3;
    case 3:
        return i % 7 == 3 ? (double)NAN : i % 31 == 5 ? INFINITY : i / 100.0;
    case SPIKE:
        return i == 7654321 ? 40 : 1;
    case 5:
        return -2 - sin(i / 30.0);
    case 6:
        return 1e38 * (1 + i / 300.0);
    default:
        return i < 100 ? 5 + i / 100.0 : 1e300;
    }
}

static void fill(madpo_series *series, int kind)
{
    static const int n[KINDS] = {0, 1, 200, 200, 10000000, 300, 300, 200};
    madpo_error err = MADPO_ERROR_INIT;

    for (int i = 0; i < n[kind]; i++)
        EXPECT_OK(madpo_series_add(series, i + 1, value(kind, i), &err));
}

static char *draw(const madpo_series *series, const char *title, madpo_glyphs glyphs)
{
    static const madpo_phase phase = {.begun = 0};
    madpo_plot plot = {.smoothing = 0.9, .x_low = NAN, .x_high = NAN, .cross = NAN, .phase = -1};
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
    EXPECT_OK(madpo_grid_reset(&grid, W, H, glyphs, &err));
    madpo_grid_frame(&grid, rect, title, false);
    madpo_plot_draw(&grid, rect, &plot);
    EXPECT_OK(madpo_grid_dump(&text, &grid, &err));
    madpo_grid_dispose(&grid);
    return text;
}

static void compare(const char *name, const char *got)
{
    const char *root = getenv("MADPO_TEST_SOURCE_DIR"), *update = getenv("UPDATE");
    madpo_error err = MADPO_ERROR_INIT;
    char path[4096], *want;
    size_t n;

    assert_non_null(root);
    snprintf(path, sizeof path, "%s/tests/tui/plots/%s.txt", root, name);
    if (update && *update)
        EXPECT_OK(madpo_file_write(path, got, strlen(got), &err));
    EXPECT_OK(madpo_file_read(&want, &n, path, &err));
    if (n != strlen(got) || memcmp(want, got, n) != 0)
        fail_msg("not the picture of %s, but\n%s", path, got);
    free(want);
}

static void test_pictures(void **state)
{
    static const char *const names[MADPO_GLYPHS_KINDS] = {[MADPO_GLYPHS_BRAILLE] = "braille",
                                                          [MADPO_GLYPHS_BLOCK] = "block",
                                                          [MADPO_GLYPHS_ASCII] = "ascii"};
    static char all[MADPO_GLYPHS_KINDS][KINDS * W * H * 4];

    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        madpo_series series = {0};

        fill(&series, kind);
        for (int glyphs = 0; glyphs < MADPO_GLYPHS_KINDS; glyphs++) {
            char *text = draw(&series, kinds[kind], (madpo_glyphs)glyphs);
            size_t n = strlen(all[glyphs]);

            assert_true(n + strlen(text) < sizeof all[glyphs]);
            memcpy(all[glyphs] + n, text, strlen(text) + 1);
            free(text);
        }
        madpo_series_dispose(&series);
    }
    for (int glyphs = 0; glyphs < MADPO_GLYPHS_KINDS; glyphs++)
        compare(names[glyphs], all[glyphs]);
}

/* Wherever one high value stands, a column reaches the top row, with any characters. */
static void test_spike_anywhere(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    for (int at = 0; at < 20000; at += 1999)
        for (int glyphs = 0; glyphs < MADPO_GLYPHS_KINDS; glyphs++) {
            madpo_series series = {0};
            char *text, *row;
            bool ink = false;

            for (int i = 0; i < 20000; i++)
                EXPECT_OK(madpo_series_add(&series, i, i == at ? 100 : 1, &err));
            text = draw(&series, "", (madpo_glyphs)glyphs);
            row = strchr(text, '\n') + 1;
            row += 7 + (glyphs == MADPO_GLYPHS_ASCII ? 1 : 3); /* the frame and a label */
            for (; *row && *row != '\n'; row++)
                if (glyphs == MADPO_GLYPHS_ASCII)
                    ink = ink || *row == '.' || *row == '*';
                else if ((unsigned char)row[0] == 0xe2 && (unsigned char)row[1] != 0x94)
                    ink = true; /* a dot pattern or a block, not the frame */
            if (!ink)
                fail_msg("a spike at %d is not to be seen:\n%s", at, text);
            free(text);
            madpo_series_dispose(&series);
        }
}

/* ---- distributions ---- */

typedef struct screen {
    char *dir;
    madpo_feed *feed;
    madpo_view view;
    madpo_grid grid;
} screen;

/* A run of n pairs whose margins are spread over some units around `middle`. */
static void screen_open(screen *s, int n, double middle, double width)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_rng rng;
    char *path;
    FILE *file;

    memset(s, 0, sizeof *s);
    s->dir = tmp_new();
    free(tmp_file(s->dir, "run.json",
                  "{\"v\":1,\"objective\":\"madpo beta 0.1 c_max 2 c_min 0.5 lambda 1 tau 4\"}"));
    path = tmp_file(s->dir, "margins.jsonl", "");
    file = fopen(path, "wb");
    assert_non_null(file);
    madpo_rng_init(&rng, 3, 0);
    for (int i = 0; i < n; i++) {
        double h = middle + width * ((double)madpo_rng_below(&rng, 1000000) / 1e6 - 0.5);

        fprintf(file, "{\"id\":%d,\"h\":%.17g,\"c\":1,\"w\":1}\n", i, h);
    }
    assert_int_equal(fclose(file), 0);
    free(path);
    EXPECT_OK(madpo_feed_open(&s->feed, s->dir, 10.0, &err));
    madpo_view_init(&s->view, s->feed);
    s->view.wish.focus = MADPO_PANEL_MARGINS;
    s->view.wish.zoomed = true;
}

static void screen_close(screen *s)
{
    madpo_view_dispose(&s->view);
    madpo_feed_close(s->feed);
    madpo_grid_dispose(&s->grid);
    tmp_free(s->dir);
}

/* All pairs are in the bars, at any width, and the tallest bar fills the height. */
static void test_bars_are_the_pairs(void **state)
{
    static const int sizes[] = {1, 2, 60, 5000};
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        screen s;

        screen_open(&s, sizes[k], 0.3, 5);
        s.view.glyphs = MADPO_GLYPHS_BLOCK;
        for (int w = 40; w <= 260; w += 11) {
            uint64_t n = 0;
            const madpo_hist *hist = &s.view.stats.drawn;
            madpo_rect r;
            bool full = false;

            EXPECT_OK(madpo_view_render(&s.grid, &s.view, w, 24, &err));
            for (int i = 0; i < hist->n_bins; i++)
                n += hist->count[i];
            assert_true(n == (uint64_t)sizes[k] && hist->n == n);
            r = madpo_rect_inside(s.view.layout.panel[MADPO_PANEL_MARGINS]);
            for (int x = r.x; x < r.x + r.w; x++)
                full = full || s.grid.cells[(r.y + 3) * w + x].glyph == 0x2588;
            assert_true(full);
        }
        screen_close(&s);
    }
}

/* The curve over the bars, read off the picture, is the objective's weight to within a row. */
static void test_curve_is_the_weight(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    screen s;

    (void)state;
    screen_open(&s, 400, 0.3, 6);
    s.view.glyphs = MADPO_GLYPHS_ASCII;
    for (int w = 60; w <= 200; w += 35) {
        enum { TALL = 60 };
        madpo_rect r;
        double high = 0;
        int n = 0;

        EXPECT_OK(madpo_view_render(&s.grid, &s.view, w, TALL, &err));
        r = madpo_rect_inside(s.view.layout.panel[MADPO_PANEL_MARGINS]);
        r.y++; /* a line of numbers above, one below */
        r.h -= 2;
        for (int i = 0; i < 64; i++)
            high = fmax(high, madpo_weight_w(&s.feed->weight,
                                             s.view.stats.low +
                                                 (s.view.stats.high - s.view.stats.low) * i / 63));
        high = fmax(high, 1) * 1.05;
        for (int x = 0; x < r.w; x++) {
            double h = s.view.stats.low + (s.view.stats.high - s.view.stats.low) * (x + 0.5) / r.w;
            double want = madpo_weight_w(&s.feed->weight, h), nearest = INFINITY;

            for (int y = 0; y < r.h; y++)
                if (s.grid.cells[(r.y + y) * w + r.x + x].glyph == '*')
                    nearest =
                        fmin(nearest, fabs(high * (1 - (double)y / (r.h - 1)) - want) * r.h / high);
            n += nearest <= 1;
            if (nearest > 1 && x > 8) /* the first columns hold the label of the axis */
                fail_msg("column %d of %d: the curve is %.1f rows off", x, r.w, nearest);
        }
        assert_true(n > r.w - 9);
    }
    screen_close(&s);
}

/* A prompt of a megabyte, with what must not reach a terminal all over it, is a text as any other.
 */
static void test_long_prompt(void **state)
{
    static const char piece[] = "tides \\u001b[31m \\ud83c\\udf0a\\n\xff\xc2\x9b ";
    static const int sizes[][2] = {{1, 1}, {40, 10}, {80, 24}, {200, 60}};
    enum { PIECES = (1 << 20) / sizeof piece };
    char *dir = tmp_new(), *path = tmp_file(dir, "run.json", "{\"v\":1}");
    char *pairs = tmp_path(dir, "pairs.jsonl");
    FILE *file = fopen(pairs, "wb");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_grid grid = {0};
    madpo_feed *feed;
    madpo_view view;

    (void)state;
    assert_non_null(file);
    fputs("{\"id\":1,\"prompt\":\"", file);
    for (int i = 0; i < PIECES; i++)
        fputs(piece, file);
    fputs("\",\"chosen\":\"a\",\"rejected\":\"b\"}\n", file);
    assert_int_equal(fclose(file), 0);
    EXPECT_OK(madpo_feed_open(&feed, dir, 10.0, &err));
    madpo_view_init(&view, feed);
    madpo_view_key(&view, '3');
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        static const int keys[] = {MADPO_KEY_ENTER, MADPO_KEY_PAGE_DOWN, MADPO_KEY_END, '/', 't',
                                   MADPO_KEY_ENTER};

        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            EXPECT_OK(madpo_view_render(&grid, &view, sizes[i][0], sizes[i][1], &err));
            for (int c = 0; c < grid.w * grid.h; c++)
                assert_true(fuzz_is_printable(grid.cells[c].glyph, grid.glyphs));
            madpo_view_key(&view, keys[k]);
        }
    }
    assert_int_equal(madpo_feed_story(feed)->samples.n, 1);
    madpo_grid_dispose(&grid);
    madpo_view_dispose(&view);
    madpo_feed_close(feed);
    free(pairs);
    free(path);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures), cmocka_unit_test(test_spike_anywhere),
        cmocka_unit_test(test_bars_are_the_pairs), cmocka_unit_test(test_curve_is_the_weight),
        cmocka_unit_test(test_long_prompt)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
