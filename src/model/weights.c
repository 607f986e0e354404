/* The weight table: names, shapes and places of all tensors, in slab order. The architecture's list
 * of rows drives sizes, initialisation, file names, gradients and packing. */
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
    int64_t first; /* element of the slab of what is trained; -1: in the slab of frozen tensors */
    bool residual; /* writes into the residual stream: starts smaller */
    bool wide;     /* stays f32 whatever the storage type */
};

static int64_t dim_size(const madpo_model_config *c, madpo__dim d)
{
    switch (d) {
    case MADPO__DIM_C:
        return c->C;
    case MADPO__DIM_HD:
        return (int64_t)c->H * c->D;
    case MADPO__DIM_KD:
        return (int64_t)c->K * c->D;
    case MADPO__DIM_D:
        return c->D;
    case MADPO__DIM_F:
        return c->F;
    case MADPO__DIM_V:
        return c->V;
    case MADPO__DIM_P:
        return c->max_positions;
    case MADPO__DIM_ONE:
    case MADPO__DIM_NONE:
        break;
    }
    return 1;
}

static bool wanted(const madpo_model *m, madpo__when condition)
{
    const madpo_model_config *c = &m->config;

    switch (condition) {
    case MADPO__IF_QK_NORM:
        return c->arch->qk_norm;
    case MADPO__IF_QKV_BIAS:
        return c->qkv_bias;
    case MADPO__IF_O_BIAS:
        return c->o_bias;
    case MADPO__IF_MLP_BIAS:
        return c->mlp_bias;
    case MADPO__IF_OWN_HEAD:
        return !c->tied && !m->options.reward_head;
    case MADPO__IF_REWARD:
        return m->options.reward_head;
    case MADPO__ALWAYS:
        break;
    }
    return true;
}

static void name_row(madpo_model_tensor *t, const madpo_arch *arch, const madpo__weight_row *row,
                     int32_t layer)
{
    static const char *const parts[] = {"[q]", "[k]", "[v]"};
    bool part = row->layout == MADPO_LAYOUT_BLOCKS ||
                row->layout == MADPO_LAYOUT_BLOCKS_TRANSPOSED || row->layout == MADPO_LAYOUT_HEADS;

    if (row->whole_name)
        snprintf(t->file, sizeof t->file, "%s", row->name);
    else if (layer < 0)
        snprintf(t->file, sizeof t->file, "%s%s", arch->prefix, row->name);
    else
        snprintf(t->file, sizeof t->file, "%s%s%d.%s", arch->prefix, arch->layer, (int)layer,
                 row->name);
    snprintf(t->name, sizeof t->name, "%s%s", t->file, part ? parts[row->part] : "");
}

/* Trained weights, and all weights of a plain fp32 model, lie in one piece; others on their own. */
static bool lies_apart(const madpo_model *m, const madpo__weight_row *row)
{
    if (row->when == MADPO__IF_REWARD && m->trains_score)
        return false;
    if (m->n_adapters > 0)
        return true;
    return m->options.storage != MADPO_DTYPE_F32;
}

static void add_row(madpo_model *m, const madpo__weight_row *row, int32_t layer)
{
    madpo_model_tensor *t = &m->tensor[m->n_tensors];
    struct madpo__weight_info *info = &m->info[m->n_tensors];

    if (!wanted(m, row->when))
        return;
    name_row(t, m->config.arch, row, layer);
    t->layout = row->layout;
    t->part = row->part;
    t->n_dims = row->cols == MADPO__DIM_NONE ? 1 : 2;
    t->shape[0] = dim_size(&m->config, row->rows);
    t->shape[1] = dim_size(&m->config, row->cols);
    t->n = t->shape[0] * t->shape[1];
    t->decay = row->cols != MADPO__DIM_NONE;
    *info = (struct madpo__weight_info){.layer = layer,
                                        .offset = row->offset,
                                        .first = -1,
                                        .residual = row->residual,
                                        .wide = row->cols == MADPO__DIM_NONE ||
                                                row->when == MADPO__IF_REWARD ||
                                                row->rows == MADPO__DIM_P};
    m->n_tensors++;
    if (lies_apart(m, row))
        return;
    info->first = m->n_weights;
    m->n_weights += (t->n + WEIGHT_ALIGN - 1) / WEIGHT_ALIGN * WEIGHT_ALIGN;
    if (t->decay)
        m->n_decay = m->n_weights;
}

typedef enum group {
    FIRST_MATRICES,
    LAYER_MATRICES,
    LAST_MATRICES,
    LAYER_VECTORS,
    LAST_VECTORS
} group;

static bool in_group(const madpo__weight_row *row, group g)
{
    bool matrix = row->cols != MADPO__DIM_NONE;

    switch (g) {
    case FIRST_MATRICES:
        return matrix && !row->in_layer && !row->whole_name;
    case LAYER_MATRICES:
        return matrix && row->in_layer;
    case LAST_MATRICES:
        return matrix && row->whole_name;
    case LAYER_VECTORS:
        return !matrix && row->in_layer;
    case LAST_VECTORS:
        break;
    }
    return !matrix && !row->in_layer;
}

