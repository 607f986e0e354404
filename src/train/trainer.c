/* The public trainer: configuration and data in, a run directory and models out. */
#include "madpo/trainer.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "device/profile.h"
#include "train/control.h"
#include "train/needs.h"
#include "train/policy_options.h"
#include "train/source.h"
#include "train/stage_model.h"
#include "train/system.h"

struct madpo_trainer {
    madpo_config *config;
    const madpo_options *options; /* of config */
    madpo_listener listener;
    bool has_listener, resume, listen;
    char *dir;
    madpo_control_list control_file;
    const madpo_pairs *given; /* borrowed, NULL = data.* */
    madpo_device *dev;
    madpo_run *run; /* opened by the first _run */
    madpo_control *control;
    madpo_source source;
    madpo_base_model base;
    volatile sig_atomic_t stop, checkpoint;
};

/* ---- opening ---- */

static madpo_matmul_provider trainer_matmul(const char *name)
{
    if (strcmp(name, "panel") == 0)
        return MADPO_MATMUL_PANEL;
    if (strcmp(name, "tile") == 0)
        return MADPO_MATMUL_TILE;
    return strcmp(name, "clblast") == 0 ? MADPO_MATMUL_CLBLAST : MADPO_MATMUL_AUTO;
}

static madpo_status trainer_open_device(madpo_trainer *t, madpo_error *err)
{
    const madpo_options *o = t->options;
    madpo_device_options options;

    madpo_device_options_defaults(&options);
    options.select = o->device.select;
    options.work_group = (int)o->device.work_group;
    options.profile = o->device.profile;
    options.cache_dir = strcmp(o->device.cache, "auto") == 0 ? NULL : o->device.cache;
    options.memory_limit_bytes = (uint64_t)o->device.memory_mb * 1000000u;
    options.matmul = trainer_matmul(o->device.matmul);
    return madpo_device_open(&t->dev, &options, err);
}

static madpo_status trainer_choose_dir(madpo_trainer *t, const madpo_trainer_options *options,
                                       madpo_error *err)
{
    if (!options->run_dir || !*options->run_dir) {
        if (t->resume)
            return madpo_error_set(err, MADPO_ERR_USAGE,
                                   "which run is to go on? name its folder (--run DIR --resume)");
        return madpo_run_new_name(&t->dir, err);
    }
    t->dir = strdup(options->run_dir);
    return t->dir ? MADPO_OK : madpo_error_set(err, MADPO_ERR_NOMEM, "trainer: out of host memory");
}

madpo_status madpo_trainer_new(madpo_trainer **out, const madpo_config *config,
                               const madpo_trainer_options *options, madpo_error *err)
{
    static const madpo_trainer_options none = {0};
    madpo_trainer *t = calloc(1, sizeof *t);
    madpo_status st;

    *out = NULL;
    if (!t)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "trainer: out of host memory");
    if (!options)
        options = &none;
    t->resume = options->resume;
    t->listen = options->control;
    t->has_listener = options->listener != NULL;
    if (t->has_listener)
        t->listener = *options->listener;
    st = madpo_config_check(config, err);
    if (st == MADPO_OK)
        st = madpo_policy_check(madpo_config_options(config), err);
    if (st == MADPO_OK)
        st = madpo_config_clone(&t->config, config, err);
    if (st == MADPO_OK) {
        t->options = madpo_config_options(t->config);
        st = trainer_choose_dir(t, options, err);
    }
    if (st == MADPO_OK && options->control_file)
        st = madpo_control_read(&t->control_file, options->control_file, err);
    if (st == MADPO_OK)
        st = trainer_open_device(t, err);
    if (st != MADPO_OK) {
        madpo_trainer_free(t);
        return st;
    }
    *out = t;
    return MADPO_OK;
}

void madpo_trainer_free(madpo_trainer *trainer)
{
    if (!trainer)
        return;
    madpo_control_close(trainer->control);
    madpo_run_close(trainer->run);
    madpo_source_dispose(&trainer->source);
    madpo_base_model_dispose(&trainer->base);
    madpo_device_close(trainer->dev);
    madpo_config_free(trainer->config);
    free(trainer->dir);
    madpo_control_list_dispose(&trainer->control_file);
    free(trainer);
}

madpo_status madpo_trainer_set_pairs(madpo_trainer *trainer, const madpo_pairs *pairs,
                                     madpo_error *err)
{
    if (trainer->run)
        return madpo_error_set(err, MADPO_ERR_USAGE, "pairs must be set before the run begins");
    if (!pairs || madpo_pairs_count(pairs) == 0)
        return madpo_error_set(err, MADPO_ERR_DATA, "there are no pairs to train on");
    trainer->given = pairs;
    return MADPO_OK;
}

void madpo_trainer_request(madpo_trainer *trainer, madpo_request request)
{
    if (request == MADPO_REQUEST_STOP)
        trainer->stop = 1;
    else
        trainer->checkpoint = 1;
}

const char *madpo_trainer_run_dir(const madpo_trainer *trainer)
{
    return trainer->dir;
}

