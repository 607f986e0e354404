/* Hugging Face config.json, written with the keys transformers reads for each model type. Keys of
 * the base's own config.json that we know nothing of are kept. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/config.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What a setting failed on is kept until the end so that the bodies read as lists. */
typedef struct writer {
    json_t *o;
    bool failed;
} writer;

static void put(writer *w, const char *key, json_t *value)
{
    if (json_object_set_new(w->o, key, value) != 0)
        w->failed = true;
}

static void put_int(writer *w, const char *key, int64_t value)
{
    put(w, key, json_integer(value));
}

static void put_real(writer *w, const char *key, double value)
{
    put(w, key, madpo_json_real(value));
}

static void put_bool(writer *w, const char *key, bool value)
{
    put(w, key, json_boolean(value));
}

static void put_text(writer *w, const char *key, const char *value)
{
    put(w, key, json_string(value));
}

/* What the base says stays: these do not touch what is computed here. */
static void put_new(writer *w, const char *key, json_t *value)
{
    if (json_object_get(w->o, key))
        json_decref(value);
    else
        put(w, key, value);
}

static const char *act_name(madpo_activation act, bool gemma)
{
    switch (act) {
    case MADPO_ACT_SILU:
        return "silu";
    case MADPO_ACT_GELU_TANH:
        return gemma ? "gelu_pytorch_tanh" : "gelu_new";
    case MADPO_ACT_GELU:
        break;
    }
    return "gelu";
}

static json_t *scaling(const madpo_rope_scaling *s)
{
    switch (s->kind) {
    case MADPO_ROPE_LINEAR:
        return json_pack("{s:s, s:f}", "rope_type", "linear", "factor", s->factor);
    case MADPO_ROPE_LLAMA3:
        return json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "llama3", "factor", s->factor,
                         "low_freq_factor", s->low_freq, "high_freq_factor", s->high_freq,
                         "original_max_position_embeddings", (int)s->original_positions);
    case MADPO_ROPE_DEFAULT:
        break;
    }
    return json_null();
}

/* The older spelling, which every version of transformers reads. */
static void put_rope(writer *w, const madpo_model_config *c)
{
    put_real(w, "rope_theta", c->rope_theta);
    put(w, "rope_scaling", scaling(&c->rope));
}

static void put_layer_types(writer *w, const madpo_model_config *c)
{
    json_t *types = json_array();

    for (int32_t l = 0; types && l < c->L; l++)
        if (json_array_append_new(types, json_string(madpo_model_layer_is_full(c, l)
                                                         ? "full_attention"
                                                         : "sliding_attention")) != 0)
            w->failed = true;
    put(w, "layer_types", types);
}

static void put_sizes(writer *w, const madpo_model_config *c)
{
    put_int(w, "hidden_size", c->C);
    put_int(w, "num_hidden_layers", c->L);
    put_int(w, "num_attention_heads", c->H);
    put_int(w, "intermediate_size", c->F);
    put_int(w, "max_position_embeddings", c->max_positions);
}

static void put_llama_sizes(writer *w, const madpo_model_config *c)
{
    put_sizes(w, c);
    put_int(w, "num_key_value_heads", c->K);
    put_int(w, "head_dim", c->D);
    put_real(w, "rms_norm_eps", c->norm_eps);
    put_rope(w, c);
    put_new(w, "attention_dropout", json_real(0));
}

/* ---- one function an architecture ---- */

static void put_llama(writer *w, const madpo_model_config *c)
{
    put_llama_sizes(w, c);
    put_text(w, "hidden_act", act_name(c->act, false));
    put_bool(w, "attention_bias", c->qkv_bias);
    put_bool(w, "mlp_bias", c->mlp_bias);
    if (json_object_get(w->o, "pretraining_tp"))
        put_int(w, "pretraining_tp", 1);
}

static void put_gemma3(writer *w, const madpo_model_config *c)
{
    double scalar = c->attn_scale > 0 ? 1 / (c->attn_scale * c->attn_scale) : c->D;
    double whole = round(scalar);

    put_llama_sizes(w, c);
    put_text(w, "hidden_activation", act_name(c->act, true));
    put_bool(w, "attention_bias", c->qkv_bias);
    put_layer_types(w, c);
    /* transformers wants a number here even where no layer slides */
    put_int(w, "sliding_window", c->window > 0 ? c->window : c->max_positions);
    put_real(w, "rope_local_base_freq", c->rope_theta_local);
    put(w, "query_pre_attn_scalar",
        fabs(scalar - whole) <= 1e-9 * scalar ? json_integer((json_int_t)whole)
                                              : json_real(scalar));
    put(w, "attn_logit_softcapping", json_null());
    put(w, "final_logit_softcapping", json_null());
    put_bool(w, "use_bidirectional_attention", false);
}

