/* Stage margins: h = reward(chosen) - reward(rejected) of every pair, training and held out,
 * computed once with the frozen reward model, or, where each given pair brings its own margin,
 * that; and what MADPO makes of it, c(h) and w(h). Result: margins.jsonl, one line per pair. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "objective/objective.h"
#include "train/batches.h"
#include "train/pairset.h"
#include "train/policy_options.h"
#include "train/scan.h"
#include "train/stage_model.h"
#include "train/stats.h"

static const char stage_name[] = "margins";
static const char margins_file[] = "margins.jsonl";

typedef struct margins {
    madpo_stage_context *ctx;
    madpo_pairset set;
    madpo_weight_options weight;
    madpo_batch_limits limits;
    madpo_stage_model net;
    int64_t *order; /* [n] 0, 1, 2, … */
} margins;

static json_t *margins_line(const margins *m, size_t i, double h)
{
    return json_pack("{s:I,s:I,s:o,s:o,s:o,s:s}", "id",
                     (json_int_t)madpo_pairs_at(m->set.pairs, i)->id, "pair", (json_int_t)i, "h",
                     madpo_json_real(h), "c", madpo_json_real(madpo_weight_c(&m->weight, h)), "w",
                     madpo_json_real(madpo_weight_w(&m->weight, h)), "split",
                     madpo_pairset_split(&m->set, i));
}

static json_t *margins_record(void *user, size_t i, double chosen, double rejected)
{
    return margins_line(user, i, chosen - rejected);
}

/* ---- margins that the pairs bring along ---- */

static bool margins_given(const margins *m)
{
    for (size_t i = 0; i < m->set.n; i++)
        if (!isfinite(madpo_pairs_at(m->set.pairs, i)->margin))
            return false;
    return m->ctx->given_pairs != NULL;
}

static madpo_status margins_copy(margins *m, madpo_error *err)
{
    madpo_records *records = NULL;
    int64_t n_lines;
    madpo_status closed,
        st = madpo_records_open(&records, m->ctx->run, margins_file, 0, &n_lines, err);

    if (st != MADPO_OK)
        return st;
    madpo_run_message(m->ctx->run, "margins: those of the given pairs");
    for (size_t i = 0; i < m->set.n && st == MADPO_OK; i++)
        st = madpo_records_append(records,
                                  margins_line(m, i, madpo_pairs_at(m->set.pairs, i)->margin), err);
    if (st == MADPO_OK)
        st = madpo_records_sync(records, err);
    closed = madpo_records_close(records, err);
    return st == MADPO_OK ? closed : st;
}

/* ---- margins of the reward model ---- */

static madpo_status margins_prepare(margins *m, madpo_error *err)
{
    const madpo_options *o = m->ctx->options;
    const madpo_examples *lists[] = {&m->set.all};
    madpo_stage_model_setup model = {
        .stage = stage_name, .from = MADPO_FROM_REWARD, .reward_head = true};
    madpo_status st =
        madpo_batches_limits(&m->limits, lists, 1, o->reward.o.batch, o->batch.tokens, err);
    if (st != MADPO_OK)
        return st;
    m->order = malloc((m->set.n + 1) * sizeof *m->order);
    if (!m->order)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "margins: out of host memory");
    for (size_t i = 0; i < m->set.n; i++)
        m->order[i] = (int64_t)i;
    model.limits = m->limits;
    return madpo_stage_open(&m->net, m->ctx, &model, err);
}

static madpo_status margins_compute(margins *m, madpo_error *err)
{
    madpo_status st = margins_prepare(m, err);
    madpo_scan scan = {.ctx = m->ctx,
                       .stage = stage_name,
                       .what = "reward margins",
                       .file = margins_file,
                       .rewards = true,
                       .set = &m->set,
                       .chunk = (size_t)m->ctx->options->reward.o.batch,
                       .record = margins_record,
                       .user = m};

    scan.model = m->net.model;
    scan.order = m->order;
    scan.limits = m->limits;
    return st == MADPO_OK ? madpo_scan_run(&scan, err) : st;
}

