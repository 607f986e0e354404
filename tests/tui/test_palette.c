/* The colours as colour-blind eyes see them (Machado, Oliveira and Fernandes 2009, severity 1):
 * what is drawn together stays apart by the difference of CIEDE2000, and everything stands out from
 * the background by the contrast of WCAG 2. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tui/palette.h"

typedef struct color {
    double r, g, b; /* linear, 0 to 1 */
} color;
typedef struct lab {
    double l, a, b;
} lab;

enum { NORMAL, PROTAN, DEUTAN, TRITAN, VISIONS };
static const char *const vision_names[VISIONS] = {"normal", "protanopia", "deuteranopia",
                                                  "tritanopia"};
static const double visions[VISIONS][3][3] = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                                              {{0.152286, 1.052583, -0.204868},
                                               {0.114503, 0.786281, 0.099216},
                                               {-0.003882, -0.048116, 1.051998}},
                                              {{0.367322, 0.860646, -0.227968},
                                               {0.280085, 0.672501, 0.047413},
                                               {-0.011820, 0.042940, 0.968881}},
                                              {{1.255528, -0.076749, -0.178779},
                                               {-0.078411, 0.930809, 0.147602},
                                               {0.004733, 0.691367, 0.303900}}};

static double linear(int byte)
{
    double c = byte / 255.0;

    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

/* Colours 16 to 255 of xterm: a cube of 6 x 6 x 6, then greys. */
static color color_of(int index)
{
    static const int levels[6] = {0, 95, 135, 175, 215, 255};
    int i = index - 16;

    assert_true(index >= 16 && index < 256);
    if (index >= 232) {
        double grey = linear(8 + 10 * (index - 232));

        return (color){grey, grey, grey};
    }
    return (color){linear(levels[i / 36]), linear(levels[i / 6 % 6]), linear(levels[i % 6])};
}

static color seen_with(color c, int vision)
{
    const double(*m)[3] = visions[vision];
    double out[3];

    for (int i = 0; i < 3; i++)
        out[i] = fmin(1, fmax(0, m[i][0] * c.r + m[i][1] * c.g + m[i][2] * c.b));
    return (color){out[0], out[1], out[2]};
}

static double luminance(color c)
{
    return 0.2126 * c.r + 0.7152 * c.g + 0.0722 * c.b;
}

static double contrast(color a, color b)
{
    double x = luminance(a), y = luminance(b);

    return (fmax(x, y) + 0.05) / (fmin(x, y) + 0.05);
}

static double lab_f(double t)
{
    return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116;
}

static lab lab_of(color c)
{
    double x = lab_f((0.4124564 * c.r + 0.3575761 * c.g + 0.1804375 * c.b) / 0.95047);
    double y = lab_f(0.2126729 * c.r + 0.7151522 * c.g + 0.0721750 * c.b);
    double z = lab_f((0.0193339 * c.r + 0.1191920 * c.g + 0.9503041 * c.b) / 1.08883);

    return (lab){116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

/* CIEDE2000 as Sharma, Wu and Dalal write it; angles in degrees. */
static double difference(lab p, lab q)
{
    const double rad = acos(-1.0) / 180, p25 = pow(25, 7);
    double c7 = pow((hypot(p.a, p.b) + hypot(q.a, q.b)) / 2, 7);
    double g = 1 + 0.5 * (1 - sqrt(c7 / (c7 + p25)));
    double c1 = hypot(g * p.a, p.b), c2 = hypot(g * q.a, q.b), c = (c1 + c2) / 2;
    double h1 = atan2(p.b, g * p.a) / rad, h2 = atan2(q.b, g * q.a) / rad;
    double dh, h, l = (p.l + q.l) / 2, t, sl, sc, sh, rt, dl, dc;

    h1 += h1 < 0 ? 360 : 0;
    h2 += h2 < 0 ? 360 : 0;
    dh = c1 * c2 > 0 ? remainder(h2 - h1, 360) : 0;
    h = c1 * c2 > 0 ? h1 + dh / 2 : h1 + h2;
    t = 1 - 0.17 * cos((h - 30) * rad) + 0.24 * cos(2 * h * rad) + 0.32 * cos((3 * h + 6) * rad) -
        0.20 * cos((4 * h - 63) * rad);
    sl = 1 + 0.015 * (l - 50) * (l - 50) / sqrt(20 + (l - 50) * (l - 50));
    sc = 1 + 0.045 * c;
    sh = 1 + 0.015 * c * t;
    h -= floor(h / 360) * 360;
    rt = -sin(60 * exp(-pow((h - 275) / 25, 2)) * rad) * 2 * sqrt(pow(c, 7) / (pow(c, 7) + p25));
    dl = (q.l - p.l) / sl;
    dc = (c2 - c1) / sc;
    dh = 2 * sqrt(c1 * c2) * sin(dh / 2 * rad) / sh;
    return sqrt(dl * dl + dc * dc + dh * dh + rt * dc * dh);
}

static color tone_color(int tone, int background)
{
    return color_of(madpo_palette_color((madpo_tone)tone, (madpo_background)background, 256));
}

static double apart(int tone, int other, int background, int vision)
{
    return difference(lab_of(seen_with(tone_color(tone, background), vision)),
                      lab_of(seen_with(tone_color(other, background), vision)));
}

/* The measure itself: pairs of the table of Sharma, Wu and Dalal (2005). */
static void test_measure(void **state)
{
    static const struct {
        lab p, q;
        double want;
    } rows[] = {{{50, 2.6772, -79.7751}, {50, 0, -82.7485}, 2.0425},
                {{50, -1.3802, -84.2814}, {50, 0, -82.7485}, 1.0000},
                {{50, 2.49, -0.001}, {50, -2.49, 0.0009}, 7.1792},
                {{50, 2.5, 0}, {58, 24, 15}, 19.4535},
                {{60.2574, -34.0099, 36.2677}, {60.4626, -34.1751, 39.4387}, 1.2644},
                {{2.0776, 0.0795, -1.135}, {0.9033, -0.0636, -0.5514}, 0.9082}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double got = difference(rows[i].p, rows[i].q);

        if (fabs(got - rows[i].want) > 6e-5)
            fail_msg("row %zu: %.5f, not %.4f", i, got, rows[i].want);
    }
    assert_true(fabs(contrast((color){0, 0, 0}, (color){1, 1, 1}) - 21) < 1e-9);
}

/* Curves of one panel: loss and evaluation; chosen, rejected and margin; the weight, the weight
 * tried and the bars. Those of other runs carry a letter besides, so they may be closer. */
static void test_series_stay_apart(void **state)
{
    static const int together[][2] = {{0, 1}, {1, 4}, {1, 2}, {2, 4}, {0, 4}};

    (void)state;
    for (int background = 0; background < MADPO_BACKGROUNDS; background++)
        for (int vision = 0; vision < VISIONS; vision++) {
            for (size_t i = 0; i < sizeof together / sizeof *together; i++) {
                int a = MADPO_TONE_SERIES + together[i][0], b = MADPO_TONE_SERIES + together[i][1];

                if (apart(a, b, background, vision) < 10)
                    fail_msg("series %d and %d, background %d, %s: %.1f", together[i][0],
                             together[i][1], background, vision_names[vision],
                             apart(a, b, background, vision));
                assert_int_not_equal(
                    madpo_palette_color((madpo_tone)a, (madpo_background)background, 8),
                    madpo_palette_color((madpo_tone)b, (madpo_background)background, 8));
            }
            for (int a = 0; a < 8; a++)
                for (int b = a + 1; b < 8; b++)
                    if (apart(MADPO_TONE_SERIES + a, MADPO_TONE_SERIES + b, background, vision) < 7)
                        fail_msg("series %d and %d, background %d, %s", a, b, background,
                                 vision_names[vision]);
        }
}

/* Curves by 3 to 1, texts by 4.5 to 1, and the more in a cell of the heat strip the more contrast.
 */
static void test_contrast(void **state)
{
    static const int texts[] = {MADPO_TONE_DIM, MADPO_TONE_ALERT, MADPO_TONE_KEY};
    static const color back[MADPO_BACKGROUNDS] = {{0, 0, 0}, {1, 1, 1}};

    (void)state;
    for (int background = 0; background < MADPO_BACKGROUNDS; background++) {
        for (int i = 0; i < 8; i++)
            if (contrast(tone_color(MADPO_TONE_SERIES + i, background), back[background]) < 3)
                fail_msg("series %d, background %d", i, background);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            if (contrast(tone_color(texts[i], background), back[background]) < 4.5)
                fail_msg("tone %d, background %d", texts[i], background);
        for (int vision = 0; vision < VISIONS; vision++)
            for (int i = 2; i < 6; i++) {
                color few = tone_color(MADPO_TONE_HEAT + i - 1, background);
                color many = tone_color(MADPO_TONE_HEAT + i, background);

                assert_true(contrast(seen_with(many, vision), back[background]) >
                            contrast(seen_with(few, vision), back[background]) + 0.2);
            }
    }
}

/* Shades behind text: it can be read on each; the two sides stay apart, and so do the steps of one.
 */
static void test_shades(void **state)
{
    (void)state;
    for (int background = 0; background < MADPO_BACKGROUNDS; background++)
        for (int vision = 0; vision < VISIONS; vision++)
            for (int i = 0; i < 6; i++) {
                madpo_background around = (madpo_background)background;
                int tone = MADPO_TONE_DOWN + i;
                color back =
                    seen_with(color_of(madpo_palette_back((madpo_tone)tone, around, 256)), vision);
                color on = seen_with(tone_color(tone, background), vision);

                if (contrast(on, back) < 4.5)
                    fail_msg("text on shade %d, background %d, %s: %.1f", i, background,
                             vision_names[vision], contrast(on, back));
                for (int k = 0; k < i; k++) {
                    color other = seen_with(color_of(madpo_palette_back(
                                                (madpo_tone)(MADPO_TONE_DOWN + k), around, 256)),
                                            vision);

                    if (difference(lab_of(back), lab_of(other)) < (k / 3 == i / 3 ? 5 : 10))
                        fail_msg("shades %d and %d, background %d, %s: %.1f", k, i, background,
                                 vision_names[vision], difference(lab_of(back), lab_of(other)));
                }
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measure), cmocka_unit_test(test_series_stay_apart),
        cmocka_unit_test(test_contrast), cmocka_unit_test(test_shades)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