static void add_group(madpo_model *m, group g)
{
    bool layers = g == LAYER_MATRICES || g == LAYER_VECTORS;
    const madpo__weight_row *rows = m->config.arch->rows;

    for (int32_t l = layers ? 0 : -1; l < (layers ? m->config.L : 0); l++)
        for (const madpo__weight_row *row = rows; row->name; row++)
            if (in_group(row, g))
                add_row(m, row, l);
}

madpo_status madpo__weights_layout(madpo_model *m, madpo_error *err)
{
    size_t L = (size_t)m->config.L, in_layer = 0, top = 0;

    for (const madpo__weight_row *row = m->config.arch->rows; row->name; row++)
        *(row->in_layer ? &in_layer : &top) += 1;
    m->tensor = calloc(L * in_layer + top, sizeof *m->tensor);
    m->info = calloc(L * in_layer + top, sizeof *m->info);
    m->w.layer = calloc(L, sizeof *m->w.layer);
    m->g.layer = calloc(L, sizeof *m->g.layer);
    m->p.layer = calloc(L, sizeof *m->p.layer);
    if (!m->tensor || !m->info || !m->w.layer || !m->g.layer || !m->p.layer)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory planning a model");
    for (group g = FIRST_MATRICES; g <= LAST_VECTORS; g++)
        add_group(m, g);
    return MADPO_OK;
}

madpo_dtype madpo__base_dtype(const madpo_model *m)
{
    return m->trains_base ? MADPO_DTYPE_F32 : m->options.storage;
}

madpo_status madpo__weights_plan(madpo_model *m, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (size_t i = 0; st == MADPO_OK && i < m->n_tensors; i++) {
        madpo_model_tensor *t = &m->tensor[i];

        if (m->info[i].first < 0)
            st = madpo_slab_plan(m->frozen_slab, &t->weight, t->n,
                                 m->info[i].wide ? MADPO_DTYPE_F32 : madpo__base_dtype(m), err);
    }
    return st;
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

        if (info->first >= 0)
            t->weight = madpo_tensor_slice(m->weights, info->first, t->n);
        *slot_of(&m->w, info) = t->weight;
        if (!m->options.train || info->first < 0)
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
    const size_t n = strlen(m->tensor[i].file), bias = strlen(".bias");

    *std = 0;
    *constant = 0;
    if (m->tensor[i].n_dims == 2)
        *std = m->info[i].residual ? 0.02 / sqrt(2.0 * m->config.L) : 0.02;
    else if (n < bias || strcmp(m->tensor[i].file + n - bias, ".bias") != 0)
        *constant = m->config.arch->norm_add_one ? 0 : 1;
}

/* ---- places in files ---- */

void madpo__weight_file_shape(const madpo_model *m, size_t i, int *n_dims, int64_t shape[2])
{
    const madpo_model_tensor *t = &m->tensor[i];
    const int64_t fused = ((int64_t)m->config.H + 2 * m->config.K) * m->config.D;

    *n_dims = t->n_dims;
    shape[0] = t->shape[0];
    shape[1] = t->n_dims == 2 ? t->shape[1] : 1;
    switch (t->layout) {
    case MADPO_LAYOUT_PLAIN:
        break;
    case MADPO_LAYOUT_TRANSPOSED:
        shape[0] = t->shape[1];
        shape[1] = t->shape[0];
        break;
    case MADPO_LAYOUT_BLOCKS:
    case MADPO_LAYOUT_HEADS:
        shape[0] = fused;
        break;
    case MADPO_LAYOUT_BLOCKS_TRANSPOSED:
        shape[0] = t->shape[1];
        shape[1] = fused;
        break;
    }
}

/* Row of the fused [(H + 2 K) D] rows where row `row` of q, k or v (part) lies: block by block, or
 * (HEADS, where H = K) head by head. */
int64_t madpo__fused_row(const madpo_model_config *c, madpo_layout layout, int part, int64_t row)
{
    const int64_t HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;

    if (layout == MADPO_LAYOUT_HEADS)
        return row / c->D * 3 * c->D + part * c->D + row % c->D;
    return row + (part == 0 ? 0 : part == 1 ? HD : HD + KD);
}

int64_t madpo__weight_file_at(const madpo_model *m, size_t i, int64_t row, int64_t col)
{
    const madpo_model_tensor *t = &m->tensor[i];
    const madpo_model_config *c = &m->config;
    const int64_t fused = ((int64_t)c->H + 2 * c->K) * c->D;
    const int64_t cols = t->n_dims == 2 ? t->shape[1] : 1;

    switch (t->layout) {
    case MADPO_LAYOUT_TRANSPOSED:
        return col * t->shape[0] + row;
    case MADPO_LAYOUT_BLOCKS:
    case MADPO_LAYOUT_HEADS:
        return madpo__fused_row(c, t->layout, t->part, row) * cols + col;
    case MADPO_LAYOUT_BLOCKS_TRANSPOSED:
        return col * fused + madpo__fused_row(c, t->layout, t->part, row);
    case MADPO_LAYOUT_PLAIN:
        break;
    }
    return row * cols + col;
}
