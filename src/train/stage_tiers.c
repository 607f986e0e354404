/* Stage tiers: the generated pairs once more as data of three qualities, as in the published
 * experiment. Results, for `madpo experiment`:
 *
 *   tiers/high.jsonl     sample 1 against sample 2: on-policy, hard
 *   tiers/low.jsonl      the better sample (first) against the real text, cut to the samples'
 *                        length: off-policy, easy
 *   tiers/medium.jsonl   the first half of the prompts as low, the others as high
 *   tiers/prompts.jsonl  held-out prompts for the evaluation, one text for all policies
 *
 * All tiers have the same prompts: those whose review goes on behind the prompt. A label is drawn
 * with two Gumbel draws, so that P(1 over 2) = sigma(s1 - s2); they are the same for a row of every
 * tier. With experiment.reseed_data there is a file <tier>-s<seed>.jsonl for each seed instead.
 * Everything is a pure function of pairs.jsonl and seeds, and is written anew if interrupted. */
#include "train/tiers.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "text/utf8.h"
#include "train/list.h"
#include "train/sampler.h"

static const char stage_name[] = "tiers";

typedef struct tier_row {
    const madpo_prompt *prompt; /* borrowed */
    const char *sample[2];      /* in the order they were drawn; borrowed from the pairs */
    char *real;                 /* owned */
    double score[2], real_score;
    bool eval;
    size_t number; /* of the prompt */
} tier_row;

typedef struct tiers {
    madpo_stage_context *ctx;
    madpo_prompts prompts; /* of the stage generate */
    size_t n_prompts_train;
    json_t *lines;                /* pairs.jsonl */
    tier_row *row;                /* [n] */
    size_t n, n_train, n_dropped; /* rows: all, of training reviews, left out */
} tiers;

const char *const madpo_tier_names[MADPO_N_TIERS] = {"high", "medium", "low"};

int madpo_tier_find(const char *name)
{
    for (int i = 0; i < MADPO_N_TIERS; i++)
        if (strcmp(madpo_tier_names[i], name) == 0)
            return i;
    return -1;
}

madpo_status madpo_tier_file(char **out, const char *tier, const char *seed, madpo_error *err)
{
    madpo_strbuf b = {0};

    madpo_strbuf_printf(&b, seed ? "%s-s%s.jsonl" : "%s.jsonl", tier, seed ? seed : "");
    return madpo_strbuf_steal(&b, out, NULL, err);
}

/* ---- the real text behind a prompt ---- */

static madpo_status cut_text(char **out, const tiers *t, const char *text, size_t n,
                             madpo_error *err)
{
    size_t most = (size_t)t->ctx->options->generate.max_new;
    madpo_ids ids = {0};
    char *raw = NULL;
    madpo_status st = madpo_tokenizer_encode(t->ctx->tok, text, n, false, &ids, err);

    if (st == MADPO_OK)
        st = madpo_tokenizer_decode(t->ctx->tok, ids.v, ids.n < most ? ids.n : most, true, &raw, &n,
                                    err);
    if (st == MADPO_OK)
        st = madpo_utf8_sanitize(out, NULL, raw, n, err);
    free(raw);
    madpo_ids_dispose(&ids);
    return st;
}

/* What follows the prompt in its review, as many tokens as a sample may have. *out stays NULL where
 * nothing follows. Both go through the tokenizer, which may write a text in another form. */
static madpo_status real_text(char **out, const tiers *t, const madpo_prompt *prompt,
                              madpo_error *err)
{
    const madpo_review *review = &t->ctx->reviews->v[prompt->id];
    madpo_ids ids = {0};
    char *whole = NULL;
    size_t n = 0;
    madpo_status st =
        madpo_tokenizer_encode(t->ctx->tok, review->text, review->n, false, &ids, err);

    *out = NULL;
    if (st == MADPO_OK)
        st = madpo_tokenizer_decode(t->ctx->tok, ids.v, ids.n, true, &whole, &n, err);
    if (st == MADPO_OK && n > prompt->n_text && memcmp(whole, prompt->text, prompt->n_text) == 0)
        st = cut_text(out, t, whole + prompt->n_text, n - prompt->n_text, err);
    if (*out && !**out) {
        free(*out);
        *out = NULL;
    }
    free(whole);
    madpo_ids_dispose(&ids);
    return st;
}

/* ---- rows ---- */

static madpo_status row_samples(tier_row *row, const json_t *line, madpo_error *err)
{
    static const char *const texts[] = {"chosen", "rejected"};
    static const char *const scores[] = {"score_chosen", "score_rejected"};
    const char *where = "pairs.jsonl";
    int64_t id = 0, position = 0;
    madpo_status st = madpo_json_get_int(&id, line, "id", where, err);

    if (st == MADPO_OK)
        st = madpo_json_get_int(&position, line, "position_chosen", where, err);
    for (int k = 0; k < 2 && st == MADPO_OK; k++) {
        int slot = k == 0 ? (position == 1 ? 0 : 1) : (position == 1 ? 1 : 0);

        st = madpo_json_get_string(&row->sample[slot], line, texts[k], where, err);
        if (st == MADPO_OK)
            st = madpo_json_get_number(&row->score[slot], line, scores[k], where, err);
    }
    row->number = (size_t)id;
    return st;
}

