/* See session.h. */
#include "tui/session.h"

#include <langinfo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

madpo_status madpo_size_parse(int *w, int *h, const char *text, madpo_error *err)
{
    char *end, *last;
    long width = strtol(text, &end, 10), height = *end == 'x' ? strtol(end + 1, &last, 10) : 0;

    if (*end != 'x' || *last || width < 1 || width > 1000 || height < 1 || height > 1000)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "\"%s\" is no size; WIDTHxHEIGHT, as in 80x24, up to 1000x1000",
                               text);
    *w = (int)width;
    *h = (int)height;
    return MADPO_OK;
}

/* Options that are one of a few words; auto, or NULL, is index -1. */
static madpo_status session_word(int *out, const char *option, const char *given,
                                 const char *const words[3], madpo_error *err)
{
    *out = -1;
    if (!given || strcmp(given, "auto") == 0)
        return MADPO_OK;
    for (int i = 0; i < 3 && words[i]; i++)
        if (strcmp(given, words[i]) == 0) {
            *out = i;
            return MADPO_OK;
        }
    return madpo_error_set(err, MADPO_ERR_USAGE, "--%s=%s: %s, %s%s%s and auto are known", option,
                           given, words[0], words[1], words[2] ? ", " : "",
                           words[2] ? words[2] : "");
}

static madpo_status session_words(madpo_session *session, const madpo_tui_options *options,
                                  madpo_error *err)
{
    static const char *const glyphs[3] = {"braille", "block", "ascii"};
    static const char *const colors[3] = {"never", "16", "256"};
    static const char *const backgrounds[3] = {"dark", "light", NULL};
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    madpo_glyphs auto_kind = utf8 ? MADPO_GLYPHS_BRAILLE : MADPO_GLYPHS_ASCII;
    int kind, ignored;
    madpo_status st = session_word(&kind, "glyphs", options->glyphs, glyphs, err);

    session->view.glyphs = session->table.glyphs = kind >= 0 ? (madpo_glyphs)kind : auto_kind;
    if (st == MADPO_OK)
        st = session_word(&ignored, "color", options->color, colors, err);
    if (st == MADPO_OK)
        st = session_word(&ignored, "background", options->background, backgrounds, err);
    return st;
}

madpo_status madpo_session_moment(const madpo_session *session, const char *option,
                                  const char *text, int *phase, double *step, madpo_error *err)
{
    const madpo_history *history = madpo_view_history(&session->view);
    const char *colon = strrchr(text, ':'), *number = colon ? colon + 1 : text;
    char *end, name[64] = "policy";

    *step = strtod(number, &end);
    if (colon && (size_t)(colon - text) < sizeof name) {
        memcpy(name, text, (size_t)(colon - text));
        name[colon - text] = '\0';
    }
    *phase = madpo_history_phase(history, name);
    if (*phase < 0 && !colon)
        *phase = madpo_view_plot_phase(&session->view);
    if (end == number || *end || !(*step >= 0))
        return madpo_error_set(err, MADPO_ERR_USAGE, "--%s %s: STEP or STAGE:STEP is wanted",
                               option, text);
    if (*phase < 0)
        return madpo_error_set(err, MADPO_ERR_DATA, "--%s %s: run %s has no stage %s yet", option,
                               text, session->source->name, name);
    return MADPO_OK;
}

static madpo_status session_at(madpo_session *session, const char *at, madpo_error *err)
{
    double step;
    int phase;
    madpo_status st = madpo_session_moment(session, "at", at, &phase, &step, err);

    if (st == MADPO_OK)
        madpo_view_go(&session->view, phase, step);
    return st;
}

madpo_status madpo_session_load(madpo_session *session, double seconds, bool *changed, bool *more,
                                madpo_error *err)
{
    bool only_tail, table_changed = false, table_more = false;
    int64_t n;
    madpo_status st = MADPO_OK;

    *changed = *more = false;
    if (session->has_table)
        st = madpo_cells_load(session->table.cells, seconds, &table_changed, &table_more, err);
    if (st != MADPO_OK || !session->source) {
        *changed = table_changed;
        *more = table_more;
        return st;
    }
    only_tail = session->source->only_tail;
    st = madpo_feed_load(session->source, seconds, &n, more, err);
    *changed = n > 0;
    if (only_tail && !session->source->only_tail) { /* stages are numbered anew */
        session->view.plot_phase = -1;
        session->view.list_stale = true;
        session->view.replay = session->view.playing = false;
    }
    for (int i = 0; st == MADPO_OK && i < MADPO_VIEW_OTHERS; i++) {
        bool more_there = false;

        if (!session->view.others[i])
            continue;
        st = madpo_feed_load(session->view.others[i], seconds / 4, &n, &more_there, err);
        *changed = *changed || n > 0;
        *more = *more || more_there;
    }
    return st;
}

