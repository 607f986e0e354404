#ifndef MADPO_TUI_CANVAS_H
#define MADPO_TUI_CANVAS_H
/* Dots finer than cells, for curves. A cell has one colour: what is drawn later with another pen
 * takes the whole cell over, so draw faint things first.
 */
#include "tui/grid.h"

typedef struct madpo_dot_pen {
    madpo_pen pen;
    char ascii; /* what stands for it when there are no dots */
} madpo_dot_pen;

typedef struct madpo_canvas {
    madpo_grid *grid;
    madpo_rect rect;
    int sx, sy;    /* dots in a cell */
    int w, h;      /* dots */
    uint8_t *mask; /* [rect.h,rect.w] owned, NULL if there was no memory: then nothing is drawn */
    uint8_t *owner;
    madpo_dot_pen pens[16];
    int n_pens;
} madpo_canvas;

void madpo_canvas_begin(madpo_canvas *canvas, madpo_grid *grid, madpo_rect rect);
/* Choose a pen for what follows. */
void madpo_canvas_pen(madpo_canvas *canvas, madpo_dot_pen pen);
/* x from the left, y from the top, in dots; outside nothing happens. */
void madpo_canvas_dot(madpo_canvas *canvas, int x, int y);
void madpo_canvas_line(madpo_canvas *canvas, int x0, int y0, int x1, int y1);
/* Put the dots onto the grid and free the canvas. */
void madpo_canvas_end(madpo_canvas *canvas);
#endif
