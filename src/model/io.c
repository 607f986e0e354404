/* Weights from and to Hugging Face directories: config.json and model.safetensors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "model/internal.h"
#include "model/safetensors.h"

/* ---- loading ---- */

static madpo_status config_compare(const madpo_model_config *have, const madpo_model_config *file,
                                   const char *dir, madpo_error *err)
{
    const struct {
        const char *key, *setting;
        double file, have;
    } v[] = {
        {"vocab_size", "the tokenizer", file->V, have->V},
        {"hidden_size", "model.hidden", file->C, have->C},
        {"num_hidden_layers", "model.layers", file->L, have->L},
        {"num_attention_heads", "model.heads", file->H, have->H},
        {"num_key_value_heads", "model.kv_heads", file->K, have->K},
        {"head_dim", "model.head_dim", file->D, have->D},
        {"intermediate_size", "model.ffn", file->F, have->F},
        {"rms_norm_eps", "model.norm_eps", file->norm_eps, have->norm_eps},
        {"rope_theta", "model.rope_theta", file->rope_theta, have->rope_theta},
        {"tie_word_embeddings", "model.tied", file->tied, have->tied},
    };
    bool local = have->arch->local_global;

    if (file->arch != have->arch)
        return madpo_error_set(err, MADPO_ERR_MISMATCH, "%s: a %s model, but model.arch says %s",
                               dir, file->arch->name, have->arch->name);
    for (size_t i = 0; i < sizeof v / sizeof v[0]; i++)
        if (v[i].file != v[i].have)
            return madpo_error_set(err, MADPO_ERR_MISMATCH, "%s: %s is %.17g, but %s says %.17g",
                                   dir, v[i].key, v[i].file, v[i].setting, v[i].have);
    for (int32_t l = 0; l < have->L; l++)
        if (madpo_model_layer_is_full(file, l) != madpo_model_layer_is_full(have, l) ||
            (!madpo_model_layer_is_full(have, l) && file->window != have->window))
            return madpo_error_set(err, MADPO_ERR_MISMATCH,
                                   "%s: the attention window of layer %d differs from model.window "
                                   "and model.window_pattern",
                                   dir, (int)l);
    if (local && file->rope_theta_local != have->rope_theta_local)
        return madpo_error_set(err, MADPO_ERR_MISMATCH,
                               "%s: rope_local_base_freq is %.17g, but model.rope_theta_local says "
                               "%.17g",
                               dir, file->rope_theta_local, have->rope_theta_local);
    if (madpo__attn_scale(file) != madpo__attn_scale(have))
        return madpo_error_set(
            err, MADPO_ERR_MISMATCH,
            "%s: query_pre_attn_scalar differs from this model's attention scale", dir);
    return MADPO_OK;
}

static void shape_text(char *out, size_t size, int n_dims, const int64_t *shape)
{
    size_t n = (size_t)snprintf(out, size, "[");

    for (int d = 0; d < n_dims && n < size; d++)
        n += (size_t)snprintf(out + n, size - n, "%s%lld", d ? "," : "", (long long)shape[d]);
    if (n < size)
        snprintf(out + n, size - n, "]");
}

static bool same_shape(const madpo_model_tensor *t, const madpo_safetensor *s)
{
    if (t->n_dims != s->n_dims)
        return false;
    for (int d = 0; d < t->n_dims; d++)
        if (t->shape[d] != s->shape[d])
            return false;
    return true;
}

static madpo_status load_tensor(madpo_model *m, const madpo_model_tensor *t,
                                const madpo_safetensor *s, const char *path, madpo_error *err)
{
    char want[96], got[96];

    if (!s)
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s' is missing", path, t->name);
    if (strcmp(s->dtype, "F32") != 0)
        return madpo_error_set(
            err, MADPO_ERR_UNSUPPORTED,
            "%s: tensor '%s' is stored as %s, only F32 is read; convert the model "
            "to float32",
            path, t->name, s->dtype);
    if (!same_shape(t, s)) {
        shape_text(want, sizeof want, t->n_dims, t->shape);
        shape_text(got, sizeof got, s->n_dims, s->shape);
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: tensor '%s' has shape %s, config.json asks for %s", path,
                               t->name, got, want);
    }
    return madpo_tensor_write(m->dev, t->weight, s->data, t->n, err);
}

