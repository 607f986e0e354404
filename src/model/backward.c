/* The backward pass: gradients of all weights from dLoss/dlogp or dLoss/dreward.
 *
 * Walks the layers in reverse with dx, the gradient of the residual stream. The activations of the
 * forward pass are used up on the way (gate and up become their own gradients), so a batch is gone
 * back through once. The first pass after madpo_model_zero_grads writes the gradients, later ones
 * add to them: zeroing costs no pass of its own. */
#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "model/internal.h"
#include "ops/act.h"
#include "ops/attention.h"
#include "ops/bias.h"
#include "ops/embedding.h"
#include "ops/glu.h"
#include "ops/head.h"
#include "ops/layernorm.h"
#include "ops/matmul.h"
#include "ops/position.h"
#include "ops/reward_head.h"
#include "ops/rmsnorm.h"
#include "ops/rope.h"

/* What every step of one backward pass needs to know. */
typedef struct back {
    madpo_model *m;
    int64_t T;
    bool add; /* add to the weights' gradients instead of writing them */
    madpo_error *err;
    double began;    /* where it is timed */
    madpo_status st; /* first failure; the steps do nothing after it */
} back;

/* What of one layer has a gradient that anything needs. With a frozen base nothing below the lowest
 * trained adapter does. */
typedef struct needs {
    bool below;     /* the layer's input */
    bool qkv;       /* q, k and v */
    bool attention; /* the attention block's output */
    bool norm2;     /* the input of gate and up */
    bool inner;     /* the MLP's inner activations */
    bool mlp;       /* the MLP's output */
} needs;

static needs layer_needs(const madpo_model *m, int32_t l)
{
    enum {
        QKV = 1 << MADPO_SITE_Q | 1 << MADPO_SITE_K | 1 << MADPO_SITE_V | 1 << MADPO_SITE_QKV,
        O = 1 << MADPO_SITE_O,
        IN = 1 << MADPO_SITE_GATE | 1 << MADPO_SITE_UP,
        DOWN = 1 << MADPO_SITE_DOWN
    };
    const uint32_t trained = m->trained[l];
    needs n = {.below = m->trains_base || l > m->lowest};

    n.qkv = n.below || trained & QKV;
    n.attention = n.qkv || trained & O;
    n.norm2 = m->config.parallel_residual ? n.below : n.attention;
    n.inner = n.norm2 || trained & IN;
    n.mlp = n.inner || trained & DOWN;
    return n;
}

/* One linear map y [T,N] = x [T,K] W^T + b with the adapters at its site: the gradients of whatever
 * of these is trained, and dx (write or add; none where nothing needs it). */
typedef struct linear_back {
    madpo_site site;
    madpo_tensor dw, db, dx, dy, x, w;
    int64_t N, K;
    bool add_dx;
} linear_back;

/* The base's part. */
static void back_matrix(back *b, const linear_back *l)
{
    madpo_matmul_spec dw = {
        .op = MADPO_MATMUL_TN, .M = l->N, .N = l->K, .K = b->T, .accumulate = b->add};
    madpo_matmul_spec dx = {
        .op = MADPO_MATMUL_NN, .M = b->T, .N = l->K, .K = l->N, .accumulate = l->add_dx};

    if (b->st == MADPO_OK && b->m->trains_base)
        b->st = madpo_matmul(b->m->dev, &dw, l->dw, l->dy, l->x, b->err);
    if (b->st == MADPO_OK && b->m->trains_base && !madpo_tensor_is_none(l->db))
        b->st = madpo_bias_bwd(b->m->dev, l->db, l->dy, b->T, l->N, b->add, b->err);
    if (b->st == MADPO_OK && !madpo_tensor_is_none(l->dx))
        b->st = madpo_matmul(b->m->dev, &dx, l->dx, l->dy, l->w, b->err);
}

static void back_site(back *b, int32_t layer, const madpo__site_io *io)
{
    if (b->st == MADPO_OK)
        b->st = madpo__lora_bwd(b->m, layer, b->T, io, b->add, b->err);
}

