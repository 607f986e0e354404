/* Prompts, and texts sampled from a model for them. */
#include "train/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "text/utf8.h"

/* ---- prompts ---- */

void madpo_prompts_dispose(madpo_prompts *prompts)
{
    for (size_t i = 0; i < prompts->n; i++) {
        free(prompts->v[i].ids);
        free(prompts->v[i].text);
    }
    free(prompts->v);
    *prompts = (madpo_prompts){0};
}

/* Move text and ids into a new prompt. Takes both in any case. */
static madpo_status prompts_take(madpo_prompts *prompts, madpo_ids *ids, char *text, int64_t id,
                                 madpo_error *err)
{
    size_t capacity = prompts->capacity > 0 ? 2 * prompts->capacity : 64;

    if (prompts->n == prompts->capacity) {
        madpo_prompt *grown = realloc(prompts->v, capacity * sizeof *grown);

        if (!grown) {
            madpo_ids_dispose(ids);
            free(text);
            return madpo_error_set(err, MADPO_ERR_NOMEM, "prompts: out of host memory");
        }
        prompts->v = grown;
        prompts->capacity = capacity;
    }
    prompts->v[prompts->n++] = (madpo_prompt){
        .ids = ids->v, .n = (int32_t)ids->n, .text = text, .n_text = strlen(text), .id = id};
    if (prompts->longest < (int32_t)ids->n)
        prompts->longest = (int32_t)ids->n;
    *ids = (madpo_ids){0};
    return MADPO_OK;
}

static bool is_utf8(const char *text, size_t n)
{
    int32_t cp = 0;

    for (size_t i = 0; i < n && cp >= 0;)
        i += madpo_utf8_read(text + i, n - i, &cp);
    return cp >= 0;
}

/* bos, if there is one, and the ids of text. */
static madpo_status encode_prompt(madpo_ids *out, madpo_tokenizer *tok, const char *text, size_t n,
                                  bool specials, madpo_error *err)
{
    int32_t bos = madpo_tokenizer_bos(tok);
    madpo_status st;

    out->n = 0;
    st = bos >= 0 ? madpo_ids_push(out, bos, err) : MADPO_OK;
    return st == MADPO_OK ? madpo_tokenizer_encode(tok, text, n, specials, out, err) : st;
}

/* A pair's prompt as training has it (madpo_given_tokenize_options); *n_front counts what stands in
 * front of its text. A prompt must have a token: where there is none, bos it is. */
static madpo_status encode_given(madpo_ids *out, size_t *n_front, const madpo_stage_context *ctx,
                                 const madpo_pair *pair, madpo_error *err)
{
    const madpo_tokenize_options o = madpo_stage_tokenize_options(ctx);
    madpo_tokenizer *tok = ctx->tok;
    bool specials = o.specials || pair->specials;
    const int32_t *front = madpo_tokenizer_front(tok, n_front);
    madpo_ids text = {0};
    madpo_status st;

    out->n = 0;
    if (!o.template_bos || (*n_front == 0 && pair->n_prompt == 0)) {
        *n_front = madpo_tokenizer_bos(tok) >= 0;
        return encode_prompt(out, tok, pair->prompt, pair->n_prompt, specials, err);
    }
    st = madpo_tokenizer_encode(tok, pair->prompt, pair->n_prompt, specials, &text, err);
    if (text.n >= *n_front && *n_front > 0 && memcmp(text.v, front, *n_front * sizeof *front) == 0)
        *n_front = 0; /* the text brings it along */
    for (size_t i = 0; i < *n_front && st == MADPO_OK; i++)
        st = madpo_ids_push(out, front[i], err);
    for (size_t i = 0; i < text.n && st == MADPO_OK; i++)
        st = madpo_ids_push(out, text.v[i], err);
    madpo_ids_dispose(&text);
    return st;
}

/* Decode the first `cut` ids of a review. *text stays NULL if that splits a character or would be
 * tokenized into more than max_ids (bos included). */
