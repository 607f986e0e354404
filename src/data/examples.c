/* Pairs and texts as token ids; see pack.h. */
#include "data/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"

void madpo_examples_dispose(madpo_examples *examples)
{
    free(examples->v);
    free(examples->ids);
    memset(examples, 0, sizeof *examples);
}

/* Parts of the example in the making. */
enum { PROMPT, BRANCH, N_PARTS = 3 }; /* the branches are BRANCH and BRANCH + 1 */

/* While examples are being made, ids still move: the parts are noted by their lengths and pointed
 * to at the end. */
typedef struct examples_maker {
    madpo_examples *out;
    madpo_tokenizer *tok;
    const madpo_tokenize_options *o;
    madpo_ids ids;           /* of all examples */
    madpo_ids part[N_PARTS]; /* of this example; the prompt without its front */
    const int32_t *front;    /* [n_front] what comes before the prompt: bos or nothing, mostly */
    size_t n_front;
    int32_t bos;         /* -1: none */
    madpo_strbuf joined; /* prompt + answer as text */
    madpo_error *err;
} examples_maker;

static madpo_status examples_check(const madpo_tokenize_options *o, bool prompts, madpo_error *err)
{
    if (prompts && o->max_prompt < 0)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.max_prompt is %ld; it must be at least 1, or 0 for no limit",
                               (long)o->max_prompt);
    if (prompts && o->truncation == MADPO_TRUNCATION_ERROR && o->max_tokens <= o->max_prompt)
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

/* The ids of a text into a part, which is emptied before. */
static madpo_status examples_encode(examples_maker *m, const char *text, size_t bytes,
                                    bool specials, madpo_ids *part)
{
    madpo_status st;

    part->n = 0;
    st = madpo_tokenizer_encode(m->tok, text, bytes, specials || m->o->specials, part, m->err);
    if (st == MADPO_OK && part->n > INT32_MAX / 4)
        return madpo_error_set(m->err, MADPO_ERR_DATA, "a text has %zu tokens; split it up",
                               part->n);
    return st;
}

/* ---- cutting ---- */

static void ids_keep_start(madpo_ids *ids, size_t n)
{
    if (ids->n > n)
        ids->n = n;
}

static void ids_keep_end(madpo_ids *ids, size_t n)
{
    if (ids->n <= n)
        return;
    memmove(ids->v, ids->v + (ids->n - n), n * sizeof *ids->v);
    ids->n = n;
}

/* Keep so many tokens of the prompt, bos included. */
static void examples_cut_prompt(examples_maker *m, size_t keep, bool *cut)
{
    if (m->part[PROMPT].n + m->n_front <= keep)
        return;
    keep -= keep < m->n_front ? keep : m->n_front;
    (m->o->keep_prompt_start ? ids_keep_start : ids_keep_end)(&m->part[PROMPT], keep);
    if (!*cut)
        m->out->report.n_cut_prompts++;
    *cut = true;
}

static madpo_status examples_long_prompt(examples_maker *m, const madpo_pair *pair, size_t n)
{
    if (m->o->max_prompt)
        return madpo_error_set(
            m->err, MADPO_ERR_DATA,
            "the prompt of pair %lld has %zu tokens, more than data.max_prompt (%ld); raise "
            "it, or set data.truncate_prompt to keep the prompt's end",
            (long long)pair->id, n, (long)m->o->max_prompt);
    return madpo_error_set(
        m->err, MADPO_ERR_DATA,
        "the prompt of pair %lld has %zu tokens, which leaves no room for an answer in "
        "data.max_tokens (%ld); raise it, or set data.truncation",
        (long long)pair->id, n, (long)m->o->max_tokens);
}

/* A prompt over its own limit is cut or refused. */
static madpo_status examples_limit_prompt(examples_maker *m, const madpo_pair *pair, bool *cut)
{
    const madpo_tokenize_options *o = m->o;
    size_t n = m->part[PROMPT].n + m->n_front;
    int32_t max = o->max_prompt;

    if (max == 0 && o->truncation == MADPO_TRUNCATION_ERROR)
        max = o->max_tokens - 1;
    if (max == 0 || n <= (size_t)max)
        return MADPO_OK;
    if (o->truncation == MADPO_TRUNCATION_ERROR && !o->truncate_prompt)
        return examples_long_prompt(m, pair, n);
    examples_cut_prompt(m, (size_t)max, cut);
    return MADPO_OK;
}

