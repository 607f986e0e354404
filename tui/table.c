/* The state and the keys of the table of cells; see table.h. */
#include "tui/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "tui/cursor.h"
#include "tui/keys.h"
#include "tui/runs.h"

const char *const madpo_table_sort_names[MADPO_TABLE_SORTS] = {
    "run order", "state", "name", "time", "score", "gain", "acc", "margin", "eval", "loss", "ESS"};

void madpo_table_init(madpo_table *table, madpo_cells *cells)
{
    memset(table, 0, sizeof *table);
    table->cells = cells;
    table->menu.experiment = true;
    table->now = (double)NAN;
}

void madpo_table_dispose(madpo_table *table)
{
    madpo_cells_close(table->cells);
    free(table->shown);
    free(table->at);
    memset(table, 0, sizeof *table);
}

static void say(madpo_table *table, const char *text)
{
    snprintf(table->message, sizeof table->message, "%.199s", text);
}

/* ---- order and filter ---- */

/* Every word of the filter is in the name, the state or the stage. */
static bool passes(const madpo_table *table, const madpo_part *part)
{
    char words[MADPO_VIEW_TEXT], *word, *rest = NULL;

    snprintf(words, sizeof words, "%s", table->filter);
    for (word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        if (!strstr(part->name, word) && !strstr(madpo_part_state_names[part->state], word) &&
            !strstr(part->stage, word))
            return false;
    return true;
}

static int compare(const madpo_table *table, size_t i, size_t j)
{
    const madpo_part *a = table->cells->part[i], *b = table->cells->part[j];
    double x = 0, y = 0;
    int order = 0;

    if (table->sort == MADPO_TABLE_NAME) {
        order = strcmp(a->name, b->name);
    } else if (table->sort == MADPO_TABLE_STATE) {
        order = (int)a->state - (int)b->state;
    } else if (table->sort == MADPO_TABLE_TIME) {
        x = a->seconds;
        y = b->seconds;
    } else if (table->sort >= MADPO_TABLE_FIGURE) {
        x = a->figure[table->sort - MADPO_TABLE_FIGURE];
        y = b->figure[table->sort - MADPO_TABLE_FIGURE];
    } else {
        order = (i > j) - (i < j);
    }
    if (isnan(x) || isnan(y)) { /* what is not known is last, either way */
        order = (int)(isnan(x) != 0) - (int)(isnan(y) != 0);
        return order != 0 ? order : (i > j) - (i < j);
    }
    order = order != 0 ? order : (x > y) - (x < y);
    order = table->descending ? -order : order;
    return order != 0 ? order : (i > j) - (i < j);
}

/* A merge sort of [n] with room for as many: qsort has no place for the table. */
static void sort_shown(const madpo_table *table, size_t *v, size_t *room, size_t n)
{
    size_t half = n / 2, a = 0, b = half, k = 0;

    if (n < 2)
        return;
    sort_shown(table, v, room, half);
    sort_shown(table, v + half, room, n - half);
    while (a < half && b < n)
        room[k++] = compare(table, v[a], v[b]) <= 0 ? v[a++] : v[b++];
    while (a < half)
        room[k++] = v[a++];
    while (b < n)
        room[k++] = v[b++];
    memcpy(v, room, n * sizeof *v);
}

madpo_status madpo_table_arrange(madpo_table *table, madpo_error *err)
{
    const madpo_cells *cells = table->cells;
    size_t *v = malloc((2 * cells->n + 1) * sizeof *v), n = 0;

    if (!v)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "table of cells");
    for (size_t i = 0; i < cells->n; i++)
        if (passes(table, cells->part[i]))
            v[n++] = i;
    sort_shown(table, v, v + cells->n, n);
    free(table->shown);
    table->shown = v;
    table->n_shown = n;
    for (size_t i = 0; i < n && table->at; i++) /* the cursor stays on its part */
        if (strcmp(cells->part[v[i]]->dir, table->at) == 0)
            table->cursor = i;
    if (table->cursor >= n)
        table->cursor = n > 0 ? n - 1 : 0;
    return MADPO_OK;
}

