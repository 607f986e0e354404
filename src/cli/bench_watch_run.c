/* A run of any length, made up; see bench_watch.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/bench_watch.h"
#include "run/run.h"

enum { PAIRS = 8000, SAMPLED = 32, EVERY = 10 };

/* Numbers that look like those of a run: 0 to 1, no two alike. */
static double noise(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0;
}

static double pair_h(int64_t id)
{
    uint64_t state = (uint64_t)id * 2654435761u + 1;

    (void)noise(&state);
    return 4.0 * (noise(&state) + noise(&state) + noise(&state)) - 5.0;
}

static double pair_w(double h)
{
    return h > 0 ? 1 + 0.2 * h / (1 + h) : 1 / (1 - h);
}

/* One file of records. */
static madpo_status write_records(madpo_run *run, const char *name, json_t *(*make)(int64_t id),
                                  madpo_error *err)
{
    madpo_records *records;
    int64_t n;
    madpo_status st = madpo_records_open(&records, run, name, 0, &n, err), closed;

    for (int64_t id = 0; st == MADPO_OK && id < PAIRS; id++)
        st = madpo_records_append(records, make(id), err);
    closed = madpo_records_close(records, err);
    return st == MADPO_OK ? closed : st;
}

static json_t *make_margin(int64_t id)
{
    double h = pair_h(id);

    return json_pack("{s:I,s:I,s:f,s:f,s:f,s:s}", "id", (json_int_t)id, "pair", (json_int_t)id, "h",
                     h, "c", 1.9, "w", pair_w(h), "split", id % 10 ? "train" : "eval");
}

static json_t *make_pair(int64_t id)
{
    char prompt[64];

    snprintf(prompt, sizeof prompt, "Opening number %lld, which is", (long long)id);
    return json_pack(
        "{s:I,s:s,s:s,s:s,s:f,s:f,s:s}", "id", (json_int_t)id, "prompt", prompt, "chosen",
        " one of the better ones: the story is worth hearing twice, the pictures stay, "
        "and nobody in the room looked at a watch.",
        "rejected",
        " one of those that go nowhere. I had been told otherwise, and I will not be "
        "told again.",
        "score_chosen", 1.25, "score_rejected", -0.75, "split", id % 10 ? "train" : "eval");
}

static json_t *step_fields(int64_t step, int64_t steps, uint64_t *state)
{
    static const char *const names[] = {"epoch",
                                        "loss",
                                        "rewards/chosen",
                                        "rewards/rejected",
                                        "rewards/margins",
                                        "rewards/accuracies",
                                        "logps/chosen",
                                        "logps/rejected",
                                        "madpo/weight/mean",
                                        "madpo/weight/p10",
                                        "madpo/weight/p50",
                                        "madpo/weight/p90",
                                        "madpo/weight/ess",
                                        "madpo/margin/mean",
                                        "madpo/margin/p10",
                                        "madpo/margin/p50",
                                        "madpo/margin/p90",
                                        "grad_norm",
                                        "learning_rate"};
    json_t *fields = json_pack("{s:s,s:I,s:I}", "stage", "policy", "step", (json_int_t)step,
                               "total_steps", (json_int_t)steps);

    for (size_t i = 0; fields && i < sizeof names / sizeof *names; i++)
        json_object_set_new(
            fields, names[i],
            madpo_json_real(exp(-3.0 * (double)step / (double)steps) + noise(state)));
    if (fields) {
        json_object_set_new(fields, "num_tokens", json_integer((json_int_t)step * 2600));
        json_object_set_new(fields, "tokens_per_second", madpo_json_real(3e4 + 1e3 * noise(state)));
    }
    return fields;
}

static json_t *sample_fields(int64_t step, uint64_t *state)
{
    json_t *pairs = json_array();

    for (int i = 0; i < SAMPLED && pairs; i++) {
        int64_t id = (int64_t)(noise(state) * PAIRS);
        double h = pair_h(id);

        json_array_append_new(pairs, json_pack("{s:I,s:f,s:f,s:f}", "id", (json_int_t)id, "h", h,
                                               "w", pair_w(h), "m", 10 * noise(state) - 4));
    }
    return json_pack("{s:s,s:I,s:o}", "stage", "policy", "step", (json_int_t)step, "pairs", pairs);
}

/* Count what is written: the listener gets every line. */
static void count_bytes(void *user, const char *line)
{
    int64_t *n = user;

    for (; *line; line++)
        ++*n;
    ++*n;
}

static madpo_status write_events(madpo_run *run, int64_t steps, int64_t bytes,
                                 const int64_t *written, madpo_error *err)
{
    uint64_t state = 42;
    madpo_status st = madpo_run_event(
        run, "stage", json_pack("{s:s,s:s}", "stage", "policy", "status", "start"), err);

    for (int64_t i = 1; st == MADPO_OK && i <= steps && (bytes == 0 || *written < bytes); i++) {
        st = madpo_run_event(run, "step", step_fields(i, steps, &state), err);
        if (st == MADPO_OK && i % EVERY == 0)
            st = madpo_run_event(run, "samples", sample_fields(i, &state), err);
    }
    if (st == MADPO_OK)
        st = madpo_run_event(run, "end", json_pack("{s:s}", "status", "done"), err);
    return st;
}

madpo_status madpo__bench_write_run(const char *dir, int64_t steps, int64_t bytes, madpo_error *err)
{
    madpo_run_manifest manifest = {
        .device = "none",
        .driver = "none",
        .stages = "policy",
        .seed = 42,
        .objective = "madpo beta 0.1 c_max 2 c_min 0.5 lambda 1 tau 6.9 variant full",
        .model = "made up",
        .data = "made up",
        .config = ""};
    int64_t written = 0;
    madpo_listener listener = {.user = &written, .event = count_bytes};
    madpo_run *run = NULL;
    madpo_status st = madpo_run_create(&run, dir, &manifest, &listener, err);

    if (st == MADPO_OK)
        st = write_records(run, "pairs.jsonl", make_pair, err);
    if (st == MADPO_OK)
        st = write_records(run, "margins.jsonl", make_margin, err);
    if (st == MADPO_OK)
        st = write_events(run, steps, bytes, &written, err);
    madpo_run_close(run);
    return st;
}
