/* The forward pass: embedding, layers, final norm; and what is read off it, log-probs and rewards.
 *
 * The order of operations is the same whether activations are kept or not and whether weights are
 * packed or not, so that a frozen reference and a policy with the same weights agree to the last
 * bit. */
#include <math.h>

#include "base/clock.h"
#include "base/error.h"
#include "model/internal.h"
#include "ops/act.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/bias.h"
#include "ops/embedding.h"
#include "ops/glu.h"
#include "ops/head.h"
#include "ops/kv_cache.h"
#include "ops/layernorm.h"
#include "ops/matmul.h"
#include "ops/position.h"
#include "ops/reward_head.h"
#include "ops/rmsnorm.h"
#include "ops/rope.h"

float madpo__attn_scale(const madpo_model_config *c)
{
    return (float)(c->attn_scale > 0 ? c->attn_scale : 1.0 / sqrt(c->D));
}

madpo_tensor madpo__layer_rope(const madpo_model *m, int32_t l)
{
    bool full = madpo_model_layer_is_full(&m->config, l);

    return full || !m->config.arch->local_global ? m->rope_full : m->rope_local;
}

madpo_status madpo__linear(madpo_model *m, madpo_tensor y, madpo_tensor x, madpo_tensor w,
                           madpo_tensor packed, const int64_t mnk[3], madpo_error *err)
{
    madpo_matmul_spec spec = {.op = MADPO_MATMUL_NT, .M = mnk[0], .N = mnk[1], .K = mnk[2]};

    if (!madpo_tensor_is_none(packed))
        return madpo_matmul_packed(m->dev, &spec, y, x, packed, err);
    return madpo_matmul(m->dev, &spec, y, x, w, err);
}

madpo_status madpo__pack_weights(madpo_model *m, madpo_error *err)
{
    const madpo_model_config *c = &m->config;
    int64_t HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;
    madpo_status st = MADPO_OK;

    if (!m->use_packed || !m->packed_stale)
        return MADPO_OK;
    for (int32_t l = 0; l < c->L; l++) {
        const madpo__params *w = &m->w.layer[l], *p = &m->p.layer[l];
        const struct {
            madpo_tensor packed, w;
            int64_t N, K;
        } all[] = {
            {p->q, w->q, HD, c->C},         {p->k, w->k, KD, c->C},
            {p->v, w->v, KD, c->C},         {p->o, w->o, c->C, HD},
            {p->gate, w->gate, c->F, c->C}, {p->up, w->up, c->F, c->C},
            {p->down, w->down, c->C, c->F},
        };

        for (size_t i = 0; st == MADPO_OK && i < sizeof all / sizeof all[0]; i++) {
            madpo_matmul_spec spec = {.op = MADPO_MATMUL_NT, .M = 1, .N = all[i].N, .K = all[i].K};

            if (!madpo_tensor_is_none(all[i].w))
                st = madpo_matmul_pack(m->dev, &spec, all[i].packed, all[i].w, err);
        }
    }
    if (st == MADPO_OK && !m->options.reward_head) {
        madpo_matmul_spec spec = {.op = MADPO_MATMUL_NT, .M = 1, .N = c->V, .K = c->C};

        st = madpo_matmul_pack(m->dev, &spec, m->p.top.head, m->w.top.head, err);
    }
    m->packed_stale = st != MADPO_OK;
    return st;
}

/* A linear map of a layer: y [T,N] = x [T,K] W^T + bias, without what adapters add. */
typedef struct map {
    madpo_tensor y, x, w, packed, bias;
    int64_t N, K;
} map;

static madpo_status apply(madpo_model *m, const map *f, int64_t T, madpo_error *err)
{
    madpo_status st =
        madpo__linear(m, f->y, f->x, f->w, f->packed, (int64_t[]){T, f->N, f->K}, err);

    if (st == MADPO_OK && !madpo_tensor_is_none(f->bias))
        st = madpo_bias_fwd(m->dev, f->y, f->bias, T, f->N, err);
    return st;
}