/* ---- what run.json says ---- */

static madpo_status trainer_create_run(madpo_trainer *t, const madpo_run_manifest *manifest,
                                       madpo_error *err)
{
    const madpo_listener *listener = t->has_listener ? &t->listener : NULL;

    if (t->resume)
        return madpo_run_resume(&t->run, t->dir, manifest, listener, err);
    return madpo_run_create(&t->run, t->dir, manifest, listener, err);
}

static madpo_status trainer_open_run(madpo_trainer *t, madpo_error *err)
{
    const madpo_device_info *info = madpo_device_get_info(t->dev);
    char *objective = NULL, *model = NULL, *data = NULL, *config = NULL;
    madpo_status st = madpo_policy_describe(&objective, t->options, err);

    if (st == MADPO_OK)
        st = madpo_base_model_describe(&model, &t->base, t->options, err);
    if (st == MADPO_OK)
        st = madpo_source_describe(&data, &t->source, t->options, err);
    if (st == MADPO_OK)
        st = madpo_config_format(t->config, &config, err);
    if (st == MADPO_OK) {
        madpo_run_manifest manifest = {.device = info->name,
                                       .driver = info->driver,
                                       .stages = t->options->run.stages,
                                       .seed = t->options->run.seed,
                                       .objective = objective,
                                       .model = model,
                                       .data = data,
                                       .config = config};

        st = trainer_create_run(t, &manifest, err);
    }
    free(objective);
    free(model);
    free(data);
    free(config);
    return st;
}

/* ---- running ---- */

static madpo_status trainer_stage_event(madpo_stage_context *ctx, const madpo_stage *stage,
                                        const char *status, madpo_error *err)
{
    return madpo_stage_event(ctx, "stage",
                             json_pack("{s:s,s:s}", "stage", stage->name, "status", status), err);
}

/* Where the stage's device time went, kernel by kernel (device.profile). A message and no event:
 * times do not repeat. */
static madpo_status trainer_profile(madpo_stage_context *ctx, const madpo_stage *stage,
                                    madpo_error *err)
{
    const madpo_profile_row *rows;
    size_t n;
    double total_ms = 0.0;
    madpo_status st = madpo_profile_collect(ctx->dev, &rows, &n, err);

    if (st != MADPO_OK)
        return st;
    for (size_t i = 0; i < n; i++)
        total_ms += rows[i].total_ms;
    for (size_t i = 0; i < n && total_ms > 0.0; i++)
        madpo_run_message(ctx->run, "%s: profile %5.1f %% %10.1f ms %8llu launches of %s",
                          stage->name, 100.0 * rows[i].total_ms / total_ms, rows[i].total_ms,
                          (unsigned long long)rows[i].n, rows[i].entry);
    madpo_profile_reset(ctx->dev);
    return MADPO_OK;
}

static madpo_status trainer_run_stage(madpo_stage_context *ctx, const madpo_stage *stage,
                                      madpo_error *err)
{
    madpo_status st;

    if (madpo_run_stage_done(ctx->run, stage->name)) {
        madpo_run_message(ctx->run, "%s: done before", stage->name);
        return trainer_stage_event(ctx, stage, "skipped", err);
    }
    if (*ctx->stop)
        return madpo_error_set(err, MADPO_ERR_STOPPED,
                               "stopped on request before stage %s; go on with --resume",
                               stage->name);
    madpo_run_message(ctx->run, "%s: %s", stage->name, stage->help);
    madpo_device_reset_peak(ctx->dev);
    st = trainer_stage_event(ctx, stage, "start", err);
    if (st == MADPO_OK)
        st = stage->run(ctx, err);
    if (st == MADPO_OK)
        st = madpo_system_stage(ctx, stage->name, err);
    if (st == MADPO_OK && ctx->options->device.profile)
        st = trainer_profile(ctx, stage, err);
    if (st == MADPO_OK)
        st = madpo_run_set_stage_done(ctx->run, stage->name, err);
    if (st == MADPO_OK)
        st = trainer_stage_event(ctx, stage, "done", err);
    return st;
}

static void trainer_tell_model(madpo_stage_context *ctx)
{
    const madpo_base_model *base = ctx->base;
    long long n = (long long)madpo_model_config_parameters(&ctx->model, false);

    if (!base->dir) {
        madpo_run_message(ctx->run, "model: %s, %lld parameters", ctx->model.arch->name, n);
        return;
    }
    madpo_run_message(ctx->run, "model: %s, %lld parameters in %s, from %s", ctx->model.arch->name,
                      n, madpo_dtype_name(base->storage), base->dir);
    if (base->adapter)
        madpo_run_message(ctx->run, "model: with the adapter of %s", base->adapter);
}

