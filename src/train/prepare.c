/* Preparation: tokenizer (unless one is given) and ground-truth scorer from the training part of
 * the data, once per run.
 *
 *   tokenizer/      tokenizer.json …     scorer.bin   ground-truth scorer (reviews only)
 *   pairs.jsonl     given pairs with their split (source pairs only)
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "train/given.h"

static const char stage_name[] = "prepare";

/* ---- tokenizer ---- */

/* The texts to train on: training reviews, or the training pairs' three parts. Borrowed strings. */
static madpo_status training_texts(madpo_text **out, size_t *n, const madpo_source *source,
                                   size_t limit, madpo_error *err)
{
    size_t k = 0;

    *n = 0;
    *out = malloc((3 * source->n + 1) * sizeof **out);
    if (!*out)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "tokenizer: out of host memory");
    if (source->kind != MADPO_SOURCE_PAIRS) {
        for (size_t i = 0; i < source->n_train && (limit == 0 || i < limit); i++)
            (*out)[k++] = (madpo_text){source->reviews.v[i].text, source->reviews.v[i].n};
    } else {
        for (size_t i = 0; i < source->n && (limit == 0 || k < 3 * limit); i++) {
            const madpo_pair *pair = madpo_pairs_at(source->pairs, i);

            if (pair->eval)
                continue;
            (*out)[k++] = (madpo_text){pair->prompt, pair->n_prompt};
            (*out)[k++] = (madpo_text){pair->chosen, pair->n_chosen};
            (*out)[k++] = (madpo_text){pair->rejected, pair->n_rejected};
        }
    }
    *n = k;
    return MADPO_OK;
}

static madpo_status train_tokenizer(madpo_source *source, madpo_stage_context *ctx,
                                    madpo_error *err)
{
    madpo_tokenizer_train_options options;
    madpo_text *texts = NULL;
    size_t n = 0;
    madpo_status st =
        training_texts(&texts, &n, source, (size_t)ctx->options->tokenizer.train_reviews, err);

    madpo_tokenizer_train_options_defaults(&options);
    options.vocab = (int32_t)ctx->options->tokenizer.vocab;
    if (st == MADPO_OK)
        st = madpo_tokenizer_train(&source->tok, texts, n, &options, err);
    if (st == MADPO_OK)
        madpo_run_message(ctx->run, "prepare: tokenizer of %d tokens trained on %zu texts",
                          (int)madpo_tokenizer_vocab(source->tok), n);
    free(texts);
    return st;
}

/* The tokenizer asked for, that of the model the run starts from, or one of its own. */
static madpo_status choose_tokenizer(madpo_source *source, madpo_stage_context *ctx,
                                     madpo_error *err)
{
    char *path;
    madpo_status st = madpo_base_model_tokenizer(&path, ctx->options, err);

    if (st == MADPO_OK)
        st = path ? madpo_tokenizer_load(&source->tok, path, err)
                  : train_tokenizer(source, ctx, err);
    free(path);
    return st;
}

static madpo_status make_tokenizer(madpo_source *source, madpo_stage_context *ctx, madpo_error *err)
{
    char *dir;
    madpo_status st = choose_tokenizer(source, ctx, err);

    if (st != MADPO_OK)
        return st;
    dir = madpo_run_path(ctx->run, "tokenizer");
    st = dir ? madpo_dir_make(dir, err)
             : madpo_error_set(err, MADPO_ERR_NOMEM, "prepare: out of host memory");
    if (st == MADPO_OK)
        st = madpo_tokenizer_save(source->tok, dir, err);
    free(dir);
    return st;
}

static madpo_status load_tokenizer(madpo_source *source, madpo_stage_context *ctx, madpo_error *err)
{
    char *path = madpo_run_path(ctx->run, "tokenizer/tokenizer.json");
    madpo_status st = path ? madpo_tokenizer_load(&source->tok, path, err)
                           : madpo_error_set(err, MADPO_ERR_NOMEM, "prepare: out of host memory");

    free(path);
    return st;
}

/* ---- scorer ---- */

/* Share of held-out reviews that the scorer puts on the right side. Returns the hits. */
static size_t scorer_hits(const madpo_source *source)
{
    size_t hits = 0;

    for (size_t i = source->n_train; i < source->n; i++) {
        const madpo_review *review = &source->reviews.v[i];
        bool positive = madpo_scorer_probability(source->scorer, review->text, review->n) > 0.5;

        hits += positive == review->positive;
    }
    return hits;
}

static madpo_status save_scorer(const madpo_source *source, madpo_stage_context *ctx,
                                madpo_error *err)
{
    char *path = madpo_run_path(ctx->run, "scorer.bin");
    madpo_status st = path ? madpo_scorer_save(source->scorer, path, err)
                           : madpo_error_set(err, MADPO_ERR_NOMEM, "prepare: out of host memory");

    free(path);
    return st;
}

