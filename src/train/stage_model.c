/* The models of the stages. */
#include "train/stage_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "train/stage_parts.h"

/* ---- what is there ---- */

bool madpo_stage_has_model(const madpo_stage_context *ctx, const char *name)
{
    static const char *const files[] = {"model.safetensors", "model.safetensors.index.json",
                                        "adapter_model.safetensors"};
    bool there = false;

    for (size_t i = 0; i < sizeof files / sizeof *files && !there; i++) {
        char *path = madpo_run_path(ctx->run, "models/%s/%s", name, files[i]);

        there = path && madpo_file_exists(path);
        free(path);
    }
    return there;
}

madpo_stage_from madpo_stage_reward_from(const madpo_options *options)
{
    if (strcmp(options->reward.init, "base") == 0)
        return MADPO_FROM_BASE;
    return strcmp(options->reward.init, "random") == 0 ? MADPO_FROM_RANDOM : MADPO_FROM_SFT;
}

static madpo_status no_memory(const char *stage, madpo_error *err)
{
    return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", stage);
}

/* ---- parts ---- */

static madpo_status parts_copy(char **out, const char *dir, const char *stage, madpo_error *err)
{
    *out = dir ? strdup(dir) : NULL;
    return dir && !*out ? no_memory(stage, err) : MADPO_OK;
}

static bool trains_adapters(const madpo_stage_context *ctx)
{
    return ctx->options->lora.rank > 0;
}

bool madpo_stage_drops_out(const madpo_stage_context *ctx)
{
    return trains_adapters(ctx) && ctx->options->lora.dropout > 0.0;
}

/* The result of a stage: a whole model, or an adapter on the base. */
static madpo_status parts_result(madpo__stage_parts *p, const char *stage, const char *name,
                                 madpo_error *err)
{
    const madpo_stage_context *ctx = p->ctx;
    char *dir;

    if (!p->planned && !madpo_stage_has_model(ctx, name))
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: %s/models/%s is not there: run the stage %s first (run.stages)",
                               p->setup->stage, madpo_run_dir(ctx->run), name, stage);
    dir = madpo_run_path(ctx->run, "models/%s", name);
    if (!dir)
        return no_memory(p->setup->stage, err);
    if (!trains_adapters(ctx)) {
        p->base = dir;
        return MADPO_OK;
    }
    p->frozen = dir;
    return parts_copy(&p->base, ctx->base->dir, p->setup->stage, err);
}

static madpo_status parts_start(madpo__stage_parts *p, bool with_adapter, madpo_error *err)
{
    const madpo_base_model *base = p->ctx->base;
    madpo_status st = parts_copy(&p->base, base->dir, p->setup->stage, err);

    if (st == MADPO_OK && with_adapter)
        st = parts_copy(&p->frozen, base->adapter, p->setup->stage, err);
    return st;
}

static madpo_status parts_find(madpo__stage_parts *p, madpo_error *err)
{
    const madpo_stage_context *ctx = p->ctx;
    bool sft = madpo_stage_has_model(ctx, "sft") ||
               (p->planned && madpo_options_has_stage(ctx->options, "sft"));

    switch (p->setup->from) {
    case MADPO_FROM_RANDOM:
        break;
    case MADPO_FROM_BASE:
        return parts_start(p, false, err);
    case MADPO_FROM_START:
        return parts_start(p, true, err);
    case MADPO_FROM_SFT:
        return !sft && ctx->base->dir ? parts_start(p, true, err)
                                      : parts_result(p, "sft", "sft", err);
    case MADPO_FROM_REWARD:
        return parts_result(p, "reward", p->setup->name ? p->setup->name : "reward", err);
    case MADPO_FROM_POLICY:
        return parts_result(p, "policy", "policy", err);
    }
    return MADPO_OK;
}

/* Shape of the adapter that a stage trains. */
static madpo_status adapter_of_options(madpo_adapter_config *out, const madpo_stage_context *ctx,
                                       const char *name, bool score, madpo_error *err)
{
    const madpo_options *o = ctx->options;
    madpo_adapter_options options = {.name = name,
                                     .targets = o->lora.targets,
                                     .r = (int32_t)o->lora.rank,
                                     .alpha = o->lora.alpha,
                                     .rslora = o->lora.rslora,
                                     .dropout = o->lora.dropout,
                                     .score = score};

    return madpo_adapter_config_init(out, &ctx->model, &options, err);
}

