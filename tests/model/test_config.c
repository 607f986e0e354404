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
    assert_null(madpo_arch_find("mistral"));
    assert_ptr_equal(madpo_arch_find("gemma3"), madpo_arch_find("gemma3_text"));
    assert_string_equal(madpo_arch_find("llama")->hf_class, "LlamaForCausalLM");
    assert_string_equal(madpo_arch_names(), "llama, gemma3, qwen2, qwen3, gpt2, gpt_neox");
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
    c = defaults("qwen2");
    c.window = 5;
    c.window_from = 3;
    c.window_pattern = c.L + 1;
    assert_true(madpo_model_layer_is_full(&c, 2) && !madpo_model_layer_is_full(&c, 3));
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
    assert_int_equal(a->n_eos_more, b->n_eos_more);
    assert_memory_equal(a->eos_more, b->eos_more, sizeof a->eos_more);
    assert_int_equal(a->act, b->act);
    assert_true(a->qkv_bias == b->qkv_bias && a->o_bias == b->o_bias);
    assert_true(a->mlp_bias == b->mlp_bias && a->parallel_residual == b->parallel_residual);
    assert_int_equal(madpo_model_rotary(a), madpo_model_rotary(b));
    assert_int_equal(a->rope.kind, b->rope.kind);
    assert_true(a->rope.factor == b->rope.factor && a->rope.low_freq == b->rope.low_freq);
    assert_true(a->rope.high_freq == b->rope.high_freq);
    assert_int_equal(a->rope.original_positions, b->rope.original_positions);
    for (int32_t l = 0; l < a->L; l++) {
        assert_true(madpo_model_layer_is_full(a, l) == madpo_model_layer_is_full(b, l));
        if (!madpo_model_layer_is_full(a, l))
            assert_true(a->window == b->window && a->rope_theta_local == b->rope_theta_local);
    }
}

static json_t *saved(const char *dir)
{
    char *path = tmp_path(dir, "config.json");
    madpo_error err = MADPO_ERROR_INIT;
    json_t *o;

    ok(madpo_json_load(&o, path, &err), &err);
    free(path);
    return o;
}

static void round_trip(madpo_model_config c, bool reward)
{
    char *dir = tmp_new();
    madpo_model_config back;
    madpo_error err = MADPO_ERROR_INIT;
    const char *class;
    json_t *o;
    bool is_reward;

    ok(madpo_model_config_save(&c, reward, "float32", NULL, dir, &err), &err);
    ok(madpo_model_config_load(&back, dir, &err), &err);
    assert_same(&c, &back);
    ok(madpo_model_config_is_reward(&is_reward, dir, &err), &err);
    assert_true(is_reward == reward);
    o = saved(dir);
    class = json_string_value(json_array_get(json_object_get(o, "architectures"), 0));
    assert_string_equal(class, reward ? c.arch->hf_class_reward : c.arch->hf_class);
    assert_true(madpo_json_has(o, "id2label") == reward);
    json_decref(o);
    /* and once more over itself */
    ok(madpo_model_config_save(&c, !reward, "bfloat16", dir, dir, &err), &err);
    ok(madpo_model_config_load(&back, dir, &err), &err);
    assert_same(&c, &back);
    o = saved(dir);
    assert_string_equal(json_string_value(json_object_get(o, "torch_dtype")), "bfloat16");
    assert_true(madpo_json_has(o, "id2label") != reward);
    json_decref(o);
    tmp_free(dir);
}

static void test_round_trip(void **state)
{
    madpo_model_config c = defaults("llama");

    (void)state;
    c.bos = 1;
    c.eos = 2;
    c.pad = 0;
    c.tied = false;
    c.norm_eps = 1.234567890123e-6;
    round_trip(c, false);
    round_trip(c, true);
    c.qkv_bias = c.o_bias = c.mlp_bias = true;
    c.rope = (madpo_rope_scaling){MADPO_ROPE_LLAMA3, 8, 1, 4, 8192};
    c.eos_more[c.n_eos_more++] = 7;
    c.eos_more[c.n_eos_more++] = 3;
    round_trip(c, false);
    c = defaults("gemma3");
    c.pad = 0;
    c.window = 33;
    c.rope_theta_local = 12345.678;
    for (c.window_pattern = 0; c.window_pattern <= c.L + 1; c.window_pattern++)
        round_trip(c, false);
    c.attn_scale = 1 / sqrt(168.0);
    c.window = 0;
    c.act = MADPO_ACT_GELU;
    c.rope = (madpo_rope_scaling){.kind = MADPO_ROPE_LINEAR, .factor = 8};
    round_trip(c, true);
}

static void test_round_trip_qwen(void **state)
{
    static const char *const names[] = {"qwen2", "qwen3"};

    (void)state;
    for (int k = 0; k < 2; k++) {
        madpo_model_config c = defaults(names[k]);

        c.pad = 3;
        round_trip(c, false);
        c.D = 24; /* of their own */
        c.window = 9;
        for (c.window_from = 0; c.window_from <= c.L; c.window_from++)
            for (c.window_pattern = 2; c.window_pattern <= c.L + 1; c.window_pattern++)
                round_trip(c, k == 0);
    }
}