/* The same with adapters at `site`. */
static madpo_status apply_site(madpo_model *m, int32_t l, madpo_site site, const map *f, int64_t T,
                               madpo_error *err)
{
    const madpo__site_io io = {.site = site, .x = f->x, .n_y = 1, .y = {f->y}};
    madpo_status st = apply(m, f, T, err);

    return st == MADPO_OK ? madpo__lora_fwd(m, l, T, &io, err) : st;
}

/* One norm of the residual stream; mu and bias count for LayerNorm only. */
typedef struct norm_io {
    madpo_tensor y, mu, r, x, gain, bias;
} norm_io;

static madpo_status norm(madpo_model *m, const norm_io *n, int64_t T, madpo_error *err)
{
    const madpo_model_config *c = &m->config;

    if (c->arch->layer_norm)
        return madpo_layernorm_fwd(m->dev, n->y, n->mu, n->r, n->x, n->gain, n->bias, T, c->C,
                                   (float)c->norm_eps, err);
    return madpo_rmsnorm_fwd(m->dev, n->y, n->r, n->x, n->gain, T, c->C, (float)c->norm_eps,
                             c->arch->norm_add_one, err);
}

/* q, k and v of a layer, before their norms and RoPE, into y. */
static madpo_status project(madpo_model *m, int32_t l, int64_t T, const madpo_tensor y[3],
                            madpo_error *err)
{
    const madpo_model_config *c = &m->config;
    const madpo__params *w = &m->w.layer[l], *p = &m->p.layer[l];
    int64_t HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;
    madpo_tensor x = m->acts[l].n1;
    const map q = {y[0], x, w->q, p->q, w->q_bias, HD, c->C};
    const map k = {y[1], x, w->k, p->k, w->k_bias, KD, c->C};
    const map v = {y[2], x, w->v, p->v, w->v_bias, KD, c->C};
    const madpo__site_io fused = {
        .site = MADPO_SITE_QKV, .x = x, .n_y = 3, .y = {y[0], y[1], y[2]}};
    madpo_status st = apply_site(m, l, MADPO_SITE_Q, &q, T, err);

    if (st == MADPO_OK)
        st = apply_site(m, l, MADPO_SITE_K, &k, T, err);
    if (st == MADPO_OK)
        st = apply_site(m, l, MADPO_SITE_V, &v, T, err);
    return st == MADPO_OK ? madpo__lora_fwd(m, l, T, &fused, err) : st;
}

/* q, k and v of a layer, normed and rotated. */
static madpo_status project_qkv(madpo_model *m, int32_t l, const madpo__pass *pass,
                                madpo_error *err)
{
    const madpo_model_config *c = &m->config;
    const madpo__params *w = &m->w.layer[l];
    madpo__acts *a = &m->acts[l];
    bool qk_norm = c->arch->qk_norm;
    madpo_tensor rope = madpo__layer_rope(m, l);
    const madpo_tensor y[3] = {qk_norm ? a->q_in : a->q, qk_norm ? a->k_in : a->k, a->v};
    int64_t T = pass->T, rotary = madpo_model_rotary(c);
    float eps = (float)c->norm_eps;
    madpo_status st = project(m, l, T, y, err);

    if (st == MADPO_OK && qk_norm)
        st = madpo_rmsnorm_fwd(m->dev, a->q, a->rq, a->q_in, w->q_norm, T * c->H, c->D, eps,
                               c->arch->norm_add_one, err);
    if (st == MADPO_OK && qk_norm)
        st = madpo_rmsnorm_fwd(m->dev, a->k, a->rk, a->k_in, w->k_norm, T * c->K, c->D, eps,
                               c->arch->norm_add_one, err);
    if (st == MADPO_OK && rotary > 0)
        st = madpo_rope(m->dev, a->q, pass->pos, rope, T, c->H, c->D, rotary, false, err);
    if (st == MADPO_OK && rotary > 0)
        st = madpo_rope(m->dev, a->k, pass->pos, rope, T, c->K, c->D, rotary, false, err);
    return st;
}

static madpo_status store_kv(madpo_model *m, int32_t l, const madpo__pass *pass, madpo_error *err)
{
    const madpo__acts *a = &m->acts[l];
    int64_t KD = (int64_t)m->config.K * m->config.D;
    madpo_status st =
        madpo_kv_cache_store(m->dev, m->gen.k[l], a->k, pass->store_token, pass->store_slot,
                             pass->store_pos, pass->n_store, m->gen.len, KD, err);

    if (st == MADPO_OK)
        st = madpo_kv_cache_store(m->dev, m->gen.v[l], a->v, pass->store_token, pass->store_slot,
                                  pass->store_pos, pass->n_store, m->gen.len, KD, err);
    return st;
}

