/* KL of the policy to its reference on held-out pairs; see policy_kl.h. */
#include "train/policy_kl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ops/head_kl.h"
#include "train/batches.h"
#include "train/loop.h"

struct madpo_policy_kl {
    madpo_model *model;             /* borrowed */
    const madpo_examples *examples; /* the held-out ones, borrowed */
    size_t n;                       /* the first so many of them */
    int64_t *order;                 /* [n] 0, 1, 2, … */
    madpo_batches batches;
    int64_t C, V, n_rows;        /* n_rows: answer tokens of all n pairs */
    float *reference;            /* [n_rows,C] its hidden states */
    float *kl;                   /* [n_rows] of the last measurement */
    int64_t done;                /* rows of this pass so far */
    bool measuring;              /* else the reference is being kept */
    double sum[2];               /* of chosen and rejected answers' tokens … */
    int64_t tokens[2];           /* … of which there are so many */
    madpo_tensor p_rows, q_rows; /* [n_rows,C] of a micro-batch, device */
    madpo_tensor out;            /* [n_rows] */
    madpo_tensor head;           /* [V,C] the reference's, owned; none where the head is frozen */
};

void madpo_policy_kl_free(madpo_policy_kl *kl)
{
    if (!kl)
        return;
    madpo_batches_dispose(&kl->batches);
    madpo_buffer_free(kl->p_rows.buffer);
    madpo_buffer_free(kl->q_rows.buffer);
    madpo_buffer_free(kl->out.buffer);
    madpo_buffer_free(kl->head.buffer);
    free(kl->order);
    free(kl->reference);
    free(kl->kl);
    free(kl);
}

/* ---- a pass ---- */

static madpo_status kl_rows(madpo_policy_kl *kl, int64_t R, madpo_error *err)
{
    const madpo_tensor own = madpo_model_head(kl->model);
    const madpo_head_kl_dims dims = {.C = kl->C, .V = kl->V, .R = R};
    const madpo_head_kl_io io = {.p_rows = kl->p_rows,
                                 .q_rows = kl->q_rows,
                                 .P = own,
                                 .Q = madpo_tensor_is_none(kl->head) ? own : kl->head,
                                 .kl = kl->out};

    return madpo_head_kl(madpo_model_get_device(kl->model), &io, &dims, err);
}

static madpo_status kl_measure(madpo_policy_kl *kl, const madpo_batch *batch, madpo_error *err)
{
    madpo_device *dev = madpo_model_get_device(kl->model);
    madpo_status st = madpo_tensor_write(dev, kl->q_rows, kl->reference + kl->done * kl->C,
                                         batch->R * kl->C, err);

    if (st == MADPO_OK)
        st = kl_rows(kl, batch->R, err);
    if (st == MADPO_OK)
        st = madpo_tensor_read(dev, kl->out, kl->kl, batch->R, err);
    for (int64_t i = 0; i < batch->R && st == MADPO_OK; i++) {
        const int answer = batch->row_seq[i] % 2;

        kl->sum[answer] += (double)kl->kl[i];
        kl->tokens[answer]++;
    }
    return st;
}

static madpo_status kl_micro_batch(void *user, const madpo_batch *batch, size_t first,
                                   madpo_error *err)
{
    madpo_policy_kl *kl = user;
    madpo_status st = madpo_model_rows(kl->model, batch, kl->p_rows, err);

    (void)first;
    if (st == MADPO_OK && kl->measuring)
        st = kl_measure(kl, batch, err);
    else if (st == MADPO_OK)
        st = madpo_tensor_read(madpo_model_get_device(kl->model), kl->p_rows,
                               kl->reference + kl->done * kl->C, batch->R * kl->C, err);
    kl->done += batch->R;
    return st;
}

static madpo_status kl_pass(madpo_policy_kl *kl, bool measuring, madpo_error *err)
{
    kl->measuring = measuring;
    kl->done = 0;
    madpo_model_set_pass(kl->model, false, 0, 0);
    return madpo_batches_each(&kl->batches, kl->examples, kl->order, kl->n, kl_micro_batch, kl,
                              err);
}

madpo_status madpo_policy_kl_report(madpo_policy_kl *kl, json_t *fields, madpo_error *err)
{
    madpo_status st;

    if (!kl)
        return MADPO_OK;
    for (int i = 0; i < 2; i++) {
        kl->sum[i] = 0.0;
        kl->tokens[i] = 0;
    }
    st = kl_pass(kl, true, err);
    if (st != MADPO_OK)
        return st;
    madpo_loop_metric(fields, "eval_", "kl",
                      (kl->sum[0] + kl->sum[1]) / (double)(kl->tokens[0] + kl->tokens[1]));
    madpo_loop_metric(fields, "eval_", "kl/chosen", kl->sum[0] / (double)kl->tokens[0]);
    madpo_loop_metric(fields, "eval_", "kl/rejected", kl->sum[1] / (double)kl->tokens[1]);
    return MADPO_OK;
}

/* ---- set-up ---- */

