/* Models in memory and on disk: initialisation, the weight table, save and load, the memory plan.
 */
#include "tests/model/model_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/safetensors.h"
#include "tests/support/tmp.h"

static const struct {
    const char *arch;
    bool tied, reward;
} kinds[] = {{"llama", true, false},  {"llama", false, false},    {"llama", false, true},
             {"gemma3", true, false}, {"gemma3", true, true},     {"qwen2", false, false},
             {"qwen3", true, false},  {"gpt2", true, false},      {"gpt2", false, false},
             {"gpt2", true, true},    {"gpt_neox", false, false}, {"gpt_neox", true, true}};

enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static void test_table(void **state)
{
    for (size_t k = 0; k < N_KINDS; k++) {
        madpo_model *m = model_make(*state, kinds[k].arch, kinds[k].tied, true, kinds[k].reward);
        const madpo_model_config *c = madpo_model_get_config(m);
        int64_t at = 0, n = 0;
        bool norms = false;

        for (size_t i = 0; i < madpo_model_tensor_count(m); i++) {
            const madpo_model_tensor *t = madpo_model_tensor_at(m, i);

            n += t->n;
            assert_true(t->weight.offset - madpo_model_weights(m).offset >= at);
            assert_int_equal(t->weight.offset - madpo_model_weights(m).offset,
                             t->grad.offset - madpo_model_grads(m).offset);
            at = t->weight.offset - madpo_model_weights(m).offset + t->n;
            assert_true(t->decay == (t->n_dims == 2));
            norms |= !t->decay;
            assert_true(norms != t->decay); /* all decayed tensors first */
            assert_true(t->decay ? at <= madpo_model_n_decay(m) : at > madpo_model_n_decay(m));
        }
        assert_int_equal(n, madpo_model_config_parameters(c, kinds[k].reward));
        assert_true(at <= madpo_model_weights(m).n);
        assert_null(madpo_model_tensor_at(m, madpo_model_tensor_count(m)));
        madpo_model_free(m);
    }
}

static void test_init(void **state)
{
    madpo_model *a = model_make(*state, "gemma3", true, false, false);
    madpo_model *b = model_make(*state, "gemma3", true, false, true);

    MODEL_OK(madpo_model_init(a, 9, err));
    MODEL_OK(madpo_model_init(b, 9, err));
    for (size_t i = 0; i < madpo_model_tensor_count(a); i++) {
        const madpo_model_tensor *t = madpo_model_tensor_at(a, i);
        float *w = model_read(a, t->weight);
        double sum = 0, square = 0;
        bool residual = strstr(t->name, "o_proj") || strstr(t->name, "down_proj");
        double std = residual ? .02 / sqrt(2.0 * 2) : .02;

        for (int64_t j = 0; j < t->n; j++) {
            sum += w[j];
            square += (double)w[j] * w[j];
        }
        if (t->n_dims == 1) {
            assert_true(square == 0); /* Gemma's neutral norm */
        } else {
            double spread = sqrt(square / (double)t->n);

            assert_true(fabs(sum / (double)t->n) <= 4 * std / sqrt((double)t->n));
            assert_true(fabs(spread - std) <= 4 * std / sqrt(2.0 * (double)t->n));
        }
        /* by name, so the same tensor of another model starts the same */
        for (size_t j = 0; j < madpo_model_tensor_count(b); j++) {
            const madpo_model_tensor *u = madpo_model_tensor_at(b, j);

            if (strcmp(u->name, t->name) == 0) {
                float *v = model_read(b, u->weight);

                assert_memory_equal(v, w, (size_t)t->n * sizeof *w);
                free(v);
            }
        }
        free(w);
    }
    madpo_model_free(a);
    madpo_model_free(b);
}

