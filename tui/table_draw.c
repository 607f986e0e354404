/* The picture of an experiment: head, table, log, foot; see table.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tui/panels.h"
#include "tui/table.h"

static const madpo_pen plain = {MADPO_TONE_PLAIN, 0}, bold = {MADPO_TONE_PLAIN, MADPO_BOLD};
static const madpo_pen dim = {MADPO_TONE_DIM, 0}, alert = {MADPO_TONE_ALERT, MADPO_BOLD};
static const madpo_pen key_pen = {MADPO_TONE_KEY, MADPO_BOLD};
static const double silence = 60.0; /* seconds: then an experiment at work is called silent */

static const char *table_state(const madpo_table *table, const madpo_cells_sum *sum)
{
    if (table->cells->live)
        return sum->running && sum->running->paused ? "PAUSED" : "LIVE";
    if (sum->n == 0 || sum->done + sum->failed < sum->n)
        return "NOT RUNNING";
    return sum->failed == 0 ? "DONE" : "DONE, SOME FAILED";
}

/* ---- head ---- */

static int draw_bar(madpo_grid *grid, int x, int y, int width, double share)
{
    int full = (int)(fmin(1, share) * width + 0.5);

    madpo_grid_put(grid, x, y, '[', dim);
    for (int i = 0; i < width; i++)
        madpo_grid_put(grid, x + 1 + i, y, i < full ? '#' : '.', i < full ? plain : dim);
    madpo_grid_put(grid, x + 1 + width, y, ']', dim);
    return width + 3;
}

/* quick LIVE 3/8 cells [####....] 38% ETA 12:00 */
static void draw_first(madpo_grid *grid, int w, const madpo_table *table,
                       const madpo_cells_sum *sum)
{
    const madpo_part *running = sum->running;
    double quiet = running ? table->now - running->t_last : 0;
    char text[16];
    int x = 1;

    x += madpo_grid_print(grid, x, 0, w * 2 / 5, bold, "%s ", table->cells->name);
    x += madpo_grid_print(grid, x, 0, w - x, table->cells->live ? key_pen : alert, "%s ",
                          table_state(table, sum));
    x += madpo_grid_print(grid, x, 0, w - x, plain, "%zu/%zu cells ", sum->done, sum->n);
    if (sum->failed > 0)
        x += madpo_grid_print(grid, x, 0, w - x, alert, "%zu failed ", sum->failed);
    if (w >= 60)
        x += draw_bar(grid, x, 0, w > 100 ? 24 : 10, sum->share);
    x += madpo_grid_print(grid, x, 0, w - x, plain, "%.0f%% ", sum->share * 100);
    if (isfinite(sum->left))
        x += madpo_grid_print(grid, x, 0, w - x, plain, "ETA %s ",
                              madpo_short_time(text, sum->left));
    if (quiet > silence && !running->paused)
        madpo_grid_print(grid, x, 0, w - x, alert, "silent for %s ", madpo_short_time(text, quiet));
}

/* What is at work: its stage, step and figures. */
static void draw_second(madpo_grid *grid, int y, int w, const madpo_table *table,
                        const madpo_cells_sum *sum)
{
    const madpo_part *running = sum->running;
    bool unfinished = !table->cells->live && sum->done + sum->failed < sum->n;
    char text[16];
    int x = 1;

    if (!running) {
        madpo_grid_text(grid, x, y, w - x, dim,
                        unfinished ? "nothing is at work; the command that began it goes on with it"
                                   : "nothing is at work");
        return;
    }
    x += madpo_grid_print(grid, x, y, w - x, plain, "%s %s ", running->name, running->stage);
    if (running->total_steps > 0)
        x += madpo_grid_print(grid, x, y, w - x, plain, "step %.0f/%.0f ", running->step,
                              running->total_steps);
    for (int i = MADPO_FIGURES - 1; i >= 0 && x < w - 12; i--)
        if (isfinite(running->figure[i]))
            x += madpo_grid_print(grid, x, y, w - x, plain, " %s %s", madpo_figure_names[i],
                                  madpo_short_number(text, running->figure[i]));
}

/* ---- the table ---- */

enum { STATE_WIDTH = 8, STAGE_WIDTH = 22, TIME_WIDTH = 8, FIGURE_WIDTH = 8 };

static int name_width(const madpo_table *table, int w)
{
    int widest = 10;

    for (size_t i = 0; i < table->n_shown; i++) {
        int n = madpo_text_width(table->cells->part[table->shown[i]]->name);

        widest = n > widest ? n : widest;
    }
    return widest < w * 2 / 5 ? widest : w * 2 / 5;
}

