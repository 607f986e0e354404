/* The published experiment: which runs there are, in which order, and what became of them. */
#include "train/experiment.h"

#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "train/experiment_inside.h"

/* ---- small things ---- */

madpo_status madpo__exp_path(char **out, const madpo_experiment *e, madpo_error *err,
                             const char *fmt, ...)
{
    char name[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    return madpo_path_join(out, e->dir, name, err);
}

void madpo__exp_message(const madpo_experiment *e, const char *fmt, ...)
{
    const madpo_listener *listener = e->how.listener;
    char line[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (listener && listener->message)
        listener->message(listener->user, line);
}

/* A line of its own kind among the events, so that a reader knows whose the next ones are. */
static void tell_part(const madpo_experiment *e, const char *part, const char *status)
{
    const madpo_listener *listener = e->how.listener;
    json_t *event;
    char *text = NULL;

    if (!listener || !listener->event)
        return;
    event = json_pack("{s:i,s:s,s:s,s:s}", "v", 1, "ev", "part", "part", part, "status", status);
    if (event && madpo_json_dump(&text, event, NULL) == MADPO_OK)
        listener->event(listener->user, text);
    free(text);
    json_decref(event);
}

static bool is_stopped(const madpo_experiment *e)
{
    return e->how.stopped && e->how.stopped(e->how.user);
}

static bool is_chosen(const madpo_experiment *e, const madpo__exp_cell *cell)
{
    return !e->only || fnmatch(e->only, cell->name, 0) == 0;
}

/* ---- life ---- */

static madpo_status check_only(const madpo_experiment *e, madpo_error *err)
{
    for (size_t i = 0; i < e->plan.n_cells; i++)
        if (is_chosen(e, &e->plan.cell[i]))
            return MADPO_OK;
    return madpo_error_set(err, MADPO_ERR_USAGE,
                           "there is no cell \"%s\"; they are called as \"%s\" (--list names all)",
                           e->only, e->plan.cell[0].name);
}

static madpo_status check_source(const madpo_experiment *e, madpo_error *err)
{
    if (strcmp(e->o->data.source, "pairs") == 0 ||
        (strcmp(e->o->data.source, "auto") == 0 && *e->o->data.pairs))
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "an experiment samples its own pairs: set data.source to "
                               "\"reviews\" or \"synthetic\", and no data.pairs");
    return MADPO_OK;
}

madpo_status madpo_experiment_new(madpo_experiment **out, const madpo_config *config,
                                  const madpo_experiment_options *options, madpo_error *err)
{
    madpo_experiment *e = calloc(1, sizeof *e);
    madpo_status st;

    *out = NULL;
    if (!e)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "experiment: out of host memory");
    e->how = *options;
    e->dir = strdup(options->dir);
    e->only = options->only ? strdup(options->only) : NULL;
    st = e->dir && (e->only || !options->only)
             ? madpo_config_check(config, err)
             : madpo_error_set(err, MADPO_ERR_NOMEM, "experiment: out of host memory");
    if (st == MADPO_OK)
        st = madpo_config_clone(&e->config, config, err);
    if (st == MADPO_OK) {
        e->o = madpo_config_options(e->config);
        st = check_source(e, err);
    }
    if (st == MADPO_OK)
        st = madpo__exp_plan_init(&e->plan, e->config, err);
    if (st == MADPO_OK)
        st = check_only(e, err);
    if (st == MADPO_OK)
        *out = e;
    else
        madpo_experiment_free(e);
    return st;
}

void madpo_experiment_free(madpo_experiment *e)
{
    if (!e)
        return;
    madpo__exp_plan_dispose(&e->plan);
    madpo_config_free(e->config);
    free(e->dir);
    free(e->only);
    free(e);
}

size_t madpo_experiment_cells(const madpo_experiment *e)
{
    return e->plan.n_cells;
}

const char *madpo_experiment_cell(const madpo_experiment *e, size_t i)
{
    return e->plan.cell[i].name;
}

/* ---- the settings of an experiment that goes on ---- */

/* What may change between two calls: the device, and the lists, which only add cells. */
static bool key_counts(const char *key)
{
    static const char *const free_keys[] = {
        "device.",          "experiment.tiers",  "experiment.methods",
        "experiment.seeds", "experiment.sweep_", "experiment.ablation",
        "run.log_every",    "run.log_tokens",    "run.keep_checkpoints"};

    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++)
        if (strncmp(key, free_keys[i], strlen(free_keys[i])) == 0)
            return false;
    return true;
}

