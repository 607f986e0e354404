/* A really trained model against figures of independent implementations: models/stories260K under
 * MADPO_TEST_DATA, with its expected.json and with what transformers computes
 * (tests/golden/published, parity/make_published.py). Skips where the folder is not there. */
#include "tests/model/golden_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

enum { N_NEW = 200, BOS = 1 };

typedef struct published {
    madpo_model *m;
    json_t *expected;
} published;

/* NULL if there is nothing to test against. */
static char *model_dir(void)
{
    const char *data = getenv("MADPO_TEST_DATA");
    char *dir = NULL;

    if (!data || !*data)
        return NULL;
    MODEL_OK(madpo_path_join(&dir, data, "models/stories260K", err));
    if (madpo_dir_exists(dir))
        return dir;
    free(dir);
    return NULL;
}

static published load(madpo_device *dev, const char *dir)
{
    madpo_model_options o = {.max_tokens = 256,
                             .max_rows = 256,
                             .max_segments = 4,
                             .max_sequences = 4,
                             .gen_slots = 2,
                             .gen_len = 256};
    madpo_model_config c;
    published p;
    char *path;

    MODEL_OK(madpo_model_config_load(&c, dir, err));
    c.eos = BOS; /* these stories end with a new beginning */
    MODEL_OK(madpo_model_new(&p.m, dev, &c, &o, err));
    MODEL_OK(madpo_model_load(p.m, dir, 0, err));
    MODEL_OK(madpo_path_join(&path, dir, "expected.json", err));
    MODEL_OK(madpo_json_load(&p.expected, path, err));
    free(path);
    return p;
}

static void test_greedy(void **state)
{
    const int32_t bos[] = {BOS}, *prompt[] = {bos}, n_prompt[] = {1};
    madpo_generate_options o = {.top_p = 1, .max_new = N_NEW, .samples_per_prompt = 1};
    int32_t out[N_NEW], len;
    char *dir = model_dir();
    published p;
    json_t *want;

    p = load(*state, dir);
    want = json_object_get(p.expected, "greedy_ids_after_bos");
    MODEL_OK(madpo_model_generate(p.m, prompt, n_prompt, 1, &o, out, &len, NULL, err));
    assert_int_equal(len, json_array_size(want));
    for (int32_t i = 0; i < len; i++)
        assert_int_equal(out[i], json_integer_value(json_array_get(want, (size_t)i)));
    json_decref(p.expected);
    madpo_model_free(p.m);
    free(dir);
}

/* Mean negative log-likelihood of texts, all but the first token. */
static void test_losses(void **state)
{
    char *dir = model_dir();
    published p;
    json_t *texts;

    p = load(*state, dir);
    texts = json_object_get(p.expected, "mean_nll_nats_per_token");
    assert_true(json_array_size(texts) > 0);
    for (size_t k = 0; k < json_array_size(texts); k++) {
        json_t *text = json_array_get(texts, k), *list = json_object_get(text, "input_ids");
        double want = json_real_value(json_object_get(text, "nll")), sum = 0;
        madpo_model_options limits = {
            .max_tokens = 256, .max_rows = 256, .max_segments = 4, .max_sequences = 4};
        madpo_packer *packer = packer_new(&limits);
        int32_t ids[256];
        int32_t n = (int32_t)json_array_size(list);
        madpo_example e = {.prompt = ids,
                           .n_prompt = 1,
                           .branch = {ids + 1},
                           .n_branch = {n - 1},
                           .n_branches = 1};
        float logp[256];

        assert_true(n > 1 && n <= 256);
        for (int32_t i = 0; i < n; i++)
            ids[i] = (int32_t)json_integer_value(json_array_get(list, (size_t)i));
        madpo_packer_reset(packer);
        assert_true(madpo_packer_add(packer, &e));
        MODEL_OK(madpo_model_logps(p.m, madpo_packer_finish(packer), logp, NULL, err));
        for (int32_t i = 0; i < n - 1; i++)
            sum -= logp[i];
        if (!(fabs(sum / (n - 1) - want) <= 2e-5))
            fail_msg("text %zu: %.6f nats a token, expected %.6f", k, sum / (n - 1), want);
        madpo_packer_free(packer);
    }
    json_decref(p.expected);
    madpo_model_free(p.m);
    free(dir);
}

/* ---- transformers ---- */

static json_t *theirs(void)
{
    char *dir = golden_path("published", "");
    json_t *golden = golden_json(dir, "stories260K.json");

    free(dir);
    return golden;
}

static void test_transformers_logps(void **state)
{
    char *dir = model_dir();
    published p = load(*state, dir);
    json_t *golden = theirs();
    const json_t *texts = golden_get(golden, "texts");
    madpo_model_options limits = {
        .max_tokens = 256, .max_rows = 256, .max_segments = 4, .max_sequences = 4};
    madpo_packer *packer = packer_new(&limits);
    example_list list = golden_texts(texts);

    for (size_t k = 0; k < list.n; k++) {
        const json_t *text = json_array_get(texts, k), *want = golden_get(text, "logp");
        const madpo_batch *b = pack(packer, &list, k, k + 1);
        float logp[256];
        double sum = 0;

        MODEL_OK(madpo_model_logps(p.m, b, logp, NULL, err));
        assert_int_equal(b->R, json_array_size(want));
        for (int64_t i = 0; i < b->R; i++) {
            golden_close(logp[i], golden_at(want, (size_t)i), 1e-4, 0, "text %zu, token %d", k,
                         (int)i + 1);
            sum -= logp[i];
        }
        golden_close(sum / (double)b->R, golden_number(text, "nll"), 1e-5, 0, "text %zu", k);
    }
    examples_free(&list);
    madpo_packer_free(packer);
    json_decref(golden);
    json_decref(p.expected);
    madpo_model_free(p.m);
    free(dir);
}

static void test_transformers_greedy(void **state)
{
    madpo_generate_options o = {.top_p = 1, .max_new = 64, .samples_per_prompt = 1};
    char *dir = model_dir();
    published p = load(*state, dir);
    json_t *golden = theirs(), *cases = golden_get(golden, "greedy");

    assert_true(json_array_size(cases) > 0);
    for (size_t k = 0; k < json_array_size(cases); k++) {
        const json_t *c = json_array_get(cases, k), *want = golden_get(c, "ids");
        const json_t *ids = golden_get(c, "prompt");
        int32_t prompt[64], n = (int32_t)json_array_size(ids), out[64], len;
        const int32_t *prompts[] = {prompt};

        assert_true(n > 0 && n <= 64);
        for (int32_t i = 0; i < n; i++)
            prompt[i] = (int32_t)golden_at(ids, (size_t)i);
        MODEL_OK(madpo_model_generate(p.m, prompts, &n, 1, &o, out, &len, NULL, err));
        assert_int_equal(len, json_array_size(want));
        for (int32_t i = 0; i < len; i++)
            assert_int_equal(out[i], (int32_t)golden_at(want, (size_t)i));
    }
    json_decref(golden);
    json_decref(p.expected);
    madpo_model_free(p.m);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_transformers_logps),
        cmocka_unit_test(test_transformers_greedy),
    };

    char *dir = model_dir();

    if (!dir) {
        puts("skipped: MADPO_TEST_DATA names no folder with models/stories260K");
        return 77;
    }
    free(dir);
    return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
