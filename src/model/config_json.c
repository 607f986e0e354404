/* Hugging Face config.json: written with the keys transformers reads, read back strictly. A feature
 * that would change the forward pass and is not implemented is refused, never ignored. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/config.h"

/* ---- writing ---- */

/* What a setting of an object failed on, kept until the end so that the body reads as a list. */
static void put(json_t *o, const char *key, json_t *value, bool *failed)
{
    if (json_object_set_new(o, key, value) != 0)
        *failed = true;
}

static json_t *token_id(int32_t id)
{
    return id < 0 ? json_null() : json_integer(id);
}

static void put_gemma3(json_t *o, const madpo_model_config *c, bool *failed)
{
    double scalar = c->attn_scale > 0 ? 1 / (c->attn_scale * c->attn_scale) : c->D;
    double whole = round(scalar);
    json_t *types = json_array();

    for (int32_t l = 0; types && l < c->L; l++)
        if (json_array_append_new(types, json_string(madpo_model_layer_is_full(c, l)
                                                         ? "full_attention"
                                                         : "sliding_attention")) != 0)
            *failed = true;
    put(o, "hidden_activation", json_string("gelu_pytorch_tanh"), failed);
    put(o, "layer_types", types, failed);
    /* transformers wants a number here even where no layer slides */
    put(o, "sliding_window", json_integer(c->window > 0 ? c->window : c->max_positions), failed);
    put(o, "rope_local_base_freq", json_real(c->rope_theta_local), failed);
    put(o, "query_pre_attn_scalar",
        fabs(scalar - whole) <= 1e-9 * scalar ? json_integer((json_int_t)whole) : json_real(scalar),
        failed);
    put(o, "attn_logit_softcapping", json_null(), failed);
    put(o, "final_logit_softcapping", json_null(), failed);
    put(o, "use_bidirectional_attention", json_false(), failed);
}

static json_t *config_to_json(const madpo_model_config *c, bool reward_head)
{
    json_t *o = json_object();
    bool failed = false;

    put(o, "architectures",
        json_pack("[s]", reward_head ? c->arch->hf_class_reward : c->arch->hf_class), &failed);
    put(o, "model_type", json_string(c->arch->hf_type), &failed);
    put(o, "vocab_size", json_integer(c->V), &failed);
    put(o, "hidden_size", json_integer(c->C), &failed);
    put(o, "num_hidden_layers", json_integer(c->L), &failed);
    put(o, "num_attention_heads", json_integer(c->H), &failed);
    put(o, "num_key_value_heads", json_integer(c->K), &failed);
    put(o, "head_dim", json_integer(c->D), &failed);
    put(o, "intermediate_size", json_integer(c->F), &failed);
    put(o, "max_position_embeddings", json_integer(c->max_positions), &failed);
    put(o, "rms_norm_eps", json_real(c->norm_eps), &failed);
    put(o, "rope_theta", json_real(c->rope_theta), &failed);
    put(o, "rope_scaling", json_null(), &failed);
    put(o, "attention_bias", json_false(), &failed);
    put(o, "attention_dropout", json_real(0), &failed);
    if (c->arch->local_global) {
        put_gemma3(o, c, &failed);
    } else {
        put(o, "hidden_act", json_string("silu"), &failed);
        put(o, "mlp_bias", json_false(), &failed);
    }
    put(o, "tie_word_embeddings", json_boolean(c->tied), &failed);
    put(o, "bos_token_id", token_id(c->bos), &failed);
    put(o, "eos_token_id", token_id(c->eos), &failed);
    put(o, "pad_token_id", token_id(c->pad), &failed);
    put(o, "initializer_range", json_real(0.02), &failed);
    put(o, "use_cache", json_true(), &failed);
    put(o, "torch_dtype", json_string("float32"), &failed);
    if (reward_head) { /* one label: transformers reads num_labels from these */
        put(o, "id2label", json_pack("{s:s}", "0", "LABEL_0"), &failed);
        put(o, "label2id", json_pack("{s:i}", "LABEL_0", 0), &failed);
    }
    if (failed) {
        json_decref(o);
        return NULL;
    }
    return o;
}

madpo_status madpo_model_config_save(const madpo_model_config *config, bool reward_head,
                                     const char *dir, madpo_error *err)
{
    json_t *o = config_to_json(config, reward_head);
    char *path = NULL;
    madpo_status st;

    if (!o)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory writing config.json");
    st = madpo_path_join(&path, dir, "config.json", err);
    if (st == MADPO_OK)
        st = madpo_json_save(o, path, err);
    json_decref(o);
    free(path);
    return st;
}

