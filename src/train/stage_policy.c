/* Stage policy: preference training from the SFT model with the configured objective. The
 * reference's log-probs are those of the same model before its first update, computed once, so
 * reference and policy are one set of weights in memory. Results: reference.jsonl, models/policy.
 *
 * The reference pass takes the pairs in the order, chunks and micro-batches of the first epoch. A
 * device whose matrix product depends on the number of rows then still gives the first training
 * step the very numbers stored, and its policy margins are exactly 0. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "objective/objective.h"
#include "train/batches.h"
#include "train/loop.h"
#include "train/pairset.h"
#include "train/policy_options.h"
#include "train/scan.h"
#include "train/stats.h"

static const char stage_name[] = "policy";
static const char reference_file[] = "reference.jsonl";

enum {
    POLICY_PAIR = MADPO_ROW_OWN, /* position in pairs.jsonl */
    POLICY_H,                    /* reward margin, NaN if the objective does without */
    POLICY_W,
    POLICY_M,      /* policy margin */
    POLICY_CHOSEN, /* summed log-probs of the policy */
    POLICY_REJECTED,
    POLICY_REF_CHOSEN,
    POLICY_REF_REJECTED,
    POLICY_COLUMNS
};

typedef struct policy {
    madpo_stage_context *ctx;
    const madpo_objective *objective;
    madpo_objective_options options;
    madpo_pairset set;
    madpo_batch_limits limits;
    madpo_stage_model net;
    double *h, *ref_chosen, *ref_rejected; /* [n] by pair; h NaN without margins */
    float *logp, *coef;                    /* [max rows] */
    double *sorted;                        /* [max pairs of a report] */
} policy;

/* ---- the task ---- */

static int64_t policy_units(const madpo_example *example)
{
    (void)example;
    return 1;
}

static void policy_coefficients(policy *p, const madpo_batch *batch, int64_t sequence, double value)
{
    for (int64_t r = batch->seq_row[sequence]; r < batch->seq_row[sequence + 1]; r++)
        p->coef[r] = (float)value;
}

static double policy_tokens(const madpo_batch *batch, int64_t sequence)
{
    return (double)(batch->seq_row[sequence + 1] - batch->seq_row[sequence]);
}

/* Loss of pair i of the batch into its row, and scaled gradient coefficients of its log-prob rows.
 */
static void policy_pair(policy *p, const madpo_batch *batch, int64_t i, double scale, double *row)
{
    int64_t pair = batch->seq_id[2 * i];
    double h = p->h[pair];
    madpo_pair_logps in = {.chosen = madpo_scan_sum(batch, p->logp, 2 * i),
                           .rejected = madpo_scan_sum(batch, p->logp, 2 * i + 1),
                           .ref_chosen = p->ref_chosen[pair],
                           .ref_rejected = p->ref_rejected[pair],
                           .h = h,
                           .n_chosen = policy_tokens(batch, 2 * i),
                           .n_rejected = policy_tokens(batch, 2 * i + 1)};
    madpo_pair_loss loss;

    in.score_chosen = madpo_pairs_at(p->set.pairs, (size_t)pair)->score_chosen;
    in.score_rejected = madpo_pairs_at(p->set.pairs, (size_t)pair)->score_rejected;
    p->objective->pair(&p->options, &in, &loss);
    row[MADPO_ROW_LOSS] = loss.loss;
    row[MADPO_ROW_UNITS] = 1.0;
    row[POLICY_PAIR] = (double)pair;
    row[POLICY_H] = h;
    row[POLICY_W] = loss.weight;
    row[POLICY_M] = loss.m;
    row[POLICY_CHOSEN] = in.chosen;
    row[POLICY_REJECTED] = in.rejected;
    row[POLICY_REF_CHOSEN] = in.ref_chosen;
    row[POLICY_REF_REJECTED] = in.ref_rejected;
    policy_coefficients(p, batch, 2 * i, scale * loss.dchosen);
    policy_coefficients(p, batch, 2 * i + 1, scale * loss.drejected);
}

