/* Model configurations: ranges, parameter counts, config.json out and in, refusals by name. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "model/config.h"
#include "tests/support/tmp.h"

static void ok(madpo_status st, const madpo_error *err)
{
    if (st != MADPO_OK)
        fail_msg("%s", err->message);
}

static madpo_model_config defaults(const char *arch)
{
    madpo_model_config c;

    madpo_model_config_defaults(&c, madpo_arch_find(arch));
    return c;
}

static void test_arch(void **state)
{
    (void)state;
    assert_null(madpo_arch_find("gpt2"));
    assert_ptr_equal(madpo_arch_find("gemma3"), madpo_arch_find("gemma3_text"));
    assert_string_equal(madpo_arch_find("llama")->hf_class, "LlamaForCausalLM");
    assert_string_equal(madpo_arch_names(), "llama, gemma3");
}

/* Counts of published models. */
static void test_parameters(void **state)
{
    madpo_model_config c = defaults("gemma3");

    (void)state;
    c.V = 262144;
    c.C = 640;
    c.L = 18;
    c.H = 4;
    c.K = 1;
    c.D = 256;
    c.F = 2048;
    assert_int_equal(madpo_model_config_parameters(&c, false), 268098176);
    assert_int_equal(madpo_model_config_parameters(&c, true), 268098176 + 640);
    c = defaults("llama"); /* stories260K */
    c.V = 512;
    c.C = 64;
    c.L = 5;
    c.H = 8;
    c.K = 4;
    c.D = 8;
    c.F = 172;
    assert_int_equal(madpo_model_config_parameters(&c, false), 260032);
    c.tied = false;
    assert_int_equal(madpo_model_config_parameters(&c, false), 260032 + 512 * 64);
}

static void test_layers(void **state)
{
    madpo_model_config c = defaults("gemma3"), l = defaults("llama");

    (void)state;
    c.window_pattern = 6;
    for (int32_t i = 0; i < 18; i++)
        assert_true(madpo_model_layer_is_full(&c, i) == (i == 5 || i == 11 || i == 17));
    c.window_pattern = 0;
    assert_true(madpo_model_layer_is_full(&c, 0));
    l.window = 5;
    l.window_pattern = 3;
    assert_true(madpo_model_layer_is_full(&l, 0)); /* Llama has no sliding layers */
}

static void refused(const madpo_model_config *c, const char *message)
{
    madpo_error err = MADPO_ERROR_INIT;

    assert_int_equal(madpo_model_config_check(c, &err), MADPO_ERR_CONFIG);
    assert_string_equal(err.message, message);
}

static void test_ranges(void **state)
{
    madpo_model_config c = defaults("llama");
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    ok(madpo_model_config_check(&c, &err), &err);
    c.L = 0;
    refused(&c, "model.layers = 0 is outside 1..4096");
    c = defaults("llama");
    c.K = 3;
    refused(&c, "model.heads = 4 must be a multiple of model.kv_heads = 3");
    c = defaults("llama");
    c.D = 7;
    refused(&c, "model.head_dim = 7 must be even (RoPE turns pairs)");
    c = defaults("llama");
    c.norm_eps = 0;
    refused(&c, "model.norm_eps = 0 must be above 0 and below 1");
    c = defaults("llama");
    c.rope_theta = NAN;
    refused(&c, "model.rope_theta = nan must be above 1");
    c = defaults("gemma3");
    c.rope_theta_local = 0;
    refused(&c, "model.rope_theta_local = 0 must be above 1");
    c = defaults("llama");
    c.eos = 4096;
    refused(&c, "the eos token = 4096 is outside -1..4095");
}

static void assert_same(const madpo_model_config *a, const madpo_model_config *b)
{
    assert_ptr_equal(a->arch, b->arch);
    assert_int_equal(a->V, b->V);
    assert_int_equal(a->C, b->C);
    assert_int_equal(a->L, b->L);
    assert_int_equal(a->H, b->H);
    assert_int_equal(a->K, b->K);
    assert_int_equal(a->D, b->D);
    assert_int_equal(a->F, b->F);
    assert_int_equal(a->max_positions, b->max_positions);
    assert_true(a->rope_theta == b->rope_theta && a->norm_eps == b->norm_eps);
    assert_true(a->attn_scale == b->attn_scale && a->tied == b->tied);
    assert_int_equal(a->bos, b->bos);
    assert_int_equal(a->eos, b->eos);
    assert_int_equal(a->pad, b->pad);
    for (int32_t l = 0; l < a->L; l++) {
        assert_true(madpo_model_layer_is_full(a, l) == madpo_model_layer_is_full(b, l));
        if (!madpo_model_layer_is_full(a, l))
            assert_true(a->window == b->window && a->rope_theta_local == b->rope_theta_local);
    }
}

