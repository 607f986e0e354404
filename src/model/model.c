/* Life of a model: plan, allocate, fill the tables, warm up. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/internal.h"
#include "ops/matmul.h"
#include "ops/rope.h"

static int64_t max2(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static madpo_status options_check(const madpo_model_config *c, const madpo_model_options *o,
                                  madpo_error *err)
{
    if (o->max_tokens < 1 || o->max_segments < 1 || o->max_rows < 0 || o->max_sequences < 0 ||
        o->gen_slots < 0 || o->max_tokens > INT32_MAX / 4 || o->max_rows > INT32_MAX / 4)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "a model needs room for one token and one segment at least");
    if (o->gen_slots > 0 && o->gen_len < 1)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "generation needs room for one token at least");
    if (o->gen_slots > 0 && o->gen_len > c->max_positions)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "generating %lld tokens exceeds the model's %d positions; lower "
                               "generate.prompt_tokens or generate.max_new",
                               (long long)o->gen_len, (int)c->max_positions);
    if (o->train && o->n_adapters == 0 && o->storage != MADPO_DTYPE_F32)
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "weights that are trained are kept in fp32: set model.storage = f32, "
            "or train an adapter (lora.rank)");
    return MADPO_OK;
}

/* Everything that can be known without device memory. */
static madpo_status model_prepare(madpo_model *m, madpo_error *err)
{
    madpo_model_options *o = &m->options;
    madpo_status st = madpo_model_config_check(&m->config, err);

    if (st == MADPO_OK)
        st = options_check(&m->config, o, err);
    if (st != MADPO_OK)
        return st;
    /* a decode step is a batch of one token a slot, a prefill one of a segment a prompt */
    m->rows = max2(o->max_tokens, o->gen_slots);
    o->max_segments = max2(o->max_segments, o->gen_slots);
    m->positions = max2(m->rows, o->gen_slots > 0 ? o->gen_len : 0);
    if (m->positions > m->config.max_positions)
        m->positions = m->config.max_positions;
    m->gen.slots = o->gen_slots;
    m->gen.len = o->gen_len;
    /* Packing pays where the same weights are used step after step; CLBlast would only get a copy.
     */
    m->use_packed = o->gen_slots > 0 && strcmp(madpo_matmul_provider_name(m->dev), "panel") == 0;
    m->packed_stale = true;
    m->acts = calloc((size_t)m->config.L, sizeof *m->acts);
    if (!m->acts)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory planning a model");
    st = madpo__gen_init(m, err);
    if (st == MADPO_OK)
        st = madpo__adapters_begin(m, err);
    if (st == MADPO_OK)
        st = madpo__weights_layout(m, err);
    if (st == MADPO_OK)
        st = madpo__plan_all(m, err);
    if (st == MADPO_OK && o->train && m->n_weights == 0)
        st = madpo_error_set(
            err, MADPO_ERR_USAGE,
            "nothing to train: all adapters are frozen and there is no reward head");
    m->options.adapters = NULL; /* the caller's; copied */
    return st;
}

static madpo_status model_start(madpo_model **out, madpo_device *dev,
                                const madpo_model_config *config,
                                const madpo_model_options *options, madpo_error *err)
{
    madpo_model *m = calloc(1, sizeof *m);
    madpo_status st;

    *out = NULL;
    if (!m)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory planning a model");
    m->dev = dev;
    m->config = *config;
    m->options = *options;
    st = model_prepare(m, err);
    if (st == MADPO_OK)
        *out = m;
    else
        madpo_model_free(m);
    return st;
}

madpo_status madpo_model_plan(madpo_memory_plan *out, madpo_device *dev,
                              const madpo_model_config *config, const madpo_model_options *options,
                              madpo_error *err)
{
    madpo_model *m;
    madpo_status st = model_start(&m, dev, config, options, err);

    *out = (madpo_memory_plan){0};
    if (st == MADPO_OK)
        *out = m->plan;
    madpo_model_free(m);
    return st;
}