static madpo_status policy_run(void *user, madpo_model *model, const madpo_batch *batch,
                               double scale, double *rows, madpo_error *err)
{
    policy *p = user;
    madpo_status st = madpo_model_logps(model, batch, p->logp, NULL, err);

    if (st != MADPO_OK)
        return st;
    for (int64_t i = 0; i < batch->n_seq / 2; i++)
        policy_pair(p, batch, i, scale, rows + i * POLICY_COLUMNS);
    return scale > 0.0 ? madpo_model_backward_logps(model, batch, p->coef, err) : MADPO_OK;
}

/* ---- metrics ---- */

static double policy_mean(const double *rows, size_t n, size_t column)
{
    return madpo_loop_column_mean(rows, n, POLICY_COLUMNS, column);
}

/* mean, p10, p50, p90 of a column as <name>/mean … Leaves the column sorted in p->sorted. */
static void policy_distribution(policy *p, const double *rows, size_t n, size_t column,
                                const char *prefix, const char *const names[4], json_t *fields)
{
    for (size_t i = 0; i < n; i++)
        p->sorted[i] = rows[i * POLICY_COLUMNS + column];
    madpo_sort(p->sorted, n);
    madpo_loop_metric(fields, prefix, names[0], madpo_mean(p->sorted, n));
    madpo_loop_metric(fields, prefix, names[1], madpo_quantile(p->sorted, n, 0.1));
    madpo_loop_metric(fields, prefix, names[2], madpo_quantile(p->sorted, n, 0.5));
    madpo_loop_metric(fields, prefix, names[3], madpo_quantile(p->sorted, n, 0.9));
}

static void policy_report(void *user, const double *rows, size_t n, const char *prefix,
                          json_t *fields)
{
    static const char *const weight_names[] = {"madpo/weight/mean", "madpo/weight/p10",
                                               "madpo/weight/p50", "madpo/weight/p90"};
    static const char *const margin_names[] = {"madpo/margin/mean", "madpo/margin/p10",
                                               "madpo/margin/p50", "madpo/margin/p90"};
    policy *p = user;
    double beta = p->options.beta;
    double chosen = policy_mean(rows, n, POLICY_CHOSEN),
           rejected = policy_mean(rows, n, POLICY_REJECTED);
    size_t hits = 0;

    for (size_t i = 0; i < n; i++)
        hits += rows[i * POLICY_COLUMNS + POLICY_M] > 0.0;
    madpo_loop_metric(fields, prefix, "rewards/chosen",
                      beta * (chosen - policy_mean(rows, n, POLICY_REF_CHOSEN)));
    madpo_loop_metric(fields, prefix, "rewards/rejected",
                      beta * (rejected - policy_mean(rows, n, POLICY_REF_REJECTED)));
    madpo_loop_metric(fields, prefix, "rewards/margins", beta * policy_mean(rows, n, POLICY_M));
    madpo_loop_metric(fields, prefix, "rewards/accuracies", (double)hits / (double)n);
    madpo_loop_metric(fields, prefix, "logps/chosen", chosen);
    madpo_loop_metric(fields, prefix, "logps/rejected", rejected);
    policy_distribution(p, rows, n, POLICY_W, prefix, weight_names, fields);
    madpo_loop_metric(fields, prefix, "madpo/weight/ess", madpo_effective_share(p->sorted, n));
    if (n > 0 && !isnan(rows[POLICY_H]))
        policy_distribution(p, rows, n, POLICY_H, prefix, margin_names, fields);
}

/* The last step's pairs one by one, for viewers. */
static madpo_status policy_logged(void *user, int64_t step, const double *rows, size_t n,
                                  madpo_error *err)
{
    policy *p = user;
    json_t *pairs = json_array();

    for (size_t i = 0; i < n && pairs; i++) {
        const double *row = rows + i * POLICY_COLUMNS;
        const madpo_pair *pair = madpo_pairs_at(p->set.pairs, (size_t)row[POLICY_PAIR]);

        json_array_append_new(pairs, json_pack("{s:I,s:o,s:o,s:o}", "id", (json_int_t)pair->id, "h",
                                               madpo_json_real(row[POLICY_H]), "w",
                                               madpo_json_real(row[POLICY_W]), "m",
                                               madpo_json_real(row[POLICY_M])));
    }
    return madpo_stage_event(
        p->ctx, "samples",
        json_pack("{s:s,s:I,s:o}", "stage", stage_name, "step", (json_int_t)step, "pairs", pairs),
        err);
}

