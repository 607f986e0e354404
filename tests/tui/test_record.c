/* What an SVG recording shows at each of its times is what was drawn then. The file is read as a
 * viewer reads it: which classes are visible when, and where their texts stand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "tui/record.h"

enum { W = 24, H = 5, CELL_W = 8, CELL_H = 15 };

/* Pictures with all that a run of text may meet: attributes, wide and special characters, blanks,
 * texts that come back, and one row that never changes. */
static void draw(madpo_grid *grid, int i)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_pen dim = {MADPO_TONE_DIM, 0}, bold = {MADPO_TONE_SERIES + 1, MADPO_BOLD};
    madpo_pen reverse = {MADPO_TONE_ALERT, MADPO_REVERSE}, plain = {0};

    assert_int_equal(madpo_grid_reset(grid, W, H, MADPO_GLYPHS_BRAILLE, &err), MADPO_OK);
    madpo_grid_text(grid, 0, 0, W, dim, "a < b  && c > \"d\"");
    madpo_grid_print(grid, 2, 1, W, plain, "step %d", i);
    madpo_grid_print(grid, 11, 1, W, bold, "of 7 \xe6\xb5\xb7 x\xe2\xa3\x80\xe2\xa3\xa4");
    if (i % 3 == 1)
        madpo_grid_text(grid, 0, 2, W, reverse, " picked   here  too ");
    for (int x = 0; x <= i; x++)
        madpo_grid_put(grid, x, 3, 0x2801u + (uint32_t)x, bold);
    madpo_grid_text(grid, 0, 4, W, (madpo_pen){MADPO_TONE_UP + 1, 0}, " up  and ");
    if (i != 2)
        madpo_grid_text(grid, W - 3, 4, 3, plain, "e d");
}

static madpo_frames draw_all(int n)
{
    madpo_frames frames = {.w = W, .h = H, .n = n, .fps = 4};
    madpo_grid grid = {0};

    frames.cells = calloc((size_t)(n * W * H), sizeof *frames.cells);
    assert_non_null(frames.cells);
    for (int i = 0; i < n; i++) {
        draw(&grid, i);
        memcpy(frames.cells + i * W * H, grid.cells, W * H * sizeof *grid.cells);
    }
    madpo_grid_dispose(&grid);
    return frames;
}

/* ---- a viewer ---- */

/* Is class number `class` visible at `percent`? Below 0: without animation. */
static bool is_visible(const char *svg, int class, double percent)
{
    char name[40];
    const char *at, *end;
    bool visible;
    double from;
    char word[16];
    int n;

    snprintf(name, sizeof name, "}.k%d{animation-name:k%d", class, class);
    end = strstr(svg, name);
    assert_non_null(end);
    visible = strncmp(end + strlen(name), ";visibility:hidden}", 19) != 0;
    assert_true(visible ? end[strlen(name)] == '}' : true);
    snprintf(name, sizeof name, "@keyframes k%d{", class);
    at = strstr(svg, name);
    assert_non_null(at);
    for (at += strlen(name); at < end; at += n) {
        assert_int_equal(sscanf(at, "%lf%%{visibility:%15[a-z]}%n", &from, word, &n), 2);
        if (percent >= from)
            visible = strcmp(word, "visible") == 0;
    }
    return visible;
}

static const char *entity(const char *at, uint32_t *glyph, int *width)
{
    static const char *const names[] = {"&amp;", "&lt;", "&gt;"};

    for (int i = 0; i < 3; i++)
        if (strncmp(at, names[i], strlen(names[i])) == 0) {
            *glyph = (uint32_t) "&<>"[i];
            *width = 1;
            return at + strlen(names[i]);
        }
    assert_true(*at != '&' && *at != '>');
    return at + madpo_text_next(at, glyph, width);
}

static const char *show_text(madpo_grid *grid, const char *at, bool visible)
{
    int x, y, length, n = 0, used = 0, width;
    uint32_t glyph;

    assert_int_equal(sscanf(at, "<text x=\"%d\" y=\"%d\" textLength=\"%d\"%n", &x, &y, &length, &n),
                     3);
    assert_int_equal(x % CELL_W, 0);
    at = strchr(at + n, '>') + 1;
    assert_true(*at != ' ');
    while (*at != '<') {
        at = entity(at, &glyph, &width);
        if (visible) { /* nothing lies over anything else */
            assert_int_equal(grid->cells[y / CELL_H * W + x / CELL_W + used].glyph, ' ');
            madpo_grid_put(grid, x / CELL_W + used, y / CELL_H, glyph, (madpo_pen){0});
            if (width == 2)
                madpo_grid_put(grid, x / CELL_W + used + 1, y / CELL_H, ' ',
                               (madpo_pen){.flags = MADPO_WIDE_TAIL});
        }
        used += width;
    }
    assert_int_equal(length, used * CELL_W);
    return at;
}

