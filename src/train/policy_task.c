/* The objective as a task of the step loop. A row holds what is known of a pair; where the
 * objective plans whole steps, the plan lies in the pair's row between the forward pass that it was
 * made from and the training pass that follows it. */
#include "train/policy_task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "train/scan.h"
#include "train/stats.h"

static const char stage_name[] = "policy";

enum {
    POLICY_PAIR = MADPO_ROW_OWN, /* position in pairs.jsonl */
    POLICY_H,                    /* reward margin, NaN if the objective does without */
    POLICY_W,                    /* weight: the objective's, or the plan's */
    POLICY_M,                    /* policy margin */
    POLICY_CHOSEN,               /* summed log-probs of the policy … */
    POLICY_REJECTED,
    POLICY_N_CHOSEN, /* … over so many tokens */
    POLICY_N_REJECTED,
    POLICY_BETA,   /* of the pair's loss: planned */
    POLICY_OFFSET, /* likewise */
    POLICY_COLUMNS
};

/* ---- a pair ---- */

static int64_t policy_units(const madpo_example *example)
{
    (void)example;
    return 1;
}

static madpo_pair_logps policy_logps(const madpo_policy *p, const double *row)
{
    size_t pair = (size_t)row[POLICY_PAIR];
    const madpo_pair *texts = madpo_pairs_at(p->set.pairs, pair);

    return (madpo_pair_logps){.chosen = row[POLICY_CHOSEN],
                              .rejected = row[POLICY_REJECTED],
                              .ref_chosen = p->ref_chosen[pair],
                              .ref_rejected = p->ref_rejected[pair],
                              .h = p->h[pair],
                              .n_chosen = row[POLICY_N_CHOSEN],
                              .n_rejected = row[POLICY_N_REJECTED],
                              .score_chosen = texts->score_chosen,
                              .score_rejected = texts->score_rejected};
}

static void policy_coefficients(madpo_policy *p, const madpo_batch *batch, int64_t sequence,
                                double value)
{
    for (int64_t r = batch->seq_row[sequence]; r < batch->seq_row[sequence + 1]; r++)
        p->coef[r] = (float)value;
}

static double policy_tokens(const madpo_batch *batch, int64_t sequence)
{
    return (double)(batch->seq_row[sequence + 1] - batch->seq_row[sequence]);
}

/* What the forward pass says of pair i of the batch. */
static void policy_measure(const madpo_policy *p, const madpo_batch *batch, int64_t i, double *row)
{
    int64_t pair = batch->seq_id[2 * i];

    row[POLICY_PAIR] = (double)pair;
    row[POLICY_H] = p->h[pair];
    row[POLICY_CHOSEN] = madpo_scan_sum(batch, p->logp, 2 * i);
    row[POLICY_REJECTED] = madpo_scan_sum(batch, p->logp, 2 * i + 1);
    row[POLICY_N_CHOSEN] = policy_tokens(batch, 2 * i);
    row[POLICY_N_REJECTED] = policy_tokens(batch, 2 * i + 1);
}

/* Loss of pair i of the batch into its row, and scaled gradient coefficients of its log-prob rows.
 * Training follows the plan that is in the row, if there is one. */
static void policy_pair(madpo_policy *p, const madpo_batch *batch, int64_t i, double scale,
                        double *row)
{
    bool planned = scale > 0.0 && p->objective->plan;
    madpo_pair_plan plan = {
        .weight = row[POLICY_W], .beta = row[POLICY_BETA], .offset = row[POLICY_OFFSET]};
    madpo_pair_logps in = policy_logps(p, row);
    madpo_pair_loss loss;

    madpo_objective_pair(p->objective, &p->options, planned ? &plan : NULL, &in, &loss);
    row[MADPO_ROW_LOSS] = loss.loss;
    row[POLICY_W] = loss.weight;
    row[POLICY_M] = loss.m;
    if (!planned) {
        row[MADPO_ROW_UNITS] = 1.0;
        row[POLICY_BETA] = p->options.beta;
        row[POLICY_OFFSET] = 0.0;
    }
    policy_coefficients(p, batch, 2 * i, scale * loss.dchosen);
    policy_coefficients(p, batch, 2 * i + 1, scale * loss.drejected);
}

static madpo_status policy_backward(void *user, madpo_model *model, const madpo_batch *batch,
                                    double scale, double *rows, madpo_error *err)
{
    madpo_policy *p = user;

    for (int64_t i = 0; i < batch->n_seq / 2; i++)
        policy_pair(p, batch, i, scale, rows + i * POLICY_COLUMNS);
    return scale > 0.0 ? madpo_model_backward_logps(model, batch, p->coef, err) : MADPO_OK;
}

