/* An experiment in a few words: counts, time left, notes, the newest one; see cells.h. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "tui/cells.h"
#include "tui/numbers.h"
#include "tui/tui.h"

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The middle one of the times that finished cells took; NaN if there is none. */
static double cell_seconds(const madpo_cells *cells)
{
    double *v = malloc((cells->n + 1) * sizeof *v), middle = (double)NAN;
    size_t n = 0;

    for (size_t i = 0; v && i < cells->n; i++)
        if (cells->part[i]->cell && cells->part[i]->state == MADPO_PART_DONE &&
            cells->part[i]->seconds > 0)
            v[n++] = cells->part[i]->seconds;
    if (n > 0) {
        qsort(v, n, sizeof *v, by_value);
        middle = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
    }
    free(v);
    return middle;
}

madpo_cells_sum madpo_cells_count(const madpo_cells *cells)
{
    madpo_cells_sum sum = {.left = (double)NAN};
    double each = cell_seconds(cells), begun = 0;

    for (size_t i = 0; i < cells->n; i++) {
        const madpo_part *part = cells->part[i];
        bool over = part->state == MADPO_PART_DONE || part->state == MADPO_PART_FAILED;

        if (part->state == MADPO_PART_RUNNING)
            sum.running = part;
        if (!part->cell || (!part->chosen && !over))
            continue;
        sum.n++;
        sum.done += part->state == MADPO_PART_DONE;
        sum.failed += part->state == MADPO_PART_FAILED;
        if (part->state == MADPO_PART_RUNNING && isfinite(each))
            begun = fmin(0.95, part->seconds / fmax(each, 1e-9));
    }
    if (sum.n > 0)
        sum.share = ((double)(sum.done + sum.failed) + begun) / (double)sum.n;
    if (cells->live && isfinite(each))
        sum.left = fmax(0, ((double)(sum.n - sum.done - sum.failed) - begun) * each);
    return sum;
}

void madpo_cells_line(char *text, size_t size, const madpo_cells *cells)
{
    madpo_cells_sum sum = madpo_cells_count(cells);
    size_t n =
        (size_t)snprintf(text, size, "%s: %zu of %zu cells done", cells->name, sum.done, sum.n);

    if (sum.failed > 0 && n < size)
        n += (size_t)snprintf(text + n, size - n, ", %zu failed", sum.failed);
    if (!sum.running || n >= size)
        return;
    n += (size_t)snprintf(text + n, size - n, "; %s %s", sum.running->name, sum.running->stage);
    if (sum.running->total_steps > 0 && n < size)
        n += (size_t)snprintf(text + n, size - n, " step %.0f/%.0f", sum.running->step,
                              sum.running->total_steps);
    for (int i = MADPO_FIGURES - 1; i >= 0 && n < size; i--)
        if (isfinite(sum.running->figure[i]))
            n += (size_t)snprintf(text + n, size - n, " %s %.4g", madpo_figure_names[i],
                                  sum.running->figure[i]);
}

static void word(madpo_strbuf *out, const char *text)
{
    madpo_numbers_text(out, text ? text : "");
    madpo_strbuf_append_char(out, '\t');
}

void madpo_cells_numbers(madpo_strbuf *out, const madpo_cells *cells)
{
    madpo_strbuf_append(out, "cell\ttier\tmethod\tseed\tstate\tstage\tstep\ttotal_steps\tseconds");
    for (int i = 0; i < MADPO_FIGURES; i++)
        madpo_strbuf_printf(out, "\t%s", madpo_figure_names[i]);
    madpo_strbuf_append(out, "\treason\n");
    for (size_t i = 0; i < cells->n; i++) {
        const madpo_part *part = cells->part[i];

        word(out, part->name);
        word(out, part->tier);
        word(out, part->method);
        word(out, part->seed);
        word(out, madpo_part_state_names[part->state]);
        word(out, part->stage);
        madpo_strbuf_printf(out, "%.9g\t%.9g\t%.9g\t", part->step, part->total_steps,
                            part->seconds);
        for (int k = 0; k < MADPO_FIGURES; k++)
            madpo_strbuf_printf(out, isnan(part->figure[k]) ? "nan\t" : "%.9g\t", part->figure[k]);
        madpo_numbers_text(out, part->reason);
        madpo_strbuf_append_char(out, '\n');
    }
}

/* ---- notes ---- */

static int by_time(const void *a, const void *b)
{
    double x = ((const madpo_cells_note *)a)->t, y = ((const madpo_cells_note *)b)->t;

    return (x > y) - (x < y);
}

