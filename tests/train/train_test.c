/* Runs of the tiny configuration, watched and interfered with. */
#include "tests/train/train_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/support/tmp.h"

typedef struct watcher {
    const train_case *c;
    madpo_trainer *trainer;
    json_t *events;
    bool stopped, saved, copied;
} watcher;

/* ---- listening ---- */

static bool is_now(const train_moment *moment, const char *stage, int64_t step)
{
    return moment->stage && strcmp(moment->stage, stage) == 0 && moment->step == step;
}

static void copy_run(const char *from, const char *to)
{
    char command[1024];

    snprintf(command, sizeof command, "cp -r '%s' '%s'", from, to);
    if (system(command) != 0)
        fail_msg("%s", command);
}

static void interfere(watcher *w, const char *stage, int64_t step)
{
    if (!w->stopped && is_now(&w->c->stop, stage, step)) {
        w->stopped = true;
        madpo_trainer_request(w->trainer, MADPO_REQUEST_STOP);
    }
    if (!w->saved && is_now(&w->c->save, stage, step)) {
        w->saved = true;
        madpo_trainer_request(w->trainer, MADPO_REQUEST_CHECKPOINT);
    }
    if (!w->copied && is_now(&w->c->snapshot, stage, step)) {
        w->copied = true;
        copy_run(w->c->dir, w->c->snapshot_dir);
    }
}

static void on_event(void *user, const char *line)
{
    watcher *w = user;
    json_t *event = json_loads(line, 0, NULL);
    const char *ev;

    if (!event)
        fail_msg("no JSON: %s", line);
    ev = json_string_value(json_object_get(event, "ev"));
    if (strcmp(ev, "system") == 0) { /* measurements */
        json_decref(event);
        return;
    }
    if (strcmp(ev, "step") == 0)
        interfere(w, json_string_value(json_object_get(event, "stage")),
                  json_integer_value(json_object_get(event, "step")));
    json_object_del(event, "t");
    json_object_del(event, "tokens_per_second");
    json_object_del(event, "examples_per_second");
    json_array_append_new(w->events, event);
}

static void on_progress(void *user, const madpo_progress *progress)
{
    watcher *w = user;

    if (progress->done > 0 && progress->done < progress->total)
        interfere(w, progress->stage, 0);
}

/* ---- running ---- */

static madpo_config *make_config(const train_case *c)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_config *config;
    char path[1024];
    madpo_status st = madpo_config_new(&config, &err);

    snprintf(path, sizeof path, "%s/tests/support/tiny.cfg", getenv("MADPO_TEST_SOURCE_DIR"));
    if (st == MADPO_OK)
        st = madpo_config_load(config, path, &err);
    if (st == MADPO_OK && getenv("MADPO_TEST_DEVICE")) {
        char device[256];

        snprintf(device, sizeof device, "device.select=%s", getenv("MADPO_TEST_DEVICE"));
        st = madpo_config_set(config, device, &err);
    }
    for (const char *const *s = c->settings; s && *s && st == MADPO_OK; s++)
        st = madpo_config_set(config, *s, &err);
    if (st != MADPO_OK)
        fail_msg("configuration: %s", err.message);
    return config;
}

train_result train_run(const train_case *c)
{
    train_result r = {.status = MADPO_OK, .err = MADPO_ERROR_INIT, .events = json_array()};
    watcher w = {.c = c, .events = r.events};
    madpo_listener listener = {.user = &w, .event = on_event, .progress = on_progress};
    madpo_trainer_options options = {.run_dir = c->dir, .resume = c->resume, .listener = &listener};
    madpo_config *config = make_config(c);

    r.status = madpo_trainer_new(&w.trainer, config, &options, &r.err);
    if (r.status == MADPO_OK && c->pairs)
        r.status = madpo_trainer_set_pairs(w.trainer, c->pairs, &r.err);
    if (r.status == MADPO_OK)
        r.status = madpo_trainer_run(w.trainer, &r.err);
    if ((c->stop.stage && !w.stopped) || (c->save.stage && !w.saved) ||
        (c->snapshot.stage && !w.copied))
        fail_msg("the moment to interfere never came (%s)", r.err.message);
    madpo_trainer_free(w.trainer);
    madpo_config_free(config);
    return r;
}

train_result train_run_ok(const train_case *c)
{
    train_result r = train_run(c);

    if (r.status != MADPO_OK)
        fail_msg("%s", r.err.message);
    return r;
}

void train_result_free(train_result *result)
{
    json_decref(result->events);
    result->events = NULL;
}

/* ---- events ---- */

static bool is_event(const json_t *event, const char *ev, const char *stage)
{
    const char *of = json_string_value(json_object_get(event, "stage"));

    return strcmp(json_string_value(json_object_get(event, "ev")), ev) == 0 &&
           (!stage || (of && strcmp(of, stage) == 0));
}

const json_t *train_event(const train_result *result, const char *ev, const char *stage, size_t i)
{
    const json_t *event;
    size_t k;

    json_array_foreach(result->events, k, event)
    {
        if (is_event(event, ev, stage) && i-- == 0)
            return event;
    }
    return NULL;
}

size_t train_event_count(const train_result *result, const char *ev, const char *stage)
{
    const json_t *event;
    size_t k, n = 0;

    json_array_foreach(result->events, k, event)
    {
        n += is_event(event, ev, stage);
    }
    return n;
}

double train_number(const json_t *event, const char *key)
{
    const json_t *value = json_object_get(event, key);

    if (!json_is_number(value))
        fail_msg("no number %s in %s", key, json_dumps(event, JSON_COMPACT));
    return json_number_value(value);
}

/* ---- files ---- */

char *train_file(const char *dir, const char *name, size_t *n)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *path = tmp_path(dir, name), *bytes;

    if (madpo_file_read(&bytes, n, path, &err) != MADPO_OK)
        fail_msg("%s", err.message);
    free(path);
    return bytes;
}

bool train_has(const char *dir, const char *name)
{
    char *path = tmp_path(dir, name);
    bool there = madpo_file_exists(path);

    free(path);
    return there;
}

void train_assert_same(const char *dir_a, const char *dir_b, const char *name)
{
    size_t n_a, n_b;
    char *a = train_file(dir_a, name, &n_a), *b = train_file(dir_b, name, &n_b);

    if (n_a != n_b || memcmp(a, b, n_a) != 0)
        fail_msg("%s differs between %s and %s", name, dir_a, dir_b);
    free(a);
    free(b);
}

void train_assert_same_results(const char *dir_a, const char *dir_b)
{
    static const char *const names[] = {"models/sft/model.safetensors",
                                        "models/reward/model.safetensors",
                                        "models/policy/model.safetensors",
                                        "models/sft/adapter_model.safetensors",
                                        "models/reward/adapter_model.safetensors",
                                        "models/policy/adapter_model.safetensors",
                                        "pairs.jsonl",
                                        "margins.jsonl",
                                        "reference.jsonl",
                                        "samples.jsonl"};
    size_t n = 0;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!train_has(dir_a, names[i]) && !train_has(dir_b, names[i]))
            continue;
        train_assert_same(dir_a, dir_b, names[i]);
        n++;
    }
    assert_true(n > 0);
}