static madpo_status compare_settings(const madpo_experiment *e, const char *path, madpo_error *err)
{
    madpo_config *was = NULL;
    char *difference = NULL;
    madpo_status st = madpo_config_new(&was, err);

    if (st == MADPO_OK)
        st = madpo_config_load(was, path, err);
    if (st == MADPO_OK)
        st = madpo_config_difference(&difference, was, e->config, key_counts, err);
    if (st == MADPO_OK && !difference && e->o->experiment.reseed_data &&
        strcmp(e->o->experiment.seeds, madpo_config_options(was)->experiment.seeds) != 0)
        st = madpo_error_set(err, MADPO_ERR_MISMATCH,
                             "%s: with experiment.reseed_data the seeds cannot change from %s to "
                             "%s; choose another --out",
                             e->dir, madpo_config_options(was)->experiment.seeds,
                             e->o->experiment.seeds);
    if (st == MADPO_OK && difference)
        st = madpo_error_set(err, MADPO_ERR_MISMATCH,
                             "%s holds an experiment with other settings (%s); choose another "
                             "--out",
                             e->dir, difference);
    madpo_config_free(was);
    free(difference);
    return st;
}

static madpo_status keep_settings(const madpo_experiment *e, madpo_error *err)
{
    char *path = NULL, *text = NULL;
    madpo_status st = madpo__exp_path(&path, e, err, "config.cfg");

    if (st == MADPO_OK && madpo_file_exists(path))
        st = compare_settings(e, path, err);
    if (st == MADPO_OK)
        st = madpo_config_format(e->config, &text, err);
    if (st == MADPO_OK)
        st = madpo_file_write(path, text, strlen(text), err);
    free(text);
    free(path);
    return st;
}

/* ---- one run ---- */

/* Does state.json of a run say that all of these stages are done? */
static bool run_is_done(const char *dir, const madpo_config *config)
{
    static const char *const stages[] = {"sft",     "generate", "tiers",   "reward",
                                         "margins", "policy",   "evaluate"};
    json_t *state = NULL, *done, *name;
    char *path = NULL;
    size_t i;
    bool all = madpo_path_join(&path, dir, "state.json", NULL) == MADPO_OK &&
               madpo_file_exists(path) && madpo_json_load(&state, path, NULL) == MADPO_OK;

    done = json_object_get(state, "done");
    for (size_t s = 0; s < sizeof stages / sizeof *stages && all; s++) {
        bool found = !madpo_options_has_stage(madpo_config_options(config), stages[s]);

        json_array_foreach(done, i, name)
        {
            const char *text = json_string_value(name);

            found = found || (text && strcmp(text, stages[s]) == 0);
        }
        all = found;
    }
    json_decref(state);
    free(path);
    return all;
}

static bool run_has_begun(const char *dir)
{
    char *path = NULL;
    bool begun =
        madpo_path_join(&path, dir, "run.json", NULL) == MADPO_OK && madpo_file_exists(path);

    free(path);
    return begun;
}

static madpo_status run_trainer(const madpo_experiment *e, const char *dir,
                                const madpo_config *config, madpo_error *err)
{
    const madpo_trainer_options how = {
        .run_dir = dir, .resume = run_has_begun(dir), .listener = e->how.listener, .control = true};
    madpo_trainer *trainer = NULL;
    madpo_status st = madpo_trainer_new(&trainer, config, &how, err);

    if (st == MADPO_OK && e->how.serve)
        e->how.serve(e->how.user, trainer);
    if (st == MADPO_OK)
        st = madpo_trainer_run(trainer, err);
    if (e->how.serve)
        e->how.serve(e->how.user, NULL);
    madpo_trainer_free(trainer);
    return st;
}

/* Run what is left of a part. Takes config. */
static madpo_status run_part(const madpo_experiment *e, const char *dir, madpo_config *config,
                             madpo_error *err)
{
    madpo_status st = MADPO_OK;

    if (is_stopped(e))
        st =
            madpo_error_set(err, MADPO_ERR_STOPPED, "stopped on request; the same command goes on");
    else if (!run_is_done(dir, config)) {
        tell_part(e, dir, "start");
        st = run_trainer(e, dir, config, err);
        tell_part(e, dir, st == MADPO_OK ? "done" : st == MADPO_ERR_STOPPED ? "stopped" : "failed");
    }
    madpo_config_free(config);
    return st;
}

static madpo_status run_shared(const madpo_experiment *e, madpo_error *err)
{
    madpo_config *config = NULL;
    char *dir = NULL;
    madpo_status st = madpo__exp_path(&dir, e, err, "shared/sft");

    if (st == MADPO_OK)
        st = madpo__exp_shared_config(&config, e, err);
    if (st == MADPO_OK && !run_is_done(dir, config))
        madpo__exp_message(e, "experiment: language model, samples and tiers");
    if (st == MADPO_OK)
        st = run_part(e, dir, config, err);
    free(dir);
    return st;
}

