/* Shapes of adapters: which modules a setting or PEFT's adapter_config.json means, patterns of
 * ranks, refusals by name, sums. */
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
#include "model/adapter_inside.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp.h"

static void ok(madpo_status st, const madpo_error *err)
{
    if (st != MADPO_OK)
        fail_msg("%s", err->message);
}

static madpo_model_config model_of(const char *arch)
{
    madpo_model_config c;

    madpo_model_config_defaults(&c, madpo_arch_find(arch));
    if (c.arch->site[MADPO_SITE_QKV])
        c.K = c.H;
    return c;
}

/* "q0 v0 q1 …": site letters and layers, with ranks other than 8 behind a colon. */
static void describe(char out[400], const madpo_adapter_config *a)
{
    static const char *const letters[] = {"q", "k", "v", "qkv", "o", "gate", "up", "down"};
    size_t n = 0;

    out[0] = '\0';
    for (int32_t l = 0; l < a->L; l++)
        for (int s = 0; s < MADPO_N_SITES; s++) {
            int r = madpo_adapter_get(a, l, (madpo_site)s).r;

            if (r == 0)
                continue;
            n += (size_t)snprintf(out + n, 400 - n, "%s%s%d", n ? " " : "", letters[s], (int)l);
            if (r != 8)
                n += (size_t)snprintf(out + n, 400 - n, ":%d", r);
        }
}

/* ---- settings ---- */

static const struct {
    const char *arch, *targets, *want; /* of two layers; "!" and a message where refused */
} settings[] = {
    {"llama", "", "q0 v0 q1 v1"},
    {"gpt2", "", "qkv0 qkv1"},
    {"gpt_neox", "", "qkv0 qkv1"},
    {"qwen2", "q_proj,v_proj", "q0 v0 q1 v1"},
    {"qwen2", " o_proj, mlp.up_proj ", "o0 up0 o1 up1"},
    {"gemma3", "all-linear", "q0 k0 v0 o0 gate0 up0 down0 q1 k1 v1 o1 gate1 up1 down1"},
    {"gpt2", "all-linear", "qkv0 o0 up0 down0 qkv1 o1 up1 down1"},
    {"gpt2", "c_proj", "o0 down0 o1 down1"},
    {"gpt2", "attn.c_proj", "o0 o1"},
    {"llama", "layers.1.self_attn.k_proj", "k1"},
    {"llama", "model.layers.0.mlp.gate_proj", "gate0"},
    {"llama", ".*\\.1\\..*_proj", "q1 k1 v1 o1 gate1 up1 down1"},
    {"llama", ".*(q|k)_proj", "q0 k0 q1 k1"},
    {"llama", "q_pro",
     "!lora.targets: a llama model has no module 'q_pro' (there are: q_proj, k_proj, v_proj, "
     "o_proj, gate_proj, up_proj, down_proj)"},
    {"llama", "q_proj,c_attn",
     "!lora.targets: a llama model has no module 'c_attn' (there are: q_proj, k_proj, v_proj, "
     "o_proj, gate_proj, up_proj, down_proj)"},
    {"gpt2", "proj$",
     "!lora.targets = 'proj$' matches no module of a gpt2 model (there are: c_attn, c_proj, c_fc)"},
    {"gpt2", "(c_attn",
     "!lora.targets: '(c_attn' is no regular expression: missing closing parenthesis at character "
     "8"},
    {"llama", "(.*)*(.*)*(.*)*[0-9]",
     "!lora.targets: '(.*)*(.*)*(.*)*[0-9]' takes too many steps to match; write it simpler"},
};