static madpo_status make_scorer(madpo_source *source, madpo_stage_context *ctx, madpo_error *err)
{
    madpo_reviews training = {.v = source->reviews.v, .n = source->n_train}; /* a view */
    madpo_scorer_options options;
    madpo_scorer_report report;
    size_t n_held_out = source->n - source->n_train, hits;
    madpo_status st;

    madpo_scorer_options_defaults(&options);
    options.bits = (int)ctx->options->scorer.bits;
    options.epochs = (int)ctx->options->scorer.epochs;
    options.held_out = ctx->options->scorer.held_out;
    options.seed = madpo_stage_seed(ctx, "scorer");
    st = madpo_scorer_train(&source->scorer, &training, &options, &report, err);
    if (st != MADPO_OK)
        return st;
    hits = scorer_hits(source);
    madpo_run_message(ctx->run,
                      "prepare: ground-truth scorer: accuracy %.4f on %zu held-out reviews",
                      (double)hits / (double)n_held_out, n_held_out);
    st = madpo_stage_event(ctx, "eval",
                           json_pack("{s:s,s:s,s:s,s:I,s:o,s:o,s:o}", "stage", stage_name, "who",
                                     "scorer", "metric", "accuracy", "n", (json_int_t)n_held_out,
                                     "mean", madpo_json_real((double)hits / (double)n_held_out),
                                     "own_held_out_accuracy", madpo_json_real(report.accuracy),
                                     "own_held_out_log_loss", madpo_json_real(report.log_loss)),
                           err);
    return st == MADPO_OK ? save_scorer(source, ctx, err) : st;
}

static madpo_status load_scorer(madpo_source *source, madpo_stage_context *ctx, madpo_error *err)
{
    char *path = madpo_run_path(ctx->run, "scorer.bin");
    madpo_status st = path ? madpo_scorer_load(&source->scorer, path, err)
                           : madpo_error_set(err, MADPO_ERR_NOMEM, "prepare: out of host memory");

    free(path);
    return st;
}

/* ---- given pairs ---- */

static madpo_status write_pair(madpo_records *records, const madpo_pair *pair, madpo_error *err)
{
    json_t *record = NULL;
    char *line = NULL;
    madpo_status st = madpo_pair_format(&line, pair, err);

    if (st == MADPO_OK)
        st = madpo_json_parse(&record, line, strlen(line), "pair", 1, err);
    free(line);
    return st == MADPO_OK ? madpo_records_append(records, record, err) : st;
}

static madpo_status write_pairs(madpo_source *source, madpo_stage_context *ctx, madpo_error *err)
{
    madpo_records *records = NULL;
    int64_t n_lines;
    madpo_status closed,
        st = madpo_records_open(&records, ctx->run, "pairs.jsonl", 0, &n_lines, err);

    if (st != MADPO_OK)
        return st;
    for (size_t i = 0; i < source->n && st == MADPO_OK; i++)
        st = write_pair(records, madpo_pairs_at(source->pairs, i), err);
    if (st == MADPO_OK)
        st = madpo_records_sync(records, err);
    closed = madpo_records_close(records, err);
    return st == MADPO_OK ? closed : st;
}

/* ---- the whole ---- */

static madpo_status make_all(madpo_source *source, madpo_stage_context *ctx, madpo_error *err)
{
    madpo_status st = make_tokenizer(source, ctx, err);

    if (st == MADPO_OK && source->kind == MADPO_SOURCE_PAIRS)
        st = madpo_given_fit(source, ctx, err);
    if (st == MADPO_OK)
        st = source->kind == MADPO_SOURCE_PAIRS ? write_pairs(source, ctx, err)
                                                : make_scorer(source, ctx, err);
    if (st == MADPO_OK)
        st = madpo_stage_event(ctx, "stage",
                               json_pack("{s:s,s:s,s:I,s:I,s:I}", "stage", stage_name, "status",
                                         "done", "train", (json_int_t)source->n_train, "held_out",
                                         (json_int_t)(source->n - source->n_train), "vocab",
                                         (json_int_t)madpo_tokenizer_vocab(source->tok)),
                               err);
    return st == MADPO_OK ? madpo_run_set_stage_done(ctx->run, stage_name, err) : st;
}

static madpo_status load_all(madpo_source *source, madpo_stage_context *ctx, madpo_error *err)
{
    madpo_status st = load_tokenizer(source, ctx, err);

    if (st == MADPO_OK && source->kind != MADPO_SOURCE_PAIRS)
        st = load_scorer(source, ctx, err);
    if (st == MADPO_OK && source->kind == MADPO_SOURCE_PAIRS)
        st = madpo_given_fit(source, ctx, err);
    return st;
}

madpo_status madpo_source_prepare(madpo_source *source, madpo_stage_context *ctx, madpo_error *err)
{
    const char *noun = source->kind == MADPO_SOURCE_PAIRS ? "pairs" : "reviews";
    madpo_status st;

    madpo_run_message(ctx->run, "data: %zu %s%s, %zu for training, %zu held out", source->n,
                      source->kind == MADPO_SOURCE_SYNTHETIC ? "generated " : "", noun,
                      source->n_train, source->n - source->n_train);
    madpo_tokenizer_free(source->tok); /* a second run of one trainer */
    madpo_scorer_free(source->scorer);
    source->tok = NULL;
    source->scorer = NULL;
    st = madpo_run_stage_done(ctx->run, stage_name) ? load_all(source, ctx, err)
                                                    : make_all(source, ctx, err);
    ctx->reviews = source->kind == MADPO_SOURCE_PAIRS ? NULL : &source->reviews;
    ctx->n_train_reviews = source->kind == MADPO_SOURCE_PAIRS ? 0 : source->n_train;
    if (st == MADPO_OK && *ctx->options->evaluate.scorer && source->kind == MADPO_SOURCE_PAIRS)
        st = madpo_scorer_load(&source->scorer, ctx->options->evaluate.scorer, err);
    ctx->given_pairs = source->pairs;
    ctx->tok = source->tok;
    ctx->scorer = source->scorer;
    return st;
}