static void test_round_trip(void **state)
{
    for (size_t k = 0; k < N_KINDS; k++) {
        madpo_model *a = model_make(*state, kinds[k].arch, kinds[k].tied, false, kinds[k].reward);
        madpo_model *b = model_make(*state, kinds[k].arch, kinds[k].tied, true, kinds[k].reward);
        char *dir = tmp_new(), *deep = tmp_path(dir, "a/b"), *twice = tmp_path(dir, "c");
        char *first, *second;
        float *wa, *wb;
        size_t n1, n2;
        madpo_error e = MADPO_ERROR_INIT;
        madpo_safetensors *st;
        char *path = tmp_path(deep, "model.safetensors"),
             *path2 = tmp_path(twice, "model.safetensors");

        MODEL_OK(madpo_model_save(a, deep, err));
        model_randomise(b, 1);
        MODEL_OK(madpo_model_load(b, deep, 0, err));
        wa = model_read(a, madpo_model_weights(a));
        wb = model_read(b, madpo_model_weights(b));
        assert_memory_equal(wa, wb, (size_t)madpo_model_weights(a).n * sizeof *wa);
        MODEL_OK(madpo_model_save(b, twice, err));
        assert_int_equal(madpo_file_read(&first, &n1, path, &e), MADPO_OK);
        assert_int_equal(madpo_file_read(&second, &n2, path2, &e), MADPO_OK);
        assert_int_equal(n1, n2);
        assert_memory_equal(first, second, n1);
        assert_int_equal(madpo_safetensors_open(&st, path, &e), MADPO_OK);
        assert_true((madpo_safetensors_find(st, "score.weight") != NULL) == kinds[k].reward);
        assert_true((madpo_safetensors_find(st, madpo_model_get_config(a)->arch->head) != NULL) ==
                    (!kinds[k].tied && !kinds[k].reward));
        madpo_safetensors_close(st);
        free(first);
        free(second);
        free(wa);
        free(wb);
        free(path);
        free(path2);
        free(deep);
        free(twice);
        tmp_free(dir);
        madpo_model_free(a);
        madpo_model_free(b);
    }
}

/* A reward model starts from a language model: its body, and a head of its own. */
static void test_reward_from_causal(void **state)
{
    for (size_t k = 0; k < 2; k++) {
        madpo_model *causal = model_make(*state, "llama", k == 0, false, false);
        madpo_model *reward = model_make(*state, "llama", k == 0, false, true);
        madpo_model *other = model_make(*state, "llama", k == 0, false, true);
        char *dir = tmp_new();
        float *a, *b;
        madpo_error e = MADPO_ERROR_INIT;

        MODEL_OK(madpo_model_save(causal, dir, err));
        MODEL_OK(madpo_model_load(reward, dir, 5, err));
        MODEL_OK(madpo_model_init(other, 5, err));
        for (size_t i = 0; i < madpo_model_tensor_count(reward); i++) {
            const madpo_model_tensor *t = madpo_model_tensor_at(reward, i);
            bool head = strcmp(t->name, "score.weight") == 0;
            madpo_model *from = head ? other : causal;
            size_t j = 0;

            while (strcmp(madpo_model_tensor_at(from, j)->name, t->name) != 0)
                j++;
            a = model_read(reward, t->weight);
            b = model_read(from, madpo_model_tensor_at(from, j)->weight);
            assert_memory_equal(a, b, (size_t)t->n * sizeof *a);
            free(a);
            free(b);
        }
        MODEL_OK(madpo_model_save(reward, dir, err));
        assert_int_equal(madpo_model_load(causal, dir, 0, &e), MADPO_ERR_DATA);
        assert_non_null(strstr(e.message, "holds a reward model, not a language model"));
        tmp_free(dir);
        madpo_model_free(causal);
        madpo_model_free(reward);
        madpo_model_free(other);
    }
}

/* Save a model of `file`, and try to load it as a model of `have`. */
static void mismatch(madpo_device *dev, const madpo_model_config *file,
                     const madpo_model_config *have, const char *message)
{
    madpo_model_options o = model_options(false, false, 0);
    madpo_model *a, *b;
    char *dir = tmp_new();
    madpo_error e = MADPO_ERROR_INIT;

    MODEL_OK(madpo_model_new(&a, dev, file, &o, err));
    MODEL_OK(madpo_model_new(&b, dev, have, &o, err));
    MODEL_OK(madpo_model_save(a, dir, err));
    assert_int_equal(madpo_model_load(b, dir, 0, &e), MADPO_ERR_MISMATCH);
    assert_true(strncmp(e.message, dir, strlen(dir)) == 0);
    assert_string_equal(e.message + strlen(dir), message);
    tmp_free(dir);
    madpo_model_free(a);
    madpo_model_free(b);
}

static void test_mismatch(void **state)
{
    madpo_model_config l = model_config("llama", true), g = model_config("gemma3", true), c = l, p;

    mismatch(*state, &g, &l, ": a gemma3 model, but model.arch says llama");
    c.C = 24;
    mismatch(*state, &l, &c, ": hidden_size is 22, but model.hidden says 24");
    c = l;
    c.tied = false;
    mismatch(*state, &l, &c, ": tie_word_embeddings is 1, but model.tied says 0");
    c = l;
    c.qkv_bias = c.o_bias = true;
    mismatch(*state, &l, &c, ": the bias of q, k and v differs from this model's");
    c = l;
    c.act = MADPO_ACT_GELU;
    mismatch(*state, &l, &c, ": the activation differs from this model's");
    c = l;
    c.rope = (madpo_rope_scaling){.kind = MADPO_ROPE_LINEAR, .factor = 2};
    mismatch(*state, &l, &c, ": RoPE's scaling or share of a head differs from this model's");
    p = c = model_config("gpt2", true);
    c.max_positions = 65;
    mismatch(*state, &p, &c, ": n_positions is 64, but this model has 65");
    c = g;
    c.window = 6;
    mismatch(
        *state, &g, &c,
        ": the attention window of layer 0 differs from model.window and model.window_pattern");
    c = g;
    c.attn_scale = 0;
    mismatch(*state, &g, &c, ": query_pre_attn_scalar differs from this model's attention scale");
}