/* ---- reading ---- */

typedef struct reader {
    const json_t *o;   /* config.json's object */
    const char *where; /* its path */
    madpo_error *err;
    madpo_status st; /* first failure; the getters do nothing after it */
} reader;

static bool has(const reader *r, const char *key)
{
    return r->st == MADPO_OK && madpo_json_has(r->o, key);
}

/* `fallback` is transformers' own default for an absent key, -1: the key is required. */
static int32_t get_int(reader *r, const char *key, int32_t fallback)
{
    int64_t v = fallback;

    if (r->st != MADPO_OK || (fallback >= 0 && !has(r, key)))
        return fallback;
    r->st = madpo_json_get_int(&v, r->o, key, r->where, r->err);
    if (r->st == MADPO_OK && (v < 0 || v > INT32_MAX)) {
        r->st = madpo_error_set(r->err, MADPO_ERR_DATA, "%s: %s = %lld is out of range", r->where,
                                key, (long long)v);
        v = fallback;
    }
    return (int32_t)v;
}

static double get_number(reader *r, const json_t *o, const char *key, double fallback)
{
    double v = fallback;

    if (r->st == MADPO_OK && madpo_json_has(o, key))
        r->st = madpo_json_get_number(&v, o, key, r->where, r->err);
    return v;
}

/* A token id: absent or null is -1, of a list the first. */
static int32_t get_token(reader *r, const char *key)
{
    json_t *v = json_object_get(r->o, key);

    if (json_is_array(v))
        v = json_array_get(v, 0);
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

/* The one spelling (or its synonym) of a text setting. */
static void expect(reader *r, const char *key, const char *want, const char *synonym)
{
    const char *v;

    if (!has(r, key))
        return;
    r->st = madpo_json_get_string(&v, r->o, key, r->where, r->err);
    if (r->st == MADPO_OK && strcmp(v, want) != 0 && strcmp(v, synonym) != 0)
        r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                "%s: %s '%s' is not implemented for this model type, only '%s'",
                                r->where, key, v, want);
}

static const madpo_arch *get_arch(reader *r)
{
    const char *type = "", *class;
    const madpo_arch *arch;
    const json_t *first = json_array_get(json_object_get(r->o, "architectures"), 0);

    r->st = madpo_json_get_string(&type, r->o, "model_type", r->where, r->err);
    if (r->st != MADPO_OK)
        return NULL;
    arch = madpo_arch_find(type);
    /* our own name is no model type: "gemma3" is the one that also sees images */
    if (!arch || strcmp(arch->hf_type, type) != 0) {
        r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                "%s: model_type '%s' is not implemented (there are: llama, "
                                "gemma3_text)",
                                r->where, type);
        return NULL;
    }
    class = json_string_value(first);
    if (class && strcmp(class, arch->hf_class) != 0 && strcmp(class, arch->hf_class_reward) != 0)
        r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                "%s: architecture '%s' is not implemented, only %s and %s",
                                r->where, class, arch->hf_class, arch->hf_class_reward);
    return arch;
}

/* {"rope_type": "default", "rope_theta": …}, the newer form of rope_theta and rope_scaling. */
static double get_rope(reader *r, const json_t *o, double fallback)
{
    const char *type = json_string_value(json_object_get(o, "rope_type"));

    if (r->st == MADPO_OK && type && strcmp(type, "default") != 0)
        r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                "%s: rope_type '%s' is not implemented; use a model without RoPE "
                                "scaling",
                                r->where, type);
    return get_number(r, o, "rope_theta", fallback);
}

static void get_ropes(reader *r, madpo_model_config *c)
{
    const json_t *p = json_object_get(r->o, "rope_parameters");
    const json_t *scaling = json_object_get(r->o, "rope_scaling");

    if (json_is_object(scaling)) {
        (void)get_rope(r, scaling, 0);
        if (json_string_value(json_object_get(scaling, "type")))
            refuse(r, "rope_scaling");
    } else {
        refuse(r, "rope_scaling");
    }
    c->rope_theta = get_number(r, r->o, "rope_theta", c->arch->local_global ? 1e6 : 1e4);
    c->rope_theta_local = get_number(r, r->o, "rope_local_base_freq", 1e4);
    if (!json_is_object(p))
        return;
    if (c->arch->local_global && json_object_get(p, "full_attention")) {
        c->rope_theta = get_rope(r, json_object_get(p, "full_attention"), c->rope_theta);
        c->rope_theta_local =
            get_rope(r, json_object_get(p, "sliding_attention"), c->rope_theta_local);
    } else {
        c->rope_theta = get_rope(r, p, c->rope_theta);
    }
}

