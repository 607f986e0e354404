/* Log-probs of single tokens; see token_log.h. */
#include "train/token_log.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "data/spans.h"
#include "run/tokens.h"
#include "train/batches.h"

static const char token_file[] = "tokens.jsonl";

struct madpo_token_log {
    madpo_token_log_setup set;
    size_t n;             /* pairs */
    int64_t *order;       /* [n] positions */
    size_t *first;        /* [2n+1] an answer's first token in the arrays below: chosen, rejected */
    madpo_span *spans;    /* [first[2n]] */
    float *ref, *logp;    /* [first[2n]] */
    float *rows;          /* [max rows] of a micro-batch */
    madpo_token *line[2]; /* [most tokens of an answer] */
    madpo_batches batches;
    madpo_records *records; /* NULL = not begun, or nothing to write */
};

static madpo_status no_memory(madpo_error *err)
{
    return madpo_error_set(err, MADPO_ERR_NOMEM, "%s: out of host memory", token_file);
}

/* ---- which pairs, and where their tokens lie ---- */

static void choose_pairs(madpo_token_log *log)
{
    const madpo_pairset *set = log->set.set;

    for (size_t i = 0; i < log->n; i++)
        log->order[i] =
            i < set->held_out.n ? set->held_out.v[i].id : set->train.v[i - set->held_out.n].id;
}

static const madpo_example *example_at(const madpo_token_log *log, size_t i)
{
    return &log->set.set->all.v[log->order[i]];
}

/* Count the tokens; returns the most that an answer has. */
static size_t count_tokens(madpo_token_log *log)
{
    size_t most = 0;

    log->first[0] = 0;
    for (size_t a = 0; a < 2 * log->n; a++) {
        size_t n = (size_t)example_at(log, a / 2)->n_branch[a % 2];

        log->first[a + 1] = log->first[a] + n;
        most = n > most ? n : most;
    }
    return most;
}

static madpo_status find_places(madpo_token_log *log, madpo_error *err)
{
    const madpo_stage_context *ctx = log->set.ctx;
    bool keep_end = madpo_stage_tokenize_options(ctx).truncation == MADPO_TRUNCATION_KEEP_END;
    madpo_status st = MADPO_OK;

    for (size_t a = 0; a < 2 * log->n && st == MADPO_OK; a++) {
        const madpo_pair *pair = madpo_pairs_at(log->set.set->pairs, (size_t)log->order[a / 2]);
        const madpo_example *e = example_at(log, a / 2);

        st = madpo_token_spans(log->spans + log->first[a], ctx->tok, e->branch[a % 2],
                               (size_t)e->n_branch[a % 2], a % 2 ? pair->rejected : pair->chosen,
                               a % 2 ? pair->n_rejected : pair->n_chosen, keep_end, err);
    }
    return st;
}

/* ---- forward passes ---- */

typedef struct token_pass {
    madpo_token_log *log;
    float *out; /* [first[2n]] */
} token_pass;

static madpo_status token_micro_batch(void *user, const madpo_batch *batch, size_t first,
                                      madpo_error *err)
{
    const token_pass *pass = user;
    const madpo_token_log *log = pass->log;
    madpo_status st = madpo_model_logps(log->set.model, batch, log->rows, NULL, err);

    for (int64_t s = 0; s < batch->n_seq && st == MADPO_OK; s++) {
        size_t a = 2 * first + (size_t)s, n = log->first[a + 1] - log->first[a];
        size_t n_rows = (size_t)(batch->seq_row[s + 1] - batch->seq_row[s]);
        float *out = pass->out + log->first[a];

        for (size_t i = 0; i < n; i++) /* without a prompt the first token has no row */
            out[i] = i < n - n_rows ? NAN : log->rows[(size_t)batch->seq_row[s] + i - (n - n_rows)];
    }
    return st;
}

static madpo_status token_forward(madpo_token_log *log, float *out, madpo_error *err)
{
    token_pass pass = {.log = log, .out = out};

    madpo_model_set_pass(log->set.model, false, 0, 0);
    return madpo_batches_each(&log->batches, &log->set.set->all, log->order, log->n,
                              token_micro_batch, &pass, err);
}

static double sum_of(const madpo_token_log *log, const float *values, size_t a)
{
    double sum = 0.0;

    for (size_t t = log->first[a]; t < log->first[a + 1]; t++)
        sum += (double)values[t];
    return sum;
}

/* Log-probs taken from another run's file may be another model's: then the tokens cannot add up. */
static void check_reference(const madpo_token_log *log)
{
    const double *stored[2] = {log->set.ref_chosen, log->set.ref_rejected};

    for (size_t a = 0; a < 2 * log->n; a++) {
        double theirs = stored[a % 2][log->order[a / 2]], ours = sum_of(log, log->ref, a);

        if (!(fabs(ours - theirs) > 1e-3 * (1.0 + fabs(theirs))))
            continue;
        madpo_run_message(
            log->set.ctx->run,
            "policy: policy.reference is not of the model this run starts from (pair "
            "%lld: %.6g, not %.6g): %s has the log-ratios to the latter",
            (long long)madpo_pairs_at(log->set.set->pairs, (size_t)log->order[a / 2])->id, theirs,
            ours, token_file);
        return;
    }
}

