/* Gathering a run from its directory; see report.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "madpo/config.h"
#include "report/inside.h"
#include "run/reader.h"

enum { MAX_SAMPLES = 6, MAX_WARNINGS = 50 };

/* ---- events ---- */

/* Reading state: whose time passes. */
typedef struct collector {
    madpo_report *report;
    madpo__stage *now; /* NULL before the first stage and after the end */
    double t;          /* of the event before, NaN = none */
    bool paused;
} collector;

static madpo__stage *stage_get(madpo_report *r, const char *name)
{
    madpo__stage *s;

    for (size_t i = 0; i < r->n_stages; i++)
        if (strcmp(r->stage[i].name, name) == 0)
            return &r->stage[i];
    if (r->n_stages == MADPO__MAX_STAGES || !*name || strlen(name) >= sizeof s->name)
        return NULL;
    s = &r->stage[r->n_stages++];
    *s = (madpo__stage){.best_step = -1, .eval_loss = NAN};
    snprintf(s->name, sizeof s->name, "%s", name);
    return s;
}

/* The time since the event before belongs to the stage under way, unless the run was paused or, by
 * a resume, not there at all. */
static void collect_time(collector *c, double t, bool resumed)
{
    madpo_report *r = c->report;
    double passed = t - c->t;

    if (isnan(t))
        return;
    if (isnan(r->began))
        r->began = t;
    r->last = t;
    if (!resumed && passed > 0.0 && c->paused)
        r->paused += passed;
    else if (!resumed && passed > 0.0 && c->now)
        c->now->seconds += passed;
    c->t = t;
}

static void take_stage(collector *c, const json_t *event)
{
    const char *status = madpo__string(event, "status");
    madpo__stage *s = stage_get(c->report, madpo__string(event, "stage"));

    if (!s)
        return;
    if (strcmp(status, "skipped") != 0 || !s->status[0])
        snprintf(s->status, sizeof s->status, "%.15s", status);
    c->now = strcmp(status, "start") == 0 || strcmp(status, "trained") == 0 ? s : NULL;
    if (strcmp(status, "trained") != 0)
        return;
    s->steps = (int64_t)json_integer_value(json_object_get(event, "steps"));
    s->best_step = (int64_t)json_integer_value(json_object_get(event, "best_step"));
    s->eval_loss = madpo__number(event, "eval_loss");
    s->stopped_early = json_is_true(json_object_get(event, "stopped_early"));
}