static void back_linear(back *b, int32_t layer, const linear_back *l)
{
    const madpo__site_io io = {.site = l->site, .x = l->x, .n_y = 1, .y = {l->dy}, .dx = l->dx};

    back_matrix(b, l);
    back_site(b, layer, &io);
}

/* An RMSNorm over `rows` rows of width `C`: dgain where it is trained, then dx (write, or add where
 * dx is the residual stream). */
typedef struct norm_back {
    madpo_tensor dgain, dx, dy, x, r, gain;
    int64_t rows, C;
    bool add_dx;
} norm_back;

static void back_rms(back *b, const norm_back *n)
{
    madpo_device *dev = b->m->dev;

    if (b->st == MADPO_OK && b->m->trains_base)
        b->st =
            madpo_rmsnorm_bwd_gain(dev, n->dgain, n->dy, n->x, n->r, n->rows, n->C, b->add, b->err);
    if (b->st == MADPO_OK)
        b->st = madpo_rmsnorm_bwd_x(dev, n->dx, n->dy, n->x, n->r, n->gain, n->rows, n->C,
                                    b->m->config.arch->norm_add_one, n->add_dx, b->err);
}

/* A norm of the residual stream, of either kind; mu and the biases are LayerNorm's. */
static void back_norm(back *b, const norm_back *n, madpo_tensor mu, madpo_tensor dbias)
{
    madpo_device *dev = b->m->dev;

    if (!b->m->config.arch->layer_norm) {
        back_rms(b, n);
        return;
    }
    if (b->st == MADPO_OK && b->m->trains_base)
        b->st = madpo_layernorm_bwd_gain(dev, n->dgain, dbias, n->dy, n->x, mu, n->r, n->rows, n->C,
                                         b->add, b->err);
    if (b->st == MADPO_OK)
        b->st = madpo_layernorm_bwd_x(dev, n->dx, n->dy, n->x, mu, n->r, n->gain, n->rows, n->C,
                                      n->add_dx, b->err);
}

/* The gradient of a block's output: that of the residual stream, gone back through the post norm
 * where there is one. */
static madpo_tensor back_post_norm(back *b, madpo_tensor dgain, madpo_tensor out, madpo_tensor r,
                                   madpo_tensor gain)
{
    madpo_model *m = b->m;

    if (!m->config.arch->post_norms)
        return m->d.dx;
    back_rms(b, &(norm_back){dgain, m->tmp, m->d.dx, out, r, gain, b->T, m->config.C, false});
    return m->tmp;
}

static madpo_tensor if_needed(bool needed, madpo_tensor t)
{
    return needed ? t : (madpo_tensor){0};
}

static void back_activation(back *b, int32_t l)
{
    madpo_model *m = b->m;
    const madpo_model_config *c = &m->config;
    const madpo__acts *a = &m->acts[l];

    if (b->st != MADPO_OK)
        return;
    if (c->arch->gated)
        b->st = madpo_glu_bwd(m->dev, a->gate, a->up, m->d.dy, a->gate, a->up, b->T, c->F, c->act,
                              false, b->err);
    else
        b->st = madpo_act_bwd(m->dev, a->up, m->d.dy, a->up, b->T * c->F, c->act, false, b->err);
}

/* From the gradient of the layer's output in d.dx to that of the MLP norm's output in `dn`. */
static void back_mlp(back *b, int32_t l, const needs *need, madpo_tensor dn)
{
    madpo_model *m = b->m;
    const madpo_model_config *c = &m->config;
    const madpo__params *w = &m->w.layer[l], *g = &m->g.layer[l];
    const madpo__acts *a = &m->acts[l];
    madpo_tensor dout = back_post_norm(b, g->mlp_post_norm, a->mlp_out, a->r_mlp, w->mlp_post_norm);

    dn = if_needed(need->norm2, dn);
    back_linear(b, l,
                &(linear_back){MADPO_SITE_DOWN, g->down, g->down_bias,
                               if_needed(need->inner, m->d.dy), dout, a->y, w->down, c->C, c->F,
                               false});
    if (!need->inner)
        return;
    back_activation(b, l);
    if (c->arch->gated)
        back_linear(b, l,
                    &(linear_back){MADPO_SITE_GATE, g->gate, g->gate_bias, dn, a->gate, a->n2,
                                   w->gate, c->F, c->C, false});
    back_linear(b, l,
                &(linear_back){MADPO_SITE_UP, g->up, g->up_bias, dn, a->up, a->n2, w->up, c->F,
                               c->C, c->arch->gated});
}

