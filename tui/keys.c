/* The table of keys, which is the dispatcher and the help alike; see view.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tui/cursor.h"
#include "tui/runs.h"

static void say(madpo_view *view, const char *text)
{
    snprintf(view->message, sizeof view->message, "%.199s", text);
}

/* ---- moving ---- */

static size_t page_of(const madpo_view *view)
{
    int h = view->layout.panel[view->wish.focus].h - 3;

    return h > 1 ? (size_t)h : 1;
}

static madpo_action key_move(madpo_view *view, int key)
{
    static const struct {
        int key;
        double across, down;
    } ways[] = {{MADPO_KEY_UP, 0, -1},   {'k', 0, -1}, {MADPO_KEY_DOWN, 0, 1},  {'j', 0, 1},
                {MADPO_KEY_LEFT, -1, 0}, {'h', -1, 0}, {MADPO_KEY_RIGHT, 1, 0}, {'l', 1, 0}};

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (ways[i].key == key)
            madpo_cursor_move(view, ways[i].across, ways[i].down);
    return MADPO_ACTION_NONE;
}

static madpo_action key_page(madpo_view *view, int key)
{
    double way = key == MADPO_KEY_PAGE_UP ? -1 : 1;

    if (madpo_panel_is_wide(view->wish.focus))
        madpo_cursor_move(view, 0, way * (double)page_of(view));
    else
        madpo_cursor_move(view, way * 10, 0);
    return MADPO_ACTION_NONE;
}

/* First and last; in the plots, the last is now: whatever was replayed, zoomed or pointed at. */
static madpo_action key_end(madpo_view *view, int key)
{
    double low, high;

    if (madpo_panel_is_wide(view->wish.focus)) {
        madpo_cursor_move(view, 0, key == MADPO_KEY_HOME ? -1e6 : 1e6);
    } else if (key == MADPO_KEY_HOME) {
        madpo_cursor_range(view, &low, &high);
        view->cross = low;
    } else {
        view->cross = (double)NAN;
        view->replay = view->playing = false;
    }
    return MADPO_ACTION_NONE;
}

/* ---- panels ---- */

static madpo_action key_tab(madpo_view *view, int key)
{
    int step = key == MADPO_KEY_TAB ? 1 : MADPO_PANELS - 2;
    int panel = view->wish.focus;

    for (int i = 1; i < MADPO_PANELS; i++) {
        panel = 1 + (panel - 1 + step) % (MADPO_PANELS - 1);
        if (view->layout.n_panels <= 1 || view->layout.panel[panel].w > 0)
            break;
    }
    madpo_view_focus(view, (madpo_panel)panel);
    return MADPO_ACTION_NONE;
}

static madpo_action key_panel(madpo_view *view, int key)
{
    madpo_view_focus(view, key == '0' ? MADPO_PANEL_LOG : (madpo_panel)(key - '0'));
    return MADPO_ACTION_NONE;
}

static madpo_action key_zoom_panel(madpo_view *view, int key)
{
    view->wish.zoomed = key == '_' ? false : key == '+' ? true : !view->wish.zoomed;
    return MADPO_ACTION_NONE;
}

/* One layer back. */
static madpo_action key_escape(madpo_view *view, int key)
{
    (void)key;
    if (view->wish.zoomed)
        view->wish.zoomed = false;
    else if (view->wish.focus == MADPO_PANEL_PAIR)
        madpo_view_focus(view, MADPO_PANEL_SAMPLES);
    else if (!isnan(view->cross))
        view->cross = (double)NAN;
    else if (view->bin >= 0)
        view->bin = -1;
    else if (view->replay)
        view->replay = view->playing = false;
    else if (view->wish.guest_plot || view->wish.guest_wide) {
        view->wish.guest_plot = view->wish.guest_wide = MADPO_PANEL_NONE;
        view->wish.focus = MADPO_PANEL_LOSS;
    }
    return MADPO_ACTION_NONE;
}

