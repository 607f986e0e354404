/* config.json as published: every form of every key, defaults of absent ones, refusals by name. */
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
#include "model/config.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp.h"

static void ok(madpo_status st, const madpo_error *err)
{
    if (st != MADPO_OK)
        fail_msg("%s", err->message);
}

#define SIZES                                                                                      \
    "\"vocab_size\":512,\"hidden_size\":64,\"num_hidden_layers\":4,\"num_attention_heads\":8,"     \
    "\"intermediate_size\":172"
#define LLAMA "\"model_type\":\"llama\"," SIZES
#define GEMMA "\"model_type\":\"gemma3_text\"," SIZES
#define QWEN2 "\"model_type\":\"qwen2\",\"num_key_value_heads\":2," SIZES
#define QWEN3 "\"model_type\":\"qwen3\",\"num_key_value_heads\":2," SIZES
#define GPT2  "\"model_type\":\"gpt2\",\"vocab_size\":512,\"n_embd\":64,\"n_layer\":4,\"n_head\":8"
#define NEOX  "\"model_type\":\"gpt_neox\"," SIZES
#define WRONG_TYPES                                                                                \
    "layer_types must name 4 layers of which every n-th is full_attention and the others "         \
    "sliding_attention"
#define FULL  "\"full_attention\""
#define SLIDE "\"sliding_attention\""
#define LLAMA3                                                                                     \
    "{\"rope_type\":\"llama3\",\"factor\":32,\"low_freq_factor\":1,\"high_freq_factor\":4,"        \
    "\"original_max_position_embeddings\":8192}"

