/* Stage generate: two samples of the SFT model for every prompt, scored by the ground truth, and a
 * label drawn from the scores: P(1 over 2) = sigma(s1 - s2), as in the published experiment.
 * Result: pairs.jsonl, in the order of the prompts, first those of training reviews, then those of
 * held-out ones.
 *
 * Pair i is a pure function of the model, its prompt and i, and is written chunk by chunk; a chunk
 * that was cut off is done again. Two samples that are empty or alike make no pair: they are drawn
 * anew a few times, then the prompt is dropped and counted.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/rng.h"
#include "objective/objective.h"
#include "train/control.h"
#include "train/sampler.h"

static const char stage_name[] = "generate";
static const char pairs_file[] = "pairs.jsonl";
enum { MAX_RETRIES = 4, SAMPLES = 2 };

typedef struct generate {
    madpo_stage_context *ctx;
    madpo_prompts prompts; /* training, then held out */
    size_t n_train;        /* prompts for training pairs */
    madpo_sampler sampler;
    size_t chunk; /* prompts at once */
    char **texts; /* [chunk SAMPLES] */
    madpo_records *records;
} generate;

/* ---- prompts ---- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static madpo_status generate_prompts(generate *g, madpo_error *err)
{
    const madpo_stage_context *ctx = g->ctx;
    size_t asked = (size_t)ctx->options->generate.prompts, first = ctx->n_train_reviews;
    madpo_status st = madpo_prompts_to_generate(&g->prompts, &g->n_train, ctx, err);

    if (st == MADPO_OK && g->prompts.n < asked)
        madpo_run_message(
            ctx->run,
            "generate: only %zu prompts, not %zu: there are %zu training and %zu held-out "
            "reviews, one prompt each",
            g->prompts.n, asked, madpo_prompts_count_reviews(ctx, 0, first),
            madpo_prompts_count_reviews(ctx, first, ctx->reviews->n));
    return st;
}

/* ---- one pair ---- */

static bool is_pair(char *const *two)
{
    return *two[0] && *two[1] && strcmp(two[0], two[1]) != 0;
}

/* Draw until the two samples make a pair. */
static madpo_status redraw(generate *g, size_t i, char **two, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (uint64_t retry = 1; retry <= MAX_RETRIES && st == MADPO_OK && !is_pair(two); retry++) {
        madpo_texts_free(two, SAMPLES);
        st = madpo_sampler_draw(&g->sampler, &g->prompts.v[i], 1, i, retry, two, err);
    }
    return st;
}

static json_t *pair_record(size_t i, const madpo_prompt *prompt, const char *chosen,
                           const char *rejected, double score_chosen, double score_rejected,
                           int position, bool eval)
{
    return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:i,s:s}", "id", (json_int_t)i, "prompt",
                     madpo_json_text(prompt->text, prompt->n_text), "chosen",
                     madpo_json_text(chosen, strlen(chosen)), "rejected",
                     madpo_json_text(rejected, strlen(rejected)), "score_chosen",
                     madpo_json_real(score_chosen), "score_rejected",
                     madpo_json_real(score_rejected), "position_chosen", position, "split",
                     eval ? "eval" : "train");
}

static madpo_status label_pair(generate *g, size_t i, char *const *two, madpo_error *err)
{
    const madpo_prompt *prompt = &g->prompts.v[i];
    double score[SAMPLES];
    madpo_rng rng;
    int first;
    madpo_status st = MADPO_OK;

    for (int s = 0; s < SAMPLES && st == MADPO_OK; s++)
        st = madpo_sampler_score(&score[s], g->ctx, prompt->text, two[s], err);
    if (st != MADPO_OK)
        return st;
    madpo_rng_init(&rng, madpo_stage_seed(g->ctx, "labels"), (uint64_t)i);
    first = madpo_rng_uniform(&rng) < madpo_sigmoid(score[0] - score[1]) ? 0 : 1;
    return madpo_records_append(g->records,
                                pair_record(i, prompt, two[first], two[1 - first], score[first],
                                            score[1 - first], first + 1, i >= g->n_train),
                                err);
}

/* ---- chunks ---- */

static madpo_status generate_chunk(generate *g, size_t first, size_t n, madpo_error *err)
{
    madpo_status st =
        madpo_sampler_draw(&g->sampler, g->prompts.v + first, n, first, 0, g->texts, err);

    for (size_t k = 0; k < n && st == MADPO_OK; k++) {
        char **two = g->texts + k * SAMPLES;

        st = redraw(g, first + k, two, err);
        if (st == MADPO_OK && is_pair(two))
            st = label_pair(g, first + k, two, err);
    }
    madpo_texts_free(g->texts, n * SAMPLES);
    return st == MADPO_OK ? madpo_records_sync(g->records, err) : st;
}