static madpo_status try_cut(char **text, madpo_ids *ids, const madpo_ids *review, size_t cut,
                            size_t max_ids, madpo_tokenizer *tok, madpo_error *err)
{
    char *decoded = NULL;
    size_t n = 0;
    madpo_status st = madpo_tokenizer_decode(tok, review->v, cut, true, &decoded, &n, err);

    *text = NULL;
    if (st == MADPO_OK)
        st = encode_prompt(ids, tok, decoded, n, false, err);
    if (st == MADPO_OK && ids->n <= max_ids && is_utf8(decoded, n) && strlen(decoded) == n) {
        *text = decoded;
        decoded = NULL;
    }
    free(decoded);
    return st;
}

static madpo_status add_review(madpo_prompts *prompts, const madpo_stage_context *ctx,
                               size_t number, madpo_error *err)
{
    const madpo_review *review = &ctx->reviews->v[number];
    size_t max_ids = (size_t)ctx->options->generate.prompt_tokens;
    madpo_ids all = {0}, ids = {0};
    char *text = NULL;
    madpo_status st = madpo_tokenizer_encode(ctx->tok, review->text, review->n, false, &all, err);
    size_t cut = all.n < max_ids ? all.n : max_ids - 1;

    /* ends at the latest with the empty prompt, which is always good */
    for (size_t tries = cut + 1; tries > 0 && !text && st == MADPO_OK; tries--)
        st = try_cut(&text, &ids, &all, tries - 1, max_ids, ctx->tok, err);
    madpo_ids_dispose(&all);
    if (st != MADPO_OK) {
        madpo_ids_dispose(&ids);
        return st;
    }
    return prompts_take(prompts, &ids, text, (int64_t)number, err);
}

bool madpo_label_wanted(const char *wanted, bool positive)
{
    return strcmp(wanted, "all") == 0 || (strcmp(wanted, "positive") == 0) == positive;
}

static bool is_wanted(const madpo_stage_context *ctx, size_t number)
{
    return madpo_label_wanted(ctx->options->generate.reviews, ctx->reviews->v[number].positive);
}

madpo_status madpo_prompts_add_reviews(madpo_prompts *prompts, const madpo_stage_context *ctx,
                                       size_t first, size_t end, size_t n, madpo_error *err)
{
    size_t last = prompts->n + n;
    madpo_status st = MADPO_OK;

    for (size_t i = first; i < end && prompts->n < last && st == MADPO_OK; i++)
        if (is_wanted(ctx, i))
            st = add_review(prompts, ctx, i, err);
    return st;
}

size_t madpo_prompts_count_reviews(const madpo_stage_context *ctx, size_t first, size_t end)
{
    size_t n = 0;

    for (size_t i = first; i < end; i++)
        n += is_wanted(ctx, i);
    return n;
}

madpo_status madpo_prompts_to_generate(madpo_prompts *prompts, size_t *n_train,
                                       const madpo_stage_context *ctx, madpo_error *err)
{
    size_t asked = (size_t)ctx->options->generate.prompts, first = ctx->n_train_reviews;
    size_t there = madpo_prompts_count_reviews(ctx, 0, first);
    size_t held_out = madpo_prompts_count_reviews(ctx, first, ctx->reviews->n);
    size_t share = (size_t)(ctx->options->data.eval_fraction * (double)asked + 0.5);
    size_t eval = asked > 1 ? (share > 0 ? share : 1) : 0, train;
    madpo_status st;

    eval = eval < held_out ? eval : held_out;
    train = asked > eval ? asked - eval : 0;
    train = train < there ? train : there;
    *n_train = train;
    st = madpo_prompts_add_reviews(prompts, ctx, 0, first, train, err);
    if (st == MADPO_OK)
        st = madpo_prompts_add_reviews(prompts, ctx, first, ctx->reviews->n, eval, err);
    return st;
}