static const struct {
    const char *json, *message; /* behind "PATH: " */
} bad[] = {
    {"{}", "no \"model_type\" (a string is needed)"},
    {"{\"model_type\":\"mistral\"}",
     "model_type 'mistral' is not implemented (there are: llama, gemma3, qwen2, qwen3, gpt2, "
     "gpt_neox)"},
    {"{\"model_type\":\"gemma3\",\"text_config\":{}}",
     "model_type 'gemma3' is the one that also sees images; use a text-only checkpoint "
     "(model_type 'gemma3_text')"},
    {"{\"model_type\":\"llama\",\"architectures\":[\"LlamaForTokenClassification\"]}",
     "architecture 'LlamaForTokenClassification' is not implemented, only LlamaForCausalLM and "
     "LlamaForSequenceClassification"},
    {"{\"model_type\":\"llama\"}", "no \"vocab_size\" (an integer is needed)"},
    {"{\"attention_bias\":1," LLAMA "}",
     "\"attention_bias\" must be true or false, not an integer"},
    {"{\"hidden_act\":\"relu\"," LLAMA "}",
     "hidden_act 'relu' is not implemented (there are: silu, gelu, gelu_new)"},
    {"{\"pretraining_tp\":2," LLAMA "}",
     "pretraining_tp is not implemented; use a model without it"},
    {"{\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":32}," LLAMA "}",
     "rope_type 'dynamic' is not implemented (there are: default, linear, llama3)"},
    {"{\"rope_scaling\":{\"type\":\"linear\"}," LLAMA "}", "no \"factor\" (a number is needed)"},
    {"{\"rope_scaling\":{\"type\":\"linear\",\"factor\":0}," LLAMA "}",
     "the factors of RoPE scaling 'linear' make no sense"},
    {"{\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8}," LLAMA "}",
     "no \"low_freq_factor\" (a number is needed)"},
    {"{\"rope_parameters\":{\"rope_type\":\"yarn\"}," LLAMA "}",
     "rope_type 'yarn' is not implemented (there are: default, linear, llama3)"},
    {"{\"rope_scaling\":true," LLAMA "}",
     "rope_scaling is not implemented; use a model without it"},
    {"{\"partial_rotary_factor\":0.5," LLAMA "}",
     "partial_rotary_factor = 0.5 is not implemented for this model type, only 1"},
    {"{\"num_key_value_heads\":3," LLAMA "}",
     "model.heads = 8 must be a multiple of model.kv_heads = 3"},
    {"{\"num_key_value_heads\":-3," LLAMA "}", "num_key_value_heads = -3 is out of range"},
    {"{\"num_key_value_heads\":0," LLAMA "}", "model.kv_heads = 0 is outside 1..4096"},
    {"{\"eos_token_id\":\"x\"," LLAMA "}", "eos_token_id must be a token id"},
    {"{\"eos_token_id\":[1,512]," LLAMA "}", "eos_token_id 512 is outside the vocabulary of 512"},
    {"{\"eos_token_id\":[0,1,2,3,4,5,6,7,8,9]," LLAMA "}", "more than 9 ids in eos_token_id"},
    {"{\"quantization_config\":{}," LLAMA "}",
     "quantization_config is not implemented; use a model without it"},
    {"{\"num_local_experts\":8," LLAMA "}",
     "num_local_experts is not implemented; use a model without it"},
    {"{\"final_logit_softcapping\":30.0," GEMMA "}",
     "final_logit_softcapping is not implemented; use a model without it"},
    {"{\"layer_types\":[" FULL "," SLIDE "," SLIDE "," FULL ",\"x\"]," GEMMA "}", WRONG_TYPES},
    {"{\"layer_types\":[" FULL "," SLIDE "," FULL "," FULL "]," GEMMA "}", WRONG_TYPES},
    {"{\"layer_types\":[]," GEMMA "}", WRONG_TYPES},
    {"{\"layer_types\":[" FULL "," SLIDE "," SLIDE ",\"chunked_attention\"]," GEMMA "}",
     WRONG_TYPES},
    {"{\"query_pre_attn_scalar\":0," GEMMA "}", "query_pre_attn_scalar must be positive"},
    {"{\"use_bidirectional_attention\":true," GEMMA "}",
     "use_bidirectional_attention is not implemented; use a model without it"},
    {"{\"rope_parameters\":{\"sliding_attention\":{\"rope_type\":\"linear\",\"factor\":2}}," GEMMA
     "}",
     "RoPE scaling of sliding_attention is not implemented"},
    {"{\"use_mrope\":true," QWEN2 "}", "use_mrope is not implemented; use a model without it"},
    {"{\"use_sliding_window\":true,\"max_window_layers\":1,\"layer_types\":[" SLIDE "," FULL
     "," FULL "," SLIDE "]," QWEN2 "}",
     WRONG_TYPES},
    {"{\"scale_attn_by_inverse_layer_idx\":true," GPT2 "}",
     "scale_attn_by_inverse_layer_idx is not implemented; use a model without it"},
    {"{\"reorder_and_upcast_attn\":true," GPT2 "}",
     "reorder_and_upcast_attn is not implemented; use a model without it"},
    {"{\"add_cross_attention\":true," GPT2 "}",
     "add_cross_attention is not implemented; use a model without it"},
    {"{\"scale_attn_weights\":false," GPT2 "}",
     "scale_attn_weights = false is not implemented; use a model without it"},
    {"{\"model_type\":\"gpt2\",\"vocab_size\":9,\"n_embd\":62,\"n_layer\":4,\"n_head\":8}",
     "n_embd = 62 is not a multiple of n_head = 8"},
    {"{\"model_type\":\"gpt2\",\"vocab_size\":9,\"n_embd\":2000000000,\"n_layer\":4,"
     "\"n_head\":8}",
     "model.hidden = 2000000000 is outside 1..1048576"},
    {"{\"rotary_pct\":0," NEOX "}", "rotary_pct 0 of 8 dimensions must be an even number of them"},
    {"{\"rotary_pct\":0.4," NEOX "}",
     "rotary_pct 0.4 of 8 dimensions must be an even number of them"},
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

static madpo_model_config read_text(const char *json)
{
    char *dir = tmp_new();
    madpo_error err = MADPO_ERROR_INIT;
    madpo_model_config c;

    free(tmp_file(dir, "config.json", json));
    ok(madpo_model_config_load(&c, dir, &err), &err);
    tmp_free(dir);
    return c;
}