/* What was planned is what the device holds, the trainer's optimiser state aside. */
static void test_plan(void **state)
{
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        madpo_device *dev = model_device(0);
        madpo_model_config c = model_config(k % 2 ? "gemma3" : "llama", k < 2);
        madpo_model_options o = model_options(k != 1, false, k == 3 ? 0 : 8);
        madpo_memory_plan plan;
        madpo_device_stats before = madpo_device_get_stats(dev), after;
        madpo_model *m;

        MODEL_OK(madpo_model_plan(&plan, dev, &c, &o, err));
        assert_int_equal(madpo_device_get_stats(dev).n_buffers, before.n_buffers);
        MODEL_OK(madpo_model_new(&m, dev, &c, &o, err));
        after = madpo_device_get_stats(dev);
        assert_int_equal(after.bytes - before.bytes, plan.total - plan.optimiser);
        assert_int_equal(plan.total, plan.weights + plan.gradients + plan.optimiser +
                                         plan.activations + plan.kv_cache + plan.packed +
                                         plan.workspace);
        assert_true((plan.gradients > 0) == o.train && (plan.optimiser > 0) == o.train);
        assert_true((plan.kv_cache > 0) == (o.gen_slots > 0));
        madpo_model_free(m);
        madpo_device_close(dev);
    }
}

static void test_plan_line(void **state)
{
    madpo_memory_plan p = {.weights = 12100000,
                           .gradients = 999,
                           .activations = 310400000,
                           .total = 4242000000u,
                           .available = 8000000000u};
    madpo_model_options o = {.max_tokens = 4096};
    char line[256], cut[20];

    (void)state;
    madpo_memory_plan_format(&p, &o, line, sizeof line);
    assert_string_equal(line,
                        "weights 12.1 MB, gradients 999 B, activations 310 MB, total 4.2 GB of "
                        "8.0 GB; 4096 tokens per micro-batch");
    memset(cut, 'x', sizeof cut);
    madpo_memory_plan_format(&p, &o, cut, 10);
    assert_string_equal(cut, "weights 1");
    assert_int_equal(cut[10], 'x');
}

static void test_too_little_memory(void **state)
{
    static const struct {
        int64_t tokens, slots;
        const char *setting;
    } cases[] = {{150, 0, "lower model.hidden or model.layers"},
                 {20000, 0, "lower batch.tokens"},
                 {150, 4000, "lower generate.batch"}};
    madpo_device *dev = model_device(100000);

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        madpo_model_config c = model_config("llama", true);
        madpo_model_options o = model_options(k == 0, false, cases[k].slots);
        madpo_device_stats before = madpo_device_get_stats(dev);
        madpo_error e = MADPO_ERROR_INIT;
        madpo_model *m = (void *)1;

        if (k == 0) {
            c.V = 5000;
            o.max_tokens = o.max_rows = 8;
        } else {
            o.max_tokens = cases[k].tokens;
        }
        assert_int_equal(madpo_model_new(&m, dev, &c, &o, &e), MADPO_ERR_MEMORY);
        assert_null(m);
        if (!strstr(e.message, cases[k].setting) ||
            !strstr(e.message, "the model does not fit into device memory") ||
            !strstr(e.message, "of 100 kB"))
            fail_msg("case %zu: %s", k, e.message);
        assert_int_equal(madpo_device_get_stats(dev).bytes, before.bytes);
    }
    madpo_device_close(dev);
}

static void test_too_long(void **state)
{
    madpo_model_config c = model_config("llama", true);
    madpo_model_options o = model_options(false, false, 4);
    madpo_error e = MADPO_ERROR_INIT;
    madpo_model *m;

    o.gen_len = 65;
    assert_int_equal(madpo_model_new(&m, *state, &c, &o, &e), MADPO_ERR_CONFIG);
    assert_string_equal(e.message, "generating 65 tokens exceeds the model's 64 positions; lower "
                                   "generate.prompt_tokens or generate.max_new");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),      cmocka_unit_test(test_init),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_reward_from_causal),
        cmocka_unit_test(test_mismatch),   cmocka_unit_test(test_plan),
        cmocka_unit_test(test_plan_line),  cmocka_unit_test(test_too_little_memory),
        cmocka_unit_test(test_too_long),
    };

    return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
