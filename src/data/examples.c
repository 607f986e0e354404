/* Pairs and texts as token ids; see pack.h. */
#include "data/pack.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void madpo_examples_dispose(madpo_examples *examples)
{
    free(examples->v);
    free(examples->ids);
    memset(examples, 0, sizeof *examples);
}

/* While examples are being made, ids still move: the parts are noted by their lengths and pointed
 * to at the end. */
typedef struct examples_maker {
    madpo_examples *out;
    madpo_tokenizer *tok;
    const madpo_tokenize_options *o;
    madpo_ids ids;
    madpo_error *err;
} examples_maker;

static madpo_status examples_check(const madpo_tokenize_options *o, bool prompts, madpo_error *err)
{
    if (prompts && o->max_prompt < 1)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.max_prompt is %ld; it must be at least 1",
                               (long)o->max_prompt);
    if (prompts && o->max_tokens <= o->max_prompt)
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "data.max_tokens (%ld) leaves no room for an answer after data.max_prompt "
            "(%ld); raise the first or lower the second",
            (long)o->max_tokens, (long)o->max_prompt);
    if (o->max_tokens < 2)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.max_tokens is %ld; it must be at least 2",
                               (long)o->max_tokens);
    return MADPO_OK;
}

static madpo_status examples_new(examples_maker *m, size_t n)
{
    memset(m->out, 0, sizeof *m->out);
    m->out->v = calloc(n + 1, sizeof *m->out->v);
    if (!m->out->v)
        return madpo_error_set(m->err, MADPO_ERR_NOMEM, "no memory for %zu examples", n);
    m->out->capacity = n + 1;
    return MADPO_OK;
}

/* Append the ids of a text; its number of them in *n. */
static madpo_status examples_encode(examples_maker *m, const char *text, size_t bytes, int32_t *n)
{
    size_t before = m->ids.n;
    madpo_status st = madpo_tokenizer_encode(m->tok, text, bytes, false, &m->ids, m->err);

    *n = 0;
    if (st != MADPO_OK)
        return st;
    if (m->ids.n - before > INT32_MAX / 4)
        return madpo_error_set(m->err, MADPO_ERR_DATA, "a text has %zu tokens; split it up",
                               m->ids.n - before);
    *n = (int32_t)(m->ids.n - before);
    return MADPO_OK;
}

static madpo_status examples_bos(examples_maker *m, int32_t *n)
{
    int32_t bos = madpo_tokenizer_bos(m->tok);

    *n = bos >= 0;
    return bos >= 0 ? madpo_ids_push(&m->ids, bos, m->err) : MADPO_OK;
}

/* bos and the prompt; a prompt that is too long is cut in front or refused. */
static madpo_status examples_prompt(examples_maker *m, const madpo_pair *pair, int32_t *n,
                                    bool *cut)
{
    size_t start = m->ids.n;
    int32_t n_bos, n_text = 0, keep;
    madpo_status st = examples_bos(m, &n_bos);

    if (st == MADPO_OK)
        st = examples_encode(m, pair->prompt, pair->n_prompt, &n_text);
    *n = n_bos + n_text;
    if (st != MADPO_OK || *n <= m->o->max_prompt)
        return st;
    if (!m->o->truncate_prompt)
        return madpo_error_set(
            m->err, MADPO_ERR_DATA,
            "the prompt of pair %lld has %ld tokens, more than data.max_prompt (%ld); raise "
            "it, or set data.truncate_prompt to keep the prompt's end",
            (long long)pair->id, (long)*n, (long)m->o->max_prompt);
    keep = m->o->max_prompt - n_bos;
    memmove(m->ids.v + start + n_bos, m->ids.v + m->ids.n - keep, (size_t)keep * sizeof *m->ids.v);
    m->ids.n = start + (size_t)(n_bos + keep);
    *n = m->o->max_prompt;
    *cut = true;
    return MADPO_OK;
}

