/* What is to become of a run; see menu.h. */
#include "tui/menu.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tui/panels.h"

const double madpo_menu_again = 2.0;

static const struct {
    madpo_choice choice;
    int keys[3];
    const char *text, *of_experiment; /* NULL = as of a run */
} entries[] = {{MADPO_CHOICE_STOP,
                {'s', 'y', 'Y'},
                "s  stop: save a checkpoint and end the run",
                "s  stop: save a checkpoint and end the experiment"},
               {MADPO_CHOICE_KILL, {'k', 'K', 0}, "k  end it now, without saving", NULL},
               {MADPO_CHOICE_LEAVE,
                {'d', 'q', 'Q'},
                "d  leave; the run goes on",
                "d  leave; the experiment goes on"},
               {MADPO_CHOICE_CANCEL, {'n', 'N', MADPO_KEY_ESCAPE}, "n  nothing", NULL}};
enum { ENTRIES = sizeof entries / sizeof *entries };

void madpo_menu_show(madpo_menu *menu, const char *when)
{
    menu->open = true;
    menu->cursor = ENTRIES - 1; /* Enter alone does nothing */
    snprintf(menu->when, sizeof menu->when, "%s", when);
}

madpo_choice madpo_menu_key(madpo_menu *menu, int key)
{
    madpo_choice choice = MADPO_CHOICE_NONE;

    if (key == MADPO_KEY_UP)
        menu->cursor = (menu->cursor + ENTRIES - 1) % ENTRIES;
    else if (key == MADPO_KEY_DOWN || key == MADPO_KEY_TAB)
        menu->cursor = (menu->cursor + 1) % ENTRIES;
    else if (key == MADPO_KEY_ENTER || key == '\n')
        choice = entries[menu->cursor].choice;
    for (int i = 0; i < ENTRIES; i++)
        for (int k = 0; k < 3; k++)
            if (key && entries[i].keys[k] == key)
                choice = entries[i].choice;
    menu->open = choice == MADPO_CHOICE_NONE;
    if (!menu->open)
        menu->presses = 0; /* Ctrl+C begins anew: what was left alone is not stopped by one more */
    return choice;
}

madpo_choice madpo_menu_interrupt(madpo_menu *menu)
{
    double now = madpo_clock_monotonic();
    bool again = menu->presses > 0 && now - menu->pressed_at <= madpo_menu_again;

    menu->presses = again ? menu->presses + 1 : 1;
    menu->pressed_at = now;
    if (menu->presses == 1)
        return MADPO_CHOICE_NONE;
    menu->open = false;
    return menu->presses == 2 ? MADPO_CHOICE_STOP : MADPO_CHOICE_KILL;
}

void madpo_menu_draw(madpo_grid *grid, const madpo_menu *menu)
{
    static const madpo_pen plain = {MADPO_TONE_PLAIN, 0}, dim = {MADPO_TONE_DIM, 0};
    static const madpo_pen key = {MADPO_TONE_KEY, MADPO_BOLD};
    const char *text = menu->when;
    madpo_rect r;
    int y;

    if (grid->h < 8 || grid->w < 24) {
        y = grid->h - 1;
        madpo_grid_fill(grid, (madpo_rect){0, y, grid->w, 1}, ' ', plain);
        madpo_grid_text(grid, 0, y, grid->w, key, "stop? s k d n");
        return;
    }
    r = madpo_draw_overlay(grid, 76, grid->h < 11 ? 8 : 9,
                           menu->experiment ? " stop? the whole experiment " : " stop? ");
    y = r.y;
    for (int i = 0; i < ENTRIES && y < r.y + r.h; i++, y++) {
        madpo_grid_text(grid, r.x + 1, y, r.w - 2, i == menu->cursor ? key : plain,
                        menu->experiment && entries[i].of_experiment ? entries[i].of_experiment
                                                                     : entries[i].text);
        if (i == menu->cursor)
            madpo_grid_mark(grid, (madpo_rect){r.x, y, r.w, 1}, MADPO_REVERSE);
    }
    while (*text && y < r.y + r.h - 1) {
        size_t skip, n = madpo_text_break(text, r.w - 2, &skip);

        madpo_grid_print(grid, r.x + 1, y++, r.w - 2, plain, "%.*s", (int)n, text);
        text += n + skip;
    }
    madpo_grid_text(grid, r.x + 1, r.y + r.h - 1, r.w - 2, dim, "Ctrl+C: stop; once more: now");
}