static void note_end(madpo_cells_note *note, const madpo_part *part)
{
    int n = snprintf(note->text, sizeof note->text, "%.80s %s", part->name,
                     madpo_part_state_names[part->state]);

    note->t = part->t_last;
    note->alert = part->state == MADPO_PART_FAILED;
    if (part->state == MADPO_PART_FAILED)
        snprintf(note->text + n, sizeof note->text - (size_t)n, "%s%.140s",
                 part->reason[0] ? ": " : "", part->reason);
    else
        n +=
            snprintf(note->text + n, sizeof note->text - (size_t)n, " after %.0f s", part->seconds);
    if (part->state == MADPO_PART_DONE && isfinite(part->figure[MADPO_FIGURE_SCORE]))
        snprintf(note->text + n, sizeof note->text - (size_t)n, ", score %.4g, gain %+.4g",
                 part->figure[MADPO_FIGURE_SCORE], part->figure[MADPO_FIGURE_GAIN]);
}

size_t madpo_cells_notes(const madpo_cells *cells, madpo_cells_note *notes, size_t max)
{
    madpo_cells_note *all = calloc(2 * cells->n + 1, sizeof *all);
    size_t n = 0, kept;

    for (size_t i = 0; all && i < cells->n; i++) {
        const madpo_part *part = cells->part[i];

        if (isfinite(part->t_first) && part->state == MADPO_PART_RUNNING) {
            all[n].t = part->t_first;
            snprintf(all[n++].text, sizeof all->text, "%.80s begun", part->name);
        }
        if (part->state == MADPO_PART_DONE || part->state == MADPO_PART_FAILED ||
            part->state == MADPO_PART_STOPPED)
            note_end(&all[n++], part);
    }
    for (size_t i = 0; i < n; i++) /* a failure before the first event comes first */
        all[i].t = isfinite(all[i].t) ? all[i].t : 0;
    if (n > 1)
        qsort(all, n, sizeof *all, by_time);
    kept = n < max ? n : max;
    if (kept > 0)
        memcpy(notes, all + (n - kept), kept * sizeof *notes);
    free(all);
    return kept;
}

/* ---- the newest ---- */

static void newer(struct timespec *newest, const char *dir, const char *name)
{
    char *path = NULL;
    struct stat st;

    if (madpo_path_join(&path, dir, name, NULL) == MADPO_OK && stat(path, &st) == 0 &&
        (st.st_mtim.tv_sec > newest->tv_sec ||
         (st.st_mtim.tv_sec == newest->tv_sec && st.st_mtim.tv_nsec > newest->tv_nsec)))
        *newest = st.st_mtim;
    free(path);
}

/* Time of the last event of any part. */
static struct timespec experiment_time(const char *dir)
{
    static const char *const folders[] = {"shared", "tiers", "cells"};
    struct timespec newest = {0, 0};

    newer(&newest, dir, "experiment.json");
    for (int f = 0; f < 3; f++) {
        char *parent = NULL;
        DIR *folder =
            madpo_path_join(&parent, dir, folders[f], NULL) == MADPO_OK ? opendir(parent) : NULL;
        const struct dirent *entry;

        while (folder && (entry = readdir(folder)) != NULL) {
            char name[300];

            snprintf(name, sizeof name, "%s/events.jsonl", entry->d_name);
            if (entry->d_name[0] != '.')
                newer(&newest, parent, name);
        }
        if (folder)
            closedir(folder);
        free(parent);
    }
    return newest;
}

madpo_status madpo_tui_find_latest(char **out, madpo_error *err)
{
    struct timespec newest = {0, 0};
    madpo_status st = madpo_run_find_latest(out, "runs", err);
    DIR *folder = st == MADPO_OK ? opendir("experiments") : NULL;
    const struct dirent *entry;

    if (st == MADPO_OK && *out) {
        newer(&newest, *out, "run.json");
        newer(&newest, *out, "events.jsonl");
    }
    while (folder && (entry = readdir(folder)) != NULL) {
        char *dir = NULL;

        if (entry->d_name[0] != '.' &&
            madpo_path_join(&dir, "experiments", entry->d_name, NULL) == MADPO_OK &&
            madpo_cells_are_in(dir)) {
            struct timespec when = experiment_time(dir);

            if (!*out || when.tv_sec > newest.tv_sec ||
                (when.tv_sec == newest.tv_sec && when.tv_nsec > newest.tv_nsec)) {
                char *was = *out;

                *out = dir;
                dir = was;
                newest = when;
            }
        }
        free(dir);
    }
    if (folder)
        closedir(folder);
    return st;
}
