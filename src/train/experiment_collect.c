/* What the finished cells of an experiment left, read from their run directories. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "run/reader.h"
#include "train/experiment_inside.h"

/* ---- samples of a cell ---- */

typedef struct scores {
    double *reference, *policy; /* [capacity] */
    size_t n_reference, n_policy, capacity;
} scores;

static madpo_status scores_grow(scores *s, madpo_error *err)
{
    size_t capacity = s->capacity > 0 ? 2 * s->capacity : 256;
    double *reference = realloc(s->reference, capacity * sizeof *reference), *policy;

    s->reference = reference ? reference : s->reference;
    policy = reference ? realloc(s->policy, capacity * sizeof *policy) : NULL;
    s->policy = policy ? policy : s->policy;
    if (!policy)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "results: out of host memory");
    s->capacity = capacity;
    return MADPO_OK;
}

static madpo_status scores_line(scores *s, const char *text, size_t n, const char *path, int line,
                                madpo_error *err)
{
    const char *who = "";
    double score = NAN;
    json_t *record;
    madpo_status st = madpo_json_parse(&record, text, n, path, line, err);

    if (st != MADPO_OK)
        return st;
    if (s->n_reference == s->capacity || s->n_policy == s->capacity)
        st = scores_grow(s, err);
    if (st == MADPO_OK)
        st = madpo_json_get_string(&who, record, "who", path, err);
    if (st == MADPO_OK)
        st = madpo_json_get_number(&score, record, "score", path, err);
    if (st == MADPO_OK && strcmp(who, "reference") == 0)
        s->reference[s->n_reference++] = score;
    else if (st == MADPO_OK)
        s->policy[s->n_policy++] = score;
    json_decref(record);
    return st;
}

static madpo_status scores_read(scores *s, const char *path, madpo_error *err)
{
    char *text = NULL;
    size_t n = 0;
    int line = 1;
    madpo_status st = madpo_file_read(&text, &n, path, err);

    for (size_t start = 0; start < n && st == MADPO_OK; line++) {
        const char *end = memchr(text + start, '\n', n - start);
        size_t length = end ? (size_t)(end - (text + start)) : n - start;

        st = scores_line(s, text + start, length, path, line, err);
        start += length + 1;
    }
    free(text);
    if (st == MADPO_OK && (s->n_policy == 0 || s->n_policy != s->n_reference))
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "%s has %zu samples of the reference and %zu of the policy: remove "
                             "its cell's folder to make it anew",
                             path, s->n_reference, s->n_policy);
    return st;
}

/* ---- places for them ---- */

static madpo_status make_room(madpo_exp_results *r, size_t n_prompts, madpo_error *err)
{
    size_t n_cells = r->n_tiers * r->n_columns * r->n_seeds;

    r->n_prompts = n_prompts;
    r->score = calloc(n_cells * n_prompts + 1, sizeof *r->score);
    r->reference = calloc(r->n_seeds * n_prompts + 1, sizeof *r->reference);
    return r->score && r->reference
               ? MADPO_OK
               : madpo_error_set(err, MADPO_ERR_NOMEM, "results: out of host memory");
}

static madpo_status collect_cell(madpo_exp_results *r, const madpo_experiment *e, size_t i,
                                 madpo_error *err)
{
    const madpo__exp_cell *cell = &e->plan.cell[i];
    size_t place = madpo_exp_cell_index(r, (size_t)cell->tier, cell->method, cell->seed);
    scores s = {0};
    char *path = NULL;
    madpo_status st = madpo__exp_path(&path, e, err, "cells/%s/samples.jsonl", cell->name);

    if (st == MADPO_OK)
        st = scores_read(&s, path, err);
    if (st == MADPO_OK && !r->score)
        st = make_room(r, s.n_policy, err);
    if (st == MADPO_OK && s.n_policy != r->n_prompts)
        st = madpo_error_set(err, MADPO_ERR_DATA, "%s has %zu samples, the other cells have %zu",
                             path, s.n_policy, r->n_prompts);
    if (st == MADPO_OK) {
        memcpy(r->score + place * r->n_prompts, s.policy, s.n_policy * sizeof *s.policy);
        r->done[place] = true;
        if (!r->has_reference[cell->seed])
            memcpy(r->reference + cell->seed * r->n_prompts, s.reference,
                   s.n_reference * sizeof *s.reference);
        r->has_reference[cell->seed] = true;
    }
    free(s.reference);
    free(s.policy);
    free(path);
    return st;
}