static madpo_status add_line(madpo_prompts *prompts, const madpo_stage_context *ctx,
                             const char *path, const char *line, size_t n, int number,
                             madpo_error *err)
{
    const char *text = "";
    char *copy;
    madpo_ids ids = {0};
    json_t *record;
    madpo_status st = madpo_json_parse(&record, line, n, path, number, err);

    if (st != MADPO_OK)
        return st;
    st = madpo_json_get_string(&text, record, "prompt", path, err);
    copy = st == MADPO_OK ? strdup(text) : NULL;
    if (st == MADPO_OK)
        st = copy ? encode_prompt(&ids, ctx->tok, text, strlen(text), false, err)
                  : madpo_error_set(err, MADPO_ERR_NOMEM, "prompts: out of host memory");
    json_decref(record);
    if (st == MADPO_OK)
        return prompts_take(prompts, &ids, copy, (int64_t)prompts->n, err);
    free(copy);
    madpo_ids_dispose(&ids);
    return st;
}

madpo_status madpo_prompts_add_file(madpo_prompts *prompts, const madpo_stage_context *ctx,
                                    const char *path, size_t n, madpo_error *err)
{
    char *text = NULL;
    size_t size = 0, last = prompts->n + n;
    int number = 1;
    madpo_status st = madpo_file_read(&text, &size, path, err);

    for (size_t start = 0; start < size && prompts->n < last && st == MADPO_OK; number++) {
        const char *end = memchr(text + start, '\n', size - start);
        size_t length = end ? (size_t)(end - (text + start)) : size - start;

        if (length > 0)
            st = add_line(prompts, ctx, path, text + start, length, number, err);
        start += length + 1;
    }
    free(text);
    return st;
}

static bool is_known(const madpo_prompts *prompts, const char *text)
{
    for (size_t i = 0; i < prompts->n; i++)
        if (strcmp(prompts->v[i].text, text) == 0)
            return true;
    return false;
}

static void cut_prompt(madpo_ids *ids, size_t n, size_t n_bos, bool keep_start)
{
    if (!keep_start)
        memmove(ids->v + n_bos, ids->v + n_bos + (ids->n - n), (n - n_bos) * sizeof *ids->v);
    ids->n = n;
}

static madpo_status add_pair(madpo_prompts *prompts, const madpo_stage_context *ctx,
                             const madpo_pair *pair, int64_t number, madpo_error *err)
{
    const madpo_options *o = ctx->options;
    size_t max = (size_t)(o->data.max_prompt ? o->data.max_prompt
                                             : o->data.max_tokens - o->generate.max_new);
    madpo_ids ids = {0};
    char *text = NULL;
    size_t n_front;
    madpo_status st = encode_given(&ids, &n_front, ctx, pair, err);

    if (st == MADPO_OK && ids.n > max) /* bos and the others' end or beginning, as for training */
        cut_prompt(&ids, max, n_front, strcmp(o->data.prompt_keep, "start") == 0);
    if (st == MADPO_OK)
        st = madpo_utf8_sanitize(&text, NULL, pair->prompt, pair->n_prompt, err);
    if (st != MADPO_OK) {
        madpo_ids_dispose(&ids);
        return st;
    }
    st = prompts_take(prompts, &ids, text, number, err);
    if (st == MADPO_OK)
        prompts->v[prompts->n - 1].specials = pair->specials;
    return st;
}

madpo_status madpo_prompts_add_pairs(madpo_prompts *prompts, const madpo_stage_context *ctx,
                                     size_t n, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (size_t i = 0; i < madpo_pairs_count(ctx->given_pairs) && st == MADPO_OK; i++) {
        const madpo_pair *pair = madpo_pairs_at(ctx->given_pairs, i);

        if (prompts->n < n && pair->eval && !is_known(prompts, pair->prompt))
            st = add_pair(prompts, ctx, pair, (int64_t)i, err);
    }
    return st;
}

/* ---- sampling ---- */