/* ---- preparation ---- */

static madpo_status policy_buffers(policy *p, madpo_error *err)
{
    const madpo_options *o = p->ctx->options;
    size_t n = p->set.n, n_rows = (size_t)p->limits.max_rows;
    size_t n_report = (size_t)madpo_loop_report_rows(p->ctx, &o->policy.o, p->set.train.n);

    p->h = malloc((n + 1) * sizeof *p->h);
    p->ref_chosen = malloc((n + 1) * sizeof *p->ref_chosen);
    p->ref_rejected = malloc((n + 1) * sizeof *p->ref_rejected);
    p->logp = malloc(n_rows * sizeof *p->logp);
    p->coef = malloc(n_rows * sizeof *p->coef);
    p->sorted = malloc((n_report > n ? n_report : n + 1) * sizeof *p->sorted);
    if (!p->h || !p->ref_chosen || !p->ref_rejected || !p->logp || !p->coef || !p->sorted)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "policy: out of host memory");
    return MADPO_OK;
}

/* Margins are needed by some objectives; for the others they are shown if they are there. */
static madpo_status policy_margins(policy *p, madpo_error *err)
{
    madpo_error ignored = MADPO_ERROR_INIT;
    bool needed = madpo_objective_needs_of(p->objective, &p->options).margin;
    madpo_status st = madpo_pairset_column(p->h, &p->set, p->ctx, "margins.jsonl", "h", "margins",
                                           needed ? err : &ignored);

    if (st == MADPO_OK || needed)
        return st;
    for (size_t i = 0; i < p->set.n; i++)
        p->h[i] = NAN;
    return MADPO_OK;
}

/* True scores, where the objective is made of them. */
static madpo_status policy_scores(const policy *p, madpo_error *err)
{
    if (!madpo_objective_needs_of(p->objective, &p->options).scores)
        return MADPO_OK;
    for (size_t i = 0; i < p->set.n; i++) {
        const madpo_pair *pair = madpo_pairs_at(p->set.pairs, i);

        if (isnan(pair->score_chosen) || isnan(pair->score_rejected))
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "policy.margin = \"scores\": pair %lld has no score_chosen and "
                                   "score_rejected; add them or set policy.margin = \"reward\"",
                                   (long long)pair->id);
    }
    return MADPO_OK;
}

static json_t *reference_record(void *user, size_t i, double chosen, double rejected)
{
    const policy *p = user;

    return json_pack("{s:I,s:I,s:o,s:o}", "id", (json_int_t)madpo_pairs_at(p->set.pairs, i)->id,
                     "pair", (json_int_t)i, "chosen", madpo_json_real(chosen), "rejected",
                     madpo_json_real(rejected));
}

/* Pairs in the first epoch's order, then the held-out ones (owned by the caller, free()). */
static madpo_status reference_order(int64_t **out, const policy *p, madpo_error *err)
{
    size_t n_train = p->set.train.n;

    *out = malloc((p->set.n + 1) * sizeof **out);
    if (!*out)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "policy: out of host memory");
    madpo_loop_order(*out, n_train, p->ctx, stage_name, 0);
    for (size_t i = 0; i < n_train; i++)
        (*out)[i] = p->set.train.v[(*out)[i]].id;
    for (size_t i = 0; i < p->set.held_out.n; i++)
        (*out)[n_train + i] = p->set.held_out.v[i].id;
    return MADPO_OK;
}

