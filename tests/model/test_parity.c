/* What we save, read by Hugging Face transformers and PEFT: MADPO_PARITY_PYTHON names a Python that
 * has them and torch (tried with transformers 5.24, PEFT 0.21); without it the test skips. Models
 * and adapters of random weights are saved with the log-probs and rewards we compute, and
 * parity/logits_parity.py compares. */
#include "tests/model/lora_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/tmp.h"

enum { N_TOKENS = 40 };

static const struct {
    const char *dir, *arch;
    bool tied, reward;
} cases[] = {
    {"llama-tied", "llama", true, false},
    {"llama", "llama", false, false},
    {"llama-reward", "llama", true, true},
    {"gemma3", "gemma3", true, false},
    {"gemma3-reward", "gemma3", true, true},
    {"qwen2", "qwen2", true, false},
    {"qwen2-untied", "qwen2", false, false},
    {"qwen2-reward", "qwen2", false, true},
    {"qwen3", "qwen3", true, false},
    {"qwen3-reward", "qwen3", false, true},
    {"gpt2", "gpt2", true, false},
    {"gpt2-reward", "gpt2", true, true},
    {"gpt_neox", "gpt_neox", true, false},
    {"gpt_neox-untied", "gpt_neox", false, false},
    {"gpt_neox-reward", "gpt_neox", false, true},
};

static void set(json_t *o, const char *key, json_t *value)
{
    assert_int_equal(json_object_set_new(o, key, value), 0);
}

static json_t *numbers(const float *v, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        assert_int_equal(json_array_append_new(list, json_real(v[i])), 0);
    return list;
}

/* One text for all checks of a model, and what is found with it. */
typedef struct saved {
    int32_t ids[N_TOKENS];
    json_t *checks;
} saved;

static saved saved_new(uint64_t seed)
{
    saved s = {.checks = json_array()};
    madpo_rng rng;

    madpo_rng_init(&rng, 8, seed);
    for (size_t i = 0; i < N_TOKENS; i++) /* no pad: transformers would cut there */
        s.ids[i] = 3 + (int32_t)madpo_rng_below(&rng, 34);
    return s;
}

/* Say that transformers should find the same in the folder `base` with these adapters ("a,b"). */
static void saved_check(saved *s, madpo_model *m, bool reward, const char *base,
                        const char *adapters)
{
    madpo_model_options o = model_options(false, reward, 0);
    madpo_packer *packer = packer_new(&o);
    madpo_example e = {.prompt = s->ids,
                       .n_prompt = 1,
                       .branch = {s->ids + 1},
                       .n_branch = {N_TOKENS - 1},
                       .n_branches = 1};
    json_t *check = json_object();
    float out[N_TOKENS];

    madpo_packer_reset(packer);
    assert_true(madpo_packer_add(packer, &e));
    if (reward)
        MODEL_OK(madpo_model_rewards(m, madpo_packer_finish(packer), out, err));
    else
        MODEL_OK(madpo_model_logps(m, madpo_packer_finish(packer), out, NULL, err));
    set(check, "base", json_string(base));
    set(check, "adapters", json_string(adapters));
    set(check, reward ? "reward" : "logps", numbers(out, reward ? 1 : N_TOKENS - 1));
    assert_int_equal(json_array_append_new(s->checks, check), 0);
    madpo_packer_free(packer);
}

static void saved_write(saved *s, const char *dir)
{
    json_t *ours = json_object(), *list = json_array();
    char *path = tmp_path(dir, "ours.json");

    for (size_t i = 0; i < N_TOKENS; i++)
        assert_int_equal(json_array_append_new(list, json_integer(s->ids[i])), 0);
    set(ours, "ids", list);
    set(ours, "checks", s->checks);
    MODEL_OK(madpo_json_save(ours, path, err));
    json_decref(ours);
    free(path);
}

/* A configuration that transformers accepts: hidden a multiple of the heads. */
static madpo_model_config plain_config(const char *arch, bool tied)
{
    madpo_model_config c = model_config(arch, tied);

    c.C = c.H * c.D;
    return c;
}

/* DIR/config.json, model.safetensors, ours.json. */
static void save_model(madpo_device *dev, size_t k, const char *dir)
{
    madpo_model_config c = plain_config(cases[k].arch, cases[k].tied);
    madpo_model_options o = model_options(false, cases[k].reward, 0);
    madpo_model *m;
    saved s = saved_new(k);

    MODEL_OK(madpo_model_new(&m, dev, &c, &o, err));
    model_randomise(m, 77);
    MODEL_OK(madpo_model_save(m, dir, err));
    saved_check(&s, m, cases[k].reward, ".", "");
    saved_write(&s, dir);
    madpo_model_free(m);
}