static void test_targets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        madpo_model_config m = model_of(settings[i].arch);
        madpo_adapter_options o = {
            .name = "x", .targets = settings[i].targets, .r = 8, .alpha = 16, .dropout = .1};
        madpo_adapter_config a;
        madpo_error err = MADPO_ERROR_INIT;
        char got[400] = "";
        madpo_status st;

        m.L = 2;
        st = madpo_adapter_config_init(&a, &m, &o, &err);
        if (settings[i].want[0] == '!') {
            assert_int_equal(st, MADPO_ERR_CONFIG);
            assert_null(a.at);
            assert_string_equal(err.message, settings[i].want + 1);
            continue;
        }
        ok(st, &err);
        describe(got, &a);
        assert_string_equal(got, settings[i].want);
        assert_true(a.alpha == 16 && a.dropout == .1 && !a.score && !a.rslora);
        madpo_adapter_config_dispose(&a);
        assert_null(a.at);
    }
}

static void test_options(void **state)
{
    static const struct {
        madpo_adapter_options o;
        const char *message;
    } wrong[] = {
        {{.name = "x", .targets = "", .r = 0, .alpha = 1}, "lora.rank = 0 must be above 0"},
        {{.name = "x", .targets = "", .r = 1, .alpha = 0}, "lora.alpha = 0 must be above 0"},
        {{.name = "x", .targets = "", .r = 1, .alpha = 1, .dropout = 1},
         "lora.dropout = 1 must be at least 0 and below 1"},
        {{.name = "", .targets = "", .r = 1, .alpha = 1},
         "'' is no name for an adapter: 1 to 63 bytes without '/'"},
    };
    madpo_model_config m = model_of("llama");

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        madpo_adapter_config a;
        madpo_error err = MADPO_ERROR_INIT;

        assert_int_equal(madpo_adapter_config_init(&a, &m, &wrong[i].o, &err), MADPO_ERR_CONFIG);
        assert_string_equal(err.message, wrong[i].message);
    }
}

/* The paper's adapter: r 16 on q, k, v and o of Gemma 3 270M has 1,474,560 numbers. */
static void test_sizes(void **state)
{
    madpo_adapter_options o = {.name = "dpo",
                               .targets = "q_proj,k_proj,v_proj,o_proj",
                               .r = 16,
                               .alpha = 32,
                               .score = true};
    madpo_model_config m = model_of("gemma3");
    madpo_adapter_config a;
    madpo_error err = MADPO_ERROR_INIT;
    int64_t out, in;

    (void)state;
    m.C = 640;
    m.L = 18;
    m.H = 4;
    m.K = 1;
    m.D = 256;
    ok(madpo_adapter_config_init(&a, &m, &o, &err), &err);
    assert_int_equal(madpo_adapter_parameters(&a, &m), 1474560 + 640);
    assert_true(madpo_adapter_scale(&a, 3, MADPO_SITE_Q) == 2);
    assert_true(madpo_adapter_scale(&a, 3, MADPO_SITE_UP) == 0);
    a.rslora = true;
    assert_true(madpo_adapter_scale(&a, 3, MADPO_SITE_Q) == 8);
    madpo_site_size(&m, MADPO_SITE_O, &out, &in);
    assert_true(out == 640 && in == 1024);
    madpo_site_size(&m, MADPO_SITE_QKV, &out, &in);
    assert_true(out == 1536 && in == 640);
    madpo_adapter_config_dispose(&a);
}

/* ---- adapter_config.json ---- */

#define LORA "{\"peft_type\":\"LORA\""