/* "policy 120/400 30%"; of a cell that is done its score, where that has no column. */
static void stage_text(char *text, size_t size, const madpo_part *part, bool score)
{
    char number[16];

    if (part->state == MADPO_PART_DONE || !isfinite(part->t_first))
        snprintf(text, size, "%s%s",
                 score && isfinite(part->figure[MADPO_FIGURE_SCORE]) ? "score " : "",
                 score && isfinite(part->figure[MADPO_FIGURE_SCORE])
                     ? madpo_short_number(number, part->figure[MADPO_FIGURE_SCORE])
                     : "");
    else if (part->total_steps > 0)
        snprintf(text, size, "%s %.0f/%.0f %.0f%%", part->stage, part->step, part->total_steps,
                 100 * part->step / part->total_steps);
    else
        snprintf(text, size, "%s", part->stage);
}

/* Columns behind name and state: of the stage, if there is room, of the time, and of as many
 * figures as fit. */
typedef struct columns {
    int name, stage, time, figures;
} columns;

static columns columns_for(const madpo_table *table, int w)
{
    columns c = {.name = name_width(table, w)};
    int room = w - 2 - c.name - 1 - STATE_WIDTH;

    c.stage = room >= STAGE_WIDTH ? STAGE_WIDTH : room > 0 ? room : 0;
    room -= c.stage;
    c.time = room >= TIME_WIDTH + FIGURE_WIDTH ? TIME_WIDTH : 0;
    room -= c.time;
    c.figures = room / FIGURE_WIDTH < MADPO_FIGURES ? room / FIGURE_WIDTH : MADPO_FIGURES;
    c.figures = c.figures > 0 ? c.figures : 0;
    return c;
}

static void draw_names(madpo_grid *grid, madpo_rect r, const columns *c, const madpo_table *table)
{
    int x = r.x + 2;

    madpo_grid_text(grid, x, r.y, c->name, dim, "cell");
    x += c->name + 1;
    madpo_grid_text(grid, x, r.y, STATE_WIDTH, dim, "state");
    x += STATE_WIDTH;
    madpo_grid_text(grid, x, r.y, c->stage, dim, "stage and step");
    x += c->stage;
    if (c->time > 0)
        madpo_grid_print(grid, x, r.y, c->time, dim, "%*s", TIME_WIDTH - 1, "time");
    x += c->time;
    for (int i = 0; i < c->figures; i++, x += FIGURE_WIDTH)
        madpo_grid_print(grid, x, r.y, FIGURE_WIDTH,
                         table->sort == MADPO_TABLE_FIGURE + i ? bold : dim, "%*s",
                         FIGURE_WIDTH - 1, madpo_figure_names[i]);
}

static madpo_pen state_pen(madpo_part_state state)
{
    return state == MADPO_PART_FAILED    ? alert
           : state == MADPO_PART_RUNNING ? key_pen
           : state == MADPO_PART_DONE    ? plain
                                         : dim;
}

/* Seconds spent on a part; of the one at work until now, as long stages may write nothing. */
static double part_seconds(const madpo_table *table, const madpo_part *part)
{
    bool goes_on = part->state == MADPO_PART_RUNNING && isfinite(table->now);

    return part->seconds + (goes_on ? fmax(0, table->now - part->t_last) : 0);
}

/* The letter of a marked part, ' ' of others: by their order in the run, as their curves get it. */
static char mark_of(const madpo_cells *cells, const madpo_part *part)
{
    char letter = 'a';

    for (size_t i = 0; i < cells->n && cells->part[i] != part; i++)
        letter = (char)(letter + cells->part[i]->marked);
    return part->marked ? letter : ' ';
}

static void draw_row(madpo_grid *grid, madpo_rect r, const columns *c, const madpo_table *table,
                     const madpo_part *part)
{
    madpo_pen pen = state_pen(part->state);
    char text[80], number[16];
    int x = r.x + 2;

    madpo_grid_put(grid, r.x, r.y, (uint32_t)mark_of(table->cells, part), bold);
    madpo_grid_text(grid, x, r.y, c->name, part->cell ? plain : dim, part->name);
    x += c->name + 1;
    madpo_grid_text(grid, x, r.y, STATE_WIDTH - 1, pen, madpo_part_state_names[part->state]);
    x += STATE_WIDTH;
    if (part->state == MADPO_PART_FAILED && part->reason[0]) {
        madpo_grid_text(grid, x, r.y, r.x + r.w - x, alert, part->reason);
        return;
    }
    stage_text(text, sizeof text, part, c->figures == 0);
    madpo_grid_text(grid, x, r.y, c->stage - 1, plain, text);
    x += c->stage;
    if (c->time > 0 && isfinite(part->t_first))
        madpo_grid_print(grid, x, r.y, c->time, plain, "%*s", TIME_WIDTH - 1,
                         madpo_short_time(number, part_seconds(table, part)));
    x += c->time;
    for (int i = 0; i < c->figures; i++, x += FIGURE_WIDTH)
        if (isfinite(part->figure[i]))
            madpo_grid_print(grid, x, r.y, FIGURE_WIDTH, plain, "%*s", FIGURE_WIDTH - 1,
                             madpo_short_number(number, part->figure[i]));
}

