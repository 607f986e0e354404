/* Stage reward: a scalar reward model of the training pairs, by the Bradley-Terry loss, with a
 * fresh head, from the SFT model, the base, or random weights (reward.init). Early stopping by the
 * held-out loss. Result: models/reward, and how well it orders the held-out pairs: by their (noisy)
 * labels and by their true scores. With reward.folds or reward.ensemble several such models, one
 * after the other (train/reward_models.h); each goes on where it stopped, and those that are done
 * are left alone. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "objective/objective.h"
#include "train/batches.h"
#include "train/control.h"
#include "train/loop.h"
#include "train/reward_models.h"
#include "train/stats.h"

static const char stage_name[] = "reward";
static const double clear_difference = 1.0; /* of true scores, for the second figure */

enum { REWARD_CHOSEN = MADPO_ROW_OWN, REWARD_REJECTED, REWARD_COLUMNS };

typedef struct reward {
    madpo_stage_context *ctx;
    madpo_pairset set;
    madpo_batch_limits limits;
    float *value, *dvalue; /* [max sequences] */
    int32_t *fold;         /* [set.n] */

    /* of the model at hand */
    madpo_reward_model which;
    madpo_examples train; /* [<= set.train.n] a view, as those of the set */
    madpo_stage_model net;
} reward;

/* ---- the task ---- */

static int64_t reward_units(const madpo_example *example)
{
    (void)example;
    return 1;
}

static madpo_status reward_run(void *user, madpo_model *model, const madpo_batch *batch,
                               double scale, double *rows, madpo_error *err)
{
    reward *r = user;
    madpo_status st = madpo_model_rewards(model, batch, r->value, err);

    if (st != MADPO_OK)
        return st;
    for (int64_t i = 0; i < batch->n_seq / 2; i++) {
        double *row = rows + i * REWARD_COLUMNS;
        double chosen = (double)r->value[2 * i], rejected = (double)r->value[2 * i + 1];
        madpo_reward_loss loss =
            madpo_bradley_terry(chosen, rejected, 0.0, r->ctx->options->reward.center);

        row[MADPO_ROW_LOSS] = loss.loss;
        row[MADPO_ROW_UNITS] = 1.0;
        row[REWARD_CHOSEN] = chosen;
        row[REWARD_REJECTED] = rejected;
        r->dvalue[2 * i] = (float)(scale * loss.dchosen);
        r->dvalue[2 * i + 1] = (float)(scale * loss.drejected);
    }
    return scale > 0.0 ? madpo_model_backward_rewards(model, batch, r->dvalue, err) : MADPO_OK;
}

static void reward_report(void *user, const double *rows, size_t n, const char *prefix,
                          json_t *fields)
{
    double low = INFINITY, high = -INFINITY, sum = 0.0, margin = 0.0;
    size_t hits = 0;

    (void)user;
    for (size_t i = 0; i < n; i++) {
        double chosen = rows[i * REWARD_COLUMNS + REWARD_CHOSEN];
        double rejected = rows[i * REWARD_COLUMNS + REWARD_REJECTED];

        low = fmin(low, fmin(chosen, rejected));
        high = fmax(high, fmax(chosen, rejected));
        sum += chosen + rejected;
        margin += chosen - rejected;
        hits += chosen > rejected;
    }
    madpo_loop_metric(fields, prefix, "min_reward", low);
    madpo_loop_metric(fields, prefix, "mean_reward", sum / (2.0 * (double)n));
    madpo_loop_metric(fields, prefix, "max_reward", high);
    madpo_loop_metric(fields, prefix, "accuracy", (double)hits / (double)n);
    madpo_loop_metric(fields, prefix, "margin", margin / (double)n);
}

/* ---- training ---- */

static madpo_status reward_prepare(reward *r, madpo_error *err)
{
    const madpo_options *o = r->ctx->options;
    const madpo_examples *lists[] = {&r->set.all};
    madpo_status st = madpo_pairset_load(&r->set, r->ctx, stage_name, true, err);

    if (st == MADPO_OK)
        st = madpo_batches_limits(&r->limits, lists, 1, o->reward.o.batch, o->batch.tokens, err);
    if (st != MADPO_OK)
        return st;
    r->value = malloc((size_t)r->limits.max_sequences * sizeof *r->value);
    r->dvalue = malloc((size_t)r->limits.max_sequences * sizeof *r->dvalue);
    r->fold = malloc((r->set.n + 1) * sizeof *r->fold);
    r->train.v = malloc((r->set.train.n + 1) * sizeof *r->train.v);
    if (!r->value || !r->dvalue || !r->fold || !r->train.v)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "reward: out of host memory");
    return madpo_reward_models_folds(r->fold, &r->set, r->ctx, err);
}