static madpo_action key_warnings(madpo_view *view, int key)
{
    (void)key;
    if (view->wish.focus == MADPO_PANEL_LOG)
        view->log_kind = (madpo_log_kind)((view->log_kind + 1) % MADPO_LOG_KINDS);
    view->log_scroll = 0;
    madpo_view_focus(view, MADPO_PANEL_LOG);
    return MADPO_ACTION_NONE;
}

/* ---- plots ---- */

static madpo_action key_zoom_x(madpo_view *view, int key)
{
    madpo_cursor_zoom(view, key == 'i');
    return MADPO_ACTION_NONE;
}

static madpo_action key_pan(madpo_view *view, int key)
{
    double all_low, all_high, width = view->x_high - view->x_low;

    if (!(width > 0) || !madpo_cursor_extent(view, &all_low, &all_high))
        return MADPO_ACTION_NONE;
    view->x_low += width * (key == '<' ? -0.25 : 0.25);
    view->x_low = fmax(all_low, fmin(view->x_low, all_high - width));
    view->x_high = view->x_low + width;
    return MADPO_ACTION_NONE;
}

static madpo_action key_reset(madpo_view *view, int key)
{
    (void)key;
    view->x_low = view->x_high = view->cross = (double)NAN;
    view->has_preview = false;
    view->preview = view->source->weight;
    view->preview_beta = view->source->beta;
    view->plot_phase = -1;
    return MADPO_ACTION_NONE;
}

static madpo_action key_smooth(madpo_view *view, int key)
{
    int step = key == 's' ? 1 : MADPO_SMOOTHINGS - 1;

    view->smoothing = (view->smoothing + step) % MADPO_SMOOTHINGS;
    snprintf(view->message, sizeof view->message, "smoothing %g",
             madpo_smoothings[view->smoothing]);
    return MADPO_ACTION_NONE;
}

static madpo_action key_switch(madpo_view *view, int key)
{
    if (key == 'y') {
        view->log_y = !view->log_y;
    } else if (key == 'Y') {
        view->clip = !view->clip;
    } else if (key == 'g') {
        view->guides = !view->guides;
    } else if (key == 'x') {
        view->axis = (madpo_axis)((view->axis + 1) % MADPO_AXES);
        view->x_low = view->x_high = view->cross = (double)NAN;
    } else if (key == 't') {
        view->glyphs = (madpo_glyphs)((view->glyphs + 1) % MADPO_GLYPHS_KINDS);
    }
    return MADPO_ACTION_NONE;
}

/* The next stage that has a loss. */
static madpo_action key_stage(madpo_view *view, int key)
{
    const madpo_history *history = madpo_view_history(view);
    int n = (int)history->n_phases, phase = madpo_view_plot_phase(view);

    for (int i = 0; i < n; i++) {
        phase = (phase + (key == 'b' ? 1 : n - 1)) % n;
        if (madpo_phase_metric(history->phases[phase], "loss"))
            break;
    }
    view->plot_phase = phase;
    view->x_low = view->x_high = view->cross = (double)NAN;
    return MADPO_ACTION_NONE;
}

/* ---- parameters of the weight ---- */

static madpo_action key_parameter(madpo_view *view, int key)
{
    madpo_weight_options *w = &view->preview;
    double up = key == ')' ? 1 : -1;

    if (!view->has_preview) {
        view->preview = view->source->weight;
        view->preview_beta = view->source->beta;
    }
    view->has_preview = true;
    if (view->parameter == 0)
        w->c_max = fmax(1.0, w->c_max + 0.1 * up);
    else if (view->parameter == 1)
        w->c_min = fmin(0.95, fmax(0.0, w->c_min + 0.05 * up));
    else if (view->parameter == 2)
        w->tau = fmax(0.1, w->tau + (w->tau > 2 ? 0.25 : 0.1) * up);
    else if (view->parameter == 3)
        w->lambda = fmax(0.05, w->lambda * pow(1.15, up));
    else if (isfinite(view->preview_beta))
        view->preview_beta = fmax(1e-4, view->preview_beta * pow(1.15, up));
    madpo_view_focus(view, MADPO_PANEL_MARGINS);
    return MADPO_ACTION_NONE;
}

/* ---- samples ---- */

