/* The weight table: names, shapes and places of all tensors, in slab order. One list of rows drives
 * sizes, initialisation, file names, gradients and packing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/internal.h"

#define WEIGHT_ALIGN 16 /* elements: a tensor begins at a multiple of 64 bytes */

/* Where a row's views go: into layer `layer` at `offset` of madpo__params, or (layer < 0) of
 * madpo__globals. */
struct madpo__weight_info {
    int32_t layer;
    size_t offset;
    int64_t first; /* element of the slab */
    bool residual; /* writes into the residual stream: starts smaller */
};

typedef enum dim { DIM_NONE, DIM_C, DIM_HD, DIM_KD, DIM_D, DIM_F, DIM_V, DIM_ONE } dim;

typedef enum when {
    ALWAYS,
    IF_QK_NORM,
    IF_POST_NORMS,
    IF_NO_POST_NORMS,
    IF_OWN_HEAD,
    IF_REWARD
} when;

typedef struct weight_row {
    const char *name; /* behind "model.layers.N." for a layer's */
    size_t offset;
    dim rows, cols; /* cols DIM_NONE: a vector */
    when when;
    bool residual;
} weight_row;

#define IN_LAYER(field) offsetof(madpo__params, field)
#define IN_TOP(field)   offsetof(madpo__globals, field)

static const weight_row embed_row = {
    "model.embed_tokens.weight", IN_TOP(embed), DIM_V, DIM_C, ALWAYS, false};

static const weight_row layer_matrices[] = {
    {"self_attn.q_proj.weight", IN_LAYER(q), DIM_HD, DIM_C, ALWAYS, false},
    {"self_attn.k_proj.weight", IN_LAYER(k), DIM_KD, DIM_C, ALWAYS, false},
    {"self_attn.v_proj.weight", IN_LAYER(v), DIM_KD, DIM_C, ALWAYS, false},
    {"self_attn.o_proj.weight", IN_LAYER(o), DIM_C, DIM_HD, ALWAYS, true},
    {"mlp.gate_proj.weight", IN_LAYER(gate), DIM_F, DIM_C, ALWAYS, false},
    {"mlp.up_proj.weight", IN_LAYER(up), DIM_F, DIM_C, ALWAYS, false},
    {"mlp.down_proj.weight", IN_LAYER(down), DIM_C, DIM_F, ALWAYS, true},
};

static const weight_row top_matrices[] = {
    {"lm_head.weight", IN_TOP(head), DIM_V, DIM_C, IF_OWN_HEAD, false},
    {"score.weight", IN_TOP(score), DIM_ONE, DIM_C, IF_REWARD, false},
};

/* post_attention_layernorm is the norm before the MLP in Llama and the one behind attention in
 * Gemma. */
static const weight_row layer_norms[] = {
    {"input_layernorm.weight", IN_LAYER(attn_norm), DIM_C, DIM_NONE, ALWAYS, false},
    {"self_attn.q_norm.weight", IN_LAYER(q_norm), DIM_D, DIM_NONE, IF_QK_NORM, false},
    {"self_attn.k_norm.weight", IN_LAYER(k_norm), DIM_D, DIM_NONE, IF_QK_NORM, false},
    {"post_attention_layernorm.weight", IN_LAYER(mlp_norm), DIM_C, DIM_NONE, IF_NO_POST_NORMS,
     false},
    {"post_attention_layernorm.weight", IN_LAYER(attn_post_norm), DIM_C, DIM_NONE, IF_POST_NORMS,
     false},
    {"pre_feedforward_layernorm.weight", IN_LAYER(mlp_norm), DIM_C, DIM_NONE, IF_POST_NORMS, false},
    {"post_feedforward_layernorm.weight", IN_LAYER(mlp_post_norm), DIM_C, DIM_NONE, IF_POST_NORMS,
     false},
};

static const weight_row final_row = {
    "model.norm.weight", IN_TOP(final_norm), DIM_C, DIM_NONE, ALWAYS, false};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static int64_t dim_size(const madpo_model_config *c, dim d)
{
    switch (d) {
    case DIM_C:
        return c->C;
    case DIM_HD:
        return (int64_t)c->H * c->D;
    case DIM_KD:
        return (int64_t)c->K * c->D;
    case DIM_D:
        return c->D;
    case DIM_F:
        return c->F;
    case DIM_V:
        return c->V;
    case DIM_ONE:
    case DIM_NONE:
        break;
    }
    return 1;
}