/* The MLP norm's own, adding to d.dx. */
static void back_mlp_norm(back *b, int32_t l, madpo_tensor dn)
{
    madpo_model *m = b->m;
    const madpo__params *w = &m->w.layer[l], *g = &m->g.layer[l];
    const madpo__acts *a = &m->acts[l];
    madpo_tensor x = m->config.parallel_residual ? a->x : a->x_mid;

    back_norm(
        b, &(norm_back){g->mlp_norm, m->d.dx, dn, x, a->r2, w->mlp_norm, b->T, m->config.C, true},
        a->mu2, g->mlp_norm_bias);
}

static void back_rope(back *b, int32_t l)
{
    madpo_model *m = b->m;
    const madpo_model_config *c = &m->config;
    madpo_tensor rope = madpo__layer_rope(m, l);
    int64_t rotary = madpo_model_rotary(c);

    if (b->st == MADPO_OK && rotary > 0)
        b->st =
            madpo_rope(m->dev, m->d.dq, m->batch.pos, rope, b->T, c->H, c->D, rotary, true, b->err);
    if (b->st == MADPO_OK && rotary > 0)
        b->st =
            madpo_rope(m->dev, m->d.dk, m->batch.pos, rope, b->T, c->K, c->D, rotary, true, b->err);
}

static void back_attention_scores(back *b, int32_t l)
{
    madpo_model *m = b->m;
    const madpo_model_config *c = &m->config;
    const madpo__acts *a = &m->acts[l];
    madpo_attention_dims dims = {.T = b->T,
                                 .n_seg = m->batch.seg.n / 6,
                                 .H = c->H,
                                 .K = c->K,
                                 .D = c->D,
                                 .window = madpo_model_layer_is_full(c, l) ? 0 : c->window,
                                 .scale = madpo__attn_scale(c)};
    madpo_attention_grads t = {.dq = m->d.dq,
                               .dk = m->d.dk,
                               .dv = m->d.dv,
                               .delta = m->d.delta,
                               .d_o = m->d.d_o,
                               .o = a->o,
                               .lse = a->lse,
                               .q = a->q,
                               .k = a->k,
                               .v = a->v,
                               .seg = m->batch.seg,
                               .tok_seg = m->batch.tok_seg,
                               .pos = m->batch.pos};

    if (b->st == MADPO_OK)
        b->st = madpo_attention_bwd(m->dev, &t, &dims, false, b->err);
    back_rope(b, l);
}

/* From q, k and v to the attention norm's output in d.dn. */
static void back_projections(back *b, int32_t l, const needs *need)
{
    madpo_model *m = b->m;
    const madpo_model_config *c = &m->config;
    const madpo__params *w = &m->w.layer[l], *g = &m->g.layer[l];
    const madpo__acts *a = &m->acts[l];
    int64_t HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;
    madpo_tensor dq = m->d.dq, dk = m->d.dk, dv = m->d.dv;
    madpo_tensor dn = if_needed(need->below, m->d.dn);
    const madpo__site_io fused = {
        .site = MADPO_SITE_QKV, .x = a->n1, .n_y = 3, .y = {dq, dk, dv}, .dx = dn};

    back_linear(
        b, l, &(linear_back){MADPO_SITE_Q, g->q, g->q_bias, dn, dq, a->n1, w->q, HD, c->C, false});
    back_linear(b, l,
                &(linear_back){MADPO_SITE_K, g->k, g->k_bias, dn, dk, a->n1, w->k, KD, c->C, true});
    back_linear(b, l,
                &(linear_back){MADPO_SITE_V, g->v, g->v_bias, dn, dv, a->n1, w->v, KD, c->C, true});
    back_site(b, l, &fused);
}

