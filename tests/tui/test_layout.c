/* The layout at every size: panels lie on the screen, do not overlap, and something is always said.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tui/layout.h"

enum { MAX_W = 220, MAX_H = 70 };

static void fail_at(int w, int h, const char *what)
{
    fail_msg("%d x %d: %s", w, h, what);
}

static bool inside(madpo_rect r, int w, int h)
{
    return r.x >= 0 && r.y >= 0 && r.w >= 0 && r.h >= 0 && r.x + r.w <= w && r.y + r.h <= h;
}

static void take(unsigned char *used, madpo_rect r, int w, int h)
{
    if (!inside(r, w, h))
        fail_at(w, h, "something lies outside the screen");
    for (int y = r.y; y < r.y + r.h; y++)
        for (int x = r.x; x < r.x + r.w; x++)
            if (used[y * MAX_W + x]++)
                fail_at(w, h, "two things overlap");
}

static void check(int w, int h, const madpo_layout_wish *wish)
{
    static unsigned char used[MAX_W * MAX_H];
    madpo_layout layout = madpo_layout_make(w, h, wish);
    int n = 0;

    for (size_t i = 0; i < sizeof used; i++)
        used[i] = 0;
    take(used, layout.header, w, h);
    take(used, layout.notes, w, h);
    take(used, layout.keys, w, h);
    for (int i = 1; i < MADPO_PANELS; i++) {
        take(used, layout.panel[i], w, h);
        n += layout.panel[i].w > 0;
        if (layout.panel[i].w > 0 && (layout.panel[i].w < 12 || layout.panel[i].h < 4))
            fail_at(w, h, "a panel has no room for anything");
    }
    if (n != layout.n_panels || layout.header.h < 1)
        fail_at(w, h, "panels are not counted, or there is no header");
    if (layout.status_only != (w < 40 || h < 10) || layout.status_only != (n == 0))
        fail_at(w, h, "status lines and panels");
    if (!layout.status_only && wish->zoomed && (n != 1 || layout.panel[wish->focus].w != w))
        fail_at(w, h, "a zoomed panel is not alone");
}

static void test_every_size(void **state)
{
    (void)state;
    for (int w = 1; w <= MAX_W; w++)
        for (int h = 1; h <= MAX_H; h++)
            for (int focus = 1; focus < MADPO_PANELS; focus += w % 3 + 1) {
                madpo_layout_wish wish = {.focus = (madpo_panel)focus};

                check(w, h, &wish);
                if (madpo_panel_is_wide(wish.focus))
                    wish.guest_wide = wish.focus;
                else
                    wish.guest_plot = wish.focus;
                check(w, h, &wish);
                wish.zoomed = true;
                check(w, h, &wish);
            }
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_size),
                                       cmocka_unit_test(test_classes),
                                       cmocka_unit_test(test_guests)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