/* Reward model and margins of a tier, as the first cell that wants them asks for them. */
static madpo_status run_tier(const madpo_experiment *e, size_t tier, size_t seed, madpo_error *err)
{
    madpo_config *config = NULL;
    char *dir = NULL;
    madpo_status st = madpo__exp_tier_dir(&dir, e, tier, seed, err);

    if (st == MADPO_OK)
        st = madpo__exp_tier_config(&config, e, tier, seed, err);
    if (st == MADPO_OK && !run_is_done(dir, config))
        madpo__exp_message(e, "experiment: reward model of tier %s", e->plan.tier[tier]);
    if (st == MADPO_OK)
        st = run_part(e, dir, config, err);
    free(dir);
    return st == MADPO_OK || st == MADPO_ERR_STOPPED
               ? st
               : madpo_error_context(err, "tier %s", e->plan.tier[tier]);
}

/* ---- cells ---- */

static madpo_status cell_record_path(char **out, const madpo_experiment *e,
                                     const madpo__exp_cell *cell, madpo_error *err)
{
    return madpo__exp_path(out, e, err, "cells/%s/cell.json", cell->name);
}

/* cell.json, NULL if there is none that can be read (owned by the caller). */
static json_t *cell_record(const madpo_experiment *e, const madpo__exp_cell *cell)
{
    char *path = NULL;
    json_t *record = NULL;

    if (cell_record_path(&path, e, cell, NULL) == MADPO_OK && madpo_file_exists(path) &&
        madpo_json_load(&record, path, NULL) != MADPO_OK)
        record = NULL;
    free(path);
    return record;
}

static const char *record_text(const json_t *record, const char *key)
{
    const char *text = json_string_value(json_object_get(record, key));

    return text ? text : "";
}

const char *madpo_experiment_cell_status(const madpo_experiment *e, size_t i, char **reason)
{
    const madpo__exp_cell *cell = &e->plan.cell[i];
    json_t *record = cell_record(e, cell);
    const char *status = record_text(record, "status"), *out = "to do";
    char *dir = NULL;

    if (reason)
        *reason = NULL;
    if (strcmp(status, "done") == 0) {
        out = "done";
    } else if (strcmp(status, "failed") == 0) {
        out = "failed";
        if (reason)
            *reason = strdup(record_text(record, "reason"));
    } else if (madpo__exp_path(&dir, e, NULL, "cells/%s", cell->name) == MADPO_OK &&
               run_has_begun(dir)) {
        out = "begun";
    }
    free(dir);
    json_decref(record);
    return out;
}

static madpo_status write_record(const madpo_experiment *e, const madpo__exp_cell *cell,
                                 madpo_status status, const char *reason, madpo_error *err)
{
    json_t *record =
        json_pack("{s:i,s:s}", "v", 1, "status", status == MADPO_OK ? "done" : "failed");
    char *path = NULL, *dir = NULL;
    madpo_status st =
        record ? MADPO_OK
               : madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", cell->name);

    if (st == MADPO_OK && status != MADPO_OK) {
        json_object_set_new(record, "code", json_string(madpo_status_name(status)));
        json_object_set_new(record, "reason", madpo_json_text(reason, strlen(reason)));
    }
    if (st == MADPO_OK)
        st = cell_record_path(&path, e, cell, err);
    if (st == MADPO_OK)
        st = madpo_path_parent(&dir, path, err);
    if (st == MADPO_OK)
        st = madpo_dir_make(dir, err);
    if (st == MADPO_OK)
        st = madpo_json_save(record, path, err);
    json_decref(record);
    free(path);
    free(dir);
    return st;
}

/* A result of the numbers comes again; a device, a disk or memory may be there the next time. */
static bool is_final(const madpo_experiment *e, const json_t *record)
{
    const char *code = record_text(record, "code");

    if (strcmp(record_text(record, "status"), "done") == 0)
        return true;
    return record && !e->how.retry &&
           (strcmp(code, madpo_status_name(MADPO_ERR_NUMERIC)) == 0 ||
            strcmp(code, madpo_status_name(MADPO_ERR_CONFIG)) == 0);
}

/* Of a finished cell its models and records are enough. */
static madpo_status remove_checkpoints(const char *dir, madpo_error *err)
{
    char *path = NULL;
    madpo_status st = madpo_path_join(&path, dir, "checkpoints", err);

    if (st == MADPO_OK)
        st = madpo_dir_remove(path, err);
    free(path);
    return st;
}