/* Both spellings of RoPE's settings, and defaults of absent keys. */
static void test_llama(void **state)
{
    madpo_model_config c = read_text(
        "{\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":5e5},"
        "\"eos_token_id\":[1,2,1],\"bos_token_id\":null,\"attention_bias\":true," LLAMA "}");

    (void)state;
    assert_true(c.rope_theta == 5e5 && c.norm_eps == 1e-6 && !c.tied);
    assert_true(c.K == 8 && c.D == 8 && c.bos == -1 && c.pad == -1 && c.max_positions == 2048);
    assert_true(c.eos == 1 && c.n_eos_more == 1 && c.eos_more[0] == 2);
    assert_true(c.qkv_bias && c.o_bias && !c.mlp_bias && c.act == MADPO_ACT_SILU);
    assert_int_equal(c.rope.kind, MADPO_ROPE_DEFAULT);
    c = read_text("{\"rope_scaling\":" LLAMA3 ",\"rope_theta\":500000,\"mlp_bias\":true," LLAMA
                  "}");
    assert_int_equal(c.rope.kind, MADPO_ROPE_LLAMA3);
    assert_true(c.rope.factor == 32 && c.rope.low_freq == 1 && c.rope.high_freq == 4);
    assert_true(c.rope.original_positions == 8192 && c.rope_theta == 5e5 && c.mlp_bias);
    c = read_text("{\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.5}," LLAMA "}");
    assert_true(c.rope.kind == MADPO_ROPE_LINEAR && c.rope.factor == 2.5);
    c = read_text("{\"rope_parameters\":" LLAMA3 ",\"hidden_act\":\"gelu\"," LLAMA "}");
    assert_true(c.rope.kind == MADPO_ROPE_LLAMA3 && c.rope_theta == 1e4);
    assert_int_equal(c.act, MADPO_ACT_GELU);
}

static void test_gemma(void **state)
{
    madpo_model_config c =
        read_text("{\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"linear\",\"factor\":8,"
                  "\"rope_theta\":2e6},\"sliding_attention\":{\"rope_type\":\"default\","
                  "\"rope_theta\":3e4}}," GEMMA "}");

    (void)state;
    assert_true(c.rope_theta == 2e6 && c.rope_theta_local == 3e4 && c.tied);
    assert_true(c.rope.kind == MADPO_ROPE_LINEAR && c.rope.factor == 8);
    assert_true(c.D == 256 && c.K == 4 && c.window == 4096 && c.window_pattern == 6);
    assert_true(c.attn_scale == 0 && c.act == MADPO_ACT_GELU_TANH && c.max_positions == 131072);
    c = read_text("{\"sliding_window_pattern\":2,\"query_pre_attn_scalar\":168," GEMMA "}");
    assert_true(c.window_pattern == 2 && c.attn_scale == 1 / sqrt(168.0));
    c = read_text("{\"layer_types\":[" SLIDE "," SLIDE "," FULL "," SLIDE "]," GEMMA "}");
    assert_true(c.window_pattern == 3 && c.window_from == 0);
    c = read_text("{\"layer_types\":[" FULL "," FULL "," FULL "," FULL "]," GEMMA "}");
    assert_true(c.window == 0 && c.window_pattern == 0);
}

static void test_qwen(void **state)
{
    madpo_model_config c = read_text("{\"sliding_window\":99," QWEN2 "}");

    (void)state;
    assert_true(c.qkv_bias && !c.o_bias && c.window == 0 && c.D == 8 && !c.tied);
    c = read_text(
        "{\"use_sliding_window\":true,\"sliding_window\":99,\"max_window_layers\":3," QWEN2 "}");
    assert_true(c.window == 99);
    for (int32_t l = 0; l < 4; l++)
        assert_true(madpo_model_layer_is_full(&c, l) == (l < 3));
    c = read_text("{\"use_sliding_window\":true,\"layer_types\":[" FULL "," SLIDE "," FULL "," SLIDE
                  "]," QWEN2 "}");
    assert_true(c.window == 4096);
    for (int32_t l = 0; l < 4; l++)
        assert_true(madpo_model_layer_is_full(&c, l) == (l % 2 == 0));
    c = read_text("{\"use_sliding_window\":true,\"max_window_layers\":4," QWEN3 "}");
    assert_true(c.window == 0 && c.D == 128 && !c.qkv_bias);
    c = read_text("{\"attention_bias\":true,\"head_dim\":6," QWEN3 "}");
    assert_true(c.qkv_bias && c.o_bias && c.D == 6);
}