static madpo_status policy_reference(policy *p, madpo_error *err)
{
    int64_t *order = NULL;
    madpo_scan scan = {.ctx = p->ctx,
                       .stage = stage_name,
                       .what = "reference log-probs",
                       .file = reference_file,
                       .model = p->net.model,
                       .set = &p->set,
                       .chunk = (size_t)p->ctx->options->policy.o.batch,
                       .limits = p->limits,
                       .record = reference_record,
                       .user = p};
    madpo_status st = reference_order(&order, p, err);

    scan.order = order;
    if (st == MADPO_OK)
        st = madpo_scan_run(&scan, err);
    if (st == MADPO_OK)
        st = madpo_pairset_column(p->ref_chosen, &p->set, p->ctx, reference_file, "chosen",
                                  stage_name, err);
    if (st == MADPO_OK)
        st = madpo_pairset_column(p->ref_rejected, &p->set, p->ctx, reference_file, "rejected",
                                  stage_name, err);
    free(order);
    return st;
}

static madpo_status policy_objective(policy *p, madpo_error *err)
{
    const madpo_options *o = p->ctx->options;

    p->objective = madpo_objective_find(o->policy.objective);
    if (!p->objective)
        return madpo_error_set(err, MADPO_ERR_CONFIG, "policy.objective: unknown objective '%s'",
                               o->policy.objective);
    p->options = madpo_policy_objective_options(o, p->objective);
    madpo_run_message(p->ctx->run, "policy: %s: %s", p->objective->name, p->objective->formula);
    return madpo_policy_check(o, err);
}

static madpo_status policy_prepare(policy *p, madpo_error *err)
{
    const madpo_options *o = p->ctx->options;
    const madpo_examples *lists[] = {&p->set.all};
    madpo_stage_model_setup model = {.stage = stage_name, .from = MADPO_FROM_SFT, .train = true};
    madpo_status st = policy_objective(p, err);

    if (st == MADPO_OK)
        st = madpo_pairset_load(&p->set, p->ctx, stage_name, false, err);
    if (st == MADPO_OK)
        st = madpo_batches_limits(&p->limits, lists, 1, o->policy.o.batch, o->batch.tokens, err);
    if (st == MADPO_OK)
        st = policy_buffers(p, err);
    if (st == MADPO_OK)
        st = policy_margins(p, err);
    if (st == MADPO_OK)
        st = policy_scores(p, err);
    if (st != MADPO_OK)
        return st;
    madpo_run_message(p->ctx->run, "policy: %zu pairs to train on, %zu held out", p->set.train.n,
                      p->set.held_out.n);
    model.limits = p->limits;
    st = madpo_stage_open(&p->net, p->ctx, &model, err);
    return st == MADPO_OK ? policy_reference(p, err) : st;
}

/* ---- the stage ---- */

static madpo_status policy_train(policy *p, madpo_error *err)
{
    madpo_loop_task task = {.stage = stage_name,
                            .n_columns = POLICY_COLUMNS,
                            .user = p,
                            .units = policy_units,
                            .run = policy_run,
                            .report = policy_report,
                            .logged = policy_logged};
    madpo_loop_setup setup = {.ctx = p->ctx,
                              .options = &p->ctx->options->policy.o,
                              .task = &task,
                              .net = &p->net,
                              .train = &p->set.train,
                              .held_out = &p->set.held_out,
                              .limits = p->limits};
    madpo_loop_result result;
    madpo_status st = madpo_loop_run(&setup, &result, err);

    if (st == MADPO_OK)
        st = madpo_stage_save_model(p->ctx, &p->net, stage_name, err);
    if (st == MADPO_OK)
        madpo_run_message(p->ctx->run, "policy: done after %lld steps, held-out loss %.4f",
                          (long long)result.steps, result.eval_loss);
    return st;
}

madpo_status madpo_stage_policy(madpo_stage_context *ctx, madpo_error *err)
{
    policy p = {.ctx = ctx};
    madpo_status st = policy_prepare(&p, err);

    if (st == MADPO_OK)
        st = policy_train(&p, err);
    madpo_stage_model_dispose(&p.net);
    madpo_pairset_dispose(&p.set);
    free(p.h);
    free(p.ref_chosen);
    free(p.ref_rejected);
    free(p.logp);
    free(p.coef);
    free(p.sorted);
    return st;
}