static void round_trip(madpo_model_config c, bool reward)
{
    char *dir = tmp_new(), *path = tmp_path(dir, "config.json");
    madpo_model_config back;
    madpo_error err = MADPO_ERROR_INIT;
    const char *class;
    json_t *o;

    ok(madpo_model_config_save(&c, reward, dir, &err), &err);
    ok(madpo_model_config_load(&back, dir, &err), &err);
    assert_same(&c, &back);
    ok(madpo_json_load(&o, path, &err), &err);
    class = json_string_value(json_array_get(json_object_get(o, "architectures"), 0));
    assert_string_equal(class, reward ? c.arch->hf_class_reward : c.arch->hf_class);
    assert_true(madpo_json_has(o, "id2label") == reward);
    json_decref(o);
    free(path);
    tmp_free(dir);
}

static void test_round_trip(void **state)
{
    madpo_model_config c = defaults("llama");

    (void)state;
    c.bos = 1;
    c.eos = 2;
    c.tied = false;
    c.norm_eps = 1.234567890123e-6;
    round_trip(c, false);
    round_trip(c, true);
    c = defaults("gemma3");
    c.pad = 0;
    c.window = 33;
    c.rope_theta_local = 12345.678;
    for (c.window_pattern = 0; c.window_pattern <= c.L + 1; c.window_pattern++)
        round_trip(c, false);
    c.attn_scale = 1 / sqrt(168.0);
    c.window = 0;
    round_trip(c, true);
}

/* What the file must say beside the sizes for transformers to run the same model. */
static void test_saved_keys(void **state)
{
    static const char *const keys[] = {
        "query_pre_attn_scalar", "sliding_window", "layer_types",
        "rope_local_base_freq",  "head_dim",       "rope_theta",
        "torch_dtype",           "model_type",     "hidden_activation"};
    madpo_model_config c = defaults("gemma3");
    char *dir = tmp_new(), *path = tmp_path(dir, "config.json");
    madpo_error err = MADPO_ERROR_INIT;
    json_t *o;

    (void)state;
    ok(madpo_model_config_save(&c, false, dir, &err), &err);
    ok(madpo_json_load(&o, path, &err), &err);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_true(madpo_json_has(o, keys[i]));
    assert_int_equal(json_integer_value(json_object_get(o, "query_pre_attn_scalar")), c.D);
    assert_int_equal(json_array_size(json_object_get(o, "layer_types")), (size_t)c.L);
    json_decref(o);
    free(path);
    tmp_free(dir);
}

#define LLAMA                                                                                      \
    "\"vocab_size\":512,\"hidden_size\":64,\"num_hidden_layers\":5,\"num_attention_heads\":8,"     \
    "\"intermediate_size\":172"
#define GEMMA                                                                                      \
    "\"model_type\":\"gemma3_text\",\"vocab_size\":512,\"hidden_size\":64,"                        \
    "\"num_hidden_layers\":4,\"num_attention_heads\":8,\"num_key_value_heads\":4,"                 \
    "\"intermediate_size\":172"