static bool wanted(const madpo_model *m, when condition)
{
    const madpo_arch *a = m->config.arch;

    switch (condition) {
    case IF_QK_NORM:
        return a->qk_norm;
    case IF_POST_NORMS:
        return a->post_norms;
    case IF_NO_POST_NORMS:
        return !a->post_norms;
    case IF_OWN_HEAD:
        return !m->config.tied && !m->options.reward_head;
    case IF_REWARD:
        return m->options.reward_head;
    case ALWAYS:
        break;
    }
    return true;
}

static void add_row(madpo_model *m, const weight_row *row, int32_t layer)
{
    madpo_model_tensor *t = &m->tensor[m->n_tensors];
    struct madpo__weight_info *info = &m->info[m->n_tensors];

    if (!wanted(m, row->when))
        return;
    if (layer < 0)
        snprintf(t->name, sizeof t->name, "%s", row->name);
    else
        snprintf(t->name, sizeof t->name, "model.layers.%d.%s", (int)layer, row->name);
    t->n_dims = row->cols == DIM_NONE ? 1 : 2;
    t->shape[0] = dim_size(&m->config, row->rows);
    t->shape[1] = dim_size(&m->config, row->cols);
    t->n = t->shape[0] * t->shape[1];
    t->decay = row->cols != DIM_NONE;
    *info = (struct madpo__weight_info){
        .layer = layer, .offset = row->offset, .first = m->n_weights, .residual = row->residual};
    m->n_tensors++;
    m->n_weights += (t->n + WEIGHT_ALIGN - 1) / WEIGHT_ALIGN * WEIGHT_ALIGN;
    if (t->decay)
        m->n_decay = m->n_weights;
}

static void add_layers(madpo_model *m, const weight_row *rows, size_t n)
{
    for (int32_t l = 0; l < m->config.L; l++)
        for (size_t i = 0; i < n; i++)
            add_row(m, &rows[i], l);
}

madpo_status madpo__weights_layout(madpo_model *m, madpo_error *err)
{
    size_t L = (size_t)m->config.L;
    size_t most = L * (COUNT(layer_matrices) + COUNT(layer_norms)) + COUNT(top_matrices) + 2;

    m->tensor = calloc(most, sizeof *m->tensor);
    m->info = calloc(most, sizeof *m->info);
    m->w.layer = calloc(L, sizeof *m->w.layer);
    m->g.layer = calloc(L, sizeof *m->g.layer);
    m->p.layer = calloc(L, sizeof *m->p.layer);
    if (!m->tensor || !m->info || !m->w.layer || !m->g.layer || !m->p.layer)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory planning a model");
    add_row(m, &embed_row, -1);
    add_layers(m, layer_matrices, COUNT(layer_matrices));
    for (size_t i = 0; i < COUNT(top_matrices); i++)
        add_row(m, &top_matrices[i], -1);
    add_layers(m, layer_norms, COUNT(layer_norms));
    add_row(m, &final_row, -1);
    return MADPO_OK;
}

static madpo_tensor *slot_of(madpo__weights *w, const struct madpo__weight_info *info)
{
    char *base = info->layer < 0 ? (char *)&w->top : (char *)&w->layer[info->layer];

    return (madpo_tensor *)(void *)(base + info->offset);
}

void madpo__weights_bind(madpo_model *m)
{
    for (size_t i = 0; i < m->n_tensors; i++) {
        madpo_model_tensor *t = &m->tensor[i];
        const struct madpo__weight_info *info = &m->info[i];

        t->weight = madpo_tensor_slice(m->weights, info->first, t->n);
        *slot_of(&m->w, info) = t->weight;
        if (!m->options.train)
            continue;
        t->grad = madpo_tensor_slice(m->grads, info->first, t->n);
        *slot_of(&m->g, info) = t->grad;
    }
    if (m->config.tied && !m->options.reward_head) {
        m->w.top.head = m->w.top.embed;
        m->g.top.head = m->g.top.embed;
    }
}

void madpo__weight_start(const madpo_model *m, size_t i, double *std, double *constant)
{
    *std = 0;
    *constant = 0;
    if (m->tensor[i].n_dims == 1)
        *constant = m->config.arch->norm_add_one ? 0 : 1;
    else
        *std = m->info[i].residual ? 0.02 / sqrt(2.0 * m->config.L) : 0.02;
}
