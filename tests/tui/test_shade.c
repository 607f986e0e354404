/* Token values of pairs: which line of tokens.jsonl counts at which step, what is no line, and
 * which cells of the pair's text they shade. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/tmp.h"
#include "tui/view.h"

/* The chosen answer of pair 3: a tab, an escape character, an emoji (bytes 6 to 9) that lies in two
 * tokens, a wide character (10 to 12), three plain letters. */
static const char pairs[] = "{\"id\":3,\"prompt\":\"p\",\"chosen\":\"ab\\tc\\u001bd\\ud83c\\udf0a"
                            "\\u6d77xyz\",\"rejected\":\"no\"}\n"
                            "{\"id\":4,\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}\n";
static const char events[] =
    "{\"v\":1,\"t\":1,\"ev\":\"step\",\"stage\":\"policy\",\"step\":30,\"total_steps\":99,\"loss\":"
    "0.7}\n";

/* A line of pair `id` at `step` whose first token has this ratio. */
static void append_line(const char *dir, int id, int step, double ratio)
{
    char line[512];

    snprintf(
        line, sizeof line,
        "{\"id\":%d,\"step\":%d,\"split\":\"eval\",\"chosen\":{\"at\":[0,2,7,10,13],\"n\":[2,5,"
        "3,3,3],\"logp\":[-1,-2,-3,-4,-5],\"ratio\":[%g,-1,2,-4,0.5]},\"rejected\":{\"at\":["
        "0],\"n\":[2],\"logp\":[-1],\"ratio\":[0]}}\n",
        id, step, ratio);
    tmp_append(dir, "tokens.jsonl", line);
}

static madpo_feed *open_run(const char *dir)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_feed *feed;

    tmp_append(dir, "run.json", "{\"v\":1,\"objective\":\"dpo beta 0.1\"}");
    tmp_append(dir, "pairs.jsonl", pairs);
    tmp_append(dir, "events.jsonl", events);
    assert_int_equal(madpo_feed_open(&feed, dir, 10.0, &err), MADPO_OK);
    return feed;
}

static void load(madpo_feed *feed)
{
    madpo_error err = MADPO_ERROR_INIT;
    int64_t n;
    bool more;

    assert_int_equal(madpo_feed_load(feed, 1.0, &n, &more, &err), MADPO_OK);
}

static const madpo_sample *sample_of(const madpo_feed *feed, int64_t id)
{
    const madpo_samples *samples = &madpo_feed_story(feed)->samples;

    return &samples->v[madpo_samples_find(samples, id)];
}

/* The ratio of the first token of pair 3 at a step; NaN where there are no values. */
static double first_ratio(const madpo_feed *feed, double step)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_token_line line;
    double ratio = (double)NAN;
    bool there;

    assert_int_equal(madpo_feed_tokens(&line, &there, feed, sample_of(feed, 3), step, &err),
                     MADPO_OK);
    if (there)
        ratio = line.v[0][0].ratio;
    madpo_token_line_dispose(&line);
    return ratio;
}

static void test_which_counts(void **state)
{
    char *dir = tmp_new();
    madpo_feed *feed = open_run(dir);
    const madpo_samples *samples = &madpo_feed_story(feed)->samples;

    (void)state;
    assert_true(isnan(first_ratio(feed, INFINITY)));
    append_line(dir, 3, 10, 0.125);
    append_line(dir, 3, 20, 0.25);
    append_line(dir, 4, 20, 0.25);
    append_line(dir, 3, 25, 0.5);
    load(feed);
    assert_true(isnan(first_ratio(feed, 9)));
    assert_true(first_ratio(feed, 10) == 0.125 && first_ratio(feed, 19) == 0.125);
    assert_true(first_ratio(feed, INFINITY) == 0.5);
    assert_int_equal(madpo_samples_n_tokens(samples, sample_of(feed, 3), 24), 2);
    assert_int_equal(samples->n_with_tokens, 2);
    tmp_append(dir, "tokens.jsonl", "{\"from\":15}\n"); /* taken up again */
    load(feed);
    assert_true(first_ratio(feed, INFINITY) == 0.125);
    assert_int_equal(sample_of(feed, 3)->n_tokens, 1);
    assert_int_equal(samples->n_with_tokens, 1);
    append_line(dir, 3, 10, 0.75); /* once more: the later line counts */
    append_line(dir, 3, 20, 1.0);
    load(feed);
    assert_true(first_ratio(feed, 10) == 0.75 && first_ratio(feed, 20) == 1.0);
    assert_int_equal(sample_of(feed, 3)->n_tokens, 2);
    madpo_feed_close(feed);
    tmp_free(dir);
}