static void test_gpt(void **state)
{
    madpo_model_config c = read_text("{\"n_inner\":null," GPT2 "}");

    (void)state;
    assert_true(c.F == 256 && c.max_positions == 1024 && c.norm_eps == 1e-5 && c.tied);
    assert_true(c.act == MADPO_ACT_GELU_TANH && c.qkv_bias && c.o_bias && c.mlp_bias);
    c = read_text("{\"n_inner\":100,\"activation_function\":\"swish\",\"tie_word_embeddings\":"
                  "false,\"architectures\":[\"GPT2Model\"]," GPT2 "}");
    assert_true(c.F == 100 && c.act == MADPO_ACT_SILU && !c.tied);
    c = read_text("{" NEOX "}");
    assert_true(c.rotary == 2 && c.parallel_residual && c.act == MADPO_ACT_GELU && c.K == 8);
    assert_true(c.rope_theta == 1e4 && c.qkv_bias && c.o_bias && !c.tied && c.norm_eps == 1e-5);
    c = read_text("{\"rotary_pct\":1.0,\"rotary_emb_base\":2e4,\"use_parallel_residual\":false,"
                  "\"attention_bias\":false,\"hidden_act\":\"gelu_fast\"," NEOX "}");
    assert_true(madpo_model_rotary(&c) == 8 && c.rope_theta == 2e4 && !c.parallel_residual);
    assert_true(!c.qkv_bias && !c.o_bias && c.mlp_bias && c.act == MADPO_ACT_GELU_TANH);
    c = read_text("{\"rope_parameters\":{\"rope_theta\":3e4,\"rope_type\":\"default\","
                  "\"partial_rotary_factor\":0.5}," NEOX "}");
    assert_true(c.rotary == 4 && c.rope_theta == 3e4);
}

/* generation_config.json adds ids that end a text, and is refused when it is damaged. */
static void test_generation(void **state)
{
    char *dir = tmp_new();
    madpo_error err = MADPO_ERROR_INIT;
    madpo_model_config c;

    (void)state;
    free(tmp_file(dir, "config.json", "{\"eos_token_id\":5," LLAMA "}"));
    free(tmp_file(dir, "generation_config.json", "{\"eos_token_id\":[5,9,7]}"));
    ok(madpo_model_config_load(&c, dir, &err), &err);
    assert_true(c.eos == 5 && c.n_eos_more == 2 && c.eos_more[0] == 9 && c.eos_more[1] == 7);
    free(tmp_file(dir, "config.json", "{" LLAMA "}"));
    ok(madpo_model_config_load(&c, dir, &err), &err);
    assert_true(c.eos == 5 && c.n_eos_more == 2);
    free(tmp_file(dir, "generation_config.json", "{\"eos_token_id\":[5,9,7}"));
    assert_int_equal(madpo_model_config_load(&c, dir, &err), MADPO_ERR_DATA);
    assert_null(c.arch);
    tmp_free(dir);
}

/* All that config.json says and a base's copy must keep. */
static bool same(const madpo_model_config *a, const madpo_model_config *b)
{
    return a->arch == b->arch && a->V == b->V && a->C == b->C && a->L == b->L && a->H == b->H &&
           a->K == b->K && a->D == b->D && a->F == b->F && a->max_positions == b->max_positions &&
           a->window == b->window && a->window_pattern == b->window_pattern &&
           a->window_from == b->window_from && a->rotary == b->rotary &&
           a->rope_theta == b->rope_theta && a->rope_theta_local == b->rope_theta_local &&
           a->rope.kind == b->rope.kind && a->rope.factor == b->rope.factor &&
           a->norm_eps == b->norm_eps && a->attn_scale == b->attn_scale && a->act == b->act &&
           a->qkv_bias == b->qkv_bias && a->o_bias == b->o_bias && a->mlp_bias == b->mlp_bias &&
           a->parallel_residual == b->parallel_residual && a->tied == b->tied && a->bos == b->bos &&
           a->eos == b->eos && a->pad == b->pad && a->n_eos_more == b->n_eos_more &&
           memcmp(a->eos_more, b->eos_more, sizeof a->eos_more) == 0;
}

