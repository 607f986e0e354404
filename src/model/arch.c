/* The architectures, one constant row each. */
#include <string.h>

#include "model/config.h"

static const madpo_arch architectures[] = {
    {.name = "llama",
     .hf_type = "llama",
     .hf_class = "LlamaForCausalLM",
     .hf_class_reward = "LlamaForSequenceClassification",
     .act = MADPO_ACT_SILU},
    {.name = "gemma3",
     .hf_type = "gemma3_text",
     .hf_class = "Gemma3ForCausalLM",
     .hf_class_reward = "Gemma3TextForSequenceClassification",
     .act = MADPO_ACT_GELU_TANH,
     .norm_add_one = true,
     .post_norms = true,
     .qk_norm = true,
     .embed_scale = true,
     .local_global = true},
};

const madpo_arch *madpo_arch_find(const char *name)
{
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++)
        if (strcmp(architectures[i].name, name) == 0 || strcmp(architectures[i].hf_type, name) == 0)
            return &architectures[i];
    return NULL;
}

const char *madpo_arch_names(void)
{
    return "llama, gemma3";
}
