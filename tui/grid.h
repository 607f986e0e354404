#ifndef MADPO_TUI_GRID_H
#define MADPO_TUI_GRID_H
/* The picture before it reaches a terminal: a grid of cells, each a character, what it means (its
 * tone; only the terminal knows colours) and how it stands out. Everything that draws, draws here;
 * texts are made safe on the way: no control characters, no half characters, widths respected.
 */
#include <stdint.h>

#include "madpo/error.h"

typedef enum madpo_glyphs {
    MADPO_GLYPHS_BRAILLE, /* 2 x 4 dots in a cell */
    MADPO_GLYPHS_BLOCK,   /* 2 x 2 quadrants */
    MADPO_GLYPHS_ASCII,   /* one character; nothing else anywhere on the screen */
    MADPO_GLYPHS_KINDS
} madpo_glyphs;

typedef enum madpo_tone {
    MADPO_TONE_PLAIN,
    MADPO_TONE_DIM,
    MADPO_TONE_FRAME,
    MADPO_TONE_TITLE,
    MADPO_TONE_ALERT,
    MADPO_TONE_KEY,
    MADPO_TONE_SERIES, /* 8 colours that stay apart for colour-blind eyes (Okabe and Ito) */
    MADPO_TONE_HEAT = MADPO_TONE_SERIES + 8, /* 6 steps from few to many */
    MADPO_TONE_DOWN = MADPO_TONE_HEAT + 6,   /* 3 steps away from a middle, … */
    MADPO_TONE_UP = MADPO_TONE_DOWN + 3,     /* … and 3 to the other side, each stronger */
    MADPO_TONES = MADPO_TONE_UP + 3
} madpo_tone;

enum { MADPO_BOLD = 1, MADPO_REVERSE = 2, MADPO_WIDE_TAIL = 4 /* covered by the cell before it */ };

typedef struct madpo_cell {
    uint32_t glyph; /* a code point */
    uint8_t tone, flags;
} madpo_cell;

typedef struct madpo_rect {
    int x, y, w, h;
} madpo_rect;

typedef struct madpo_grid {
    int w, h;
    madpo_glyphs glyphs;
    madpo_cell *cells; /* [h,w] owned */
} madpo_grid;

typedef struct madpo_pen {
    madpo_tone tone;
    int flags;
} madpo_pen;

/* Make it w x h and blank, keeping the storage. */
madpo_status madpo_grid_reset(madpo_grid *grid, int w, int h, madpo_glyphs glyphs,
                              madpo_error *err) MADPO_MUST_CHECK;
void madpo_grid_dispose(madpo_grid *grid);
/* One cell; outside the grid nothing happens. */
void madpo_grid_put(madpo_grid *grid, int x, int y, uint32_t glyph, madpo_pen pen);
/* UTF-8 text in at most `room` columns; returns the columns used. Line breaks and tabs are blanks,
 * other controls and broken bytes a replacement. */
int madpo_grid_text(madpo_grid *grid, int x, int y, int room, madpo_pen pen, const char *text);
int madpo_grid_print(madpo_grid *grid, int x, int y, int room, madpo_pen pen, const char *fmt, ...)
    MADPO_PRINTF(6, 7);
void madpo_grid_fill(madpo_grid *grid, madpo_rect rect, uint32_t glyph, madpo_pen pen);
/* Turn flags of cells on (a cursor line). */
void madpo_grid_mark(madpo_grid *grid, madpo_rect rect, int flags);
/* A frame around rect with a title in its upper edge. */
void madpo_grid_frame(madpo_grid *grid, madpo_rect rect, const char *title, bool focused);
/* The inside of a frame. */
madpo_rect madpo_rect_inside(madpo_rect rect);

/* The grid as lines of UTF-8, without the blanks at their ends (owned by the caller, free()). */
madpo_status madpo_grid_dump(char **out, const madpo_grid *grid, madpo_error *err) MADPO_MUST_CHECK;

/* Where a text may be broken into lines of `width` columns: the bytes of the first line, and of
 * what to pass over behind it. Works on UTF-8; an empty line counts 0 bytes. */
size_t madpo_text_break(const char *text, int width, size_t *skip);
/* Columns a text takes. */
int madpo_text_width(const char *text);
/* Next character of UTF-8 text, made safe: its code point and its columns (0 for what has none);
 * bytes taken, 0 at the end. */
size_t madpo_text_next(const char *text, uint32_t *glyph, int *width);
#endif