/* A random base with two adapters on all its linear maps, B not zero. */
static madpo_model *model_with_adapters(madpo_device *dev, size_t k)
{
    const setting s = {.n = 2, .targets = "all-linear"};
    madpo_model_config c = plain_config(models[k].arch, models[k].tied);
    madpo_model_options o = model_options(true, false, 0);
    madpo_adapter_config shape[2];
    madpo_adapter_slot slot[2];
    madpo_model *m;
    madpo_rng rng;
    float *w;

    for (int i = 0; i < 2; i++) {
        shape[i] = adapter_shape(&c, i, &s);
        slot[i] = (madpo_adapter_slot){&shape[i], true};
    }
    o.adapters = slot;
    o.n_adapters = 2;
    MODEL_OK(madpo_model_new(&m, dev, &c, &o, err));
    for (int i = 0; i < 2; i++)
        madpo_adapter_config_dispose(&shape[i]);
    model_randomise(m, 77);
    w = model_read(m, madpo_model_weights(m)); /* of what is trained: all A and B */
    madpo_rng_init(&rng, 12, k);
    for (int64_t j = 0; j < madpo_model_weights(m).n; j++)
        w[j] = (float)(.3 * madpo_rng_normal(&rng));
    MODEL_OK(madpo_tensor_write(dev, madpo_model_weights(m), w, madpo_model_weights(m).n, err));
    madpo_model_weights_changed(m);
    free(w);
    return m;
}

/* The base in DIR; adapters DIR/one, DIR/two and both as DIR/joined; the base with both merged in
 * DIR/merged. */
static void save_adapters(madpo_device *dev, size_t k, const char *dir)
{
    madpo_model *m = model_with_adapters(dev, k);
    char *one = tmp_path(dir, "one"), *two = tmp_path(dir, "two");
    char *joined = tmp_path(dir, "joined"), *merged = tmp_path(dir, "merged");
    saved s = saved_new(100 + k);

    MODEL_OK(madpo_model_save(m, dir, err));
    MODEL_OK(madpo_model_adapter_save(m, 0, one, dir, err));
    MODEL_OK(madpo_model_adapter_save(m, 1, two, dir, err));
    MODEL_OK(madpo_model_adapters_save_joined(m, "joined", joined, dir, err));
    saved_check(&s, m, false, ".", "one,two");
    saved_check(&s, m, false, ".", "joined");
    madpo_model_adapter_enable(m, 1, false);
    saved_check(&s, m, false, ".", "one");
    madpo_model_adapter_enable(m, 0, false);
    saved_check(&s, m, false, ".", "");
    madpo_model_adapter_enable(m, 1, true);
    saved_check(&s, m, false, ".", "two");
    madpo_model_adapter_enable(m, 0, true);
    MODEL_OK(madpo_model_merge(m, err));
    MODEL_OK(madpo_model_save(m, merged, err));
    saved_check(&s, m, false, "merged", "");
    saved_write(&s, dir);
    free(one);
    free(two);
    free(joined);
    free(merged);
    madpo_model_free(m);
}

static void test_transformers(void **state)
{
    const char *python = getenv("MADPO_PARITY_PYTHON"), *source = getenv("MADPO_TEST_SOURCE_DIR");
    char *dir = tmp_new(), command[2048];

    assert_non_null(source);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        char *to = tmp_path(dir, cases[k].dir);

        save_model(*state, k, to);
        free(to);
    }
    for (size_t k = 0; k < N_MODELS; k++) {
        char name[64], *to;

        snprintf(name, sizeof name, "adapters-%s-%zu", models[k].arch, k);
        to = tmp_path(dir, name);
        save_adapters(*state, k, to);
        free(to);
    }
    assert_true(snprintf(command, sizeof command,
                         "'%s' '%s/tests/model/parity/logits_parity.py' '%s'", python, source,
                         dir) < (int)sizeof command);
    assert_int_equal(system(command), 0);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_transformers)};

    if (!getenv("MADPO_PARITY_PYTHON")) {
        puts("skipped: MADPO_PARITY_PYTHON names no Python with torch and transformers");
        return 77;
    }
    return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
