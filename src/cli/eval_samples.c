/* The samples of madpo eval, what is known of each, and what follows from all. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "cli/eval_work.h"
#include "text/utf8.h"

enum { DEFAULT_BATCH = 64 };

static madpo_status no_memory(madpo_error *err)
{
    return madpo_error_set(err, MADPO_ERR_NOMEM, "eval: out of host memory");
}

/* ---- samples ---- */

static madpo_status samples_room(madpo_cli_eval *e, madpo_error *err)
{
    size_t n_all = e->n_temperatures * e->n;

    e->samples = calloc(MADPO_EVAL_N_WHO * e->n_temperatures, sizeof *e->samples);
    for (int who = 0; who < MADPO_EVAL_N_WHO; who++)
        e->logp[who] = calloc(n_all, sizeof **e->logp);
    e->tokens = calloc(n_all, sizeof *e->tokens);
    e->answer_reward = calloc(e->n, sizeof *e->answer_reward);
    if (!e->samples || !e->logp[MADPO_EVAL_POLICY] || !e->logp[MADPO_EVAL_REFERENCE] ||
        !e->tokens || !e->answer_reward)
        return no_memory(err);
    for (size_t k = 0; k < MADPO_EVAL_N_WHO * e->n_temperatures; k++) {
        madpo_cli_eval_samples *s = &e->samples[k];

        s->ids = calloc(e->n * (size_t)e->max_new, sizeof *s->ids);
        s->len = calloc(e->n, sizeof *s->len);
        s->ended = calloc(e->n, sizeof *s->ended);
        s->score = calloc(e->n, sizeof *s->score);
        s->reward = calloc(e->n, sizeof *s->reward);
        s->text = calloc(e->n, sizeof *s->text);
        if (!s->ids || !s->len || !s->ended || !s->score || !s->reward || !s->text)
            return no_memory(err);
    }
    return MADPO_OK;
}

static madpo_cli_eval_samples *samples_of(const madpo_cli_eval *e, int who, size_t t)
{
    return &e->samples[(size_t)who * e->n_temperatures + t];
}

static madpo_status score_sample(madpo_cli_eval *e, madpo_cli_eval_samples *s, size_t i,
                                 madpo_error *err)
{
    char *raw = NULL, *clean = NULL;
    size_t n = 0;
    madpo_strbuf both = {0};
    madpo_status st =
        madpo_tokenizer_decode(e->tok, s->text[i].answer, (size_t)s->len[i], true, &raw, &n, err);

    if (st == MADPO_OK)
        st = madpo_utf8_sanitize(&clean, NULL, raw, n, err);
    if (st == MADPO_OK) {
        madpo_strbuf_append(&both, e->prompt_text[i]);
        madpo_strbuf_append(&both, clean);
        st = madpo_strbuf_check(&both, err);
    }
    if (st == MADPO_OK)
        s->score[i] = madpo_scorer_score(e->scorer, both.n > 0 ? both.s : "", both.n);
    madpo_strbuf_dispose(&both);
    free(raw);
    free(clean);
    return st;
}

/* All samples at one temperature by the model that is open. */
static madpo_status draw_samples(madpo_cli_eval *e, madpo_cli_eval_samples *s, double temperature,
                                 size_t slots, madpo_error *err)
{
    const int32_t **prompt = malloc(slots * sizeof *prompt);
    int32_t *n_prompt = malloc(slots * sizeof *n_prompt);
    madpo_status st = prompt && n_prompt ? MADPO_OK : no_memory(err);

    for (size_t first = 0; first < e->n && st == MADPO_OK; first += slots) {
        size_t left = e->n - first, n = left < slots ? left : slots;
        madpo_generate_options how = {.temperature = (float)temperature,
                                      .top_k = (int32_t)e->o->top_k,
                                      .top_p = (float)e->o->top_p,
                                      .seed = (uint64_t)e->o->seed,
                                      .max_new = e->max_new,
                                      .samples_per_prompt = 1,
                                      .stream_base = (uint32_t)first};

        for (size_t i = 0; i < n; i++) {
            prompt[i] = e->prompt[first + i].v;
            n_prompt[i] = (int32_t)e->prompt[first + i].n;
        }
        st = madpo_model_generate(e->m.model, prompt, n_prompt, n, &how,
                                  s->ids + first * (size_t)e->max_new, s->len + first,
                                  s->ended + first, err);
    }
    free(prompt);
    free(n_prompt);
    for (size_t i = 0; i < e->n; i++)
        s->text[i] = (madpo_judge_text){.prompt = e->prompt[i].v,
                                        .n_prompt = (int32_t)e->prompt[i].n,
                                        .answer = s->ids + i * (size_t)e->max_new,
                                        .n_answer = s->len[i],
                                        .ended = s->ended[i]};
    for (size_t i = 0; i < e->n && e->scorer && st == MADPO_OK; i++)
        st = score_sample(e, s, i, err);
    return st;
}