static const struct {
    const char *arch, *json, *want; /* as above */
} files[] = {
    {"llama", LORA "}", "q0 v0 q1 v1"},
    {"gpt_neox", LORA ",\"target_modules\":null}", "qkv0 qkv1"},
    {"llama", LORA ",\"target_modules\":[\"q_proj\",\"lm_head_not\"]}", "q0 q1"},
    {"llama",
     LORA ",\"target_modules\":\"all-linear\",\"exclude_modules\":[\"mlp.up_proj\","
          "\"v_proj\"],\"layers_to_transform\":[1,7]}",
     "q1 k1 o1 gate1 down1"},
    {"llama",
     LORA ",\"target_modules\":\".*_proj\",\"exclude_modules\":\".*mlp.*|.*\\\\.0\\\\..*\"}",
     "q1 k1 v1 o1"},
    {"llama",
     LORA ",\"target_modules\":[\"q_proj\"],\"layers_to_transform\":0,"
          "\"layers_pattern\":\"layers\"}",
     "q0"},
    {"llama",
     LORA ",\"target_modules\":[\"q_proj\"],\"layers_to_transform\":[1],"
          "\"layers_pattern\":[\"h\",\"layers\"]}",
     "q1"},
    {"llama",
     LORA ",\"target_modules\":[\"q_proj\"],\"layers_to_transform\":[1],"
          "\"layers_pattern\":[\"layers|x\",\"(?:h|layers)\"]}",
     "!target_modules ('q_proj', …) match no module of this llama model of 2 layers (there are: "
     "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj); the adapter is for another "
     "base"},
    {"llama",
     LORA ",\"target_modules\":[\"q_proj\"],\"layers_to_transform\":[1],"
          "\"layers_pattern\":[\"(?:h|layers)\"]}",
     "q1"},
    {"gpt2", LORA ",\"target_modules\":[\"c_attn\"],\"layers_to_transform\":[1]}", "qkv1"},
    {"llama",
     LORA ",\"target_modules\":[\"q_proj\",\"v_proj\"],\"rank_pattern\":{\"q_proj\":4,"
          "\"1.self_attn.v_proj\":2,\"proj\":99}}",
     "q0:4 v0 q1:4 v1:2"},
    {"llama", LORA ",\"target_modules\":[\"q_proj\"],\"rank_pattern\":{\"layers.(0|5).*\":3}}",
     "q0:3 q1"},
    {"llama", LORA ",\"target_modules\":[\"q_proj\"],\"rank_pattern\":{\"_proj\":3}}", "q0 q1"},
    {"llama", "{}", "!no \"peft_type\" (a string is needed)"},
    {"llama", "{\"peft_type\":\"IA3\"}", "!peft_type 'IA3' is not implemented"},
    {"llama", LORA ",\"bias\":\"all\"}", "!bias 'all' is not implemented"},
    {"llama", LORA ",\"task_type\":\"TOKEN_CLS\"}", "!task_type 'TOKEN_CLS' is not implemented"},
    {"llama", LORA ",\"use_dora\":true}",
     "!use_dora is not implemented; use an adapter without it"},
    {"llama", LORA ",\"lora_bias\":true}",
     "!lora_bias is not implemented; use an adapter without it"},
    {"llama", LORA ",\"trainable_token_indices\":[1]}",
     "!trainable_token_indices is not implemented; use an adapter without it"},
    {"llama", LORA ",\"target_parameters\":[\"a\"]}",
     "!target_parameters is not implemented; use an adapter without it"},
    {"llama", LORA ",\"megatron_config\":{\"a\":1}}",
     "!megatron_config is not implemented; use an adapter without it"},
    {"llama", LORA ",\"layer_replication\":[[0,1]]}",
     "!layer_replication is not implemented; use an adapter without it"},
    {"llama", LORA ",\"init_lora_weights\":\"pissa_niter_4\"}",
     "!init_lora_weights 'pissa_niter_4' changes the base's weights too; convert the adapter to "
     "plain LoRA with PEFT"},
    {"llama", LORA ",\"modules_to_save\":[\"embed_tokens\"]}",
     "!'embed_tokens' in modules_to_save is not implemented, only 'score'"},
    {"llama", LORA ",\"target_modules\":[\"q_proj\",\"embed_tokens\"]}",
     "!an adapter at model.embed_tokens is not implemented; use one for the layers' linear maps"},
    {"llama", LORA ",\"target_modules\":\".*(q_proj|lm_head)\"}",
     "!an adapter at lm_head is not implemented; use one for the layers' linear maps"},
    {"gpt2", LORA ",\"target_modules\":[\"q_proj\",\"v_proj\"]}",
     "!target_modules ('q_proj', …) match no module of this gpt2 model of 2 layers (there are: "
     "c_attn, c_proj, c_fc); the adapter is for another base"},
    {"llama", LORA ",\"layers_to_transform\":[5]}",
     "!target_modules ('q_proj', …) match no module of this llama model of 2 layers (there are: "
     "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj); the adapter is for another "
     "base"},
    {"llama", LORA ",\"target_modules\":\".*q_proj\",\"layers_to_transform\":[1]}",
     "!layers_to_transform does not go with a regular expression in target_modules"},
    {"llama", LORA ",\"target_modules\":[1]}",
     "!target_modules must be a list of names or a string"},
    {"llama", LORA ",\"layers_to_transform\":\"1\"}",
     "!layers_to_transform must be a number or a list of them"},
    {"llama", LORA ",\"r\":0}",
     "!r = 0, lora_alpha = 8, lora_dropout = 0: r and alpha must be above 0, dropout at least 0 "
     "and below 1"},
    {"llama", LORA ",\"r\":\"8\"}", "!\"r\" must be an integer, not a string"},
    {"llama", LORA ",\"rank_pattern\":{\"q_proj\":\"4\"}}", "!pattern 'q_proj' has no number"},
    {"llama", LORA ",\"rank_pattern\":{\"q_proj\":0}}",
     "!r = 0 and alpha = 8 of model.layers.0.self_attn.q_proj: r must be a whole number above 0, "
     "alpha above 0"},
    {"llama", LORA ",\"rank_pattern\":{\"(\":4}}",
     "!'(.*\\.)?(()$' is no regular expression: missing closing parenthesis at character 12"},
    {"llama", "[]", "!not a JSON object"},
};

