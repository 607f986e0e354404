/* Model configuration: defaults, ranges, and what follows from them. */
#include "model/config.h"

#include <math.h>

#include "base/error.h"

void madpo_model_config_defaults(madpo_model_config *config, const madpo_arch *arch)
{
    *config = (madpo_model_config){.arch = arch,
                                   .V = 4096,
                                   .C = 256,
                                   .L = 4,
                                   .H = 4,
                                   .K = 2,
                                   .D = 64,
                                   .F = 704,
                                   .max_positions = 8192,
                                   .rope_theta = 10000,
                                   .rope_theta_local = 10000,
                                   .norm_eps = 1e-5,
                                   .tied = true,
                                   .bos = -1,
                                   .eos = -1,
                                   .pad = -1};
    if (arch->local_global) {
        config->window = 512;
        config->window_pattern = 4;
        config->rope_theta = 1e6;
        config->norm_eps = 1e-6;
    }
}

typedef struct int_range {
    const char *key;
    int32_t value, low, high;
} int_range;

static madpo_status config_check_ints(const madpo_model_config *c, madpo_error *err)
{
    const int_range ranges[] = {
        {"tokenizer.vocab", c->V, 1, 1 << 24},
        {"model.hidden", c->C, 1, 1 << 20},
        {"model.layers", c->L, 1, 4096},
        {"model.heads", c->H, 1, 4096},
        {"model.kv_heads", c->K, 1, 4096},
        {"model.head_dim", c->D, 2, 4096},
        {"model.ffn", c->F, 1, 1 << 22},
        {"max_position_embeddings", c->max_positions, 1, 1 << 24},
        {"model.window", c->window, 0, 1 << 24},
        {"model.window_pattern", c->window_pattern, 0, 1 << 24},
        {"the bos token", c->bos, -1, c->V - 1},
        {"the eos token", c->eos, -1, c->V - 1},
        {"the pad token", c->pad, -1, c->V - 1},
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (ranges[i].value < ranges[i].low || ranges[i].value > ranges[i].high)
            return madpo_error_set(err, MADPO_ERR_CONFIG, "%s = %d is outside %d..%d",
                                   ranges[i].key, (int)ranges[i].value, (int)ranges[i].low,
                                   (int)ranges[i].high);
    return MADPO_OK;
}

madpo_status madpo_model_config_check(const madpo_model_config *c, madpo_error *err)
{
    madpo_status st = config_check_ints(c, err);

    if (st != MADPO_OK)
        return st;
    if (c->H % c->K != 0)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "model.heads = %d must be a multiple of model.kv_heads = %d",
                               (int)c->H, (int)c->K);
    if (c->D % 2 != 0)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "model.head_dim = %d must be even (RoPE turns pairs)", (int)c->D);
    if (!(c->rope_theta > 1 && isfinite(c->rope_theta)))
        return madpo_error_set(err, MADPO_ERR_CONFIG, "model.rope_theta = %g must be above 1",
                               c->rope_theta);
    if (c->arch->local_global && !(c->rope_theta_local > 1 && isfinite(c->rope_theta_local)))
        return madpo_error_set(err, MADPO_ERR_CONFIG, "model.rope_theta_local = %g must be above 1",
                               c->rope_theta_local);
    if (!(c->norm_eps > 0 && c->norm_eps < 1))
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "model.norm_eps = %g must be above 0 and below 1", c->norm_eps);
    if (!(c->attn_scale >= 0 && isfinite(c->attn_scale)))
        return madpo_error_set(err, MADPO_ERR_CONFIG, "the attention scale %g must not be negative",
                               c->attn_scale);
    return MADPO_OK;
}

bool madpo_model_layer_is_full(const madpo_model_config *c, int32_t layer)
{
    if (!c->arch->local_global || c->window == 0 || c->window_pattern == 0)
        return true;
    return (layer + 1) % c->window_pattern == 0;
}

int64_t madpo_model_config_parameters(const madpo_model_config *c, bool reward_head)
{
    int64_t C = c->C, HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;
    int64_t layer = 2 * C * HD + 2 * C * KD + 3 * C * c->F + 2 * C;

    if (c->arch->post_norms)
        layer += 2 * C;
    if (c->arch->qk_norm)
        layer += 2 * (int64_t)c->D;
    return c->V * C + c->L * layer + C + (reward_head ? C : c->tied ? 0 : c->V * C);
}