/* ---- opening ---- */

static madpo_status open_table(madpo_session *session, madpo_error *err)
{
    const madpo_tui_options *options = session->options;
    madpo_cells *cells;
    madpo_status st;

    if (options->at || options->compare[0])
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "%s holds an experiment: --at and --compare are for its runs, as in "
                               "madpo watch %s/cells/CELL",
                               options->run, options->run);
    st = madpo_cells_open(&cells, options->run, err);
    if (st != MADPO_OK)
        return st;
    madpo_table_init(&session->table, cells);
    session->table.control = options->control;
    session->table.attached = options->attached;
    session->has_table = true;
    return session_words(session, options, err);
}

static void open_bookmarks(madpo_session *session)
{
    const json_t *manifest = madpo_run_reader_manifest(session->source->reader);

    madpo_bookmarks_open(&session->view.bookmarks,
                         json_string_value(json_object_get(manifest, "id")));
}

static madpo_status open_run(madpo_session *session, madpo_error *err)
{
    const madpo_tui_options *options = session->options;
    madpo_status st = madpo_feed_open(&session->source, options->run, 0.2, err);

    if (st != MADPO_OK)
        return st;
    madpo_view_init(&session->view, session->source);
    open_bookmarks(session);
    session->view.control = options->control;
    session->view.attached = options->attached;
    st = session_words(session, options, err);
    for (int i = 0; st == MADPO_OK && i < MADPO_TUI_COMPARED && options->compare[i]; i++)
        st = madpo_view_compare(&session->view, options->compare[i], err);
    return st;
}

madpo_status madpo_session_open(madpo_session *session, const madpo_tui_options *options, bool wait,
                                madpo_error *err)
{
    bool changed, more = wait || options->at; /* that moment may be far from the end */
    madpo_status st;

    memset(session, 0, sizeof *session);
    session->options = options;
    st = madpo_cells_are_in(options->run) ? open_table(session, err) : open_run(session, err);
    while (st == MADPO_OK && more)
        st = madpo_session_load(session, 1.0, &changed, &more, err);
    if (st == MADPO_OK && options->at)
        st = session_at(session, options->at, err);
    return st;
}

static void close_run(madpo_session *session)
{
    if (session->source)
        madpo_view_dispose(&session->view);
    madpo_feed_close(session->source);
    session->source = NULL;
}

void madpo_session_dispose(madpo_session *session)
{
    close_run(session);
    if (session->has_table)
        madpo_table_dispose(&session->table);
    madpo_grid_dispose(&session->grid);
    memset(session, 0, sizeof *session);
}

/* Show the run of the cell under the cursor, with those marked beside it. */
static void open_cell(madpo_session *session)
{
    madpo_table *table = &session->table;
    const madpo_part *part = madpo_table_part(table);
    madpo_error err = MADPO_ERROR_INIT;
    madpo_status st = madpo_feed_open(&session->source, part->dir, 0.2, &err);

    if (st == MADPO_OK) {
        madpo_view_init(&session->view, session->source);
        open_bookmarks(session);
        session->view.control = table->control;
        session->view.inside = session->view.menu.experiment = true;
        session->view.glyphs = table->glyphs;
        session->view.now = table->now;
    }
    for (size_t i = 0; i < table->cells->n && st == MADPO_OK; i++)
        if (table->cells->part[i]->marked && table->cells->part[i] != part)
            st = madpo_view_compare(&session->view, table->cells->part[i]->dir, &err);
    if (st != MADPO_OK)
        madpo_session_say(session, err.message);
}

/* ---- whatever is shown ---- */

bool madpo_session_check_live(madpo_session *session)
{
    if (!session->source)
        return session->table.cells->live;
    madpo_feed_check_live(session->source);
    return session->source->live;
}

madpo_status madpo_session_render(madpo_session *session, int w, int h, madpo_error *err)
{
    session->view.mono = session->mono;
    if (session->source)
        return madpo_view_render(&session->grid, &session->view, w, h, err);
    return madpo_table_render(&session->grid, &session->table, w, h, err);
}

