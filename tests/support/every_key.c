/* Presses every key of the table of keys, in every panel, on a run, and looks whether it is
 * answered: by another picture, or by words. usage: every_key RUN WIDTHxHEIGHT [control] */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tui/session.h"

enum { TIMES = 4 }; /* in a row: an end of a list is reached, and told */

static madpo_tui_options options;
static int w, h, n_pressed, n_silent;

static void check(madpo_status st, const madpo_error *err)
{
    if (st == MADPO_OK)
        return;
    fprintf(stderr, "every_key: %s\n", err->message);
    exit(2);
}

/* The cells as they were before. */
static madpo_cell *copy_of(const madpo_grid *grid)
{
    size_t bytes = (size_t)grid->w * (size_t)grid->h * sizeof *grid->cells;
    madpo_cell *cells = malloc(bytes);

    if (!cells)
        exit(2);
    memcpy(cells, grid->cells, bytes);
    return cells;
}

static bool same(const madpo_grid *grid, const madpo_cell *cells)
{
    return memcmp(grid->cells, cells, (size_t)grid->w * (size_t)grid->h * sizeof *cells) == 0;
}

static bool is_empty(const madpo_grid *grid)
{
    for (int i = 0; i < grid->w * grid->h; i++)
        if (grid->cells[i].glyph && grid->cells[i].glyph != ' ')
            return false;
    return true;
}

/* Something lies over the panels, or waits for a text: keys mean something else there. */
static bool is_covered(const madpo_view *view)
{
    return view->help || view->show_runs || view->menu.open || view->steer.asking ||
           view->prompt != MADPO_PROMPT_NONE;
}

static void press(const madpo_key_row *row, int key, int panel)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_session session;
    madpo_action action = MADPO_ACTION_NONE;

    check(madpo_session_open(&session, &options, true, &err), &err);
    session.view.now = 1767225900;
    check(madpo_session_render(&session, w, h, &err), &err);
    madpo_session_key(&session, '0' + panel % 10);
    check(madpo_session_render(&session, w, h, &err), &err);
    for (int i = 0; i < TIMES && action == MADPO_ACTION_NONE && !is_covered(&session.view); i++) {
        madpo_cell *before = copy_of(&session.grid);
        bool there =
            key >= '0' && key <= '9' && (key + 9 - '0') % 10 + 1 == (int)session.view.wish.focus;

        action = madpo_session_key(&session, key);
        while (madpo_find_working(&session.view))
            madpo_find_tick(&session.view);
        check(madpo_session_render(&session, w, h, &err), &err);
        n_pressed++;
        if ((action == MADPO_ACTION_NONE && same(&session.grid, before) &&
             !session.view.message[0] && !there) ||
            is_empty(&session.grid)) {
            printf("in panel %d, pressed %d times, key %d \"%c\" does nothing: %s\n", panel % 10,
                   i + 1, key, key < 0x7f && key > 32 ? key : 32,
                   row->help ? row->help : "(as the row before)");
            n_silent++;
        }
        free(before);
    }
    madpo_session_dispose(&session);
}

int main(int argc, char **argv)
{
    madpo_error err = MADPO_ERROR_INIT;

    setlocale(LC_ALL, "");
    if (argc < 3) {
        fprintf(stderr, "usage: every_key RUN WIDTHxHEIGHT [control]\n");
        return 2;
    }
    options.run = argv[1];
    options.control = argc > 3;
    check(madpo_size_parse(&w, &h, argv[2], &err), &err);
    for (int panel = 1; panel < MADPO_PANELS; panel++)
        for (int i = 0; i < madpo_n_keys; i++)
            for (int k = 0; k < 4 && madpo_keys[i].keys[k]; k++)
                press(&madpo_keys[i], madpo_keys[i].keys[k], panel);
    printf("%s: %d keys pressed, %d without an answer\n", argv[1], n_pressed, n_silent);
    return n_silent > 0;
}