static void put_qwen(writer *w, const madpo_model_config *c)
{
    bool slides = false;
    int32_t first = 0;

    for (int32_t l = c->L - 1; l >= 0; l--)
        if (!madpo_model_layer_is_full(c, l)) {
            slides = true;
            first = l;
        }
    put_llama_sizes(w, c);
    put_text(w, "hidden_act", act_name(c->act, false));
    put_bool(w, "use_sliding_window", slides);
    put(w, "sliding_window", slides ? json_integer(c->window) : json_null());
    put_int(w, "max_window_layers", slides ? first : c->L);
    put_layer_types(w, c);
}

static void put_qwen3(writer *w, const madpo_model_config *c)
{
    put_qwen(w, c);
    put_bool(w, "attention_bias", c->qkv_bias);
}

static void put_gpt2(writer *w, const madpo_model_config *c)
{
    static const char *const dropouts[] = {"attn_pdrop", "embd_pdrop", "resid_pdrop"};

    put_int(w, "n_embd", c->C);
    put_int(w, "n_layer", c->L);
    put_int(w, "n_head", c->H);
    put(w, "n_inner", c->F == 4 * c->C ? json_null() : json_integer(c->F));
    put_int(w, "n_positions", c->max_positions);
    put_int(w, "n_ctx", c->max_positions);
    put_text(w, "activation_function", act_name(c->act, false));
    put_real(w, "layer_norm_epsilon", c->norm_eps);
    put_bool(w, "scale_attn_weights", true);
    put_bool(w, "scale_attn_by_inverse_layer_idx", false);
    put_bool(w, "reorder_and_upcast_attn", false);
    for (size_t i = 0; i < COUNT(dropouts); i++)
        put_new(w, dropouts[i], json_real(0));
}

/* A share that int(D * share) turns back into the same number of dimensions. */
static double rotary_share(const madpo_model_config *c)
{
    int32_t rotary = madpo_model_rotary(c);
    double share = (double)rotary / c->D;

    while ((int32_t)(c->D * share) < rotary)
        share = nextafter(share, 2);
    return share;
}

static void put_gpt_neox(writer *w, const madpo_model_config *c)
{
    put_sizes(w, c);
    put_real(w, "layer_norm_eps", c->norm_eps);
    put_text(w, "hidden_act", act_name(c->act, false));
    put_bool(w, "attention_bias", c->qkv_bias);
    put_real(w, "rotary_pct", rotary_share(c));
    put_real(w, "rotary_emb_base", c->rope_theta);
    put(w, "rope_scaling", scaling(&c->rope));
    put_bool(w, "use_parallel_residual", c->parallel_residual);
    put_new(w, "attention_dropout", json_real(0));
    put_new(w, "hidden_dropout", json_real(0));
    /* as newer versions spell the same: theirs, if the base has them, would be stale */
    json_object_del(w->o, "rope_theta");
    json_object_del(w->o, "partial_rotary_factor");
}

/* ---- all of it ---- */

static const struct {
    const char *hf_type;
    void (*put)(writer *w, const madpo_model_config *c);
    bool divides;  /* a head's dimension is hidden / heads, and kv heads are the heads */
    bool one_bias; /* one key for the biases of q, k, v and o */
} writers[] = {
    {"llama", put_llama, false, true}, {"gemma3_text", put_gemma3, false, true},
    {"qwen2", put_qwen, false, false}, {"qwen3", put_qwen3, false, true},
    {"gpt2", put_gpt2, true, false},   {"gpt_neox", put_gpt_neox, true, true},
};

/* What this model type's config.json has no words for. */
static madpo_status check_sayable(const madpo_model_config *c, size_t i, madpo_error *err)
{
    if (writers[i].divides && ((int64_t)c->H * c->D != c->C || c->K != c->H))
        return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                               "a config.json of model_type %s has no key for head_dim = %d and "
                               "kv_heads = %d: heads * head_dim must be hidden, kv_heads = heads",
                               c->arch->hf_type, (int)c->D, (int)c->K);
    if (writers[i].one_bias && c->qkv_bias != c->o_bias)
        return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                               "a config.json of model_type %s has one key for the biases of q, k, "
                               "v and o: all have one or none",
                               c->arch->hf_type);
    return MADPO_OK;
}