/* The training pairs outside of the model's fold. */
static void reward_choose(reward *r)
{
    r->train.n = 0;
    for (size_t i = 0; i < r->set.train.n; i++)
        if (r->which.fold < 0 || r->fold[r->set.train.v[i].id] != r->which.fold)
            r->train.v[r->train.n++] = r->set.train.v[i];
}

static madpo_status reward_open(reward *r, madpo_error *err)
{
    madpo_stage_model_setup model = {.stage = stage_name,
                                     .name = r->which.only ? NULL : r->which.name,
                                     .from = madpo_stage_reward_from(r->ctx->options),
                                     .train = true,
                                     .reward_head = true,
                                     .limits = r->limits};

    reward_choose(r);
    madpo_run_message(r->ctx->run, "%s: %zu pairs to train on, %zu held out", r->which.name,
                      r->train.n, r->set.held_out.n);
    return madpo_stage_open(&r->net, r->ctx, &model, err);
}

static madpo_status reward_train(reward *r, madpo_loop_result *result, madpo_error *err)
{
    madpo_loop_task task = {.stage = stage_name,
                            .name = r->which.only ? NULL : r->which.name,
                            .n_columns = REWARD_COLUMNS,
                            .user = r,
                            .units = reward_units,
                            .run = reward_run,
                            .report = reward_report};
    madpo_loop_setup setup = {.ctx = r->ctx,
                              .options = &r->ctx->options->reward.o,
                              .task = &task,
                              .net = &r->net,
                              .train = &r->train,
                              .held_out = &r->set.held_out,
                              .limits = r->limits};
    madpo_status st = madpo_loop_run(&setup, result, err);

    return st == MADPO_OK ? madpo_stage_save_model(r->ctx, &r->net, r->which.name, err) : st;
}

/* ---- how good it is on held-out pairs ---- */

typedef struct reward_test {
    reward *r;
    double *rows; /* [held out, REWARD_COLUMNS] */
} reward_test;

static madpo_status reward_test_batch(void *user, const madpo_batch *batch, size_t first,
                                      madpo_error *err)
{
    reward_test *test = user;

    return reward_run(test->r, test->r->net.model, batch, 0.0, test->rows + first * REWARD_COLUMNS,
                      err);
}

/* Rewards of all held-out pairs. */
static madpo_status reward_test_rows(reward *r, double *rows, madpo_error *err)
{
    size_t n = r->set.held_out.n;
    reward_test test = {.r = r, .rows = rows};
    int64_t *order = malloc((n + 1) * sizeof *order);
    madpo_batches batches = {0};
    madpo_status st;

    if (!order)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "reward: out of host memory");
    for (size_t i = 0; i < n; i++)
        order[i] = (int64_t)i;
    st = madpo_batches_init(&batches, &r->limits, n, err);
    if (st == MADPO_OK)
        st =
            madpo_batches_each(&batches, &r->set.held_out, order, n, reward_test_batch, &test, err);
    madpo_batches_dispose(&batches);
    free(order);
    return st;
}

/* Share of pairs put into the order of their true scores, among those that differ by at least
 * `least`. */
static madpo_share reward_true_order(const reward *r, const double *rows, double least)
{
    size_t hits = 0, n = 0;

    for (size_t i = 0; i < r->set.held_out.n; i++) {
        const madpo_pair *pair = madpo_pairs_at(r->set.pairs, (size_t)r->set.held_out.v[i].id);
        const double *row = rows + i * REWARD_COLUMNS;
        double difference = pair->score_chosen - pair->score_rejected; /* NaN where unknown */
        double margin = row[REWARD_CHOSEN] - row[REWARD_REJECTED];

        if (!(fabs(difference) >= least) || difference == 0.0)
            continue;
        n++;
        hits += margin * difference > 0.0;
    }
    return madpo_share_of(hits, n);
}

