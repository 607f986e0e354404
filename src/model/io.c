/* Loading the base's weights from Hugging Face directories: config.json, one safetensors file or
 * shards. A file's tensor may hold several of ours (fused q, k and v) or a transposed one; it goes
 * to the device in pieces, so that no second copy of the model is ever in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/io_inside.h"
#include "model/shards.h"

/* ---- is it the model we are? ---- */

static madpo_status compare_values(const madpo_model_config *have, const madpo_model_config *file,
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
        {"the norms' epsilon", "model.norm_eps", file->norm_eps, have->norm_eps},
        {"tie_word_embeddings", "model.tied", file->tied, have->tied},
    };
    const struct {
        const char *what;
        bool differs;
    } flags[] = {
        {"the activation", file->act != have->act},
        {"the bias of q, k and v", file->qkv_bias != have->qkv_bias},
        {"the bias of attention's output", file->o_bias != have->o_bias},
        {"the bias of the MLP", file->mlp_bias != have->mlp_bias},
        {"use_parallel_residual", file->parallel_residual != have->parallel_residual},
    };

    for (size_t i = 0; i < sizeof v / sizeof v[0]; i++)
        if (v[i].file != v[i].have)
            return madpo_error_set(err, MADPO_ERR_MISMATCH, "%s: %s is %.17g, but %s says %.17g",
                                   dir, v[i].key, v[i].file, v[i].setting, v[i].have);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (flags[i].differs)
            return madpo_error_set(err, MADPO_ERR_MISMATCH, "%s: %s differs from this model's", dir,
                                   flags[i].what);
    return MADPO_OK;
}

static madpo_status compare_positions(const madpo_model_config *have,
                                      const madpo_model_config *file, const char *dir,
                                      madpo_error *err)
{
    const madpo_rope_scaling *a = &file->rope, *b = &have->rope;

    if (have->arch->learned_positions) {
        if (file->max_positions == have->max_positions)
            return MADPO_OK;
        return madpo_error_set(err, MADPO_ERR_MISMATCH,
                               "%s: n_positions is %d, but this model has %d", dir,
                               (int)file->max_positions, (int)have->max_positions);
    }
    if (file->rope_theta != have->rope_theta)
        return madpo_error_set(err, MADPO_ERR_MISMATCH,
                               "%s: rope_theta is %.17g, but model.rope_theta says %.17g", dir,
                               file->rope_theta, have->rope_theta);
    if (have->arch->local_global && file->rope_theta_local != have->rope_theta_local)
        return madpo_error_set(err, MADPO_ERR_MISMATCH,
                               "%s: rope_local_base_freq is %.17g, but model.rope_theta_local says "
                               "%.17g",
                               dir, file->rope_theta_local, have->rope_theta_local);
    if (a->kind != b->kind || a->factor != b->factor || a->low_freq != b->low_freq ||
        a->high_freq != b->high_freq || a->original_positions != b->original_positions ||
        madpo_model_rotary(file) != madpo_model_rotary(have))
        return madpo_error_set(err, MADPO_ERR_MISMATCH,
                               "%s: RoPE's scaling or share of a head differs from this model's",
                               dir);
    return MADPO_OK;
}

static madpo_status config_compare(const madpo_model_config *have, const madpo_model_config *file,
                                   const char *dir, madpo_error *err)
{
    madpo_status st;

    if (file->arch != have->arch)
        return madpo_error_set(err, MADPO_ERR_MISMATCH, "%s: a %s model, but model.arch says %s",
                               dir, file->arch->name, have->arch->name);
    st = compare_values(have, file, dir, err);
    if (st == MADPO_OK)
        st = compare_positions(have, file, dir, err);
    if (st != MADPO_OK)
        return st;
    for (int32_t l = 0; l < have->L; l++)
        if (madpo_model_layer_is_full(file, l) != madpo_model_layer_is_full(have, l) ||
            (!madpo_model_layer_is_full(have, l) && file->window != have->window))
            return madpo_error_set(err, MADPO_ERR_MISMATCH,
                                   "%s: the attention window of layer %d differs from model.window "
                                   "and model.window_pattern",
                                   dir, (int)l);
    if (madpo__attn_scale(file) != madpo__attn_scale(have))
        return madpo_error_set(
            err, MADPO_ERR_MISMATCH,
            "%s: query_pre_attn_scalar differs from this model's attention scale", dir);
    return MADPO_OK;
}

/* ---- which tensor is which ---- */

/* A tensor of the file by the name it should have, or by it without the architecture's prefix (how
 * a body without a head is saved). */
static size_t find_tensor(const madpo_model *m, const madpo_shards *files, const char *name)
{
    size_t i = madpo_shards_find(files, name), n = strlen(m->config.arch->prefix);

    if (i == madpo_shards_count(files) && strncmp(name, m->config.arch->prefix, n) == 0)
        i = madpo_shards_find(files, name + n);
    return i;
}

static bool ends_with(const char *name, const char *tail)
{
    size_t n = strlen(name), m = strlen(tail);

    return n >= m && strcmp(name + n - m, tail) == 0;
}

