/* Cells; see grid.h. */
#include "tui/grid.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/error.h"
#include "base/strbuf.h"

enum { REPLACEMENT = 0xfffd };

madpo_status madpo_grid_reset(madpo_grid *grid, int w, int h, madpo_glyphs glyphs, madpo_error *err)
{
    size_t n = (size_t)(w > 0 ? w : 0) * (size_t)(h > 0 ? h : 0);
    madpo_cell *cells = grid->cells;

    if (n > (size_t)grid->w * (size_t)grid->h || !cells) {
        cells = realloc(grid->cells, (n + 1) * sizeof *cells);
        if (!cells)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "a screen of %d x %d", w, h);
    }
    *grid = (madpo_grid){.w = w > 0 ? w : 0, .h = h > 0 ? h : 0, .glyphs = glyphs, .cells = cells};
    for (size_t i = 0; i < n; i++)
        cells[i] = (madpo_cell){.glyph = ' '};
    return MADPO_OK;
}

void madpo_grid_dispose(madpo_grid *grid)
{
    free(grid->cells);
    *grid = (madpo_grid){0};
}

/* ---- text ---- */

static int glyph_width(uint32_t glyph)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)glyph);

    if (category == UTF8PROC_CATEGORY_CF) /* joiners, direction marks: nothing to see */
        return 0;
    return utf8proc_charwidth((utf8proc_int32_t)glyph);
}

size_t madpo_text_next(const char *text, uint32_t *glyph, int *width)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n;
    unsigned char first = (unsigned char)*text;

    *width = 1;
    if (first == '\0')
        return 0;
    if (first < 0x80) {
        *glyph = first == '\n' || first == '\t' || first == '\r' ? ' ' : first;
        if (*glyph < ' ' || first == 0x7f)
            *glyph = REPLACEMENT;
        return 1;
    }
    n = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)strnlen(text, 4), &c);
    if (n <= 0) {
        *glyph = REPLACEMENT;
        return 1;
    }
    *glyph = c < 0xa0 ? REPLACEMENT : (uint32_t)c; /* the second set of controls */
    *width = glyph_width(*glyph);
    return (size_t)n;
}

int madpo_text_width(const char *text)
{
    int columns = 0, width;
    uint32_t glyph;
    size_t n;

    while ((n = madpo_text_next(text, &glyph, &width)) > 0) {
        columns += width;
        text += n;
    }
    return columns;
}

size_t madpo_text_break(const char *text, int width, size_t *skip)
{
    size_t at = 0, blank = 0, n;
    int columns = 0, glyph_columns;
    uint32_t glyph;
    bool has_blank = false;

    *skip = 0;
    while ((n = madpo_text_next(text + at, &glyph, &glyph_columns)) > 0) {
        if (text[at] == '\n') {
            *skip = 1;
            return at;
        }
        if (columns + glyph_columns > width && at > 0)
            break;
        if (glyph == ' ') {
            blank = at;
            has_blank = true;
        }
        columns += glyph_columns;
        at += n;
    }
    if (n == 0)
        return at;
    if (text[at] == ' ') { /* the word ends exactly at the edge */
        *skip = 1;
        return at;
    }
    if (has_blank && blank > 0) {
        *skip = 1;
        return blank;
    }
    return at;
}

/* ---- drawing ---- */

void madpo_grid_put(madpo_grid *grid, int x, int y, uint32_t glyph, madpo_pen pen)
{
    if (x < 0 || y < 0 || x >= grid->w || y >= grid->h)
        return;
    if (grid->glyphs == MADPO_GLYPHS_ASCII && glyph >= 0x7f)
        glyph = '?';
    grid->cells[(size_t)y * (size_t)grid->w + (size_t)x] =
        (madpo_cell){.glyph = glyph, .tone = (uint8_t)pen.tone, .flags = (uint8_t)pen.flags};
}

