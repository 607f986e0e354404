/* The table of keys, which is the dispatcher and the help alike; see view.h. */
#include "tui/keys.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tui/cursor.h"
#include "tui/runs.h"

void madpo_key_say(madpo_view *view, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(view->message, sizeof view->message, fmt, ap);
    va_end(ap);
}

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
    return key == 'q'   ? view->inside ? MADPO_ACTION_BACK : MADPO_ACTION_QUIT
           : key == 'm' ? MADPO_ACTION_MOUSE
           : key == 'D' ? MADPO_ACTION_DUMP
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
     madpo_key_tab},
    {{'1', '2', '3', '4'},
     "1 to 9, 0",
     NULL,
     "loss, margins, samples, rewards, weights, system, all metrics, groups, pair, log",
     madpo_key_panel},
    {{'5', '6', '7', '8'}, NULL, NULL, NULL, madpo_key_panel},
    {{'9', '0'}, NULL, NULL, NULL, madpo_key_panel},
    {{'z', '+', '_'},
     "z + _",
     "z:zoom",
     "zoom: the panel alone on the screen, and back",
     madpo_key_zoom_panel},
    {{MADPO_KEY_ESCAPE}, "Esc", NULL, "one layer back; stops a search", madpo_key_escape},
    {{'w'},
     "w",
     NULL,
     "log; again: only warnings; what the trainer printed; bookmarks",
     madpo_key_warnings},
    {{'t'}, "t", NULL, "characters: braille, block, ASCII", madpo_key_switch},
    {{'m'}, "m", NULL, "take the mouse, or leave it to the terminal", key_action},
    {{'D'}, "D", NULL, "write the screen to madpo-screen.txt (z before it: the panel)", key_action},
    {{'d'}, "d", NULL, "write the numbers of the panel to RUN-PANEL.tsv", madpo_key_numbers},
    {{0},
     "files",
     NULL,
     "go to the folder it was started in; one that is there is kept: NAME-2 is next",
     NULL},
    {{MADPO_KEY_CTRL_L}, "Ctrl+L", NULL, "paint everything again", key_action},
    {{'q'},
     "q",
     "q:leave",
     "leave, the run goes on; from a cell: back to its experiment",
     key_action},
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
    {{'Q'}, "Q", "Q:stop", "a menu: save and stop, end the run now, or leave it", madpo_key_stop},
    {{MADPO_KEY_CTRL_C},
     "Ctrl+C",
     NULL,
     "that menu; again within 2 s: save and stop; again: end it now. Without --control: leave",
     madpo_key_stop},
    {{0}, "", NULL, "Moving", NULL},
    {{MADPO_KEY_UP, MADPO_KEY_DOWN, MADPO_KEY_LEFT, MADPO_KEY_RIGHT},
     "arrows hjkl",
     NULL,
     "cursor; in plots the crosshair; in margins bin and parameter; in the log what is cut",
     madpo_key_move},
    {{'h', 'j', 'k', 'l'}, NULL, NULL, NULL, madpo_key_move},
    {{MADPO_KEY_PAGE_UP, MADPO_KEY_PAGE_DOWN}, "PgUp PgDn", NULL, "a page", madpo_key_page},
    {{MADPO_KEY_HOME, MADPO_KEY_END},
     "Home End",
     NULL,
     "first, last; End in a plot: live",
     madpo_key_end},
    {{0}, "", NULL, "Plots", NULL},
    {{'i', 'o'}, "i o", "i o:in out", "zoom in and out at the crosshair", madpo_key_zoom_x},
    {{'<', '>'}, "< >", NULL, "move what is shown", madpo_key_pan},
    {{'='},
     "=",
     NULL,
     "everything as it was: range, crosshair, parameters, stage",
     madpo_key_reset},
    {{'s', 'S'}, "s S", "s:smooth", "smoothing: more, less (0 .6 .9 .97 .99)", madpo_key_smooth},
    {{'y'}, "y", "y:log", "logarithmic y", madpo_key_switch},
    {{'x'}, "x", "x:axis", "x: steps, samples, tokens, time", madpo_key_switch},
    {{'Y'},
     "Y",
     NULL,
     "y without the outermost hundredth of the values; says how many are out",
     madpo_key_switch},
    {{'g'}, "g", NULL, "guide lines", madpo_key_switch},
    {{'b', 'B'}, "b B", "b:stage", "another stage of the run", madpo_key_stage},
    {{'(', ')'},
     "( )",
     NULL,
     "try another value of the parameter (up and down choose it)",
     madpo_key_parameter},
    {{'P'},
     "P",
     NULL,
     "the values tried, as --set arguments and as RUN-preview.cfg for madpo train",
     madpo_key_preview},
    {{'r'}, "r", "r:runs", "runs to compare with", key_runs},
    {{0}, "", NULL, "Samples", NULL},
    {{MADPO_KEY_ENTER},
     "Enter",
     "Enter open",
     "open the pair; in margins: the pairs of the bin",
     madpo_key_enter},
    {{' '}, "Space", NULL, "mark the pair", madpo_key_mark},
    {{'e'}, "e", NULL, "write the ids of the marked pairs to RUN-marked.txt", madpo_key_export},
    {{'u', 'O'},
     "u O",
     "u:sort",
     "sort by h, w, m, dm, len, src, seen, id, tok; turn the order",
     madpo_key_sort},
    {{'f'},
     "f",
     "f:filter",
     "filter: h<0 w>.8 m<0 dm<0 len>512 tok>0 src:x split:eval flag:! text:word",
     madpo_key_prompt},
    {{'\\'}, "\\", NULL, "no filter, no bin", madpo_key_unfilter},
    {{'v'}, "v", NULL, "the pairs of the histogram's bin", madpo_key_pick},
    {{'/'}, "/", "/find", "search in the texts", madpo_key_prompt},
    {{'n', 'N'}, "n N", NULL, "next and previous that was found", madpo_key_next},
    {{'T'},
     "T",
     NULL,
     "shade the pair's tokens by log-ratio, by log-prob, not (t behind an id: has values)",
     madpo_key_shade},
    {{0}, "", NULL, "Time", NULL},
    {{'[', ']'}, "[ ]", "[ ]:replay", "back, forward", madpo_key_replay},
    {{'.', '{', '}'}, ". { }", NULL, "play, stop; slower, faster", madpo_key_play},
    {{','}, ",", NULL, "bookmark at the moment shown; again: remove it", madpo_key_bookmark},
    {{'"', '\''}, "\" '", NULL, "bookmark before, next", madpo_key_bookmark},
    {{'F'}, "F", NULL, "freeze the picture (the run goes on)", madpo_key_play},
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
    {{0}, "c ^ ! N v", NULL, "in plots: checkpoint, control, warning, NaN, bookmark", NULL},
};
const int madpo_n_keys = (int)(sizeof madpo_keys / sizeof *madpo_keys);

