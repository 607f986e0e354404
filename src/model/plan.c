/* The memory plan: every tensor of every slab, before anything is allocated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/internal.h"
#include "ops/bias.h"
#include "ops/grad_norm.h"
#include "ops/head.h"
#include "ops/layernorm.h"
#include "ops/matmul.h"
#include "ops/rmsnorm.h"

#define LOGITS_MOST_BYTES (256u << 20)

/* A slab being planned: the first failure sticks. */
typedef struct planner {
    madpo_slab *slab;
    madpo_error *err;
    madpo_status st;
} planner;

static void plan_f32(planner *p, madpo_tensor *slot, int64_t n)
{
    if (p->st == MADPO_OK)
        p->st = madpo_slab_plan(p->slab, slot, n, MADPO_DTYPE_F32, p->err);
}

static void plan_i32(planner *p, madpo_tensor *slot, int64_t n)
{
    if (p->st == MADPO_OK)
        p->st = madpo_slab_plan(p->slab, slot, n, MADPO_DTYPE_I32, p->err);
}

static int64_t max2(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Memory of the device, or the limit set. */
static uint64_t device_bytes(const madpo_model *m)
{
    uint64_t limit = madpo_device_get_options(m->dev)->memory_limit_bytes;
    uint64_t bytes = madpo_device_get_info(m->dev)->global_bytes;

    return limit > 0 && limit < bytes ? limit : bytes;
}

/* ---- activations ---- */

/* What one layer needs of its own while training, and all layers together otherwise. */
static void plan_layer(planner *p, const madpo_model *m, madpo__acts *a)
{
    const madpo_model_config *c = &m->config;
    int64_t T = m->rows, TC = T * c->C, TH = T * c->H, TK = T * c->K, TF = T * c->F;
    bool train = m->options.train, layer_norm = c->arch->layer_norm;

    plan_f32(p, &a->r1, T);
    if (layer_norm)
        plan_f32(p, &a->mu1, T);
    plan_f32(p, &a->n1, TC);
    plan_f32(p, &a->q, TH * c->D);
    plan_f32(p, &a->k, TK * c->D);
    plan_f32(p, &a->v, TK * c->D);
    plan_f32(p, &a->o, TH * c->D);
    plan_f32(p, &a->lse, TH);
    if (c->arch->gated)
        plan_f32(p, &a->gate, TF);
    plan_f32(p, &a->up, TF);
    if (c->arch->qk_norm) {
        plan_f32(p, &a->rq, TH);
        plan_f32(p, &a->rk, TK);
    }
    if (!train)
        return;
    plan_f32(p, &a->x_mid, TC);
    plan_f32(p, &a->r2, T);
    if (layer_norm)
        plan_f32(p, &a->mu2, T);
    plan_f32(p, &a->n2, TC);
    plan_f32(p, &a->y, TF);
    if (c->arch->qk_norm) {
        plan_f32(p, &a->q_in, TH * c->D);
        plan_f32(p, &a->k_in, TK * c->D);
    }
    if (c->arch->post_norms) {
        plan_f32(p, &a->attn_out, TC);
        plan_f32(p, &a->r_attn, T);
        plan_f32(p, &a->mlp_out, TC);
        plan_f32(p, &a->r_mlp, T);
    }
}

/* The input of every layer while training, of all otherwise; and the rest of it, which a model that
 * recomputes needs once. */
static void plan_layers(planner *p, const madpo_model *m)
{
    int32_t n = m->options.train ? m->config.L : 1;

    for (int32_t l = 0; l < n; l++) {
        plan_f32(p, &m->acts[l].x, m->rows * m->config.C);
        if (l == 0 || !m->options.recompute)
            plan_layer(p, m, &m->acts[l]);
    }
}

static void plan_gradients_of_acts(planner *p, madpo_model *m)
{
    const madpo_model_config *c = &m->config;
    int64_t T = m->rows;

    plan_f32(p, &m->d.dx, T * c->C);
    plan_f32(p, &m->d.dn, T * c->C);
    plan_f32(p, &m->d.dq, T * c->H * c->D);
    plan_f32(p, &m->d.dk, T * c->K * c->D);
    plan_f32(p, &m->d.dv, T * c->K * c->D);
    plan_f32(p, &m->d.d_o, T * c->H * c->D);
    plan_f32(p, &m->d.delta, T * c->H);
    plan_f32(p, &m->d.dy, T * c->F);
    if (c->parallel_residual)
        plan_f32(p, &m->d.dn2, T * c->C);
    plan_f32(p, &m->d.coef, max2(m->options.max_rows, m->options.max_sequences));
}

/* Logits are worth keeping for the backward pass where they are of moderate size and the head takes
 * the vocabulary in one chunk, which it chooses without regard to us: were the chunk to depend on
 * memory, the policy's log-probs would not be the reference's. */
static bool keep_logits(const madpo_model *m)
{
    const madpo_model_config *c = &m->config;
    madpo_head_dims dims = {.T = m->rows, .C = c->C, .V = c->V, .R = m->options.max_rows};
    madpo_head_dims whole = dims;
    uint64_t bytes = 4 * (uint64_t)dims.R * (uint64_t)dims.V;

    whole.chunk = c->V;
    return m->trains_base && !m->options.reward_head && bytes <= LOGITS_MOST_BYTES &&
           bytes <= device_bytes(m) / 4 &&
           madpo_head_workspace(m->dev, &dims) == madpo_head_workspace(m->dev, &whole);
}

static void plan_adapter_scratch(planner *p, madpo_model *m)
{
    int64_t r = madpo__adapters_max_rank(m), in = madpo__adapters_dropout_in(m);

    if (r == 0)
        return;
    plan_f32(p, &m->lora_u, m->rows * r);
    if (m->options.train)
        plan_f32(p, &m->lora_du, m->rows * r);
    if (in > 0)
        plan_f32(p, &m->lora_x, m->rows * in);
}

static void plan_acts(planner *p, madpo_model *m)
{
    const madpo_model_config *c = &m->config;
    int64_t T = m->rows, rotary = madpo_model_rotary(c);
    bool train = m->options.train;

    plan_layers(p, m);
    if (train) {
        plan_f32(p, &m->x_out, T * c->C);
        plan_gradients_of_acts(p, m);
    }
    plan_f32(p, &m->tmp, T * c->C);
    plan_f32(p, &m->r_final, T);
    if (c->arch->layer_norm)
        plan_f32(p, &m->mu_final, T);
    plan_f32(p, &m->hidden, T * c->C);
    plan_f32(p, &m->out, max2(3 * m->options.max_rows, m->options.max_sequences));
    if (keep_logits(m))
        plan_f32(p, &m->logits, m->options.max_rows * c->V);
    else if (train && !m->trains_base && !m->options.reward_head)
        plan_f32(p, &m->expect, m->options.max_rows * c->C);
    plan_adapter_scratch(p, m);
    if (rotary > 0)
        plan_f32(p, &m->rope_full, m->positions * rotary);
    if (rotary > 0 && c->arch->local_global)
        plan_f32(p, &m->rope_local, m->positions * rotary);
    plan_i32(p, &m->batch_ints, madpo__batch_ints(&m->options, T));
}

/* All of `shared` but the layer's own input. */
static void share_acts(madpo__acts *a, const madpo__acts *shared)
{
    madpo_tensor x = a->x;

    *a = *shared;
    a->x = x;
}

/* Where nothing is looked at again, the residual stream stays in one place, norms before the
 * projections write over their inputs, a block's output goes through tmp. */
static void share_all(madpo_model *m)
{
    madpo__acts *a = m->acts;

    a->x_mid = a->x;
    a->r2 = a->r1;
    a->mu2 = a->mu1;
    a->n2 = a->n1;
    a->y = m->config.arch->gated ? a->gate : a->up;
    a->q_in = a->q;
    a->k_in = a->k;
    a->attn_out = m->tmp;
    a->mlp_out = m->tmp;
    a->r_attn = a->r1;
    a->r_mlp = a->r1;
    m->x_out = a->x;
}

void madpo__plan_bind(madpo_model *m)
{
    if (!m->options.train)
        share_all(m);
    for (int32_t l = 1; l < m->config.L; l++) {
        if (!m->options.train)
            m->acts[l] = m->acts[0];
        else if (m->options.recompute)
            share_acts(&m->acts[l], &m->acts[0]);
    }
}

/* ---- generation ---- */

static void plan_cache(planner *p, madpo_model *m)
{
    int64_t n = m->gen.slots * m->gen.len * m->config.K * m->config.D;

    for (int32_t l = 0; l < m->config.L; l++) {
        plan_f32(p, &m->gen.k[l], n);
        plan_f32(p, &m->gen.v[l], n);
    }
    plan_f32(p, &m->gen.h, m->gen.slots * m->config.C);
    plan_f32(p, &m->gen.logits, m->gen.slots * m->config.V);
    plan_i32(p, &m->gen.step, 8 * m->gen.slots);
    plan_i32(p, &m->gen.store, 3 * m->gen.slots * m->gen.len);
}

static void plan_packed_one(planner *p, const madpo_model *m, madpo_tensor *slot, int64_t N,
                            int64_t K)
{
    madpo_matmul_spec spec = {.op = MADPO_MATMUL_NT, .M = 1, .N = N, .K = K};

    if (p->st == MADPO_OK)
        p->st = madpo_slab_plan(p->slab, slot, madpo_matmul_packed_elements(m->dev, &spec),
                                m->options.storage, p->err);
}

static void plan_packed(planner *p, madpo_model *m)
{
    const madpo_model_config *c = &m->config;
    int64_t HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;

    for (int32_t l = 0; l < c->L; l++) {
        madpo__params *w = &m->p.layer[l];

        plan_packed_one(p, m, &w->q, HD, c->C);
        plan_packed_one(p, m, &w->k, KD, c->C);
        plan_packed_one(p, m, &w->v, KD, c->C);
        plan_packed_one(p, m, &w->o, c->C, HD);
        if (c->arch->gated)
            plan_packed_one(p, m, &w->gate, c->F, c->C);
        plan_packed_one(p, m, &w->up, c->F, c->C);
        plan_packed_one(p, m, &w->down, c->C, c->F);
    }
    if (!m->options.reward_head)
        plan_packed_one(p, m, &m->p.top.head, c->V, c->C);
}

/* ---- workspace ---- */

static int64_t matmul_need(const madpo_model *m, madpo_matmul_op op, int64_t M, int64_t N,
                           int64_t K, madpo_dtype b_dtype)
{
    madpo_matmul_spec spec = {.op = op, .M = M, .N = N, .K = K, .b_dtype = b_dtype};

    return madpo_matmul_workspace(m->dev, &spec);
}

/* One linear layer of N outputs and K inputs over T rows: forward, and both products of its
 * backward. */
static int64_t linear_need(const madpo_model *m, int64_t T, int64_t N, int64_t K)
{
    madpo_dtype dtype = madpo__base_dtype(m);
    int64_t need = matmul_need(m, MADPO_MATMUL_NT, T, N, K, dtype);

    if (m->options.train)
        need = max2(need, matmul_need(m, MADPO_MATMUL_NN, T, K, N, dtype));
    if (m->trains_base)
        need = max2(need, matmul_need(m, MADPO_MATMUL_TN, N, K, T, MADPO_DTYPE_F32));
    return need;
}

/* What the gradients of norms and biases take. */
static int64_t vectors_need(const madpo_model *m, int64_t T)
{
    const madpo_model_config *c = &m->config;
    int64_t widest = max2(max2((int64_t)c->H * c->D, c->F), c->C);
    int64_t need = c->arch->layer_norm ? madpo_layernorm_workspace(m->dev, T, c->C)
                                       : madpo_rmsnorm_workspace(m->dev, T, c->C);

    if (c->arch->qk_norm)
        need = max2(need, madpo_rmsnorm_workspace(m->dev, T * c->H, c->D));
    if (c->qkv_bias || c->o_bias || c->mlp_bias)
        need = max2(need, madpo_bias_workspace(m->dev, T, widest));
    return need;
}

int64_t madpo__plan_workspace(const madpo_model *m)
{
    const madpo_model_config *c = &m->config;
    madpo_dtype dtype = madpo__base_dtype(m);
    int64_t T = m->rows, HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;
    madpo_head_dims head = {
        .T = T, .C = c->C, .V = c->V, .R = m->options.max_rows, .W_dtype = dtype};
    int64_t need = linear_need(m, T, HD, c->C);

    need = max2(need, linear_need(m, T, KD, c->C));
    need = max2(need, linear_need(m, T, c->C, HD));
    need = max2(need, linear_need(m, T, c->F, c->C));
    need = max2(need, linear_need(m, T, c->C, c->F));
    need = max2(need, madpo__lora_workspace(m));
    if (m->gen.slots > 0)
        need = max2(need, matmul_need(m, MADPO_MATMUL_NT, m->gen.slots, c->V, c->C, dtype));
    if (!m->options.reward_head)
        need = max2(need, madpo_head_workspace(m->dev, &head));
    if (!m->options.train)
        return need;
    if (m->trains_base)
        need = max2(need, vectors_need(m, T));
    return max2(need, madpo_grad_norm_workspace(m->dev, m->n_weights));
}

/* ---- all of it ---- */

static madpo_status slab_begin(planner *p, madpo_slab **slab, const char *label, madpo_error *err)
{
    p->err = err;
    p->st = madpo_slab_new(slab, label, err);
    p->slab = *slab;
    return p->st;
}

madpo_status madpo__plan_all(madpo_model *m, madpo_error *err)
{
    planner p;

    if (slab_begin(&p, &m->frozen_slab, "frozen weights", err) == MADPO_OK)
        p.st = madpo__weights_plan(m, err);
    if (p.st == MADPO_OK)
        p.st = madpo__adapters_plan(m, err);
    if (p.st == MADPO_OK && slab_begin(&p, &m->weight_slab, "weights", err) == MADPO_OK)
        plan_f32(&p, &m->weights, m->n_weights);
    if (p.st == MADPO_OK && m->options.train &&
        slab_begin(&p, &m->grad_slab, "gradients", err) == MADPO_OK)
        plan_f32(&p, &m->grads, m->n_weights);
    if (p.st == MADPO_OK && slab_begin(&p, &m->act_slab, "activations", err) == MADPO_OK)
        plan_acts(&p, m);
    if (p.st == MADPO_OK && m->gen.slots > 0 &&
        slab_begin(&p, &m->kv_slab, "KV cache", err) == MADPO_OK)
        plan_cache(&p, m);
    if (p.st == MADPO_OK && m->use_packed &&
        slab_begin(&p, &m->packed_slab, "packed weights", err) == MADPO_OK)
        plan_packed(&p, m);
    if (p.st != MADPO_OK)
        return p.st;
    m->plan.weights = madpo_slab_bytes(m->weight_slab) + madpo_slab_bytes(m->frozen_slab);
    m->plan.gradients = m->grad_slab ? madpo_slab_bytes(m->grad_slab) : 0;
    m->plan.optimiser = 2 * m->plan.gradients;
    m->plan.activations = madpo_slab_bytes(m->act_slab);
    m->plan.kv_cache = m->kv_slab ? madpo_slab_bytes(m->kv_slab) : 0;
    m->plan.packed = m->packed_slab ? madpo_slab_bytes(m->packed_slab) : 0;
    m->plan.workspace = 4 * (uint64_t)madpo__plan_workspace(m);
    m->plan.total = m->plan.weights + m->plan.gradients + m->plan.optimiser + m->plan.activations +
                    m->plan.kv_cache + m->plan.packed + m->plan.workspace;
    m->plan.available = device_bytes(m);
    return MADPO_OK;
}

/* "12.1 MB": three digits or so, decimal units. */
static void format_bytes(char *out, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)bytes;
    size_t u = 0;

    while (v >= 999.5 && u + 1 < sizeof units / sizeof units[0]) {
        v /= 1000;
        u++;
    }
    snprintf(out, size, u == 0 || v >= 99.95 ? "%.0f %s" : "%.1f %s", v, units[u]);
}

void madpo_memory_plan_format(const madpo_memory_plan *plan, const madpo_model_options *options,
                              char *out, size_t size)
{
    const struct {
        const char *name;
        uint64_t bytes;
    } parts[] = {
        {"weights", plan->weights},     {"gradients", plan->gradients},
        {"optimiser", plan->optimiser}, {"activations", plan->activations},
        {"KV cache", plan->kv_cache},   {"packed weights", plan->packed},
        {"workspace", plan->workspace},
    };
    char total[32], available[32];
    size_t n = 0;

    if (size == 0)
        return;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && n < size; i++) {
        char bytes[32];

        if (parts[i].bytes == 0)
            continue;
        format_bytes(bytes, sizeof bytes, parts[i].bytes);
        n += (size_t)snprintf(out + n, size - n, "%s %s, ", parts[i].name, bytes);
    }
    format_bytes(total, sizeof total, plan->total);
    format_bytes(available, sizeof available, plan->available);
    if (n < size)
        snprintf(out + n, size - n, "total %s of %s; %lld tokens per micro-batch", total, available,
                 (long long)options->max_tokens);
}
