/* The layout at every size: panels lie on the screen, do not overlap, and something is always said.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tui/layout.h"

enum { MAX_W = 260, MAX_H = 100, MAX_RECTS = MADPO_PANELS + 3 };

static void fail_at(int w, int h, const char *what)
{
    fail_msg("%d x %d: %s", w, h, what);
}

static bool inside(madpo_rect r, int w, int h)
{
    return r.x >= 0 && r.y >= 0 && r.w >= 0 && r.h >= 0 && r.x + r.w <= w && r.y + r.h <= h;
}

static bool overlap(madpo_rect a, madpo_rect b)
{
    return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/* Rectangles that lie on the screen, apart from each other, and leave no cell to nobody. */
static void check_tiles(int w, int h, const madpo_rect *rects, int n)
{
    int cells = 0;

    for (int i = 0; i < n; i++) {
        if (!inside(rects[i], w, h))
            fail_at(w, h, "something lies outside the screen");
        for (int k = 0; k < i; k++)
            if (overlap(rects[i], rects[k]))
                fail_at(w, h, "two things overlap");
        cells += rects[i].w * rects[i].h;
    }
    if (cells != w * h)
        fail_at(w, h, "a part of the screen is nobody's");
}

static madpo_layout check(int w, int h, const madpo_layout_wish *wish)
{
    madpo_layout layout = madpo_layout_make(w, h, wish);
    madpo_rect rects[MAX_RECTS] = {layout.header, layout.notes, layout.keys};
    int n = 0;

    for (int i = 1; i < MADPO_PANELS; i++) {
        if (layout.panel[i].w <= 0)
            continue;
        rects[3 + n++] = layout.panel[i];
        if (layout.panel[i].w < 12 || layout.panel[i].h < 4)
            fail_at(w, h, "a panel has no room for anything");
    }
    check_tiles(w, h, rects, 3 + n);
    if (n != layout.n_panels || layout.header.h < 1)
        fail_at(w, h, "panels are not counted, or there is no header");
    if (layout.status_only != (w < 40 || h < 10) || layout.status_only != (n == 0))
        fail_at(w, h, "status lines and panels");
    if (!layout.status_only && wish->zoomed && (n != 1 || layout.panel[wish->focus].w != w))
        fail_at(w, h, "a zoomed panel is not alone");
    return layout;
}

/* Every size with every panel in focus, alone or not, and every pair of guests. */
static void test_every_size(void **state)
{
    (void)state;
    for (int w = 1; w <= MAX_W; w++)
        for (int h = 1; h <= MAX_H; h++) {
            madpo_layout_wish wish = {.focus = MADPO_PANEL_LOSS};

            for (int focus = 1; focus < MADPO_PANELS; focus++)
                for (int zoomed = 0; zoomed < 2; zoomed++) {
                    wish = (madpo_layout_wish){.focus = (madpo_panel)focus, .zoomed = zoomed};
                    check(w, h, &wish);
                }
            wish.zoomed = false;
            for (int plot = 0; plot < MADPO_PANELS; plot++)
                for (int wide = 0; wide < MADPO_PANELS; wide++) {
                    if (plot == MADPO_PANEL_LOSS || madpo_panel_is_wide((madpo_panel)plot))
                        continue; /* loss is no guest: it is always there */
                    if (wide && !madpo_panel_is_wide((madpo_panel)wide))
                        continue;
                    wish.guest_plot = (madpo_panel)plot;
                    wish.guest_wide = (madpo_panel)wide;
                    check(w, h, &wish);
                }
        }
}

/* Where one size more gives another number of panels: no such change is passed over, and a larger
 * screen never shows fewer. */
static void test_class_changes(void **state)
{
    madpo_layout_wish wish = {.focus = MADPO_PANEL_LOSS};
    bool seen[MADPO_PANELS + 1] = {false};

    (void)state;
    for (int w = 1; w <= MAX_W; w++)
        for (int h = 1; h <= MAX_H; h++) {
            int n = check(w, h, &wish).n_panels;

            seen[n] = true;
            if (w > 1 && n < madpo_layout_make(w - 1, h, &wish).n_panels)
                fail_at(w, h, "fewer panels than on a narrower screen");
            if (h > 1 && n < madpo_layout_make(w, h - 1, &wish).n_panels)
                fail_at(w, h, "fewer panels than on a lower screen");
        }
    assert_true(seen[0] && seen[1] && seen[3] && seen[6] && seen[9]);
}

/* How many panels the promised sizes have. */
static void test_classes(void **state)
{
    static const struct {
        int w, h, panels;
    } sizes[] = {{39, 24, 0},  {80, 9, 0},   {40, 10, 1},  {79, 40, 1}, {80, 24, 3},
                 {119, 40, 3}, {120, 40, 6}, {199, 60, 6}, {200, 60, 9}};
    madpo_layout_wish wish = {.focus = MADPO_PANEL_LOSS};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_int_equal(madpo_layout_make(sizes[i].w, sizes[i].h, &wish).n_panels,
                         sizes[i].panels);
}

/* A panel that was asked for is there, whatever the size. */
static void test_guests(void **state)
{
    static const int sizes[][2] = {{80, 24}, {120, 40}};

    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (int panel = 4; panel < MADPO_PANELS; panel++) {
            madpo_layout_wish wish = {.focus = (madpo_panel)panel};

            if (madpo_panel_is_wide(wish.focus))
                wish.guest_wide = wish.focus;
            else
                wish.guest_plot = wish.focus;
            assert_true(madpo_layout_make(sizes[i][0], sizes[i][1], &wish).panel[panel].w > 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size), cmocka_unit_test(test_class_changes),
        cmocka_unit_test(test_classes), cmocka_unit_test(test_guests)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
