/* Reading an experiment; see cells.h. */
#include "tui/cells.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tui/scan.h"

const char *const madpo_part_state_names[MADPO_PART_STATES] = {"running", "failed", "stopped",
                                                               "waiting", "left",   "done"};
const char *const madpo_figure_names[MADPO_FIGURES] = {"score", "gain", "acc", "margin",
                                                       "eval",  "loss", "ESS"};

static const double look_every = 0.5; /* seconds between two looks at all folders */
enum { LINES = 64 };                  /* between two looks at the clock */

static madpo_status no_memory(madpo_error *err)
{
    return madpo_error_set(err, MADPO_ERR_NOMEM, "experiment: out of host memory");
}

static char *join(const char *dir, const char *name)
{
    char *path = NULL;

    return madpo_path_join(&path, dir, name, NULL) == MADPO_OK ? path : NULL;
}

static bool has(const char *dir, const char *name)
{
    char *path = join(dir, name);
    bool there = path && madpo_file_exists(path);

    free(path);
    return there;
}

bool madpo_cells_are_in(const char *dir)
{
    return !has(dir, "run.json") &&
           (has(dir, "experiment.json") ||
            (has(dir, "config.cfg") && (has(dir, "shared/sft") || has(dir, "cells"))));
}

/* ---- life ---- */

static void forget(madpo_part *part)
{
    madpo_run_reader_close(part->reader);
    part->reader = NULL;
    part->reason[0] = part->stage[0] = part->ended[0] = '\0';
    part->step = part->total_steps = part->seconds = 0;
    part->t_first = part->t_last = part->reference = (double)NAN;
    part->n_warnings = part->size = 0;
    part->paused = false;
    for (int i = 0; i < MADPO_FIGURES; i++)
        part->figure[i] = (double)NAN;
}

static void part_free(madpo_part *part)
{
    if (!part)
        return;
    madpo_run_reader_close(part->reader);
    free(part->dir);
    free(part->name);
    free(part->tier);
    free(part->method);
    free(part->seed);
    free(part);
}

void madpo_cells_close(madpo_cells *cells)
{
    if (!cells)
        return;
    for (size_t i = 0; i < cells->n; i++)
        part_free(cells->part[i]);
    free(cells->part);
    free(cells->dir);
    free(cells->name);
    free(cells);
}

madpo_status madpo_cells_open(madpo_cells **out, const char *dir, madpo_error *err)
{
    madpo_cells *cells = calloc(1, sizeof *cells);
    size_t n = strlen(dir);
    const char *slash;

    *out = NULL;
    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (cells)
        cells->dir = strndup(dir, n);
    slash = cells && cells->dir ? strrchr(cells->dir, '/') : NULL;
    if (cells && cells->dir)
        cells->name = strdup(slash && slash[1] ? slash + 1 : cells->dir);
    if (!cells || !cells->dir || !cells->name) {
        madpo_cells_close(cells);
        return no_memory(err);
    }
    cells->looked_at = -1.0;
    cells->listed = -1;
    *out = cells;
    return MADPO_OK;
}

/* ---- which parts there are ---- */

typedef struct part_list {
    madpo_part **v;
    size_t n, capacity;
} part_list;

static char *copy_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? strdup(text) : NULL;
}

/* A part of this folder, moved from the old list if it is there. Takes tier, method and seed. */
static madpo_status list_add(part_list *list, madpo_cells *old, const char *inside,
                             const char *name, madpo_part with, madpo_error *err)
{
    char *dir = join(old->dir, inside);
    madpo_part *part = NULL;

    if (list->n == list->capacity) {
        size_t capacity = list->capacity > 0 ? 2 * list->capacity : 32;
        madpo_part **grown = realloc(list->v, capacity * sizeof *grown);

        list->v = grown ? grown : list->v;
        list->capacity = grown ? capacity : list->capacity;
    }
    for (size_t i = 0; dir && i < old->n; i++)
        if (old->part[i] && strcmp(old->part[i]->dir, dir) == 0) {
            part = old->part[i];
            old->part[i] = NULL;
        }
    if (part) {
        free(part->tier);
        free(part->method);
        free(part->seed);
        part->tier = part->method = part->seed = NULL;
        free(dir);
    } else if ((part = calloc(1, sizeof *part)) != NULL) {
        forget(part);
        part->dir = dir;
        part->name = strdup(name);
    } else {
        free(dir);
    }
    if (!part || !part->dir || !part->name || list->n == list->capacity) {
        part_free(part);
        free(with.tier);
        free(with.method);
        free(with.seed);
        return no_memory(err);
    }
    part->tier = with.tier;
    part->method = with.method;
    part->seed = with.seed;
    part->cell = with.cell;
    part->chosen = with.chosen;
    list->v[list->n++] = part;
    return MADPO_OK;
}

