/* Hugging Face config.json, read strictly: a feature that would change the forward pass and is not
 * implemented is refused, never ignored. One function an architecture reads what is its own; absent
 * keys mean what they mean to transformers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/config.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef struct reader {
    const json_t *o;   /* config.json's object */
    const char *where; /* its path */
    madpo_error *err;
    madpo_status st; /* first failure; the getters do nothing after it */
} reader;

/* ---- getters ---- */

static bool has(const reader *r, const char *key)
{
    return r->st == MADPO_OK && madpo_json_has(r->o, key);
}

/* `fallback` is transformers' own default for an absent key, -1: the key is required. */
static int32_t get_int_of(reader *r, const json_t *o, const char *key, int32_t fallback)
{
    int64_t v = fallback;

    if (r->st != MADPO_OK || (fallback >= 0 && !madpo_json_has(o, key)))
        return fallback;
    r->st = madpo_json_get_int(&v, o, key, r->where, r->err);
    if (r->st == MADPO_OK && (v < 0 || v > INT32_MAX)) {
        r->st = madpo_error_set(r->err, MADPO_ERR_DATA, "%s: %s = %lld is out of range", r->where,
                                key, (long long)v);
        v = fallback;
    }
    return (int32_t)v;
}

static int32_t get_int(reader *r, const char *key, int32_t fallback)
{
    return get_int_of(r, r->o, key, fallback);
}

static double get_number(reader *r, const json_t *o, const char *key, double fallback)
{
    double v = fallback;

    if (r->st == MADPO_OK && madpo_json_has(o, key))
        r->st = madpo_json_get_number(&v, o, key, r->where, r->err);
    return v;
}

static bool get_bool(reader *r, const char *key, bool fallback)
{
    bool v = fallback;

    if (has(r, key))
        r->st = madpo_json_get_bool(&v, r->o, key, r->where, r->err);
    return v;
}

/* A token id: absent, null or negative is -1, of a list the first. */
static int32_t get_token(reader *r, const json_t *o, const char *key, size_t i)
{
    const json_t *v = json_object_get(o, key);

    if (json_is_array(v))
        v = json_array_get(v, i);
    if (r->st != MADPO_OK || !v || json_is_null(v))
        return -1;
    if (!json_is_integer(v) || json_integer_value(v) < -1 || json_integer_value(v) > INT32_MAX) {
        r->st = madpo_error_set(r->err, MADPO_ERR_DATA, "%s: %s must be a token id", r->where, key);
        return -1;
    }
    return (int32_t)json_integer_value(v);
}

/* A feature we do not have must be absent, null, false or 0. */
static void refuse(reader *r, const char *key)
{
    const json_t *v = json_object_get(r->o, key);

    if (r->st != MADPO_OK || !v || json_is_null(v) || json_is_false(v) ||
        (json_is_number(v) && json_number_value(v) == 0))
        return;
    r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                            "%s: %s is not implemented; use a model without it", r->where, key);
}

/* A number that only means "off" when it is `off` (or absent, or null). */
static void refuse_unless(reader *r, const json_t *o, const char *key, double off)
{
    double v = get_number(r, o, key, off);

    if (r->st == MADPO_OK && v != off)
        r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                "%s: %s = %g is not implemented for this model type, only %g",
                                r->where, key, v, off);
}

static madpo_activation get_act(reader *r, const char *key, madpo_activation fallback)
{
    static const struct {
        const char *name;
        madpo_activation act;
    } names[] = {{"silu", MADPO_ACT_SILU},          {"swish", MADPO_ACT_SILU},
                 {"gelu", MADPO_ACT_GELU},          {"gelu_python", MADPO_ACT_GELU},
                 {"gelu_new", MADPO_ACT_GELU_TANH}, {"gelu_pytorch_tanh", MADPO_ACT_GELU_TANH},
                 {"gelu_fast", MADPO_ACT_GELU_TANH}};
    const char *v = NULL;

    if (!has(r, key))
        return fallback;
    r->st = madpo_json_get_string(&v, r->o, key, r->where, r->err);
    for (size_t i = 0; r->st == MADPO_OK && i < COUNT(names); i++)
        if (strcmp(v, names[i].name) == 0)
            return names[i].act;
    if (r->st == MADPO_OK)
        r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                "%s: %s '%s' is not implemented (there are: silu, gelu, gelu_new)",
                                r->where, key, v);
    return fallback;
}

