/* Braille, quadrants, characters; see canvas.h. */
#include "tui/canvas.h"

#include <stdlib.h>

void madpo_canvas_begin(madpo_canvas *canvas, madpo_grid *grid, madpo_rect rect)
{
    static const int across[] = {2, 2, 1}, down[] = {4, 2, 1};
    size_t n;

    rect.w = rect.w > 0 ? rect.w : 0;
    rect.h = rect.h > 0 ? rect.h : 0;
    n = (size_t)rect.w * (size_t)rect.h;
    *canvas = (madpo_canvas){.grid = grid,
                             .rect = rect,
                             .sx = across[grid->glyphs],
                             .sy = down[grid->glyphs],
                             .w = rect.w * across[grid->glyphs],
                             .h = rect.h * down[grid->glyphs]};
    canvas->mask = calloc(2 * n + 1, 1);
    canvas->owner = canvas->mask ? canvas->mask + n : NULL;
}

void madpo_canvas_pen(madpo_canvas *canvas, madpo_dot_pen pen)
{
    if (canvas->n_pens < (int)(sizeof canvas->pens / sizeof *canvas->pens))
        canvas->pens[canvas->n_pens++] = pen;
}

void madpo_canvas_dot(madpo_canvas *canvas, int x, int y)
{
    /* braille dots are numbered down the left column, then the right one; 7 and 8 came later */
    static const uint8_t braille[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    size_t cell;
    int row, column;

    if (!canvas->mask || x < 0 || y < 0 || x >= canvas->w || y >= canvas->h || canvas->n_pens == 0)
        return;
    cell = (size_t)(y / canvas->sy) * (size_t)canvas->rect.w + (size_t)(x / canvas->sx);
    row = y % canvas->sy;
    column = x % canvas->sx;
    if (canvas->owner[cell] != canvas->n_pens - 1) {
        canvas->owner[cell] = (uint8_t)(canvas->n_pens - 1);
        canvas->mask[cell] = 0;
    }
    canvas->mask[cell] |=
        canvas->sy == 4 ? braille[row][column] : (uint8_t)(1 << (row * 2 + column));
}

void madpo_canvas_line(madpo_canvas *canvas, int x0, int y0, int x1, int y1)
{
    int dx = abs(x1 - x0), dy = abs(y1 - y0);
    int n = dx > dy ? dx : dy;

    if (n > 1 << 16) /* far outside: not worth the walk */
        return;
    for (int i = 0; i <= n; i++)
        madpo_canvas_dot(canvas, n ? x0 + (x1 - x0) * i / n : x0, n ? y0 + (y1 - y0) * i / n : y0);
}

void madpo_canvas_end(madpo_canvas *canvas)
{
    static const uint16_t quadrants[16] = {' ',    0x2598, 0x259d, 0x2580, 0x2596, 0x258c,
                                           0x259e, 0x259b, 0x2597, 0x259a, 0x2590, 0x259c,
                                           0x2584, 0x2599, 0x259f, 0x2588};

    for (int y = 0; canvas->mask && y < canvas->rect.h; y++)
        for (int x = 0; x < canvas->rect.w; x++) {
            size_t cell = (size_t)y * (size_t)canvas->rect.w + (size_t)x;
            const madpo_dot_pen *pen = &canvas->pens[canvas->owner[cell]];
            uint8_t mask = canvas->mask[cell];
            uint32_t glyph = canvas->sy == 4   ? 0x2800u + mask
                             : canvas->sy == 2 ? quadrants[mask & 15]
                                               : (uint32_t)pen->ascii;

            if (mask)
                madpo_grid_put(canvas->grid, canvas->rect.x + x, canvas->rect.y + y, glyph,
                               pen->pen);
        }
    free(canvas->mask);
    canvas->mask = NULL;
}
