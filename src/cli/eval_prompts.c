/* The prompts of madpo eval, and the answers that pairs have. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/eval_work.h"
#include "cli/prompts.h"
#include "data/pairs.h"
#include "text/utf8.h"

enum { DEFAULT_PROMPTS = 500, SCORE_TOKENS = 2048 };

static madpo_status no_memory(madpo_error *err)
{
    return madpo_error_set(err, MADPO_ERR_NOMEM, "eval: out of host memory");
}

static madpo_status prompts_room(madpo_cli_eval *e, size_t n, bool answers, madpo_error *err)
{
    e->prompt = calloc(n + 1, sizeof *e->prompt);
    e->prompt_text = calloc(n + 1, sizeof *e->prompt_text);
    e->answer = answers ? calloc(n + 1, sizeof *e->answer) : NULL;
    return e->prompt && e->prompt_text && (e->answer || !answers) ? MADPO_OK : no_memory(err);
}

/* As the stage evaluate does: the begin token, if there is one, and the text's own. */
static madpo_status encode_prompt(madpo_cli_eval *e, const madpo_pair *pair, madpo_error *err)
{
    int32_t bos = madpo_tokenizer_bos(e->m.tok);
    madpo_ids *ids = &e->prompt[e->n];
    madpo_status st = bos >= 0 ? madpo_ids_push(ids, bos, err) : MADPO_OK;

    if (st == MADPO_OK)
        st = madpo_tokenizer_encode(e->m.tok, pair->prompt, pair->n_prompt, pair->specials, ids,
                                    err);
    if (st == MADPO_OK)
        st = madpo_tokenizer_encode(e->m.tok, pair->chosen, pair->n_chosen, pair->specials,
                                    &e->answer[e->n], err);
    if (st == MADPO_OK)
        st = madpo_utf8_sanitize(&e->prompt_text[e->n], NULL, pair->prompt, pair->n_prompt, err);
    e->n += st == MADPO_OK; /* what a failed one holds is freed with the rest */
    return st;
}

static bool is_known(const madpo_cli_eval *e, const char *text)
{
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->prompt_text[i], text) == 0)
            return true;
    return false;
}

static madpo_status prompts_of_pairs(madpo_cli_eval *e, size_t limit, madpo_error *err)
{
    madpo_pairs_options how;
    madpo_pairs *pairs = NULL;
    bool marked = false;
    madpo_status st;

    madpo_pairs_options_defaults(&how);
    st = madpo_pairs_load_with(&pairs, e->pairs_file, &how, NULL, err);
    if (st == MADPO_OK)
        st = prompts_room(e, limit, true, err);
    for (size_t i = 0; st == MADPO_OK && i < madpo_pairs_count(pairs); i++)
        marked = marked || madpo_pairs_at(pairs, i)->eval;
    for (size_t i = 0; st == MADPO_OK && i < madpo_pairs_count(pairs) && e->n < limit; i++) {
        const madpo_pair *pair = madpo_pairs_at(pairs, i);

        if ((pair->eval || !marked) && !is_known(e, pair->prompt))
            st = encode_prompt(e, pair, err);
    }
    madpo_pairs_free(pairs);
    return st;
}

static madpo_status prompts_of_file(madpo_cli_eval *e, size_t limit, madpo_error *err)
{
    madpo_cli_prompts prompts = {0};
    madpo_cli_prompting how = {.model = &e->m};
    madpo_error unknown = MADPO_ERROR_INIT;
    madpo_status st;

    if (madpo_chat_of_tokenizer(&how.layout, e->m.tok, &unknown) != MADPO_OK)
        how.layout = MADPO_CHAT_NONE; /* matters only to chat messages, which are then refused */
    st = madpo__prompts_file(&prompts, &how, e->o->prompts, err);
    if (st == MADPO_OK)
        st = prompts_room(e, prompts.n < limit ? prompts.n : limit, false, err);
    for (size_t i = 0; i < prompts.n && i < limit && st == MADPO_OK; i++) {
        madpo_ids *ids = &prompts.v[i].ids;
        char *raw = NULL;
        size_t n = 0;

        st = madpo_tokenizer_decode(e->m.tok, ids->v, ids->n, true, &raw, &n, err);
        if (st == MADPO_OK)
            st = madpo_utf8_sanitize(&e->prompt_text[i], NULL, raw, n, err);
        free(raw);
        e->prompt[i] = *ids;
        *ids = (madpo_ids){0};
        e->n++;
    }
    madpo__prompts_dispose(&prompts);
    return st;
}

madpo_status madpo__eval_prompts(madpo_cli_eval *e, madpo_error *err)
{
    size_t limit = e->o->limit > 0 ? (size_t)e->o->limit : DEFAULT_PROMPTS;
    int64_t longest = 0;
    madpo_status st =
        e->o->prompts ? prompts_of_file(e, limit, err) : prompts_of_pairs(e, limit, err);

    for (size_t i = 0; i < e->n && st == MADPO_OK; i++) {
        int64_t answer = e->answer ? (int64_t)e->answer[i].n : 0;
        int64_t text = (int64_t)e->prompt[i].n + (answer > e->max_new ? answer : e->max_new) + 1;

        if (e->longest < (int32_t)e->prompt[i].n)
            e->longest = (int32_t)e->prompt[i].n;
        longest = longest < text ? text : longest;
        if (e->prompt[i].n == 0)
            st = madpo_error_set(err, MADPO_ERR_DATA,
                                 "eval: prompt %zu is empty and the tokenizer has no begin token",
                                 i + 1);
    }
    if (st == MADPO_OK && e->n < 2)
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "eval: at least two prompts are needed, %s has %zu",
                             e->o->prompts ? e->o->prompts : e->pairs_file, e->n);
    if (st == MADPO_OK && longest > e->m.config.max_positions)
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "eval: a text of %lld tokens does not fit into the model's %ld "
                             "positions; lower --max-tokens or shorten prompts and answers",
                             (long long)longest, (long)e->m.config.max_positions);
    e->limits = madpo_judge_limits(longest, SCORE_TOKENS);
    return st;
}