/* ---- sizes ---- */

/* Keys of the sizes and their defaults, which differ by model type. */
typedef struct size_keys {
    const char *hidden, *layers, *heads, *ffn, *positions;
    bool ffn_times_4;      /* the ffn's default is 4 hidden, else it is required */
    bool has_head_dim;     /* there is a key head_dim */
    bool has_kv_heads;     /* there is a key num_key_value_heads */
    int32_t head_dim;      /* its default; 0: hidden / heads */
    int32_t kv_heads;      /* its default; 0: as many as heads */
    int32_t max_positions; /* its default */
} size_keys;

static void get_head_dim(reader *r, madpo_model_config *c, const size_keys *k)
{
    c->D = k->head_dim;
    if (k->has_head_dim)
        c->D = get_int(r, "head_dim", c->D);
    if (r->st != MADPO_OK || c->D > 0 || c->H < 1)
        return;
    c->D = c->C / c->H;
    if (c->C % c->H != 0)
        r->st = madpo_error_set(r->err, MADPO_ERR_DATA, "%s: %s = %d is not a multiple of %s = %d",
                                r->where, k->hidden, (int)c->C, k->heads, (int)c->H);
}

static void get_sizes(reader *r, madpo_model_config *c, const size_keys *k)
{
    c->C = get_int(r, k->hidden, -1);
    c->L = get_int(r, k->layers, -1);
    c->H = get_int(r, k->heads, -1);
    c->K = c->H;
    if (k->has_kv_heads && has(r, "num_key_value_heads"))
        c->K = get_int(r, "num_key_value_heads", -1);
    else if (k->kv_heads > 0)
        c->K = k->kv_heads;
    if (!k->ffn_times_4 || has(r, k->ffn))
        c->F = get_int(r, k->ffn, -1);
    else
        c->F = c->C < INT32_MAX / 4 ? 4 * c->C : 0;
    c->max_positions = get_int(r, k->positions, k->max_positions);
    get_head_dim(r, c, k);
}

/* ---- RoPE ---- */

/* rope_scaling, or a member of rope_parameters: {"rope_type" or "type", "factor", …}. */
static void get_scaling(reader *r, const json_t *o, madpo_rope_scaling *s)
{
    const char *type = json_string_value(json_object_get(o, "rope_type"));

    if (!type)
        type = json_string_value(json_object_get(o, "type"));
    if (r->st != MADPO_OK || !json_is_object(o) || !type || strcmp(type, "default") == 0)
        return;
    if (strcmp(type, "linear") != 0 && strcmp(type, "llama3") != 0) {
        r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                "%s: rope_type '%s' is not implemented (there are: default, "
                                "linear, llama3)",
                                r->where, type);
        return;
    }
    s->kind = strcmp(type, "linear") == 0 ? MADPO_ROPE_LINEAR : MADPO_ROPE_LLAMA3;
    r->st = madpo_json_get_number(&s->factor, o, "factor", r->where, r->err);
    if (r->st == MADPO_OK && s->kind == MADPO_ROPE_LLAMA3) {
        r->st = madpo_json_get_number(&s->low_freq, o, "low_freq_factor", r->where, r->err);
        if (r->st == MADPO_OK)
            r->st = madpo_json_get_number(&s->high_freq, o, "high_freq_factor", r->where, r->err);
        s->original_positions = get_int_of(r, o, "original_max_position_embeddings", -1);
    }
    if (r->st == MADPO_OK &&
        (!(s->factor > 0) || !isfinite(s->factor) ||
         (s->kind == MADPO_ROPE_LLAMA3 &&
          !(s->low_freq > 0 && s->high_freq > s->low_freq && s->original_positions > 0))))
        r->st =
            madpo_error_set(r->err, MADPO_ERR_DATA,
                            "%s: the factors of RoPE scaling '%s' make no sense", r->where, type);
}

