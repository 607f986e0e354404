/* Stage policy: preference training from the SFT model with the configured objective. The
 * reference's log-probs are those of the same model before its first update, computed once, so
 * reference and policy are one set of weights in memory; an objective without a reference needs no
 * such pass. Results: reference.jsonl, tokens.jsonl, models/policy.
 *
 * The reference pass takes the pairs in the order, chunks and micro-batches of the first epoch. A
 * device whose matrix product depends on the number of rows then still gives the first training
 * step the very numbers stored, and its policy margins are exactly 0. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "train/batches.h"
#include "train/policy_options.h"
#include "train/policy_task.h"
#include "train/scan.h"

static const char stage_name[] = "policy";
static const char reference_file[] = "reference.jsonl";

/* ---- preparation ---- */

static madpo_status policy_buffers(madpo_policy *p, madpo_error *err)
{
    size_t n = p->set.n;

    p->h = malloc((n + 1) * sizeof *p->h);
    p->ref_chosen = malloc((n + 1) * sizeof *p->ref_chosen);
    p->ref_rejected = malloc((n + 1) * sizeof *p->ref_rejected);
    if (!p->h || !p->ref_chosen || !p->ref_rejected)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "policy: out of host memory");
    for (size_t i = 0; i < n; i++)
        p->h[i] = p->ref_chosen[i] = p->ref_rejected[i] = NAN;
    return madpo_policy_task_init(p, err);
}

/* Margins are needed by some objectives; for the others they are shown if they are there. */
static madpo_status policy_margins(madpo_policy *p, madpo_error *err)
{
    madpo_error ignored = MADPO_ERROR_INIT;
    bool needed = p->needs.margin;
    madpo_status st = madpo_pairset_column(p->h, &p->set, p->ctx, "margins.jsonl", "h", "margins",
                                           needed ? err : &ignored);

    if (st != MADPO_OK && needed)
        madpo_error_context(err, "objective %s needs the reward margin of every pair",
                            p->objective->name);
    if (st == MADPO_OK || needed)
        return st;
    for (size_t i = 0; i < p->set.n; i++)
        p->h[i] = NAN;
    return MADPO_OK;
}

static json_t *reference_record(void *user, size_t i, double chosen, double rejected)
{
    const madpo_policy *p = user;

    return json_pack("{s:I,s:I,s:o,s:o}", "id", (json_int_t)madpo_pairs_at(p->set.pairs, i)->id,
                     "pair", (json_int_t)i, "chosen", madpo_json_real(chosen), "rejected",
                     madpo_json_real(rejected));
}

/* Pairs in the first epoch's order, then the held-out ones (owned by the caller, free()). */
static madpo_status reference_order(int64_t **out, const madpo_policy *p, madpo_error *err)
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

/* The records of another run must be those of all our pairs. */
static madpo_status reference_check(const madpo_policy *p, const char *path, const char *text,
                                    size_t n, madpo_error *err)
{
    size_t n_lines = 0;

    for (size_t start = 0; start < n; n_lines++) {
        const char *end = memchr(text + start, '\n', n - start);
        size_t length = end ? (size_t)(end - text) - start : n - start;
        int64_t pair = -1, id = -1;
        json_t *record;
        madpo_status st =
            madpo_json_parse(&record, text + start, length, path, (int)n_lines + 1, err);

        if (st == MADPO_OK)
            st = madpo_json_get_int(&pair, record, "pair", path, err);
        if (st == MADPO_OK)
            st = madpo_json_get_int(&id, record, "id", path, err);
        json_decref(record);
        if (st != MADPO_OK)
            return st;
        if (pair < 0 || (size_t)pair >= p->set.n ||
            madpo_pairs_at(p->set.pairs, (size_t)pair)->id != id)
            return madpo_error_set_at(err, MADPO_ERR_MISMATCH, path, (int)n_lines + 1, 0,
                                      "pair %lld is none of this run's: policy.reference must come "
                                      "from a run on the same pairs",
                                      (long long)id);
        start += length + 1;
    }
    if (n_lines == p->set.n)
        return MADPO_OK;
    return madpo_error_set(
        err, MADPO_ERR_MISMATCH,
        "%s has %zu records for %zu pairs: policy.reference must come from a run "
        "on the same pairs that got beyond its reference pass",
        path, n_lines, p->set.n);
}