static madpo_status attend(madpo_model *m, int32_t l, const madpo__pass *pass, madpo_error *err)
{
    const madpo_model_config *c = &m->config;
    const madpo__acts *a = &m->acts[l];
    madpo_attention_dims dims = {.T = pass->T,
                                 .n_seg = pass->n_seg,
                                 .H = c->H,
                                 .K = c->K,
                                 .D = c->D,
                                 .window = madpo_model_layer_is_full(c, l) ? 0 : c->window,
                                 .scale = madpo__attn_scale(c)};

    if (pass->decode)
        return madpo_attention_decode(m->dev, a->o, a->q, m->gen.k[l], m->gen.v[l], pass->slot,
                                      pass->len, m->gen.len, &dims, err);
    return madpo_attention_fwd(m->dev, a->o, a->lse, a->q, a->k, a->v, pass->seg, pass->tok_seg,
                               pass->pos, &dims, err);
}

/* y = x + out, through the post norm where there is one; out is what attention or the MLP gave. */
static madpo_status add_block(madpo_model *m, madpo_tensor y, madpo_tensor x, madpo_tensor out,
                              madpo_tensor r, madpo_tensor gain, int64_t T, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    if (m->config.arch->post_norms) {
        const norm_io n = {.y = m->tmp, .r = r, .x = out, .gain = gain};

        st = norm(m, &n, T, err);
        out = m->tmp;
    }
    if (st == MADPO_OK)
        st = madpo_add_fwd(m->dev, y, x, out, T * m->config.C, err);
    return st;
}

/* The MLP's norm: of what attention left in the residual stream, or of the layer's own input where
 * the two stand side by side. */
static madpo_status norm_mlp(madpo_model *m, int32_t l, int64_t T, madpo_error *err)
{
    const madpo__params *w = &m->w.layer[l];
    const madpo__acts *a = &m->acts[l];
    const norm_io n = {.y = a->n2,
                       .mu = a->mu2,
                       .r = a->r2,
                       .x = m->config.parallel_residual ? a->x : a->x_mid,
                       .gain = w->mlp_norm,
                       .bias = w->mlp_norm_bias};

    return norm(m, &n, T, err);
}

static madpo_status forward_attention(madpo_model *m, int32_t l, const madpo__pass *pass,
                                      madpo_error *err)
{
    const madpo_model_config *c = &m->config;
    const madpo__params *w = &m->w.layer[l];
    madpo__acts *a = &m->acts[l];
    madpo_tensor out = c->arch->post_norms ? a->attn_out : m->tmp;
    const norm_io n = {a->n1, a->mu1, a->r1, a->x, w->attn_norm, w->attn_norm_bias};
    const map o = {out, a->o, w->o, m->p.layer[l].o, w->o_bias, c->C, (int64_t)c->H * c->D};
    int64_t T = pass->T;
    madpo_status st = norm(m, &n, T, err);

    if (st == MADPO_OK)
        st = project_qkv(m, l, pass, err);
    if (st == MADPO_OK && pass->n_store > 0)
        st = store_kv(m, l, pass, err);
    if (st == MADPO_OK)
        st = attend(m, l, pass, err);
    if (st == MADPO_OK)
        st = apply_site(m, l, MADPO_SITE_O, &o, T, err);
    /* before x goes on: where nothing is kept, n2 takes n1's place and x_mid that of x */
    if (st == MADPO_OK && c->parallel_residual)
        st = norm_mlp(m, l, T, err);
    if (st == MADPO_OK)
        st = add_block(m, a->x_mid, a->x, out, a->r_attn, w->attn_post_norm, T, err);
    return st;
}