static void back_attention(back *b, int32_t l, const needs *need)
{
    madpo_model *m = b->m;
    const madpo_model_config *c = &m->config;
    const madpo__params *w = &m->w.layer[l], *g = &m->g.layer[l];
    const madpo__acts *a = &m->acts[l];
    madpo_tensor dq = m->d.dq, dk = m->d.dk;
    madpo_tensor dout =
        back_post_norm(b, g->attn_post_norm, a->attn_out, a->r_attn, w->attn_post_norm);

    back_linear(b, l,
                &(linear_back){MADPO_SITE_O, g->o, g->o_bias, if_needed(need->qkv, m->d.d_o), dout,
                               a->o, w->o, c->C, (int64_t)c->H * c->D, false});
    if (!need->qkv)
        return;
    back_attention_scores(b, l);
    if (c->arch->qk_norm) {
        back_rms(b, &(norm_back){g->q_norm, dq, dq, a->q_in, a->rq, w->q_norm, b->T * c->H, c->D,
                                 false});
        back_rms(b, &(norm_back){g->k_norm, dk, dk, a->k_in, a->rk, w->k_norm, b->T * c->K, c->D,
                                 false});
    }
    back_projections(b, l, need);
    if (need->below)
        back_norm(b,
                  &(norm_back){g->attn_norm, m->d.dx, m->d.dn, a->x, a->r1, w->attn_norm, b->T,
                               c->C, true},
                  a->mu1, g->attn_norm_bias);
}

static void back_layer(back *b, int32_t l)
{
    madpo_model *m = b->m;
    const needs need = layer_needs(m, l);
    const bool parallel = m->config.parallel_residual;
    madpo_tensor dn = parallel ? m->d.dn2 : m->d.dn;

    if (b->st == MADPO_OK && m->options.recompute) {
        const madpo__pass pass = madpo__batch_pass(m, b->T, m->batch.seg.n / 6);

        b->st = madpo__forward_layer(m, l, &pass, b->err);
    }
    if (need.mlp)
        back_mlp(b, l, &need, dn);
    /* in sequence, what comes back through the MLP goes on through attention; side by side, both
     * start from the layer's output, so d.dx must stay as it is until both have read it */
    if (need.norm2 && !parallel)
        back_mlp_norm(b, l, dn);
    if (need.attention)
        back_attention(b, l, &need);
    if (need.norm2 && parallel)
        back_mlp_norm(b, l, dn);
}

/* The lookup's gradient, and that of learned positions. */
static void back_embedding(back *b, const madpo_batch *batch)
{
    madpo_model *m = b->m;
    const madpo_model_config *c = &m->config;
    /* The head has written all of a tied embedding's gradient already; otherwise the lookup, which
     * touches the batch's own rows only, must find zeros or earlier sums. */
    bool written = c->tied && !m->options.reward_head;
    float scale = c->arch->embed_scale ? sqrtf((float)c->C) : 1;

    if (b->st == MADPO_OK && !b->add && !written)
        b->st = madpo_tensor_zero(m->dev, m->g.top.embed, b->err);
    if (b->st == MADPO_OK)
        b->st =
            madpo_embedding_bwd(m->dev, m->g.top.embed, m->d.dx, m->batch.uniq, m->batch.uniq_start,
                                m->batch.uniq_token, scale, batch->n_uniq, c->C, true, b->err);
    if (b->st == MADPO_OK && c->arch->learned_positions)
        b->st = madpo_position_bwd(m->dev, m->g.top.position, m->d.dx, m->batch.pos, b->T,
                                   c->max_positions, c->C, b->add, b->err);
}

/* From the gradient of the final hidden states (in d.dn) to the embedding, or to the lowest layer
 * that has anything to train. */
static void back_body(back *b, const madpo_batch *batch)
{
    madpo_model *m = b->m;
    const madpo_model_config *c = &m->config;

    if (m->lowest == c->L)
        return;
    back_norm(b,
              &(norm_back){m->g.top.final_norm, m->d.dx, m->d.dn, m->x_out, m->r_final,
                           m->w.top.final_norm, b->T, c->C, false},
              m->mu_final, m->g.top.final_norm_bias);
    for (int32_t l = c->L - 1; l >= m->lowest; l--)
        back_layer(b, l);
    if (m->trains_base)
        back_embedding(b, batch);
}

