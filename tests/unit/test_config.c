/* Configuration: the table's rows, files, settings, the way out to text and back, help, checks
 * between keys. The messages for bad files are in tests/golden/config. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/json.h"
#include "config/config.h"
#include "config/table.h"
#include "config/value.h"
#include "objective/list.h"
#include "tests/support/tmp.h"

static madpo_config *new_config(void)
{
    madpo_config *config;

    assert_int_equal(madpo_config_new(&config, NULL), MADPO_OK);
    return config;
}

static void set(madpo_config *config, const char *assignment)
{
    madpo_error err = MADPO_ERROR_INIT;

    if (madpo_config_set(config, assignment, &err) != MADPO_OK)
        fail_msg("%s: %s", assignment, err.message);
}

static void expect_refused(const char *assignment, const char *want)
{
    madpo_config *config = new_config();
    madpo_error err = MADPO_ERROR_INIT;
    char *before, *after, line[1024];

    assert_int_equal(madpo_config_format(config, &before, NULL), MADPO_OK);
    assert_int_equal(madpo_config_set(config, assignment, &err), MADPO_ERR_CONFIG);
    assert_string_equal(madpo_error_format(&err, line, sizeof line), want);
    assert_int_equal(madpo_config_format(config, &after, NULL), MADPO_OK);
    assert_string_equal(before, after);
    free(before);
    free(after);
    madpo_config_free(config);
}

static void expect_text(const madpo_config *config, const char *key, const char *want)
{
    char *got;

    assert_int_equal(madpo_config_get(config, key, &got, NULL), MADPO_OK);
    assert_string_equal(got, want);
    free(got);
}

/* Bytes behind the bools of each section, which stand together; rows of a section do, too. */
static size_t padding(void)
{
    size_t sum = 0, n_bools = 0;

    for (size_t i = 0; i < madpo__n_keys; i++) {
        size_t n = madpo__key_section(&madpo__keys[i]) + 1;

        n_bools += madpo__keys[i].initial.type == MADPO__TYPE_BOOL;
        if (i + 1 < madpo__n_keys && strncmp(madpo__keys[i].name, madpo__keys[i + 1].name, n) == 0)
            continue;
        sum += (8 - n_bools % 8) % 8;
        n_bools = 0;
    }
    return sum;
}

static void test_table_is_sound(void **state)
{
    madpo_config *config = new_config();
    size_t covered = 0;

    (void)state;
    for (size_t i = 0; i < madpo__n_keys; i++) {
        const madpo__key *key = &madpo__keys[i];
        size_t n = madpo__key_section(key);

        assert_int_equal(key->name[n], '.');
        assert_true(strlen(key->help) > 8 && key->help[strlen(key->help) - 1] != '.');
        assert_ptr_equal(madpo__key_find(key->name), key); /* each name once */
        /* a section lies in one piece: its name does not come back after another's */
        for (size_t j = i + 1; j < madpo__n_keys; j++)
            if (strncmp(madpo__keys[j].name, key->name, n + 1) == 0)
                assert_int_equal(strncmp(madpo__keys[j - 1].name, key->name, n + 1), 0);
        /* no two rows write the same field */
        for (size_t j = i + 1; j < madpo__n_keys; j++)
            assert_int_not_equal(madpo__keys[j].offset, key->offset);
        /* madpo_config_new checks every default against its range; here it arrives in its field */
        switch (key->initial.type) {
        case MADPO__TYPE_INT:
            assert_true(key->int_low < key->int_high);
            covered += sizeof(int64_t);
            break;
        case MADPO__TYPE_REAL:
            assert_true(key->real_low < key->real_high);
            covered += sizeof(double);
            break;
        case MADPO__TYPE_BOOL:
            covered += sizeof(bool);
            break;
        case MADPO__TYPE_STRING:
        case MADPO__TYPE_CHOICE:
            assert_non_null(madpo__value_read(madpo_config_options(config), key).s);
            covered += sizeof(char *);
            break;
        }
    }
    /* every field has a row: what no row covers is padding behind a section's bools */
    assert_int_equal(sizeof(madpo_options), covered + padding());
    assert_int_equal(madpo_config_check(config, NULL), MADPO_OK);
    madpo_config_free(config);
}

