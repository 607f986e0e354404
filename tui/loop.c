/* Watching on a terminal: read, draw, wait for keys; see tui.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "tui/runs.h"
#include "tui/session.h"
#include "tui/terminal.h"

/* Seconds between two looks whether the run lives. */
static const double loop_live = 2.0;

typedef struct loop {
    madpo_session session;
    const madpo_tui_options *options;
    double drawn_at, live_at, ticked_at;
    bool dirty, mouse, quit, live;
} loop;

/* What the screen shows as text, which has no colours: what they say is said otherwise. */
static madpo_status loop_text(char **out, madpo_session *session, madpo_error *err)
{
    bool mono = session->mono;
    madpo_status st;

    session->mono = true;
    st = madpo_session_render(session, session->grid.w, session->grid.h, err);
    session->mono = mono;
    return st == MADPO_OK ? madpo_grid_dump(out, &session->grid, err) : st;
}

static void loop_dump(loop *l)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *text = NULL, said[80], path[40] = "madpo-screen.txt";

    madpo_runs_free_name(path, sizeof path);
    snprintf(said, sizeof said, "written to %s", path);
    if (loop_text(&text, &l->session, &err) == MADPO_OK &&
        madpo_file_write(path, text, strlen(text), &err) == MADPO_OK)
        madpo_session_say(&l->session, said);
    else
        madpo_session_say(&l->session, err.message);
    free(text);
}

static void loop_act(loop *l, madpo_action action)
{
    switch (action) {
    case MADPO_ACTION_QUIT:
        l->quit = true;
        break;
    case MADPO_ACTION_REPAINT:
        madpo_terminal_repaint();
        break;
    case MADPO_ACTION_MOUSE:
        l->mouse = !l->mouse;
        madpo_terminal_mouse(l->mouse);
        madpo_session_say(&l->session, l->mouse ? "mouse taken; hold shift to select text"
                                                : "mouse left to the terminal");
        break;
    case MADPO_ACTION_DUMP:
        loop_dump(l);
        break;
    default:
        break;
    }
}

/* Take what came in, all of it, before the next picture. */
static void loop_input(loop *l, int ms)
{
    madpo_terminal_event event = madpo_terminal_wait(ms);

    for (int n = 0; event.kind != MADPO_EVENT_NONE && n < 64 && !l->quit; n++) {
        l->dirty = true;
        if (event.kind == MADPO_EVENT_END)
            l->quit = true;
        else if (event.kind == MADPO_EVENT_KEY)
            loop_act(l, event.pasted ? madpo_session_pasted(&l->session, event.key)
                                     : madpo_session_key(&l->session, event.key));
        else if (event.kind == MADPO_EVENT_MOUSE)
            madpo_session_mouse(&l->session, event.x, event.y, event.wheel);
        if (!l->quit)
            event = madpo_terminal_wait(0);
    }
}

static madpo_status loop_draw(loop *l, double now, madpo_error *err)
{
    int w, h;
    madpo_status st;

    if (!l->dirty || now - l->drawn_at < MADPO_SESSION_FRAME)
        return MADPO_OK;
    madpo_terminal_size(&w, &h);
    st = madpo_session_render(&l->session, w, h, err);
    if (st == MADPO_OK)
        madpo_terminal_show(&l->session.grid);
    l->dirty = l->session.source && l->session.view.behind;
    l->drawn_at = madpo_clock_monotonic();
    return st;
}

static madpo_status loop_run(loop *l, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    bool changed, more = true;

    l->dirty = true;
    while (st == MADPO_OK && !l->quit) {
        double now = madpo_clock_monotonic();
        int ms;

        if (now - l->live_at >= loop_live) {
            bool live = madpo_session_check_live(&l->session);

            l->session.view.now = l->session.table.now = madpo_clock_wall();
            l->dirty = l->dirty || l->live || live;
            l->live = live;
            l->live_at = now;
        }
        st = madpo_session_load(&l->session, MADPO_SESSION_SLICE, &changed, &more, err);
        l->dirty = madpo_session_tick(&l->session, now - l->ticked_at) || changed || l->dirty;
        l->ticked_at = now;
        if (st == MADPO_OK)
            st = loop_draw(l, now, err);
        more = more || (l->session.source && madpo_find_working(&l->session.view));
        ms = more                                           ? 0
             : l->dirty                                     ? 100
             : l->session.source && l->session.view.playing ? 100
                                                            : MADPO_SESSION_POLL_MS;
        if (st == MADPO_OK)
            loop_input(l, ms);
    }
    return st;
}

madpo_status madpo_tui_watch(const madpo_tui_options *options, madpo_error *err)
{
    madpo_terminal_options terminal = {
        .color = options->color, .background = options->background, .mouse = options->mouse};
    loop l = {.options = options, .mouse = options->mouse};
    char last[512];
    madpo_status st = madpo_session_open(&l.session, options, false, err);

    if (st == MADPO_OK)
        st = madpo_terminal_open(&terminal, err);
    if (st == MADPO_OK) {
        l.session.mono = !madpo_terminal_has_colors();
        l.drawn_at = -1;
        l.ticked_at = madpo_clock_monotonic();
        st = loop_run(&l, err);
        madpo_terminal_close();
        madpo_session_line(last, sizeof last, &l.session);
        printf("%s\n", last);
    }
    madpo_session_dispose(&l.session);
    return st;
}