madpo_status madpo_sampler_init(madpo_sampler *sampler, madpo_stage_context *ctx,
                                const madpo_sampler_options *options, madpo_error *err)
{
    size_t slots = options->chunk * (size_t)options->samples;
    int64_t tokens = (int64_t)options->chunk * options->prompt_len;
    madpo_stage_model_setup model = {
        .stage = options->stage,
        .from = options->from,
        .limits = {.max_tokens = tokens > (int64_t)slots ? tokens : (int64_t)slots,
                   .max_rows = (int64_t)slots,
                   .max_segments = (int64_t)slots,
                   .max_sequences = (int64_t)slots},
        .gen_slots = (int64_t)slots,
        .gen_len = options->prompt_len + options->max_new};

    *sampler = (madpo_sampler){.ctx = ctx, .options = *options};
    sampler->prompt = malloc(options->chunk * sizeof *sampler->prompt);
    sampler->n_prompt = malloc(options->chunk * sizeof *sampler->n_prompt);
    sampler->out = malloc(slots * (size_t)options->max_new * sizeof *sampler->out);
    sampler->out_len = malloc(slots * sizeof *sampler->out_len);
    if (!sampler->prompt || !sampler->n_prompt || !sampler->out || !sampler->out_len)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", options->stage);
    return madpo_stage_open(&sampler->net, ctx, &model, err);
}

void madpo_sampler_dispose(madpo_sampler *sampler)
{
    madpo_stage_model_dispose(&sampler->net);
    free(sampler->prompt);
    free(sampler->n_prompt);
    free(sampler->out);
    free(sampler->out_len);
    *sampler = (madpo_sampler){0};
}

void madpo_texts_free(char **texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(texts[i]);
        texts[i] = NULL;
    }
}

static madpo_status sampler_text(char **out, const madpo_sampler *sampler, size_t sample,
                                 madpo_error *err)
{
    const int32_t *ids = sampler->out + sample * (size_t)sampler->options.max_new;
    char *raw = NULL;
    size_t n = 0;
    madpo_status st = madpo_tokenizer_decode(sampler->ctx->tok, ids,
                                             (size_t)sampler->out_len[sample], true, &raw, &n, err);

    *out = NULL;
    if (st == MADPO_OK)
        st = madpo_utf8_sanitize(out, NULL, raw, n, err);
    free(raw);
    return st;
}

madpo_status madpo_sampler_draw(madpo_sampler *sampler, const madpo_prompt *prompts, size_t n,
                                size_t position, uint64_t retry, char **texts, madpo_error *err)
{
    const madpo_sampler_options *o = &sampler->options;
    size_t n_samples = n * (size_t)o->samples;
    /* a retry keeps its streams and changes the seed: by the golden ratio's bits, as SplitMix64
     * does */
    madpo_generate_options options = {.temperature = (float)o->temperature,
                                      .top_k = (int32_t)o->top_k,
                                      .top_p = (float)o->top_p,
                                      .seed = o->seed + retry * 0x9e3779b97f4a7c15u,
                                      .max_new = o->max_new,
                                      .samples_per_prompt = o->samples,
                                      .stream_base = (uint32_t)(position * (size_t)o->samples)};
    madpo_status st;

    for (size_t i = 0; i < n; i++) {
        sampler->prompt[i] = prompts[i].ids;
        sampler->n_prompt[i] = prompts[i].n;
    }
    memset(texts, 0, n_samples * sizeof *texts);
    st = madpo_model_generate(sampler->net.model, sampler->prompt, sampler->n_prompt, n, &options,
                              sampler->out, sampler->out_len, NULL, err);
    for (size_t s = 0; s < n_samples && st == MADPO_OK; s++)
        st = sampler_text(&texts[s], sampler, s, err);
    if (st != MADPO_OK)
        madpo_texts_free(texts, n_samples);
    return st;
}

madpo_status madpo_sampler_score(double *score, const madpo_stage_context *ctx, const char *prompt,
                                 const char *text, madpo_error *err)
{
    madpo_strbuf both = {0};
    madpo_status st;

    madpo_strbuf_append(&both, prompt);
    madpo_strbuf_append(&both, text);
    st = madpo_strbuf_check(&both, err);
    *score =
        st == MADPO_OK ? madpo_scorer_score(ctx->scorer, both.n > 0 ? both.s : "", both.n) : 0.0;
    madpo_strbuf_dispose(&both);
    return st;
}
