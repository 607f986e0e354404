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

#include "ref/act.h"
#include "ref/add.h"
#include "ref/attention.h"
#include "ref/bias.h"
#include "ref/embedding.h"
#include "ref/glu.h"
#include "ref/head.h"
#include "ref/layernorm.h"
#include "ref/matmul.h"
#include "ref/position.h"
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

/* What Hugging Face calls things, by family; written down here once more, apart from the product's
 * own table. Biases stand beside their matrices. */
typedef struct names {
    const char *arch, *layer; /* "model.layers." */
    const char *embed, *final, *head;
    const char *norm1, *norm2, *q, *k, *v, *o, *gate, *up, *down;
} names;

static const names families[] = {
    {"gpt2", "transformer.h.", "transformer.wte", "transformer.ln_f", "lm_head", "ln_1", "ln_2",
     "attn.c_attn.%s[q]", "attn.c_attn.%s[k]", "attn.c_attn.%s[v]", "attn.c_proj.%s", NULL,
     "mlp.c_fc.%s", "mlp.c_proj.%s"},
    {"gpt_neox", "gpt_neox.layers.", "gpt_neox.embed_in", "gpt_neox.final_layer_norm", "embed_out",
     "input_layernorm", "post_attention_layernorm", "attention.query_key_value.%s[q]",
     "attention.query_key_value.%s[k]", "attention.query_key_value.%s[v]", "attention.dense.%s",
     NULL, "mlp.dense_h_to_4h.%s", "mlp.dense_4h_to_h.%s"},
    {"gemma3", "model.layers.", "model.embed_tokens", "model.norm", "lm_head", "input_layernorm",
     "pre_feedforward_layernorm", "self_attn.q_proj.%s", "self_attn.k_proj.%s",
     "self_attn.v_proj.%s", "self_attn.o_proj.%s", "mlp.gate_proj.%s", "mlp.up_proj.%s",
     "mlp.down_proj.%s"},
    {NULL, "model.layers.", "model.embed_tokens", "model.norm", "lm_head", "input_layernorm",
     "post_attention_layernorm", "self_attn.q_proj.%s", "self_attn.k_proj.%s",
     "self_attn.v_proj.%s", "self_attn.o_proj.%s", "mlp.gate_proj.%s", "mlp.up_proj.%s",
     "mlp.down_proj.%s"},
};

static const names *family(const ref_model *ref)
{
    const names *f = families;

    while (f->arch && strcmp(f->arch, ref->c.arch->name) != 0)
        f++;
    return f;
}

static double *find(const ref_model *ref, const char *name)
{
    for (size_t i = 0; i < ref->n; i++)
        if (strcmp(ref->table[i].name, name) == 0)
            return ref->w[i];
    return NULL;
}

/* Weight of a module: `what` is "weight" or "bias"; layer < 0: a module of its own. NULL: none. */
static const double *maybe(const ref_model *ref, int32_t layer, const char *module,
                           const char *what)
{
    char name[112], full[160];
    const char *hole = strstr(module, "%s");

    if (hole)
        snprintf(name, sizeof name, "%.*s%s%s", (int)(hole - module), module, what, hole + 2);
    else
        snprintf(name, sizeof name, "%s.%s", module, what);
    if (layer < 0)
        return find(ref, name);
    snprintf(full, sizeof full, "%s%d.%s", family(ref)->layer, (int)layer, name);
    return find(ref, full);
}

static const double *weight(const ref_model *ref, int32_t layer, const char *module)
{
    const double *w = maybe(ref, layer, module, "weight");

    if (!w)
        fail_msg("the model has no weights of %s", module);
    return w;
}

/* Frequency i of n turned dims, by the definitions. */
static double frequency(const madpo_model_config *c, bool local, int32_t i, int32_t n)
{
    const madpo_rope_scaling *r = &c->rope;
    double w = pow(local ? c->rope_theta_local : c->rope_theta, -2.0 * i / n), wave = 2 * M_PI / w;
    double s;

    if (local || r->kind == MADPO_ROPE_DEFAULT)
        return w;
    if (r->kind == MADPO_ROPE_LINEAR)
        return w / r->factor;
    if (wave < r->original_positions / r->high_freq)
        return w;
    if (wave > r->original_positions / r->low_freq)
        return w / r->factor;
    s = (r->original_positions / wave - r->low_freq) / (r->high_freq - r->low_freq);
    return (1 - s) * w / r->factor + s * w;
}

/* Dims of a head that turn. */
static int32_t turned(const madpo_model_config *c)
{
    return c->rotary > 0 ? c->rotary : c->D;
}

