/* Any bytes as a text of a run: what reaches the screen is printable, in its place and no wider
 * than it may be; broken into lines, nothing is lost and every line fits. */
#include <string.h>

#include "base/error.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/printable.h"
#include "tui/scan.h"

static void draw(const char *text, madpo_glyphs glyphs, int w)
{
    static const madpo_pen pen = {MADPO_TONE_PLAIN, 0};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_grid grid = {0};
    char *dump;

    FUZZ_CHECK(madpo_grid_reset(&grid, w + 2, 1, glyphs, &err) == MADPO_OK);
    FUZZ_CHECK(madpo_grid_text(&grid, 1, 0, w, pen, text) <= w);
    FUZZ_CHECK(grid.cells[0].glyph == ' ' && grid.cells[w + 1].glyph == ' ');
    for (int x = 0; x < w + 2; x++) {
        FUZZ_CHECK(fuzz_is_printable(grid.cells[x].glyph, glyphs));
        FUZZ_CHECK(!(grid.cells[x].flags & MADPO_WIDE_TAIL) || x > 1);
    }
    FUZZ_CHECK(madpo_grid_dump(&dump, &grid, &err) == MADPO_OK);
    for (const char *at = dump; *at; at++)
        FUZZ_CHECK((unsigned char)*at >= ' ' || (*at == '\n' && !at[1]));
    free(dump);
    madpo_grid_dispose(&grid);
}

static void break_lines(const char *text, int width)
{
    const char *end = text + strlen(text);

    while (*text) {
        size_t skip, n = madpo_text_break(text, width, &skip);
        char *line;

        FUZZ_CHECK(n + skip > 0 && n + skip <= (size_t)(end - text));
        line = malloc(n + 1);
        FUZZ_CHECK(line != NULL);
        memcpy(line, text, n);
        line[n] = '\0';
        FUZZ_CHECK(madpo_text_width(line) <= (width < 2 ? 2 : width));
        free(line);
        text += n + skip;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *plain = malloc(size + 1);

    FUZZ_CHECK(text != NULL && plain != NULL);
    for (size_t i = 0; i < size; i++) /* a string ends at the first NUL, as its memory does here */
        text[i] = data[i] ? (char)data[i] : ' ';
    text[size] = '\0';
    FUZZ_CHECK(madpo_scan_unescape(plain, size + 1, text, size) <= size);
    for (int glyphs = 0; glyphs < MADPO_GLYPHS_KINDS; glyphs++)
        for (int w = 1; w < 90; w += 11) {
            draw(text, (madpo_glyphs)glyphs, w);
            draw(plain, (madpo_glyphs)glyphs, w);
        }
    for (int w = 1; w < 60; w += 7) {
        break_lines(text, w);
        break_lines(plain, w);
    }
    free(text);
    free(plain);
    return 0;
}