/* Append eos to a branch that is to have one and does not end with it. */
static madpo_status examples_eos(examples_maker *m, madpo_ids *branch, int32_t eos)
{
    if (eos < 0 || (branch->n && branch->v[branch->n - 1] == eos))
        return MADPO_OK;
    m->out->report.n_eos++;
    return madpo_ids_push(branch, eos, m->err);
}

/* Make a branch of at most `room` tokens, eos counted. One that is cut at its end has no eos unless
 * every branch has; one that is cut in front keeps it. */
static madpo_status examples_branch(examples_maker *m, madpo_ids *branch, size_t room, bool turn,
                                    bool keep_end, bool *cut)
{
    bool wanted = (m->o->add_eos && !turn) || m->o->end_with_eos;
    int32_t eos = wanted ? madpo_tokenizer_eos(m->tok) : -1;
    bool has = branch->n && branch->v[branch->n - 1] == eos;
    size_t n = branch->n + (eos >= 0 && !has);
    madpo_status st = MADPO_OK;

    if (n <= room)
        return examples_eos(m, branch, eos);
    *cut = true;
    m->out->report.n_cut_answers++;
    if (keep_end) {
        st = examples_eos(m, branch, eos);
        ids_keep_end(branch, room);
    } else if (m->o->end_with_eos && eos >= 0) {
        ids_keep_start(branch, room - 1);
        st = examples_eos(m, branch, eos);
    } else {
        ids_keep_start(branch, room);
    }
    return st;
}

/* Cut the prompt in front, as far as the longer answer needs it, and the answers if that does not
 * do. At least one token of the prompt stays, to predict the first one of the answer from. */
static void examples_keep_end(examples_maker *m, bool turn, bool *prompt_cut)
{
    size_t n =
        m->part[BRANCH].n > m->part[BRANCH + 1].n ? m->part[BRANCH].n : m->part[BRANCH + 1].n;
    size_t max = (size_t)m->o->max_tokens;

    n += ((m->o->add_eos && !turn) || m->o->end_with_eos) && madpo_tokenizer_eos(m->tok) >= 0;
    examples_cut_prompt(m, n < max ? max - n : 1, prompt_cut);
}

/* ---- pairs ---- */

/* The answer's ids behind the prompt's, from the text of both; `fits` is false if the ids do not
 * begin with the prompt's. */
static madpo_status examples_joint(examples_maker *m, const madpo_pair *pair, const char *text,
                                   size_t bytes, madpo_ids *branch, bool *fits)
{
    const madpo_ids *prompt = &m->part[PROMPT];
    madpo_status st;

    madpo_strbuf_reset(&m->joined);
    madpo_strbuf_append_n(&m->joined, pair->prompt, pair->n_prompt);
    madpo_strbuf_append_n(&m->joined, text, bytes);
    st = madpo_strbuf_check(&m->joined, m->err);
    if (st == MADPO_OK)
        st = examples_encode(m, m->joined.s, m->joined.n, pair->specials, branch);
    if (st != MADPO_OK)
        return st;
    *fits = branch->n >= prompt->n &&
            (!prompt->n || !memcmp(branch->v, prompt->v, prompt->n * sizeof *prompt->v));
    if (*fits)
        ids_keep_end(branch, branch->n - prompt->n);
    return MADPO_OK;
}