static void draw_table(madpo_grid *grid, madpo_rect frame, madpo_table *table)
{
    char title[300];
    madpo_rect r = madpo_rect_inside(frame);
    columns c = columns_for(table, r.w);

    snprintf(title, sizeof title, " cells  sort: %s%s%s%s  %zu/%zu ",
             madpo_table_sort_names[table->sort], table->descending ? " (turned)" : "",
             table->filter[0] ? "  with: " : "", table->filter, table->n_shown, table->cells->n);
    madpo_grid_frame(grid, frame, title, true);
    table->rows = r.h - 1;
    if (r.h < 2)
        return;
    draw_names(grid, r, &c, table);
    if (table->n_shown == 0)
        madpo_grid_text(grid, r.x + 1, r.y + 1, r.w - 1, dim,
                        table->filter[0] ? "no cell has these words (\\ shows all)"
                                         : "nothing is there yet");
    if (table->cursor < table->top)
        table->top = table->cursor;
    if (table->cursor >= table->top + (size_t)table->rows)
        table->top = table->cursor - (size_t)table->rows + 1;
    if (table->top > 0 && table->top + (size_t)table->rows > table->n_shown)
        table->top =
            table->n_shown > (size_t)table->rows ? table->n_shown - (size_t)table->rows : 0;
    for (size_t i = 0; i < table->n_shown; i++) {
        const madpo_part *part = table->cells->part[table->shown[i]];
        madpo_rect row = {r.x, r.y + 1 + (int)(i - table->top), r.w, 1};

        if (i < table->top || i >= table->top + (size_t)table->rows)
            continue;
        draw_row(grid, row, &c, table, part);
        if (i == table->cursor)
            madpo_grid_mark(grid, row, MADPO_REVERSE);
    }
}

/* ---- log ---- */

static void draw_notes(madpo_grid *grid, madpo_rect r, const madpo_table *table)
{
    madpo_cells_note notes[64];
    size_t n = madpo_cells_notes(table->cells, notes, r.h < 64 ? (size_t)r.h : 64);

    for (size_t i = 0; i < n; i++) {
        time_t t = (time_t)notes[i].t;
        struct tm tm;
        char when[16] = "        ";

        if (notes[i].t > 0 && gmtime_r(&t, &tm))
            strftime(when, sizeof when, "%H:%M:%S", &tm);
        madpo_grid_print(grid, r.x + 1, r.y + (int)i, r.w - 1, notes[i].alert ? alert : plain,
                         "%s %s", when, notes[i].text);
    }
}

/* The end of log.txt of a part. */
static void draw_file(madpo_grid *grid, madpo_rect r, const madpo_part *part)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *text = NULL, *at, *rest = NULL;
    int lines = 0;

    if (!part || madpo_log_tail(&text, part->dir, 1 << 14, &err) != MADPO_OK || !text || !*text) {
        madpo_grid_text(grid, r.x + 1, r.y, r.w - 1, dim, "it has printed nothing");
        free(text);
        return;
    }
    for (at = text + strlen(text) - 1; at > text && lines < r.h; at--)
        lines += at[-1] == '\n';
    at = strtok_r(lines == r.h && at > text ? at + 1 : at, "\n", &rest);
    for (int y = 0; at && y < r.h; y++, at = strtok_r(NULL, "\n", &rest))
        madpo_grid_text(grid, r.x + 1, r.y + y, r.w - 1, plain, at);
    free(text);
}

static void draw_log(madpo_grid *grid, madpo_rect frame, const madpo_table *table)
{
    const madpo_part *part = madpo_table_part(table);
    char title[300];

    if (table->log_file)
        snprintf(title, sizeof title, " log.txt of %s ", part ? part->name : "nothing");
    else
        snprintf(title, sizeof title, " what happened (UTC) ");
    madpo_grid_frame(grid, frame, title, false);
    if (table->log_file)
        draw_file(grid, madpo_rect_inside(frame), part);
    else
        draw_notes(grid, madpo_rect_inside(frame), table);
}