static madpo_action key_sort(madpo_view *view, int key)
{
    if (key == 'O')
        view->descending = !view->descending;
    else
        view->sort = (madpo_sort)((view->sort + 1) % MADPO_SORTS);
    view->list_stale = true;
    view->cursor = view->top = 0;
    snprintf(view->message, sizeof view->message, "sorted by %s, %s", madpo_sort_names[view->sort],
             view->descending ? "largest first" : "smallest first");
    return MADPO_ACTION_NONE;
}

static madpo_action key_pick(madpo_view *view, int key)
{
    double width;

    (void)key;
    if (view->n_bins < 1 || view->stats.version == 0)
        return MADPO_ACTION_NONE;
    if (view->bin < 0)
        view->bin = view->n_bins / 2;
    width = (view->stats.high - view->stats.low) / view->n_bins;
    view->bin_low = view->bin > 0 ? view->stats.low + width * view->bin : -INFINITY;
    view->bin_high =
        view->bin + 1 < view->n_bins ? view->stats.low + width * (view->bin + 1) : INFINITY;
    view->list_stale = true;
    view->cursor = view->top = 0;
    madpo_view_focus(view, MADPO_PANEL_SAMPLES);
    return MADPO_ACTION_NONE;
}

static madpo_action key_enter(madpo_view *view, int key)
{
    if (view->wish.focus == MADPO_PANEL_MARGINS)
        return key_pick(view, key);
    if (view->wish.focus == MADPO_PANEL_SAMPLES && madpo_view_sample(view)) {
        view->pair_scroll = 0;
        madpo_view_focus(view, MADPO_PANEL_PAIR);
        view->wish.guest_wide =
            view->layout.panel[MADPO_PANEL_PAIR].w > 0 ? view->wish.guest_wide : MADPO_PANEL_PAIR;
    } else if (!madpo_panel_is_wide(view->wish.focus)) {
        view->wish.zoomed = !view->wish.zoomed;
    }
    return MADPO_ACTION_NONE;
}

static madpo_action key_mark(madpo_view *view, int key)
{
    madpo_samples *samples = &madpo_feed_story_mutable(view->source)->samples;

    (void)key;
    if (madpo_view_sample(view)) {
        madpo_sample *sample = &samples->v[view->list[view->cursor]];

        sample->marked = !sample->marked;
        madpo_cursor_list(view, 1);
    }
    return MADPO_ACTION_NONE;
}

static madpo_action key_export(madpo_view *view, int key)
{
    madpo_error err = MADPO_ERROR_INIT;
    char path[300];
    size_t n;

    (void)key;
    snprintf(path, sizeof path, "%s-marked.txt", view->source->name);
    if (madpo_runs_export(madpo_view_samples(view), path, &n, &err) != MADPO_OK)
        say(view, err.message);
    else if (n == 0)
        say(view, "no pair is marked; Space marks one");
    else
        snprintf(view->message, sizeof view->message, "%zu ids written to %.160s", n, path);
    return MADPO_ACTION_NONE;
}

static madpo_action key_unfilter(madpo_view *view, int key)
{
    (void)key;
    view->filter = (madpo_filter){0};
    view->filter_text[0] = '\0';
    view->bin_low = view->bin_high = (double)NAN;
    view->list_stale = true;
    return MADPO_ACTION_NONE;
}

static madpo_action key_prompt(madpo_view *view, int key)
{
    view->prompt = key == '/' ? MADPO_PROMPT_SEARCH : MADPO_PROMPT_FILTER;
    snprintf(view->typed, sizeof view->typed, "%s", key == 'f' ? view->filter_text : "");
    return MADPO_ACTION_NONE;
}