static bool is_bookkeeping(const char *key)
{
    static const char *const keys[] = {"v", "t", "step", "total_steps", "n", "best_step"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

/* Every number of a step or held-out evaluation is a point of a series; null is NaN. */
static madpo_status take_numbers(madpo_report *r, json_t *event, madpo_error *err)
{
    const char *key, *stage = madpo__string(event, "stage");
    double step = madpo__number(event, "step");
    madpo_status st = MADPO_OK;
    json_t *value;

    json_object_foreach(event, key, value)
    {
        if (st == MADPO_OK && !is_bookkeeping(key) &&
            (json_is_number(value) || json_is_null(value)))
            st = madpo__series_add(r, stage, key, step,
                                   json_is_null(value) ? NAN : json_number_value(value), err);
    }
    return st;
}

static madpo_status take_step(collector *c, json_t *event, madpo_error *err)
{
    madpo__stage *s = stage_get(c->report, madpo__string(event, "stage"));

    if (!s || isnan(madpo__number(event, "step")))
        return MADPO_OK;
    c->now = s;
    s->steps = (int64_t)json_integer_value(json_object_get(event, "step"));
    s->total = (int64_t)json_integer_value(json_object_get(event, "total_steps"));
    s->tokens = (int64_t)json_integer_value(json_object_get(event, "num_tokens"));
    return take_numbers(c->report, event, err);
}

/* What the run cost: memory counts, and is held beside the steps. */
static madpo_status take_system(collector *c, json_t *event, madpo_error *err)
{
    madpo__stage *s = stage_get(c->report, madpo__string(event, "stage"));
    double peak = madpo__number(event, "device_peak_bytes");

    if (s && peak > s->peak_bytes)
        s->peak_bytes = peak;
    return isnan(madpo__number(event, "step")) ? MADPO_OK : take_numbers(c->report, event, err);
}

/* A held-out evaluation of the step loop, or a result of its own; of each kind the last counts. */
static madpo_status take_eval(collector *c, json_t *event, madpo_error *err)
{
    json_t *all = c->report->evaluations;

    if (!json_object_get(event, "who"))
        return isnan(madpo__number(event, "step")) ? MADPO_OK : take_numbers(c->report, event, err);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *e = json_array_get(all, i);

        if (strcmp(madpo__string(e, "stage"), madpo__string(event, "stage")) == 0 &&
            strcmp(madpo__string(e, "who"), madpo__string(event, "who")) == 0 &&
            strcmp(madpo__string(e, "metric"), madpo__string(event, "metric")) == 0)
            return json_array_set(all, i, event) == 0
                       ? MADPO_OK
                       : madpo_error_set(err, MADPO_ERR_NOMEM, "report: out of host memory");
    }
    json_array_append(all, event);
    return MADPO_OK;
}

static void take_control(collector *c, json_t *event)
{
    const char *action = madpo__string(event, "action");

    json_array_append(c->report->controls, event);
    if (json_object_get(event, "refused"))
        return;
    if (strcmp(action, "pause") == 0)
        c->paused = true;
    else if (strcmp(action, "resume") == 0 || strcmp(action, "stop") == 0)
        c->paused = false;
}

static void take_warning(collector *c, const json_t *event)
{
    madpo_strbuf b = {0};

    if (json_array_size(c->report->warnings) >= MAX_WARNINGS)
        return;
    if (!isnan(madpo__number(event, "step")))
        madpo_strbuf_printf(&b, "%s, step %.0f: ", madpo__string(event, "stage"),
                            madpo__number(event, "step"));
    madpo_strbuf_append(&b, madpo__string(event, "what"));
    if (*madpo__string(event, "what") && *madpo__string(event, "text"))
        madpo_strbuf_append(&b, ": ");
    madpo_strbuf_append(&b, madpo__string(event, "text"));
    if (!b.failed && b.s)
        json_array_append_new(c->report->warnings, madpo_json_text(b.s, b.n));
    madpo_strbuf_dispose(&b);
}

static madpo_status take_end(collector *c, const json_t *event, madpo_error *err)
{
    madpo_report *r = c->report;
    const char *reason = madpo__string(event, "reason");

    snprintf(r->status, sizeof r->status, "%.15s", madpo__string(event, "status"));
    free(r->reason);
    r->reason = *reason ? strdup(reason) : NULL;
    c->now = NULL;
    c->paused = false;
    return *reason && !r->reason
               ? madpo_error_set(err, MADPO_ERR_NOMEM, "report: out of host memory")
               : MADPO_OK;
}

static madpo_status take_event(collector *c, json_t *event, madpo_error *err)
{
    const char *ev = madpo__string(event, "ev");
    bool resumed = strcmp(ev, "resume") == 0;

    collect_time(c, madpo__number(event, "t"), resumed);
    if (resumed) {
        c->report->n_resumes++;
        c->report->status[0] = '\0';
        c->now = NULL;
        c->paused = false;
    }
    if (strcmp(ev, "stage") == 0)
        take_stage(c, event);
    else if (strcmp(ev, "control") == 0)
        take_control(c, event);
    else if (strcmp(ev, "warning") == 0)
        take_warning(c, event);
    else if (strcmp(ev, "step") == 0)
        return take_step(c, event, err);
    else if (strcmp(ev, "system") == 0)
        return take_system(c, event, err);
    else if (strcmp(ev, "eval") == 0)
        return take_eval(c, event, err);
    else if (strcmp(ev, "end") == 0)
        return take_end(c, event, err);
    return MADPO_OK;
}

static madpo_status collect_events(madpo_report *r, madpo_run_reader *reader, madpo_error *err)
{
    collector c = {.report = r, .t = NAN};
    json_t *event = NULL;
    madpo_status st;

    do {
        st = madpo_run_reader_next(reader, &event, err);
        if (st == MADPO_OK && event)
            st = take_event(&c, event, err);
        json_decref(event);
    } while (st == MADPO_OK && event);
    r->n_bad_lines = madpo_run_reader_bad_lines(reader);
    if (madpo_run_reader_is_live(reader, &r->pid))
        snprintf(r->status, sizeof r->status, c.paused ? "paused" : "running");
    else
        r->pid = 0;
    if (!r->status[0])
        snprintf(r->status, sizeof r->status, "broken off");
    return st;
}

/* ---- record files ---- */

/* Call `take` for every whole line that is an object, until it returns false. A file that is not
 * there has no lines. */
static madpo_status each_line(const madpo_report *r, const char *name,
                              bool (*take)(void *user, json_t *line), void *user, madpo_error *err)
{
    char *path = NULL, *text = NULL;
    size_t n = 0;
    bool more = true;
    madpo_status st = madpo_path_join(&path, r->dir, name, err);

    if (st == MADPO_OK && madpo_file_exists(path))
        st = madpo_file_read(&text, &n, path, err);
    for (size_t start = 0; st == MADPO_OK && more && start < n;) {
        const char *end = memchr(text + start, '\n', n - start);
        size_t length = end ? (size_t)(end - (text + start)) : n - start;
        json_t *line = json_loadb(text + start, length, 0, NULL);

        if (json_is_object(line))
            more = take(user, line);
        json_decref(line);
        start += length + 1;
    }
    free(text);
    free(path);
    return st;
}

typedef struct margin {
    double h, w;
} margin;

typedef struct margin_list {
    margin *v;
    size_t n, capacity;
    bool failed;
} margin_list;

static bool take_margin(void *user, json_t *line)
{
    margin_list *list = user;
    margin m = {madpo__number(line, "h"), madpo__number(line, "w")};

    if (!isfinite(m.h))
        return true;
    if (list->n == list->capacity) {
        size_t capacity = list->capacity * 2 + 1024;
        margin *grown = realloc(list->v, capacity * sizeof *grown);

        if (!grown) {
            list->failed = true;
            return false;
        }
        list->v = grown;
        list->capacity = capacity;
    }
    list->v[list->n++] = m;
    return true;
}

static int compare_margins(const void *a, const void *b)
{
    const margin *p = a, *q = b;

    return (p->h > q->h) - (p->h < q->h);
}

static madpo_status collect_margins(madpo_report *r, madpo_error *err)
{
    margin_list list = {0};
    madpo_status st = each_line(r, "margins.jsonl", take_margin, &list, err);

    if (st == MADPO_OK && list.n > 0) {
        qsort(list.v, list.n, sizeof *list.v, compare_margins);
        r->h = malloc(list.n * sizeof *r->h);
        r->w = malloc(list.n * sizeof *r->w);
    }
    if (list.failed || (st == MADPO_OK && list.n > 0 && (!r->h || !r->w)))
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "report: out of host memory");
    for (size_t i = 0; st == MADPO_OK && i < list.n; i++) {
        r->h[i] = list.v[i].h;
        r->w[i] = list.v[i].w;
    }
    r->n_margins = st == MADPO_OK ? list.n : 0;
    free(list.v);
    return st;
}