/* rope_theta and rope_scaling, or both in rope_parameters (transformers 5), for one table. */
static void get_rope(reader *r, madpo_model_config *c, double theta)
{
    const json_t *p = json_object_get(r->o, "rope_parameters");
    const json_t *scaling = json_object_get(r->o, "rope_scaling");

    if (scaling && !json_is_object(scaling))
        refuse(r, "rope_scaling");
    c->rope_theta = get_number(r, r->o, "rope_theta", theta);
    get_scaling(r, scaling, &c->rope);
    if (!json_is_object(p))
        return;
    c->rope_theta = get_number(r, p, "rope_theta", c->rope_theta);
    get_scaling(r, p, &c->rope);
}

/* Gemma 3: a base and scaling of full layers, a base of sliding ones. */
static void get_ropes(reader *r, madpo_model_config *c)
{
    const json_t *p = json_object_get(r->o, "rope_parameters");
    const json_t *full = json_object_get(p, "full_attention");
    const json_t *sliding = json_object_get(p, "sliding_attention");
    madpo_rope_scaling local = {.kind = MADPO_ROPE_DEFAULT};

    get_rope(r, c, 1e6);
    c->rope_theta_local = get_number(r, r->o, "rope_local_base_freq", 1e4);
    c->rope_theta = get_number(r, full, "rope_theta", c->rope_theta);
    get_scaling(r, full, &c->rope);
    c->rope_theta_local = get_number(r, sliding, "rope_theta", c->rope_theta_local);
    get_scaling(r, sliding, &local);
    if (r->st == MADPO_OK && local.kind != MADPO_ROPE_DEFAULT)
        r->st =
            madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                            "%s: RoPE scaling of sliding_attention is not implemented", r->where);
}

/* ---- which layers slide ---- */

static bool types_match(const bool *full, const madpo_model_config *c)
{
    for (int32_t l = 0; l < c->L; l++)
        if (full[l] != (l < c->window_from || (l + 1) % c->window_pattern == 0))
            return false;
    return true;
}

/* window_pattern and window_from that give exactly this list, if there are any. */
static bool fit_pattern(const bool *full, madpo_model_config *c)
{
    int32_t first = 0;

    while (first < c->L && full[first])
        first++;
    c->window_from = 0;
    c->window_pattern = 0;
    if (first == c->L)
        return true;
    for (int late = 0; late < 2; late++) {
        c->window_from = late ? first : 0;
        for (c->window_pattern = 2; c->window_pattern <= c->L + 1; c->window_pattern++)
            if (types_match(full, c))
                return true;
    }
    return false;
}

/* The list of layer_types; a list that no pattern gives is one we cannot hold. */
static void get_layer_types(reader *r, madpo_model_config *c)
{
    json_t *types = NULL;
    bool *full, good;

    r->st = madpo_json_get_array(&types, r->o, "layer_types", r->where, r->err);
    if (r->st != MADPO_OK || c->L < 1 || c->L > 4096) /* madpo_model_config_check says the rest */
        return;
    full = calloc((size_t)c->L, sizeof *full);
    if (!full) {
        r->st = madpo_error_set(r->err, MADPO_ERR_NOMEM, "out of memory reading %s", r->where);
        return;
    }
    good = json_array_size(types) == (size_t)c->L;
    for (int32_t l = 0; good && l < c->L; l++) {
        const char *type = json_string_value(json_array_get(types, (size_t)l));

        full[l] = type && strcmp(type, "full_attention") == 0;
        good = full[l] || (type && strcmp(type, "sliding_attention") == 0);
    }
    if (!good || !fit_pattern(full, c))
        r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                "%s: layer_types must name %d layers of which every n-th is "
                                "full_attention and the others sliding_attention",
                                r->where, (int)c->L);
    free(full);
}

/* Without sliding layers all three are 0: the number is there for transformers' sake. */
static void settle_window(madpo_model_config *c)
{
    if (c->window_pattern > 1 && c->window > 0)
        return;
    c->window = c->window_pattern = c->window_from = 0;
}

/* ---- one function an architecture ---- */

static const size_keys llama_sizes = {.hidden = "hidden_size",
                                      .layers = "num_hidden_layers",
                                      .heads = "num_attention_heads",
                                      .ffn = "intermediate_size",
                                      .positions = "max_position_embeddings",
                                      .has_head_dim = true,
                                      .has_kv_heads = true,
                                      .max_positions = 2048};

