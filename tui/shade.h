#ifndef MADPO_TUI_SHADE_H
#define MADPO_TUI_SHADE_H
/* An answer's text shaded by what the policy makes of its tokens: by their log-ratios (up =
 * likelier than under the reference, down = less likely), or by their log-probs (down = unlikely).
 * Seven levels from -3 to 3 are tones of the grid; where a screen has no colours a line of marks
 * under the text says the same.
 */
#include "run/tokens.h"
#include "tui/grid.h"

typedef enum madpo_shade_kind {
    MADPO_SHADE_RATIO, /* log-probs where there are no log-ratios */
    MADPO_SHADE_LOGP,
    MADPO_SHADE_OFF,
    MADPO_SHADES
} madpo_shade_kind;

enum { MADPO_SHADE_LISTED = 5 };

typedef struct madpo_shade {
    const madpo_token_line *line; /* borrowed */
    bool logp;                    /* the log-probs are what is shown */
    bool marks;                   /* a line of marks under each line of text */
    double scale;                 /* madpo_token_line_scale */
} madpo_shade;

/* `kind` is not OFF. */
madpo_status madpo_shade_init(madpo_shade *shade, const madpo_token_line *line,
                              madpo_shade_kind kind, bool marks, madpo_error *err) MADPO_MUST_CHECK;
/* Level of a value. */
int madpo_shade_level(const madpo_shade *shade, double value);
/* Levels of an answer's bytes: level [n] write. */
void madpo_shade_bytes(const madpo_shade *shade, int answer, int8_t *level, size_t n);
/* The tokens furthest up, or down, as a line of text: at most MADPO_SHADE_LISTED of them, C or R
 * for the answer, the token, its value (owned by the caller, free()). */
madpo_status madpo_shade_list(char **out, const madpo_shade *shade, bool up,
                              const char *const texts[2], bool ascii,
                              madpo_error *err) MADPO_MUST_CHECK;

madpo_pen madpo_shade_pen(int level);
char madpo_shade_mark(int level);
/* What the shades mean, in one line. */
void madpo_shade_legend(madpo_grid *grid, madpo_rect rect, const madpo_shade *shade);
/* One line of text [n bytes] with the levels of its bytes; marks go one row below. */
void madpo_shade_draw(madpo_grid *grid, int x, int y, int room, const madpo_shade *shade,
                      const char *text, const int8_t *level, size_t n, bool marks_fit);
#endif