/* The next pair whose text holds what was searched, in the order of the list. */
static madpo_action key_next(madpo_view *view, int key)
{
    madpo_filter wanted = {.n = 0};
    madpo_error err = MADPO_ERROR_INIT;
    size_t n = view->n_list;
    char words[MADPO_VIEW_TEXT + 8];

    if (!view->search[0] || n == 0)
        return MADPO_ACTION_NONE;
    snprintf(words, sizeof words, "%s", view->search);
    if (madpo_filter_parse(&wanted, words, &err) != MADPO_OK) {
        say(view, err.message);
        return MADPO_ACTION_NONE;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t at = (view->cursor + (key == 'N' ? n - i : i)) % n;

        if (madpo_filter_holds(&wanted, view->source, &madpo_view_samples(view)->v[view->list[at]],
                               madpo_view_policy_step(view))) {
            view->cursor = at;
            view->pair_scroll = 0;
            if (view->wish.focus != MADPO_PANEL_PAIR)
                madpo_view_focus(view, MADPO_PANEL_SAMPLES);
            return MADPO_ACTION_NONE;
        }
    }
    snprintf(view->message, sizeof view->message, "no pair here has \"%.100s\"", view->search);
    return MADPO_ACTION_NONE;
}

/* ---- time ---- */

static madpo_action key_replay(madpo_view *view, int key)
{
    const madpo_history *history = madpo_view_history(view);
    madpo_moment at = madpo_view_moment(view);
    double step, last;

    if (at.phase < 0)
        return MADPO_ACTION_NONE;
    last = history->phases[at.phase]->step;
    step = at.step + (key == '[' ? -1 : 1) * fmax(1, floor(last / 50));
    if (key == '[' && step < 0 && at.phase > 0)
        madpo_view_go(view, at.phase - 1, history->phases[at.phase - 1]->step);
    else if (key == ']' && step > last && at.phase + 1 < (int)history->n_phases)
        madpo_view_go(view, at.phase + 1, 0);
    else
        madpo_view_go(view, at.phase, step);
    return MADPO_ACTION_NONE;
}

static madpo_action key_play(madpo_view *view, int key)
{
    const madpo_history *history = madpo_view_history(view);

    if (key == '{' || key == '}') {
        view->speed = fmin(64, fmax(1.0 / 16, view->speed * (key == '{' ? 0.5 : 2)));
    } else if (key == 'F') {
        madpo_moment at = madpo_view_moment(view);

        view->playing = false;
        if (view->replay)
            view->replay = false;
        else
            madpo_view_go(view, at.phase, at.step);
    } else {
        view->playing = !view->playing;
        if (view->playing && !view->replay) { /* from the beginning of what is shown */
            int phase = madpo_view_plot_phase(view);

            madpo_view_go(view, phase < 0 ? (int)history->n_phases - 1 : phase, 0);
        }
    }
    snprintf(view->message, sizeof view->message, "%s, speed %gx",
             view->playing  ? "playing"
             : view->replay ? "stopped"
                            : "live",
             view->speed);
    return MADPO_ACTION_NONE;
}

/* ---- the program ---- */

static madpo_action key_help(madpo_view *view, int key)
{
    (void)key;
    view->help = true;
    view->help_scroll = 0;
    view->help_filter[0] = '\0';
    return MADPO_ACTION_NONE;
}

static madpo_action key_runs(madpo_view *view, int key)
{
    (void)key;
    for (int i = 0; i < view->n_runs; i++)
        free(view->runs[i]);
    view->n_runs = madpo_runs_beside(view->source->dir, view->runs, MADPO_VIEW_RUNS);
    view->run_cursor =
        madpo_cursor_moved(view->run_cursor, 0, view->n_runs > 0 ? view->n_runs - 1 : 0, 0);
    view->show_runs = true;
    return MADPO_ACTION_NONE;
}

static madpo_action key_action(madpo_view *view, int key)
{
    (void)view;
    return key == 'q' || key == MADPO_KEY_CTRL_C ? MADPO_ACTION_QUIT
           : key == 'm'                          ? MADPO_ACTION_MOUSE
           : key == 'D'                          ? MADPO_ACTION_DUMP
                                                 : MADPO_ACTION_REPAINT;
}