static void read_llama(reader *r, madpo_model_config *c)
{
    get_sizes(r, c, &llama_sizes);
    c->norm_eps = get_number(r, r->o, "rms_norm_eps", 1e-6);
    c->act = get_act(r, "hidden_act", MADPO_ACT_SILU);
    c->qkv_bias = c->o_bias = get_bool(r, "attention_bias", false);
    c->mlp_bias = get_bool(r, "mlp_bias", false);
    if (get_int(r, "pretraining_tp", 1) > 1)
        refuse(r, "pretraining_tp");
    refuse(r, "rope_interleaved");
    get_rope(r, c, 1e4);
}

static void read_gemma3(reader *r, madpo_model_config *c)
{
    size_keys sizes = llama_sizes;
    double scalar = get_number(r, r->o, "query_pre_attn_scalar", 256);

    sizes.head_dim = 256;
    sizes.kv_heads = 4;
    sizes.max_positions = 131072;
    get_sizes(r, c, &sizes);
    c->norm_eps = get_number(r, r->o, "rms_norm_eps", 1e-6);
    c->act = get_act(r, "hidden_activation", MADPO_ACT_GELU_TANH);
    c->qkv_bias = c->o_bias = get_bool(r, "attention_bias", false);
    refuse(r, "attn_logit_softcapping");
    refuse(r, "final_logit_softcapping");
    refuse(r, "use_bidirectional_attention");
    c->window = get_int(r, "sliding_window", 4096);
    if (has(r, "layer_types"))
        get_layer_types(r, c);
    else
        c->window_pattern =
            get_int(r, "_sliding_window_pattern", get_int(r, "sliding_window_pattern", 6));
    settle_window(c);
    if (r->st == MADPO_OK && !(scalar > 0 && isfinite(scalar)))
        r->st = madpo_error_set(r->err, MADPO_ERR_DATA,
                                "%s: query_pre_attn_scalar must be positive", r->where);
    c->attn_scale = scalar == c->D ? 0 : 1 / sqrt(scalar);
    get_ropes(r, c);
}

/* What both Qwens have: layers from max_window_layers on slide, if use_sliding_window says so. */
static void read_qwen(reader *r, madpo_model_config *c, int32_t head_dim)
{
    size_keys sizes = llama_sizes;

    sizes.head_dim = head_dim;
    sizes.kv_heads = 32;
    sizes.max_positions = 32768;
    get_sizes(r, c, &sizes);
    c->norm_eps = get_number(r, r->o, "rms_norm_eps", 1e-6);
    c->act = get_act(r, "hidden_act", MADPO_ACT_SILU);
    refuse(r, "use_mrope");
    get_rope(r, c, 1e4);
    if (!get_bool(r, "use_sliding_window", false))
        return;
    c->window = get_int(r, "sliding_window", 4096);
    c->window_from = get_int(r, "max_window_layers", 28);
    c->window_pattern = c->window_from < c->L ? c->L + 1 : 0;
    if (has(r, "layer_types"))
        get_layer_types(r, c);
    settle_window(c);
}

static void read_qwen2(reader *r, madpo_model_config *c)
{
    c->qkv_bias = true;
    read_qwen(r, c, 0);
}

static void read_qwen3(reader *r, madpo_model_config *c)
{
    c->qkv_bias = c->o_bias = get_bool(r, "attention_bias", false);
    read_qwen(r, c, 128);
}

static void read_gpt2(reader *r, madpo_model_config *c)
{
    static const size_keys sizes = {.hidden = "n_embd",
                                    .layers = "n_layer",
                                    .heads = "n_head",
                                    .ffn = "n_inner",
                                    .positions = "n_positions",
                                    .ffn_times_4 = true,
                                    .max_positions = 1024};

    get_sizes(r, c, &sizes);
    c->norm_eps = get_number(r, r->o, "layer_norm_epsilon", 1e-5);
    c->act = get_act(r, "activation_function", MADPO_ACT_GELU_TANH);
    c->qkv_bias = c->o_bias = c->mlp_bias = true;
    c->rope_theta = 1e4; /* of no use here */
    refuse(r, "scale_attn_by_inverse_layer_idx");
    refuse(r, "reorder_and_upcast_attn");
    refuse(r, "add_cross_attention");
    if (!get_bool(r, "scale_attn_weights", true) && r->st == MADPO_OK)
        r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                "%s: scale_attn_weights = false is not implemented; use a model "
                                "without it",
                                r->where);
}