static void test_defaults(void **state)
{
    madpo_config *config = new_config();
    const madpo_options *o = madpo_config_options(config);

    (void)state;
    assert_int_equal(o->run.seed, 42);
    assert_string_equal(o->run.stages, "sft,generate,reward,margins,policy,evaluate");
    assert_true(o->policy.beta == 0.1 && o->policy.c_max == 2 && o->policy.lambda == 1);
    assert_true(fabs(o->policy.tau - log(999.0)) < 1e-15);
    assert_true(o->sft.o.lr == 1e-3 && o->reward.o.lr == 3e-4 && o->policy.o.lr == 1e-4);
    assert_int_equal(o->reward.o.patience, 3);
    assert_true(o->model.tied);
    assert_true(madpo_options_c_min(o) == 0.5);
    set(config, "policy.c_max=1");
    assert_true(madpo_options_c_min(o) == 0);
    set(config, "policy.c_min=0.25");
    assert_true(madpo_options_c_min(o) == 0.25);
    madpo_config_free(config);
}

static void test_file_and_settings_merge(void **state)
{
    madpo_config *config = new_config();
    char *dir = tmp_new();
    char *more = tmp_file(dir, "more.cfg", "policy : { c_max = 4; };\n");
    char *path =
        tmp_file(dir, "a.cfg",
                 "# ints serve as numbers; both kinds of comment\n"
                 "run = { seed = 12345678901L; };\n"
                 "data : { reviews = \"a \\\"b\\\" \\\\ 99999999999\"; /* 99999999999 */ };\n"
                 "device : { profile = TRUE; work_group = 0x40; };\n"
                 "sft : { lr = 1e-2; epochs = 3; beta1 = .5; };\n"
                 "@include \"more.cfg\"\n");
    const madpo_options *o = madpo_config_options(config);
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    set(config, "sft.batch=7");
    set(config, "sft.epochs=9");
    if (madpo_config_load(config, path, &err) != MADPO_OK)
        fail_msg("%s:%d: %s", err.file, err.line, err.message);
    set(config, "policy.beta=0.25");
    set(config, "device.matmul=panel");
    set(config, "model.tied=off");
    set(config, "data.pairs=a=b c");
    assert_true(o->run.seed == 12345678901);
    assert_string_equal(o->data.reviews, "a \"b\" \\ 99999999999");
    assert_true(o->device.profile && o->device.work_group == 64);
    assert_true(o->sft.o.lr == 1e-2 && o->sft.o.epochs == 3 && o->sft.o.beta1 == 0.5);
    assert_int_equal(o->sft.o.batch, 7);
    assert_true(o->policy.c_max == 4 && o->policy.beta == 0.25);
    assert_string_equal(o->device.matmul, "panel");
    assert_false(o->model.tied);
    assert_string_equal(o->data.pairs, "a=b c");
    expect_text(config, "policy.beta", "0.25");
    expect_text(config, "run.seed", "12345678901");
    expect_text(config, "sft.epochs", "3.0");
    expect_text(config, "model.tied", "false");
    free(more);
    free(path);
    tmp_free(dir);
    madpo_config_free(config);
}

static void test_a_bad_file_changes_nothing(void **state)
{
    madpo_config *config = new_config();
    madpo_error err = MADPO_ERROR_INIT;
    char *dir = tmp_new(), *missing = tmp_path(dir, "none.cfg"), *before, *after;
    char *path = tmp_file(dir, "a.cfg", "sft : { batch = 5; };\nrun : { sed = 1; };\n");

    (void)state;
    assert_int_equal(madpo_config_format(config, &before, NULL), MADPO_OK);
    assert_int_equal(madpo_config_load(config, path, &err), MADPO_ERR_CONFIG);
    assert_int_equal(err.line, 2);
    assert_string_equal(err.file, path);
    assert_int_equal(madpo_config_load(config, missing, NULL), MADPO_ERR_IO);
    assert_int_equal(madpo_config_load(config, dir, NULL), MADPO_ERR_IO);
    assert_int_equal(madpo_config_format(config, &after, NULL), MADPO_OK);
    assert_string_equal(before, after);
    free(before);
    free(after);
    free(missing);
    free(path);
    tmp_free(dir);
    madpo_config_free(config);
}