madpo_part *madpo_table_part(const madpo_table *table)
{
    return table->cursor < table->n_shown ? table->cells->part[table->shown[table->cursor]] : NULL;
}

/* ---- keys ---- */

static void move_to(madpo_table *table, double to)
{
    const madpo_part *part;

    table->cursor =
        (size_t)madpo_cursor_moved(0, 0, table->n_shown > 0 ? (int)table->n_shown - 1 : 0, to);
    part = madpo_table_part(table);
    free(table->at);
    table->at = part ? strdup(part->dir) : NULL;
}

static madpo_action key_move(madpo_table *table, int key)
{
    double page = table->rows > 1 ? table->rows - 1 : 1, at = (double)table->cursor;

    move_to(table, key == MADPO_KEY_UP || key == 'k'     ? at - 1
                   : key == MADPO_KEY_DOWN || key == 'j' ? at + 1
                   : key == MADPO_KEY_PAGE_UP            ? at - page
                   : key == MADPO_KEY_PAGE_DOWN          ? at + page
                   : key == MADPO_KEY_HOME               ? 0
                                                         : 1e6);
    return MADPO_ACTION_NONE;
}

static madpo_action key_open(madpo_table *table, int key)
{
    const madpo_part *part = madpo_table_part(table);

    (void)key;
    if (part && isfinite(part->t_first))
        return MADPO_ACTION_OPEN;
    snprintf(table->message, sizeof table->message, "%.150s has not begun",
             part ? part->name : "what is not here");
    return MADPO_ACTION_NONE;
}

static madpo_action key_mark(madpo_table *table, int key)
{
    madpo_part *part = madpo_table_part(table);
    int n = 0;

    (void)key;
    for (size_t i = 0; i < table->cells->n; i++)
        n += table->cells->part[i]->marked;
    if (part && !isfinite(part->t_first)) {
        snprintf(table->message, sizeof table->message, "%.150s has not begun", part->name);
    } else if (part && !part->marked && n >= MADPO_VIEW_OTHERS) {
        snprintf(table->message, sizeof table->message, "at most %d can be marked",
                 MADPO_VIEW_OTHERS);
    } else if (part) {
        part->marked = !part->marked;
        snprintf(table->message, sizeof table->message,
                 "%d marked: their curves are drawn into the run that Enter opens",
                 n + (part->marked ? 1 : -1));
        move_to(table, (double)table->cursor + 1);
    }
    return MADPO_ACTION_NONE;
}

static madpo_action key_sort(madpo_table *table, int key)
{
    if (key == 'O')
        table->descending = !table->descending;
    else
        table->sort = (table->sort + (key == 'u' ? 1 : MADPO_TABLE_SORTS - 1)) % MADPO_TABLE_SORTS;
    snprintf(table->message, sizeof table->message, "sorted by %s%s",
             madpo_table_sort_names[table->sort],
             table->sort >= MADPO_TABLE_TIME
                 ? table->descending ? ", largest first" : ", smallest first"
             : table->descending ? ", turned"
                                 : "");
    return MADPO_ACTION_NONE;
}

static madpo_action key_filter(madpo_table *table, int key)
{
    if (key == '\\')
        table->filter[0] = '\0';
    else
        snprintf(table->typed, sizeof table->typed, "%s", table->filter);
    table->typing = key != '\\';
    return MADPO_ACTION_NONE;
}

static madpo_action key_switch(madpo_table *table, int key)
{
    if (key == 't')
        table->glyphs = (madpo_glyphs)((table->glyphs + 1) % MADPO_GLYPHS_KINDS);
    else
        table->log_file = !table->log_file;
    return MADPO_ACTION_NONE;
}

static madpo_action key_help(madpo_table *table, int key)
{
    (void)key;
    table->help = true;
    table->help_scroll = 0;
    table->help_filter[0] = '\0';
    return MADPO_ACTION_NONE;
}

/* One layer back: the filter, then the marks. */
static madpo_action key_escape(madpo_table *table, int key)
{
    (void)key;
    if (table->filter[0])
        table->filter[0] = '\0';
    else
        for (size_t i = 0; i < table->cells->n; i++)
            table->cells->part[i]->marked = false;
    return MADPO_ACTION_NONE;
}