static char *view(const char *svg, double percent)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_grid grid = {0};
    const char *at = strstr(svg, "</style>");
    char *text;
    bool visible = false;
    int class;

    assert_int_equal(madpo_grid_reset(&grid, W, H, MADPO_GLYPHS_BRAILLE, &err), MADPO_OK);
    while ((at = strchr(at + 1, '<')) != NULL) {
        if (sscanf(at, "<g class=\"k%d\">", &class) == 1)
            visible = is_visible(svg, class, percent);
        else if (strncmp(at, "<text", 5) == 0)
            at = show_text(&grid, at, visible);
    }
    assert_int_equal(madpo_grid_dump(&text, &grid, &err), MADPO_OK);
    madpo_grid_dispose(&grid);
    return text;
}

static void assert_shows(const char *svg, double percent, int i)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_grid grid = {0};
    char *shown = view(svg, percent), *drawn;

    draw(&grid, i);
    assert_int_equal(madpo_grid_dump(&drawn, &grid, &err), MADPO_OK);
    assert_string_equal(shown, drawn);
    madpo_grid_dispose(&grid);
    free(shown);
    free(drawn);
}

static char *record(const madpo_frames *frames, const char *color, const char *background)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_strbuf out = {0};
    char *svg;

    assert_int_equal(madpo_record_svg(&out, frames, "a < b", color, background, &err), MADPO_OK);
    assert_int_equal(madpo_strbuf_steal(&out, &svg, NULL, &err), MADPO_OK);
    return svg;
}

static int count(const char *text, const char *what)
{
    int n = 0;

    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void test_pictures(void **state)
{
    madpo_frames frames = draw_all(7);
    char *svg = record(&frames, "auto", "auto");
    double seconds;

    (void)state;
    assert_int_equal(sscanf(strstr(svg, "g{animation:"), "g{animation:%lfs", &seconds), 1);
    for (int i = 0; i < frames.n; i++)
        assert_shows(svg, 100 * (i + 0.5) / frames.fps / seconds, i);
    assert_shows(svg, 99.9, frames.n - 1);                /* stays */
    assert_shows(svg, -1, 0);                             /* without animation */
    assert_int_equal(count(svg, "&amp;&amp; c &gt;"), 1); /* what stays is there once */
    assert_int_equal(count(svg, ">step<") + count(svg, ">step 0<"), 1);
    free(svg);
    madpo_frames_dispose(&frames);
}

static void test_one(void **state)
{
    madpo_frames frames = draw_all(1);
    char *svg = record(&frames, NULL, NULL);

    (void)state;
    assert_shows(svg, 50, 0);
    assert_shows(svg, -1, 0);
    free(svg);
    madpo_frames_dispose(&frames);
}

/* The colours asked for, and no others. */
static void test_colors(void **state)
{
    madpo_frames frames = draw_all(2);
    char *both = record(&frames, NULL, "auto"), *dark = record(&frames, NULL, "dark");
    char *light = record(&frames, NULL, "light"), *none = record(&frames, "never", NULL);

    (void)state;
    assert_int_equal(count(both, "prefers-color-scheme:dark"), 1);
    assert_int_equal(count(dark, "prefers-color-scheme") + count(light, "prefers-color-scheme"), 0);
    assert_int_equal(count(dark, "fill:#ffffff"), 0);
    assert_int_equal(count(light, "fill:#0d1117"), 0);
    assert_int_equal(count(none, ".t1{fill"), 0);
    /* what is shaded has a bar behind it, blanks and all, but not without colours */
    assert_int_equal(count(dark, "y=\"60\" width=\"72\""), 1);
    assert_int_equal(count(none, "y=\"60\" width=\"72\""), 0);
    assert_true(count(both, ".t1{fill") == 2 && count(dark, ".t1{fill") == 1);
    free(both);
    free(dark);
    free(light);
    free(none);
    madpo_frames_dispose(&frames);
}

/* Every stage gets its share, the ends are what was asked for, and time never goes back. */
static void test_timeline(void **state)
{
    madpo_timeline t = {.n = 3, .parts = {{0, 1, 100, 1.0}, {2, 5, 5, 0.5}, {3, 1, 50, 0.5}}};
    int phase, before = 0, seen[4] = {0};
    double step, last = 0;

    (void)state;
    for (int i = 0; i <= 1000; i++) {
        madpo_timeline_at(&t, i / 1000.0, &phase, &step);
        assert_true(phase > before || (phase == before && step >= last));
        assert_true(step >= 1 && step <= 100 && fabs(step - round(step)) < 1e-12);
        seen[phase]++;
        before = phase;
        last = step;
    }
    assert_true(phase == 3 && fabs(step - 50) < 1e-12);
    assert_true(abs(seen[0] - 500) <= 1 && abs(seen[2] - 250) <= 1 && abs(seen[3] - 250) <= 1);
    madpo_timeline_at(&t, 0, &phase, &step);
    assert_true(phase == 0 && fabs(step - 1) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_colors),
        cmocka_unit_test(test_timeline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