static madpo_status activate(madpo_model *m, int32_t l, int64_t T, madpo_error *err)
{
    const madpo_model_config *c = &m->config;
    const madpo__params *w = &m->w.layer[l], *p = &m->p.layer[l];
    madpo__acts *a = &m->acts[l];
    const map gate = {a->gate, a->n2, w->gate, p->gate, w->gate_bias, c->F, c->C};
    const map up = {a->up, a->n2, w->up, p->up, w->up_bias, c->F, c->C};
    madpo_status st = MADPO_OK;

    if (c->arch->gated)
        st = apply_site(m, l, MADPO_SITE_GATE, &gate, T, err);
    if (st == MADPO_OK)
        st = apply_site(m, l, MADPO_SITE_UP, &up, T, err);
    if (st != MADPO_OK)
        return st;
    return c->arch->gated ? madpo_glu_fwd(m->dev, a->y, a->gate, a->up, T, c->F, c->act, err)
                          : madpo_act_fwd(m->dev, a->y, a->up, T * c->F, c->act, err);
}

static madpo_status forward_mlp(madpo_model *m, int32_t l, const madpo__pass *pass,
                                madpo_error *err)
{
    const madpo_model_config *c = &m->config;
    const madpo__params *w = &m->w.layer[l];
    madpo__acts *a = &m->acts[l];
    madpo_tensor out = c->arch->post_norms ? a->mlp_out : m->tmp;
    madpo_tensor next = l + 1 < c->L ? m->acts[l + 1].x : m->x_out;
    const map down = {out, a->y, w->down, m->p.layer[l].down, w->down_bias, c->C, c->F};
    int64_t T = pass->T;
    madpo_status st = c->parallel_residual ? MADPO_OK : norm_mlp(m, l, T, err);

    if (st == MADPO_OK)
        st = activate(m, l, T, err);
    if (st == MADPO_OK)
        st = apply_site(m, l, MADPO_SITE_DOWN, &down, T, err);
    if (st == MADPO_OK)
        st = add_block(m, next, a->x_mid, out, a->r_mlp, w->mlp_post_norm, T, err);
    return st;
}

madpo_status madpo__forward_layer(madpo_model *m, int32_t l, const madpo__pass *pass,
                                  madpo_error *err)
{
    madpo_status st = forward_attention(m, l, pass, err);

    return st == MADPO_OK ? forward_mlp(m, l, pass, err) : st;
}

static madpo_status embed(madpo_model *m, const madpo__pass *pass, madpo_error *err)
{
    const madpo_model_config *c = &m->config;
    float scale = c->arch->embed_scale ? sqrtf((float)c->C) : 1;
    madpo_status st = madpo_embedding_fwd(m->dev, m->acts[0].x, pass->ids, m->w.top.embed, scale,
                                          pass->T, c->C, err);

    if (st == MADPO_OK && c->arch->learned_positions)
        st = madpo_position_fwd(m->dev, m->acts[0].x, pass->pos, m->w.top.position, pass->T, c->C,
                                err);
    return st;
}

madpo_status madpo__forward(madpo_model *m, const madpo__pass *pass, madpo_error *err)
{
    const norm_io last = {m->hidden, m->mu_final,         m->r_final,
                          m->x_out,  m->w.top.final_norm, m->w.top.final_norm_bias};
    madpo_status st = madpo__pack_weights(m, err);

    m->done = MADPO__DONE_NONE;
    if (st == MADPO_OK)
        st = embed(m, pass, err);
    for (int32_t l = 0; st == MADPO_OK && l < m->config.L; l++)
        st = madpo__forward_layer(m, l, pass, err);
    if (st == MADPO_OK)
        st = norm(m, &last, pass->T, err);
    return st;
}

madpo__pass madpo__batch_pass(const madpo_model *m, int64_t T, int64_t n_seg)
{
    return (madpo__pass){.T = T,
                         .n_seg = n_seg,
                         .ids = m->batch.ids,
                         .pos = m->batch.pos,
                         .seg = m->batch.seg,
                         .tok_seg = m->batch.tok_seg};
}

static madpo_status forward_batch(madpo_model *m, const madpo_batch *batch, madpo_error *err)
{
    madpo_status st = madpo__batch_upload(m, batch, err);
    madpo__pass pass;

    if (st != MADPO_OK)
        return st;
    pass = madpo__batch_pass(m, batch->T, batch->n_seg);
    return madpo__forward(m, &pass, err);
}