/* Format, load into a fresh configuration, compare every field to the bit. */
static void expect_round_trip(const madpo_config *config)
{
    madpo_config *back = new_config();
    madpo_error err = MADPO_ERROR_INIT;
    char *dir = tmp_new(), *text, *again, *path;

    assert_int_equal(madpo_config_format(config, &text, NULL), MADPO_OK);
    path = tmp_file(dir, "resolved.cfg", text);
    if (madpo_config_load(back, path, &err) != MADPO_OK)
        fail_msg("%d: %s", err.line, err.message);
    for (size_t i = 0; i < madpo__n_keys; i++) {
        madpo__value a = madpo__value_read(madpo_config_options(config), &madpo__keys[i]);
        madpo__value b = madpo__value_read(madpo_config_options(back), &madpo__keys[i]);

        assert_true(a.i == b.i && a.b == b.b);
        assert_memory_equal(&a.d, &b.d, sizeof a.d);
        if (a.s)
            assert_string_equal(a.s, b.s);
    }
    assert_int_equal(madpo_config_format(back, &again, NULL), MADPO_OK);
    assert_string_equal(text, again);
    free(text);
    free(again);
    free(path);
    tmp_free(dir);
    madpo_config_free(back);
}

static void test_round_trip(void **state)
{
    madpo_config *config = new_config();

    (void)state;
    expect_round_trip(config);
    set(config, "run.seed=9223372036854775807");
    set(config, "run.log_every=1000000");
    set(config, "data.limit=2147483648");
    set(config, "policy.beta=0.1000000000000000055511151231257827021181583404541015625");
    set(config, "policy.tau=3.3333333333333335");
    set(config, "sft.eps=4.9406564584124654e-324");
    set(config, "sft.clip=1.7976931348623157e308");
    set(config, "model.rope_theta=1e12");
    set(config, "data.reviews=quote \" back \\ tab \t line \n bell \a del \x7f \xC3\xA4 \xFF # // "
                "@include \"x\"");
    set(config, "data.pairs=\\n is no line; \\x41 no A");
    set(config, "device.profile=yes");
    expect_round_trip(config);
    madpo_config_free(config);
}