static madpo_action key_numbers(madpo_table *table, int key)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_strbuf text = {0};
    char path[300];
    madpo_status st;

    (void)key;
    snprintf(path, sizeof path, "%.200s-cells.tsv", table->cells->name);
    madpo_runs_free_name(path, sizeof path);
    madpo_cells_numbers(&text, table->cells);
    st = madpo_strbuf_check(&text, &err);
    if (st == MADPO_OK)
        st = madpo_file_write(path, text.s, text.n, &err);
    if (st == MADPO_OK)
        snprintf(table->message, sizeof table->message, "the cells written to %.170s", path);
    else
        say(table, err.message);
    madpo_strbuf_dispose(&text);
    return MADPO_ACTION_NONE;
}

static madpo_action key_action(madpo_table *table, int key)
{
    (void)table;
    return key == 'q'   ? MADPO_ACTION_QUIT
           : key == 'm' ? MADPO_ACTION_MOUSE
           : key == 'D' ? MADPO_ACTION_DUMP
                        : MADPO_ACTION_REPAINT;
}

/* ---- what is to become of the experiment ---- */

static madpo_action chosen(madpo_table *table, madpo_choice choice)
{
    const madpo_part *running = madpo_cells_count(table->cells).running;

    if (choice == MADPO_CHOICE_LEAVE)
        return MADPO_ACTION_QUIT;
    if (choice == MADPO_CHOICE_CANCEL)
        say(table, "nothing was asked of the experiment");
    else if (choice != MADPO_CHOICE_NONE && !running)
        say(table, "no cell is at work now; try again in a moment");
    else if (choice == MADPO_CHOICE_STOP)
        table->stopping = madpo_steer_stop(running->dir, table->message, sizeof table->message);
    else if (choice == MADPO_CHOICE_KILL)
        madpo_steer_kill(running->dir, table->message, sizeof table->message);
    return MADPO_ACTION_NONE;
}

madpo_action madpo_table_stop(madpo_table *table, int key)
{
    bool interrupt = key == MADPO_KEY_CTRL_C;
    const madpo_part *running = madpo_cells_count(table->cells).running;
    madpo_choice choice;

    if (interrupt && (!table->control || !table->cells->live))
        return MADPO_ACTION_QUIT;
    if (!table->control) {
        snprintf(table->message, sizeof table->message,
                 "this view is read-only; to steer the experiment: madpo watch %.100s --control",
                 table->cells->dir);
        return MADPO_ACTION_NONE;
    }
    choice = interrupt ? madpo_menu_interrupt(&table->menu) : MADPO_CHOICE_NONE;
    if (choice != MADPO_CHOICE_NONE)
        return chosen(table, choice);
    if (running)
        madpo_steer_menu(&table->menu, running->dir, table->message, sizeof table->message);
    else
        say(table, table->cells->live
                       ? "no cell is at work now; try again in a moment"
                       : "nobody works on this experiment: there is nothing to stop");
    return MADPO_ACTION_NONE;
}