/* Tensors that the model has no place for, and need not have: tables of angles and masks that older
 * versions kept, a head that is the embedding or that a reward model does not have. */
static bool may_ignore(const madpo_model *m, const char *name)
{
    const madpo_arch *arch = m->config.arch;
    const char *fused = arch->site[MADPO_SITE_QKV];
    char tail[64];

    if (ends_with(name, ".rotary_emb.inv_freq"))
        return true;
    if (fused) {
        int n = (int)strcspn(fused, ".");

        snprintf(tail, sizeof tail, ".%.*s.bias", n, fused);
        if (ends_with(name, tail))
            return true;
        snprintf(tail, sizeof tail, ".%.*s.masked_bias", n, fused);
        if (ends_with(name, tail))
            return true;
    }
    return strcmp(name, arch->head) == 0 && (m->config.tied || m->options.reward_head);
}

static madpo_status check_extra(const madpo_model *m, const madpo_shards *files, const bool *used,
                                madpo_error *err)
{
    for (size_t i = 0; i < madpo_shards_count(files); i++) {
        const char *path, *name = madpo_shards_at(files, i, &path)->name;

        if (used[i] || may_ignore(m, name))
            continue;
        if (strcmp(name, "score.weight") == 0)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "%s holds a reward model, not a language model", path);
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s' has no place in a %s model",
                               path, name, m->config.arch->name);
    }
    return MADPO_OK;
}

/* ---- loading ---- */

typedef struct loader {
    madpo_model *m;
    madpo_shards *files;
    size_t *at;    /* [n_tensors] which of the files' tensors, or their count: none */
    bool *used;    /* [files' tensors] */
    int64_t piece; /* elements of the three below */
    unsigned char *raw;
    float *wide;
    uint16_t *narrow;
} loader;

static madpo_status loader_init(loader *x, madpo_model *m, madpo_error *err)
{
    x->m = m;
    x->piece = MADPO__PIECE;
    for (size_t i = 0; i < m->n_tensors; i++) /* a gathered piece is whole rows */
        if (m->tensor[i].n_dims == 2 && m->tensor[i].shape[1] > x->piece)
            x->piece = m->tensor[i].shape[1];
    x->at = calloc(m->n_tensors + 1, sizeof *x->at);
    x->used = calloc(madpo_shards_count(x->files) + 1, sizeof *x->used);
    x->raw = malloc(4 * (size_t)x->piece);
    x->wide = malloc(sizeof *x->wide * (size_t)x->piece);
    x->narrow = malloc(sizeof *x->narrow * (size_t)x->piece);
    if (!x->at || !x->used || !x->raw || !x->wide || !x->narrow)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory loading a model");
    for (size_t i = 0; i < m->n_tensors; i++) {
        x->at[i] = find_tensor(m, x->files, m->tensor[i].file);
        x->used[x->at[i]] = true;
    }
    return MADPO_OK;
}

static void loader_dispose(loader *x)
{
    madpo_shards_close(x->files);
    free(x->at);
    free(x->used);
    free(x->raw);
    free(x->wide);
    free(x->narrow);
}

/* n elements of a file's type to where `to` begins, through f32 if the types differ. */
static madpo_status store(loader *x, madpo_tensor to, const void *raw, madpo_dtype dtype,
                          const char *name, const char *path, madpo_error *err)
{
    size_t n = (size_t)to.n;
    const void *bytes = raw;

    if (!madpo__all_finite(raw, dtype, n))
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s' holds NaN or infinity", path,
                               name);
    if (dtype != to.dtype) {
        madpo__widen(x->wide, raw, dtype, n);
        bytes = x->wide;
    }
    if (dtype != to.dtype && to.dtype != MADPO_DTYPE_F32) {
        madpo__narrow(x->narrow, x->wide, to.dtype, n);
        bytes = x->narrow;
        if (!madpo__all_finite(x->narrow, to.dtype, n))
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "%s: tensor '%s' holds numbers beyond %s; set model.storage to "
                                   "bf16 or f32",
                                   path, name, madpo_dtype_name(to.dtype));
    }
    return madpo_tensor_write(x->m->dev, to, bytes, to.n, err);
}

/* Rows [row, row + n) of tensor i, gathered from the file's bytes. Along a row, all layouts step
 * evenly; where the step is large (transposed) 16 rows are taken at once, whose elements are
 * neighbours there. */
static void gather(loader *x, size_t i, const unsigned char *from, size_t bytes, int64_t row,
                   int64_t n)
{
    const madpo_model_tensor *t = &x->m->tensor[i];
    const int64_t cols = t->n_dims == 2 ? t->shape[1] : 1;

    for (int64_t r0 = 0; r0 < n; r0 += 16) {
        const int64_t rows = n - r0 < 16 ? n - r0 : 16;
        int64_t begin[16], step = 0;

        for (int64_t r = 0; r < rows; r++)
            begin[r] = madpo__weight_file_at(x->m, i, row + r0 + r, 0);
        if (cols > 1)
            step = madpo__weight_file_at(x->m, i, row + r0, 1) - begin[0];
        if (step == 1) {
            for (int64_t r = 0; r < rows; r++)
                memcpy(x->raw + (size_t)((r0 + r) * cols) * bytes, from + (size_t)begin[r] * bytes,
                       (size_t)cols * bytes);
            continue;
        }
        for (int64_t c = 0; c < cols; c++)
            for (int64_t r = 0; r < rows; r++) {
                unsigned char *to = x->raw + (size_t)((r0 + r) * cols + c) * bytes;
                const unsigned char *f = from + (size_t)(begin[r] + c * step) * bytes;

                if (bytes == 4)
                    memcpy(to, f, 4);
                else
                    memcpy(to, f, 2);
            }
    }
}