/* A branch of at most `room` tokens, with eos if it ends in time and eos is wanted. */
static madpo_status examples_branch(examples_maker *m, const char *text, size_t bytes, int32_t room,
                                    int32_t *n, bool *cut)
{
    const bool wanted = m->o->add_eos || m->o->end_with_eos;
    int32_t eos = wanted ? madpo_tokenizer_eos(m->tok) : -1;
    madpo_status st = examples_encode(m, text, bytes, n);

    if (st != MADPO_OK)
        return st;
    if (m->o->end_with_eos && eos >= 0 && *n + 1 > room) {
        *cut = true; /* make room for it */
        m->ids.n -= (size_t)(*n + 1 - room);
        *n = room - 1;
    }
    if (*n + (eos >= 0) > room) {
        *cut = true;
        m->ids.n -= *n > room ? (size_t)(*n - room) : 0;
        *n = *n > room ? room : *n;
        return MADPO_OK;
    }
    *n += eos >= 0;
    return eos >= 0 ? madpo_ids_push(&m->ids, eos, m->err) : MADPO_OK;
}

static madpo_status examples_pair(examples_maker *m, const madpo_pair *pair)
{
    madpo_example e = {.n_branches = 2, .id = pair->id};
    bool cut = false;
    madpo_status st = examples_prompt(m, pair, &e.n_prompt, &cut);
    int32_t room = m->o->max_tokens - e.n_prompt;

    if (st == MADPO_OK)
        st = examples_branch(m, pair->chosen, pair->n_chosen, room, &e.n_branch[0], &cut);
    if (st == MADPO_OK)
        st = examples_branch(m, pair->rejected, pair->n_rejected, room, &e.n_branch[1], &cut);
    if (st != MADPO_OK)
        return st;
    m->out->n_truncated += cut;
    m->out->v[m->out->n++] = e;
    return MADPO_OK;
}

static madpo_status examples_text(examples_maker *m, const madpo_text *text, size_t i)
{
    madpo_example e = {.n_branches = 1, .id = (int64_t)i};
    bool cut = false;
    madpo_status st;

    if (!text->n) {
        m->out->n_dropped++;
        return MADPO_OK;
    }
    st = examples_bos(m, &e.n_prompt);
    if (st == MADPO_OK)
        st = examples_branch(m, text->bytes, text->n, m->o->max_tokens - e.n_prompt, &e.n_branch[0],
                             &cut);
    if (st != MADPO_OK)
        return st;
    m->out->n_truncated += cut;
    m->out->v[m->out->n++] = e;
    return MADPO_OK;
}

/* The ids stand still now: hand them over and point the parts at them, or undo everything. */
static madpo_status examples_finish(examples_maker *m, madpo_status st)
{
    const int32_t *at;

    if (st != MADPO_OK) {
        madpo_ids_dispose(&m->ids);
        madpo_examples_dispose(m->out);
        return st;
    }
    m->out->ids = m->ids.v;
    m->out->n_ids = m->ids.n;
    at = m->out->ids;
    for (size_t i = 0; i < m->out->n; i++) {
        madpo_example *e = &m->out->v[i];

        e->prompt = at;
        at += e->n_prompt;
        for (int b = 0; b < e->n_branches; b++) {
            e->branch[b] = at;
            at += e->n_branch[b];
        }
    }
    return MADPO_OK;
}

madpo_status madpo_examples_from_pairs(madpo_examples *out, const madpo_pairs *pairs,
                                       madpo_tokenizer *tok, const madpo_tokenize_options *options,
                                       madpo_error *err)
{
    examples_maker m = {.out = out, .tok = tok, .o = options, .err = err};
    size_t n = madpo_pairs_count(pairs);
    madpo_status st = examples_new(&m, n);

    if (st == MADPO_OK)
        st = examples_check(options, true, err);
    for (size_t i = 0; i < n && st == MADPO_OK; i++)
        st = examples_pair(&m, madpo_pairs_at(pairs, i));
    return examples_finish(&m, st);
}

madpo_status madpo_examples_from_texts(madpo_examples *out, const madpo_text *texts, size_t n,
                                       madpo_tokenizer *tok, const madpo_tokenize_options *options,
                                       madpo_error *err)
{
    examples_maker m = {.out = out, .tok = tok, .o = options, .err = err};
    madpo_status st = examples_new(&m, n);

    if (st == MADPO_OK)
        st = examples_check(options, false, err);
    for (size_t i = 0; i < n && st == MADPO_OK; i++)
        st = examples_text(&m, &texts[i], i);
    return examples_finish(&m, st);
}