static madpo_status add_row(tiers *t, const json_t *line, madpo_error *err)
{
    tier_row *row = &t->row[t->n];
    madpo_status st;

    *row = (tier_row){0};
    st = row_samples(row, line, err);
    if (st == MADPO_OK && row->number >= t->prompts.n)
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "pairs.jsonl: pair %zu belongs to no prompt of this configuration",
                             row->number);
    if (st != MADPO_OK)
        return st;
    row->prompt = &t->prompts.v[row->number];
    row->eval = row->number >= t->n_prompts_train;
    st = real_text(&row->real, t, row->prompt, err);
    if (st == MADPO_OK && row->real)
        st = madpo_sampler_score(&row->real_score, t->ctx, row->prompt->text, row->real, err);
    t->n += row->real != NULL;
    t->n_train += row->real && !row->eval;
    t->n_dropped += row->real == NULL;
    return st;
}

static madpo_status make_rows(tiers *t, madpo_error *err)
{
    json_t *line;
    size_t i;
    madpo_status st = madpo_prompts_to_generate(&t->prompts, &t->n_prompts_train, t->ctx, err);

    if (st == MADPO_OK)
        st = madpo_stage_read_lines(&t->lines, t->ctx, "pairs.jsonl", err);
    if (st != MADPO_OK)
        return st;
    if (json_array_size(t->lines) == 0)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "tiers: there are no pairs: run the stage generate first");
    t->row = calloc(json_array_size(t->lines), sizeof *t->row);
    if (!t->row)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "tiers: out of host memory");
    json_array_foreach(t->lines, i, line)
    {
        st = add_row(t, line, err);
        if (st != MADPO_OK)
            return st;
    }
    if (t->n == 0)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "tiers: no review goes on behind its prompt: lower "
                               "generate.prompt_tokens");
    return MADPO_OK;
}

/* ---- files ---- */

/* Is the row built as in the tier low? Of medium the first half of either split is. */
static bool is_low(const tiers *t, int tier, size_t i)
{
    size_t n_eval = t->n - t->n_train;

    if (tier != MADPO_TIER_MEDIUM)
        return tier == MADPO_TIER_LOW;
    return t->row[i].eval ? i - t->n_train < n_eval / 2 : i < t->n_train / 2;
}

static json_t *row_record(const tier_row *row, bool low, uint64_t seed)
{
    int better = row->score[0] >= row->score[1] ? 0 : 1, first;
    const char *text[2] = {low ? row->sample[better] : row->sample[0],
                           low ? row->real : row->sample[1]};
    double score[2] = {low ? row->score[better] : row->score[0],
                       low ? row->real_score : row->score[1]};
    double noise[2];
    madpo_rng rng;

    madpo_rng_init(&rng, seed, row->number);
    noise[0] = madpo_rng_gumbel(&rng);
    noise[1] = madpo_rng_gumbel(&rng);
    first = score[0] + noise[0] >= score[1] + noise[1] ? 0 : 1;
    return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o,s:i,s:s,s:s}", "id", (json_int_t)row->number,
                     "prompt", madpo_json_text(row->prompt->text, row->prompt->n_text), "chosen",
                     madpo_json_text(text[first], strlen(text[first])), "rejected",
                     madpo_json_text(text[1 - first], strlen(text[1 - first])), "score_chosen",
                     madpo_json_real(score[first]), "score_rejected",
                     madpo_json_real(score[1 - first]), "position_chosen", first + 1, "source",
                     low ? "sample, review" : "sample, sample", "split",
                     row->eval ? "eval" : "train");
}

static madpo_status write_line(madpo_file_writer *writer, json_t *record, madpo_error *err)
{
    char *text = NULL;
    madpo_status st = record ? madpo_json_dump(&text, record, err)
                             : madpo_error_set(err, MADPO_ERR_NOMEM, "tiers: out of host memory");

    if (st == MADPO_OK)
        st = madpo_file_writer_write(writer, text, strlen(text), err);
    if (st == MADPO_OK)
        st = madpo_file_writer_write(writer, "\n", 1, err);
    free(text);
    json_decref(record);
    return st;
}

static madpo_status open_writer(madpo_file_writer **out, const tiers *t, const char *name,
                                madpo_error *err)
{
    char *path = madpo_run_path(t->ctx->run, "tiers/%s", name);
    madpo_status st = path ? madpo_file_writer_open(out, path, err)
                           : madpo_error_set(err, MADPO_ERR_NOMEM, "tiers: out of host memory");

    free(path);
    return st;
}