/* Open pairs.jsonl, keep the pairs of whole chunks, and say at which prompt to go on. */
static madpo_status generate_open(generate *g, size_t *next, madpo_error *err)
{
    json_t *lines = NULL, *line;
    int64_t keep = 0, last = -1;
    size_t i;
    madpo_status st = madpo_stage_read_lines(&lines, g->ctx, pairs_file, err);

    *next = 0;
    if (st != MADPO_OK)
        return st;
    if (json_array_size(lines) > 0)
        last = json_integer_value(
            json_object_get(json_array_get(lines, json_array_size(lines) - 1), "id"));
    *next = (size_t)(last + 1);
    if (*next < g->prompts.n)
        *next -= *next % g->chunk;
    json_array_foreach(lines, i, line)
    {
        keep += json_integer_value(json_object_get(line, "id")) < (json_int_t)*next;
    }
    json_decref(lines);
    return madpo_records_open(&g->records, g->ctx->run, pairs_file, keep, &keep, err);
}

static madpo_status generate_all(generate *g, madpo_error *err)
{
    size_t next, n = g->prompts.n;
    madpo_meter meter;
    madpo_status closed, st = generate_open(g, &next, err);

    if (st != MADPO_OK)
        return st;
    madpo_meter_start(&meter, g->ctx, stage_name, "sampling", "pair", (int64_t)next, (int64_t)n);
    while (next < n && st == MADPO_OK) {
        size_t chunk = smaller(g->chunk, n - next);

        st = madpo_control_between(g->ctx, stage_name, (int64_t)next, (int64_t)n, "pair", err);
        if (st == MADPO_OK)
            st = generate_chunk(g, next, chunk, err);
        next += chunk;
        if (st == MADPO_OK)
            madpo_meter_show(&meter, (int64_t)next, "");
    }
    closed = madpo_records_close(g->records, err);
    g->records = NULL;
    return st == MADPO_OK ? closed : st;
}

/* ---- the stage ---- */

static madpo_status generate_new_sampler(generate *g, madpo_error *err)
{
    const madpo_options *o = g->ctx->options;
    madpo_sampler_options options = {.stage = stage_name,
                                     .from = MADPO_FROM_SFT,
                                     .temperature = o->generate.temperature,
                                     .top_p = o->generate.top_p,
                                     .top_k = o->generate.top_k,
                                     .seed = madpo_stage_seed(g->ctx, stage_name),
                                     .samples = SAMPLES,
                                     .prompt_len = g->prompts.longest,
                                     .max_new = (int32_t)o->generate.max_new};

    g->chunk = (size_t)(o->generate.batch > SAMPLES ? o->generate.batch / SAMPLES : 1);
    g->chunk = smaller(g->chunk, g->prompts.n > 0 ? g->prompts.n : 1);
    options.chunk = g->chunk;
    g->texts = calloc(g->chunk * SAMPLES, sizeof *g->texts);
    if (!g->texts)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "generate: out of host memory");
    return madpo_sampler_init(&g->sampler, g->ctx, &options, err);
}

/* What one wants to know about the pairs, from the file, so that a resumed run says the same. */
static madpo_status generate_tell(generate *g, madpo_error *err)
{
    json_t *lines = NULL, *line;
    size_t i, n = 0, n_eval = 0, n_contrary = 0;
    double difference = 0.0;
    madpo_status st = madpo_stage_read_lines(&lines, g->ctx, pairs_file, err);

    if (st != MADPO_OK)
        return st;
    n = json_array_size(lines);
    json_array_foreach(lines, i, line)
    {
        double d = json_number_value(json_object_get(line, "score_chosen")) -
                   json_number_value(json_object_get(line, "score_rejected"));
        const char *split = json_string_value(json_object_get(line, "split"));

        n_eval += split && strcmp(split, "eval") == 0;
        n_contrary += d < 0.0;
        difference += d < 0.0 ? -d : d;
    }
    json_decref(lines);
    if (n == 0)
        return madpo_error_set(
            err, MADPO_ERR_DATA,
            "generate: no prompt gave two different, non-empty samples: train sft "
            "longer (sft.epochs) or raise generate.temperature");
    madpo_run_message(
        g->ctx->run,
        "generate: %zu pairs, %zu of them held out; mean |score difference| %.3f; %.1f %% of "
        "the labels go against the scores; %zu prompts dropped (samples empty or alike)",
        n, n_eval, difference / (double)n, 100.0 * (double)n_contrary / (double)n,
        g->prompts.n - n);
    return madpo_stage_event(
        g->ctx, "eval",
        json_pack("{s:s,s:s,s:s,s:I,s:I,s:o,s:o,s:I}", "stage", stage_name, "who", "pairs",
                  "metric", "score_difference", "n", (json_int_t)n, "held_out", (json_int_t)n_eval,
                  "mean", madpo_json_real(difference / (double)n), "labels_against_scores",
                  madpo_json_real((double)n_contrary / (double)n), "dropped",
                  (json_int_t)(g->prompts.n - n)),
        err);
}

madpo_status madpo_stage_generate(madpo_stage_context *ctx, madpo_error *err)
{
    generate g = {.ctx = ctx};
    madpo_status st;

    if (ctx->given_pairs) {
        madpo_run_message(ctx->run, "generate: pairs are given, nothing to sample");
        return MADPO_OK;
    }
    st = generate_prompts(&g, err);
    if (st == MADPO_OK)
        st = generate_new_sampler(&g, err);
    if (st == MADPO_OK)
        st = generate_all(&g, err);
    if (st == MADPO_OK)
        st = generate_tell(&g, err);
    madpo_sampler_dispose(&g.sampler);
    madpo_prompts_dispose(&g.prompts);
    free(g.texts);
    return st;
}