/* The plan does not fit: name what takes most and the setting that lowers it. */
static madpo_status plan_refuse(const madpo_model *m, madpo_error *err)
{
    const madpo_memory_plan *p = &m->plan;
    uint64_t weights = p->weights + p->gradients + p->optimiser + p->packed;
    uint64_t batch = p->activations + p->workspace;
    const char *setting = "lower batch.tokens";
    char line[320];

    if (weights > batch && weights > p->kv_cache)
        setting = m->trains_base ? "lower model.hidden or model.layers, or train an adapter "
                                   "(lora.rank)"
                  : m->options.storage == MADPO_DTYPE_F32
                      ? "set model.storage = bf16 or take a smaller model"
                      : "take a smaller model";
    else if (p->kv_cache > batch)
        setting = "lower generate.batch";
    else if (m->options.train && !m->options.recompute)
        setting = "lower batch.tokens or set model.recompute = true";
    madpo_memory_plan_format(p, &m->options, line, sizeof line);
    return madpo_error_set(err, MADPO_ERR_MEMORY,
                           "the model does not fit into device memory; %s (%s)", setting, line);
}

static madpo_status alloc_slabs(madpo_model *m, madpo_error *err)
{
    madpo_slab *slabs[] = {m->weight_slab, m->frozen_slab, m->grad_slab,
                           m->act_slab,    m->kv_slab,     m->packed_slab};
    madpo_status st = MADPO_OK;
    size_t ints = (size_t)madpo__batch_ints(&m->options, m->rows);

    if (m->plan.total > m->plan.available)
        return plan_refuse(m, err);
    for (size_t i = 0; st == MADPO_OK && i < sizeof slabs / sizeof slabs[0]; i++)
        if (slabs[i])
            st = madpo_slab_alloc(slabs[i], m->dev, err);
    if (st == MADPO_OK)
        st = madpo_workspace_reserve(m->dev, madpo__plan_workspace(m), err);
    if (st != MADPO_OK)
        return st;
    m->batch_host = calloc(ints, sizeof *m->batch_host);
    m->out_host = calloc((size_t)m->out.n, sizeof *m->out_host);
    if (!m->batch_host || !m->out_host)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory for a model's batches");
    madpo__weights_bind(m);
    madpo__adapters_bind(m);
    madpo__plan_bind(m);
    return MADPO_OK;
}

static madpo_status fill_rope(madpo_model *m, madpo_tensor table, bool full, madpo_error *err)
{
    int64_t n = madpo_model_rotary(&m->config);
    double *inv_freq;
    float *host;
    madpo_status st = MADPO_OK;

    if (madpo_tensor_is_none(table))
        return MADPO_OK;
    inv_freq = malloc(sizeof *inv_freq * (size_t)(n / 2));
    host = malloc(sizeof *host * (size_t)table.n);
    if (!inv_freq || !host) {
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory for RoPE tables");
    } else {
        madpo_model_rope_frequencies(inv_freq, &m->config, full);
        madpo_rope_table(host, inv_freq, m->positions, n);
        st = madpo_tensor_write(m->dev, table, host, table.n, err);
    }
    free(inv_freq);
    free(host);
    return st;
}

/* ---- warm-up ---- */

/* Run everything once at a tiny size, so that programs are built now and never inside a step. All
 * weights are zero: the results do not matter, and the gradients still count as unwritten after it.
 */
static madpo_status warm_up_batch(madpo_model *m, madpo_error *err)
{
    /* one pair: prompt | chosen | rejected, a token each */
    int32_t ids[] = {0, 0, 0}, pos[] = {0, 1, 1}, tok_seg[] = {0, 1, 2};
    madpo_segment seg[] = {{0, 1, 0, 0, 1, 2}, {1, 1, 0, 1, 0, 0}, {2, 1, 0, 1, 0, 0}};
    int32_t row_token[] = {0, 0}, zeros[] = {0, 0}, row_seq[] = {0, 1}, seq_last[] = {1, 2};
    int64_t seq_row[] = {0, 1, 2}, seq_id[] = {0, 0};
    int32_t uniq_start[] = {0, 3}, uniq_token[] = {0, 1, 2};
    int32_t tok_row_start[] = {0, 2, 2, 2}, tok_row[] = {0, 1};
    madpo_batch b = {.T = 3,
                     .ids = ids,
                     .pos = pos,
                     .tok_seg = tok_seg,
                     .n_seg = 3,
                     .seg = seg,
                     .R = 2,
                     .row_token = row_token,
                     .row_label = zeros,
                     .row_seq = row_seq,
                     .n_seq = 2,
                     .seq_row = seq_row,
                     .seq_last = seq_last,
                     .seq_id = seq_id,
                     .n_uniq = 1,
                     .uniq = zeros,
                     .uniq_start = uniq_start,
                     .uniq_token = uniq_token,
                     .tok_row_start = tok_row_start,
                     .tok_row = tok_row};
    float out[2], coef[] = {0, 0};
    madpo_status st;

    if (m->rows < 3 || m->positions < 2 || m->options.max_segments < 3 || m->options.max_rows < 2 ||
        m->options.max_sequences < 2)
        return MADPO_OK; /* too small for a pair: built at its first use */
    m->pass_train = m->options.train;
    if (m->options.reward_head)
        st = madpo_model_rewards(m, &b, out, err);
    else
        st = madpo_model_logps(m, &b, out, NULL, err);
    if (st == MADPO_OK && m->options.train)
        st = m->options.reward_head ? madpo_model_backward_rewards(m, &b, coef, err)
                                    : madpo_model_backward_logps(m, &b, coef, err);
    if (st == MADPO_OK && m->options.train)
        st = madpo_tensor_zero(m->dev, m->grads, err);
    m->pass_train = false;
    return st;
}