static json_t *share_to_json(madpo_share share)
{
    return json_pack("{s:I,s:o,s:o}", "n", (json_int_t)share.n, "mean",
                     madpo_json_real(share.share), "ci95",
                     madpo_stage_interval(share.low, share.high));
}

static void tell_share(reward *r, const char *what, madpo_share share)
{
    if (share.n > 0)
        madpo_run_message(r->ctx->run, "%s: %s: %.1f %% [%.1f, %.1f] of %zu pairs", r->which.name,
                          what, 100.0 * share.share, 100.0 * share.low, 100.0 * share.high,
                          share.n);
}

static madpo_status reward_tell(reward *r, const double *rows, madpo_error *err)
{
    size_t n = r->set.held_out.n, hits = 0;
    double loss = madpo_loop_column_mean(rows, n, REWARD_COLUMNS, MADPO_ROW_LOSS);
    madpo_share labels, all = reward_true_order(r, rows, 0.0);
    madpo_share clear = reward_true_order(r, rows, clear_difference);

    for (size_t i = 0; i < n; i++)
        hits +=
            rows[i * REWARD_COLUMNS + REWARD_CHOSEN] > rows[i * REWARD_COLUMNS + REWARD_REJECTED];
    labels = madpo_share_of(hits, n);
    madpo_run_message(r->ctx->run, "%s: held-out loss %.4f (a coin: %.4f)", r->which.name, loss,
                      log(2.0));
    tell_share(r, "held-out pairs in the order of their labels", labels);
    tell_share(r, "held-out pairs in the order of their true scores, all", all);
    tell_share(r, "… those whose true scores differ by at least 1", clear);
    return madpo_stage_event(r->ctx, "eval",
                             json_pack("{s:s,s:s,s:s,s:I,s:o,s:o,s:o,s:o,s:o,s:f}", "stage",
                                       stage_name, "who", r->which.name, "metric", "accuracy", "n",
                                       (json_int_t)n, "mean", madpo_json_real(labels.share), "ci95",
                                       madpo_stage_interval(labels.low, labels.high), "loss",
                                       madpo_json_real(loss), "true_order", share_to_json(all),
                                       "true_order_clear", share_to_json(clear), "clear_difference",
                                       clear_difference),
                             err);
}

static madpo_status reward_judge(reward *r, madpo_error *err)
{
    double *rows;
    madpo_status st;

    if (r->set.held_out.n == 0) {
        madpo_run_message(r->ctx->run, "%s: no held-out pairs, so its accuracy is not known",
                          r->which.name);
        return MADPO_OK;
    }
    rows = calloc(r->set.held_out.n * REWARD_COLUMNS, sizeof *rows);
    if (!rows)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "reward: out of host memory");
    st = reward_test_rows(r, rows, err);
    if (st == MADPO_OK)
        st = reward_tell(r, rows, err);
    free(rows);
    return st;
}

/* ---- the stage ---- */

static madpo_status reward_model(reward *r, madpo_error *err)
{
    madpo_loop_result result;
    madpo_status st;

    if (!r->which.only && madpo_run_stage_done(r->ctx->run, r->which.name)) {
        madpo_run_message(r->ctx->run, "%s: done before", r->which.name);
        return MADPO_OK;
    }
    st = reward_open(r, err);
    if (st == MADPO_OK)
        st = reward_train(r, &result, err);
    if (st == MADPO_OK)
        st = reward_judge(r, err);
    madpo_stage_model_dispose(&r->net);
    if (st == MADPO_OK && !r->which.only)
        st = madpo_run_set_stage_done(r->ctx->run, r->which.name, err);
    return st;
}

madpo_status madpo_stage_reward(madpo_stage_context *ctx, madpo_error *err)
{
    reward r = {.ctx = ctx};
    size_t n = madpo_reward_models_count(ctx->options);
    madpo_status st = reward_prepare(&r, err);

    for (size_t i = 0; i < n && st == MADPO_OK; i++) {
        r.which = madpo_reward_models_at(ctx->options, i);
        if (i > 0)
            st = madpo_control_between(ctx, stage_name, (int64_t)i, (int64_t)n, "model", err);
        if (st == MADPO_OK)
            st = reward_model(&r, err);
    }
    madpo_pairset_dispose(&r.set);
    free(r.train.v);
    free(r.fold);
    free(r.value);
    free(r.dvalue);
    return st;
}
