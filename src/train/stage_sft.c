/* Stage sft: a language model of the training reviews (or of the chosen answers when pairs are
 * given), from random weights or from model.path. Loss is the cross entropy per token over the
 * whole step. Result: models/sft. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "train/batches.h"
#include "train/loop.h"
#include "train/pairset.h"
#include "train/sampler.h"

static const char stage_name[] = "sft";

enum { SFT_HITS = MADPO_ROW_OWN, SFT_COLUMNS }; /* tokens that were the arg max */

typedef struct sft {
    madpo_stage_context *ctx;
    madpo_examples own;             /* tokenized reviews: training, then held out */
    madpo_pairset pairs;            /* or the given pairs */
    madpo_examples train, held_out; /* views */
    madpo_batch_limits limits;
    madpo_stage_model net;
    float *logp, *coef; /* [max rows] */
    bool *top;          /* [max rows] */
} sft;

/* ---- data ---- */

static madpo_status sft_reviews(sft *s, madpo_error *err)
{
    const madpo_stage_context *ctx = s->ctx;
    madpo_tokenize_options options = madpo_stage_tokenize_options(ctx);
    size_t limit = (size_t)ctx->options->sft.examples, n_train = ctx->n_train_reviews;
    madpo_text *texts = malloc(ctx->reviews->n * sizeof *texts);
    madpo_status st;

    if (!texts)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "sft: out of host memory");
    for (size_t i = 0; i < ctx->reviews->n; i++) /* of the other label: empty, so no example */
        if (madpo_label_wanted(ctx->options->sft.reviews, ctx->reviews->v[i].positive))
            texts[i] = (madpo_text){ctx->reviews->v[i].text, ctx->reviews->v[i].n};
        else
            texts[i] = (madpo_text){"", 0};
    options.add_eos = true;
    st = madpo_examples_from_texts(&s->own, texts, ctx->reviews->n, ctx->tok, &options, err);
    free(texts);
    if (st != MADPO_OK)
        return st;
    /* empty reviews give no example, so the split is by each example's review */
    for (size_t i = 0; i < s->own.n && s->own.v[i].id < (int64_t)n_train; i++)
        s->train.n++;
    s->train.v = s->own.v;
    s->held_out.v = s->own.v + s->train.n;
    s->held_out.n = s->own.n - s->train.n;
    if (limit > 0 && limit < s->train.n)
        s->train.n = limit;
    return MADPO_OK;
}

/* Prompt and chosen answer of the given pairs. */
static madpo_status sft_chosen(sft *s, madpo_error *err)
{
    madpo_status st = madpo_pairset_load(&s->pairs, s->ctx, stage_name, false, err);
    size_t limit = (size_t)s->ctx->options->sft.examples;

    if (st != MADPO_OK)
        return st;
    s->train = s->pairs.train;
    s->held_out = s->pairs.held_out;
    for (size_t i = 0; i < s->train.n; i++)
        s->train.v[i].n_branches = 1;
    for (size_t i = 0; i < s->held_out.n; i++)
        s->held_out.v[i].n_branches = 1;
    if (limit > 0 && limit < s->train.n)
        s->train.n = limit;
    return MADPO_OK;
}

/* ---- the task ---- */

static int64_t sft_units(const madpo_example *example)
{
    return example->n_branch[0];
}

static madpo_status sft_run(void *user, madpo_model *model, const madpo_batch *batch, double scale,
                            double *rows, madpo_error *err)
{
    sft *s = user;
    madpo_status st = madpo_model_logps(model, batch, s->logp, s->top, err);

    if (st != MADPO_OK)
        return st;
    for (int64_t i = 0; i < batch->n_seq; i++) {
        double *row = rows + i * SFT_COLUMNS, loss = 0.0, hits = 0.0;

        for (int64_t r = batch->seq_row[i]; r < batch->seq_row[i + 1]; r++) {
            loss -= (double)s->logp[r];
            hits += s->top[r] ? 1.0 : 0.0;
        }
        row[MADPO_ROW_LOSS] = loss;
        row[MADPO_ROW_UNITS] = (double)(batch->seq_row[i + 1] - batch->seq_row[i]);
        row[SFT_HITS] = hits;
    }
    if (!(scale > 0.0))
        return MADPO_OK;
    for (int64_t r = 0; r < batch->R; r++)
        s->coef[r] = (float)-scale;
    return madpo_model_backward_logps(model, batch, s->coef, err);
}

static void sft_report(void *user, const double *rows, size_t n, const char *prefix, json_t *fields)
{
    double tokens = madpo_loop_column_mean(rows, n, SFT_COLUMNS, MADPO_ROW_UNITS);

    (void)user;
    madpo_loop_metric(fields, prefix, "mean_token_accuracy",
                      madpo_loop_column_mean(rows, n, SFT_COLUMNS, SFT_HITS) / tokens);
}

/* ---- the stage ---- */

static madpo_status sft_prepare(sft *s, madpo_error *err)
{
    const madpo_options *o = s->ctx->options;
    const madpo_examples *lists[] = {&s->train, &s->held_out};
    madpo_stage_model_setup model = {.stage = stage_name, .from = MADPO_FROM_START, .train = true};
    size_t n_rows;
    madpo_status st = s->ctx->reviews ? sft_reviews(s, err) : sft_chosen(s, err);

    if (st != MADPO_OK)
        return st;
    madpo_run_message(s->ctx->run,
                      "sft: %zu texts to train on, %zu held out (%zu cut to %lld tokens)",
                      s->train.n, s->held_out.n, s->own.n_truncated, (long long)o->data.max_tokens);
    st = madpo_batches_limits(&s->limits, lists, 2, o->sft.o.batch, o->batch.tokens, err);
    if (st != MADPO_OK)
        return st;
    n_rows = (size_t)s->limits.max_rows;
    s->logp = malloc(n_rows * sizeof *s->logp);
    s->coef = malloc(n_rows * sizeof *s->coef);
    s->top = malloc(n_rows * sizeof *s->top);
    if (!s->logp || !s->coef || !s->top)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "sft: out of host memory");
    model.limits = s->limits;
    return madpo_stage_open(&s->net, s->ctx, &model, err);
}

static madpo_status sft_train(sft *s, madpo_error *err)
{
    madpo_loop_task task = {.stage = stage_name,
                            .n_columns = SFT_COLUMNS,
                            .user = s,
                            .units = sft_units,
                            .run = sft_run,
                            .report = sft_report};
    madpo_loop_setup setup = {.ctx = s->ctx,
                              .options = &s->ctx->options->sft.o,
                              .task = &task,
                              .net = &s->net,
                              .train = &s->train,
                              .held_out = &s->held_out,
                              .limits = s->limits};
    madpo_loop_result result;
    madpo_status st = madpo_loop_run(&setup, &result, err);

    if (st == MADPO_OK)
        st = madpo_stage_save_model(s->ctx, &s->net, stage_name, err);
    if (st == MADPO_OK)
        madpo_run_message(s->ctx->run,
                          "sft: done after %lld steps, held-out loss %.4f nats per token",
                          (long long)result.steps, result.eval_loss);
    return st;
}

madpo_status madpo_stage_sft(madpo_stage_context *ctx, madpo_error *err)
{
    sft s = {.ctx = ctx};
    madpo_status st = sft_prepare(&s, err);

    if (st == MADPO_OK)
        st = sft_train(&s, err);
    madpo_stage_model_dispose(&s.net);
    madpo_examples_dispose(&s.own);
    madpo_pairset_dispose(&s.pairs);
    free(s.logp);
    free(s.coef);
    free(s.top);
    return st;
}
