/* Saved models in Hugging Face transformers: MADPO_PARITY_PYTHON names a Python that has torch and
 * transformers (tried with 2.4 and 4.55); without it the test skips. Models of random weights are
 * saved with the log-probs and rewards we compute, and parity/logits_parity.py compares. */
#include "tests/model/model_test.h"

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
} cases[] = {{"llama-tied", "llama", true, false},
             {"llama", "llama", false, false},
             {"llama-reward", "llama", true, true},
             {"gemma3", "gemma3", true, false}};

static json_t *numbers(const float *v, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        assert_int_equal(json_array_append_new(list, json_real(v[i])), 0);
    return list;
}

/* One model with its results: DIR/config.json, model.safetensors, ours.json. */
static void save_case(madpo_device *dev, size_t k, const char *dir)
{
    madpo_model *m = model_make(dev, cases[k].arch, cases[k].tied, false, cases[k].reward);
    madpo_model_options o = model_options(false, cases[k].reward, 0);
    madpo_packer *packer = packer_new(&o);
    int32_t ids[N_TOKENS];
    madpo_example e = {.prompt = ids,
                       .n_prompt = 1,
                       .branch = {ids + 1},
                       .n_branch = {N_TOKENS - 1},
                       .n_branches = 1};
    json_t *ours = json_object(), *list = json_array();
    char *path = tmp_path(dir, "ours.json");
    float out[N_TOKENS];
    madpo_rng rng;

    madpo_rng_init(&rng, 8, k);
    for (size_t i = 0; i < N_TOKENS; i++) {
        ids[i] = 3 + (int32_t)madpo_rng_below(&rng, 34); /* no pad: transformers would cut there */
        json_array_append_new(list, json_integer(ids[i]));
    }
    json_object_set_new(ours, "ids", list);
    madpo_packer_reset(packer);
    assert_true(madpo_packer_add(packer, &e));
    if (cases[k].reward) {
        MODEL_OK(madpo_model_rewards(m, madpo_packer_finish(packer), out, err));
        json_object_set_new(ours, "reward", numbers(out, 1));
    } else {
        MODEL_OK(madpo_model_logps(m, madpo_packer_finish(packer), out, NULL, err));
        json_object_set_new(ours, "logps", numbers(out, N_TOKENS - 1));
    }
    MODEL_OK(madpo_model_save(m, dir, err));
    MODEL_OK(madpo_json_save(ours, path, err));
    json_decref(ours);
    free(path);
    madpo_packer_free(packer);
    madpo_model_free(m);
}

static void test_transformers(void **state)
{
    const char *python = getenv("MADPO_PARITY_PYTHON"), *source = getenv("MADPO_TEST_SOURCE_DIR");
    char *dir = tmp_new(), command[2048];

    assert_non_null(source);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        char *to = tmp_path(dir, cases[k].dir);

        save_case(*state, k, to);
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
