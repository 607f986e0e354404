/* The architectures, one constant row each, and how their files name and lay out the weights. */
#include <string.h>

#include "model/internal.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Rows of a weight table. The order is that of the slab. */
#define LAYER(name_, field, rows_, cols_, when_)                                                   \
    {                                                                                              \
        .name = name_, .in_layer = true, .offset = offsetof(madpo__params, field),                 \
        .rows = MADPO__DIM_##rows_, .cols = MADPO__DIM_##cols_, .when = MADPO__##when_             \
    }
#define LAYER_OUT(name_, field, cols_, layout_)                                                    \
    {                                                                                              \
        .name = name_, .in_layer = true, .offset = offsetof(madpo__params, field),                 \
        .rows = MADPO__DIM_C, .cols = MADPO__DIM_##cols_, .layout = MADPO_LAYOUT_##layout_,        \
        .residual = true                                                                           \
    }
#define LAYER_IN(name_, field, rows_, layout_, part_)                                              \
    {                                                                                              \
        .name = name_, .in_layer = true, .offset = offsetof(madpo__params, field),                 \
        .rows = MADPO__DIM_##rows_, .cols = MADPO__DIM_C, .layout = MADPO_LAYOUT_##layout_,        \
        .part = part_                                                                              \
    }
#define LAYER_PART(name_, field, rows_, layout_, part_, when_)                                     \
    {                                                                                              \
        .name = name_, .in_layer = true, .offset = offsetof(madpo__params, field),                 \
        .rows = MADPO__DIM_##rows_, .layout = MADPO_LAYOUT_##layout_, .part = part_,               \
        .when = MADPO__##when_                                                                     \
    }
#define TOP(name_, field, rows_, cols_)                                                            \
    {                                                                                              \
        .name = name_, .offset = offsetof(madpo__globals, field), .rows = MADPO__DIM_##rows_,      \
        .cols = MADPO__DIM_##cols_                                                                 \
    }
#define HEAD(name_, field, rows_, when_)                                                           \
    {                                                                                              \
        .name = name_, .whole_name = true, .offset = offsetof(madpo__globals, field),              \
        .rows = MADPO__DIM_##rows_, .cols = MADPO__DIM_C, .when = MADPO__##when_                   \
    }

#define LLAMA_MATRICES                                                                             \
    TOP("embed_tokens.weight", embed, V, C), LAYER_IN("self_attn.q_proj.weight", q, HD, PLAIN, 0), \
        LAYER_IN("self_attn.k_proj.weight", k, KD, PLAIN, 0),                                      \
        LAYER_IN("self_attn.v_proj.weight", v, KD, PLAIN, 0),                                      \
        LAYER_OUT("self_attn.o_proj.weight", o, HD, PLAIN),                                        \
        LAYER_IN("mlp.gate_proj.weight", gate, F, PLAIN, 0),                                       \
        LAYER_IN("mlp.up_proj.weight", up, F, PLAIN, 0),                                           \
        LAYER_OUT("mlp.down_proj.weight", down, F, PLAIN),                                         \
        HEAD("lm_head.weight", head, V, IF_OWN_HEAD), HEAD("score.weight", score, ONE, IF_REWARD)

#define LLAMA_VECTORS                                                                              \
    LAYER("self_attn.q_norm.weight", q_norm, D, NONE, IF_QK_NORM),                                 \
        LAYER("self_attn.k_norm.weight", k_norm, D, NONE, IF_QK_NORM),                             \
        LAYER("self_attn.q_proj.bias", q_bias, HD, NONE, IF_QKV_BIAS),                             \
        LAYER("self_attn.k_proj.bias", k_bias, KD, NONE, IF_QKV_BIAS),                             \
        LAYER("self_attn.v_proj.bias", v_bias, KD, NONE, IF_QKV_BIAS),                             \
        LAYER("self_attn.o_proj.bias", o_bias, C, NONE, IF_O_BIAS),                                \
        LAYER("mlp.gate_proj.bias", gate_bias, F, NONE, IF_MLP_BIAS),                              \
        LAYER("mlp.up_proj.bias", up_bias, F, NONE, IF_MLP_BIAS),                                  \
        LAYER("mlp.down_proj.bias", down_bias, C, NONE, IF_MLP_BIAS)

/* Llama, Qwen 2 and Qwen 3. */
static const madpo__weight_row llama_rows[] = {
    LLAMA_MATRICES,
    LAYER("input_layernorm.weight", attn_norm, C, NONE, ALWAYS),
    LLAMA_VECTORS,
    LAYER("post_attention_layernorm.weight", mlp_norm, C, NONE, ALWAYS),
    TOP("norm.weight", final_norm, C, NONE),
    {0},
};