void madpo_model_set_pass(madpo_model *m, bool train, uint64_t seed, uint64_t counter)
{
    m->pass_train = train;
    m->pass_seed = seed;
    m->pass_counter = counter;
}

void madpo_model_set_timed(madpo_model *m, bool timed)
{
    m->timed = timed;
    if (timed)
        m->times = (madpo_model_times){0};
}

madpo_model_times madpo_model_get_times(const madpo_model *m)
{
    return m->times;
}

static madpo_status forward_logps(madpo_model *m, const madpo_batch *batch, float *logp, bool *top,
                                  madpo_error *err)
{
    int64_t R = batch->R;
    madpo_head_dims dims = {.T = batch->T, .C = m->config.C, .V = m->config.V, .R = R};
    madpo_head_io io;
    madpo_status st;

    if (m->options.reward_head)
        return madpo_error_set(err, MADPO_ERR_USAGE, "a reward model has no log-probs");
    st = forward_batch(m, batch, err);
    if (st != MADPO_OK)
        return st;
    io = madpo__head_io(m, R);
    /* what a frozen head keeps costs a product, so only a pass that goes back pays it */
    m->has_expect = m->pass_train && !madpo_tensor_is_none(m->expect);
    if (m->has_expect)
        io.expect = m->expect;
    st = madpo_head_fwd(m->dev, &io, &dims, err);
    if (st == MADPO_OK)
        st = madpo_tensor_read(m->dev, m->out, m->out_host, top ? 3 * R : R, err);
    if (st != MADPO_OK)
        return st;
    for (int64_t i = 0; i < R; i++) {
        logp[i] = m->out_host[i];
        if (top)
            top[i] = m->out_host[i] == m->out_host[2 * R + i] - m->out_host[R + i];
    }
    m->done = MADPO__DONE_LOGPS;
    return MADPO_OK;
}

madpo_status madpo_model_logps(madpo_model *m, const madpo_batch *batch, float *logp, bool *top,
                               madpo_error *err)
{
    double began = m->timed ? madpo_clock_monotonic() : 0;
    madpo_status st = forward_logps(m, batch, logp, top, err);

    if (m->timed)
        m->times.forward += madpo_clock_monotonic() - began;
    return st;
}

madpo_status madpo_model_rows(madpo_model *m, const madpo_batch *batch, madpo_tensor rows,
                              madpo_error *err)
{
    madpo_status st = forward_batch(m, batch, err);

    if (st != MADPO_OK || batch->R == 0)
        return st;
    /* a gather is a look-up in the table of hidden states */
    return madpo_embedding_fwd(m->dev, rows, m->batch.row_token, m->hidden, 1, batch->R,
                               m->config.C, err);
}

madpo_tensor madpo_model_head(const madpo_model *m)
{
    return m->w.top.head;
}

madpo_head_io madpo__head_io(const madpo_model *m, int64_t R)
{
    return (madpo_head_io){.hidden = m->hidden,
                           .W = m->w.top.head,
                           .row_token = m->batch.row_token,
                           .row_label = m->batch.row_label,
                           .logp = madpo_tensor_slice(m->out, 0, R),
                           .lse = madpo_tensor_slice(m->out, R, R),
                           .zmax = madpo_tensor_slice(m->out, 2 * R, R),
                           .logits = m->logits,
                           .expect = {0}};
}

madpo_status madpo_model_rewards(madpo_model *m, const madpo_batch *batch, float *reward,
                                 madpo_error *err)
{
    double began = m->timed ? madpo_clock_monotonic() : 0;
    madpo_status st;

    if (!m->options.reward_head)
        return madpo_error_set(err, MADPO_ERR_USAGE, "a causal model has no rewards");
    st = forward_batch(m, batch, err);
    if (st == MADPO_OK)
        st = madpo_reward_head_fwd(m->dev, m->out, m->hidden, m->batch.seq_last, m->w.top.score,
                                   batch->n_seq, m->config.C, err);
    if (st == MADPO_OK)
        st = madpo_tensor_read(m->dev, m->out, reward, batch->n_seq, err);
    if (st == MADPO_OK)
        m->done = MADPO__DONE_REWARDS;
    if (m->timed)
        m->times.forward += madpo_clock_monotonic() - began;
    return st;
}