/* Answer tokens of the first n examples: rows of the batches. */
static int64_t answer_tokens(const madpo_examples *examples, size_t n)
{
    int64_t tokens = 0;

    for (size_t i = 0; i < n; i++)
        for (int b = 0; b < examples->v[i].n_branches; b++)
            tokens += examples->v[i].n_branch[b];
    return tokens;
}

uint64_t madpo_policy_kl_bytes(const madpo_model_config *config, int64_t rows, bool copy_head)
{
    const int64_t head = copy_head ? config->V * config->C : 0;

    return sizeof(float) * (uint64_t)(rows * (2 * config->C + 1) + head);
}

/* Is there room for `bytes`, beside the optimiser that is still to come? */
static bool kl_fits(madpo_stage_context *ctx, const madpo_stage_model *net, uint64_t bytes)
{
    const uint64_t limit = madpo_device_get_limit(ctx->dev);
    const uint64_t held = madpo_device_get_stats(ctx->dev).bytes;
    const uint64_t optimiser = 2 * sizeof(float) * (uint64_t)madpo_model_weights(net->model).n;

    return limit == 0 || held + optimiser + bytes <= limit;
}

static madpo_status kl_device(madpo_policy_kl *kl, madpo_stage_context *ctx,
                              const madpo_batch_limits *limits, bool copy_head, madpo_error *err)
{
    const madpo_tensor own = madpo_model_head(kl->model);
    const int64_t R = kl->n_rows < limits->max_rows ? kl->n_rows : limits->max_rows;
    const madpo_head_kl_dims dims = {
        .C = kl->C, .V = kl->V, .R = R, .P_dtype = own.dtype, .Q_dtype = own.dtype};
    madpo_status st =
        madpo_workspace_reserve(ctx->dev, madpo_head_kl_workspace(ctx->dev, &dims), err);

    if (st == MADPO_OK)
        st = madpo_tensor_new(&kl->p_rows, ctx->dev, R * kl->C, MADPO_DTYPE_F32, "KL", err);
    if (st == MADPO_OK)
        st = madpo_tensor_new(&kl->q_rows, ctx->dev, R * kl->C, MADPO_DTYPE_F32, "KL", err);
    if (st == MADPO_OK)
        st = madpo_tensor_new(&kl->out, ctx->dev, R, MADPO_DTYPE_F32, "KL", err);
    if (st != MADPO_OK || !copy_head)
        return st;
    st = madpo_tensor_new(&kl->head, ctx->dev, kl->V * kl->C, own.dtype, "head of the reference",
                          err);
    return st == MADPO_OK ? madpo_tensor_copy(ctx->dev, kl->head, own, own.n, err) : st;
}

static madpo_status kl_host(madpo_policy_kl *kl, const madpo_batch_limits *limits, madpo_error *err)
{
    kl->order = malloc(kl->n * sizeof *kl->order);
    kl->reference = malloc((size_t)(kl->n_rows * kl->C) * sizeof *kl->reference);
    kl->kl = malloc((size_t)kl->n_rows * sizeof *kl->kl);
    if (!kl->order || !kl->reference || !kl->kl)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "policy: out of host memory");
    for (size_t i = 0; i < kl->n; i++)
        kl->order[i] = (int64_t)i;
    return madpo_batches_init(&kl->batches, limits, kl->n, err);
}

madpo_status madpo_policy_kl_new(madpo_policy_kl **out, madpo_stage_context *ctx,
                                 const madpo_stage_model *net, const madpo_pairset *set,
                                 const madpo_batch_limits *limits, madpo_error *err)
{
    const madpo_model_config *config = madpo_model_get_config(net->model);
    const size_t wanted = (size_t)ctx->options->policy.kl_pairs;
    const size_t n = wanted < set->held_out.n ? wanted : set->held_out.n;
    const int64_t rows = answer_tokens(&set->held_out, n);
    const int64_t R = rows < limits->max_rows ? rows : limits->max_rows;
    const bool copy_head = net->n_adapters == 0; /* whole models train their heads */
    const uint64_t bytes = madpo_policy_kl_bytes(config, R, copy_head);
    madpo_policy_kl *kl;
    madpo_status st;

    *out = NULL;
    if (rows == 0)
        return MADPO_OK;
    if (!kl_fits(ctx, net, bytes)) {
        madpo_run_message(ctx->run,
                          "policy: no KL to the reference: %.1f MB more of device memory needed "
                          "(policy.kl_pairs)",
                          (double)bytes / 1e6);
        return MADPO_OK;
    }
    kl = calloc(1, sizeof *kl);
    if (!kl)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "policy: out of host memory");
    kl->model = net->model;
    kl->examples = &set->held_out;
    kl->n = n;
    kl->n_rows = rows;
    kl->C = config->C;
    kl->V = config->V;
    st = kl_host(kl, limits, err);
    if (st == MADPO_OK)
        st = kl_device(kl, ctx, limits, copy_head, err);
    if (st == MADPO_OK)
        st = kl_pass(kl, false, err);
    if (st == MADPO_OK)
        st = kl_rows(kl, R, err); /* builds its programs now and not in the midst of training */
    if (st == MADPO_OK)
        *out = kl;
    else
        madpo_policy_kl_free(kl);
    return st;
}