madpo_action madpo_session_key(madpo_session *session, int key)
{
    madpo_action action = session->source ? madpo_view_key(&session->view, key)
                                          : madpo_table_key(&session->table, key);

    if (action == MADPO_ACTION_OPEN) {
        open_cell(session);
        return MADPO_ACTION_NONE;
    }
    if (action != MADPO_ACTION_BACK)
        return action;
    session->table.glyphs = session->view.glyphs;
    close_run(session);
    return MADPO_ACTION_NONE;
}

madpo_action madpo_session_pasted(madpo_session *session, int key)
{
    const madpo_view *view = &session->view;
    bool typing = session->source ? view->prompt != MADPO_PROMPT_NONE ||
                                        (view->help && !view->menu.open && !view->steer.asking)
                                  : session->table.typing || session->table.help;

    if (!typing)
        madpo_session_say(session, "a pasted text is no keys; it can go where something is typed");
    else if (key >= ' ' && key != 0x7f) /* line ends are left out */
        return madpo_session_key(session, key);
    return MADPO_ACTION_NONE;
}

void madpo_session_mouse(madpo_session *session, int x, int y, int wheel)
{
    if (session->source)
        madpo_view_mouse(&session->view, x, y, wheel);
    else
        madpo_table_mouse(&session->table, x, y, wheel);
}

bool madpo_session_tick(madpo_session *session, double seconds)
{
    return session->source && madpo_view_tick(&session->view, seconds);
}

void madpo_session_say(madpo_session *session, const char *text)
{
    char *message = session->source ? session->view.message : session->table.message;

    snprintf(message, sizeof session->view.message, "%.199s", text);
}

/* ---- typing ---- */

static const struct {
    const char *name;
    int key;
} session_keys[] = {{"Tab", MADPO_KEY_TAB},
                    {"S-Tab", MADPO_KEY_BACK_TAB},
                    {"Enter", MADPO_KEY_ENTER},
                    {"Esc", MADPO_KEY_ESCAPE},
                    {"Space", ' '},
                    {"Up", MADPO_KEY_UP},
                    {"Down", MADPO_KEY_DOWN},
                    {"Left", MADPO_KEY_LEFT},
                    {"Right", MADPO_KEY_RIGHT},
                    {"PgUp", MADPO_KEY_PAGE_UP},
                    {"PgDn", MADPO_KEY_PAGE_DOWN},
                    {"Home", MADPO_KEY_HOME},
                    {"End", MADPO_KEY_END},
                    {"F1", MADPO_KEY_F1},
                    {"C-l", MADPO_KEY_CTRL_L},
                    {"C-c", MADPO_KEY_CTRL_C},
                    {"BS", MADPO_KEY_BACKSPACE},
                    {"lt", '<'},
                    {"Wait", -1}};

int madpo_session_next_key(const char **text)
{
    const char *at = *text, *close = *at == '<' ? strchr(at, '>') : NULL;
    uint32_t glyph;
    int width;

    for (size_t i = 0; close && i < sizeof session_keys / sizeof *session_keys; i++)
        if (strlen(session_keys[i].name) == (size_t)(close - at) - 1 &&
            memcmp(session_keys[i].name, at + 1, (size_t)(close - at) - 1) == 0) {
            *text = close + 1;
            return session_keys[i].key;
        }
    if (*at == '\n') {
        *text = at + 1;
        return 0;
    }
    *text += madpo_text_next(at, &glyph, &width);
    return (int)glyph;
}

madpo_status madpo_session_type(madpo_session *session, const char *keys, int w, int h, bool *quit,
                                madpo_error *err)
{
    bool changed, more;
    madpo_status st = madpo_session_render(session, w, h, err);

    *quit = false;
    while (st == MADPO_OK && *keys && !*quit) {
        int key = madpo_session_next_key(&keys);

        if (key <= 0)
            continue;
        *quit = madpo_session_key(session, key) == MADPO_ACTION_QUIT;
        do /* a run that was opened just now is shown as a whole */
            st = madpo_session_load(session, 1.0, &changed, &more, err);
        while (st == MADPO_OK && more);
        while (session->source && madpo_find_working(&session->view))
            madpo_find_tick(&session->view); /* and a search has come to its end */
        if (st == MADPO_OK)
            st = madpo_session_render(session, w, h, err);
    }
    return st;
}
