/* Requests to a run, and files of them; see control.h. */
#include "run/control.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/nearest.h"

static const char *const action_names[] = {
    [MADPO_CONTROL_PAUSE] = "pause",
    [MADPO_CONTROL_RESUME] = "resume",
    [MADPO_CONTROL_CHECKPOINT] = "checkpoint",
    [MADPO_CONTROL_EVALUATE] = "evaluate",
    [MADPO_CONTROL_LR] = "lr",
    [MADPO_CONTROL_STOP] = "stop",
    [MADPO_CONTROL_STATUS] = "status",
};
enum { N_ACTIONS = sizeof action_names / sizeof *action_names };

const char *madpo_control_action_name(madpo_control_action action)
{
    return action_names[action];
}

/* `fail` is the status of a name that is none: words come from a person, lines from a program. */
static madpo_status action_find(madpo_control_action *out, const char *name, madpo_status fail,
                                madpo_error *err)
{
    const char *nearest;

    for (int i = 0; i < N_ACTIONS; i++) {
        if (strcmp(name, action_names[i]) == 0) {
            *out = (madpo_control_action)i;
            return MADPO_OK;
        }
    }
    nearest = madpo_nearest(name, action_names, N_ACTIONS);
    return madpo_error_set(err, fail,
                           "unknown action \"%.40s\"%s%s%s; there are pause, resume, checkpoint, "
                           "evaluate, lr, stop and status",
                           name, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                           nearest ? "\"" : "");
}

/* What is done must be what is written down: events carry 15 digits. */
static double fifteen_digits(double value)
{
    char text[40];

    snprintf(text, sizeof text, "%.15g", value);
    return strtod(text, NULL);
}

static madpo_status lr_set(madpo_control_request *out, double lr, double times, madpo_status fail,
                           madpo_error *err)
{
    double value = lr != 0.0 ? lr : times;

    if (!(value > 0.0) || !isfinite(value))
        return madpo_error_set(err, fail,
                               "a learning rate, or its factor, is a finite number above 0; to "
                               "keep the weights as they are, pause");
    if (lr > MADPO_CONTROL_MAX_LR)
        return madpo_error_set(err, fail, "a learning rate of %g is out of range: at most %g", lr,
                               MADPO_CONTROL_MAX_LR);
    out->lr = lr != 0.0 ? fifteen_digits(lr) : 0.0;
    out->times = lr != 0.0 ? 0.0 : fifteen_digits(times);
    return MADPO_OK;
}

static madpo_status lr_from_json(madpo_control_request *out, const json_t *object, madpo_error *err)
{
    bool has_lr = json_object_get(object, "lr"), has_times = json_object_get(object, "times");
    double value = 0.0;
    madpo_status st;

    if (has_lr == has_times)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "lr needs one of \"lr\" (the rate) and \"times\" (a factor)");
    st = madpo_json_get_number(&value, object, has_lr ? "lr" : "times", "request", err);
    if (st == MADPO_OK && value == 0.0)
        value = -1.0; /* refused below: 0 stands for "the other one" */
    return st == MADPO_OK
               ? lr_set(out, has_lr ? value : 0.0, has_lr ? 0.0 : value, MADPO_ERR_DATA, err)
               : st;
}

static madpo_status request_from_json(madpo_control_request *out, const json_t *object,
                                      madpo_error *err)
{
    const char *action = NULL;
    madpo_status st = madpo_json_get_string(&action, object, "action", "request", err);

    *out = (madpo_control_request){.action = MADPO_CONTROL_STATUS};
    if (st == MADPO_OK)
        st = action_find(&out->action, action, MADPO_ERR_DATA, err);
    if (st == MADPO_OK && out->action == MADPO_CONTROL_LR)
        st = lr_from_json(out, object, err);
    return st;
}

/* The first member that is none of `known`, NULL if there is none. */
static const char *unknown_member(json_t *object, const char *const *known)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        const char *const *k = known;

        while (*k && strcmp(*k, key) != 0)
            k++;
        if (!*k)
            return key;
    }
    return NULL;
}