/* The n for which exactly every n-th of the listed layers is full; a list without such an n has a
 * pattern we cannot hold. */
static void get_layer_types(reader *r, madpo_model_config *c)
{
    json_t *types;
    int32_t pattern = 0;

    if (!has(r, "layer_types")) {
        c->window_pattern =
            get_int(r, "_sliding_window_pattern", get_int(r, "sliding_window_pattern", 6));
        return;
    }
    r->st = madpo_json_get_array(&types, r->o, "layer_types", r->where, r->err);
    if (r->st != MADPO_OK)
        return;
    for (int32_t l = 0; l < c->L; l++) {
        const char *type = json_string_value(json_array_get(types, (size_t)l));
        bool full = type && strcmp(type, "full_attention") == 0;

        if (full && pattern == 0)
            pattern = l + 1;
        if (!type || (!full && strcmp(type, "sliding_attention") != 0) ||
            full != (pattern > 0 && (l + 1) % pattern == 0) ||
            json_array_size(types) != (size_t)c->L) {
            r->st = madpo_error_set(r->err, MADPO_ERR_UNSUPPORTED,
                                    "%s: layer_types must name %d layers of which every n-th is "
                                    "full_attention and the others sliding_attention",
                                    r->where, (int)c->L);
            return;
        }
    }
    c->window_pattern = pattern > 0 ? pattern : c->L + 1; /* none is full */
    if (pattern == 1)
        c->window_pattern = 0;
}

static void get_gemma3(reader *r, madpo_model_config *c)
{
    double scalar = get_number(r, r->o, "query_pre_attn_scalar", 256);

    expect(r, "hidden_activation", "gelu_pytorch_tanh", "gelu_new");
    refuse(r, "attn_logit_softcapping");
    refuse(r, "final_logit_softcapping");
    refuse(r, "use_bidirectional_attention");
    c->window = get_int(r, "sliding_window", 4096);
    get_layer_types(r, c);
    if (c->window_pattern == 0)
        c->window = 0; /* the number is there for transformers' sake */
    if (r->st == MADPO_OK && !(scalar > 0))
        r->st = madpo_error_set(r->err, MADPO_ERR_DATA,
                                "%s: query_pre_attn_scalar must be positive", r->where);
    c->attn_scale = scalar == c->D ? 0 : 1 / sqrt(scalar);
}

static void read_config(reader *r, madpo_model_config *c)
{
    c->arch = get_arch(r);
    if (r->st != MADPO_OK)
        return;
    c->V = get_int(r, "vocab_size", -1);
    c->C = get_int(r, "hidden_size", -1);
    c->L = get_int(r, "num_hidden_layers", -1);
    c->H = get_int(r, "num_attention_heads", -1);
    c->K = get_int(r, "num_key_value_heads", c->H > 0 ? c->H : 1);
    c->D = get_int(r, "head_dim", c->arch->local_global ? 256 : c->H > 0 ? c->C / c->H : 1);
    c->F = get_int(r, "intermediate_size", -1);
    c->max_positions = get_int(r, "max_position_embeddings", c->arch->local_global ? 131072 : 2048);
    c->norm_eps = get_number(r, r->o, "rms_norm_eps", 1e-6);
    c->tied = c->arch->local_global;
    if (has(r, "tie_word_embeddings"))
        r->st = madpo_json_get_bool(&c->tied, r->o, "tie_word_embeddings", r->where, r->err);
    c->bos = get_token(r, "bos_token_id");
    c->eos = get_token(r, "eos_token_id");
    c->pad = get_token(r, "pad_token_id");
    refuse(r, "attention_bias");
    refuse(r, "mlp_bias");
    refuse(r, "quantization_config");
    refuse(r, "num_local_experts");
    get_ropes(r, c);
    if (c->arch->local_global)
        get_gemma3(r, c);
    else
        expect(r, "hidden_act", "silu", "swish");
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
        *out = c;
done:
    json_decref(o);
    free(path);
    return st;
}