static void test_files(void **state)
{
    char *dir = tmp_new();

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        madpo_model_config m = model_of(files[i].arch);
        char *path = tmp_file(dir, "adapter_config.json", files[i].json), got[400];
        madpo_adapter_config a;
        madpo_error err = MADPO_ERROR_INIT;
        madpo_status st;

        m.L = 2;
        st = madpo_adapter_config_load(&a, "sft", dir, &m, &err);
        if (files[i].want[0] == '!') {
            assert_int_not_equal(st, MADPO_OK);
            assert_null(a.at);
            if (strncmp(err.message, path, strlen(path)) != 0 ||
                strcmp(err.message + strlen(path) + 2, files[i].want + 1) != 0)
                fail_msg("case %zu: \"%s\", expected \"%s\"", i, err.message, files[i].want + 1);
        } else {
            ok(st, &err);
            describe(got, &a);
            assert_string_equal(got, files[i].want);
            assert_string_equal(a.name, "sft");
        }
        madpo_adapter_config_dispose(&a);
        free(path);
    }
    tmp_free(dir);
}

static void test_values(void **state)
{
    madpo_model_config m = model_of("llama");
    char *dir = tmp_new(), *base;
    madpo_adapter_config a;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    assert_false(madpo_adapter_is_dir(dir));
    free(tmp_file(dir, "adapter_config.json",
                  LORA ",\"r\":16,\"lora_alpha\":32,\"lora_dropout\":0.05,\"use_rslora\":true,"
                       "\"task_type\":\"SEQ_CLS\",\"modules_to_save\":[\"classifier\",\"score\"],"
                       "\"alpha_pattern\":{\"v_proj\":5.5},\"base_model_name_or_path\":\"x/y\"}"));
    assert_true(madpo_adapter_is_dir(dir));
    ok(madpo_adapter_config_load(&a, "r", dir, &m, &err), &err);
    assert_true(a.r == 16 && a.alpha == 32 && a.dropout == 0.05 && a.rslora && a.score);
    assert_true(madpo_adapter_scale(&a, 0, MADPO_SITE_Q) == 8);
    assert_true(madpo_adapter_scale(&a, 0, MADPO_SITE_V) == 5.5 / 4);
    ok(madpo_adapter_base(&base, dir, &err), &err);
    assert_string_equal(base, "x/y");
    free(base);
    madpo_adapter_config_dispose(&a);
    free(tmp_file(dir, "adapter_config.json", LORA ",\"base_model_name_or_path\":null}"));
    ok(madpo_adapter_base(&base, dir, &err), &err);
    assert_null(base);
    tmp_free(dir);
}