static madpo_status trainer_run_stages(madpo_trainer *t, madpo_error *err)
{
    const madpo_device_info *info = madpo_device_get_info(t->dev);
    madpo_stage_context ctx = {.options = t->options,
                               .dev = t->dev,
                               .run = t->run,
                               .base = &t->base,
                               .stop = &t->stop,
                               .checkpoint = &t->checkpoint,
                               .control = t->control};
    madpo_status st;

    madpo_run_message(t->run, "device: %s (%s, driver %s)", info->name, info->platform,
                      info->driver);
    if (madpo_device_cache_note(t->dev))
        madpo_run_message(t->run, "device: %s", madpo_device_cache_note(t->dev));
    madpo_run_message(t->run, "run: %s", t->dir);
    st = madpo_source_prepare(&t->source, &ctx, err);
    if (st == MADPO_OK)
        st = madpo_base_model_config(&ctx.model, &t->base, t->options, ctx.tok, ctx.given_pairs,
                                     err);
    if (st == MADPO_OK)
        trainer_tell_model(&ctx);
    if (st == MADPO_OK)
        st = madpo_stage_needs(&ctx, err);
    if (st == MADPO_OK)
        st = madpo_stage_forecast(&ctx, err);
    for (size_t i = 0; i < madpo_n_stages && st == MADPO_OK; i++)
        if (madpo_options_has_stage(t->options, madpo_stages[i].name))
            st = trainer_run_stage(&ctx, &madpo_stages[i], err);
    return st;
}

/* The last event. The reason is the error's one line; an event that cannot be written changes
 * nothing, the first error is the one to report. */
static madpo_status trainer_end(madpo_trainer *t, madpo_status st, madpo_error *err)
{
    const char *status = st == MADPO_OK ? "done" : st == MADPO_ERR_STOPPED ? "stopped" : "failed";
    json_t *fields = json_pack("{s:s}", "status", status);
    madpo_status written;

    if (fields && st != MADPO_OK && err)
        json_object_set_new(fields, "reason", json_string(err->message));
    if (!fields)
        return st;
    if (st == MADPO_OK)
        return madpo_run_event(t->run, "end", fields, err);
    written = madpo_run_event(t->run, "end", fields, NULL);
    (void)written;
    if (err)
        madpo_run_message(t->run, "%s: %s", status, err->message);
    return st;
}

madpo_status madpo_trainer_run(madpo_trainer *trainer, madpo_error *err)
{
    madpo_error local = MADPO_ERROR_INIT;
    madpo_status st = MADPO_OK;

    if (!err)
        err = &local; /* the last event tells the reason in any case */
    if (!trainer->run) {
        madpo_source_dispose(&trainer->source);
        madpo_base_model_dispose(&trainer->base);
        st = madpo_base_model_open(&trainer->base, trainer->options, err);
        if (st == MADPO_OK)
            st = madpo_source_load(&trainer->source, trainer->options, trainer->given, err);
        if (st == MADPO_OK)
            st = trainer_open_run(trainer, err);
        if (st != MADPO_OK)
            return st;
    }
    st = madpo_control_open(&trainer->control, trainer->run, trainer->listen,
                            &trainer->control_file, err);
    if (st != MADPO_OK)
        return trainer_end(trainer, st, err);
    st = trainer_end(trainer, trainer_run_stages(trainer, err), err);
    madpo_control_close(trainer->control);
    trainer->control = NULL;
    trainer->stop = 0;
    return st;
}

/* ---- export ---- */

static madpo_status copy_file(const char *from, const char *to, madpo_error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    madpo_status st = madpo_file_read(&bytes, &n, from, err);

    if (st == MADPO_OK)
        st = madpo_file_write(to, bytes, n, err);
    free(bytes);
    return st;
}

/* Copy the files of one folder of the run into `dir`. */
static madpo_status copy_files(const char *from, const char *dir, madpo_error *err)
{
    DIR *folder = opendir(from);
    struct dirent *entry;
    madpo_status st = MADPO_OK;

    if (!folder)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "%s", from);
    while (st == MADPO_OK && (entry = readdir(folder)) != NULL) {
        char *source = NULL, *target = NULL;

        if (entry->d_name[0] == '.')
            continue;
        st = madpo_path_join(&source, from, entry->d_name, err);
        if (st == MADPO_OK)
            st = madpo_path_join(&target, dir, entry->d_name, err);
        if (st == MADPO_OK)
            st = copy_file(source, target, err);
        free(source);
        free(target);
    }
    closedir(folder);
    return st;
}

madpo_status madpo_trainer_export(const madpo_trainer *trainer, const char *model, const char *dir,
                                  madpo_error *err)
{
    madpo_strbuf from = {0};
    madpo_status st;

    madpo_strbuf_printf(&from, "%s/models/%s", trainer->dir, model);
    st = madpo_strbuf_check(&from, err);
    if (st == MADPO_OK && !madpo_dir_exists(from.s))
        st = madpo_error_set(
            err, MADPO_ERR_USAGE,
            "there is no finished model '%s' in %s: models are sft, reward (or "
            "reward-fold-1 … with reward.folds) and policy, each there once its stage is done",
            model, trainer->dir);
    if (st == MADPO_OK)
        st = madpo_dir_make(dir, err);
    if (st == MADPO_OK)
        st = copy_files(from.s, dir, err);
    madpo_strbuf_dispose(&from);
    return st;
}
