/* Stage margins: h = reward(chosen) - reward(rejected) of every pair, training and held out,
 * computed once with the frozen reward model; how good it is (train/margins_report.h); and what
 * MADPO makes of it, c(h) and w(h). Result: margins.jsonl, one line per pair.
 *
 * With one reward model its margins go to that file as they come. Otherwise each model's go to a
 * file of its own, margins-<model>.jsonl, for the pairs that are its business: those of the fold
 * that it was not trained on, and the held-out ones. h is then the mean of what there is for a
 * pair; with reward.calibrate it is divided by the temperature that fits the held-out labels.
 * Margins from outside (train/margins_given.h) take the models' place. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "objective/objective.h"
#include "train/batches.h"
#include "train/margins_given.h"
#include "train/margins_report.h"
#include "train/policy_options.h"
#include "train/reward_models.h"
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
    bool given;       /* from outside */
    size_t n_models;  /* 0 if given */
    bool direct;      /* the one model's, as they come */
    int32_t *fold;    /* [n] */
    int64_t *order;   /* [n] pairs of the model at hand */
    double *h;        /* [n] */
    double *spread;   /* [n] */
    double *of_model; /* [n_models, n] NaN where a pair is not the model's business */
    madpo_temperature temperature;
    double divisor; /* of the margins: 1 unless calibrated */
} margins;

/* ---- one model ---- */

static json_t *margins_record(void *user, size_t i, double chosen, double rejected)
{
    const margins *m = user;
    double h = chosen - rejected;

    return json_pack("{s:I,s:I,s:o,s:o,s:o,s:s}", "id",
                     (json_int_t)madpo_pairs_at(m->set.pairs, i)->id, "pair", (json_int_t)i, "h",
                     madpo_json_real(h), "c", madpo_json_real(madpo_weight_c(&m->weight, h)), "w",
                     madpo_json_real(madpo_weight_w(&m->weight, h)), "split",
                     madpo_pairset_split(&m->set, i));
}

/* Of one of several models. */
static json_t *margins_part(void *user, size_t i, double chosen, double rejected)
{
    const margins *m = user;

    return json_pack("{s:I,s:I,s:o}", "id", (json_int_t)madpo_pairs_at(m->set.pairs, i)->id, "pair",
                     (json_int_t)i, "h", madpo_json_real(chosen - rejected));
}

static size_t margins_order(margins *m, const madpo_reward_model *which)
{
    size_t n = 0;

    for (size_t i = 0; i < m->set.n; i++)
        if (which->fold < 0 || m->fold[i] < 0 || m->fold[i] == which->fold)
            m->order[n++] = (int64_t)i;
    return n;
}

static madpo_status margins_scan(margins *m, const madpo_reward_model *which, const char *file,
                                 madpo_error *err)
{
    madpo_stage_model_setup model = {.stage = stage_name,
                                     .name = which->only ? NULL : which->name,
                                     .from = MADPO_FROM_REWARD,
                                     .reward_head = true,
                                     .limits = m->limits};
    madpo_stage_model net = {0};
    madpo_scan scan = {.ctx = m->ctx,
                       .stage = stage_name,
                       .what = "reward margins",
                       .file = file,
                       .rewards = true,
                       .set = &m->set,
                       .order = m->order,
                       .n = margins_order(m, which),
                       .chunk = (size_t)m->ctx->options->reward.o.batch,
                       .limits = m->limits,
                       .record = m->direct ? margins_record : margins_part,
                       .user = m};
    madpo_status st = madpo_stage_open(&net, m->ctx, &model, err);

    scan.model = net.model;
    if (st == MADPO_OK)
        st = madpo_scan_run(&scan, err);
    madpo_stage_model_dispose(&net);
    return st;
}

/* ---- several models, or one whose margins are not the last word ---- */