/* A row without keys is a heading, or explains what is on the screen. */
const madpo_key_row madpo_keys[] = {
    {{0}, "", NULL, "The screen", NULL},
    {{'?', MADPO_KEY_F1}, "? F1", "?help", "this help; type to narrow it", key_help},
    {{MADPO_KEY_TAB, MADPO_KEY_BACK_TAB},
     "Tab S-Tab",
     "Tab focus",
     "next panel, panel before",
     key_tab},
    {{'1', '2', '3', '4'},
     "1 to 9, 0",
     NULL,
     "loss, margins, samples, rewards, weights, system, all metrics, groups, pair, log",
     key_panel},
    {{'5', '6', '7', '8'}, NULL, NULL, NULL, key_panel},
    {{'9', '0'}, NULL, NULL, NULL, key_panel},
    {{'z', '+', '_'}, "z + _", "z:zoom", "the panel alone on the screen, and back", key_zoom_panel},
    {{MADPO_KEY_ESCAPE}, "Esc", NULL, "one layer back", key_escape},
    {{'w'}, "w", NULL, "log; again: only warnings; again: what the trainer printed", key_warnings},
    {{'t'}, "t", NULL, "characters: braille, block, ASCII", key_switch},
    {{'m'}, "m", NULL, "take the mouse, or leave it to the terminal", key_action},
    {{'D'}, "D", NULL, "write the screen to a text file", key_action},
    {{MADPO_KEY_CTRL_L}, "Ctrl+L", NULL, "paint everything again", key_action},
    {{'q', MADPO_KEY_CTRL_C}, "q", "q:leave", "leave; the run goes on", key_action},
    {{0}, "", NULL, "The run", NULL},
    {{'p'},
     "p",
     "p:pause",
     "pause the training, or go on (all of these ask first, and need --control)",
     madpo_key_steer},
    {{'c'}, "c", "c:save", "save a checkpoint now", madpo_key_steer},
    {{'E'}, "E", "E:eval", "compute the held-out loss now", madpo_key_steer},
    {{'-', '*'}, "- *", "-*:lr", "learning rate x0.5, x2, from the next step on", madpo_key_steer},
    {{'L'}, "L", NULL, "learning rate: type 2e-4, or x0.3", madpo_key_steer},
    {{':'}, ":", NULL, "type what the run is to do: lr 2e-4, stop, ...", madpo_key_steer},
    {{'Q'}, "Q", "Q:stop", "save a checkpoint and end the run", madpo_key_steer},
    {{0}, "", NULL, "Moving", NULL},
    {{MADPO_KEY_UP, MADPO_KEY_DOWN, MADPO_KEY_LEFT, MADPO_KEY_RIGHT},
     "arrows hjkl",
     NULL,
     "cursor; in plots the crosshair; in margins bin and parameter",
     key_move},
    {{'h', 'j', 'k', 'l'}, NULL, NULL, NULL, key_move},
    {{MADPO_KEY_PAGE_UP, MADPO_KEY_PAGE_DOWN}, "PgUp PgDn", NULL, "a page", key_page},
    {{MADPO_KEY_HOME, MADPO_KEY_END},
     "Home End",
     NULL,
     "first, last; End in a plot: live",
     key_end},
    {{0}, "", NULL, "Plots", NULL},
    {{'i', 'o'}, "i o", "i o:in out", "zoom in and out at the crosshair", key_zoom_x},
    {{'<', '>'}, "< >", NULL, "move what is shown", key_pan},
    {{'='}, "=", NULL, "everything as it was: range, crosshair, parameters, stage", key_reset},
    {{'s', 'S'}, "s S", "s:smooth", "smoothing: more, less (0 .6 .9 .97 .99)", key_smooth},
    {{'y'}, "y", "y:log", "logarithmic y", key_switch},
    {{'x'}, "x", "x:axis", "x: steps, tokens, time", key_switch},
    {{'Y'},
     "Y",
     NULL,
     "y without the outermost hundredth of the values; says how many are out",
     key_switch},
    {{'g'}, "g", NULL, "guide lines", key_switch},
    {{'b', 'B'}, "b B", "b:stage", "another stage of the run", key_stage},
    {{'(', ')'},
     "( )",
     NULL,
     "try another value of the parameter (up and down choose it)",
     key_parameter},
    {{'r'}, "r", "r:runs", "runs to compare with", key_runs},
    {{0}, "", NULL, "Samples", NULL},
    {{MADPO_KEY_ENTER},
     "Enter",
     "Enter open",
     "open the pair; in margins: the pairs of the bin",
     key_enter},
    {{' '}, "Space", NULL, "mark the pair", key_mark},
    {{'e'}, "e", NULL, "write the ids of the marked pairs to a file", key_export},
    {{'u', 'O'},
     "u O",
     "u:sort",
     "sort by h, w, m, dm, len, src, seen, id; turn the order",
     key_sort},
    {{'f'},
     "f",
     "f:filter",
     "filter: h<0 w>.8 m<0 dm<0 len>512 src:x split:eval flag:! text:word",
     key_prompt},
    {{'\\'}, "\\", NULL, "no filter, no bin", key_unfilter},
    {{'v'}, "v", NULL, "the pairs of the histogram's bin", key_pick},
    {{'/'}, "/", "/find", "search in the texts", key_prompt},
    {{'n', 'N'}, "n N", NULL, "next and previous that was found", key_next},
    {{0}, "", NULL, "Time", NULL},
    {{'[', ']'}, "[ ]", "[ ]:replay", "back, forward", key_replay},
    {{'.', '{', '}'}, ". { }", NULL, "play, stop; slower, faster", key_play},
    {{'F'}, "F", NULL, "freeze the picture (the run goes on)", key_play},
    {{0}, "", NULL, "What is shown", NULL},
    {{0},
     "h",
     NULL,
     "margin of the reward model, r(chosen) - r(rejected); fixed before the policy",
     NULL},
    {{0}, "w", NULL, "weight of the pair in the loss, w(h); the curve over the histogram", NULL},
    {{0}, "m", NULL, "margin of the policy: its log-ratios to the reference, without beta", NULL},
    {{0}, "dm", NULL, "change of m since the pair was logged before", NULL},
    {{0}, "seen", NULL, "how often the pair was among the samples logged (not: trained on)", NULL},
    {{0},
     "! x -",
     NULL,
     "! h < 0 and m < 0 and falling; x the true scores contradict the label; - h < 0",
     NULL},
    {{0}, "e", NULL, "behind an id: held out, never trained on", NULL},
    {{0}, "rewards", NULL, "beta times the log-ratio of chosen and rejected; margin = C - R", NULL},
    {{0}, "ESS", NULL, "(sum w)^2 / (n sum w^2): 1 = all pairs count alike", NULL},
    {{0}, "pull", NULL, "mean beta w sigma(-beta m): how hard the loss pulls on m", NULL},
    {{0}, "c ^ ! N", NULL, "in plots: checkpoint, control, warning, NaN", NULL},
};
const int madpo_n_keys = (int)(sizeof madpo_keys / sizeof *madpo_keys);