static const struct {
    const char *json, *message; /* behind "PATH: " */
} bad[] = {
    {"{}", "no \"model_type\" (a string is needed)"},
    {"{\"model_type\":\"gpt2\"}",
     "model_type 'gpt2' is not implemented (there are: llama, gemma3_text)"},
    {"{\"model_type\":\"gemma3\"}",
     "model_type 'gemma3' is not implemented (there are: llama, gemma3_text)"},
    {"{\"model_type\":\"llama\",\"architectures\":[\"LlamaForTokenClassification\"]}",
     "architecture 'LlamaForTokenClassification' is not implemented, only LlamaForCausalLM and "
     "LlamaForSequenceClassification"},
    {"{\"model_type\":\"llama\"}", "no \"vocab_size\" (an integer is needed)"},
    {"{\"model_type\":\"llama\",\"attention_bias\":true," LLAMA "}",
     "attention_bias is not implemented; use a model without it"},
    {"{\"model_type\":\"llama\",\"hidden_act\":\"gelu\"," LLAMA "}",
     "hidden_act 'gelu' is not implemented for this model type, only 'silu'"},
    {"{\"model_type\":\"llama\",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":32}," LLAMA
     "}",
     "rope_type 'llama3' is not implemented; use a model without RoPE scaling"},
    {"{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}," LLAMA "}",
     "rope_scaling is not implemented; use a model without it"},
    {"{\"model_type\":\"llama\",\"rope_parameters\":{\"rope_type\":\"yarn\"}," LLAMA "}",
     "rope_type 'yarn' is not implemented; use a model without RoPE scaling"},
    {"{\"model_type\":\"llama\",\"num_key_value_heads\":3," LLAMA "}",
     "model.heads = 8 must be a multiple of model.kv_heads = 3"},
    {"{\"model_type\":\"llama\",\"num_key_value_heads\":-3," LLAMA "}",
     "num_key_value_heads = -3 is out of range"},
    {"{\"model_type\":\"llama\",\"num_key_value_heads\":0," LLAMA "}",
     "model.kv_heads = 0 is outside 1..4096"},
    {"{\"model_type\":\"llama\",\"eos_token_id\":\"x\"," LLAMA "}",
     "eos_token_id must be a token id"},
    {"{\"model_type\":\"llama\",\"quantization_config\":{}," LLAMA "}",
     "quantization_config is not implemented; use a model without it"},
    {"{\"final_logit_softcapping\":30.0," GEMMA "}",
     "final_logit_softcapping is not implemented; use a model without it"},
    {"{\"layer_types\":[\"full_attention\",\"sliding_attention\",\"full_attention\","
     "\"full_attention\"]," GEMMA "}",
     "layer_types must name 4 layers of which every n-th is full_attention and the others "
     "sliding_attention"},
    {"{\"layer_types\":[]," GEMMA "}",
     "layer_types must name 4 layers of which every n-th is full_attention and the others "
     "sliding_attention"},
    {"{\"query_pre_attn_scalar\":0," GEMMA "}", "query_pre_attn_scalar must be positive"},
};

static void test_bad(void **state)
{
    char *dir = tmp_new();

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *path = tmp_file(dir, "config.json", bad[i].json);
        madpo_error err = MADPO_ERROR_INIT;
        madpo_model_config c;

        assert_int_not_equal(madpo_model_config_load(&c, dir, &err), MADPO_OK);
        assert_null(c.arch);
        if (strncmp(err.message, path, strlen(path)) != 0 ||
            strcmp(err.message + strlen(path) + 2, bad[i].message) != 0)
            fail_msg("case %zu: \"%s\", expected \"%s\"", i, err.message, bad[i].message);
        free(path);
    }
    tmp_free(dir);
}

/* Both spellings of RoPE settings, lists of end tokens, defaults of absent keys. */
static void test_forms(void **state)
{
    char *dir = tmp_new();
    madpo_error err = MADPO_ERROR_INIT;
    madpo_model_config c;

    (void)state;
    free(tmp_file(dir, "config.json",
                  "{\"model_type\":\"llama\",\"rope_parameters\":{\"rope_type\":\"default\","
                  "\"rope_theta\":5e5},\"eos_token_id\":[1,2],\"bos_token_id\":null," LLAMA "}"));
    ok(madpo_model_config_load(&c, dir, &err), &err);
    assert_true(c.rope_theta == 5e5 && c.norm_eps == 1e-6 && !c.tied);
    assert_true(c.K == 8 && c.D == 8 && c.eos == 1 && c.bos == -1 && c.pad == -1);
    free(tmp_file(dir, "config.json",
                  "{\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"default\","
                  "\"rope_theta\":2e6},\"sliding_attention\":{\"rope_type\":\"default\","
                  "\"rope_theta\":3e4}}," GEMMA "}"));
    ok(madpo_model_config_load(&c, dir, &err), &err);
    assert_true(c.rope_theta == 2e6 && c.rope_theta_local == 3e4 && c.tied);
    assert_true(c.D == 256 && c.window == 4096 && c.window_pattern == 6 && c.attn_scale == 0);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arch),       cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_layers),     cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_saved_keys),
        cmocka_unit_test(test_bad),        cmocka_unit_test(test_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
