#ifndef MADPO_MODEL_CONFIG_H
#define MADPO_MODEL_CONFIG_H
/* Architecture table and model configuration: enough to drive one decoder.
 *
 * An architecture is one row of model/arch.c: what its layers are made of, how its files name
 * things and how its config.json reads. The forward pass looks at these switches and at the
 * configuration only, so a further row touches none of the others. */
#include "ops/glu.h"

/* Places in a layer where a linear map can carry an adapter: one module of the Hugging Face model
 * each. QKV stands for q, k and v where the model computes them by one module. */
typedef enum madpo_site {
    MADPO_SITE_Q,
    MADPO_SITE_K,
    MADPO_SITE_V,
    MADPO_SITE_QKV,
    MADPO_SITE_O,
    MADPO_SITE_GATE,
    MADPO_SITE_UP, /* the only inner map where the MLP has no gate */
    MADPO_SITE_DOWN,
    MADPO_N_SITES
} madpo_site;

struct madpo__weight_row; /* model/tables.h */

/* What an architecture does differently; one constant row each (model/arch.c). */
typedef struct madpo_arch {
    const char *name;            /* value of model.arch: "llama", "gemma3" */
    const char *hf_type;         /* config.json model_type: "llama", "gemma3_text" */
    const char *hf_class;        /* "LlamaForCausalLM", "Gemma3ForCausalLM" */
    const char *hf_class_reward; /* "…ForSequenceClassification" */
    madpo_activation act;        /* of from-scratch models, and where config.json says nothing */
    bool gated;                  /* MLP: act(gate x) * up x, else act(up x) */
    bool layer_norm;             /* LayerNorm with gain and bias instead of RMSNorm */
    bool norm_add_one;           /* RMSNorm's gain enters as 1 + w, initialised to 0 */
    bool post_norms;             /* extra norms after attention and after the MLP (Gemma) */
    bool qk_norm;                /* RMSNorm on q and k per head, before RoPE */
    bool embed_scale;            /* embeddings times sqrt(hidden) */
    bool sliding;                /* layers may have an attention window */
    bool local_global;           /* sliding layers have a RoPE base of their own */
    bool learned_positions;      /* a table of positions added to the embedding, no RoPE */
    bool qkv_bias, o_bias,
        mlp_bias; /* of from-scratch models; a file's config decides for itself */
    bool tied;    /* config.json's default of tie_word_embeddings */

    /* ---- names in files ---- */
    const char *prefix;              /* of everything but the heads: "model.", "transformer." */
    const char *layer;               /* behind it: "layers.", "h." */
    const char *head;                /* "lm_head.weight", "embed_out.weight" */
    const char *site[MADPO_N_SITES]; /* module in the layer: "self_attn.q_proj"; NULL: none */
    const struct madpo__weight_row *rows; /* ended by a row without a name */
    bool linear_transposed;               /* files store linear maps [in,out] (GPT-2's Conv1D) */
} madpo_arch;
const madpo_arch *madpo_arch_find(const char *name); /* by name or hf_type; NULL if unknown */
const char *madpo_arch_names(void);                  /* "llama, gemma3, …", for messages */

/* How RoPE's frequencies are stretched (Llama 3.1's rule; "linear" divides all). */
typedef enum madpo_rope_kind {
    MADPO_ROPE_DEFAULT,
    MADPO_ROPE_LINEAR,
    MADPO_ROPE_LLAMA3
} madpo_rope_kind;
typedef struct madpo_rope_scaling {
    madpo_rope_kind kind;
    double factor;              /* above 0 */
    double low_freq, high_freq; /* llama3: low_freq_factor, high_freq_factor */
    int32_t original_positions; /* llama3: original_max_position_embeddings */
} madpo_rope_scaling;

#define MADPO_MAX_EOS 8

typedef struct madpo_model_config {
    const madpo_arch *arch;
    int32_t V, C, L, H, K, D, F; /* vocabulary, width, layers, heads, kv heads, head dim, ffn */
    int32_t max_positions;
    int32_t window;         /* sliding layers' window in keys, 0 = no layer slides */
    int32_t window_pattern; /* every n-th layer is full, the others slide; 0 = all full */
    int32_t window_from;    /* layers before this one are full, whatever the pattern */
    int32_t rotary;         /* dims of a head that RoPE turns, even; 0 = all of them */
    double rope_theta, rope_theta_local;
    madpo_rope_scaling rope; /* of full layers (and of all where no base is local) */
    double norm_eps;
    double attn_scale; /* 0 = D^-0.5 */
    madpo_activation act;
    bool qkv_bias, o_bias, mlp_bias;
    bool parallel_residual;          /* x + attention(norm x) + mlp(norm' x) */
    bool tied;                       /* head = embedding matrix */
    int32_t bos, eos, pad;           /* token ids, -1 none */
    int32_t eos_more[MADPO_MAX_EOS]; /* further ids that end a text (config or generation_config) */
    int32_t n_eos_more;
} madpo_model_config;

/* Small from-scratch defaults of an architecture. */
void madpo_model_config_defaults(madpo_model_config *config, const madpo_arch *arch);
/* Check ranges and divisibility. One line naming the setting (model.heads, …). */
madpo_status madpo_model_config_check(const madpo_model_config *config,
                                      madpo_error *err) MADPO_MUST_CHECK;
bool madpo_model_layer_is_full(const madpo_model_config *config, int32_t layer);
int32_t madpo_model_rotary(const madpo_model_config *config); /* dims turned, 0 without RoPE */
int64_t madpo_model_config_parameters(const madpo_model_config *config, bool reward_head);
/* inv_freq [rotary/2] of full or of sliding layers, in double (Su et al. 2021; scaled as above). */
void madpo_model_rope_frequencies(double *inv_freq, const madpo_model_config *config, bool full);

/* Hugging Face config.json. Reading refuses by name what would change the forward pass and is not
 * implemented; further ids that end a text are taken from a generation_config.json beside it.
 * `base_dir` (may be NULL) holds a config.json of the same model_type whose other keys are kept;
 * `storage` is what torch_dtype is to say ("float32"). A reward model without a pad token names
 * bos as such, if that is not eos: transformers reads the reward at the last other token. What the
 * model type's keys cannot say is MADPO_ERR_UNSUPPORTED. */
madpo_status madpo_model_config_save(const madpo_model_config *config, bool reward_head,
                                     const char *storage, const char *base_dir, const char *dir,
                                     madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_model_config_load(madpo_model_config *out, const char *dir,
                                     madpo_error *err) MADPO_MUST_CHECK;
/* Whether the config.json in `dir` is that of a reward model (…ForSequenceClassification). */
madpo_status madpo_model_config_is_reward(bool *out, const char *dir,
                                          madpo_error *err) MADPO_MUST_CHECK;
#endif