static madpo_status margins_of_model(margins *m, size_t k, madpo_error *err)
{
    madpo_reward_model which = madpo_reward_models_at(m->ctx->options, k);
    double *h = m->of_model + k * m->set.n;
    size_t n = margins_order(m, &which), n_there;
    char file[96];
    madpo_status st;

    snprintf(file, sizeof file, "margins-%s.jsonl", which.name);
    st = madpo_pairset_column_some(h, &n_there, &m->set, m->ctx, file, "h", err);
    if (st != MADPO_OK || n_there == n) /* done before: no need to load the model */
        return st;
    if (m->n_models > 1)
        madpo_run_message(m->ctx->run, "margins: of %zu pairs by %s", n, which.name);
    st = margins_scan(m, &which, file, err);
    if (st == MADPO_OK)
        st = madpo_pairset_column_some(h, &n_there, &m->set, m->ctx, file, "h", err);
    if (st == MADPO_OK && n_there != n)
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "%s/%s has margins of %zu pairs, not of %zu: remove it",
                             madpo_run_dir(m->ctx->run), file, n_there, n);
    return st;
}

/* Mean and spread of what the models say of each pair. */
static void margins_combine(margins *m, double *said)
{
    for (size_t i = 0; i < m->set.n; i++) {
        size_t k = 0;

        for (size_t j = 0; j < m->n_models; j++)
            if (!isnan(m->of_model[j * m->set.n + i]))
                said[k++] = m->of_model[j * m->set.n + i];
        madpo_ensemble(&m->h[i], &m->spread[i], said, k, 1);
    }
}

static madpo_status margins_of_models(margins *m, madpo_error *err)
{
    double *said;
    madpo_status st = MADPO_OK;

    m->of_model = malloc((m->n_models * m->set.n + 1) * sizeof *m->of_model);
    said = malloc((m->n_models + 1) * sizeof *said);
    if (!m->of_model || !said)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "margins: out of host memory");
    for (size_t k = 0; k < m->n_models && st == MADPO_OK; k++)
        st = margins_of_model(m, k, err);
    if (st == MADPO_OK)
        margins_combine(m, said);
    free(said);
    return st;
}

/* ---- all margins ---- */

static madpo_status margins_prepare(margins *m, madpo_error *err)
{
    const madpo_options *o = m->ctx->options;
    const madpo_examples *lists[] = {&m->set.all};
    madpo_status st = madpo_pairset_load(&m->set, m->ctx, stage_name, true, err);
    size_t n = m->set.n;

    m->weight = madpo_policy_weight_options(o);
    if (st == MADPO_OK)
        st = madpo_weight_options_check(&m->weight, err);
    if (st == MADPO_OK)
        st = madpo_batches_limits(&m->limits, lists, 1, o->reward.o.batch, o->batch.tokens, err);
    if (st != MADPO_OK)
        return st;
    m->given = madpo_margins_are_given(m->ctx, m->set.pairs);
    m->n_models = m->given ? 0 : madpo_reward_models_count(o);
    m->direct = m->n_models == 1 && !o->reward.calibrate;
    m->divisor = 1.0;
    m->fold = malloc((n + 1) * sizeof *m->fold);
    m->order = malloc((n + 1) * sizeof *m->order);
    m->h = malloc((n + 1) * sizeof *m->h);
    m->spread = malloc((n + 1) * sizeof *m->spread);
    if (!m->fold || !m->order || !m->h || !m->spread)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "margins: out of host memory");
    for (size_t i = 0; i < n; i++)
        m->spread[i] = NAN;
    return m->given ? MADPO_OK : madpo_reward_models_folds(m->fold, &m->set, m->ctx, err);
}

static madpo_status margins_compute(margins *m, madpo_error *err)
{
    madpo_reward_model which = madpo_reward_models_at(m->ctx->options, 0);
    madpo_status st;

    if (m->given) {
        st = madpo_margins_given(m->h, m->ctx, m->set.pairs, err);
        if (st == MADPO_OK)
            madpo_run_message(
                m->ctx->run, "margins: %zu taken from %s, not from a reward model", m->set.n,
                *m->ctx->options->data.margins ? m->ctx->options->data.margins : "the pairs");
        return st;
    }
    if (!m->direct)
        return margins_of_models(m, err);
    st = margins_scan(m, &which, margins_file, err);
    if (st != MADPO_OK)
        return st;
    return madpo_pairset_column(m->h, &m->set, m->ctx, margins_file, "h", stage_name, err);
}