/* PEFT puts an adapter of a name of its own into a sub-folder. */
static void test_sub_folder(void **state)
{
    madpo_model_config m = model_of("llama");
    char *dir = tmp_new(), *sft = tmp_path(dir, "sft"), *dpo = tmp_path(dir, "dpo");
    madpo_adapter_config a;
    madpo_error err = MADPO_ERROR_INIT, none = MADPO_ERROR_INIT;

    (void)state;
    ok(madpo_dir_make(sft, &err), &err);
    ok(madpo_dir_make(dpo, &err), &err);
    assert_false(madpo_adapter_is_dir(dir));
    assert_int_equal(madpo_adapter_config_load(&a, "x", dir, &m, &none), MADPO_ERR_IO);
    free(tmp_file(sft, "adapter_config.json", LORA ",\"r\":3}"));
    assert_true(madpo_adapter_is_dir(dir));
    ok(madpo_adapter_config_load(&a, "x", dir, &m, &err), &err);
    assert_int_equal(a.r, 3);
    madpo_adapter_config_dispose(&a);
    free(tmp_file(dpo, "adapter_config.json", LORA ",\"r\":4}"));
    assert_false(madpo_adapter_is_dir(dir)); /* which of the two? */
    free(tmp_file(dpo, "adapter_config.json", "{}"));
    free(tmp_file(dir, "config.json", "{}"));
    assert_false(madpo_adapter_is_dir(dir)); /* a model's own folder */
    free(sft);
    free(dpo);
    tmp_free(dir);
}

/* ---- written and read again ---- */

static void round_trip(const char *arch, const madpo_adapter_config *a, const char *targets)
{
    madpo_model_config m = model_of(arch);
    char *dir = tmp_new(), *path = tmp_path(dir, "adapter_config.json"), *text;
    madpo_adapter_config back;
    madpo_error err = MADPO_ERROR_INIT;
    json_t *o;

    m.L = a->L;
    ok(madpo__adapter_config_save(a, &m, "base/model", dir, &err), &err);
    ok(madpo_adapter_config_load(&back, a->name, dir, &m, &err), &err);
    assert_true(a->r == back.r && a->alpha == back.alpha && a->dropout == back.dropout);
    assert_true(a->rslora == back.rslora && a->score == back.score);
    for (int32_t l = 0; l < a->L; l++)
        for (int s = 0; s < MADPO_N_SITES; s++) {
            madpo_adapter_at x = madpo_adapter_get(a, l, (madpo_site)s);
            madpo_adapter_at y = madpo_adapter_get(&back, l, (madpo_site)s);

            assert_true(x.r == y.r && (x.r == 0 || x.alpha == y.alpha));
        }
    ok(madpo_json_load(&o, path, &err), &err);
    ok(madpo_json_dump(&text, json_object_get(o, "target_modules"), &err), &err);
    assert_string_equal(text, targets);
    assert_true(json_is_true(json_object_get(o, "fan_in_fan_out")) == (strcmp(arch, "gpt2") == 0));
    assert_string_equal(json_string_value(json_object_get(o, "task_type")),
                        a->score ? "SEQ_CLS" : "CAUSAL_LM");
    free(text);
    json_decref(o);
    madpo_adapter_config_dispose(&back);
    free(path);
    tmp_free(dir);
}