madpo_status madpo_control_parse(madpo_control_request *out, const char *text, size_t n,
                                 madpo_error *err)
{
    static const char *const known[] = {"action", "lr", "times", NULL};
    json_t *object = NULL;
    const char *unknown;
    madpo_status st = madpo_json_parse(&object, text, n, "request", 1, err);

    *out = (madpo_control_request){.action = MADPO_CONTROL_STATUS};
    if (st == MADPO_OK && !json_is_object(object))
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "a request is a JSON object such as {\"action\":\"status\"}");
    unknown = st == MADPO_OK ? unknown_member(object, known) : NULL;
    if (unknown)
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "a request has no member \"%.40s\"; there are action, lr and times",
                             unknown);
    if (st == MADPO_OK)
        st = request_from_json(out, object, err);
    if (st == MADPO_OK && out->action != MADPO_CONTROL_LR && json_object_size(object) > 1)
        st = madpo_error_set(err, MADPO_ERR_DATA, "only lr takes a value");
    json_decref(object);
    return st;
}

madpo_status madpo_control_request_from_words(madpo_control_request *out, const char *action,
                                              const char *value, madpo_error *err)
{
    bool factor = value && (value[0] == 'x' || value[0] == 'X');
    double number;
    char *end;
    madpo_status st;

    *out = (madpo_control_request){.action = MADPO_CONTROL_STATUS};
    st = action_find(&out->action, action, MADPO_ERR_USAGE, err);
    if (st != MADPO_OK)
        return st;
    if (out->action != MADPO_CONTROL_LR)
        return value ? madpo_error_set(err, MADPO_ERR_USAGE, "%s takes no value", action)
                     : MADPO_OK;
    if (!value)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "lr needs a value: a rate as in lr 2e-4, or a factor as in lr x0.5");
    errno = 0;
    number = strtod(value + factor, &end);
    if (end == value + factor || *end)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "\"%.40s\" is no learning rate: a number as in lr 2e-4, or a factor "
                               "as in lr x0.5",
                               value);
    if (number == 0.0)
        number = -1.0; /* refused like a negative one */
    return lr_set(out, factor ? 0.0 : number, factor ? number : 0.0, MADPO_ERR_USAGE, err);
}

json_t *madpo_control_request_json(const madpo_control_request *request)
{
    json_t *object = json_pack("{s:s}", "action", action_names[request->action]);

    if (object && request->action == MADPO_CONTROL_LR)
        json_object_set_new(object, request->lr != 0.0 ? "lr" : "times",
                            json_real(request->lr != 0.0 ? request->lr : request->times));
    return object;
}

/* ---- control files ---- */

/* Reading state. `safe` is how many entries a resume keeps: those from before the last checkpoint,
 * or before the stage began. */
typedef struct list_reader {
    madpo_control_list *list;
    const char *path;
    int line;
    bool events; /* the file is an events.jsonl */
    size_t safe, capacity;
} list_reader;

void madpo_control_list_dispose(madpo_control_list *list)
{
    free(list->v);
    *list = (madpo_control_list){0};
}

static bool list_goes_back(const madpo_control_list *list, const madpo_control_entry *entry)
{
    const madpo_control_entry *last = list->n > 0 ? &list->v[list->n - 1] : NULL;

    return last && strcmp(last->stage, entry->stage) == 0 && last->step > entry->step;
}

static madpo_status list_append(list_reader *r, const madpo_control_entry *entry, madpo_error *err)
{
    madpo_control_list *list = r->list;

    /* a run that went on from an older checkpoint than its last: that one was damaged */
    while (r->events && list_goes_back(list, entry))
        list->n--;
    if (list_goes_back(list, entry))
        return madpo_error_set_at(err, MADPO_ERR_DATA, r->path, r->line, 0,
                                  "step %lld of %s comes after its step %lld; put the lines in the "
                                  "order of their steps",
                                  (long long)entry->step, entry->stage,
                                  (long long)list->v[list->n - 1].step);
    if (list->n == r->capacity) {
        size_t capacity = r->capacity * 2 + 16;
        madpo_control_entry *grown = realloc(list->v, capacity * sizeof *grown);

        if (!grown)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", r->path);
        list->v = grown;
        r->capacity = capacity;
    }
    list->v[list->n++] = *entry;
    return MADPO_OK;
}

static madpo_status entry_from_json(madpo_control_entry *entry, const json_t *object,
                                    madpo_error *err)
{
    const char *stage = NULL;
    madpo_status st = request_from_json(&entry->request, object, err);

    if (st == MADPO_OK)
        st = madpo_json_get_string(&stage, object, "stage", "control", err);
    if (st == MADPO_OK)
        st = madpo_json_get_int(&entry->step, object, "step", "control", err);
    if (st == MADPO_OK && entry->step < 0)
        st = madpo_error_set(err, MADPO_ERR_DATA, "there is no step %lld", (long long)entry->step);
    if (st == MADPO_OK && strlen(stage) >= sizeof entry->stage)
        st = madpo_error_set(err, MADPO_ERR_DATA, "there is no stage \"%.40s\"", stage);
    if (st == MADPO_OK)
        snprintf(entry->stage, sizeof entry->stage, "%s", stage);
    return st;
}