/* The temperature of the held-out pairs, and with reward.calibrate the margins divided by it. */
static madpo_status margins_calibrate(margins *m, madpo_error *err)
{
    double *h = malloc((m->set.held_out.n + 1) * sizeof *h);

    if (!h)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "margins: out of host memory");
    for (size_t i = 0; i < m->set.held_out.n; i++)
        h[i] = m->h[m->set.held_out.v[i].id];
    m->temperature = madpo_temperature_fit(h, m->set.held_out.n);
    free(h);
    if (!m->ctx->options->reward.calibrate)
        return MADPO_OK;
    if (m->set.held_out.n == 0)
        return madpo_error_set(
            err, MADPO_ERR_DATA,
            "reward.calibrate needs held-out pairs to fit the temperature to, and "
            "there are none: raise data.eval_fraction, or set it to false");
    if (m->temperature.at_bound)
        return MADPO_OK;
    m->divisor = m->temperature.t;
    for (size_t i = 0; i < m->set.n; i++) {
        m->h[i] /= m->divisor;
        m->spread[i] /= m->divisor;
    }
    return MADPO_OK;
}

static json_t *margins_line(margins *m, size_t i)
{
    json_t *line = margins_record(m, i, m->h[i], 0.0);

    if (line && m->n_models > 1)
        json_object_set_new(line, "spread", madpo_json_real(m->spread[i]));
    if (line && !m->given && m->fold[i] >= 0)
        json_object_set_new(line, "fold", json_integer(m->fold[i] + 1));
    return line;
}

/* margins.jsonl, where the margins have not come to be there by themselves. */
static madpo_status margins_write(margins *m, madpo_error *err)
{
    madpo_records *records = NULL;
    int64_t n_lines;
    madpo_status closed, st;

    if (m->direct)
        return MADPO_OK;
    st = madpo_records_open(&records, m->ctx->run, margins_file, 0, &n_lines, err);
    if (st != MADPO_OK)
        return st;
    for (size_t i = 0; i < m->set.n && st == MADPO_OK; i++)
        st = madpo_records_append(records, margins_line(m, i), err);
    if (st == MADPO_OK)
        st = madpo_records_sync(records, err);
    closed = madpo_records_close(records, err);
    return st == MADPO_OK ? closed : st;
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

static madpo_status margins_report(margins *m, madpo_error *err)
{
    bool folds = !m->given && m->ctx->options->reward.folds > 1;
    madpo_margins_report report = {.ctx = m->ctx,
                                   .set = &m->set,
                                   .h = m->h,
                                   .spread = m->n_models > 1 ? m->spread : NULL,
                                   .training = m->given ? ""
                                               : folds  ? " (by models that did not see them)"
                                                        : " (which the reward model has seen)",
                                   .seen = !m->given && !folds,
                                   .temperature = m->temperature,
                                   .calibrated = m->divisor != 1.0};

    return madpo_margins_report_tell(&report, err);
}

static madpo_status margins_tell(margins *m, madpo_error *err)
{
    double *w = malloc((m->set.n + 1) * sizeof *w);
    madpo_status st;

    if (!w)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "margins: out of host memory");
    st = margins_report(m, err);
    if (st == MADPO_OK)
        st = margins_summary(m, m->h, w, err); /* sorts the margins */
    free(w);
    return st;
}

madpo_status madpo_stage_margins(madpo_stage_context *ctx, madpo_error *err)
{
    margins m = {.ctx = ctx};
    madpo_status st = margins_prepare(&m, err);

    if (st == MADPO_OK)
        st = margins_compute(&m, err);
    if (st == MADPO_OK)
        st = margins_calibrate(&m, err);
    if (st == MADPO_OK)
        st = margins_write(&m, err);
    if (st == MADPO_OK)
        st = margins_tell(&m, err);
    madpo_pairset_dispose(&m.set);
    free(m.fold);
    free(m.order);
    free(m.h);
    free(m.spread);
    free(m.of_model);
    return st;
}
