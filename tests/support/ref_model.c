/* See ref_model.h. */
#include "tests/support/ref_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ref/add.h"
#include "ref/attention.h"
#include "ref/embedding.h"
#include "ref/glu.h"
#include "ref/head.h"
#include "ref/matmul.h"
#include "ref/reward_head.h"
#include "ref/rmsnorm.h"
#include "ref/rope.h"

struct ref_model {
    madpo_model_config c;
    size_t n;
    madpo_model_tensor *table; /* [n] names and sizes */
    double **w;                /* [n] */
    double *rope[2];           /* full, local: [positions, D/2, 2] */
    int64_t positions;
};

static void *need(void *p)
{
    assert_non_null(p);
    return p;
}

static double *doubles(int64_t n)
{
    return need(calloc((size_t)n + 1, sizeof(double)));
}

ref_model *ref_model_new(const madpo_model *model)
{
    ref_model *ref = need(calloc(1, sizeof *ref));

    ref->c = *madpo_model_get_config(model);
    ref->n = madpo_model_tensor_count(model);
    ref->table = need(calloc(ref->n, sizeof *ref->table));
    ref->w = need(calloc(ref->n, sizeof *ref->w));
    for (size_t i = 0; i < ref->n; i++) {
        const madpo_model_tensor *t = madpo_model_tensor_at(model, i);
        float *f = need(malloc((size_t)t->n * sizeof *f));
        madpo_error err = MADPO_ERROR_INIT;

        ref->table[i] = *t;
        ref->w[i] = doubles(t->n);
        if (madpo_tensor_read(madpo_model_get_device(model), t->weight, f, t->n, &err) != MADPO_OK)
            fail_msg("%s", err.message);
        for (int64_t j = 0; j < t->n; j++)
            ref->w[i][j] = f[j];
        free(f);
    }
    return ref;
}

void ref_model_free(ref_model *ref)
{
    for (size_t i = 0; i < ref->n; i++)
        free(ref->w[i]);
    free(ref->w);
    free(ref->table);
    free(ref->rope[0]);
    free(ref->rope[1]);
    free(ref);
}

double *ref_model_weights(ref_model *ref, size_t i)
{
    return ref->w[i];
}

/* Weights by name; layer < 0: a name of its own. */
static const double *weight(const ref_model *ref, int32_t layer, const char *name)
{
    char full[128];

    if (layer < 0)
        snprintf(full, sizeof full, "%s", name);
    else
        snprintf(full, sizeof full, "model.layers.%d.%s", (int)layer, name);
    for (size_t i = 0; i < ref->n; i++)
        if (strcmp(ref->table[i].name, full) == 0)
            return ref->w[i];
    fail_msg("the model has no tensor %s", full);
    return NULL;
}

/* Angles in double, by the definition: position times theta^(-2i/D). */
static void fill_ropes(ref_model *ref, int64_t positions)
{
    int32_t half = ref->c.D / 2;

    if (positions <= ref->positions)
        return;
    ref->positions = positions;
    for (int which = 0; which < 2; which++) {
        double theta = which == 0 ? ref->c.rope_theta : ref->c.rope_theta_local;

        free(ref->rope[which]);
        ref->rope[which] = doubles(positions * ref->c.D);
        for (int64_t p = 0; p < positions; p++)
            for (int32_t i = 0; i < half; i++) {
                double angle = (double)p * pow(theta, -2.0 * i / ref->c.D);

                ref->rope[which][(p * half + i) * 2] = cos(angle);
                ref->rope[which][(p * half + i) * 2 + 1] = sin(angle);
            }
    }
}

/* y [T,N] = x [T,K] W^T, W [N,K]; y is new. */
static double *linear(const double *x, const double *w, int64_t T, int64_t N, int64_t K)
{
    madpo_ref_matmul_spec spec = {.transpose_b = true, .M = T, .N = N, .K = K};
    double *y = doubles(T * N);

    madpo_ref_matmul(&spec, y, x, w);
    return y;
}

/* A new array: x [rows,C] normed. */
static double *norm(const ref_model *ref, const double *x, const double *gain, int64_t rows,
                    int64_t C)
{
    double *y = doubles(rows * C), *r = doubles(rows);

    madpo_ref_rmsnorm_fwd(y, r, x, gain, rows, C, ref->c.norm_eps, ref->c.arch->norm_add_one);
    free(r);
    return y;
}

/* Put a normed copy in an array's place. */
static void renorm(const ref_model *ref, double **x, const double *gain, int64_t rows, int64_t C)
{
    double *y = norm(ref, *x, gain, rows, C);

    free(*x);
    *x = y;
}

