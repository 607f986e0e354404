/* Using a trained model through the public API: madpo/model.h. One text at a time. */
#include "madpo/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "data/pack.h"
#include "text/utf8.h"
#include "train/open.h"
#include "train/scan.h"

enum { DEFAULT_TOKENS = 1024, DEFAULT_NEW = 256, DEFAULT_SEED = 42 };

struct madpo_lm {
    madpo_opened m;
    int32_t max_tokens;
    madpo_packer *packer;
    float *values;  /* [max_tokens] log-probs of a batch */
    madpo_ids ids;  /* the prompt, and the answer behind it */
    madpo_ids part; /* the answer by itself */
    madpo_tokenizer_stream *stream;
    int32_t *drawn; /* [max_tokens] */

    /* while a text is written */
    const madpo_lm_sampling *sampling;
    madpo_strbuf text;
    madpo_error failed;
};

/* ---- opening ---- */

static madpo_status lm_load(madpo_lm *lm, madpo_error *err)
{
    char line[512];
    int64_t n = lm->max_tokens;
    const madpo_batch_limits limits = {
        .max_tokens = n, .max_rows = n, .max_segments = 3, .max_sequences = 2};
    madpo_model_options options = {.max_tokens = limits.max_tokens,
                                   .max_rows = limits.max_rows,
                                   .max_segments = limits.max_segments,
                                   .max_sequences = limits.max_sequences};
    madpo_status st;

    if (!lm->m.reward) {
        options.gen_slots = 1;
        options.gen_len = n;
    }
    st = madpo_open_plan(&lm->m, &options, "lower max_tokens, or storage", line, sizeof line, err);
    if (st == MADPO_OK)
        st = madpo_open_load(&lm->m, err);
    return st == MADPO_OK ? madpo_packer_new(&lm->packer, &limits, err) : st;
}

static madpo_status lm_init(madpo_lm *lm, const char *model, const madpo_lm_options *o,
                            madpo_error *err)
{
    const madpo_open_options open = {.model = model,
                                     .adapter = o->adapters,
                                     .n_adapters = o->n_adapters,
                                     .storage = o->storage,
                                     .device = o->device,
                                     .memory_limit_bytes = o->memory_limit_bytes};
    madpo_status st = madpo_open_files(&lm->m, &open, err);

    if (st != MADPO_OK)
        return st;
    if (!lm->m.tok)
        return madpo_error_set(err, MADPO_ERR_IO, "%s: there is no tokenizer.json in it",
                               lm->m.dir);
    lm->max_tokens = o->max_tokens > 0 ? o->max_tokens : DEFAULT_TOKENS;
    if (lm->max_tokens > lm->m.config.max_positions)
        lm->max_tokens = lm->m.config.max_positions;
    lm->values = malloc(((size_t)lm->max_tokens + 2) * sizeof *lm->values);
    lm->drawn = malloc((size_t)lm->max_tokens * sizeof *lm->drawn);
    if (!lm->values || !lm->drawn)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", model);
    st = madpo_tokenizer_stream_new(&lm->stream, lm->m.tok, true, err);
    return st == MADPO_OK ? lm_load(lm, err) : st;
}

madpo_status madpo_lm_open(madpo_lm **out, const char *model, const madpo_lm_options *options,
                           madpo_error *err)
{
    static const madpo_lm_options none = {0};
    madpo_lm *lm = calloc(1, sizeof *lm);
    madpo_status st;

    *out = NULL;
    if (!lm)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", model);
    st = lm_init(lm, model, options ? options : &none, err);
    if (st == MADPO_OK)
        *out = lm;
    else
        madpo_lm_free(lm);
    return st;
}

void madpo_lm_free(madpo_lm *lm)
{
    if (!lm)
        return;
    madpo_packer_free(lm->packer);
    madpo_tokenizer_stream_free(lm->stream);
    madpo_opened_dispose(&lm->m);
    madpo_ids_dispose(&lm->ids);
    madpo_ids_dispose(&lm->part);
    madpo_strbuf_dispose(&lm->text);
    free(lm->values);
    free(lm->drawn);
    free(lm);
}

bool madpo_lm_is_reward(const madpo_lm *lm)
{
    return lm->m.reward;
}

/* ---- writing ---- */

void madpo_lm_sampling_defaults(madpo_lm_sampling *sampling)
{
    *sampling = (madpo_lm_sampling){.top_p = 1.0, .seed = DEFAULT_SEED, .max_new = DEFAULT_NEW};
}

/* Take bytes over into the text, as UTF-8, and hand them out. */
static bool lm_piece(madpo_lm *lm, const char *bytes, size_t n)
{
    size_t before = lm->text.n, n_clean = 0;
    char *clean = NULL;
    madpo_status st = madpo_utf8_sanitize(&clean, &n_clean, bytes, n, &lm->failed);

    if (st == MADPO_OK)
        madpo_strbuf_append_n(&lm->text, clean, n_clean);
    free(clean);
    if (st != MADPO_OK || madpo_strbuf_check(&lm->text, &lm->failed) != MADPO_OK)
        return false;
    return n_clean == 0 || !lm->sampling->piece ||
           lm->sampling->piece(lm->sampling->user, lm->text.s + before, n_clean);
}

static bool lm_token(void *user, size_t sequence, int32_t id)
{
    madpo_lm *lm = user;
    const char *text;
    size_t n;

    (void)sequence;
    return madpo_tokenizer_stream_push(lm->stream, id, &text, &n, &lm->failed) == MADPO_OK &&
           lm_piece(lm, text, n);
}