static madpo_status policy_run(void *user, madpo_model *model, const madpo_batch *batch,
                               double scale, double *rows, madpo_error *err)
{
    madpo_policy *p = user;
    madpo_status st = madpo_model_logps(model, batch, p->logp, NULL, err);

    if (st != MADPO_OK)
        return st;
    for (int64_t i = 0; i < batch->n_seq / 2; i++)
        policy_measure(p, batch, i, rows + i * POLICY_COLUMNS);
    return policy_backward(p, model, batch, scale, rows, err);
}

/* ---- a whole step ---- */

static madpo_status policy_plan(void *user, double *rows, size_t n, madpo_error *err)
{
    madpo_policy *p = user;

    (void)err;
    for (size_t i = 0; i < n; i++)
        p->logps[i] = policy_logps(p, rows + i * POLICY_COLUMNS);
    madpo_objective_plan(p->objective, &p->options, &p->state, p->logps, n, p->plans, &p->step);
    for (size_t i = 0; i < n; i++) {
        double *row = rows + i * POLICY_COLUMNS;

        row[POLICY_W] = p->plans[i].weight;
        row[POLICY_BETA] = p->plans[i].beta;
        row[POLICY_OFFSET] = p->plans[i].offset;
        row[MADPO_ROW_UNITS] = p->plans[i].weight > 0.0 ? 1.0 : 0.0; /* the mean is of those kept */
    }
    return MADPO_OK;
}

static json_t *policy_save(void *user)
{
    const madpo_policy *p = user;
    double numbers[MADPO_OBJECTIVE_STATE_N];
    json_t *array = json_array();

    madpo_objective_state_save(&p->state, numbers);
    for (size_t i = 0; array && i < MADPO_OBJECTIVE_STATE_N; i++)
        json_array_append_new(array, madpo_json_real(numbers[i]));
    return json_pack("{s:s,s:o}", "objective", p->objective->name, "numbers", array);
}