/* ---- dispatch ---- */

static void prompt_done(madpo_view *view)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_filter filter;
    madpo_prompt prompt = view->prompt;

    view->prompt = MADPO_PROMPT_NONE;
    if (prompt == MADPO_PROMPT_SEARCH) {
        memcpy(view->search, view->typed, sizeof view->search);
        key_next(view, 'n');
        return;
    }
    if (prompt == MADPO_PROMPT_STEER || prompt == MADPO_PROMPT_RATE) {
        madpo_steer_typed(view, view->typed, prompt == MADPO_PROMPT_RATE);
        return;
    }
    if (madpo_filter_parse(&filter, view->typed, &err) != MADPO_OK) {
        say(view, err.message);
        return;
    }
    view->filter = filter;
    memcpy(view->filter_text, view->typed, sizeof view->filter_text);
    view->list_stale = true;
    view->cursor = view->top = 0;
    madpo_view_focus(view, MADPO_PANEL_SAMPLES);
}

static void text_key(char *text, int key)
{
    size_t n = strlen(text);

    if (key == MADPO_KEY_BACKSPACE || key == 0x7f || key == 0x08) {
        while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
            n--;
        text[n > 0 ? n - 1 : 0] = '\0';
    } else if (key == 0x15) { /* Ctrl+U */
        text[0] = '\0';
    } else if (key >= ' ' && key < 0x7f && n + 1 < MADPO_VIEW_TEXT) {
        text[n] = (char)key;
        text[n + 1] = '\0';
    } else if (key >= 0xa0 && key < 0x800 && n + 2 < MADPO_VIEW_TEXT) {
        text[n] = (char)(0xc0 | key >> 6);
        text[n + 1] = (char)(0x80 | (key & 0x3f));
        text[n + 2] = '\0';
    } else if (key >= 0x800 && key < 0x10000 && n + 3 < MADPO_VIEW_TEXT) {
        text[n] = (char)(0xe0 | key >> 12);
        text[n + 1] = (char)(0x80 | (key >> 6 & 0x3f));
        text[n + 2] = (char)(0x80 | (key & 0x3f));
        text[n + 3] = '\0';
    }
}