/* Samples of several models on one prompt come together, by its number: two prompts may have the
 * same text. The first prompts stand for all. */
static bool take_sample(void *user, json_t *line)
{
    json_t *samples = user, *group = NULL;
    json_t *i = json_integer(json_integer_value(json_object_get(line, "i")));
    json_t *one = json_pack("{s:s,s:s,s:O?}", "who", madpo__string(line, "who"), "text",
                            madpo__string(line, "text"), "score", json_object_get(line, "score"));

    for (size_t k = 0; k < json_array_size(samples) && !group; k++) {
        group = json_array_get(samples, k);
        if (strcmp(madpo__string(group, "prompt"), madpo__string(line, "prompt")) != 0 ||
            !json_equal(json_object_get(group, "i"), i))
            group = NULL;
    }
    if (!group && json_array_size(samples) < MAX_SAMPLES) {
        group =
            json_pack("{s:O,s:s,s:[]}", "i", i, "prompt", madpo__string(line, "prompt"), "texts");
        json_array_append_new(samples, group);
    }
    if (group && one && json_array_size(json_object_get(group, "texts")) < MAX_SAMPLES)
        json_array_append(json_object_get(group, "texts"), one);
    json_decref(one);
    json_decref(i);
    return true;
}

/* ---- configuration ---- */

