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
                                   .act = arch->act,
                                   .qkv_bias = arch->qkv_bias,
                                   .o_bias = arch->o_bias,
                                   .mlp_bias = arch->mlp_bias,
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
        {"model.head_dim", c->D, 1, 4096},
        {"model.ffn", c->F, 1, 1 << 22},
        {"max_position_embeddings", c->max_positions, 1, 1 << 24},
        {"model.window", c->window, 0, 1 << 24},
        {"model.window_pattern", c->window_pattern, 0, 1 << 24},
        {"max_window_layers", c->window_from, 0, 1 << 24},
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

static madpo_status config_check_rope(const madpo_model_config *c, madpo_error *err)
{
    const madpo_rope_scaling *r = &c->rope;

    if (c->arch->learned_positions)
        return MADPO_OK;
    if (c->D % 2 != 0)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "model.head_dim = %d must be even (RoPE turns pairs)", (int)c->D);
    if (c->rotary < 0 || c->rotary > c->D || c->rotary % 2 != 0)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "RoPE over %d of %d dims of a head: an even number of at most all",
                               (int)c->rotary, (int)c->D);
    if (!(c->rope_theta > 1 && isfinite(c->rope_theta)))
        return madpo_error_set(err, MADPO_ERR_CONFIG, "model.rope_theta = %g must be above 1",
                               c->rope_theta);
    if (c->arch->local_global && !(c->rope_theta_local > 1 && isfinite(c->rope_theta_local)))
        return madpo_error_set(err, MADPO_ERR_CONFIG, "model.rope_theta_local = %g must be above 1",
                               c->rope_theta_local);
    if (r->kind != MADPO_ROPE_DEFAULT && !(r->factor > 0 && isfinite(r->factor)))
        return madpo_error_set(err, MADPO_ERR_CONFIG, "RoPE scaling: factor %g must be positive",
                               r->factor);
    if (r->kind == MADPO_ROPE_LLAMA3 && !(r->low_freq > 0 && r->high_freq > r->low_freq &&
                                          isfinite(r->high_freq) && r->original_positions > 0))
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "RoPE scaling llama3: low_freq_factor %g, high_freq_factor %g and "
                               "original_max_position_embeddings %d make no sense",
                               r->low_freq, r->high_freq, (int)r->original_positions);
    return MADPO_OK;
}

/* What an architecture's layers cannot be. */
static madpo_status config_check_arch(const madpo_model_config *c, madpo_error *err)
{
    const madpo_arch *a = c->arch;

    if (a->site[MADPO_SITE_QKV] && c->H != c->K)
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "%s: model.kv_heads = %d must be model.heads = %d (q, k and v are one "
            "matrix)",
            a->name, (int)c->K, (int)c->H);
    if (c->parallel_residual && a->post_norms)
        return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                               "%s: attention and MLP side by side with norms behind them",
                               a->name);
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
    st = config_check_rope(c, err);
    if (st == MADPO_OK)
        st = config_check_arch(c, err);
    if (st != MADPO_OK)
        return st;
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
    if (!c->arch->sliding || c->window == 0 || c->window_pattern == 0 || layer < c->window_from)
        return true;
    return (layer + 1) % c->window_pattern == 0;
}

int32_t madpo_model_rotary(const madpo_model_config *c)
{
    if (c->arch->learned_positions)
        return 0;
    return c->rotary > 0 ? c->rotary : c->D;
}

/* Llama 3.1: long wavelengths are stretched, short ones kept, those between blended. */
static double scale_llama3(double w, const madpo_rope_scaling *r)
{
    const double wavelength = 6.283185307179586476925 / w;
    const double original = r->original_positions;
    double s;

    if (wavelength < original / r->high_freq)
        return w;
    if (wavelength > original / r->low_freq)
        return w / r->factor;
    s = (original / wavelength - r->low_freq) / (r->high_freq - r->low_freq);
    return (1 - s) * w / r->factor + s * w;
}

void madpo_model_rope_frequencies(double *inv_freq, const madpo_model_config *c, bool full)
{
    const int32_t n = madpo_model_rotary(c);
    const bool local = c->arch->local_global && !full; /* never scaled */

    for (int32_t i = 0; i < n / 2; i++) {
        double w = pow(local ? c->rope_theta_local : c->rope_theta, -2.0 * i / n);

        if (!local && c->rope.kind == MADPO_ROPE_LINEAR)
            w /= c->rope.factor;
        else if (!local && c->rope.kind == MADPO_ROPE_LLAMA3)
            w = scale_llama3(w, &c->rope);
        inv_freq[i] = w;
    }
}

static int64_t config_vectors(const madpo_model_config *c)
{
    const madpo_arch *a = c->arch;
    int64_t C = c->C, HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;

    return C * (a->layer_norm   ? 4
                : a->post_norms ? 4
                                : 2) +
           (a->qk_norm ? 2 * c->D : 0) + (c->qkv_bias ? HD + 2 * KD : 0) + (c->o_bias ? C : 0) +
           (c->mlp_bias ? (a->gated ? 2 : 1) * (int64_t)c->F + C : 0);
}

int64_t madpo_model_config_parameters(const madpo_model_config *c, bool reward_head)
{
    const madpo_arch *a = c->arch;
    int64_t C = c->C, HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;
    int64_t layer = 2 * C * HD + 2 * C * KD + (a->gated ? 3 : 2) * C * c->F + config_vectors(c);

    return c->V * C + (a->learned_positions ? (int64_t)c->max_positions * C : 0) + c->L * layer +
           (a->layer_norm ? 2 * C : C) +
           (reward_head ? C
            : c->tied   ? 0
                        : c->V * C);
}