static void test_round_trip_gpt(void **state)
{
    madpo_model_config c = defaults("gpt2");

    (void)state;
    c.K = c.H;
    c.pad = 9;
    round_trip(c, false);
    c.F = 4 * c.C;
    c.tied = false;
    c.act = MADPO_ACT_SILU;
    round_trip(c, true);
    c = defaults("gpt_neox");
    c.K = c.H;
    c.pad = 9;
    for (c.D = 2; c.D < 100; c.D += 6)
        for (c.rotary = 2; c.rotary <= c.D; c.rotary += 2 + c.D / 4 * 2) {
            c.C = c.H * c.D;
            c.parallel_residual = c.rotary % 4 == 0;
            c.qkv_bias = c.o_bias = c.D % 4 == 0;
            round_trip(c, false);
        }
}

/* What the file must say beside the sizes for transformers to run the same model. */
static void test_saved_keys(void **state)
{
    static const char *const keys[] = {
        "query_pre_attn_scalar", "sliding_window", "layer_types",
        "rope_local_base_freq",  "head_dim",       "rope_theta",
        "torch_dtype",           "model_type",     "hidden_activation"};
    madpo_model_config c = defaults("gemma3");
    char *dir = tmp_new();
    madpo_error err = MADPO_ERROR_INIT;
    json_t *o;

    (void)state;
    ok(madpo_model_config_save(&c, false, "float32", NULL, dir, &err), &err);
    o = saved(dir);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_true(madpo_json_has(o, keys[i]));
    assert_int_equal(json_integer_value(json_object_get(o, "query_pre_attn_scalar")), c.D);
    assert_int_equal(json_array_size(json_object_get(o, "layer_types")), (size_t)c.L);
    json_decref(o);
    tmp_free(dir);
}

/* Keys of the base that we know nothing of stay, those that we say otherwise are replaced. */
static void test_base_keys(void **state)
{
    madpo_model_config c = defaults("gpt2");
    char *dir = tmp_new(), *out = tmp_new();
    madpo_error err = MADPO_ERROR_INIT;
    json_t *o;

    (void)state;
    c.K = c.H;
    c.bos = 5;
    free(tmp_file(dir, "config.json",
                  "{\"model_type\":\"gpt2\",\"attn_pdrop\":0.1,\"n_head\":99,\"dtype\":\"float16\","
                  "\"rope_parameters\":{},\"task_specific_params\":{\"a\":[1]},"
                  "\"id2label\":{\"0\":\"X\",\"1\":\"Y\"}}"));
    ok(madpo_model_config_save(&c, true, "bfloat16", dir, out, &err), &err);
    o = saved(out);
    assert_true(json_number_value(json_object_get(o, "attn_pdrop")) == 0.1);
    assert_int_equal(json_integer_value(json_object_get(o, "n_head")), c.H);
    assert_true(madpo_json_has(o, "task_specific_params"));
    assert_false(madpo_json_has(o, "rope_parameters"));
    assert_string_equal(json_string_value(json_object_get(o, "dtype")), "bfloat16");
    assert_null(json_object_get(o, "torch_dtype"));
    assert_int_equal(json_object_size(json_object_get(o, "id2label")), 1);
    /* a reward is read at the last token that is no padding: bos never ends a text */
    assert_int_equal(json_integer_value(json_object_get(o, "pad_token_id")), 5);
    json_decref(o);
    c = defaults("llama"); /* a base of another type lends nothing */
    ok(madpo_model_config_save(&c, false, "float32", dir, out, &err), &err);
    o = saved(out);
    assert_null(json_object_get(o, "attn_pdrop"));
    assert_true(json_is_null(json_object_get(o, "pad_token_id")));
    json_decref(o);
    tmp_free(dir);
    tmp_free(out);
}

/* Models that a config.json of their type has no words for. */
static void test_unsayable(void **state)
{
    madpo_model_config c = defaults("gpt2");
    madpo_error err = MADPO_ERROR_INIT, err2 = MADPO_ERROR_INIT;
    char *dir = tmp_new();

    (void)state;
    c.K = c.H;
    c.D = 6;
    assert_int_equal(madpo_model_config_save(&c, false, "float32", NULL, dir, &err),
                     MADPO_ERR_UNSUPPORTED);
    assert_string_equal(err.message,
                        "a config.json of model_type gpt2 has no key for head_dim = 6 and kv_heads "
                        "= 4: heads * head_dim must be hidden, kv_heads = heads");
    c = defaults("llama");
    c.qkv_bias = true;
    assert_int_equal(madpo_model_config_save(&c, false, "float32", NULL, dir, &err2),
                     MADPO_ERR_UNSUPPORTED);
    assert_string_equal(err2.message,
                        "a config.json of model_type llama has one key for the biases "
                        "of q, k, v and o: all have one or none");
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arch),           cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_layers),         cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_round_trip_qwen),
        cmocka_unit_test(test_round_trip_gpt), cmocka_unit_test(test_saved_keys),
        cmocka_unit_test(test_base_keys),      cmocka_unit_test(test_unsayable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