/* ---- summary ---- */

static json_t *quantiles_to_json(const double *sorted, size_t n)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "p5",
                     madpo_json_real(madpo_quantile(sorted, n, 0.05)), "p10",
                     madpo_json_real(madpo_quantile(sorted, n, 0.10)), "p25",
                     madpo_json_real(madpo_quantile(sorted, n, 0.25)), "p50",
                     madpo_json_real(madpo_quantile(sorted, n, 0.50)), "p75",
                     madpo_json_real(madpo_quantile(sorted, n, 0.75)), "p90",
                     madpo_json_real(madpo_quantile(sorted, n, 0.90)), "p95",
                     madpo_json_real(madpo_quantile(sorted, n, 0.95)));
}

static madpo_status margins_summary(margins *m, double *h, double *w, madpo_error *err)
{
    size_t n = m->set.n, n_negative = 0, n_capped = 0;
    double ess, mean_w;

    for (size_t i = 0; i < n; i++) {
        w[i] = madpo_weight_w(&m->weight, h[i]);
        n_negative += h[i] < 0.0;
        n_capped += h[i] <= -m->weight.tau;
    }
    ess = madpo_effective_share(w, n);
    mean_w = madpo_mean(w, n);
    madpo_sort(h, n);
    madpo_run_message(m->ctx->run, "margins: h of %zu pairs: 5 %% %.3f, median %.3f, 95 %% %.3f", n,
                      madpo_quantile(h, n, 0.05), madpo_quantile(h, n, 0.5),
                      madpo_quantile(h, n, 0.95));
    madpo_run_message(
        m->ctx->run,
        "margins: %.1f %% have h < 0 (the reward model contradicts the label), %.1f %% beyond "
        "-tau = %.3g; weights w: mean %.3f, effective sample size %.1f %%",
        100.0 * (double)n_negative / (double)n, 100.0 * (double)n_capped / (double)n,
        -m->weight.tau, mean_w, 100.0 * ess);
    return madpo_stage_event(
        m->ctx, "eval",
        json_pack("{s:s,s:s,s:s,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "stage", stage_name, "who",
                  "margins", "metric", "h", "n", (json_int_t)n, "mean",
                  madpo_json_real(madpo_mean(h, n)), "quantiles", quantiles_to_json(h, n),
                  "share_negative", madpo_json_real((double)n_negative / (double)n),
                  "share_beyond_tau", madpo_json_real((double)n_capped / (double)n), "mean_weight",
                  madpo_json_real(mean_w), "ess", madpo_json_real(ess)),
        err);
}

static madpo_status margins_tell(margins *m, madpo_error *err)
{
    double *h = malloc((2 * m->set.n + 1) * sizeof *h); /* h, then w */
    madpo_status st;

    if (!h)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "margins: out of host memory");
    st = madpo_pairset_column(h, &m->set, m->ctx, margins_file, "h", stage_name, err);
    if (st == MADPO_OK)
        st = margins_summary(m, h, h + m->set.n, err);
    free(h);
    return st;
}

madpo_status madpo_stage_margins(madpo_stage_context *ctx, madpo_error *err)
{
    margins m = {.ctx = ctx, .weight = madpo_policy_weight_options(ctx->options)};
    madpo_status st = madpo_pairset_load(&m.set, ctx, stage_name, true, err);

    if (st == MADPO_OK)
        st = madpo_weight_options_check(&m.weight, err);
    if (st == MADPO_OK && margins_given(&m))
        st = margins_copy(&m, err);
    else if (st == MADPO_OK)
        st = margins_compute(&m, err);
    if (st == MADPO_OK)
        st = margins_tell(&m, err);
    madpo_stage_model_dispose(&m.net);
    madpo_pairset_dispose(&m.set);
    free(m.order);
    return st;
}