/* Sizes that published models are known by; MADPO_TEST_DATA/configs has their files. */
static void test_published(void **state)
{
    static const struct {
        const char *name;
        int64_t parameters;
    } models[] = {
        {"gemma-3-270m", 268098176},
        {"gemma-3-1b-it", 999885952},
        {"llama-3.2-1b", 1235814400},
        {"qwen2.5-0.5b", 494032768},
        {"qwen3-0.6b", 596049920},
        {"smollm2-135m", 134515008},
        {"tinyllama-1.1b-chat-v1.0", 1100048384},
        {"gpt2", 124439808},
        {"pythia-14m", 14067712},
    };
    const char *data = getenv("MADPO_TEST_DATA");

    (void)state;
    if (!data) {
        print_message("MADPO_TEST_DATA is not set\n");
        skip();
    }
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        char *dir = tmp_new(), *path = malloc(strlen(data) + 100), *text;
        madpo_error err = MADPO_ERROR_INIT;
        madpo_model_config c, back;

        assert_non_null(path);
        snprintf(path, strlen(data) + 100, "%s/configs/%s.config.json", data, models[i].name);
        ok(madpo_file_read(&text, &(size_t){0}, path, &err), &err);
        free(tmp_file(dir, "config.json", text));
        ok(madpo_model_config_load(&c, dir, &err), &err);
        if (madpo_model_config_parameters(&c, false) != models[i].parameters)
            fail_msg("%s: %lld parameters", models[i].name,
                     (long long)madpo_model_config_parameters(&c, false));
        ok(madpo_model_config_save(&c, false, "bfloat16", dir, dir, &err), &err);
        ok(madpo_model_config_load(&back, dir, &err), &err);
        assert_true(same(&c, &back));
        free(text);
        free(path);
        tmp_free(dir);
    }
}

/* Every allocation fails once: no memory, or (jansson's way) bad input; never a leak or a wrong
 * configuration. */
static void test_no_memory(void **state)
{
    char *dir = tmp_new(), *out = tmp_new();
    madpo_error err = MADPO_ERROR_INIT;
    madpo_model_config want, c;
    bool reached = true;
    size_t n = 1;

    (void)state;
    free(tmp_file(dir, "config.json",
                  "{\"layer_types\":[" SLIDE "," SLIDE "," FULL "," SLIDE "]," GEMMA "}"));
    free(tmp_file(dir, "generation_config.json", "{\"eos_token_id\":[5,9,7]}"));
    ok(madpo_model_config_load(&want, dir, &err), &err);
    for (; reached && n < 10000; n++) {
        madpo_status st, saved = MADPO_OK;

        fail_alloc_arm(n);
        st = madpo_model_config_load(&c, dir, NULL);
        if (st == MADPO_OK)
            saved = madpo_model_config_save(&c, true, "float32", dir, out, NULL);
        reached = fail_alloc_disarm();
        if (reached)
            assert_true(st != MADPO_OK || saved != MADPO_OK || same(&c, &want));
        else
            assert_true(st == MADPO_OK && saved == MADPO_OK);
    }
    assert_true(n > 60 && n < 10000);
    tmp_free(dir);
    tmp_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),       cmocka_unit_test(test_llama),
        cmocka_unit_test(test_gemma),     cmocka_unit_test(test_qwen),
        cmocka_unit_test(test_gpt),       cmocka_unit_test(test_generation),
        cmocka_unit_test(test_published), cmocka_unit_test(test_no_memory),
    };

    fail_alloc_jansson();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