/* Angles in double: position times frequency. */
static void fill_ropes(ref_model *ref, int64_t positions)
{
    int32_t half = turned(&ref->c) / 2;

    if (positions <= ref->positions || ref->c.arch->learned_positions)
        return;
    ref->positions = positions;
    for (int which = 0; which < 2; which++) {
        free(ref->rope[which]);
        ref->rope[which] = doubles(positions * ref->c.D);
        for (int64_t p = 0; p < positions; p++)
            for (int32_t i = 0; i < half; i++) {
                double angle = (double)p * frequency(&ref->c, which == 1, i, 2 * half);

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

/* The same of a module in layer l, with its bias where it has one. */
static double *module(const ref_model *ref, int32_t l, const char *name, const double *x, int64_t T,
                      int64_t N, int64_t K)
{
    const double *bias = maybe(ref, l, name, "bias");
    double *y = linear(x, weight(ref, l, name), T, N, K);

    if (bias)
        madpo_ref_bias_fwd(y, bias, T, N);
    return y;
}

/* A new array: x [rows,C] normed. */
static double *norm(const ref_model *ref, int32_t l, const char *name, const double *x,
                    int64_t rows, int64_t C)
{
    const double *gain = weight(ref, l, name), *bias = maybe(ref, l, name, "bias");
    double *y = doubles(rows * C), *r = doubles(rows), *mean = doubles(rows);

    if (ref->c.arch->layer_norm)
        madpo_ref_layernorm_fwd(y, mean, r, x, gain, bias, rows, C, ref->c.norm_eps);
    else
        madpo_ref_rmsnorm_fwd(y, r, x, gain, rows, C, ref->c.norm_eps, ref->c.arch->norm_add_one);
    free(r);
    free(mean);
    return y;
}

/* Put a normed copy in an array's place. */
static void renorm(const ref_model *ref, double **x, int32_t l, const char *name, int64_t rows,
                   int64_t C)
{
    double *y = norm(ref, l, name, *x, rows, C);

    free(*x);
    *x = y;
}

/* What attention adds to the residual stream x [T,C]: a new array. */
static double *attention_block(ref_model *ref, const double *x, int32_t l, const madpo_batch *b)
{
    const madpo_model_config *c = &ref->c;
    const names *f = family(ref);
    int64_t T = b->T, HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;
    bool full = madpo_model_layer_is_full(c, l), local = !full && c->arch->local_global;
    double *n = norm(ref, l, f->norm1, x, T, c->C);
    double *q = module(ref, l, f->q, n, T, HD, c->C);
    double *k = module(ref, l, f->k, n, T, KD, c->C);
    double *v = module(ref, l, f->v, n, T, KD, c->C);
    double *o = doubles(T * HD), *lse = doubles(T * c->H), *out;
    madpo_ref_attention_dims dims = {.T = T,
                                     .n_seg = b->n_seg,
                                     .H = c->H,
                                     .K = c->K,
                                     .D = c->D,
                                     .window = full ? 0 : c->window,
                                     .scale = c->attn_scale > 0 ? c->attn_scale : pow(c->D, -.5)};

    if (c->arch->qk_norm) {
        renorm(ref, &q, l, "self_attn.q_norm", T * c->H, c->D);
        renorm(ref, &k, l, "self_attn.k_norm", T * c->K, c->D);
    }
    if (!c->arch->learned_positions) {
        madpo_ref_rope(q, b->pos, ref->rope[local], T, c->H, c->D, turned(c), false);
        madpo_ref_rope(k, b->pos, ref->rope[local], T, c->K, c->D, turned(c), false);
    }
    madpo_ref_attention_fwd(o, lse, q, k, v, (const int32_t *)(const void *)b->seg, b->tok_seg,
                            b->pos, &dims);
    out = module(ref, l, f->o, o, T, c->C, HD);
    if (c->arch->post_norms)
        renorm(ref, &out, l, "post_attention_layernorm", T, c->C);
    free(n);
    free(q);
    free(k);
    free(v);
    free(o);
    free(lse);
    return out;
}

static double *mlp_block(ref_model *ref, const double *x, int32_t l, int64_t T)
{
    const madpo_model_config *c = &ref->c;
    const names *f = family(ref);
    double *n = norm(ref, l, f->norm2, x, T, c->C);
    double *up = module(ref, l, f->up, n, T, c->F, c->C), *gate, *out;

    if (f->gate) {
        gate = module(ref, l, f->gate, n, T, c->F, c->C);
        madpo_ref_glu_fwd(up, gate, up, T, c->F, (int)c->act);
        free(gate);
    } else {
        madpo_ref_act_fwd(up, up, T * c->F, (int)c->act);
    }
    out = module(ref, l, f->down, up, T, c->C, c->F);
    if (c->arch->post_norms)
        renorm(ref, &out, l, "post_feedforward_layernorm", T, c->C);
    free(n);
    free(up);
    return out;
}

static void layer(ref_model *ref, double *x, int32_t l, const madpo_batch *b)
{
    int64_t n = b->T * ref->c.C;
    double *attention = attention_block(ref, x, l, b), *mlp;

    if (!ref->c.parallel_residual)
        madpo_ref_add_fwd(x, x, attention, n);
    mlp = mlp_block(ref, x, l, b->T);
    if (ref->c.parallel_residual)
        madpo_ref_add_fwd(x, x, attention, n);
    madpo_ref_add_fwd(x, x, mlp, n);
    free(attention);
    free(mlp);
}

/* Final hidden states [T,C], new. */
static double *forward(ref_model *ref, const madpo_batch *b)
{
    const madpo_model_config *c = &ref->c;
    double *x = doubles(b->T * c->C);

    fill_ropes(ref, b->T + 1);
    madpo_ref_embedding_fwd(x, b->ids, weight(ref, -1, family(ref)->embed),
                            c->arch->embed_scale ? sqrt(c->C) : 1, b->T, c->C);
    if (c->arch->learned_positions)
        madpo_ref_position_fwd(x, b->pos, weight(ref, -1, "transformer.wpe"), b->T,
                               c->max_positions, c->C);
    for (int32_t l = 0; l < c->L; l++)
        layer(ref, x, l, b);
    renorm(ref, &x, -1, family(ref)->final, b->T, c->C);
    return x;
}

void ref_model_logps(ref_model *ref, const madpo_batch *b, double *logp, int32_t *argmax)
{
    const madpo_model_config *c = &ref->c;
    const double *w = weight(ref, -1, c->tied ? family(ref)->embed : family(ref)->head);
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

    madpo_ref_reward_head_fwd(reward, hidden, b->seq_last, weight(ref, -1, "score"), b->n_seq,
                              ref->c.C);
    free(hidden);
}