static void attention_block(ref_model *ref, double *x, int32_t l, const madpo_batch *b)
{
    const madpo_model_config *c = &ref->c;
    int64_t T = b->T, HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;
    bool full = madpo_model_layer_is_full(c, l);
    double *n = norm(ref, x, weight(ref, l, "input_layernorm.weight"), T, c->C);
    double *q = linear(n, weight(ref, l, "self_attn.q_proj.weight"), T, HD, c->C);
    double *k = linear(n, weight(ref, l, "self_attn.k_proj.weight"), T, KD, c->C);
    double *v = linear(n, weight(ref, l, "self_attn.v_proj.weight"), T, KD, c->C);
    double *o = doubles(T * HD), *lse = doubles(T * c->H), *out;
    madpo_ref_attention_dims dims = {.T = T,
                                     .n_seg = b->n_seg,
                                     .H = c->H,
                                     .K = c->K,
                                     .D = c->D,
                                     .window = full ? 0 : c->window,
                                     .scale = c->attn_scale > 0 ? c->attn_scale : pow(c->D, -.5)};

    if (c->arch->qk_norm) {
        renorm(ref, &q, weight(ref, l, "self_attn.q_norm.weight"), T * c->H, c->D);
        renorm(ref, &k, weight(ref, l, "self_attn.k_norm.weight"), T * c->K, c->D);
    }
    madpo_ref_rope(q, b->pos, ref->rope[!full], T, c->H, c->D, c->D, false);
    madpo_ref_rope(k, b->pos, ref->rope[!full], T, c->K, c->D, c->D, false);
    madpo_ref_attention_fwd(o, lse, q, k, v, (const int32_t *)(const void *)b->seg, b->tok_seg,
                            b->pos, &dims);
    out = linear(o, weight(ref, l, "self_attn.o_proj.weight"), T, c->C, HD);
    if (c->arch->post_norms)
        renorm(ref, &out, weight(ref, l, "post_attention_layernorm.weight"), T, c->C);
    madpo_ref_add_fwd(x, x, out, T * c->C);
    free(n);
    free(q);
    free(k);
    free(v);
    free(o);
    free(lse);
    free(out);
}

static void mlp_block(ref_model *ref, double *x, int32_t l, int64_t T)
{
    const madpo_model_config *c = &ref->c;
    bool post = c->arch->post_norms;
    double *n =
        norm(ref, x,
             weight(ref, l,
                    post ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight"),
             T, c->C);
    double *gate = linear(n, weight(ref, l, "mlp.gate_proj.weight"), T, c->F, c->C);
    double *up = linear(n, weight(ref, l, "mlp.up_proj.weight"), T, c->F, c->C), *out;

    madpo_ref_glu_fwd(gate, gate, up, T, c->F, c->arch->act == MADPO_ACT_GELU_TANH);
    out = linear(gate, weight(ref, l, "mlp.down_proj.weight"), T, c->C, c->F);
    if (post)
        renorm(ref, &out, weight(ref, l, "post_feedforward_layernorm.weight"), T, c->C);
    madpo_ref_add_fwd(x, x, out, T * c->C);
    free(n);
    free(gate);
    free(up);
    free(out);
}

/* Final hidden states [T,C], new. */
static double *forward(ref_model *ref, const madpo_batch *b)
{
    const madpo_model_config *c = &ref->c;
    double *x = doubles(b->T * c->C);

    fill_ropes(ref, b->T + 1);
    madpo_ref_embedding_fwd(x, b->ids, weight(ref, -1, "model.embed_tokens.weight"),
                            c->arch->embed_scale ? sqrt(c->C) : 1, b->T, c->C);
    for (int32_t l = 0; l < c->L; l++) {
        attention_block(ref, x, l, b);
        mlp_block(ref, x, l, b->T);
    }
    renorm(ref, &x, weight(ref, -1, "model.norm.weight"), b->T, c->C);
    return x;
}

void ref_model_logps(ref_model *ref, const madpo_batch *b, double *logp, int32_t *argmax)
{
    const madpo_model_config *c = &ref->c;
    const double *w = weight(ref, -1, c->tied ? "model.embed_tokens.weight" : "lm_head.weight");
    double *hidden = forward(ref, b), *lse = doubles(b->R), *zmax = doubles(b->R);

    madpo_ref_head_fwd(logp, lse, zmax, hidden, w, b->row_token, b->row_label, b->R, c->C, c->V);
    for (int64_t i = 0; argmax && i < b->R; i++) {
        double *z = linear(hidden + b->row_token[i] * (int64_t)c->C, w, 1, c->V, c->C);

        argmax[i] = 0;
        for (int32_t j = 1; j < c->V; j++)
            if (z[j] > z[argmax[i]])
                argmax[i] = j;
        free(z);
    }
    free(hidden);
    free(lse);
    free(zmax);
}

void ref_model_rewards(ref_model *ref, const madpo_batch *b, double *reward)
{
    double *hidden = forward(ref, b);

    madpo_ref_reward_head_fwd(reward, hidden, b->seq_last, weight(ref, -1, "score.weight"),
                              b->n_seq, ref->c.C);
    free(hidden);
}