/* Tensors of the file that the model has no place for, and need not have. */
static bool may_ignore(const madpo_model *m, const char *name)
{
    size_t n = strlen(name), tail = strlen(".rotary_emb.inv_freq");

    if (n > tail && strcmp(name + n - tail, ".rotary_emb.inv_freq") == 0)
        return true;
    return strcmp(name, "lm_head.weight") == 0 && (m->config.tied || m->options.reward_head);
}

static madpo_status check_extra(const madpo_model *m, const madpo_safetensors *file,
                                const char *path, madpo_error *err)
{
    for (size_t i = 0; i < madpo_safetensors_count(file); i++) {
        const char *name = madpo_safetensors_at(file, i)->name;
        bool known = may_ignore(m, name);

        for (size_t j = 0; !known && j < m->n_tensors; j++)
            known = strcmp(m->tensor[j].name, name) == 0;
        if (!known && strcmp(name, "score.weight") == 0)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "%s holds a reward model, not a language model", path);
        if (!known)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "%s: tensor '%s' has no place in a %s model", path, name,
                                   m->config.arch->name);
    }
    return MADPO_OK;
}

static madpo_status load_tensors(madpo_model *m, const madpo_safetensors *file, const char *path,
                                 uint64_t seed, madpo_error *err)
{
    madpo_status st = check_extra(m, file, path, err);

    for (size_t i = 0; st == MADPO_OK && i < m->n_tensors; i++) {
        const madpo_model_tensor *t = &m->tensor[i];
        const madpo_safetensor *s = madpo_safetensors_find(file, t->name);

        if (!s && strcmp(t->name, "score.weight") == 0) /* a causal model becomes a reward model */
            st = madpo__init_tensor(m, i, seed, err);
        else
            st = load_tensor(m, t, s, path, err);
    }
    return st;
}

madpo_status madpo_model_load(madpo_model *m, const char *dir, uint64_t seed, madpo_error *err)
{
    madpo_safetensors *file = NULL;
    madpo_model_config config;
    char *path = NULL;
    madpo_status st = madpo_model_config_load(&config, dir, err);

    if (st == MADPO_OK)
        st = config_compare(&m->config, &config, dir, err);
    if (st == MADPO_OK)
        st = madpo_path_join(&path, dir, "model.safetensors", err);
    if (st == MADPO_OK)
        st = madpo_safetensors_open(&file, path, err);
    if (st == MADPO_OK)
        st = load_tensors(m, file, path, seed, err);
    madpo_model_weights_changed(m);
    madpo_safetensors_close(file);
    free(path);
    return st;
}

/* ---- saving ---- */

static madpo_status save_tensors(madpo_model *m, const char *path, madpo_error *err)
{
    madpo_safetensor *list = calloc(m->n_tensors, sizeof *list);
    float *host = malloc(sizeof *host * (size_t)m->n_weights);
    madpo_status st = MADPO_OK;

    if (!list || !host) {
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory saving %s", path);
        goto done;
    }
    st = madpo_tensor_read(m->dev, m->weights, host, m->n_weights, err);
    if (st != MADPO_OK)
        goto done;
    for (size_t i = 0; i < m->n_tensors; i++) {
        madpo_model_tensor *t = &m->tensor[i];

        list[i] = (madpo_safetensor){.name = t->name,
                                     .dtype = "F32",
                                     .n_dims = t->n_dims,
                                     .data = host + (t->weight.offset - m->weights.offset),
                                     .bytes = 4 * (uint64_t)t->n};
        memcpy(list[i].shape, t->shape, sizeof t->shape);
    }
    st = madpo_safetensors_write(path, list, m->n_tensors, err);
done:
    free(list);
    free(host);
    return st;
}

madpo_status madpo_model_save(madpo_model *m, const char *dir, madpo_error *err)
{
    char *path = NULL;
    madpo_status st = madpo_dir_make(dir, err);

    if (st == MADPO_OK)
        st = madpo_path_join(&path, dir, "model.safetensors", err);
    if (st == MADPO_OK)
        st = save_tensors(m, path, err);
    if (st == MADPO_OK)
        st = madpo_model_config_save(&m->config, m->options.reward_head, dir, err);
    free(path);
    return st;
}
