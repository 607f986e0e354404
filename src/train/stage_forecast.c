/* Memory of the stages to come. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "train/margins_given.h"
#include "train/policy_kl.h"
#include "train/policy_options.h"
#include "train/stage_parts.h"

typedef struct forecast {
    madpo_stage_context *ctx;
    const char *stage; /* the most demanding so far, NULL = none */
    madpo_memory_plan plan;
    uint64_t kl;                 /* beside the plan, for the policy's KL */
    madpo_model_options options; /* without its adapters */
} forecast;

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Examples a stage can have, at most. */
static int64_t examples(const madpo_stage_context *ctx, bool pairs)
{
    if (ctx->given_pairs)
        return (int64_t)madpo_pairs_count(ctx->given_pairs);
    return pairs ? ctx->options->generate.prompts : (int64_t)ctx->reviews->n;
}

/* What train/batches.c comes to when texts are as long as they may be. */
static madpo_batch_limits limits(const madpo_stage_context *ctx, int64_t batch, bool pairs)
{
    const madpo_options *o = ctx->options;
    int64_t per_step = smaller(batch, examples(ctx, pairs));
    int64_t tokens = smaller(o->batch.tokens, per_step * (pairs ? 2 : 1) * o->data.max_tokens);

    return (madpo_batch_limits){.max_tokens = tokens,
                                .max_rows = tokens,
                                .max_segments = 3 * per_step,
                                .max_sequences = 2 * per_step};
}

static madpo_stage_model_setup sampling(const madpo_stage_context *ctx, const char *stage,
                                        madpo_stage_from from, int64_t prompts)
{
    const madpo_options *o = ctx->options;
    int64_t slots = smaller(o->generate.batch, prompts);
    int64_t prompt = ctx->given_pairs ? o->data.max_prompt : o->generate.prompt_tokens;

    return (madpo_stage_model_setup){.stage = stage,
                                     .from = from,
                                     .limits = {.max_tokens = slots * prompt,
                                                .max_rows = slots,
                                                .max_segments = slots,
                                                .max_sequences = slots},
                                     .gen_slots = slots,
                                     .gen_len = prompt + o->generate.max_new};
}

/* What measuring the policy's KL takes beside its model; nothing where it does not fit, for then it
 * is left out. */
static uint64_t forecast_kl(const forecast *f, const madpo__stage_parts *parts,
                            const madpo_memory_plan *plan)
{
    const madpo_options *o = f->ctx->options;
    const madpo_objective *objective = madpo_objective_find(o->policy.objective);
    madpo_objective_options options;
    int64_t rows = smaller(o->policy.kl_pairs * 2 * o->data.max_tokens, parts->options.max_tokens);
    uint64_t bytes;

    if (strcmp(parts->setup->stage, "policy") != 0 || rows == 0 || !objective)
        return 0;
    options = madpo_policy_objective_options(o, objective);
    if (!madpo_objective_needs_of(objective, &options).reference)
        return 0;
    bytes = madpo_policy_kl_bytes(&f->ctx->model, rows, parts->n == 0);
    return plan->total + bytes <= plan->available ? bytes : 0;
}

static madpo_status forecast_stage(forecast *f, const madpo_stage_model_setup *setup,
                                   madpo_error *err)
{
    madpo__stage_parts parts;
    madpo_memory_plan plan;
    madpo_status st;
    uint64_t kl;

    if (!madpo_options_has_stage(f->ctx->options, setup->stage) ||
        madpo_run_stage_done(f->ctx->run, setup->stage))
        return MADPO_OK;
    st = madpo__stage_parts_init(&parts, f->ctx, setup, true, err);
    if (st != MADPO_OK)
        return st;
    st = madpo_model_plan(&plan, f->ctx->dev, &f->ctx->model, &parts.options, err);
    kl = st == MADPO_OK ? forecast_kl(f, &parts, &plan) : 0;
    if (st == MADPO_OK && (!f->stage || plan.total + kl > f->plan.total + f->kl)) {
        f->stage = setup->stage;
        f->plan = plan;
        f->kl = kl;
        f->options = parts.options;
        f->options.adapters = NULL; /* they go with the parts */
    }
    madpo__stage_parts_dispose(&parts);
    return st;
}