static void test_round_trip_with_a_decimal_comma(void **state)
{
    madpo_config *config = new_config();
    const char *locales[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"};
    bool found = false;

    (void)state;
    for (size_t i = 0; i < sizeof locales / sizeof locales[0] && !found; i++)
        found = setlocale(LC_NUMERIC, locales[i]) != NULL;
    set(config, "policy.beta=0.25"); /* without such a locale at least the C one is tried */
    expect_text(config, "policy.beta", "0.25");
    expect_round_trip(config);
    setlocale(LC_NUMERIC, "C");
    madpo_config_free(config);
}

static void test_settings_refused(void **state)
{
    char want[512];

    (void)state;
    expect_refused("policy.bta=1", "unknown key \"policy.bta\"; did you mean \"policy.beta\"?");
    expect_refused("c_max=1", "unknown key \"c_max\"; did you mean \"policy.c_max\"?");
    expect_refused("model.bits=1", "unknown key \"model.bits\"; did you mean \"scorer.bits\"?");
    expect_refused("x.y=1", "unknown key \"x.y\"; `madpo config --help-keys` lists all");
    expect_refused("policy.beta", "setting \"policy.beta\" has no \"=\"; write it as key=value");
    expect_refused("policy.beta=0",
                   "policy.beta = 0.0 is out of range: must be above 0, at most 1000");
    expect_refused("policy.beta=nan",
                   "policy.beta = nan is out of range: must be above 0, at most 1000");
    expect_refused("sft.clip=inf", "sft.clip = inf is out of range: must be at least 0");
    expect_refused("policy.beta=0,1", "policy.beta must be a number, not \"0,1\"");
    expect_refused("policy.beta=", "policy.beta must be a number, not \"\"");
    expect_refused("data.eval_fraction=1",
                   "data.eval_fraction = 1.0 is out of range: must be above 0, below 1 (fraction)");
    expect_refused("sft.batch=0",
                   "sft.batch = 0 is out of range: must be 1 to 1000000 (sequences)");
    expect_refused("sft.batch=1e3", "sft.batch must be an integer, not \"1e3\"");
    expect_refused("run.seed=9223372036854775808",
                   "run.seed must be an integer, not \"9223372036854775808\"");
    expect_refused("model.tied=maybe", "model.tied must be true or false, not \"maybe\"");
    snprintf(want, sizeof want,
             "policy.objective = \"mdpo\" is not one of %s; did you mean \"%s\"?",
             MADPO_OBJECTIVE_CHOICES, "madpo");
    expect_refused("policy.objective=mdpo", want);
    snprintf(want, sizeof want, "policy.objective = \"kto\" is not one of %s",
             MADPO_OBJECTIVE_CHOICES);
    expect_refused("policy.objective=kto", want);
    expect_refused("model.arch=", "model.arch = \"\" is not one of llama, gemma3, qwen2, qwen3, "
                                  "gpt2, gpt_neox");
    expect_refused("lora.rank=-1", "lora.rank = -1 is out of range: must be 0 to 65536 (numbers)");
    expect_refused("lora.dropout=1",
                   "lora.dropout = 1.0 is out of range: must be at least 0, below 1 (probability)");
    expect_refused("model.storage=fp16",
                   "model.storage = \"fp16\" is not one of auto, f32, bf16, f16; did you mean "
                   "\"f16\"?");
}

static void test_checks_between_keys(void **state)
{
    static const struct {
        const char *set[2];
        const char *want;
    } cases[] = {
        {{"run.stages=sft,polcy"}, "run.stages: unknown stage \"polcy\"; did you mean \"policy\"?"},
        {{"run.stages=train"},
         "run.stages: unknown stage \"train\"; there are sft, generate, reward, margins, policy "
         "and "
         "evaluate"},
        {{"run.stages=reward,sft"}, "run.stages: \"sft\" must come before \"reward\""},
        {{"run.stages=sft,sft"}, "run.stages: \"sft\" is there twice"},
        {{"run.stages="}, "run.stages is empty; name at least one stage"},
        {{"data.source=reviews"}, "data.source = \"reviews\" needs data.reviews = a CSV file"},
        {{"data.source=pairs"}, "data.source = \"pairs\" needs data.pairs = a JSONL file"},
        {{"data.reviews=a", "data.pairs=b"},
         "data.reviews and data.pairs are both set; say which to train on with data.source"},
        {{"data.max_prompt=96"},
         "data.max_prompt = 96 leaves no room for an answer: must be below data.max_tokens = 96"},
        {{"data.max_prompt=0"},
         "data.max_prompt = 0 (no limit) needs data.truncation = \"keep_start\" or \"keep_end\""},
        {{"generate.prompt_tokens=21"},
         "generate.prompt_tokens = 21 must be at most data.max_prompt = 20"},
        {{"generate.max_new=89"},
         "generate.prompt_tokens = 8 and generate.max_new = 89 together must "
         "be at most data.max_tokens = 96"},
        {{"batch.tokens=191"},
         "batch.tokens = 191 cannot hold a pair of data.max_tokens = 96: must be at least 192"},
        {{"model.kv_heads=3"}, "model.heads = 4 must be a multiple of model.kv_heads = 3"},
        {{"model.hidden=130"},
         "model.hidden = 130 must be a multiple of model.heads = 4, or set model.head_dim"},
        {{"model.head_dim=31"},
         "the width of a head (model.head_dim, or model.hidden / model.heads) is "
         "31; rotary positions need an even one"},
        {{"model.window_pattern=6"}, "model.window_pattern = 6 needs model.window > 0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        madpo_config *config = new_config();
        madpo_error err = MADPO_ERROR_INIT;

        for (size_t j = 0; j < 2 && cases[i].set[j]; j++)
            set(config, cases[i].set[j]);
        assert_int_equal(madpo_config_check(config, &err), MADPO_ERR_CONFIG);
        assert_string_equal(err.message, cases[i].want);
        madpo_config_free(config);
    }
}

static void test_stages_may_be_left_out(void **state)
{
    madpo_config *config = new_config();
    const madpo_options *o = madpo_config_options(config);

    (void)state;
    set(config, "run.stages= sft, policy ");
    set(config, "generate.max_new=1000"); /* nothing is generated */
    assert_int_equal(madpo_config_check(config, NULL), MADPO_OK);
    assert_true(madpo_options_has_stage(o, "sft") && madpo_options_has_stage(o, "policy"));
    assert_false(madpo_options_has_stage(o, "reward"));
    assert_false(madpo_options_has_stage(o, "sf"));
    assert_false(madpo_options_has_stage(o, ""));
    madpo_config_free(config);
}

static void test_clone_stands_alone(void **state)
{
    madpo_config *config = new_config(), *copy;

    (void)state;
    set(config, "data.reviews=first");
    set(config, "policy.beta=0.5");
    assert_int_equal(madpo_config_clone(&copy, config, NULL), MADPO_OK);
    set(config, "data.reviews=second");
    set(config, "policy.beta=0.75");
    expect_text(copy, "data.reviews", "first");
    expect_text(copy, "policy.beta", "0.5");
    madpo_config_free(config);
    expect_text(copy, "data.reviews", "first");
    madpo_config_free(copy);
    madpo_config_free(NULL);
}

static void test_help(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    json_t *array;
    char *text;

    (void)state;
    assert_int_equal(madpo_config_help("", true, &text, NULL), MADPO_OK);
    assert_int_equal(madpo_json_parse(&array, text, strlen(text), "help", 1, NULL), MADPO_OK);
    assert_int_equal(json_array_size(array), madpo__n_keys);
    for (size_t i = 0; i < madpo__n_keys; i++) {
        const json_t *key = json_array_get(array, i);

        assert_string_equal(json_string_value(json_object_get(key, "key")), madpo__keys[i].name);
        assert_non_null(json_object_get(key, "default"));
    }
    json_decref(array);
    free(text);
    assert_int_equal(madpo_config_help("", false, &text, NULL), MADPO_OK);
    for (size_t i = 0; i < madpo__n_keys; i++)
        assert_non_null(strstr(text, madpo__keys[i].name));
    free(text);
    assert_int_equal(madpo_config_help("policy.c_m", false, &text, NULL), MADPO_OK);
    assert_string_equal(text, "policy.c_max  2.0   number, 1 to 1000000\n"
                              "    MADPO: coefficient of pairs without a margin; 1 = exactly DPO.\n"
                              "policy.c_min  -1.0  number, at least -1, below 1\n"
                              "    MADPO: coefficient of pairs with a very large margin; below 0 = "
                              "1/policy.c_max.\n");
    free(text);
    assert_int_equal(madpo_config_help("polcy", false, &text, &err), MADPO_ERR_CONFIG);
    assert_null(text);
    assert_string_equal(err.message, "unknown section \"polcy\"; did you mean \"policy\"?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_file_and_settings_merge),
        cmocka_unit_test(test_a_bad_file_changes_nothing),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_round_trip_with_a_decimal_comma),
        cmocka_unit_test(test_settings_refused),
        cmocka_unit_test(test_checks_between_keys),
        cmocka_unit_test(test_stages_may_be_left_out),
        cmocka_unit_test(test_clone_stands_alone),
        cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