/* post_attention_layernorm is the norm before the MLP in Llama and the one behind attention here.
 */
static const madpo__weight_row gemma_rows[] = {
    LLAMA_MATRICES,
    LAYER("input_layernorm.weight", attn_norm, C, NONE, ALWAYS),
    LLAMA_VECTORS,
    LAYER("post_attention_layernorm.weight", attn_post_norm, C, NONE, ALWAYS),
    LAYER("pre_feedforward_layernorm.weight", mlp_norm, C, NONE, ALWAYS),
    LAYER("post_feedforward_layernorm.weight", mlp_post_norm, C, NONE, ALWAYS),
    TOP("norm.weight", final_norm, C, NONE),
    {0},
};

static const madpo__weight_row gpt2_rows[] = {
    TOP("wte.weight", embed, V, C),
    TOP("wpe.weight", position, P, C),
    LAYER_IN("attn.c_attn.weight", q, HD, BLOCKS_TRANSPOSED, 0),
    LAYER_IN("attn.c_attn.weight", k, KD, BLOCKS_TRANSPOSED, 1),
    LAYER_IN("attn.c_attn.weight", v, KD, BLOCKS_TRANSPOSED, 2),
    LAYER_OUT("attn.c_proj.weight", o, HD, TRANSPOSED),
    LAYER_IN("mlp.c_fc.weight", up, F, TRANSPOSED, 0),
    LAYER_OUT("mlp.c_proj.weight", down, F, TRANSPOSED),
    HEAD("lm_head.weight", head, V, IF_OWN_HEAD),
    HEAD("score.weight", score, ONE, IF_REWARD),
    LAYER("ln_1.weight", attn_norm, C, NONE, ALWAYS),
    LAYER("ln_1.bias", attn_norm_bias, C, NONE, ALWAYS),
    LAYER_PART("attn.c_attn.bias", q_bias, HD, BLOCKS, 0, IF_QKV_BIAS),
    LAYER_PART("attn.c_attn.bias", k_bias, KD, BLOCKS, 1, IF_QKV_BIAS),
    LAYER_PART("attn.c_attn.bias", v_bias, KD, BLOCKS, 2, IF_QKV_BIAS),
    LAYER("attn.c_proj.bias", o_bias, C, NONE, IF_O_BIAS),
    LAYER("ln_2.weight", mlp_norm, C, NONE, ALWAYS),
    LAYER("ln_2.bias", mlp_norm_bias, C, NONE, ALWAYS),
    LAYER("mlp.c_fc.bias", up_bias, F, NONE, IF_MLP_BIAS),
    LAYER("mlp.c_proj.bias", down_bias, C, NONE, IF_MLP_BIAS),
    TOP("ln_f.weight", final_norm, C, NONE),
    TOP("ln_f.bias", final_norm_bias, C, NONE),
    {0},
};

static const madpo__weight_row neox_rows[] = {
    TOP("embed_in.weight", embed, V, C),
    LAYER_IN("attention.query_key_value.weight", q, HD, HEADS, 0),
    LAYER_IN("attention.query_key_value.weight", k, KD, HEADS, 1),
    LAYER_IN("attention.query_key_value.weight", v, KD, HEADS, 2),
    LAYER_OUT("attention.dense.weight", o, HD, PLAIN),
    LAYER_IN("mlp.dense_h_to_4h.weight", up, F, PLAIN, 0),
    LAYER_OUT("mlp.dense_4h_to_h.weight", down, F, PLAIN),
    HEAD("embed_out.weight", head, V, IF_OWN_HEAD),
    HEAD("score.weight", score, ONE, IF_REWARD),
    LAYER("input_layernorm.weight", attn_norm, C, NONE, ALWAYS),
    LAYER("input_layernorm.bias", attn_norm_bias, C, NONE, ALWAYS),
    LAYER_PART("attention.query_key_value.bias", q_bias, HD, HEADS, 0, IF_QKV_BIAS),
    LAYER_PART("attention.query_key_value.bias", k_bias, KD, HEADS, 1, IF_QKV_BIAS),
    LAYER_PART("attention.query_key_value.bias", v_bias, KD, HEADS, 2, IF_QKV_BIAS),
    LAYER("attention.dense.bias", o_bias, C, NONE, IF_O_BIAS),
    LAYER("post_attention_layernorm.weight", mlp_norm, C, NONE, ALWAYS),
    LAYER("post_attention_layernorm.bias", mlp_norm_bias, C, NONE, ALWAYS),
    LAYER("mlp.dense_h_to_4h.bias", up_bias, F, NONE, IF_MLP_BIAS),
    LAYER("mlp.dense_4h_to_h.bias", down_bias, C, NONE, IF_MLP_BIAS),
    TOP("final_layer_norm.weight", final_norm, C, NONE),
    TOP("final_layer_norm.bias", final_norm_bias, C, NONE),
    {0},
};