/* ---- foot ---- */

static void draw_message(madpo_grid *grid, int y, int w, const madpo_table *table)
{
    madpo_cells_sum sum = madpo_cells_count(table->cells);
    madpo_cells_note note;

    if (table->message[0])
        madpo_grid_text(grid, 1, y, w - 2, (madpo_pen){MADPO_TONE_KEY, 0}, table->message);
    else if (table->attached && !table->cells->live && sum.done + sum.failed < sum.n)
        madpo_grid_text(grid, 1, y, w - 2, alert,
                        "the experiment is not at work any more; the same command goes on with it. "
                        "q leaves");
    else if (table->attached && !table->cells->live)
        madpo_grid_print(grid, 1, y, w - 2, alert,
                         "the experiment has ended: %s. q leaves; all of it can still be looked at",
                         table_state(table, &sum));
    else if (madpo_cells_notes(table->cells, &note, 1) == 1)
        madpo_grid_text(grid, 1, y, w - 2, note.alert ? alert : dim, note.text);
}

static void draw_keys(madpo_grid *grid, int y, int w, const madpo_table *table)
{
    int x = 1;

    if (table->typing) {
        x += madpo_grid_text(grid, x, y, w - 2, (madpo_pen){MADPO_TONE_KEY, 0},
                             w < 70 ? "find: " : "only cells with these words: ");
        x += madpo_grid_text(grid, x, y, w - x - 1, bold, table->typed);
        madpo_grid_put(grid, x, y, '_', key_pen);
        return;
    }
    for (int i = 0; i < madpo_n_table_keys; i++) {
        const char *bar = madpo_table_keys[i].bar;

        if (madpo_table_keys[i].run == madpo_table_stop && (!table->control || !table->cells->live))
            continue;
        if (bar && x + (int)strlen(bar) < w)
            x += madpo_grid_text(grid, x, y, w - x, dim, bar) + 1;
    }
}

/* ---- all of it ---- */

static void draw_status(madpo_grid *grid, const madpo_table *table, const madpo_cells_sum *sum)
{
    int w = grid->w, h = grid->h, y = 0;

    madpo_grid_print(grid, 0, y++, w, bold, "%zu/%zu cells%s", sum->done, sum->n,
                     sum->failed > 0 ? " FAILED" : "");
    if (h > 2)
        madpo_grid_print(grid, 0, y++, w, plain, "%s %s", table_state(table, sum),
                         table->cells->name);
    if (h > y)
        draw_second(grid, y, w, table, sum);
}

static void draw_help(madpo_grid *grid, madpo_table *table)
{
    madpo_help_row rows[64];
    int n = 0;

    for (int i = 0; i < madpo_n_table_keys && n < 64; i++)
        if (madpo_table_keys[i].shown)
            rows[n++] = (madpo_help_row){madpo_table_keys[i].shown, madpo_table_keys[i].help};
    madpo_draw_help_rows(grid, rows, n, table->help_filter, &table->help_scroll);
}

madpo_status madpo_table_render(madpo_grid *grid, madpo_table *table, int w, int h,
                                madpo_error *err)
{
    madpo_status st = madpo_grid_reset(grid, w, h, table->glyphs, err);
    madpo_cells_sum sum;
    int head = h >= 20 ? 2 : 1, foot = h >= 20 ? 2 : 1, log = h >= 20 ? h / 4 + 1 : 0;

    if (st == MADPO_OK)
        st = madpo_table_arrange(table, err);
    if (st != MADPO_OK)
        return st;
    if (table->stopping && !table->cells->live)
        table->message[0] = '\0';
    sum = madpo_cells_count(table->cells);
    if (w < 40 || h < 10) {
        draw_status(grid, table, &sum);
    } else {
        draw_first(grid, w, table, &sum);
        if (head > 1)
            draw_second(grid, 1, w, table, &sum);
        draw_table(grid, (madpo_rect){0, head, w, h - head - log - foot}, table);
        if (log > 0)
            draw_log(grid, (madpo_rect){0, h - foot - log, w, log}, table);
        if (foot > 1 || table->message[0])
            draw_message(grid, h - foot, w, table);
        if (foot > 1 || !table->message[0])
            draw_keys(grid, h - 1, w, table);
    }
    if (table->menu.open)
        madpo_menu_draw(grid, &table->menu);
    else if (table->help)
        draw_help(grid, table);
    return MADPO_OK;
}