static madpo_status policy_load(void *user, const json_t *state, const char *where,
                                madpo_error *err)
{
    madpo_policy *p = user;
    const char *name = json_string_value(json_object_get(state, "objective"));
    const json_t *array = json_object_get(state, "numbers");
    double numbers[MADPO_OBJECTIVE_STATE_N];
    madpo_status st;

    if (!name || strcmp(name, p->objective->name) != 0 ||
        json_array_size(array) != MADPO_OBJECTIVE_STATE_N)
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: no state of the objective %s is in it",
                               where, p->objective->name);
    for (size_t i = 0; i < MADPO_OBJECTIVE_STATE_N; i++) {
        const json_t *value = json_array_get(array, i);

        numbers[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    st = madpo_objective_state_load(&p->state, numbers, err);
    if (st != MADPO_OK)
        madpo_error_context(err, "%s", where);
    return st;
}

/* ---- metrics ---- */

static double policy_mean(const double *rows, size_t n, size_t column)
{
    return madpo_loop_column_mean(rows, n, POLICY_COLUMNS, column);
}

/* The implicit reward beta a of an answer, as the objective sees a: log-ratio to the reference, or
 * log-prob where there is none; per token where it averages (TRL's trainers do the same). */
static double policy_reward(const madpo_policy *p, const double *rows, size_t n, size_t column,
                            size_t n_column, const double *reference)
{
    bool ratio = p->needs.reference && !p->objective->needs_lengths;
    double policy = 0.0, base = 0.0;

    for (size_t i = 0; i < n; i++) {
        const double *row = rows + i * POLICY_COLUMNS;
        double tokens = p->needs.lengths ? row[n_column] : 1.0;

        policy += row[column] / tokens;
        base += ratio ? reference[(size_t)row[POLICY_PAIR]] / tokens : 0.0;
    }
    return p->options.beta * (policy / (double)n - base / (double)n);
}

/* mean, p10, p50, p90 of a column as <name>/mean … Leaves the column sorted in p->sorted. */
static void policy_distribution(madpo_policy *p, const double *rows, size_t n, size_t column,
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

/* What was decided about the steps; an evaluation knows none. */
static void policy_report_plans(const madpo_policy *p, const double *rows, size_t n, json_t *fields)
{
    madpo_loop_metric(fields, "", "madpo/beta", policy_mean(rows, n, POLICY_BETA));
    madpo_loop_metric(fields, "", "madpo/kept", policy_mean(rows, n, MADPO_ROW_UNITS));
    madpo_loop_metric(fields, "", "madpo/offset", policy_mean(rows, n, POLICY_OFFSET));
    madpo_loop_metric(fields, "", "madpo/gap/center", p->step.center);
    madpo_loop_metric(fields, "", "madpo/gap/scale", p->step.scale);
}

static void policy_report(void *user, const double *rows, size_t n, const char *prefix,
                          json_t *fields)
{
    static const char *const weight_names[] = {"madpo/weight/mean", "madpo/weight/p10",
                                               "madpo/weight/p50", "madpo/weight/p90"};
    static const char *const margin_names[] = {"madpo/margin/mean", "madpo/margin/p10",
                                               "madpo/margin/p50", "madpo/margin/p90"};
    madpo_policy *p = user;
    size_t hits = 0;

    for (size_t i = 0; i < n; i++)
        hits += rows[i * POLICY_COLUMNS + POLICY_M] > 0.0;
    madpo_loop_metric(fields, prefix, "rewards/chosen",
                      policy_reward(p, rows, n, POLICY_CHOSEN, POLICY_N_CHOSEN, p->ref_chosen));
    madpo_loop_metric(
        fields, prefix, "rewards/rejected",
        policy_reward(p, rows, n, POLICY_REJECTED, POLICY_N_REJECTED, p->ref_rejected));
    madpo_loop_metric(fields, prefix, "rewards/margins",
                      p->options.beta * policy_mean(rows, n, POLICY_M));
    madpo_loop_metric(fields, prefix, "rewards/accuracies", (double)hits / (double)n);
    madpo_loop_metric(fields, prefix, "logps/chosen", policy_mean(rows, n, POLICY_CHOSEN));
    madpo_loop_metric(fields, prefix, "logps/rejected", policy_mean(rows, n, POLICY_REJECTED));
    policy_distribution(p, rows, n, POLICY_W, prefix, weight_names, fields);
    madpo_loop_metric(fields, prefix, "madpo/weight/ess", madpo_effective_share(p->sorted, n));
    if (n > 0 && !isnan(rows[POLICY_H]))
        policy_distribution(p, rows, n, POLICY_H, prefix, margin_names, fields);
    if (p->objective->plan && !*prefix)
        policy_report_plans(p, rows, n, fields);
}

/* The last step's pairs one by one, for viewers. */
static madpo_status policy_logged(void *user, int64_t step, const double *rows, size_t n,
                                  madpo_error *err)
{
    madpo_policy *p = user;
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

static madpo_status policy_begun(void *user, int64_t step, madpo_error *err)
{
    const madpo_policy *p = user;

    return madpo_token_log_begin(p->tokens, step, err);
}

static madpo_status policy_evaluated(void *user, int64_t step, madpo_error *err)
{
    const madpo_policy *p = user;

    return madpo_token_log_write(p->tokens, step, err);
}

static madpo_status policy_measured(void *user, int64_t step, json_t *fields, madpo_error *err)
{
    const madpo_policy *p = user;

    (void)step;
    return madpo_policy_kl_report(p->kl, fields, err);
}

/* ---- the whole ---- */

madpo_status madpo_policy_task_init(madpo_policy *p, madpo_error *err)
{
    const madpo_options *o = p->ctx->options;
    size_t n = p->set.n, n_rows = (size_t)p->limits.max_rows;
    size_t n_step = (size_t)o->policy.o.batch < n ? (size_t)o->policy.o.batch : n;
    size_t n_report = (size_t)madpo_loop_report_rows(p->ctx, &o->policy.o, p->set.train.n);

    p->logp = malloc(n_rows * sizeof *p->logp);
    p->coef = malloc(n_rows * sizeof *p->coef);
    p->sorted = malloc((n_report > n ? n_report : n + 1) * sizeof *p->sorted);
    p->logps = malloc((n_step + 1) * sizeof *p->logps);
    p->plans = malloc((n_step + 1) * sizeof *p->plans);
    if (!p->logp || !p->coef || !p->sorted || !p->logps || !p->plans)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "policy: out of host memory");
    return MADPO_OK;
}

void madpo_policy_task_dispose(madpo_policy *p)
{
    free(p->logp);
    free(p->coef);
    free(p->sorted);
    free(p->logps);
    free(p->plans);
}

madpo_loop_task madpo_policy_task(madpo_policy *policy)
{
    madpo_loop_task task = {.stage = stage_name,
                            .n_columns = POLICY_COLUMNS,
                            .user = policy,
                            .units = policy_units,
                            .run = policy_run,
                            .report = policy_report,
                            .logged = policy_logged,
                            .begun = policy_begun,
                            .measured = policy_measured,
                            .evaluated = policy_evaluated};

    if (policy->objective->plan) {
        task.plan = policy_plan;
        task.backward = policy_backward;
        task.save = policy_save;
        task.load = policy_load;
    }
    return task;
}
