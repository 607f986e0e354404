/* Rectangles; see layout.h. */
#include "tui/layout.h"

#include <string.h>

bool madpo_panel_is_wide(madpo_panel panel)
{
    return panel == MADPO_PANEL_SAMPLES || panel == MADPO_PANEL_PAIR || panel == MADPO_PANEL_LOG;
}

static void layout_place(madpo_layout *layout, madpo_panel panel, int x, int y, int w, int h)
{
    if (panel == MADPO_PANEL_NONE || w < 2 || h < 2 || layout->panel[panel].w > 0)
        return;
    layout->panel[panel] = (madpo_rect){x, y, w, h};
    layout->n_panels++;
}

/* Panels side by side, sharing the width as evenly as it goes. */
static void layout_row(madpo_layout *layout, const madpo_panel *panels, int n, madpo_rect area)
{
    int x = area.x;

    for (int i = 0; i < n; i++) {
        int w = (area.x + area.w - x) / (n - i);

        layout_place(layout, panels[i], x, area.y, w, area.h);
        x += w;
    }
}

static madpo_panel or_else(madpo_panel wish, madpo_panel usual)
{
    return wish != MADPO_PANEL_NONE ? wish : usual;
}

static void layout_three(madpo_layout *layout, const madpo_layout_wish *wish, madpo_rect area)
{
    madpo_panel top[2] = {MADPO_PANEL_LOSS, or_else(wish->guest_plot, MADPO_PANEL_MARGINS)};
    int h = (area.h * 3 + 2) / 5;

    layout_row(layout, top, 2, (madpo_rect){area.x, area.y, area.w, h});
    layout_place(layout, or_else(wish->guest_wide, MADPO_PANEL_SAMPLES), area.x, area.y + h, area.w,
                 area.h - h);
}

static void layout_six(madpo_layout *layout, const madpo_layout_wish *wish, madpo_rect area)
{
    madpo_panel shown = wish->guest_plot;
    bool is_extra = shown == MADPO_PANEL_QUALITY || shown == MADPO_PANEL_GROUPS;
    madpo_panel top[2] = {MADPO_PANEL_LOSS, is_extra ? shown : MADPO_PANEL_REWARDS};
    static const madpo_panel middle[3] = {MADPO_PANEL_MARGINS, MADPO_PANEL_WEIGHTS,
                                          MADPO_PANEL_SYSTEM};
    int h = area.h * 3 / 10;

    layout_row(layout, top, 2, (madpo_rect){area.x, area.y, area.w, h});
    layout_row(layout, middle, 3, (madpo_rect){area.x, area.y + h, area.w, h});
    layout_place(layout, or_else(wish->guest_wide, MADPO_PANEL_SAMPLES), area.x, area.y + 2 * h,
                 area.w, area.h - 2 * h);
}

static void layout_nine(madpo_layout *layout, const madpo_layout_wish *wish, madpo_rect area)
{
    static const madpo_panel top[3] = {MADPO_PANEL_LOSS, MADPO_PANEL_REWARDS, MADPO_PANEL_QUALITY};
    static const madpo_panel middle[4] = {MADPO_PANEL_MARGINS, MADPO_PANEL_WEIGHTS,
                                          MADPO_PANEL_GROUPS, MADPO_PANEL_SYSTEM};
    madpo_panel right = wish->guest_wide == MADPO_PANEL_LOG ? MADPO_PANEL_LOG : MADPO_PANEL_PAIR;
    int h = area.h * 3 / 10, w = area.w * 62 / 100;

    layout_row(layout, top, 3, (madpo_rect){area.x, area.y, area.w, h});
    layout_row(layout, middle, 4, (madpo_rect){area.x, area.y + h, area.w, h});
    layout_place(layout, MADPO_PANEL_SAMPLES, area.x, area.y + 2 * h, w, area.h - 2 * h);
    layout_place(layout, right, area.x + w, area.y + 2 * h, area.w - w, area.h - 2 * h);
}

madpo_layout madpo_layout_make(int w, int h, const madpo_layout_wish *wish)
{
    madpo_layout layout;
    int rows = h >= 20 ? 2 : 1;
    madpo_rect area;

    memset(&layout, 0, sizeof layout);
    w = w > 0 ? w : 0;
    h = h > 0 ? h : 0;
    if (w < 40 || h < 10) {
        layout.status_only = true;
        layout.header = (madpo_rect){0, 0, w, h};
        return layout;
    }
    layout.header = (madpo_rect){0, 0, w, rows};
    layout.keys = (madpo_rect){0, h - 1, w, 1};
    area = (madpo_rect){0, rows, w, h - rows - 1};
    if (h >= 20) {
        layout.notes = (madpo_rect){0, h - 2, w, 1};
        area.h--;
    }
    if (wish->zoomed || w < 80 || h < 24)
        layout_place(&layout, or_else(wish->focus, MADPO_PANEL_LOSS), area.x, area.y, area.w,
                     area.h);
    else if (w >= 200 && h >= 56)
        layout_nine(&layout, wish, area);
    else if (w >= 120 && h >= 36)
        layout_six(&layout, wish, area);
    else
        layout_three(&layout, wish, area);
    return layout;
}