/* ---- models, one after the other ---- */

madpo_status madpo__eval_open(madpo_cli_eval *e, const char *path, madpo_error *err)
{
    madpo_cli_model plain = e->o->model;

    plain.adapters = (madpo_cli_list){0}; /* they are MODEL's */
    return madpo__cli_model_with_text(&e->m, path, path == e->model ? &e->o->model : &plain, err);
}

static madpo_status check_tokenizer(const madpo_cli_eval *e, const char *path, madpo_error *err)
{
    if (madpo_tokenizer_vocab(e->m.tok) == madpo_tokenizer_vocab(e->tok))
        return MADPO_OK;
    return madpo_error_set(err, MADPO_ERR_MISMATCH,
                           "%s: its tokenizer has %d tokens, that of %s %d; they must be the same",
                           path, (int)madpo_tokenizer_vocab(e->m.tok), e->model,
                           (int)madpo_tokenizer_vocab(e->tok));
}

static madpo_status load_model(madpo_cli_eval *e, size_t slots, madpo_error *err)
{
    int64_t prefill = (int64_t)slots * e->longest;
    madpo_model_options limits = {
        .max_tokens = e->limits.max_tokens > prefill ? e->limits.max_tokens : prefill,
        .max_rows = e->limits.max_rows,
        .max_segments = e->limits.max_segments,
        .max_sequences = e->limits.max_sequences};

    if (slots > 0) {
        limits.gen_slots = (int64_t)slots;
        limits.gen_len = (int64_t)e->longest + e->max_new;
        if (limits.max_sequences < (int64_t)slots)
            limits.max_sequences = limits.max_segments = (int64_t)slots;
        if (limits.max_rows < (int64_t)slots)
            limits.max_rows = (int64_t)slots;
    }
    return madpo__cli_model_load(&e->m, &limits, "lower --batch or --max-tokens", &e->o->model,
                                 err);
}

/* Samples and log-probs of the model that is open. */
static madpo_status use_model(madpo_cli_eval *e, int who, madpo_error *err)
{
    size_t slots = e->o->batch > 0 ? (size_t)e->o->batch : DEFAULT_BATCH;
    madpo_status st;

    slots = slots < e->n ? slots : e->n;
    st = load_model(e, slots, err);
    for (size_t t = 0; t < e->n_temperatures && st == MADPO_OK; t++) {
        if (!e->o->model.quiet)
            fprintf(stderr, "%s: temperature %g\n",
                    who == MADPO_EVAL_POLICY ? "policy" : "reference", e->temperature[t]);
        st = draw_samples(e, samples_of(e, who, t), e->temperature[t], slots, err);
        if (st == MADPO_OK && e->reference)
            st = madpo_judge_logps(e->logp[who] + t * e->n, e->tokens + t * e->n, e->m.model,
                                   samples_of(e, MADPO_EVAL_POLICY, t)->text, e->n, e->eos,
                                   &e->limits, err);
    }
    madpo_opened_dispose(&e->m);
    return st;
}

static madpo_status use_reference(madpo_cli_eval *e, madpo_error *err)
{
    madpo_status st = e->reference ? madpo__eval_open(e, e->reference, err) : MADPO_OK;

    if (!e->reference || st != MADPO_OK)
        return st;
    st = check_tokenizer(e, e->reference, err);
    return st == MADPO_OK ? use_model(e, MADPO_EVAL_REFERENCE, err) : st;
}