/* The share of a head that RoPE turns: rotary_pct, or partial_rotary_factor of rope_parameters. */
static void get_rotary(reader *r, madpo_model_config *c)
{
    double part = get_number(r, r->o, "rotary_pct", 0.25);

    part = get_number(r, json_object_get(r->o, "rope_parameters"), "partial_rotary_factor", part);
    if (r->st != MADPO_OK)
        return;
    if (part > 0 && part <= 1)
        c->rotary = (int32_t)(c->D * part);
    if (c->rotary < 2 || c->rotary % 2 != 0)
        r->st = madpo_error_set(r->err, MADPO_ERR_DATA,
                                "%s: rotary_pct %g of %d dimensions must be an even number of them",
                                r->where, part, (int)c->D);
    if (c->rotary == c->D)
        c->rotary = 0;
}

static void read_gpt_neox(reader *r, madpo_model_config *c)
{
    size_keys sizes = llama_sizes;

    sizes.has_head_dim = sizes.has_kv_heads = false;
    get_sizes(r, c, &sizes);
    c->norm_eps = get_number(r, r->o, "layer_norm_eps", 1e-5);
    c->act = get_act(r, "hidden_act", MADPO_ACT_GELU);
    c->qkv_bias = c->o_bias = get_bool(r, "attention_bias", true);
    c->mlp_bias = true;
    c->parallel_residual = get_bool(r, "use_parallel_residual", true);
    get_rope(r, c, get_number(r, r->o, "rotary_emb_base", 1e4));
    get_rotary(r, c);
}

/* ---- all of it ---- */

static const struct {
    const char *hf_type;
    void (*read)(reader *r, madpo_model_config *c);
} readers[] = {
    {"llama", read_llama}, {"gemma3_text", read_gemma3}, {"qwen2", read_qwen2},
    {"qwen3", read_qwen3}, {"gpt2", read_gpt2},          {"gpt_neox", read_gpt_neox},
};

static const madpo_arch *get_arch(reader *r)
{
    const char *type = "", *class;
    const madpo_arch *arch;
    const json_t *first = json_array_get(json_object_get(r->o, "architectures"), 0);

    r->st = madpo_json_get_string(&type, r->o, "model_type", r->where, r->err);
    if (r->st != MADPO_OK)
        return NULL;
    arch = madpo_arch_find(type);
    if (strcmp(type, "gemma3") == 0) { /* our own name is no model type */
        r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                "%s: model_type 'gemma3' is the one that also sees images; use a "
                                "text-only checkpoint (model_type 'gemma3_text')",
                                r->where);
        return NULL;
    }
    if (!arch || strcmp(arch->hf_type, type) != 0) {
        r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                "%s: model_type '%s' is not implemented (there are: %s)", r->where,
                                type, madpo_arch_names());
        return NULL;
    }
    class = json_string_value(first);
    if (class && strcmp(class, arch->hf_class) != 0 && strcmp(class, arch->hf_class_reward) != 0 &&
        !(strstr(class, "Model") && strcmp(strstr(class, "Model"), "Model") == 0))
        r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                "%s: architecture '%s' is not implemented, only %s and %s",
                                r->where, class, arch->hf_class, arch->hf_class_reward);
    return arch;
}

/* One more id that ends a text. */
static void add_eos(reader *r, madpo_model_config *c, int32_t id)
{
    bool known = id < 0 || id == c->eos;

    for (int32_t i = 0; i < c->n_eos_more; i++)
        known = known || c->eos_more[i] == id;
    if (r->st != MADPO_OK || known)
        return;
    if (id >= c->V)
        r->st = madpo_error_set(r->err, MADPO_ERR_DATA,
                                "%s: eos_token_id %d is outside the vocabulary of %d", r->where,
                                (int)id, (int)c->V);
    else if (c->eos < 0)
        c->eos = id;
    else if (c->n_eos_more == MADPO_MAX_EOS)
        r->st =
            madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED, "%s: more than %d ids in eos_token_id",
                            r->where, MADPO_MAX_EOS + 1);
    else
        c->eos_more[c->n_eos_more++] = id;
}

