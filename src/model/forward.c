/* The forward pass: embedding, layers, final norm; and what is read off it, log-probs and rewards.
 *
 * The order of operations is the same whether activations are kept or not and whether weights are
 * packed or not, so that a frozen reference and a policy with the same weights agree to the last
 * bit. */
#include <math.h>

#include "base/error.h"
#include "model/internal.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/embedding.h"
#include "ops/glu.h"
#include "ops/head.h"
#include "ops/kv_cache.h"
#include "ops/matmul.h"
#include "ops/reward_head.h"
#include "ops/rmsnorm.h"
#include "ops/rope.h"

float madpo__attn_scale(const madpo_model_config *c)
{
    return (float)(c->attn_scale > 0 ? c->attn_scale : 1.0 / sqrt(c->D));
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

static madpo_status norm(madpo_model *m, madpo_tensor y, madpo_tensor r, madpo_tensor x,
                         madpo_tensor gain, int64_t T, madpo_error *err)
{
    return madpo_rmsnorm_fwd(m->dev, y, r, x, gain, T, m->config.C, (float)m->config.norm_eps,
                             m->config.arch->norm_add_one, err);
}

/* q, k and v of a layer, normed and rotated. */
static madpo_status project_qkv(madpo_model *m, int32_t l, const madpo__pass *pass,
                                madpo_error *err)
{
    const madpo_model_config *c = &m->config;
    const madpo__params *w = &m->w.layer[l], *p = &m->p.layer[l];
    madpo__acts *a = &m->acts[l];
    bool qk_norm = c->arch->qk_norm;
    madpo_tensor rope = madpo_model_layer_is_full(c, l) ? m->rope_full : m->rope_local;
    int64_t T = pass->T, HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;
    float eps = (float)c->norm_eps;
    madpo_status st = madpo__linear(m, qk_norm ? a->q_in : a->q, a->n1, w->q, p->q,
                                    (int64_t[]){T, HD, c->C}, err);

    if (st == MADPO_OK)
        st = madpo__linear(m, qk_norm ? a->k_in : a->k, a->n1, w->k, p->k, (int64_t[]){T, KD, c->C},
                           err);
    if (st == MADPO_OK)
        st = madpo__linear(m, a->v, a->n1, w->v, p->v, (int64_t[]){T, KD, c->C}, err);
    if (st == MADPO_OK && qk_norm)
        st = madpo_rmsnorm_fwd(m->dev, a->q, a->rq, a->q_in, w->q_norm, T * c->H, c->D, eps,
                               c->arch->norm_add_one, err);
    if (st == MADPO_OK && qk_norm)
        st = madpo_rmsnorm_fwd(m->dev, a->k, a->rk, a->k_in, w->k_norm, T * c->K, c->D, eps,
                               c->arch->norm_add_one, err);
    if (st == MADPO_OK)
        st = madpo_rope(m->dev, a->q, pass->pos, rope, T, c->H, c->D, c->D, false, err);
    if (st == MADPO_OK)
        st = madpo_rope(m->dev, a->k, pass->pos, rope, T, c->K, c->D, c->D, false, err);
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
        st = norm(m, m->tmp, r, out, gain, T, err);
        out = m->tmp;
    }
    if (st == MADPO_OK)
        st = madpo_add_fwd(m->dev, y, x, out, T * m->config.C, err);
    return st;
}

static madpo_status forward_attention(madpo_model *m, int32_t l, const madpo__pass *pass,
                                      madpo_error *err)
{
    const madpo_model_config *c = &m->config;
    const madpo__params *w = &m->w.layer[l];
    madpo__acts *a = &m->acts[l];
    madpo_tensor out = c->arch->post_norms ? a->attn_out : m->tmp;
    int64_t T = pass->T;
    madpo_status st = norm(m, a->n1, a->r1, a->x, w->attn_norm, T, err);

    if (st == MADPO_OK)
        st = project_qkv(m, l, pass, err);
    if (st == MADPO_OK && pass->n_store > 0)
        st = store_kv(m, l, pass, err);
    if (st == MADPO_OK)
        st = attend(m, l, pass, err);
    if (st == MADPO_OK)
        st = madpo__linear(m, out, a->o, w->o, m->p.layer[l].o,
                           (int64_t[]){T, c->C, (int64_t)c->H * c->D}, err);
    if (st == MADPO_OK)
        st = add_block(m, a->x_mid, a->x, out, a->r_attn, w->attn_post_norm, T, err);
    return st;
}