static madpo_status lm_write(madpo_lm *lm, const madpo_lm_sampling *sampling, madpo_error *err)
{
    const int32_t *prompt = lm->ids.v;
    int32_t n_prompt = (int32_t)lm->ids.n, n_drawn = 0;
    int32_t eos = lm->m.config.eos < 0 ? madpo_tokenizer_eos(lm->m.tok) : -1;
    madpo_generate_options how = {.temperature = (float)sampling->temperature,
                                  .top_k = sampling->top_k,
                                  .top_p = (float)sampling->top_p,
                                  .seed = sampling->seed,
                                  .max_new = sampling->max_new,
                                  .samples_per_prompt = 1,
                                  .stop = &eos,
                                  .n_stop = eos >= 0,
                                  .token = lm_token,
                                  .user = lm};
    const char *text = NULL;
    size_t n = 0;
    madpo_status st = madpo_model_generate(lm->m.model, &prompt, &n_prompt, 1, &how, lm->drawn,
                                           &n_drawn, NULL, err);
    madpo_status ended = madpo_tokenizer_stream_end(lm->stream, &text, &n, &lm->failed);

    if (st == MADPO_OK && ended == MADPO_OK)
        (void)lm_piece(lm, text, n);
    if (st == MADPO_OK && lm->failed.code != MADPO_OK)
        st = madpo_error_set(err, lm->failed.code, "%s", lm->failed.message);
    return st;
}

static madpo_status lm_check(const madpo_lm *lm, const madpo_lm_sampling *s, madpo_error *err)
{
    if (lm->m.reward)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "%s is a reward model, it gives scores and no text", lm->m.dir);
    if (!(s->temperature >= 0.0) || !(s->top_p > 0.0 && s->top_p <= 1.0) || s->top_k < 0 ||
        s->max_new < 1)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "sampling takes temperature >= 0, top_k >= 0, 0 < top_p <= 1 and "
                               "max_new >= 1");
    return MADPO_OK;
}

static madpo_status lm_prompt(madpo_lm *lm, const char *prompt, int64_t more, madpo_error *err)
{
    madpo_status st = madpo_opened_encode(&lm->m, prompt, strlen(prompt), true, &lm->ids, err);

    if (st == MADPO_OK && lm->ids.n == 0)
        st =
            madpo_error_set(err, MADPO_ERR_DATA,
                            "the prompt is empty, and this tokenizer begins texts with no token of "
                            "its own");
    if (st == MADPO_OK && (int64_t)lm->ids.n + more > lm->max_tokens)
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "a prompt of %zu tokens and %lld more do not fit into %ld; raise "
                             "max_tokens or shorten them",
                             lm->ids.n, (long long)more, (long)lm->max_tokens);
    return st;
}

madpo_status madpo_lm_generate(madpo_lm *lm, const char *prompt, const madpo_lm_sampling *sampling,
                               char **text, madpo_error *err)
{
    madpo_status st = lm_check(lm, sampling, err);

    *text = NULL;
    lm->sampling = sampling;
    lm->failed = (madpo_error)MADPO_ERROR_INIT;
    madpo_strbuf_reset(&lm->text);
    if (st == MADPO_OK)
        st = lm_prompt(lm, prompt, sampling->max_new, err);
    if (st == MADPO_OK)
        st = lm_write(lm, sampling, err);
    return st == MADPO_OK ? madpo_strbuf_steal(&lm->text, text, NULL, err) : st;
}

/* ---- scoring ---- */

/* The answer's tokens, with the end token where it is wanted, behind the prompt's. */
static madpo_status lm_answer(madpo_lm *lm, const char *prompt, const char *answer, bool ends,
                              madpo_error *err)
{
    int32_t eos = ends || lm->m.reward ? madpo_tokenizer_eos(lm->m.tok) : -1;
    madpo_status st = madpo_opened_encode(&lm->m, answer, strlen(answer), false, &lm->part, err);

    if (st == MADPO_OK && eos >= 0)
        st = madpo_ids_push(&lm->part, eos, err);
    if (st == MADPO_OK && lm->part.n == 0)
        st = madpo_error_set(err, MADPO_ERR_DATA, "the answer is empty");
    if (st == MADPO_OK)
        st = lm_prompt(lm, prompt, (int64_t)lm->part.n, err);
    return st;
}

madpo_status madpo_lm_score(madpo_lm *lm, const char *prompt, const char *answer, bool ends,
                            double *value, int32_t *n_tokens, madpo_error *err)
{
    const madpo_batch *batch;
    madpo_example e = {.n_branches = 1};
    bool fits;
    madpo_status st = lm_answer(lm, prompt, answer, ends, err);

    *value = 0.0;
    if (n_tokens)
        *n_tokens = 0;
    if (st != MADPO_OK)
        return st;
    e.prompt = lm->ids.v;
    e.n_prompt = (int32_t)lm->ids.n;
    e.branch[0] = lm->part.v;
    e.n_branch[0] = (int32_t)lm->part.n;
    madpo_packer_reset(lm->packer);
    fits = madpo_packer_add(lm->packer, &e);
    if (!fits)
        return madpo_error_set(err, MADPO_ERR_DATA, "the answer does not fit; raise max_tokens");
    batch = madpo_packer_finish(lm->packer);
    st = lm->m.reward ? madpo_model_rewards(lm->m.model, batch, lm->values, err)
                      : madpo_model_logps(lm->m.model, batch, lm->values, NULL, err);
    if (st != MADPO_OK)
        return st;
    *value = lm->m.reward ? (double)lm->values[0] : madpo_scan_sum(batch, lm->values, 0);
    if (n_tokens)
        *n_tokens = e.n_branch[0];
    return MADPO_OK;
}