static void test_bad_lines(void **state)
{
    char *dir = tmp_new();
    madpo_feed *feed = open_run(dir);
    madpo_error err = MADPO_ERROR_INIT;
    madpo_token_line line;
    bool there;

    (void)state;
    tmp_append(
        dir, "tokens.jsonl",
        "rubbish\n[]\n{\"id\":3}\n{\"id\":3,\"step\":-1,\"rejected\":{}}\n{\"id\":\"x\",\"step\":"
        "1,\"rejected\":{}}\n{\"id\":3,\"step\":5,\"rejected\":{}}\n{\"id\":3,\"st");
    load(feed);
    assert_int_equal(madpo_feed_story(feed)->samples.n_bad_tokens, 5);
    /* a line whose answers are no answers is told of where it would be shown */
    assert_int_equal(madpo_feed_tokens(&line, &there, feed, sample_of(feed, 3), 9, &err),
                     MADPO_ERR_DATA);
    assert_false(there);
    assert_non_null(strstr(err.message, "tokens.jsonl, pair 3 at step 5"));
    tmp_append(dir, "tokens.jsonl", "ep\":6,\"rejected\":{}}\n"); /* the half line was one */
    load(feed);
    assert_int_equal(
        madpo_samples_tokens(&madpo_feed_story(feed)->samples, sample_of(feed, 3), 9)->step, 6);
    madpo_feed_close(feed);
    tmp_free(dir);
}

/* One value in twenty may be beyond the scale, and does not change it. */
static void test_scale(void **state)
{
    madpo_token tokens[40];
    madpo_token_line line = {.has_ratio = true, .v = {tokens, tokens + 20}, .n = {20, 20}};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_shade shade;

    (void)state;
    for (int i = 0; i < 40; i++)
        tokens[i] = (madpo_token){i % 20, 1, -2.0, i % 2 ? 1.0 : -1.0};
    tokens[7].ratio = 1e6;
    tokens[8].ratio = (double)NAN;
    assert_int_equal(madpo_shade_init(&shade, &line, MADPO_SHADE_RATIO, false, &err), MADPO_OK);
    assert_true(shade.scale == 1.0 && !shade.logp);
    assert_int_equal(madpo_shade_level(&shade, 0.2), 0);
    assert_int_equal(madpo_shade_level(&shade, 0.3), 1);
    assert_int_equal(madpo_shade_level(&shade, -0.6), -2);
    assert_int_equal(madpo_shade_level(&shade, -0.8), -3);
    assert_int_equal(madpo_shade_level(&shade, 1e6), 3);
    assert_int_equal(madpo_shade_level(&shade, (double)NAN), 0);
    assert_int_equal(madpo_shade_init(&shade, &line, MADPO_SHADE_LOGP, false, &err), MADPO_OK);
    assert_true(shade.scale == 2.0 && shade.logp);
    line.has_ratio = false;
    assert_int_equal(madpo_shade_init(&shade, &line, MADPO_SHADE_RATIO, false, &err), MADPO_OK);
    assert_true(shade.logp);
    line.n[0] = line.n[1] = 0;
    assert_int_equal(madpo_shade_init(&shade, &line, MADPO_SHADE_LOGP, false, &err), MADPO_OK);
    assert_int_equal(madpo_shade_level(&shade, -3.0), 0);
}