/* A result that is not there yet has, to plan with, the shape of one stage's adapter. */
static madpo_status parts_add_frozen(madpo__stage_parts *p, madpo_error *err)
{
    madpo_adapter_config *config = &p->config[p->n];
    bool there = !p->planned || madpo_adapter_is_dir(p->frozen);
    madpo_status st =
        there ? madpo_adapter_config_load(config, "start", p->frozen, &p->ctx->model, err)
              : adapter_of_options(config, p->ctx, "start",
                                   p->setup->reward_head && !p->setup->train, err);

    if (st != MADPO_OK)
        return st;
    config->dropout = 0.0;
    p->slot[p->n] = (madpo_adapter_slot){.config = config};
    p->n++;
    return MADPO_OK;
}

static madpo_status parts_add_trained(madpo__stage_parts *p, madpo_error *err)
{
    madpo_adapter_config *config = &p->config[p->n];
    madpo_status st =
        adapter_of_options(config, p->ctx, p->setup->stage, p->setup->reward_head, err);

    if (st != MADPO_OK)
        return st;
    p->slot[p->n] = (madpo_adapter_slot){.config = config, .train = true};
    p->n++;
    return MADPO_OK;
}

/* What is trained is f32; the rest as the configuration or the files have it. */
static madpo_status parts_storage(madpo_dtype *out, const madpo__stage_parts *p, madpo_error *err)
{
    madpo_dtype files = MADPO_DTYPE_F32;
    bool frozen = p->n > 0 || !p->setup->train;
    madpo_status st = MADPO_OK;

    *out = MADPO_DTYPE_F32;
    if (!frozen || !p->base)
        return MADPO_OK;
    if (p->ctx->base->dir && strcmp(p->base, p->ctx->base->dir) == 0)
        files = p->ctx->base->storage;
    else if (!p->planned)
        st = madpo_model_storage_of(&files, p->base, err);
    *out = madpo_base_model_storage(p->ctx->options, files);
    return st;
}

madpo_status madpo__stage_parts_init(madpo__stage_parts *p, madpo_stage_context *ctx,
                                     const madpo_stage_model_setup *setup, bool planned,
                                     madpo_error *err)
{
    const madpo_batch_limits *limits = &setup->limits;
    madpo_status st;

    *p = (madpo__stage_parts){.ctx = ctx, .setup = setup, .planned = planned};
    st = parts_find(p, err);
    if (st == MADPO_OK && p->frozen)
        st = parts_add_frozen(p, err);
    if (st == MADPO_OK && setup->train && trains_adapters(ctx))
        st = parts_add_trained(p, err);
    p->options = (madpo_model_options){.max_tokens = limits->max_tokens,
                                       .max_rows = limits->max_rows,
                                       .max_segments = limits->max_segments,
                                       .max_sequences = limits->max_sequences,
                                       .train = setup->train,
                                       .reward_head = setup->reward_head,
                                       .gen_slots = setup->gen_slots,
                                       .gen_len = setup->gen_len,
                                       .recompute = setup->train && ctx->options->model.recompute,
                                       .adapters = p->slot,
                                       .n_adapters = p->n};
    if (st == MADPO_OK)
        st = parts_storage(&p->options.storage, p, err);
    if (st != MADPO_OK)
        madpo__stage_parts_dispose(p);
    return st;
}

void madpo__stage_parts_dispose(madpo__stage_parts *p)
{
    for (int i = 0; i < p->n; i++)
        madpo_adapter_config_dispose(&p->config[i]);
    free(p->base);
    free(p->frozen);
    *p = (madpo__stage_parts){0};
}

/* ---- opening ---- */

/* "1,474,560" */
static const char *grouped(char out[32], int64_t n)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n), k = 0;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out[k++] = ',';
        out[k++] = digits[i];
    }
    out[k] = '\0';
    return out;
}

/* Which part of the model is trained; nothing to say where it is all of it. */
static void tell_trained(const madpo__stage_parts *p)
{
    const madpo_model_config *model = &p->ctx->model;
    int64_t all = madpo_model_config_parameters(model, p->setup->reward_head), trained = 0;
    char a[32], b[32];

    if (!p->setup->train || p->n == 0)
        return;
    for (int i = 0; i < p->n; i++)
        all += madpo_adapter_parameters(&p->config[i], model);
    trained = madpo_adapter_parameters(&p->config[p->n - 1], model);
    if (p->setup->reward_head)
        all -= model->C; /* the head is the adapter's, once */
    madpo_run_message(p->ctx->run, "%s: %s of %s parameters trained (%.3g %%)", p->setup->stage,
                      grouped(a, trained), grouped(b, all), 100.0 * (double)trained / (double)all);
}

