/* What every stage needs. */
#include "train/stage.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "train/given.h"

uint64_t madpo_stage_seed(const madpo_stage_context *ctx, const char *purpose)
{
    return XXH3_64bits_withSeed(purpose, strlen(purpose), (uint64_t)ctx->options->run.seed);
}

madpo_status madpo_stage_event(madpo_stage_context *ctx, const char *ev, json_t *fields,
                               madpo_error *err)
{
    if (!fields)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "event %s: out of host memory", ev);
    return madpo_run_event(ctx->run, ev, fields, err);
}

json_t *madpo_stage_interval(double low, double high)
{
    return json_pack("[o,o]", madpo_json_real(low), madpo_json_real(high));
}

madpo_tokenize_options madpo_stage_tokenize_options(const madpo_stage_context *ctx)
{
    const madpo_options *o = ctx->options;

    if (ctx->given_pairs)
        return madpo_given_tokenize_options(o);
    return (madpo_tokenize_options){.max_prompt = (int32_t)o->data.max_tokens - 1,
                                    .max_tokens = (int32_t)o->data.max_tokens,
                                    .truncate_prompt = true};
}

/* Append the values of every line of `text` to `array`. */
static madpo_status parse_lines(json_t *array, const char *text, size_t n, const char *name,
                                madpo_error *err)
{
    int line = 1;

    for (size_t start = 0; start < n; line++) {
        const char *end = memchr(text + start, '\n', n - start);
        size_t length = end ? (size_t)(end - (text + start)) : n - start;
        json_t *value;
        madpo_status st = madpo_json_parse(&value, text + start, length, name, line, err);

        if (st != MADPO_OK)
            return st;
        if (json_array_append_new(array, value) != 0)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", name);
        start += length + 1;
    }
    return MADPO_OK;
}

madpo_status madpo_stage_read_lines(json_t **out, const madpo_stage_context *ctx, const char *name,
                                    madpo_error *err)
{
    char *path = madpo_run_path(ctx->run, "%s", name), *text = NULL;
    size_t n = 0;
    madpo_status st = MADPO_OK;

    *out = json_array();
    if (!path || !*out)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", name);
    else if (madpo_file_exists(path))
        st = madpo_file_read(&text, &n, path, err);
    if (st == MADPO_OK && n > 0)
        st = parse_lines(*out, text, n, path, err);
    if (st != MADPO_OK) {
        json_decref(*out);
        *out = NULL;
    }
    free(text);
    free(path);
    return st;
}

void madpo_meter_start(madpo_meter *meter, madpo_stage_context *ctx, const char *stage,
                       const char *what, const char *unit, int64_t done, int64_t total)
{
    *meter = (madpo_meter){.run = ctx->run,
                           .stage = stage,
                           .what = what,
                           .unit = unit,
                           .first = done,
                           .total = total,
                           .started = madpo_clock_monotonic()};
}

void madpo_meter_show(const madpo_meter *meter, int64_t done, const char *detail)
{
    double seconds = madpo_clock_monotonic() - meter->started;
    double rate = seconds > 0.0 ? (double)(done - meter->first) / seconds : 0.0;
    madpo_progress progress = {.stage = meter->stage,
                               .what = meter->what,
                               .done = done,
                               .total = meter->total,
                               .unit = meter->unit,
                               .rate = rate,
                               .eta_seconds =
                                   rate > 0.0 ? (double)(meter->total - done) / rate : -1.0,
                               .detail = detail};

    madpo_run_progress(meter->run, &progress);
}