/* ---- dispatch ---- */

madpo_action madpo_view_key(madpo_view *view, int key)
{
    view->message[0] = '\0';
    view->steer.accepted = false;
    if (key == MADPO_KEY_CTRL_L)
        return MADPO_ACTION_REPAINT;
    if (view->prompt != MADPO_PROMPT_NONE) {
        madpo_prompt_key(view, key);
        return MADPO_ACTION_NONE;
    }
    if (view->menu.open)
        return madpo_steer_menu_key(view, key);
    if (view->steer.asking) {
        madpo_steer_answer(view, key);
        return MADPO_ACTION_NONE;
    }
    if (view->help || view->show_runs) {
        if (view->help)
            madpo_help_key(view, key);
        else
            madpo_runs_key(view, key);
        return MADPO_ACTION_NONE;
    }
    if (key == '\n')
        key = MADPO_KEY_ENTER;
    if (key == MADPO_KEY_ESCAPE && madpo_find_working(view)) {
        madpo_find_stop(view);
        return MADPO_ACTION_NONE;
    }
    for (int i = 0; i < madpo_n_keys; i++)
        for (int k = 0; k < 4 && madpo_keys[i].keys[k]; k++)
            if (madpo_keys[i].keys[k] == key)
                return madpo_keys[i].run(view, key);
    if (key > ' ' && key < 0x7f)
        madpo_key_say(view, "%c does nothing here; ? shows all keys", key);
    return MADPO_ACTION_NONE;
}