/* A line of a file that somebody wrote. */
static madpo_status list_take_line(list_reader *r, json_t *object, madpo_error *err)
{
    static const char *const known[] = {"action", "lr", "times", "stage", "step", "by", NULL};
    madpo_control_entry entry = {.line = r->line};
    madpo_error what = MADPO_ERROR_INIT;
    const char *unknown = json_is_object(object) ? unknown_member(object, known) : NULL;
    madpo_status st = MADPO_OK;

    if (!json_is_object(object))
        st = madpo_error_set(&what, MADPO_ERR_DATA,
                             "a line is an object such as "
                             "{\"stage\":\"sft\",\"step\":9,\"action\":\"checkpoint\"}");
    else if (unknown)
        st = madpo_error_set(
            &what, MADPO_ERR_DATA,
            "unknown member \"%.40s\"; there are stage, step, action, lr and times", unknown);
    else
        st = entry_from_json(&entry, object, &what);
    if (st == MADPO_OK && entry.request.action == MADPO_CONTROL_STATUS)
        st = madpo_error_set(&what, MADPO_ERR_DATA, "status is a question, no action");
    if (st != MADPO_OK)
        return madpo_error_set_at(err, st, r->path, r->line, 0, "%s", what.message);
    if (entry.request.action == MADPO_CONTROL_PAUSE || entry.request.action == MADPO_CONTROL_RESUME)
        return MADPO_OK;
    return list_append(r, &entry, err);
}

/* A resume goes on from the last checkpoint; a stop before it was not the end. */
static void list_rewind(list_reader *r)
{
    size_t n = 0;

    r->list->n = r->safe < r->list->n ? r->safe : r->list->n;
    for (size_t i = 0; i < r->list->n; i++)
        if (r->list->v[i].request.action != MADPO_CONTROL_STOP)
            r->list->v[n++] = r->list->v[i];
    r->list->n = r->safe = n;
}

/* An event. One that is damaged is passed over, as by every reader of events. */
static madpo_status list_take_event(list_reader *r, const json_t *event, madpo_error *err)
{
    madpo_control_entry entry = {.line = r->line};
    const char *ev = json_string_value(json_object_get(event, "ev"));
    const char *status = json_string_value(json_object_get(event, "status"));

    if (!ev)
        return MADPO_OK;
    if (strcmp(ev, "checkpoint") == 0 ||
        (strcmp(ev, "stage") == 0 && status && strcmp(status, "trained") != 0))
        r->safe = r->list->n;
    else if (strcmp(ev, "resume") == 0)
        list_rewind(r);
    if (strcmp(ev, "control") != 0 || json_object_get(event, "refused") ||
        entry_from_json(&entry, event, NULL) != MADPO_OK ||
        entry.request.action == MADPO_CONTROL_PAUSE || entry.request.action == MADPO_CONTROL_RESUME)
        return MADPO_OK;
    return list_append(r, &entry, err);
}

static madpo_status list_take(list_reader *r, const char *text, size_t n, madpo_error *err)
{
    json_t *value = NULL;
    madpo_status st = madpo_json_parse(&value, text, n, r->path, r->line, r->events ? NULL : err);

    if (st == MADPO_OK && r->list->n == 0 && json_object_get(value, "ev"))
        r->events = true;
    if (st == MADPO_OK)
        st = r->events ? list_take_event(r, value, err) : list_take_line(r, value, err);
    else if (r->events && st != MADPO_ERR_NOMEM)
        st = MADPO_OK;
    json_decref(value);
    return st;
}

madpo_status madpo_control_list_read(madpo_control_list *out, const char *path, madpo_error *err)
{
    list_reader r = {.list = out, .path = path};
    char *text = NULL;
    size_t n = 0;
    madpo_status st;

    *out = (madpo_control_list){0};
    st = madpo_file_read(&text, &n, path, err);
    for (size_t start = 0; st == MADPO_OK && start < n;) {
        const char *end = memchr(text + start, '\n', n - start);
        size_t length = end ? (size_t)(end - (text + start)) : n - start;

        r.line++;
        if (strspn(text + start, " \t\r") < length)
            st = list_take(&r, text + start, length, err);
        start += length + 1;
    }
    if (st != MADPO_OK)
        madpo_control_list_dispose(out);
    free(text);
    return st;
}