static madpo_status list_from_file(part_list *list, madpo_cells *cells, const char *path,
                                   madpo_error *err)
{
    json_t *record = NULL, *each;
    size_t i;
    madpo_status st = madpo_json_load(&record, path, err);

    json_array_foreach(json_object_get(record, "parts"), i, each)
    {
        const char *dir = json_string_value(json_object_get(each, "dir"));
        const char *cell = json_string_value(json_object_get(each, "cell"));
        madpo_part with = {.cell = cell != NULL,
                           .chosen = !json_is_false(json_object_get(each, "chosen"))};

        if (st != MADPO_OK || !dir || !*dir || *dir == '/' || strstr(dir, "..") == dir)
            continue;
        with.tier = copy_of(each, "tier");
        with.method = copy_of(each, "method");
        with.seed = copy_of(each, "seed");
        st = list_add(list, cells, dir, cell ? cell : dir, with, err);
    }
    json_decref(record);
    return st;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_dots(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* "high-dpo@beta=0.05-s1" names tier, method and seed. */
static madpo_part parse_cell(const char *name)
{
    const char *dash = strchr(name, '-'), *last = strrchr(name, '-');
    madpo_part part = {.cell = true, .chosen = true};

    if (!dash || last <= dash || last[1] != 's')
        return part;
    part.tier = strndup(name, (size_t)(dash - name));
    part.method = strndup(dash + 1, (size_t)(last - dash - 1));
    part.seed = strdup(last + 2);
    return part;
}

/* The folders there are. */
static madpo_status list_from_folders(part_list *list, madpo_cells *cells, madpo_error *err)
{
    static const char *const folders[] = {"shared", "tiers", "cells"};
    madpo_status st = MADPO_OK;

    for (int f = 0; f < 3 && st == MADPO_OK; f++) {
        char *parent = join(cells->dir, folders[f]);
        struct dirent **entry = NULL;
        int n = parent ? scandir(parent, &entry, no_dots, by_name) : -1;

        for (int i = 0; i < n; i++) {
            const char *name = entry[i]->d_name;
            char inside[300];

            snprintf(inside, sizeof inside, "%s/%s", folders[f], name);
            if (st == MADPO_OK && f == 2)
                st = list_add(list, cells, inside, name, parse_cell(name), err);
            else if (st == MADPO_OK)
                st = list_add(list, cells, inside, inside, (madpo_part){.chosen = true}, err);
            free(entry[i]);
        }
        free(entry);
        free(parent);
    }
    return st;
}

/* Bring the list of parts up to date, if what it comes from has changed. */
static madpo_status list_parts(madpo_cells *cells, bool *changed, madpo_error *err)
{
    char *path = join(cells->dir, "experiment.json");
    part_list list = {0};
    struct stat now;
    int64_t stamp = 0;
    madpo_status st = path ? MADPO_OK : no_memory(err);

    if (st == MADPO_OK && stat(path, &now) == 0)
        stamp = (int64_t)now.st_mtim.tv_sec * 1000000007 + now.st_mtim.tv_nsec + now.st_size;
    if (st == MADPO_OK && (stamp == 0 || stamp != cells->listed)) {
        size_t before = cells->n;

        st = stamp ? list_from_file(&list, cells, path, err) : list_from_folders(&list, cells, err);
        for (size_t i = 0; i < cells->n; i++)
            part_free(cells->part[i]);
        free(cells->part);
        cells->part = list.v;
        cells->n = list.n;
        cells->listed = st == MADPO_OK ? stamp : -1;
        *changed = *changed || stamp || before != list.n;
    }
    free(path);
    return st;
}

/* ---- what the events say ---- */

typedef struct line_facts {
    madpo_scan_value ev, stage, status, who, metric, action;
    bool refused;
    double t, step, total, mean, eval, eval_accuracy;
    double figure[MADPO_FIGURES];
} line_facts;

static bool is(const madpo_scan_value *v, const char *text)
{
    return v->text && madpo_scan_text_is(v, text);
}

static void facts_member(line_facts *f, const madpo_scan_value *v)
{
    const struct {
        const char *key;
        madpo_scan_value *text;
        double *number;
    } wanted[] = {{"ev", &f->ev, NULL},
                  {"stage", &f->stage, NULL},
                  {"status", &f->status, NULL},
                  {"who", &f->who, NULL},
                  {"metric", &f->metric, NULL},
                  {"action", &f->action, NULL},
                  {"t", NULL, &f->t},
                  {"step", NULL, &f->step},
                  {"total_steps", NULL, &f->total},
                  {"mean", NULL, &f->mean},
                  {"eval_loss", NULL, &f->eval},
                  {"eval_accuracy", NULL, &f->eval_accuracy},
                  {"loss", NULL, &f->figure[MADPO_FIGURE_LOSS]},
                  {"rewards/accuracies", NULL, &f->figure[MADPO_FIGURE_ACCURACY]},
                  {"accuracy", NULL, &f->figure[MADPO_FIGURE_ACCURACY]},
                  {"rewards/margins", NULL, &f->figure[MADPO_FIGURE_MARGIN]},
                  {"madpo/weight/ess", NULL, &f->figure[MADPO_FIGURE_ESS]}};

    f->refused = f->refused || madpo_scan_is(v, "refused");
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (madpo_scan_is(v, wanted[i].key)) {
            if (wanted[i].number)
                *wanted[i].number = v->number;
            else if (v->kind == MADPO_SCAN_STRING)
                *wanted[i].text = *v;
        }
}

static void take_eval(madpo_part *part, const line_facts *f)
{
    if (isfinite(f->eval))
        part->figure[MADPO_FIGURE_EVAL] = f->eval;
    if (isfinite(f->eval_accuracy))
        part->figure[MADPO_FIGURE_ACCURACY] = f->eval_accuracy;
    if (!is(&f->stage, "evaluate") || !is(&f->metric, "true_reward"))
        return;
    if (is(&f->who, "policy"))
        part->figure[MADPO_FIGURE_SCORE] = f->mean;
    else if (is(&f->who, "reference"))
        part->reference = f->mean;
    part->figure[MADPO_FIGURE_GAIN] = part->figure[MADPO_FIGURE_SCORE] - part->reference;
}

static void take_stage(madpo_part *part, const line_facts *f)
{
    bool trains = is(&f->stage, "sft") || is(&f->stage, "reward") || is(&f->stage, "policy");

    if (isfinite(f->eval))
        part->figure[MADPO_FIGURE_EVAL] = f->eval;
    if (!is(&f->status, "start"))
        return;
    part->step = part->total_steps = 0;
    for (int i = MADPO_FIGURE_ACCURACY; trains && i < MADPO_FIGURES; i++)
        part->figure[i] = (double)NAN;
}

static void part_line(madpo_part *part, const char *line, size_t n)
{
    line_facts f = {.t = (double)NAN, .step = (double)NAN, .mean = (double)NAN};
    madpo_scan scan;
    madpo_scan_value v;

    f.eval = f.eval_accuracy = (double)NAN;
    for (int i = 0; i < MADPO_FIGURES; i++)
        f.figure[i] = (double)NAN;
    if (!madpo_scan_open(&scan, line, n))
        return;
    while (madpo_scan_next(&scan, &v))
        facts_member(&f, &v);
    if (!f.ev.text || !isfinite(f.t))
        return;
    if (isfinite(part->t_last) && !part->ended[0] && !is(&f.ev, "resume"))
        part->seconds += fmax(0, f.t - part->t_last);
    part->t_first = isfinite(part->t_first) ? part->t_first : f.t;
    part->t_last = f.t;
    part->ended[0] = '\0';
    part->paused = part->paused && is(&f.ev, "control") && !is(&f.action, "resume");
    if (f.stage.text)
        madpo_scan_unescape(part->stage, sizeof part->stage, f.stage.text, f.stage.n_text);
    if (is(&f.ev, "step")) {
        part->step = f.step;
        part->total_steps = f.total;
        for (int i = 0; i < MADPO_FIGURES; i++)
            if (isfinite(f.figure[i]) || i == MADPO_FIGURE_LOSS)
                part->figure[i] = f.figure[i];
    } else if (is(&f.ev, "eval")) {
        take_eval(part, &f);
    } else if (is(&f.ev, "stage")) {
        take_stage(part, &f);
    } else if (is(&f.ev, "end") && f.status.text) {
        madpo_scan_unescape(part->ended, sizeof part->ended, f.status.text, f.status.n_text);
    } else if (is(&f.ev, "warning")) {
        part->n_warnings++;
    } else if (is(&f.ev, "control") && !f.refused && is(&f.action, "pause")) {
        part->paused = true;
    }
}

/* ---- what became of a part ---- */

/* cell.json: done or failed, and why. */
static bool read_record(madpo_part *part)
{
    char *path = join(part->dir, "cell.json");
    json_t *record = NULL;
    const char *status, *reason;
    bool known = false;

    if (path && madpo_file_exists(path) && madpo_json_load(&record, path, NULL) == MADPO_OK) {
        status = json_string_value(json_object_get(record, "status"));
        reason = json_string_value(json_object_get(record, "reason"));
        known = status && (strcmp(status, "done") == 0 || strcmp(status, "failed") == 0);
        if (known)
            part->state = strcmp(status, "done") == 0 ? MADPO_PART_DONE : MADPO_PART_FAILED;
        snprintf(part->reason, sizeof part->reason, "%.199s", known && reason ? reason : "");
    }
    json_decref(record);
    free(path);
    return known;
}

static void part_judge(const madpo_cells *cells, madpo_part *part)
{
    long pid;

    part->reason[0] = '\0';
    if (part->reader && cells->live && madpo_run_reader_is_live(part->reader, &pid))
        part->state = MADPO_PART_RUNNING;
    else if (part->cell && read_record(part))
        return;
    else if (strcmp(part->ended, "done") == 0)
        part->state = MADPO_PART_DONE;
    else if (part->ended[0] && strcmp(part->ended, "stopped") != 0)
        part->state = MADPO_PART_FAILED;
    else if (isfinite(part->t_first))
        part->state = MADPO_PART_STOPPED;
    else
        part->state = cells->live && part->chosen ? MADPO_PART_WAITING : MADPO_PART_LEFT;
}

/* Read on in the events of a part. A folder that was made anew is a part that begins anew. */
static madpo_status part_load(madpo_cells *cells, madpo_part *part, double until, bool *changed,
                              bool *more, madpo_error *err)
{
    char *path = join(part->dir, "events.jsonl");
    madpo_part_state was = part->state;
    const char *line = NULL;
    struct stat now = {0};
    size_t n = 0;
    bool there = path && stat(path, &now) == 0, grown;
    madpo_status st = MADPO_OK;

    free(path);
    if (!there || (uint64_t)now.st_ino != part->inode || now.st_size < part->size) {
        *changed = *changed || part->size > 0;
        forget(part);
    }
    part->inode = (uint64_t)now.st_ino;
    grown = now.st_size != part->size;
    if (there && grown && !part->reader) {
        forget(part);
        if (madpo_run_reader_open(&part->reader, part->dir, NULL) != MADPO_OK)
            part->reader = NULL; /* run.json is not there yet */
    }
    for (int i = 0; st == MADPO_OK && part->reader; i++) {
        if (i % LINES == LINES - 1 && madpo_clock_monotonic() >= until) {
            *more = true;
            return MADPO_OK;
        }
        st = madpo_run_reader_next_line(part->reader, &line, &n, err);
        if (st != MADPO_OK || !line)
            break;
        part_line(part, line, n);
        *changed = true;
    }
    if (part->reader)
        part->size = now.st_size;
    part_judge(cells, part);
    if (part->state == MADPO_PART_DONE || part->state == MADPO_PART_FAILED) {
        madpo_run_reader_close(part->reader);
        part->reader = NULL;
    }
    *changed = *changed || part->state != was;
    return st;
}

madpo_status madpo_cells_load(madpo_cells *cells, double seconds, bool *changed, bool *more,
                              madpo_error *err)
{
    double now = madpo_clock_monotonic();
    char *lock;
    bool was = cells->live;
    madpo_status st;

    *changed = *more = false;
    if (cells->looked_at >= 0 && now - cells->looked_at < look_every)
        return MADPO_OK;
    st = list_parts(cells, changed, err);
    lock = join(cells->dir, "experiment.lock");
    cells->live = lock && madpo_lock_is_held(lock, &cells->pid);
    free(lock);
    for (size_t i = 0; i < cells->n && st == MADPO_OK && !*more; i++)
        st = part_load(cells, cells->part[i], now + seconds, changed, more, err);
    cells->looked_at = *more ? -1.0 : madpo_clock_monotonic();
    *changed = *changed || was || cells->live;
    return st;
}