const madpo_table_row madpo_table_keys[] = {
    {{0}, "", NULL, "The experiment", NULL},
    {{'?', MADPO_KEY_F1}, "? F1", "?help", "this help; type to narrow it", key_help},
    {{MADPO_KEY_UP, MADPO_KEY_DOWN, 'k', 'j'}, "arrows kj", NULL, "cell before, next", key_move},
    {{MADPO_KEY_PAGE_UP, MADPO_KEY_PAGE_DOWN, MADPO_KEY_HOME, MADPO_KEY_END},
     "PgUp PgDn",
     NULL,
     "a page; Home and End: first, last",
     key_move},
    {{MADPO_KEY_ENTER},
     "Enter",
     "Enter open",
     "watch the cell's run; q or Esc comes back",
     key_open},
    {{' '}, "Space", "Space compare", "mark: drawn into the run that is opened", key_mark},
    {{'u', 'U', 'O'},
     "u U O",
     "u:sort",
     "sort by state, name, time or a figure; back; turn the order",
     key_sort},
    {{'/', 'f'}, "/ f", "/find", "only cells with these words: high madpo failed", key_filter},
    {{'\\'}, "\\", NULL, "all cells", key_filter},
    {{'w'}, "w", "w:log", "below: what happened, or what the cell's trainer printed", key_switch},
    {{MADPO_KEY_ESCAPE}, "Esc", NULL, "no filter; no marks", key_escape},
    {{'t'}, "t", NULL, "characters: braille, block, ASCII", key_switch},
    {{'m'}, "m", NULL, "take the mouse, or leave it to the terminal", key_action},
    {{'D'}, "D", NULL, "write the screen to a text file", key_action},
    {{'d'}, "d", NULL, "write the table as numbers to NAME-cells.tsv", key_numbers},
    {{MADPO_KEY_CTRL_L}, "Ctrl+L", NULL, "paint everything again", key_action},
    {{'q'}, "q", "q:leave", "leave; the experiment goes on", key_action},
    {{'Q', MADPO_KEY_CTRL_C},
     "Q Ctrl+C",
     "Q:stop",
     "a menu: save and stop, end now; Ctrl+C twice: stop, thrice: now",
     madpo_table_stop},
    {{0}, "", NULL, "What is shown", NULL},
    {{0}, "score", NULL, "mean true reward of its samples; gain: less the reference's", NULL},
    {{0}, "acc margin", NULL, "rewards/accuracies and rewards/margins of the last step", NULL},
    {{0}, "eval loss", NULL, "held-out loss, and the loss of the last step", NULL},
    {{0}, "stopped", NULL, "begun, and nobody works on it: the same command goes on", NULL},
    {{0}, "left", NULL, "not begun, nor to be: left out by --only, or nobody at work", NULL},
};
const int madpo_n_table_keys = (int)(sizeof madpo_table_keys / sizeof *madpo_table_keys);

/* Keys while a filter is typed or the help is open. */
static void overlay_key(madpo_table *table, int key)
{
    bool leaves = key == MADPO_KEY_ESCAPE || key == MADPO_KEY_CTRL_C;

    if (table->typing) {
        if (key == MADPO_KEY_ENTER)
            memcpy(table->filter, table->typed, sizeof table->filter);
        if (leaves || key == MADPO_KEY_ENTER)
            table->typing = false;
        else
            madpo_text_key(table->typed, key);
    } else if (leaves || key == MADPO_KEY_ENTER || key == MADPO_KEY_F1) {
        table->help = false;
    } else if (key == MADPO_KEY_UP || key == MADPO_KEY_DOWN) {
        table->help_scroll =
            madpo_cursor_moved(table->help_scroll, 0, 1000, key == MADPO_KEY_UP ? -1 : 1);
    } else {
        madpo_text_key(table->help_filter, key);
        table->help_scroll = 0;
    }
}

madpo_action madpo_table_key(madpo_table *table, int key)
{
    table->message[0] = '\0';
    table->stopping = false;
    key = key == '\n' ? MADPO_KEY_ENTER : key;
    if (key == MADPO_KEY_CTRL_L)
        return MADPO_ACTION_REPAINT;
    if (table->menu.open && key != MADPO_KEY_CTRL_C)
        return chosen(table, madpo_menu_key(&table->menu, key));
    if (table->typing || table->help) {
        overlay_key(table, key);
        return MADPO_ACTION_NONE;
    }
    for (int i = 0; i < madpo_n_table_keys; i++)
        for (int k = 0; k < 6 && madpo_table_keys[i].keys[k]; k++)
            if (madpo_table_keys[i].keys[k] == key)
                return madpo_table_keys[i].run(table, key);
    return MADPO_ACTION_NONE;
}

void madpo_table_mouse(madpo_table *table, int x, int y, int wheel)
{
    (void)x;
    if (wheel != 0)
        move_to(table, (double)table->cursor + 3 * wheel);
    else if (y >= 3 && y < 3 + table->rows)
        move_to(table, (double)table->top + y - 3);
}