static void test_round_trip(void **state)
{
    madpo_adapter_options o = {.name = "x", .r = 8, .alpha = 12.5, .dropout = .25};
    madpo_model_config m = model_of("gpt2");
    madpo_adapter_config a;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    m.L = 3;
    o.targets = "attn.c_proj,c_attn";
    ok(madpo_adapter_config_init(&a, &m, &o, &err), &err);
    round_trip("gpt2", &a, "[\"c_attn\",\"attn.c_proj\"]");
    a.at[1 * MADPO_N_SITES + MADPO_SITE_O].r = 3; /* one rank of its own */
    a.score = a.rslora = true;
    round_trip("gpt2", &a, "[\"c_attn\",\"attn.c_proj\"]");
    memset(&a.at[MADPO_N_SITES], 0, sizeof *a.at * MADPO_N_SITES); /* not in layer 1 */
    round_trip("gpt2", &a, "[\"c_attn\",\"attn.c_proj\"]");
    a.at[MADPO_SITE_O].r = 0; /* and layers that differ */
    round_trip("gpt2", &a,
               "[\"transformer.h.0.attn.c_attn\",\"transformer.h.2.attn.c_attn\","
               "\"transformer.h.2.attn.c_proj\"]");
    madpo_adapter_config_dispose(&a);
    o.targets = "all-linear";
    ok(madpo_adapter_config_init(&a, &m, &o, &err), &err);
    round_trip("gpt2", &a, "[\"c_attn\",\"c_proj\",\"c_fc\"]");
    madpo_adapter_config_dispose(&a);
}

static void test_join(void **state)
{
    madpo_adapter_options o = {.name = "a", .targets = "q_proj,v_proj", .r = 8, .alpha = 16};
    madpo_model_config m = model_of("llama");
    madpo_adapter_config a, b, joined;
    const madpo_adapter_config *both[] = {&a, &b};
    madpo_error err = MADPO_ERROR_INIT;
    char got[400];

    (void)state;
    m.L = 2;
    ok(madpo_adapter_config_init(&a, &m, &o, &err), &err);
    o.targets = "layers.1.self_attn.q_proj";
    o.r = 4;
    o.rslora = o.score = true;
    ok(madpo_adapter_config_init(&b, &m, &o, &err), &err);
    ok(madpo_adapter_config_join(&joined, "sum", both, 2, &err), &err);
    describe(got, &joined);
    assert_string_equal(got, "q0 v0 q1:12 v1");
    assert_true(joined.r == 12 && joined.score && !joined.rslora);
    for (int32_t l = 0; l < 2; l++)
        assert_true(madpo_adapter_scale(&joined, l, MADPO_SITE_Q) == 1);
    round_trip("llama", &joined, "[\"q_proj\",\"v_proj\"]");
    madpo_adapter_config_dispose(&joined);
    b.L = 1;
    assert_int_equal(madpo_adapter_config_join(&joined, "sum", both, 2, &err), MADPO_ERR_MISMATCH);
    madpo_adapter_config_dispose(&a);
    madpo_adapter_config_dispose(&b);
}

static void test_no_memory(void **state)
{
    madpo_model_config m = model_of("llama");
    char *dir = tmp_new();
    bool reached = true;
    size_t n = 1;

    (void)state;
    m.L = 2;
    free(tmp_file(dir, "adapter_config.json",
                  LORA ",\"target_modules\":[\"q_proj\"],\"layers_to_transform\":[1],"
                       "\"rank_pattern\":{\"q_proj\":4},\"base_model_name_or_path\":\"x\"}"));
    for (; reached && n < 10000; n++) {
        madpo_adapter_config a;
        madpo_status st;

        fail_alloc_arm(n);
        st = madpo_adapter_config_load(&a, "x", dir, &m, NULL);
        if (st == MADPO_OK)
            st = madpo__adapter_config_save(&a, &m, "y", dir, NULL);
        reached = fail_alloc_disarm();
        assert_true(reached || st == MADPO_OK);
        madpo_adapter_config_dispose(&a);
    }
    assert_true(n > 10 && n < 10000);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),    cmocka_unit_test(test_options),
        cmocka_unit_test(test_sizes),      cmocka_unit_test(test_files),
        cmocka_unit_test(test_values),     cmocka_unit_test(test_sub_folder),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_join),
        cmocka_unit_test(test_no_memory),
    };

    /* jansson's allocations succeed: its lexer (2.14) writes past its buffer when that cannot grow
     */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
