/* See model_test.h. */
#include "tests/model/model_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

madpo_device *model_device(uint64_t memory_limit_bytes)
{
    madpo_device_options o;
    madpo_device *dev;
    const char *select = getenv("MADPO_TEST_DEVICE"), *width = getenv("MADPO_TEST_WG");

    madpo_device_options_defaults(&o);
    if (select)
        o.select = select;
    if (width)
        o.work_group = atoi(width);
    o.memory_limit_bytes = memory_limit_bytes;
    MODEL_OK(madpo_device_open(&dev, &o, err));
    return dev;
}

int model_setup(void **state)
{
    *state = model_device(0);
    return 0;
}

int model_teardown(void **state)
{
    madpo_device_close(*state);
    return 0;
}

madpo_model_config model_config(const char *arch, bool tied)
{
    madpo_model_config c;

    madpo_model_config_defaults(&c, madpo_arch_find(arch));
    c.V = 37;
    c.C = 22;
    c.L = 2;
    c.H = 4;
    c.K = 2;
    c.D = 6;
    c.F = 19;
    c.max_positions = 64;
    c.tied = tied;
    c.bos = 1;
    c.eos = 2;
    c.pad = 0;
    if (c.arch->site[MADPO_SITE_QKV]) { /* such a config.json has no other heads */
        c.K = c.H;
        c.C = c.H * c.D;
    }
    if (strcmp(arch, "gpt_neox") == 0) {
        c.rotary = 2;               /* the other four pass through */
        c.parallel_residual = tied; /* both kinds get their turn */
    }
    if (strcmp(arch, "qwen2") == 0) {
        c.window = 5;
        c.window_pattern = 3;
        c.window_from = 1;
    }
    if (strcmp(arch, "llama") == 0 && !tied)
        c.rope = (madpo_rope_scaling){MADPO_ROPE_LLAMA3, 8, 1, 4, 16};
    if (strcmp(arch, "qwen3") == 0)
        c.rope = (madpo_rope_scaling){.kind = MADPO_ROPE_LINEAR, .factor = 3};
    if (c.arch->local_global) {
        c.window = 5;
        c.window_pattern = 2;
        c.attn_scale = 1 / sqrt(7.0);
        c.norm_eps = 1e-3; /* large enough that leaving it out would show */
    }
    return c;
}

madpo_model_options model_options(bool train, bool reward, int64_t gen_slots)
{
    return (madpo_model_options){.max_tokens = 150,
                                 .max_rows = 130,
                                 .max_segments = 24,
                                 .max_sequences = 16,
                                 .train = train,
                                 .reward_head = reward,
                                 .gen_slots = gen_slots,
                                 .gen_len = gen_slots > 0 ? 48 : 0};
}

madpo_model *model_make(madpo_device *dev, const char *arch, bool tied, bool train, bool reward)
{
    madpo_model_config c = model_config(arch, tied);
    madpo_model_options o = model_options(train, reward, 0);
    madpo_model *m;

    MODEL_OK(madpo_model_new(&m, dev, &c, &o, err));
    model_randomise(m, 77);
    return m;
}

void model_randomise(madpo_model *m, uint64_t seed)
{
    bool add_one = madpo_model_get_config(m)->arch->norm_add_one;

    for (size_t i = 0; i < madpo_model_tensor_count(m); i++) {
        const madpo_model_tensor *t = madpo_model_tensor_at(m, i);
        float *w = malloc((size_t)t->n * sizeof *w);
        madpo_rng rng;

        assert_non_null(w);
        madpo_rng_init(&rng, seed, i);
        for (int64_t j = 0; j < t->n; j++) {
            double z = madpo_rng_normal(&rng);

            if (t->n_dims == 1)
                w[j] = (float)((add_one || strstr(t->name, ".bias") ? 0 : 1) + .3 * z);
            else
                w[j] = (float)(z / sqrt((double)t->shape[1]));
        }
        MODEL_OK(madpo_tensor_write(madpo_model_get_device(m), t->weight, w, t->n, err));
        free(w);
    }
    madpo_model_weights_changed(m);
}

float *model_read(const madpo_model *m, madpo_tensor t)
{
    float *f = malloc((size_t)t.n * sizeof *f);

    assert_non_null(f);
    MODEL_OK(madpo_tensor_read(madpo_model_get_device(m), t, f, t.n, err));
    return f;
}

void model_copy(madpo_model *to, const madpo_model *from)
{
    for (size_t i = 0; i < madpo_model_tensor_count(from); i++) {
        const madpo_model_tensor *a = madpo_model_tensor_at(from, i);
        const madpo_model_tensor *b = madpo_model_tensor_at(to, i);
        float *f = model_read(from, a->weight);

        assert_string_equal(a->name, b->name);
        MODEL_OK(madpo_tensor_write(madpo_model_get_device(to), b->weight, f, b->n, err));
        free(f);
    }
    madpo_model_weights_changed(to);
}

example_list examples_pairs(size_t n, int32_t V, uint64_t seed)
{
    example_list list = {.v = calloc(n, sizeof *list.v), .n = n};
    madpo_rng rng;
    int32_t *at;

    list.ids = calloc(n * 36, sizeof *list.ids);
    assert_non_null(list.v);
    assert_non_null(list.ids);
    madpo_rng_init(&rng, seed, 1);
    at = list.ids;
    for (size_t i = 0; i < n; i++) {
        madpo_example *e = &list.v[i];

        *e = (madpo_example){
            .n_prompt = 1 + (int32_t)((i * 5) % 12),
            .n_branch = {1 + (int32_t)((i * 7 + 3) % 12), 1 + (int32_t)((i * 3 + 8) % 11)},
            .n_branches = 2,
            .id = (int64_t)i};
        e->prompt = at;
        e->branch[0] = e->prompt + e->n_prompt;
        e->branch[1] = e->branch[0] + e->n_branch[0];
        for (int32_t j = 0; j < e->n_prompt + e->n_branch[0] + e->n_branch[1]; j++)
            *at++ = (int32_t)madpo_rng_below(&rng, (uint64_t)V);
    }
    return list;
}

void examples_free(example_list *list)
{
    free(list->v);
    free(list->ids);
}

madpo_packer *packer_new(const madpo_model_options *o)
{
    madpo_batch_limits limits = {o->max_tokens, o->max_rows, o->max_segments, o->max_sequences};
    madpo_packer *packer;

    MODEL_OK(madpo_packer_new(&packer, &limits, err));
    return packer;
}

const madpo_batch *pack(madpo_packer *packer, const example_list *list, size_t first, size_t end)
{
    madpo_packer_reset(packer);
    for (size_t i = first; i < end; i++)
        assert_true(madpo_packer_add(packer, &list->v[i]));
    return madpo_packer_finish(packer);
}
