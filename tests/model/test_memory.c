/* The paper's step must fit: Gemma 3 270M (vocabulary 262,144), LoRA r = 16 on q, k, v and o beside
 * a frozen adapter of the same shape, 16 pairs of 2 x 196 tokens in one micro-batch. At most 3 GiB
 * of device memory with an fp32 base, 2 GiB with a bf16 one. By the plan always; with the argument
 * `run` by taking one training step under a device limit of that size (minutes, 2 GB of host
 * memory). */
#include "tests/model/model_test.h"

#include <stdlib.h>
#include <string.h>

enum { PAIRS = 16, PROMPT = 20, ANSWER = 176 };

static const uint64_t gib = (uint64_t)1 << 30;
static bool run_it;

static madpo_model_config gemma_270m(void)
{
    madpo_model_config c;

    madpo_model_config_defaults(&c, madpo_arch_find("gemma3"));
    c.V = 262144;
    c.C = 640;
    c.L = 18;
    c.H = 4;
    c.K = 1;
    c.D = 256;
    c.F = 2048;
    c.max_positions = 32768;
    c.window = 512;
    c.window_pattern = 6;
    return c;
}

/* Planned for pairs whose prompt is counted twice: the most that 16 pairs can be. */
static madpo_model_options paper_options(madpo_dtype storage)
{
    return (madpo_model_options){.max_tokens = PAIRS * 2 * (PROMPT + ANSWER),
                                 .max_rows = PAIRS * 2 * ANSWER,
                                 .max_segments = PAIRS * 3,
                                 .max_sequences = PAIRS * 2,
                                 .train = true,
                                 .recompute = true,
                                 .storage = storage};
}

static madpo_adapter_config paper_adapter(const madpo_model_config *c, const char *name)
{
    madpo_adapter_options o = {.name = name,
                               .targets = "q_proj,k_proj,v_proj,o_proj",
                               .r = 16,
                               .alpha = 32,
                               .dropout = .05};
    madpo_adapter_config a;

    MODEL_OK(madpo_adapter_config_init(&a, c, &o, err));
    return a;
}

static madpo_example random_pair(int32_t *ids, int32_t V, uint64_t stream)
{
    madpo_rng rng;

    madpo_rng_init(&rng, 3, stream);
    for (int i = 0; i < PROMPT + 2 * ANSWER; i++)
        ids[i] = (int32_t)madpo_rng_below(&rng, (uint32_t)V);
    return (madpo_example){.prompt = ids,
                           .n_prompt = PROMPT,
                           .branch = {ids + PROMPT, ids + PROMPT + ANSWER},
                           .n_branch = {ANSWER, ANSWER},
                           .n_branches = 2,
                           .id = (int64_t)stream};
}

/* One forward and backward pass of all 16 pairs. */
static void take_step(madpo_model *m, const madpo_model_options *o)
{
    int32_t *ids = malloc(sizeof *ids * PAIRS * (PROMPT + 2 * ANSWER));
    float *logp = malloc(sizeof *logp * (size_t)o->max_rows);
    madpo_packer *packer = packer_new(o);
    const madpo_batch *b;
    double norm = 0;
    float *g;

    assert_non_null(ids);
    assert_non_null(logp);
    madpo_packer_reset(packer);
    for (int p = 0; p < PAIRS; p++) {
        madpo_example e =
            random_pair(ids + p * (PROMPT + 2 * ANSWER), madpo_model_get_config(m)->V, (uint64_t)p);

        assert_true(madpo_packer_add(packer, &e));
    }
    b = madpo_packer_finish(packer);
    madpo_model_set_pass(m, true, 1, 1);
    MODEL_OK(madpo_model_logps(m, b, logp, NULL, err));
    for (int64_t i = 0; i < b->R; i++) /* random weights: near ln V */
        assert_true(logp[i] < -9 && logp[i] > -17);
    for (int64_t i = 0; i < b->R; i++)
        logp[i] = .01f;
    MODEL_OK(madpo_model_backward_logps(m, b, logp, err));
    g = model_read(m, madpo_model_grads(m));
    for (int64_t i = 0; i < madpo_model_grads(m).n; i++)
        norm += (double)g[i] * g[i];
    assert_true(norm > 0 && norm < 1e12);
    free(g);
    free(ids);
    free(logp);
    madpo_packer_free(packer);
}

static void paper_case(madpo_dtype storage, uint64_t limit)
{
    madpo_device *dev = model_device(limit);
    madpo_model_config c = gemma_270m();
    madpo_model_options o = paper_options(storage);
    madpo_adapter_config sft = paper_adapter(&c, "sft"), policy = paper_adapter(&c, "policy");
    const madpo_adapter_slot slots[] = {{&sft, false}, {&policy, true}};
    madpo_memory_plan plan;
    madpo_model *m = NULL;
    char line[320];

    assert_int_equal(madpo_model_config_parameters(&c, false), 268098176);
    assert_int_equal(madpo_adapter_parameters(&policy, &c), 1474560);
    o.adapters = slots;
    o.n_adapters = 2;
    MODEL_OK(madpo_model_plan(&plan, dev, &c, &o, err));
    madpo_memory_plan_format(&plan, &o, line, sizeof line);
    print_message("%s: %s\n", madpo_dtype_name(storage), line);
    assert_true(plan.total <= limit);
    if (run_it) {
        MODEL_OK(madpo_model_new(&m, dev, &c, &o, err));
        MODEL_OK(madpo_model_init(m, 7, err));
        for (int i = 0; i < 2; i++)
            MODEL_OK(madpo_model_adapter_init(m, i, 8, err));
        take_step(m, &o);
        print_message("largest use of device memory: %.2f GiB of %.0f\n",
                      (double)madpo_device_get_stats(dev).peak_bytes / (double)gib,
                      (double)limit / (double)gib);
        assert_true(madpo_device_get_stats(dev).peak_bytes <= limit);
    }
    madpo_model_free(m);
    madpo_adapter_config_dispose(&sft);
    madpo_adapter_config_dispose(&policy);
    madpo_device_close(dev);
}

static void test_fp32(void **state)
{
    (void)state;
    paper_case(MADPO_DTYPE_F32, 3 * gib);
}

static void test_bf16(void **state)
{
    (void)state;
    paper_case(MADPO_DTYPE_BF16, 2 * gib);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fp32), cmocka_unit_test(test_bf16)};

    run_it = argc > 1 && strcmp(argv[1], "run") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