static madpo_status close_writer(madpo_file_writer *writer, madpo_status st, madpo_error *err)
{
    if (st == MADPO_OK)
        return madpo_file_writer_commit(writer, err);
    madpo_file_writer_abort(writer);
    return st;
}

/* One tier. seed_text NULL = the run's own labels. */
static madpo_status write_tier(tiers *t, int tier, const char *seed_text, madpo_error *err)
{
    madpo_strbuf purpose = {0};
    madpo_file_writer *writer = NULL;
    char *name = NULL;
    size_t n_first = 0;
    uint64_t seed;
    madpo_status st;

    madpo_strbuf_printf(&purpose, "tier-labels%s%s", seed_text ? " " : "",
                        seed_text ? seed_text : "");
    st = madpo_strbuf_check(&purpose, err);
    if (st == MADPO_OK)
        st = madpo_tier_file(&name, madpo_tier_names[tier], seed_text, err);
    if (st == MADPO_OK)
        st = open_writer(&writer, t, name, err);
    seed = st == MADPO_OK ? madpo_stage_seed(t->ctx, purpose.s) : 0;
    for (size_t i = 0; i < t->n && st == MADPO_OK; i++) {
        json_t *record = row_record(&t->row[i], is_low(t, tier, i), seed);

        n_first += json_integer_value(json_object_get(record, "position_chosen")) == 1;
        st = write_line(writer, record, err);
    }
    if (writer)
        st = close_writer(writer, st, err);
    if (st == MADPO_OK)
        madpo_run_message(t->ctx->run, "tiers: %s: %zu pairs, the first answer preferred in %zu",
                          name, t->n, n_first);
    free(name);
    madpo_strbuf_dispose(&purpose);
    return st;
}

static madpo_status write_seeds(tiers *t, int tier, madpo_error *err)
{
    const char *rest = t->ctx->options->experiment.seeds;
    char *word = NULL;
    madpo_status st = MADPO_OK;

    if (!t->ctx->options->experiment.reseed_data)
        return write_tier(t, tier, NULL, err);
    while (st == MADPO_OK && (st = madpo_list_next(&word, &rest, err)) == MADPO_OK && word) {
        st = write_tier(t, tier, word, err);
        free(word);
    }
    return st;
}

static madpo_status write_prompts(tiers *t, madpo_error *err)
{
    const madpo_stage_context *ctx = t->ctx;
    madpo_prompts prompts = {0};
    madpo_file_writer *writer = NULL;
    madpo_status st =
        madpo_prompts_add_reviews(&prompts, ctx, ctx->n_train_reviews, ctx->reviews->n,
                                  (size_t)ctx->options->evaluate.prompts, err);

    if (st == MADPO_OK)
        st = open_writer(&writer, t, "prompts.jsonl", err);
    for (size_t i = 0; i < prompts.n && st == MADPO_OK; i++)
        st = write_line(
            writer,
            json_pack("{s:o}", "prompt", madpo_json_text(prompts.v[i].text, prompts.v[i].n_text)),
            err);
    if (writer)
        st = close_writer(writer, st, err);
    if (st == MADPO_OK)
        madpo_run_message(ctx->run, "tiers: %zu held-out prompts for the evaluation", prompts.n);
    madpo_prompts_dispose(&prompts);
    return st;
}

static madpo_status write_all(tiers *t, madpo_error *err)
{
    char *dir = madpo_run_path(t->ctx->run, "tiers");
    madpo_status st = dir ? madpo_dir_make(dir, err)
                          : madpo_error_set(err, MADPO_ERR_NOMEM, "tiers: out of host memory");

    free(dir);
    for (int tier = 0; tier < MADPO_N_TIERS && st == MADPO_OK; tier++)
        st = write_seeds(t, tier, err);
    if (st == MADPO_OK && t->n_dropped > 0)
        madpo_run_message(t->ctx->run,
                          "tiers: %zu prompts left out: their review ends with the prompt",
                          t->n_dropped);
    return st == MADPO_OK ? write_prompts(t, err) : st;
}

madpo_status madpo_stage_tiers(madpo_stage_context *ctx, madpo_error *err)
{
    tiers t = {.ctx = ctx};
    madpo_status st;

    if (ctx->given_pairs)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "%s: given pairs have one quality: set data.source to \"reviews\" "
                               "or \"synthetic\"",
                               stage_name);
    st = make_rows(&t, err);
    if (st == MADPO_OK)
        st = write_all(&t, err);
    for (size_t i = 0; t.row && i < t.n; i++)
        free(t.row[i].real);
    free(t.row);
    json_decref(t.lines);
    madpo_prompts_dispose(&t.prompts);
    return st;
}