static madpo_status collect_cells(madpo_exp_results *r, const madpo_experiment *e, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (size_t i = 0; i < e->plan.n_cells && st == MADPO_OK; i++) {
        char *reason = NULL;
        const char *status = madpo_experiment_cell_status(e, i, &reason);

        if (strcmp(status, "done") == 0) {
            st = collect_cell(r, e, i, err);
        } else if (strcmp(status, "failed") == 0) {
            const madpo__exp_cell *cell = &e->plan.cell[i];

            r->failed[madpo_exp_cell_index(r, (size_t)cell->tier, cell->method, cell->seed)] = true;
            r->failure[r->n_failures++] = (madpo_exp_failure){.cell = cell->name, .reason = reason};
            reason = NULL;
        }
        free(reason);
    }
    if (st == MADPO_OK && !r->score)
        st = make_room(r, 0, err);
    return st;
}

/* ---- reward models ---- */

/* What the run's last evaluation of a reward model said, less what depends on the clock; of several
 * models that is the last one. */
static json_t *reward_event(const char *dir)
{
    madpo_run_reader *reader = NULL;
    json_t *event = NULL, *last = NULL;

    if (madpo_run_reader_open(&reader, dir, NULL) != MADPO_OK)
        return NULL;
    while (madpo_run_reader_next(reader, &event, NULL) == MADPO_OK && event) {
        const char *ev = json_string_value(json_object_get(event, "ev"));
        const char *stage = json_string_value(json_object_get(event, "stage"));

        if (ev && stage && strcmp(ev, "eval") == 0 && strcmp(stage, "reward") == 0 &&
            json_is_object(json_object_get(event, "true_order"))) {
            json_decref(last);
            last = json_incref(event);
        }
        json_decref(event);
    }
    madpo_run_reader_close(reader);
    for (const char *const *key = (const char *const[]){"v", "t", "ev", "stage", "who", NULL};
         last && *key; key++)
        json_object_del(last, *key);
    return last;
}

static madpo_status collect_rewards(madpo_exp_results *r, const madpo_experiment *e,
                                    madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (size_t t = 0; t < r->n_tiers && st == MADPO_OK; t++) {
        char *dir = NULL;

        st = madpo__exp_tier_dir(&dir, e, t, 0, err);
        if (st == MADPO_OK)
            r->reward[t] = reward_event(dir);
        free(dir);
    }
    return st;
}

madpo_status madpo__exp_collect(madpo_exp_results *r, const madpo_experiment *e, madpo_error *err)
{
    const madpo__exp_plan *p = &e->plan;
    madpo_status st;

    *r = (madpo_exp_results){.metric = "true reward",
                             .tier = p->tier,
                             .seed = (const char *const *)p->seed,
                             .n_tiers = p->n_tiers,
                             .n_seeds = p->n_seeds,
                             .n_columns = p->n_methods};
    r->column = calloc(p->n_methods, sizeof *r->column);
    r->done = calloc(p->n_tiers * p->n_methods * p->n_seeds, sizeof *r->done);
    r->failed = calloc(p->n_tiers * p->n_methods * p->n_seeds, sizeof *r->failed);
    r->has_reference = calloc(p->n_seeds, sizeof *r->has_reference);
    r->reward = calloc(p->n_tiers, sizeof *r->reward);
    r->failure = calloc(p->n_cells + 1, sizeof *r->failure);
    if (!r->column || !r->done || !r->failed || !r->has_reference || !r->reward || !r->failure)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "results: out of host memory");
    for (size_t i = 0; i < p->n_methods; i++)
        r->column[i] = (madpo_exp_column){.spec = p->method[i].spec,
                                          .roles = p->method[i].roles,
                                          .c = p->method[i].c,
                                          .tau = p->method[i].tau};
    st = collect_cells(r, e, err);
    return st == MADPO_OK ? collect_rewards(r, e, err) : st;
}

/* ---- files ---- */

static madpo_status write_text(const madpo_experiment *e, const char *name, madpo_strbuf *b,
                               madpo_error *err)
{
    char *path = NULL;
    madpo_status st = madpo_strbuf_check(b, err);

    if (st == MADPO_OK)
        st = madpo__exp_path(&path, e, err, "%s", name);
    if (st == MADPO_OK)
        st = madpo_file_write(path, b->s, b->n, err);
    free(path);
    madpo_strbuf_dispose(b);
    return st;
}

madpo_status madpo__exp_write(const madpo_experiment *e, const madpo_exp_results *r,
                              madpo_error *err)
{
    madpo_strbuf b = {0};
    json_t *json = madpo_exp_json(r);
    char *path = NULL;
    madpo_status st;

    madpo_exp_markdown(&b, r);
    st = write_text(e, "results.md", &b, err);
    if (st == MADPO_OK) {
        madpo_exp_csv(&b, r);
        st = write_text(e, "results.csv", &b, err);
    }
    if (st == MADPO_OK)
        st = madpo__exp_path(&path, e, err, "results.json");
    if (st == MADPO_OK)
        st = json ? madpo_json_save(json, path, err)
                  : madpo_error_set(err, MADPO_ERR_NOMEM, "results: out of host memory");
    free(path);
    json_decref(json);
    return st;
}