static void add_eos_list(reader *r, madpo_model_config *c, const json_t *o)
{
    const json_t *list = json_object_get(o, "eos_token_id");
    size_t n = json_is_array(list) ? json_array_size(list) : 1;

    for (size_t i = 0; i < n; i++)
        add_eos(r, c, get_token(r, o, "eos_token_id", i));
}

static void read_config(reader *r, madpo_model_config *c)
{
    c->arch = get_arch(r);
    if (r->st != MADPO_OK)
        return;
    refuse(r, "quantization_config");
    refuse(r, "num_local_experts");
    refuse(r, "num_experts");
    c->V = get_int(r, "vocab_size", -1);
    c->rope_theta_local = 1e4;
    for (size_t i = 0; i < COUNT(readers); i++)
        if (strcmp(readers[i].hf_type, c->arch->hf_type) == 0)
            readers[i].read(r, c);
    if (strcmp(c->arch->hf_type, "gpt_neox") != 0) {
        refuse_unless(r, r->o, "partial_rotary_factor", 1);
        refuse_unless(r, json_object_get(r->o, "rope_parameters"), "partial_rotary_factor", 1);
    }
    c->tied = get_bool(r, "tie_word_embeddings", c->arch->tied);
    c->bos = get_token(r, r->o, "bos_token_id", 0);
    c->pad = get_token(r, r->o, "pad_token_id", 0);
    c->eos = get_token(r, r->o, "eos_token_id", 0);
    add_eos_list(r, c, r->o);
}

/* generation_config.json beside it may name further ids that end a text. */
static madpo_status read_generation(madpo_model_config *c, const char *dir, madpo_error *err)
{
    char *path = NULL;
    json_t *o = NULL;
    madpo_status st = madpo_path_join(&path, dir, "generation_config.json", err);

    if (st == MADPO_OK && madpo_file_exists(path))
        st = madpo_json_load(&o, path, err);
    if (st == MADPO_OK && o) {
        reader r = {.o = o, .where = path, .err = err, .st = MADPO_OK};

        add_eos_list(&r, c, o);
        st = r.st;
    }
    json_decref(o);
    free(path);
    return st;
}

madpo_status madpo_model_config_load(madpo_model_config *out, const char *dir, madpo_error *err)
{
    madpo_model_config c = {0};
    json_t *o = NULL;
    char *path = NULL;
    madpo_status st = madpo_path_join(&path, dir, "config.json", err);
    reader r;

    *out = (madpo_model_config){0};
    if (st == MADPO_OK)
        st = madpo_json_load(&o, path, err);
    if (st != MADPO_OK)
        goto done;
    r = (reader){.o = o, .where = path, .err = err, .st = MADPO_OK};
    read_config(&r, &c);
    st = r.st;
    if (st == MADPO_OK) {
        st = madpo_model_config_check(&c, err);
        if (st != MADPO_OK)
            madpo_error_context(err, "%s", path);
    }
    if (st == MADPO_OK)
        st = read_generation(&c, dir, err);
    if (st == MADPO_OK)
        *out = c;
done:
    json_decref(o);
    free(path);
    return st;
}

madpo_status madpo_model_config_is_reward(bool *out, const char *dir, madpo_error *err)
{
    static const char tail[] = "ForSequenceClassification";
    const char *class;
    json_t *o = NULL;
    char *path = NULL;
    madpo_status st = madpo_path_join(&path, dir, "config.json", err);

    *out = false;
    if (st == MADPO_OK)
        st = madpo_json_load(&o, path, err);
    class = json_string_value(json_array_get(json_object_get(o, "architectures"), 0));
    if (st == MADPO_OK && class && strlen(class) >= strlen(tail))
        *out = strcmp(class + strlen(class) - strlen(tail), tail) == 0;
    json_decref(o);
    free(path);
    return st;
}