/* Checks common to both heads, and the coefficients' way to the device. *go: there is work to do.
 */
static madpo_status back_begin(back *b, bool *go, const madpo_batch *batch, const float *coef,
                               int64_t n, madpo__done want)
{
    madpo_model *m = b->m;

    *go = false;
    b->began = m->timed ? madpo_clock_monotonic() : 0;
    if (!m->options.train)
        return madpo_error_set(b->err, MADPO_ERR_USAGE, "a model without gradients cannot go back");
    if (m->done != want)
        return madpo_error_set(
            b->err, MADPO_ERR_USAGE,
            "no forward pass to go back through: each backward pass needs its own");
    m->done = MADPO__DONE_NONE;
    if (n == 0 || batch->T == 0) { /* nothing to add, but nothing old may stay either */
        if (!m->grads_pending)
            return MADPO_OK;
        m->grads_pending = false;
        return madpo_tensor_zero(m->dev, m->grads, b->err);
    }
    *go = true;
    return madpo_tensor_write(m->dev, m->d.coef, coef, n, b->err);
}

static madpo_status back_end(back *b)
{
    /* After a failure the gradients are neither old nor new: the next pass starts afresh. */
    b->m->grads_pending = b->st != MADPO_OK;
    if (b->m->timed && b->st == MADPO_OK) {
        b->st = madpo_device_finish(b->m->dev, b->err);
        b->m->times.backward += madpo_clock_monotonic() - b->began;
    }
    return b->st;
}

madpo_status madpo_model_backward_logps(madpo_model *m, const madpo_batch *batch, const float *coef,
                                        madpo_error *err)
{
    back b = {.m = m, .T = batch->T, .add = !m->grads_pending, .err = err};
    madpo_head_dims dims = {.T = batch->T, .C = m->config.C, .V = m->config.V, .R = batch->R};
    madpo_head_grads grads = {.coef = m->d.coef,
                              .tok_row_start = m->batch.tok_row_start,
                              .tok_row = m->batch.tok_row,
                              .dhidden = m->d.dn,
                              .dW = m->g.top.head};
    madpo_head_io io;
    bool go;

    b.st = back_begin(&b, &go, batch, coef, batch->R, MADPO__DONE_LOGPS);
    if (b.st != MADPO_OK || !go)
        return b.st;
    io = madpo__head_io(m, batch->R);
    if (m->has_expect)
        io.expect = m->expect;
    b.st = madpo_head_bwd(m->dev, &io, &grads, &dims, false, b.add, err);
    back_body(&b, batch);
    return back_end(&b);
}

madpo_status madpo_model_backward_rewards(madpo_model *m, const madpo_batch *batch,
                                          const float *dreward, madpo_error *err)
{
    back b = {.m = m, .T = batch->T, .add = !m->grads_pending, .err = err};
    bool go;

    b.st = back_begin(&b, &go, batch, dreward, batch->n_seq, MADPO__DONE_REWARDS);
    if (b.st != MADPO_OK || !go)
        return b.st;
    b.st = madpo_tensor_zero(m->dev, madpo_tensor_slice(m->d.dn, 0, b.T * m->config.C), err);
    if (b.st == MADPO_OK)
        b.st = madpo_reward_head_bwd(m->dev, m->d.dn, m->g.top.score, m->d.coef, m->hidden,
                                     m->batch.seq_last, m->w.top.score, batch->n_seq, m->config.C,
                                     b.add, err);
    back_body(&b, batch);
    return back_end(&b);
}

madpo_status madpo_model_zero_grads(madpo_model *m, madpo_error *err)
{
    if (!m->options.train)
        return madpo_error_set(err, MADPO_ERR_USAGE, "a model without gradients has none to zero");
    m->grads_pending = true;
    return MADPO_OK;
}