#define LLAMA_NAMES                                                                                \
    .prefix = "model.", .layer = "layers.", .head = "lm_head.weight",                              \
    .site = {[MADPO_SITE_Q] = "self_attn.q_proj", [MADPO_SITE_K] = "self_attn.k_proj",             \
             [MADPO_SITE_V] = "self_attn.v_proj", [MADPO_SITE_O] = "self_attn.o_proj",             \
             [MADPO_SITE_GATE] = "mlp.gate_proj", [MADPO_SITE_UP] = "mlp.up_proj",                 \
             [MADPO_SITE_DOWN] = "mlp.down_proj"}

static const madpo_arch architectures[] = {
    {.name = "llama",
     .hf_type = "llama",
     .hf_class = "LlamaForCausalLM",
     .hf_class_reward = "LlamaForSequenceClassification",
     .act = MADPO_ACT_SILU,
     .gated = true,
     LLAMA_NAMES,
     .rows = llama_rows},
    {.name = "gemma3",
     .hf_type = "gemma3_text",
     .hf_class = "Gemma3ForCausalLM",
     .hf_class_reward = "Gemma3TextForSequenceClassification",
     .act = MADPO_ACT_GELU_TANH,
     .gated = true,
     .norm_add_one = true,
     .post_norms = true,
     .qk_norm = true,
     .embed_scale = true,
     .sliding = true,
     .local_global = true,
     .tied = true,
     LLAMA_NAMES,
     .rows = gemma_rows},
    {.name = "qwen2",
     .hf_type = "qwen2",
     .hf_class = "Qwen2ForCausalLM",
     .hf_class_reward = "Qwen2ForSequenceClassification",
     .act = MADPO_ACT_SILU,
     .gated = true,
     .sliding = true,
     .qkv_bias = true,
     LLAMA_NAMES,
     .rows = llama_rows},
    {.name = "qwen3",
     .hf_type = "qwen3",
     .hf_class = "Qwen3ForCausalLM",
     .hf_class_reward = "Qwen3ForSequenceClassification",
     .act = MADPO_ACT_SILU,
     .gated = true,
     .sliding = true,
     .qk_norm = true,
     LLAMA_NAMES,
     .rows = llama_rows},
    {.name = "gpt2",
     .hf_type = "gpt2",
     .hf_class = "GPT2LMHeadModel",
     .hf_class_reward = "GPT2ForSequenceClassification",
     .act = MADPO_ACT_GELU_TANH,
     .layer_norm = true,
     .learned_positions = true,
     .qkv_bias = true,
     .o_bias = true,
     .mlp_bias = true,
     .tied = true,
     .prefix = "transformer.",
     .layer = "h.",
     .head = "lm_head.weight",
     .site = {[MADPO_SITE_QKV] = "attn.c_attn",
              [MADPO_SITE_O] = "attn.c_proj",
              [MADPO_SITE_UP] = "mlp.c_fc",
              [MADPO_SITE_DOWN] = "mlp.c_proj"},
     .rows = gpt2_rows,
     .linear_transposed = true},
    {.name = "gpt_neox",
     .hf_type = "gpt_neox",
     .hf_class = "GPTNeoXForCausalLM",
     .hf_class_reward = "GPTNeoXForSequenceClassification",
     .act = MADPO_ACT_GELU,
     .layer_norm = true,
     .qkv_bias = true,
     .o_bias = true,
     .mlp_bias = true,
     .prefix = "gpt_neox.",
     .layer = "layers.",
     .head = "embed_out.weight",
     .site = {[MADPO_SITE_QKV] = "attention.query_key_value",
              [MADPO_SITE_O] = "attention.dense",
              [MADPO_SITE_UP] = "mlp.dense_h_to_4h",
              [MADPO_SITE_DOWN] = "mlp.dense_4h_to_h"},
     .rows = neox_rows},
};

const madpo_arch *madpo_arch_find(const char *name)
{
    for (size_t i = 0; i < COUNT(architectures); i++)
        if (strcmp(architectures[i].name, name) == 0 || strcmp(architectures[i].hf_type, name) == 0)
            return &architectures[i];
    return NULL;
}

const char *madpo_arch_names(void)
{
    return "llama, gemma3, qwen2, qwen3, gpt2, gpt_neox";
}