/* Rewards are read at the last token that is no padding, so transformers needs an id that ends no
 * text: the model's own, else bos, which only begins one. */
static json_t *pad_id(const madpo_model_config *c, bool reward_head)
{
    int32_t pad = c->pad;

    if (pad < 0 && reward_head && c->bos != c->eos)
        pad = c->bos;
    return pad < 0 ? json_null() : json_integer(pad);
}

static json_t *eos_ids(const madpo_model_config *c)
{
    json_t *list;

    if (c->n_eos_more == 0)
        return c->eos < 0 ? json_null() : json_integer(c->eos);
    list = json_pack("[i]", (int)c->eos);
    for (int32_t i = 0; list && i < c->n_eos_more; i++)
        if (json_array_append_new(list, json_integer(c->eos_more[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static void put_all(writer *w, const madpo_model_config *c, bool reward_head, const char *storage)
{
    const char *key = json_object_get(w->o, "dtype") ? "dtype" : "torch_dtype";

    put(w, "architectures",
        json_pack("[s]", reward_head ? c->arch->hf_class_reward : c->arch->hf_class));
    put_text(w, "model_type", c->arch->hf_type);
    put_int(w, "vocab_size", c->V);
    json_object_del(w->o, "rope_parameters"); /* said by rope_theta and rope_scaling */
    for (size_t i = 0; i < COUNT(writers); i++)
        if (strcmp(writers[i].hf_type, c->arch->hf_type) == 0)
            writers[i].put(w, c);
    put_bool(w, "tie_word_embeddings", c->tied);
    put(w, "bos_token_id", c->bos < 0 ? json_null() : json_integer(c->bos));
    put(w, "eos_token_id", eos_ids(c));
    put(w, "pad_token_id", pad_id(c, reward_head));
    put_new(w, "initializer_range", json_real(0.02));
    put_new(w, "use_cache", json_true());
    json_object_del(w->o, "torch_dtype");
    put_text(w, key, storage);
    json_object_del(w->o, "id2label");
    json_object_del(w->o, "label2id");
    if (reward_head) { /* one label: transformers reads num_labels from these */
        put(w, "id2label", json_pack("{s:s}", "0", "LABEL_0"));
        put(w, "label2id", json_pack("{s:i}", "LABEL_0", 0));
    }
}

/* The base's object if it is there and of the same type, else an empty one. */
static madpo_status base_object(json_t **out, const madpo_model_config *c, const char *base_dir,
                                madpo_error *err)
{
    char *path = NULL;
    const char *type;
    madpo_status st = MADPO_OK;

    *out = NULL;
    if (base_dir)
        st = madpo_path_join(&path, base_dir, "config.json", err);
    if (st == MADPO_OK && path && madpo_file_exists(path))
        st = madpo_json_load(out, path, err);
    free(path);
    type = json_string_value(json_object_get(*out, "model_type"));
    if (!type || strcmp(type, c->arch->hf_type) != 0) {
        json_decref(*out);
        *out = NULL;
    }
    if (st == MADPO_OK && !*out)
        *out = json_object();
    if (st == MADPO_OK && !*out)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory writing config.json");
    return st;
}

madpo_status madpo_model_config_save(const madpo_model_config *config, bool reward_head,
                                     const char *storage, const char *base_dir, const char *dir,
                                     madpo_error *err)
{
    writer w = {0};
    char *path = NULL;
    madpo_status st = MADPO_OK;

    for (size_t i = 0; st == MADPO_OK && i < COUNT(writers); i++)
        if (strcmp(writers[i].hf_type, config->arch->hf_type) == 0)
            st = check_sayable(config, i, err);
    if (st == MADPO_OK)
        st = base_object(&w.o, config, base_dir, err);
    if (st == MADPO_OK) {
        put_all(&w, config, reward_head, storage);
        if (w.failed)
            st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory writing config.json");
    }
    if (st == MADPO_OK)
        st = madpo_path_join(&path, dir, "config.json", err);
    if (st == MADPO_OK)
        st = madpo_json_save(w.o, path, err);
    json_decref(w.o);
    free(path);
    return st;
}