static madpo_status load_tensor(loader *x, size_t i, madpo_error *err)
{
    const madpo_model_tensor *t = &x->m->tensor[i];
    const char *path = NULL;
    const madpo_safetensor *s = madpo_shards_at(x->files, x->at[i], &path);
    const int64_t cols = t->n_dims == 2 ? t->shape[1] : 1;
    const int64_t step = t->layout == MADPO_LAYOUT_PLAIN ? x->piece : x->piece / cols * cols;
    madpo_dtype dtype = MADPO_DTYPE_F32;
    int64_t shape[2];
    int n_dims;
    madpo_status st;

    madpo__weight_file_shape(x->m, i, &n_dims, shape);
    st = madpo__check_tensor(&dtype, s, n_dims, shape, path, "config.json", MADPO_ERR_DATA, err);
    for (int64_t at = 0; st == MADPO_OK && at < t->n; at += step) {
        const int64_t n = t->n - at < step ? t->n - at : step;
        const size_t bytes = madpo_dtype_bytes(dtype);
        const unsigned char *from = s->data;

        if (t->layout == MADPO_LAYOUT_PLAIN) {
            from += (size_t)at * bytes;
        } else {
            gather(x, i, from, bytes, at / cols, n / cols);
            from = x->raw;
        }
        st = store(x, madpo_tensor_slice(t->weight, at, n), from, dtype, s->name, path, err);
    }
    return st;
}

static madpo_status load_tensors(loader *x, bool reward_file, uint64_t seed, madpo_error *err)
{
    const madpo_model *m = x->m;
    const size_t none = madpo_shards_count(x->files);
    madpo_status st = check_extra(m, x->files, x->used, err);

    for (size_t i = 0; st == MADPO_OK && i < m->n_tensors; i++) {
        bool score = strcmp(m->tensor[i].file, "score.weight") == 0;

        if (x->at[i] < none)
            st = load_tensor(x, i, err);
        else if (score && !reward_file) /* a causal model becomes a reward model */
            st = madpo__init_tensor(x->m, i, seed, err);
        else
            st = madpo_error_set(err, MADPO_ERR_DATA, "%s: tensor '%s' is missing",
                                 madpo_shards_path(x->files), m->tensor[i].file);
    }
    return st;
}

madpo_status madpo_model_load(madpo_model *m, const char *dir, uint64_t seed, madpo_error *err)
{
    loader x = {0};
    madpo_model_config config;
    bool reward_file = false;
    char *source = strdup(dir);
    madpo_status st = madpo_model_config_load(&config, dir, err);

    if (st == MADPO_OK && !source)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory loading %s", dir);
    if (st == MADPO_OK)
        st = config_compare(&m->config, &config, dir, err);
    if (st == MADPO_OK)
        st = madpo_model_config_is_reward(&reward_file, dir, err);
    if (st == MADPO_OK)
        st = madpo_shards_open(&x.files, dir, err);
    if (st == MADPO_OK)
        st = loader_init(&x, m, err);
    if (st == MADPO_OK)
        st = load_tensors(&x, reward_file, seed, err);
    madpo_model_weights_changed(m);
    loader_dispose(&x);
    if (st == MADPO_OK) {
        free(m->source_dir);
        m->source_dir = source;
        source = NULL;
    }
    free(source);
    return st;
}

/* ---- storage ---- */

madpo_status madpo_model_storage_of(madpo_dtype *out, const char *dir, madpo_error *err)
{
    static const madpo_dtype candidates[] = {MADPO_DTYPE_F32, MADPO_DTYPE_BF16, MADPO_DTYPE_F16};
    size_t count[3] = {0};
    madpo_shards *files;
    madpo_status st = madpo_shards_open(&files, dir, err);

    *out = MADPO_DTYPE_F32;
    if (st != MADPO_OK)
        return st;
    for (size_t i = 0; i < madpo_shards_count(files); i++) {
        const madpo_safetensor *s = madpo_shards_at(files, i, NULL);
        madpo_dtype dtype;

        for (size_t k = 0; k < 3 && s->n_dims == 2; k++)
            count[k] += madpo__file_dtype(&dtype, s->dtype) && dtype == candidates[k];
    }
    for (size_t k = 1; k < 3; k++)
        if (count[k] > count[0]) {
            count[0] = count[k];
            *out = candidates[k];
        }
    madpo_shards_close(files);
    return MADPO_OK;
}