static madpo_status parts_new_model(madpo_model **out, const madpo__stage_parts *p,
                                    madpo_error *err)
{
    madpo_memory_plan plan;
    char line[512];
    madpo_status st = madpo_model_plan(&plan, p->ctx->dev, &p->ctx->model, &p->options, err);

    *out = NULL;
    if (st != MADPO_OK)
        return st;
    madpo_memory_plan_format(&plan, &p->options, line, sizeof line);
    madpo_run_message(p->ctx->run, "%s: %s", p->setup->stage, line);
    st = madpo_model_new(out, p->ctx->dev, &p->ctx->model, &p->options, err);
    if (st != MADPO_OK)
        madpo_error_context(err, "%s", p->setup->stage);
    return st;
}

/* Seed of what a model is begun with; that of one of several models has its name in it. */
static uint64_t parts_seed(const madpo__stage_parts *p, const char *purpose)
{
    char of[128];

    if (!p->setup->name)
        return madpo_stage_seed(p->ctx, purpose);
    snprintf(of, sizeof of, "%s %s", purpose, p->setup->name);
    return madpo_stage_seed(p->ctx, of);
}

static madpo_status parts_fill(madpo_model *model, const madpo__stage_parts *p, madpo_error *err)
{
    const char *stage = p->setup->stage;
    uint64_t init = parts_seed(p, strcmp(stage, "sft") == 0 ? "init" : "reward init");
    uint64_t head = parts_seed(p, "reward head");
    char adapter[64];
    madpo_status st =
        p->base ? madpo_model_load(model, p->base, head, err) : madpo_model_init(model, init, err);

    snprintf(adapter, sizeof adapter, "adapter %s", stage);
    if (st == MADPO_OK && p->frozen)
        st = madpo_model_adapter_load(model, 0, p->frozen, err);
    if (st == MADPO_OK && p->n > 0 && p->slot[p->n - 1].train)
        st = madpo_model_adapter_init(model, p->n - 1, parts_seed(p, adapter), err);
    return st;
}

madpo_status madpo_stage_open(madpo_stage_model *out, madpo_stage_context *ctx,
                              const madpo_stage_model_setup *setup, madpo_error *err)
{
    madpo__stage_parts parts;
    madpo_status st;

    *out = (madpo_stage_model){0};
    st = madpo__stage_parts_init(&parts, ctx, setup, false, err);
    if (st != MADPO_OK)
        return st;
    st = parts_new_model(&out->model, &parts, err);
    if (st == MADPO_OK) {
        out->n_adapters = parts.n;
        tell_trained(&parts);
        st = parts_fill(out->model, &parts, err);
    }
    madpo__stage_parts_dispose(&parts);
    if (st != MADPO_OK)
        madpo_stage_model_dispose(out);
    return st;
}

void madpo_stage_model_dispose(madpo_stage_model *net)
{
    madpo_model_free(net->model);
    *net = (madpo_stage_model){0};
}

/* ---- saving ---- */

static madpo_status save_weights(const madpo_stage_context *ctx, const madpo_stage_model *net,
                                 const char *stage, const char *dir, madpo_error *err)
{
    if (net->n_adapters == 0)
        return madpo_model_save(net->model, dir, err);
    if (net->n_adapters == 1)
        return madpo_model_adapter_save(net->model, 0, dir, ctx->base->dir, err);
    return madpo_model_adapters_save_joined(net->model, stage, dir, ctx->base->dir, err);
}

madpo_status madpo_stage_save_model(madpo_stage_context *ctx, const madpo_stage_model *net,
                                    const char *stage, madpo_error *err)
{
    char *dir = madpo_run_path(ctx->run, "models/%s", stage);
    madpo_status st;

    if (!dir)
        return no_memory(stage, err);
    st = madpo_dir_make(dir, err);
    if (st == MADPO_OK)
        st = madpo_tokenizer_save(ctx->tok, dir, err);
    if (st == MADPO_OK) /* last: its file says that the model is there */
        st = save_weights(ctx, net, stage, dir, err);
    if (st == MADPO_OK)
        madpo_run_message(ctx->run, "%s: saved %s", stage, dir);
    free(dir);
    return st;
}

madpo_status madpo_stage_save_trained(const madpo_stage_context *ctx, const madpo_stage_model *net,
                                      const char *dir, madpo_error *err)
{
    if (net->n_adapters == 0)
        return madpo_model_save(net->model, dir, err);
    return madpo_model_adapter_save(net->model, net->n_adapters - 1, dir, ctx->base->dir, err);
}

madpo_status madpo_stage_load_trained(const madpo_stage_model *net, const char *dir,
                                      madpo_error *err)
{
    if (net->n_adapters == 0)
        return madpo_model_load(net->model, dir, 0, err);
    return madpo_model_adapter_load(net->model, net->n_adapters - 1, dir, err);
}
