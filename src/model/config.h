#ifndef MADPO_MODEL_CONFIG_H
#define MADPO_MODEL_CONFIG_H
/* Architecture table and model configuration: enough to drive one decoder (models: Llama and Gemma
 * 3 here; further rows must not touch the forward pass of the others). */
#include "ops/glu.h"

/* What an architecture does differently; one constant row each (model/arch.c). */
typedef struct madpo_arch {
    const char *name;            /* value of model.arch: "llama", "gemma3" */
    const char *hf_type;         /* config.json model_type: "llama", "gemma3_text" */
    const char *hf_class;        /* "LlamaForCausalLM", "Gemma3ForCausalLM" */
    const char *hf_class_reward; /* "…ForSequenceClassification" */
    madpo_activation act;
    bool norm_add_one; /* gain enters as 1 + w, initialised to 0 */
    bool post_norms;   /* extra norms after attention and after the MLP (Gemma) */
    bool qk_norm;      /* RMSNorm on q and k per head, before RoPE */
    bool embed_scale;  /* embeddings times sqrt(hidden) */
    bool local_global; /* sliding layers with their own rope theta */
} madpo_arch;
const madpo_arch *madpo_arch_find(const char *name); /* by name or hf_type; NULL if unknown */
const char *madpo_arch_names(void);                  /* "llama, gemma3", for messages */

typedef struct madpo_model_config {
    const madpo_arch *arch;
    int32_t V, C, L, H, K, D, F; /* vocabulary, width, layers, heads, kv heads, head dim, ffn */
    int32_t max_positions;
    int32_t window;         /* sliding layers' window in keys, 0 = none */
    int32_t window_pattern; /* every n-th layer is full, the others slide; 0 = all full */
    double rope_theta, rope_theta_local;
    double norm_eps;
    double attn_scale;     /* 0 = D^-0.5 */
    bool tied;             /* head = embedding matrix */
    int32_t bos, eos, pad; /* token ids, -1 none */
} madpo_model_config;

/* Small from-scratch defaults of an architecture. */
void madpo_model_config_defaults(madpo_model_config *config, const madpo_arch *arch);
/* Check ranges and divisibility. One line naming the setting (model.heads, …). */
madpo_status madpo_model_config_check(const madpo_model_config *config,
                                      madpo_error *err) MADPO_MUST_CHECK;
bool madpo_model_layer_is_full(const madpo_model_config *config, int32_t layer);
int64_t madpo_model_config_parameters(const madpo_model_config *config, bool reward_head);

/* Hugging Face config.json. */
madpo_status madpo_model_config_save(const madpo_model_config *config, bool reward_head,
                                     const char *dir, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_model_config_load(madpo_model_config *out, const char *dir,
                                     madpo_error *err) MADPO_MUST_CHECK;
#endif