static madpo_status train_cell(const madpo_experiment *e, const madpo__exp_cell *cell, bool anew,
                               madpo_error *err)
{
    madpo_config *config = NULL;
    char *dir = NULL;
    madpo_status st = madpo__exp_path(&dir, e, err, "cells/%s", cell->name);

    if (st == MADPO_OK && anew)
        st = madpo_dir_remove(dir, err);
    if (st == MADPO_OK)
        st = run_tier(e, (size_t)cell->tier, cell->seed, err);
    if (st == MADPO_OK)
        st = madpo__exp_cell_config(&config, e, cell, err);
    if (st == MADPO_OK)
        st = run_part(e, dir, config, err);
    if (st == MADPO_OK)
        st = remove_checkpoints(dir, err);
    free(dir);
    return st;
}

/* A failure becomes a record and is no error; a stop is one. */
static madpo_status run_cell(const madpo_experiment *e, const madpo__exp_cell *cell, bool anew,
                             madpo_error *err)
{
    madpo_error why = MADPO_ERROR_INIT;
    madpo_status st = train_cell(e, cell, anew, &why);

    if (st == MADPO_ERR_STOPPED)
        return madpo_error_set(err, st, "%s", why.message);
    if (st != MADPO_OK)
        madpo__exp_message(e, "experiment: %s failed: %s", cell->name, why.message);
    return write_record(e, cell, st, why.message, err);
}

static size_t cells_left(const madpo_experiment *e, size_t from)
{
    size_t n = 0;

    for (size_t i = from; i < e->plan.n_cells; i++) {
        json_t *record = is_chosen(e, &e->plan.cell[i]) ? cell_record(e, &e->plan.cell[i]) : NULL;

        n += is_chosen(e, &e->plan.cell[i]) && !is_final(e, record);
        json_decref(record);
    }
    return n;
}

/* What comes next, and, once a cell was timed, how long the rest will take. */
static void tell_cell(const madpo_experiment *e, size_t i, size_t n_run, double seconds)
{
    char left[64] = "";

    if (n_run > 0)
        snprintf(left, sizeof left, ", about %.0f min left",
                 ceil(seconds / (double)n_run * (double)cells_left(e, i) / 60.0));
    madpo__exp_message(e, "experiment: cell %zu of %zu: %s%s", i + 1, e->plan.n_cells,
                       e->plan.cell[i].name, left);
}

static madpo_status run_cells(const madpo_experiment *e, madpo_error *err)
{
    double began = madpo_clock_monotonic();
    size_t n_run = 0;
    madpo_status st = MADPO_OK;

    for (size_t i = 0; i < e->plan.n_cells && st == MADPO_OK; i++) {
        const madpo__exp_cell *cell = &e->plan.cell[i];
        json_t *record;

        if (!is_chosen(e, cell))
            continue;
        record = cell_record(e, cell);
        if (is_final(e, record)) {
            madpo__exp_message(e, "experiment: cell %zu of %zu: %s: %s before", i + 1,
                               e->plan.n_cells, cell->name, record_text(record, "status"));
        } else {
            tell_cell(e, i, n_run, madpo_clock_monotonic() - began);
            st = run_cell(e, cell, record && e->how.retry, err);
            n_run++;
        }
        json_decref(record);
    }
    return st;
}

static madpo_status run_all(madpo_experiment *e, madpo_error *err)
{
    madpo_exp_results results = {0};
    madpo_status st = keep_settings(e, err);

    if (st == MADPO_OK)
        st = madpo__exp_write_parts(e, err);
    if (st == MADPO_OK)
        st = run_shared(e, err);
    if (st == MADPO_OK)
        st = run_cells(e, err);
    if (st == MADPO_OK)
        st = madpo__exp_collect(&results, e, err);
    if (st == MADPO_OK)
        st = madpo__exp_write(e, &results, err);
    if (st == MADPO_OK)
        st = madpo__exp_figures(e, &results, err);
    madpo_exp_results_dispose(&results);
    return st;
}

madpo_status madpo_experiment_run(madpo_experiment *e, madpo_error *err)
{
    int lock = -1;
    madpo_status st = madpo__exp_lock(&lock, e, err);

    if (st == MADPO_OK)
        st = run_all(e, err);
    if (lock >= 0)
        close(lock);
    return st;
}

madpo_status madpo_experiment_report(const madpo_experiment *e, char **out, madpo_error *err)
{
    char *path = NULL;
    size_t n;
    madpo_status st = madpo__exp_path(&path, e, err, "results.md");

    *out = NULL;
    if (st == MADPO_OK)
        st = madpo_file_read(out, &n, path, err);
    free(path);
    return st;
}