static madpo_status reward_all(madpo_cli_eval *e, madpo_error *err)
{
    madpo_judge_text *answers = calloc(e->n, sizeof *answers);
    madpo_status st = answers ? load_model(e, 0, err) : no_memory(err);

    for (size_t t = 0; t < e->n_temperatures; t++)
        for (int who = 0;
             who <= (e->reference ? MADPO_EVAL_REFERENCE : MADPO_EVAL_POLICY) && st == MADPO_OK;
             who++) {
            madpo_cli_eval_samples *s = samples_of(e, who, t);

            st = madpo_judge_rewards(s->reward, e->m.model, s->text, e->n, e->eos, &e->limits, err);
        }
    for (size_t i = 0; i < e->n && e->answer && answers; i++)
        answers[i] = (madpo_judge_text){.prompt = e->prompt[i].v,
                                        .n_prompt = (int32_t)e->prompt[i].n,
                                        .answer = e->answer[i].v,
                                        .n_answer = (int32_t)e->answer[i].n};
    if (st == MADPO_OK && e->answer)
        st = madpo_judge_rewards(e->answer_reward, e->m.model, answers, e->n, e->eos, &e->limits,
                                 err);
    free(answers);
    return st;
}

static madpo_status use_reward(madpo_cli_eval *e, madpo_error *err)
{
    madpo_status st = e->reward ? madpo__eval_open(e, e->reward, err) : MADPO_OK;

    if (!e->reward || st != MADPO_OK)
        return st;
    if (!e->m.reward)
        st = madpo_error_set(err, MADPO_ERR_MISMATCH,
                             "%s: is no reward model: it gives log-probs, not rewards", e->reward);
    if (st == MADPO_OK)
        st = check_tokenizer(e, e->reward, err);
    if (st == MADPO_OK)
        st = reward_all(e, err);
    madpo_opened_dispose(&e->m);
    return st;
}

madpo_status madpo__eval_samples(madpo_cli_eval *e, madpo_error *err)
{
    madpo_status st = samples_room(e, err);

    if (st == MADPO_OK)
        st = use_model(e, MADPO_EVAL_POLICY, err);
    if (st == MADPO_OK)
        st = use_reference(e, err);
    return st == MADPO_OK ? use_reward(e, err) : st;
}

/* ---- what came out ---- */

static madpo_eval_side side_of(const madpo_cli_eval *e, int who, size_t t, double *scratch)
{
    const madpo_cli_eval_samples *s = samples_of(e, who, t);
    madpo_eval_side side = {0};
    size_t n_ended = 0;

    for (size_t i = 0; i < e->n; i++) {
        scratch[i] = (double)s->len[i];
        n_ended += s->ended[i];
    }
    side.tokens = madpo_summarize_t(scratch, e->n);
    side.ended = madpo_share_of(n_ended, e->n);
    side.distinct_1 = madpo_judge_distinct(s->text, e->n, 1);
    side.distinct_2 = madpo_judge_distinct(s->text, e->n, 2);
    if (e->scorer)
        side.score = madpo_summarize_t(s->score, e->n);
    return side;
}

/* Ties count for neither. */
static madpo_share wins_of(const double *a, const double *b, size_t n)
{
    size_t wins = 0, losses = 0;

    for (size_t i = 0; i < n; i++) {
        wins += a[i] > b[i];
        losses += a[i] < b[i];
    }
    return madpo_share_of(wins, wins + losses);
}

madpo_eval_row madpo__eval_row(const madpo_cli_eval *e, size_t t, double *scratch)
{
    const madpo_cli_eval_samples *p = samples_of(e, MADPO_EVAL_POLICY, t),
                                 *r = samples_of(e, MADPO_EVAL_REFERENCE, t);
    madpo_eval_row row = {.temperature = e->temperature[t],
                          .policy = side_of(e, MADPO_EVAL_POLICY, t, scratch)};

    if (e->reward && e->answer)
        row.wins_answers = wins_of(p->reward, e->answer_reward, e->n);
    if (!e->reference)
        return row;
    row.reference = side_of(e, MADPO_EVAL_REFERENCE, t, scratch);
    if (e->reward)
        row.wins = wins_of(p->reward, r->reward, e->n);
    for (size_t i = 0; i < e->n; i++)
        scratch[i] = p->score[i] - r->score[i];
    if (e->scorer)
        row.difference = madpo_paired_test(scratch, e->n, (uint64_t)e->o->seed);
    for (size_t i = 0; i < e->n; i++)
        scratch[i] =
            e->logp[MADPO_EVAL_POLICY][t * e->n + i] - e->logp[MADPO_EVAL_REFERENCE][t * e->n + i];
    row.kl_sequence = madpo_summarize_t(scratch, e->n);
    row.kl_token = madpo_ratio(scratch, e->tokens + t * e->n, e->n);
    return row;
}
