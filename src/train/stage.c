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

madpo_status madpo_stage_check_stop(madpo_stage_context *ctx, const char *stage, int64_t done,
                                    int64_t total, const char *unit, madpo_error *err)
{
    madpo_status st;

    if (!*ctx->stop)
        return MADPO_OK;
    st = madpo_stage_event(
        ctx, "control",
        json_pack("{s:s,s:s,s:I}", "action", "stop", "stage", stage, "done", (json_int_t)done),
        err);
    if (st != MADPO_OK)
        return st;
    return madpo_error_set(
        err, MADPO_ERR_STOPPED,
        "%s: stopped on request after %lld of %lld %ss, all kept; go on with --resume", stage,
        (long long)done, (long long)total, unit);
}

madpo_status madpo_stage_new_model(madpo_model **out, madpo_stage_context *ctx, const char *stage,
                                   const madpo_model_options *options, madpo_error *err)
{
    madpo_memory_plan plan;
    char line[512];
    madpo_status st;

    *out = NULL;
    st = madpo_model_plan(&plan, ctx->dev, &ctx->model, options, err);
    if (st != MADPO_OK)
        return st;
    madpo_memory_plan_format(&plan, options, line, sizeof line);
    madpo_run_message(ctx->run, "%s: %s", stage, line);
    st = madpo_model_new(out, ctx->dev, &ctx->model, options, err);
    if (st != MADPO_OK)
        madpo_error_context(err, "%s", stage);
    return st;
}

madpo_model_options madpo_stage_model_options(const madpo_batch_limits *limits, bool train,
                                              bool reward_head)
{
    return (madpo_model_options){.max_tokens = limits->max_tokens,
                                 .max_rows = limits->max_rows,
                                 .max_segments = limits->max_segments,
                                 .max_sequences = limits->max_sequences,
                                 .train = train,
                                 .reward_head = reward_head};
}

madpo_status madpo_stage_load_model(madpo_stage_context *ctx, madpo_model *model, const char *stage,
                                    const char *from, madpo_error *err)
{
    char *dir;
    madpo_status st;

    if (!madpo_stage_has_model(ctx, from))
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: %s/models/%s is not there: run the stage %s first (run.stages)",
                               stage, madpo_run_dir(ctx->run), from, from);
    dir = madpo_run_path(ctx->run, "models/%s", from);
    if (!dir)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", stage);
    st = madpo_model_load(model, dir, madpo_stage_seed(ctx, "reward head"), err);
    free(dir);
    return st;
}

bool madpo_stage_has_model(const madpo_stage_context *ctx, const char *name)
{
    char *path = madpo_run_path(ctx->run, "models/%s/model.safetensors", name);
    bool there = path && madpo_file_exists(path);

    free(path);
    return there;
}

madpo_status madpo_stage_save_model(madpo_stage_context *ctx, madpo_model *model, const char *stage,
                                    madpo_error *err)
{
    char *dir = madpo_run_path(ctx->run, "models/%s", stage);
    madpo_status st;

    if (!dir)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", stage);
    st = madpo_dir_make(dir, err);
    if (st == MADPO_OK)
        st = madpo_tokenizer_save(ctx->tok, dir, err);
    if (st == MADPO_OK)
        st = madpo_model_save(model, dir, err); /* last: its file says that the model is there */
    if (st == MADPO_OK)
        madpo_run_message(ctx->run, "%s: saved %s", stage, dir);
    free(dir);
    return st;
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