static void prompt_key(madpo_view *view, int key)
{
    if (key == MADPO_KEY_ESCAPE || key == MADPO_KEY_CTRL_C)
        view->prompt = MADPO_PROMPT_NONE;
    else if (key == MADPO_KEY_ENTER || key == '\n')
        prompt_done(view);
    else
        text_key(view->typed, key);
}

static void help_key(madpo_view *view, int key)
{
    if (key == MADPO_KEY_ESCAPE || key == MADPO_KEY_F1 || key == MADPO_KEY_ENTER ||
        key == MADPO_KEY_CTRL_C || (key == '?' && !view->help_filter[0]))
        view->help = false;
    else if (key == MADPO_KEY_UP || key == MADPO_KEY_PAGE_UP)
        view->help_scroll =
            madpo_cursor_moved(view->help_scroll, 0, 1000, key == MADPO_KEY_UP ? -1 : -10);
    else if (key == MADPO_KEY_DOWN || key == MADPO_KEY_PAGE_DOWN)
        view->help_scroll =
            madpo_cursor_moved(view->help_scroll, 0, 1000, key == MADPO_KEY_DOWN ? 1 : 10);
    else {
        text_key(view->help_filter, key);
        view->help_scroll = 0;
    }
}

static void runs_key(madpo_view *view, int key)
{
    madpo_error err = MADPO_ERROR_INIT;
    int last = view->n_runs > 0 ? view->n_runs - 1 : 0;

    if (key == MADPO_KEY_UP || key == 'k')
        view->run_cursor = madpo_cursor_moved(view->run_cursor, 0, last, -1);
    else if (key == MADPO_KEY_DOWN || key == 'j')
        view->run_cursor = madpo_cursor_moved(view->run_cursor, 0, last, 1);
    else if ((key == ' ' || key == MADPO_KEY_ENTER || key == '\n') && view->n_runs > 0) {
        if (madpo_view_compare(view, view->runs[view->run_cursor], &err) != MADPO_OK)
            say(view, err.message);
    } else if (key == MADPO_KEY_ESCAPE || key == 'r' || key == 'q' || key == MADPO_KEY_CTRL_C)
        view->show_runs = false;
}

madpo_action madpo_view_key(madpo_view *view, int key)
{
    view->message[0] = '\0';
    view->steer.accepted = false;
    if (key == MADPO_KEY_CTRL_L)
        return MADPO_ACTION_REPAINT;
    if (view->prompt != MADPO_PROMPT_NONE) {
        prompt_key(view, key);
        return MADPO_ACTION_NONE;
    }
    if (view->steer.asking) {
        madpo_steer_answer(view, key);
        return MADPO_ACTION_NONE;
    }
    if (view->help || view->show_runs) {
        if (view->help)
            help_key(view, key);
        else
            runs_key(view, key);
        return MADPO_ACTION_NONE;
    }
    if (key == '\n')
        key = MADPO_KEY_ENTER;
    for (int i = 0; i < madpo_n_keys; i++)
        for (int k = 0; k < 4 && madpo_keys[i].keys[k]; k++)
            if (madpo_keys[i].keys[k] == key)
                return madpo_keys[i].run(view, key);
    return MADPO_ACTION_NONE;
}