static madpo_status forward_mlp(madpo_model *m, int32_t l, const madpo__pass *pass,
                                madpo_error *err)
{
    const madpo_model_config *c = &m->config;
    const madpo__params *w = &m->w.layer[l], *p = &m->p.layer[l];
    madpo__acts *a = &m->acts[l];
    madpo_tensor out = c->arch->post_norms ? a->mlp_out : m->tmp;
    madpo_tensor next = l + 1 < c->L ? m->acts[l + 1].x : m->x_out;
    int64_t T = pass->T;
    madpo_status st = norm(m, a->n2, a->r2, a->x_mid, w->mlp_norm, T, err);

    if (st == MADPO_OK)
        st = madpo__linear(m, a->gate, a->n2, w->gate, p->gate, (int64_t[]){T, c->F, c->C}, err);
    if (st == MADPO_OK)
        st = madpo__linear(m, a->up, a->n2, w->up, p->up, (int64_t[]){T, c->F, c->C}, err);
    if (st == MADPO_OK)
        st = madpo_glu_fwd(m->dev, a->y, a->gate, a->up, T, c->F, c->arch->act, err);
    if (st == MADPO_OK)
        st = madpo__linear(m, out, a->y, w->down, p->down, (int64_t[]){T, c->C, c->F}, err);
    if (st == MADPO_OK)
        st = add_block(m, next, a->x_mid, out, a->r_mlp, w->mlp_post_norm, T, err);
    return st;
}

madpo_status madpo__forward(madpo_model *m, const madpo__pass *pass, madpo_error *err)
{
    const madpo_model_config *c = &m->config;
    float scale = c->arch->embed_scale ? sqrtf((float)c->C) : 1;
    madpo_status st = madpo__pack_weights(m, err);

    m->done = MADPO__DONE_NONE;
    if (st == MADPO_OK)
        st = madpo_embedding_fwd(m->dev, m->acts[0].x, pass->ids, m->w.top.embed, scale, pass->T,
                                 c->C, err);
    for (int32_t l = 0; st == MADPO_OK && l < c->L; l++) {
        st = forward_attention(m, l, pass, err);
        if (st == MADPO_OK)
            st = forward_mlp(m, l, pass, err);
    }
    if (st == MADPO_OK)
        st = norm(m, m->hidden, m->r_final, m->x_out, m->w.top.final_norm, pass->T, err);
    return st;
}

static madpo_status forward_batch(madpo_model *m, const madpo_batch *batch, madpo_error *err)
{
    madpo_status st = madpo__batch_upload(m, batch, err);
    madpo__pass pass = {.T = batch->T, .n_seg = batch->n_seg};

    if (st != MADPO_OK)
        return st;
    pass.ids = m->batch.ids;
    pass.pos = m->batch.pos;
    pass.seg = m->batch.seg;
    pass.tok_seg = m->batch.tok_seg;
    return madpo__forward(m, &pass, err);
}

madpo_status madpo_model_logps(madpo_model *m, const madpo_batch *batch, float *logp, bool *top,
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

madpo_head_io madpo__head_io(const madpo_model *m, int64_t R)
{
    return (madpo_head_io){.hidden = m->hidden,
                           .W = m->w.top.head,
                           .row_token = m->batch.row_token,
                           .row_label = m->batch.row_label,
                           .logp = madpo_tensor_slice(m->out, 0, R),
                           .lse = madpo_tensor_slice(m->out, R, R),
                           .zmax = madpo_tensor_slice(m->out, 2 * R, R),
                           .logits = m->logits};
}

madpo_status madpo_model_rewards(madpo_model *m, const madpo_batch *batch, float *reward,
                                 madpo_error *err)
{
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
    return st;
}
