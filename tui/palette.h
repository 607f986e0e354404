#ifndef MADPO_TUI_PALETTE_H
#define MADPO_TUI_PALETTE_H
/* What the tones look like: numbers of the 256 colours of xterm, and of the 8 that every terminal
 * with colours has. Okabe and Ito's colours, moved to where those drawn together stay apart for
 * colour-blind eyes and stand out from the background (tests/tui/test_palette.c).
 */
#include "tui/grid.h"

typedef enum madpo_background {
    MADPO_BACKGROUND_DARK,
    MADPO_BACKGROUND_LIGHT,
    MADPO_BACKGROUNDS
} madpo_background;

/* Colour of a tone, -1 = the terminal's own. n_colors: 256, or fewer for the 8. */
short madpo_palette_color(madpo_tone tone, madpo_background background, int n_colors);
/* What is behind it: -1 but for shades (MADPO_TONE_DOWN, _UP), which are backgrounds. */
short madpo_palette_back(madpo_tone tone, madpo_background background, int n_colors);
#endif