/* All parts without bos and eos, uncut. */
static madpo_status examples_encode_pair(examples_maker *m, const madpo_pair *pair)
{
    const char *text[] = {pair->chosen, pair->rejected};
    const size_t bytes[] = {pair->n_chosen, pair->n_rejected};
    bool fits = m->o->mode == MADPO_TOKENIZE_JOINT;
    madpo_status st =
        examples_encode(m, pair->prompt, pair->n_prompt, pair->specials, &m->part[PROMPT]);

    for (int b = 0; b < 2 && fits && st == MADPO_OK; b++)
        st = examples_joint(m, pair, text[b], bytes[b], &m->part[BRANCH + b], &fits);
    if (st != MADPO_OK || fits)
        return st;
    m->out->report.n_split_apart += m->o->mode == MADPO_TOKENIZE_JOINT;
    for (int b = 0; b < 2 && st == MADPO_OK; b++)
        st = examples_encode(m, text[b], bytes[b], pair->specials, &m->part[BRANCH + b]);
    return st;
}

/* Settle what comes before a text: bos or what the template says, unless the text begins with that
 * already. */
static void examples_front(examples_maker *m, const madpo_ids *text)
{
    m->front = &m->bos;
    m->n_front = m->bos >= 0;
    if (m->o->template_bos)
        m->front = madpo_tokenizer_front(m->tok, &m->n_front);
    if (m->n_front && text->n >= m->n_front &&
        !memcmp(text->v, m->front, m->n_front * sizeof *text->v))
        m->n_front = 0;
}

/* Copy the parts behind all others as a new example. */
static madpo_status examples_take(examples_maker *m, madpo_example e, bool cut)
{
    madpo_status st = MADPO_OK;

    for (size_t k = 0; k < m->n_front && st == MADPO_OK; k++)
        st = madpo_ids_push(&m->ids, m->front[k], m->err);
    for (int i = 0; i <= e.n_branches; i++)
        for (size_t k = 0; k < m->part[i].n && st == MADPO_OK; k++)
            st = madpo_ids_push(&m->ids, m->part[i].v[k], m->err);
    if (st != MADPO_OK)
        return st;
    e.n_prompt = (int32_t)(m->part[PROMPT].n + m->n_front);
    for (int b = 0; b < e.n_branches; b++)
        e.n_branch[b] = (int32_t)m->part[BRANCH + b].n;
    m->out->n_truncated += cut;
    m->out->v[m->out->n++] = e;
    return MADPO_OK;
}

/* Why a pair can be no example: the counter of that reason, NULL if it can. */
static size_t *examples_unfit(examples_maker *m)
{
    madpo_examples_report *report = &m->out->report;

    if (!m->part[PROMPT].n && !m->n_front)
        return &report->n_no_prompt;
    if (m->part[PROMPT].n + m->n_front >= (size_t)m->o->max_tokens &&
        m->o->truncation != MADPO_TRUNCATION_KEEP_END)
        return &report->n_long_prompts;
    if (m->o->truncation != MADPO_TRUNCATION_ERROR &&
        (!m->part[BRANCH].n || !m->part[BRANCH + 1].n))
        return &report->n_no_answer;
    return NULL;
}

static madpo_status examples_drop(examples_maker *m, const madpo_pair *pair, size_t *counter)
{
    if (m->o->truncation == MADPO_TRUNCATION_ERROR)
        return madpo_error_set(m->err, MADPO_ERR_DATA,
                               "pair %lld has no prompt and the tokenizer no begin token, so its "
                               "answers' first tokens have nothing to follow; give it a prompt",
                               (long long)pair->id);
    ++*counter;
    m->out->n_dropped++;
    return MADPO_OK;
}

static madpo_status examples_pair(examples_maker *m, const madpo_pair *pair, size_t position)
{
    bool keep_end = m->o->truncation == MADPO_TRUNCATION_KEEP_END, prompt_cut = false, cut = false;
    madpo_examples_report before = m->out->report;
    madpo_example e = {.n_branches = 2, .id = pair->id, .position = position};
    size_t room, *unfit;
    madpo_status st = examples_encode_pair(m, pair);

    if (st != MADPO_OK)
        return st;
    examples_front(m, &m->part[PROMPT]);
    st = examples_limit_prompt(m, pair, &prompt_cut);
    if (st != MADPO_OK)
        return st;
    unfit = examples_unfit(m);
    if (unfit) {
        m->out->report = before; /* what was cut of it counts for nothing */
        return examples_drop(m, pair, unfit);
    }
    if (keep_end)
        examples_keep_end(m, pair->specials, &prompt_cut);
    room = (size_t)m->o->max_tokens - m->part[PROMPT].n - m->n_front;
    for (int b = 0; b < 2 && st == MADPO_OK; b++)
        st = examples_branch(m, &m->part[BRANCH + b], room, pair->specials, keep_end, &cut);
    return st == MADPO_OK ? examples_take(m, e, cut || prompt_cut) : st;
}