static madpo_status forecast_training(forecast *f, madpo_error *err)
{
    const madpo_options *o = f->ctx->options;
    const madpo_stage_model_setup setups[] = {
        {.stage = "sft",
         .from = MADPO_FROM_START,
         .train = true,
         .limits = limits(f->ctx, o->sft.o.batch, false)},
        {.stage = "reward",
         .from = madpo_stage_reward_from(o),
         .train = true,
         .reward_head = true,
         .limits = limits(f->ctx, o->reward.o.batch, true)},
        {.stage = "margins",
         .from = MADPO_FROM_REWARD,
         .reward_head = true,
         .limits = limits(f->ctx, o->reward.o.batch, true)},
        {.stage = "policy",
         .from = MADPO_FROM_SFT,
         .train = true,
         .limits = limits(f->ctx, o->policy.o.batch, true)},
    };
    bool given = madpo_margins_are_given(f->ctx, f->ctx->given_pairs); /* without a model */
    madpo_status st = MADPO_OK;

    for (size_t i = 0; i < sizeof setups / sizeof *setups && st == MADPO_OK; i++)
        if (setups[i].from != MADPO_FROM_REWARD || !given)
            st = forecast_stage(f, &setups[i], err);
    return st;
}

static madpo_status forecast_sampling(forecast *f, madpo_error *err)
{
    const madpo_options *o = f->ctx->options;
    madpo_stage_model_setup generate =
        sampling(f->ctx, "generate", MADPO_FROM_SFT, o->generate.prompts);
    madpo_stage_model_setup evaluate =
        sampling(f->ctx, "evaluate", MADPO_FROM_POLICY, o->evaluate.prompts);
    madpo_status st = MADPO_OK;

    if (!f->ctx->given_pairs)
        st = forecast_stage(f, &generate, err);
    return st == MADPO_OK ? forecast_stage(f, &evaluate, err) : st;
}

static void remedy(madpo_strbuf *b, bool helps, const char *what)
{
    if (helps)
        madpo_strbuf_printf(b, "%s%s", b->n > 0 ? ", " : "", what);
}

/* Settings that would make it smaller, those that cost least first; smaller batches only where the
 * weights alone leave room for any. */
static void remedies(madpo_strbuf *b, const forecast *f)
{
    const madpo_options *o = f->ctx->options;
    const madpo_memory_plan *p = &f->plan;
    bool given = f->ctx->base->dir, train = f->options.train, samples = f->options.gen_slots > 0;
    bool room = p->weights + p->gradients + p->optimiser + p->packed < p->available;
    bool frozen = given && (o->lora.rank > 0 || !train);
    char batch[64], rank[64];

    snprintf(batch, sizeof batch,
             samples ? "lower generate.batch (now %lld)" : "lower batch.tokens (now %lld)",
             (long long)(samples ? o->generate.batch : o->batch.tokens));
    snprintf(rank, sizeof rank, "lower lora.rank (now %lld)", (long long)o->lora.rank);
    remedy(b, room, batch);
    remedy(b, room && train && !f->options.recompute, "set model.recompute = true");
    remedy(b, frozen && f->options.storage == MADPO_DTYPE_F32, "set model.storage = \"bf16\"");
    remedy(b, given && !frozen, "train adapters only (lora.rank = 16)");
    remedy(b, frozen && train && o->lora.rank > 16, rank);
    remedy(b, given && !room, "take a smaller model");
    remedy(b, !given, "lower model.hidden or model.layers");
    remedy(b, o->device.memory_mb > 0, "raise device.memory_mb");
}

static madpo_status refuse(const forecast *f, const char *line, madpo_error *err)
{
    madpo_strbuf b = {0};
    madpo_status st;

    remedies(&b, f);
    st = madpo_strbuf_check(&b, err);
    if (st == MADPO_OK)
        st = madpo_error_set(err, MADPO_ERR_MEMORY,
                             "the stage %s does not fit into the memory of the device: %s: %s",
                             f->stage, line, b.s);
    madpo_strbuf_dispose(&b);
    return st;
}

madpo_status madpo_stage_forecast(madpo_stage_context *ctx, madpo_error *err)
{
    forecast f = {.ctx = ctx};
    char line[512], kl[64] = "";
    madpo_status st = forecast_training(&f, err);

    if (st == MADPO_OK)
        st = forecast_sampling(&f, err);
    if (st != MADPO_OK || !f.stage)
        return st;
    madpo_memory_plan_format(&f.plan, &f.options, line, sizeof line);
    if (f.plan.total > f.plan.available)
        return refuse(&f, line, err);
    if (f.kl > 0)
        snprintf(kl, sizeof kl, "; beside it at most %.1f MB for the KL", (double)f.kl / 1e6);
    madpo_run_message(ctx->run, "memory: most is for the stage %s: %s%s", f.stage, line, kl);
    return MADPO_OK;
}