static madpo_status warm_up_generation(madpo_model *m, madpo_error *err)
{
    madpo_generate_options o = {.temperature = 1,
                                .top_k = 2,
                                .top_p = .5f,
                                .max_new = 2,
                                .samples_per_prompt = 1,
                                .ban_eos = true};
    const int32_t prompt[] = {0}, *prompts[] = {prompt}, n_prompt[] = {1};
    int32_t out[2], out_len[1];
    madpo_status st;

    if (m->gen.slots == 0 || m->gen.len < 3)
        return MADPO_OK;
    st = madpo_model_generate(m, prompts, n_prompt, 1, &o, out, out_len, NULL, err);
    o.temperature = 0;
    if (st == MADPO_OK)
        st = madpo_model_generate(m, prompts, n_prompt, 1, &o, out, out_len, NULL, err);
    return st;
}

madpo_status madpo_model_new(madpo_model **out, madpo_device *dev, const madpo_model_config *config,
                             const madpo_model_options *options, madpo_error *err)
{
    madpo_model *m;
    madpo_status st = model_start(&m, dev, config, options, err);

    *out = NULL;
    if (st == MADPO_OK)
        st = alloc_slabs(m, err);
    if (st == MADPO_OK)
        st = fill_rope(m, m->rope_full, true, err);
    if (st == MADPO_OK)
        st = fill_rope(m, m->rope_local, false, err);
    if (st == MADPO_OK)
        st = warm_up_batch(m, err);
    if (st == MADPO_OK)
        st = warm_up_generation(m, err);
    if (st == MADPO_OK)
        st = madpo_device_finish(dev, err);
    if (st == MADPO_OK) {
        m->done = MADPO__DONE_NONE;
        m->grads_pending = true;
        m->packed_stale = true;
        *out = m;
        m = NULL;
    }
    madpo_model_free(m);
    return st;
}

void madpo_model_free(madpo_model *m)
{
    if (!m)
        return;
    madpo_slab_free(m->weight_slab);
    madpo_slab_free(m->frozen_slab);
    madpo_slab_free(m->grad_slab);
    madpo_slab_free(m->act_slab);
    madpo_slab_free(m->kv_slab);
    madpo_slab_free(m->packed_slab);
    madpo__gen_dispose(m);
    madpo__adapters_dispose(m);
    free(m->source_dir);
    free(m->tensor);
    free(m->info);
    free(m->w.layer);
    free(m->g.layer);
    free(m->p.layer);
    free(m->acts);
    free(m->batch_host);
    free(m->out_host);
    free(m);
}

/* ---- queries ---- */

const madpo_model_config *madpo_model_get_config(const madpo_model *m)
{
    return &m->config;
}

madpo_device *madpo_model_get_device(const madpo_model *m)
{
    return m->dev;
}

size_t madpo_model_tensor_count(const madpo_model *m)
{
    return m->n_tensors;
}

const madpo_model_tensor *madpo_model_tensor_at(const madpo_model *m, size_t i)
{
    return i < m->n_tensors ? &m->tensor[i] : NULL;
}

madpo_tensor madpo_model_weights(const madpo_model *m)
{
    return m->weights;
}

madpo_tensor madpo_model_grads(const madpo_model *m)
{
    return m->grads;
}

int64_t madpo_model_n_decay(const madpo_model *m)
{
    return m->n_decay;
}

void madpo_model_weights_changed(madpo_model *m)
{
    m->packed_stale = true;
}