static madpo_status examples_text(examples_maker *m, const madpo_text *text, size_t i)
{
    madpo_example e = {.n_branches = 1, .id = (int64_t)i, .position = i};
    bool cut = false;
    madpo_status st;

    m->part[PROMPT].n = 0;
    st = examples_encode(m, text->bytes, text->n, false, &m->part[BRANCH]);
    if (st != MADPO_OK)
        return st;
    if (!m->part[BRANCH].n) {
        m->out->report.n_no_answer++;
        m->out->n_dropped++;
        return MADPO_OK;
    }
    examples_front(m, &m->part[BRANCH]);
    st = examples_branch(m, &m->part[BRANCH], (size_t)m->o->max_tokens - m->n_front, false, false,
                         &cut);
    return st == MADPO_OK ? examples_take(m, e, cut) : st;
}

/* The ids stand still now: hand them over and point the parts at them, or undo everything. */
static madpo_status examples_finish(examples_maker *m, madpo_status st)
{
    const int32_t *at;

    for (int i = 0; i < N_PARTS; i++)
        madpo_ids_dispose(&m->part[i]);
    madpo_strbuf_dispose(&m->joined);
    if (st != MADPO_OK) {
        madpo_ids_dispose(&m->ids);
        madpo_examples_dispose(m->out);
        return st;
    }
    m->out->ids = m->ids.v;
    m->out->n_ids = m->ids.n;
    m->out->report.n_examples = m->out->n;
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
    examples_maker m = {
        .out = out, .tok = tok, .o = options, .bos = madpo_tokenizer_bos(tok), .err = err};
    size_t n = madpo_pairs_count(pairs);
    madpo_status st = examples_new(&m, n);

    if (st == MADPO_OK)
        st = examples_check(options, true, err);
    for (size_t i = 0; i < n && st == MADPO_OK; i++)
        st = examples_pair(&m, madpo_pairs_at(pairs, i), i);
    return examples_finish(&m, st);
}

madpo_status madpo_examples_from_texts(madpo_examples *out, const madpo_text *texts, size_t n,
                                       madpo_tokenizer *tok, const madpo_tokenize_options *options,
                                       madpo_error *err)
{
    examples_maker m = {
        .out = out, .tok = tok, .o = options, .bos = madpo_tokenizer_bos(tok), .err = err};
    madpo_status st = examples_new(&m, n);

    if (st == MADPO_OK)
        st = examples_check(options, false, err);
    for (size_t i = 0; i < n && st == MADPO_OK; i++)
        st = examples_text(&m, &texts[i], i);
    return examples_finish(&m, st);
}

const char *madpo_examples_report_format(const madpo_examples_report *report, char *line,
                                         size_t size)
{
    const struct {
        size_t n;
        const char *what;
    } part[] = {{report->n_cut_prompts, "prompts cut"},
                {report->n_cut_answers, "answers cut"},
                {report->n_long_prompts, "dropped: the prompt leaves no room for an answer"},
                {report->n_no_answer, "dropped: an answer has no tokens"},
                {report->n_no_prompt, "dropped: no prompt and no begin token"},
                {report->n_split_apart, "tokenized separately: joined text begins otherwise"}};
    size_t n;

    if (!size)
        return line;
    n = (size_t)snprintf(line, size, "%zu examples, end token appended to %zu answers",
                         report->n_examples, report->n_eos);
    for (size_t i = 0; i < sizeof part / sizeof *part && n < size; i++)
        if (part[i].n)
            n += (size_t)snprintf(line + n, size - n, ", %zu %s", part[i].n, part[i].what);
    return line;
}