/* Tones of a row from x on as letters: . plain, a b c up, A B C down; blank for a wide tail. */
static void tones(char *out, const madpo_grid *grid, int x, int y, int n)
{
    for (int i = 0; i < n; i++) {
        const madpo_cell *cell = &grid->cells[y * grid->w + x + i];
        int tone = cell->tone;

        out[i] = cell->flags & MADPO_WIDE_TAIL ? ' '
                 : tone >= MADPO_TONE_UP       ? (char)('a' + tone - MADPO_TONE_UP)
                 : tone >= MADPO_TONE_DOWN     ? (char)('A' + tone - MADPO_TONE_DOWN)
                                               : '.';
    }
    out[n] = '\0';
}

/* Scale 3: "ab" +3 (c), "\tc\x1bd" and the emoji's first byte -1 (A), its other bytes +2 (b, which
 * is the stronger), the wide character -4 (C), "xyz" 0.5 (none). */
static void test_cells(void **state)
{
    char *dir = tmp_new(), row[32];
    madpo_feed *feed = open_run(dir);
    madpo_error err = MADPO_ERROR_INIT;
    madpo_grid grid = {0};
    madpo_view view;

    (void)state;
    append_line(dir, 3, 10, 3.0);
    load(feed);
    madpo_view_init(&view, feed);
    view.glyphs = MADPO_GLYPHS_BRAILLE;
    for (const char *key = "3"; *key; key++)
        madpo_view_key(&view, *key);
    assert_int_equal(madpo_view_render(&grid, &view, 80, 24, &err), MADPO_OK);
    madpo_view_key(&view, MADPO_KEY_ENTER);
    madpo_view_key(&view, 'z');
    assert_int_equal(madpo_view_render(&grid, &view, 80, 24, &err), MADPO_OK);
    assert_int_equal(grid.cells[6 * grid.w + 3].glyph, 'a');
    assert_int_equal(grid.cells[6 * grid.w + 5].glyph, ' '); /* the tab */
    assert_int_equal(grid.cells[6 * grid.w + 7].glyph, 0xfffd);
    assert_int_equal(grid.cells[6 * grid.w + 9].glyph, 0x1f30a);
    tones(row, &grid, 3, 6, 14);
    assert_string_equal(row, "ccAAAAb C ....");
    tones(row, &grid, 3, 7, 2); /* no marks where there are colours: the rejected answer */
    assert_int_equal(grid.cells[7 * grid.w + 3].glyph, 'n');
    assert_string_equal(row, "..");
    view.mono = true;
    assert_int_equal(madpo_view_render(&grid, &view, 80, 24, &err), MADPO_OK);
    for (int i = 0; i < 13; i++)
        assert_int_equal(grid.cells[7 * grid.w + 3 + i].glyph, "^^____++vv   "[i]);
    madpo_view_key(&view, 'T'); /* by log-prob, all down */
    view.mono = false;
    assert_int_equal(madpo_view_render(&grid, &view, 80, 24, &err), MADPO_OK);
    tones(row, &grid, 3, 6, 14);
    assert_string_equal(row, "AABBBBC C CCC.");
    madpo_view_key(&view, 'T'); /* not at all: the text is one row higher */
    assert_int_equal(madpo_view_render(&grid, &view, 80, 24, &err), MADPO_OK);
    tones(row, &grid, 3, 5, 14);
    assert_int_equal(grid.cells[5 * grid.w + 3].glyph, 'a');
    assert_string_equal(row, "....... . ....");
    madpo_grid_dispose(&grid);
    madpo_view_dispose(&view);
    madpo_feed_close(feed);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_which_counts),
                                       cmocka_unit_test(test_bad_lines),
                                       cmocka_unit_test(test_scale), cmocka_unit_test(test_cells)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