/* The two texts come from one printer, so they agree line by line but for the values. */
static void compare_settings(madpo_report *r, char *ours, char *usual)
{
    char *rest = NULL, *other = NULL, section[64] = "";
    char *a = strtok_r(ours, "\n", &rest), *b = strtok_r(usual, "\n", &other);

    for (; a && b; a = strtok_r(NULL, "\n", &rest), b = strtok_r(NULL, "\n", &other)) {
        char *value = strstr(a, " = "), *initial = strstr(b, " = ");

        if (!value || !initial) {
            if (strchr(a, ':'))
                snprintf(section, sizeof section, "%.*s", (int)strcspn(a, " :"), a);
            continue;
        }
        if (strcmp(a, b) == 0)
            continue;
        *value = *initial = '\0';
        value[strlen(value + 3) + 2] = initial[strlen(initial + 3) + 2] = '\0'; /* the ; */
        json_array_append_new(r->settings,
                              json_pack("[s++,o,o]", section, ".", a + strspn(a, " "),
                                        madpo_json_text(value + 3, strlen(value + 3)),
                                        madpo_json_text(initial + 3, strlen(initial + 3))));
    }
}

/* A configuration that this version does not read is no reason to tell nothing else. */
static madpo_status collect_settings(madpo_report *r, madpo_error *err)
{
    madpo_config *config = NULL;
    char *path = NULL, *ours = NULL, *usual = NULL, *stages = NULL;
    madpo_status st = madpo_path_join(&path, r->dir, "config.cfg", err);

    if (st == MADPO_OK)
        st = madpo_config_new(&config, err);
    if (st == MADPO_OK)
        st = madpo_config_format(config, &usual, err);
    if (st == MADPO_OK && madpo_config_load(config, path, NULL) == MADPO_OK) {
        st = madpo_config_format(config, &ours, err);
        if (st == MADPO_OK)
            st = madpo_config_get(config, "policy.objective", &r->objective, err);
        if (st == MADPO_OK)
            st = madpo_config_get(config, "run.stages", &stages, err);
        if (stages && !strstr(stages, "policy")) /* nothing is aligned */
            json_object_del(r->manifest, "objective");
        if (st == MADPO_OK)
            compare_settings(r, ours, usual);
    }
    free(ours);
    free(usual);
    free(stages);
    free(path);
    madpo_config_free(config);
    return st;
}

/* ---- the whole ---- */

static madpo_status collect(madpo_report *r, madpo_run_reader *reader, madpo_error *err)
{
    madpo_status st;

    r->dir = strdup(madpo_run_reader_dir(reader));
    r->name = r->dir ? madpo_json_text(r->dir, strlen(r->dir)) : NULL;
    r->manifest = json_deep_copy(madpo_run_reader_manifest(reader));
    r->evaluations = json_array();
    r->controls = json_array();
    r->warnings = json_array();
    r->samples = json_array();
    r->settings = json_array();
    r->began = r->last = NAN;
    if (!r->dir || !r->name || !r->manifest || !r->evaluations || !r->controls || !r->warnings ||
        !r->samples || !r->settings)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "report: out of host memory");
    st = collect_events(r, reader, err);
    if (st == MADPO_OK)
        st = collect_margins(r, err);
    if (st == MADPO_OK)
        st = each_line(r, "samples.jsonl", take_sample, r->samples, err);
    if (st == MADPO_OK)
        st = madpo__tokens_collect(r, err);
    if (st == MADPO_OK)
        st = collect_settings(r, err);
    return st;
}

madpo_status madpo_report_read(madpo_report **out, const char *run_dir, madpo_error *err)
{
    madpo_report *r = calloc(1, sizeof *r);
    madpo_run_reader *reader = NULL;
    madpo_status st = r ? madpo_run_reader_open(&reader, run_dir, err)
                        : madpo_error_set(err, MADPO_ERR_NOMEM, "report: out of host memory");

    *out = NULL;
    if (st == MADPO_OK)
        st = collect(r, reader, err);
    madpo_run_reader_close(reader);
    if (st == MADPO_OK)
        *out = r;
    else
        madpo_report_free(r);
    return st;
}

void madpo_report_free(madpo_report *report)
{
    if (!report)
        return;
    for (size_t i = 0; i < report->n_series; i++)
        madpo__series_dispose(&report->series[i]);
    free(report->series);
    madpo__tokens_dispose(report);
    json_decref(report->name);
    json_decref(report->manifest);
    json_decref(report->evaluations);
    json_decref(report->controls);
    json_decref(report->warnings);
    json_decref(report->samples);
    json_decref(report->settings);
    free(report->objective);
    free(report->h);
    free(report->w);
    free(report->reason);
    free(report->dir);
    free(report);
}