/* ---- life ---- */

static madpo_status token_log_init(madpo_token_log *log, madpo_error *err)
{
    size_t n = log->n, n_tokens, most;
    madpo_status st;

    log->order = malloc((n + 1) * sizeof *log->order);
    log->first = malloc((2 * n + 1) * sizeof *log->first);
    if (!log->order || !log->first)
        return no_memory(err);
    choose_pairs(log);
    most = count_tokens(log);
    n_tokens = log->first[2 * n] + 1;
    log->spans = malloc(n_tokens * sizeof *log->spans);
    log->ref = malloc(n_tokens * sizeof *log->ref);
    log->logp = malloc(n_tokens * sizeof *log->logp);
    log->rows = malloc(((size_t)log->set.limits.max_rows + 1) * sizeof *log->rows);
    log->line[0] = malloc((most + 1) * sizeof *log->line[0]);
    log->line[1] = malloc((most + 1) * sizeof *log->line[1]);
    if (!log->spans || !log->ref || !log->logp || !log->rows || !log->line[0] || !log->line[1])
        return no_memory(err);
    st = find_places(log, err);
    if (st == MADPO_OK)
        st = madpo_batches_init(&log->batches, &log->set.limits, n, err);
    if (st == MADPO_OK && log->set.reference) {
        st = token_forward(log, log->ref, err);
        if (st == MADPO_OK)
            check_reference(log);
    }
    return st;
}

madpo_status madpo_token_log_new(madpo_token_log **out, const madpo_token_log_setup *setup,
                                 madpo_error *err)
{
    madpo_token_log *log = calloc(1, sizeof *log);
    int64_t wanted = setup->ctx->options->run.log_tokens;
    madpo_status st = MADPO_OK;

    *out = NULL;
    if (!log)
        return no_memory(err);
    log->set = *setup;
    log->n = (size_t)wanted < setup->set->n ? (size_t)wanted : setup->set->n;
    if (log->n > 0)
        st = token_log_init(log, err);
    if (st == MADPO_OK)
        *out = log;
    else
        madpo_token_log_free(log);
    return st;
}

void madpo_token_log_free(madpo_token_log *log)
{
    madpo_error ignored = MADPO_ERROR_INIT;
    madpo_status st;

    if (!log)
        return;
    st = madpo_records_close(log->records, &ignored); /* every line is synced by now */
    (void)st;
    madpo_batches_dispose(&log->batches);
    free(log->order);
    free(log->first);
    free(log->spans);
    free(log->ref);
    free(log->logp);
    free(log->rows);
    free(log->line[0]);
    free(log->line[1]);
    free(log);
}

/* ---- the file ---- */

madpo_status madpo_token_log_begin(madpo_token_log *log, int64_t step, madpo_error *err)
{
    char *path = madpo_run_path(log->set.ctx->run, "%s", token_file), from[40];
    int64_t n_lines = 0;
    bool there = path && madpo_file_exists(path);
    madpo_status st = MADPO_OK;

    free(path);
    if (!path)
        return no_memory(err);
    if (log->n == 0 && !there)
        return MADPO_OK;
    st = madpo_records_open(&log->records, log->set.ctx->run, token_file, -1, &n_lines, err);
    if (st != MADPO_OK || n_lines == 0)
        return st;
    snprintf(from, sizeof from, "{\"from\":%lld}\n", (long long)step);
    return madpo_records_append_line(log->records, from, err);
}

static void fill_answer(const madpo_token_log *log, size_t a)
{
    madpo_token *out = log->line[a % 2];

    for (size_t t = log->first[a]; t < log->first[a + 1]; t++)
        *out++ = (madpo_token){.at = log->spans[t].at,
                               .n = log->spans[t].n,
                               .logp = (double)log->logp[t],
                               .ratio = (double)log->logp[t] - (double)log->ref[t]};
}

static madpo_status write_pair(const madpo_token_log *log, size_t i, int64_t step, madpo_error *err)
{
    const madpo_pair *pair = madpo_pairs_at(log->set.set->pairs, (size_t)log->order[i]);
    const size_t *first = log->first + 2 * i;
    madpo_token_line line = {.id = pair->id,
                             .step = step,
                             .held_out = pair->eval,
                             .has_ratio = log->set.reference,
                             .v = {log->line[0], log->line[1]},
                             .n = {first[1] - first[0], first[2] - first[1]}};
    char *text = NULL;
    madpo_status st;

    fill_answer(log, 2 * i);
    fill_answer(log, 2 * i + 1);
    st = madpo_token_line_format(&text, &line, err);
    if (st == MADPO_OK)
        st = madpo_records_append_line(log->records, text, err);
    free(text);
    return st;
}

madpo_status madpo_token_log_write(madpo_token_log *log, int64_t step, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    if (log->n == 0)
        return MADPO_OK;
    st = token_forward(log, log->logp, err);
    for (size_t i = 0; i < log->n && st == MADPO_OK; i++)
        st = write_pair(log, i, step, err);
    return st == MADPO_OK ? madpo_records_sync(log->records, err) : st;
}
