/* The table of colours; see palette.h. */
#include "tui/palette.h"

enum { OWN = -1, BLACK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, WHITE };

static const struct {
    short of_256[MADPO_BACKGROUNDS], of_8[MADPO_BACKGROUNDS]; /* on dark, on light */
} palette[MADPO_TONE_DOWN] = {
    [MADPO_TONE_PLAIN] = {{OWN, OWN}, {OWN, OWN}},
    [MADPO_TONE_DIM] = {{245, 242}, {OWN, OWN}},
    [MADPO_TONE_FRAME] = {{240, 249}, {OWN, OWN}},
    [MADPO_TONE_TITLE] = {{OWN, OWN}, {OWN, OWN}},
    [MADPO_TONE_ALERT] = {{166, 160}, {RED, RED}},
    [MADPO_TONE_KEY] = {{221, 94}, {YELLOW, MAGENTA}},
    [MADPO_TONE_SERIES + 0] = {{178, 94}, {YELLOW, OWN}},       /* orange */
    [MADPO_TONE_SERIES + 1] = {{74, 33}, {CYAN, BLUE}},         /* sky */
    [MADPO_TONE_SERIES + 2] = {{114, 29}, {GREEN, MAGENTA}},    /* bluish green */
    [MADPO_TONE_SERIES + 3] = {{221, 100}, {WHITE, OWN}},       /* yellow */
    [MADPO_TONE_SERIES + 4] = {{166, 88}, {RED, RED}},          /* vermillion */
    [MADPO_TONE_SERIES + 5] = {{175, 133}, {MAGENTA, MAGENTA}}, /* purple */
    [MADPO_TONE_SERIES + 6] = {{32, 25}, {BLUE, BLUE}},         /* blue */
    [MADPO_TONE_SERIES + 7] = {{250, 238}, {WHITE, OWN}},
    [MADPO_TONE_HEAT + 0] = {{OWN, OWN}, {OWN, OWN}},
    [MADPO_TONE_HEAT + 1] = {{24, 186}, {BLUE, CYAN}}, /* cividis, away from the background */
    [MADPO_TONE_HEAT + 2] = {{60, 143}, {BLUE, CYAN}},
    [MADPO_TONE_HEAT + 3] = {{101, 101}, {CYAN, BLUE}},
    [MADPO_TONE_HEAT + 4] = {{143, 60}, {YELLOW, BLUE}},
    [MADPO_TONE_HEAT + 5] = {{227, 18}, {WHITE, OWN}}};

/* Shades are backgrounds, orange down and blue up, with a colour that can be read on them. Of 8
 * colours: coloured letters, bold ones, then the background. */
typedef struct shade {
    short on_256[MADPO_BACKGROUNDS], of_256[MADPO_BACKGROUNDS];
    short on_8[MADPO_BACKGROUNDS], of_8;
} shade;
static const shade shades[6] = {
    {{255, 16}, {94, 223}, {YELLOW, RED}, OWN},     {{16, 16}, {136, 215}, {YELLOW, RED}, OWN},
    {{16, 16}, {214, 172}, {BLACK, BLACK}, YELLOW}, {{255, 16}, {18, 189}, {CYAN, BLUE}, OWN},
    {{255, 16}, {25, 75}, {CYAN, BLUE}, OWN},      {{16, 16}, {74, 68}, {BLACK, BLACK}, CYAN}};

short madpo_palette_color(madpo_tone tone, madpo_background background, int n_colors)
{
    if (tone >= MADPO_TONE_DOWN) {
        const shade *s = &shades[tone - MADPO_TONE_DOWN];

        return n_colors >= 256 ? s->on_256[background] : s->on_8[background];
    }
    return n_colors >= 256 ? palette[tone].of_256[background] : palette[tone].of_8[background];
}

short madpo_palette_back(madpo_tone tone, madpo_background background, int n_colors)
{
    const shade *s = &shades[tone >= MADPO_TONE_DOWN ? tone - MADPO_TONE_DOWN : 0];

    if (tone < MADPO_TONE_DOWN)
        return OWN;
    return n_colors >= 256 ? s->of_256[background] : s->of_8;
}