int madpo_grid_text(madpo_grid *grid, int x, int y, int room, madpo_pen pen, const char *text)
{
    int used = 0, width;
    uint32_t glyph;
    size_t n;

    if (room > grid->w - x)
        room = grid->w - x;
    while ((n = madpo_text_next(text, &glyph, &width)) > 0) {
        text += n;
        if (width == 0)
            continue;
        if (grid->glyphs == MADPO_GLYPHS_ASCII)
            width = 1;
        if (used + width > room)
            break;
        madpo_grid_put(grid, x + used, y, glyph, pen);
        if (width == 2) {
            madpo_pen tail = {pen.tone, pen.flags | MADPO_WIDE_TAIL};

            madpo_grid_put(grid, x + used + 1, y, ' ', tail);
        }
        used += width;
    }
    return used;
}

int madpo_grid_print(madpo_grid *grid, int x, int y, int room, madpo_pen pen, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return madpo_grid_text(grid, x, y, room, pen, text);
}

void madpo_grid_fill(madpo_grid *grid, madpo_rect rect, uint32_t glyph, madpo_pen pen)
{
    for (int y = rect.y; y < rect.y + rect.h; y++)
        for (int x = rect.x; x < rect.x + rect.w; x++)
            madpo_grid_put(grid, x, y, glyph, pen);
}

void madpo_grid_mark(madpo_grid *grid, madpo_rect rect, int flags)
{
    for (int y = rect.y; y < rect.y + rect.h; y++)
        for (int x = rect.x; x < rect.x + rect.w; x++)
            if (x >= 0 && y >= 0 && x < grid->w && y < grid->h)
                grid->cells[(size_t)y * (size_t)grid->w + (size_t)x].flags |= (uint8_t)flags;
}

void madpo_grid_frame(madpo_grid *grid, madpo_rect rect, const char *title, bool focused)
{
    bool ascii = grid->glyphs == MADPO_GLYPHS_ASCII;
    uint32_t across = ascii ? '-' : 0x2500, down = ascii ? '|' : 0x2502;
    madpo_pen pen = {focused ? MADPO_TONE_TITLE : MADPO_TONE_FRAME, focused ? MADPO_BOLD : 0};
    int right = rect.x + rect.w - 1, bottom = rect.y + rect.h - 1;

    if (rect.w < 2 || rect.h < 2)
        return;
    for (int x = rect.x + 1; x < right; x++) {
        madpo_grid_put(grid, x, rect.y, across, pen);
        madpo_grid_put(grid, x, bottom, across, pen);
    }
    for (int y = rect.y + 1; y < bottom; y++) {
        madpo_grid_put(grid, rect.x, y, down, pen);
        madpo_grid_put(grid, right, y, down, pen);
    }
    madpo_grid_put(grid, rect.x, rect.y, ascii ? '+' : 0x250c, pen);
    madpo_grid_put(grid, right, rect.y, ascii ? '+' : 0x2510, pen);
    madpo_grid_put(grid, rect.x, bottom, ascii ? '+' : 0x2514, pen);
    madpo_grid_put(grid, right, bottom, ascii ? '+' : 0x2518, pen);
    pen.tone = MADPO_TONE_TITLE;
    madpo_grid_text(grid, rect.x + 1, rect.y, rect.w - 2, pen, title);
}

madpo_rect madpo_rect_inside(madpo_rect rect)
{
    return (madpo_rect){rect.x + 1, rect.y + 1, rect.w > 2 ? rect.w - 2 : 0,
                        rect.h > 2 ? rect.h - 2 : 0};
}

madpo_status madpo_grid_dump(char **out, const madpo_grid *grid, madpo_error *err)
{
    madpo_strbuf text = {0};

    for (int y = 0; y < grid->h; y++) {
        const madpo_cell *row = grid->cells + (size_t)y * (size_t)grid->w;
        int last = grid->w;

        while (last > 0 && row[last - 1].glyph == ' ' && !(row[last - 1].flags & MADPO_WIDE_TAIL))
            last--;
        for (int x = 0; x < last; x++) {
            utf8proc_uint8_t bytes[4];
            utf8proc_ssize_t n;

            if (row[x].flags & MADPO_WIDE_TAIL)
                continue;
            n = utf8proc_encode_char((utf8proc_int32_t)row[x].glyph, bytes);
            madpo_strbuf_append_n(&text, (const char *)bytes, (size_t)n);
        }
        madpo_strbuf_append_char(&text, '\n');
    }
    return madpo_strbuf_steal(&text, out, NULL, err);
}