/* Begin with the records of another run, as if this one had been stopped behind its own pass. */
static madpo_status reference_take(const madpo_policy *p, madpo_error *err)
{
    const char *from = p->ctx->options->policy.reference;
    char *to = madpo_run_path(p->ctx->run, "%s", reference_file), *text = NULL;
    size_t n = 0;
    madpo_status st = MADPO_OK;

    if (!to)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "policy: out of host memory");
    if (*from && !madpo_file_exists(to)) {
        st = madpo_file_read(&text, &n, from, err);
        if (st == MADPO_OK)
            st = reference_check(p, from, text, n, err);
        if (st == MADPO_OK)
            st = madpo_file_write(to, text, n, err);
        if (st == MADPO_OK)
            madpo_run_message(p->ctx->run, "policy: reference log-probs taken from %s", from);
    }
    free(text);
    free(to);
    return st;
}

static madpo_status policy_reference(madpo_policy *p, madpo_error *err)
{
    int64_t *order = NULL;
    madpo_scan scan = {.ctx = p->ctx,
                       .stage = stage_name,
                       .what = "reference log-probs",
                       .file = reference_file,
                       .model = p->net.model,
                       .set = &p->set,
                       .n = p->set.n,
                       .chunk = (size_t)p->ctx->options->policy.o.batch,
                       .limits = p->limits,
                       .record = reference_record,
                       .user = p};
    madpo_status st = reference_take(p, err);

    if (st == MADPO_OK)
        st = reference_order(&order, p, err);
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

/* While the model is still the reference. */
static madpo_status policy_tokens(madpo_policy *p, madpo_error *err)
{
    madpo_token_log_setup setup = {.ctx = p->ctx,
                                   .set = &p->set,
                                   .model = p->net.model,
                                   .limits = p->limits,
                                   .reference = p->needs.reference,
                                   .ref_chosen = p->ref_chosen,
                                   .ref_rejected = p->ref_rejected};

    return madpo_token_log_new(&p->tokens, &setup, err);
}

static madpo_status policy_objective(madpo_policy *p, madpo_error *err)
{
    const madpo_options *o = p->ctx->options;

    p->objective = madpo_objective_find(o->policy.objective);
    if (!p->objective)
        return madpo_error_set(err, MADPO_ERR_CONFIG, "policy.objective: unknown objective '%s'",
                               o->policy.objective);
    p->options = madpo_policy_objective_options(o, p->objective);
    p->options.seed = madpo_stage_seed(p->ctx, "policy filter");
    p->needs = madpo_objective_needs_of(p->objective, &p->options);
    madpo_objective_state_init(&p->state, p->objective, &p->options);
    madpo_run_message(p->ctx->run, "policy: %s: %s", p->objective->name, p->objective->formula);
    return madpo_policy_check(o, err);
}

static madpo_status policy_prepare(madpo_policy *p, madpo_error *err)
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
    if (st == MADPO_OK && p->needs.scores)
        st = madpo_policy_scores_check(p->objective, p->set.pairs, err);
    if (st != MADPO_OK)
        return st;
    madpo_run_message(p->ctx->run, "policy: %zu pairs to train on, %zu held out", p->set.train.n,
                      p->set.held_out.n);
    model.limits = p->limits;
    st = madpo_stage_open(&p->net, p->ctx, &model, err);
    if (st == MADPO_OK && p->needs.reference)
        st = policy_reference(p, err);
    if (st == MADPO_OK && p->needs.reference)
        st = madpo_policy_kl_new(&p->kl, p->ctx, &p->net, &p->set, &p->limits, err);
    return st == MADPO_OK ? policy_tokens(p, err) : st;
}

/* ---- the stage ---- */

static madpo_status policy_train(madpo_policy *p, madpo_error *err)
{
    madpo_loop_task task = madpo_policy_task(p);
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
    madpo_policy p = {.ctx = ctx};
    madpo_status st = policy_prepare(&p, err);

    if (st == MADPO_OK)
        st = policy_train(&p, err);
    madpo_token_log_free(p.tokens);
    madpo_policy_kl_free(p.kl);
    madpo_stage_model_dispose(&p.net);
    madpo_pairset_dispose(&p.set);
    free(p.h);
    free(p.ref_chosen);
    free(p.ref_rejected);
    madpo_policy_task_dispose(&p);
    return st;
}
