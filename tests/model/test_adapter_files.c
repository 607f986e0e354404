/* Adapters from and to PEFT's folders: bit for bit, joined into one, folded into the base; and
 * every way in which such a folder can be wrong. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "model/io_inside.h"
#include "tests/model/lora_test.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp.h"

/* Two adapters, the second trained. */
static setting pair_of(bool reward, madpo_dtype storage)
{
    return (setting){.n = 2, .targets = "all-linear", .reward = reward, .storage = storage};
}

/* All of an adapter's numbers, in order; *n of them. */
typedef struct numbers {
    float *v;
    size_t n;
} numbers;

static madpo_status add_numbers(void *user, const madpo_safetensor *s, madpo_error *err)
{
    numbers *x = user;
    size_t n = s->bytes / sizeof *x->v;

    (void)err;
    x->v = realloc(x->v, (x->n + n) * sizeof *x->v);
    assert_non_null(x->v);
    memcpy(x->v + x->n, s->data, s->bytes);
    x->n += n;
    return MADPO_OK;
}

static numbers adapter_numbers(madpo_model *m, int i)
{
    numbers x = {0};

    MODEL_OK(madpo_model_adapter_each(m, i, false, add_numbers, &x, err));
    return x;
}

/* Rewards or log-probs of a batch of random pairs. */
static size_t outputs(madpo_model *m, float out[MAX_ROWS])
{
    madpo_model_options o = model_options(false, false, 0);
    example_list list = examples_pairs(N_PAIRS, madpo_model_get_config(m)->V, 5);
    madpo_packer *packer = packer_new(&o);
    pass_case c = {.b = pack(packer, &list, 0, N_PAIRS), .reward = false};
    size_t n = (size_t)c.b->R;

    device_forward(m, &c, out);
    madpo_packer_free(packer);
    examples_free(&list);
    return n;
}

static void same_outputs(const float *a, const float *b, size_t n, double atol)
{
    for (size_t i = 0; i < n; i++)
        close_to(a[i], b[i], atol, atol, "output");
}

/* What is saved is loaded, in every architecture, whatever it was before. */
static void test_round_trip(void **state)
{
    for (size_t k = 0; k < N_MODELS; k++) {
        setting s = pair_of(k % 2 == 1, MADPO_DTYPE_F32);
        madpo_model *m = lora_model(*state, k, &s);
        char *dir = tmp_new(), *sub = tmp_path(dir, "dpo"), *base;
        numbers before = adapter_numbers(m, 1), other = adapter_numbers(m, 0), after;

        MODEL_OK(madpo_model_adapter_save(m, 1, sub, "some/base", err));
        MODEL_OK(madpo_model_adapter_init(m, 1, 3, err));
        MODEL_OK(madpo_model_adapter_load(m, 1, dir, err)); /* the only one in there */
        after = adapter_numbers(m, 1);
        assert_int_equal(before.n, after.n);
        assert_memory_equal(before.v, after.v, before.n * sizeof *before.v);
        assert_memory_not_equal(before.v, other.v, other.n * sizeof *before.v);
        MODEL_OK(madpo_adapter_base(&base, dir, err));
        assert_string_equal(base, "some/base");
        free(base);
        free(before.v);
        free(other.v);
        free(after.v);
        free(sub);
        tmp_free(dir);
        madpo_model_free(m);
    }
}

/* A in +-1/sqrt(in), B zero: nothing is added. Of the seed and the name alone. */
static void test_init(void **state)
{
    setting s = pair_of(false, MADPO_DTYPE_F32), one = s;
    madpo_model *m = lora_model(*state, 4, &s), *plain;
    float with[MAX_ROWS], without[MAX_ROWS];
    size_t n;
    numbers a, b, c;

    one.n = 0;
    plain = lora_model(*state, 4, &one);
    MODEL_OK(madpo_model_adapter_init(m, 0, 7, err));
    MODEL_OK(madpo_model_adapter_init(m, 1, 8, err));
    n = outputs(m, with);
    outputs(plain, without);
    assert_memory_equal(with, without, n * sizeof *with);
    a = adapter_numbers(m, 0);
    MODEL_OK(madpo_model_adapter_init(m, 0, 8, err));
    b = adapter_numbers(m, 0);
    MODEL_OK(madpo_model_adapter_init(m, 0, 7, err));
    c = adapter_numbers(m, 0);
    assert_memory_equal(a.v, c.v, a.n * sizeof *a.v);
    assert_memory_not_equal(a.v, b.v, a.n * sizeof *a.v);
    for (size_t i = 0; i < a.n; i++)
        assert_true(fabsf(a.v[i]) <= 1 / sqrtf(18)); /* the smallest site's inputs */
    free(a.v);
    free(b.v);
    free(c.v);
    madpo_model_free(m);
    madpo_model_free(plain);
}

/* Model k with one adapter of the shape in DIR, loaded from there. */
static madpo_model *with_one(madpo_device *dev, size_t k, const char *dir, madpo_dtype storage)
{
    madpo_model_config c = model_config(models[k].arch, models[k].tied);
    madpo_model_options o = model_options(false, false, 0);
    madpo_adapter_config a;
    madpo_adapter_slot slot = {.config = &a};
    madpo_model *m;

    MODEL_OK(madpo_adapter_config_load(&a, "joined", dir, &c, err));
    o.adapters = &slot;
    o.n_adapters = 1;
    o.storage = storage;
    MODEL_OK(madpo_model_new(&m, dev, &c, &o, err));
    madpo_adapter_config_dispose(&a);
    MODEL_OK(madpo_model_adapter_load(m, 0, dir, err));
    return m;
}

/* Both adapters as one, and both folded into the base, compute the same. */
static void test_join_and_merge(void **state)
{
    for (size_t k = 0; k < N_MODELS; k++) {
        setting s = pair_of(false, MADPO_DTYPE_F32);
        madpo_model *m = lora_model(*state, k, &s), *joined;
        char *dir = tmp_new(), *base = tmp_path(dir, "base"), *sum = tmp_path(dir, "sum");
        float two[MAX_ROWS], one[MAX_ROWS], merged[MAX_ROWS], none[MAX_ROWS];
        size_t n = outputs(m, two), apart = 0;

        MODEL_OK(madpo_model_save(m, base, err));
        MODEL_OK(madpo_model_adapters_save_joined(m, "sum", sum, NULL, err));
        joined = with_one(*state, k, sum, MADPO_DTYPE_F32);
        MODEL_OK(madpo_model_load(joined, base, 0, err));
        outputs(joined, one);
        same_outputs(one, two, n, 2e-5);
        madpo_model_adapter_enable(joined, 0, false);
        outputs(joined, none);
        for (size_t i = 0; i < n; i++)
            apart += fabsf(none[i] - two[i]) > 1e-3f;
        assert_true(apart > n / 2); /* adapters do something */
        MODEL_OK(madpo_model_merge(m, err));
        outputs(m, merged);
        same_outputs(merged, two, n, 2e-5);
        MODEL_OK(madpo_model_merge(m, err)); /* all are off by now */
        outputs(m, one);
        assert_memory_equal(one, merged, n * sizeof *one);
        madpo_model_free(joined);
        madpo_model_free(m);
        free(base);
        free(sum);
        tmp_free(dir);
    }
}

/* An adapter that is off is left out of the merge. */
static void test_merge_enabled(void **state)
{
    setting s = pair_of(false, MADPO_DTYPE_BF16);
    madpo_model *m = lora_model(*state, 5, &s);
    float want[MAX_ROWS], got[MAX_ROWS];
    size_t n;

    MODEL_OK(madpo_model_init(m, 4, err));
    madpo_model_adapter_enable(m, 0, false);
    n = outputs(m, want);
    MODEL_OK(madpo_model_merge(m, err));
    outputs(m, got);
    same_outputs(got, want, n, 0.1); /* weights are rounded to 8 bits of mantissa once more */
    madpo_model_free(m);
}

/* ---- what is refused ---- */

static const float nan_value = (float)NAN;

static const struct {
    const char *name, *as; /* of a tensor to change: its new name, "" to leave it out */
    int64_t rows;          /* or its new first dimension */
    bool nan;              /* or a NaN in it */
    madpo_status code;
    const char *message; /* behind the file's path */
} bad[] = {
    {"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", "", 0, false, MADPO_ERR_DATA,
     ": tensor 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight' is missing"},
    {"base_model.model.model.layers.1.mlp.up_proj.lora_B.weight",
     "base_model.model.model.embed_tokens.lora_embedding_B", 0, false, MADPO_ERR_DATA,
     ": tensor 'base_model.model.model.layers.1.mlp.up_proj.lora_B.weight' is missing"},
    {"base_model.model.model.layers.0.self_attn.k_proj.lora_B.weight", NULL, 11, false,
     MADPO_ERR_MISMATCH,
     ": tensor 'base_model.model.model.layers.0.self_attn.k_proj.lora_B.weight' has shape [11,3], "
     "this base model asks for [12,3]"},
    {"base_model.model.model.layers.0.self_attn.k_proj.lora_B.weight", NULL, 0, true,
     MADPO_ERR_DATA,
     ": tensor 'base_model.model.model.layers.0.self_attn.k_proj.lora_B.weight' holds NaN or "
     "infinity"},
    {NULL, "base_model.model.score.weight", 0, false, MADPO_ERR_DATA,
     ": tensor 'base_model.model.score.weight' has no place: adapter_config.json does not name it"},
    {NULL, "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", 0, false,
     MADPO_ERR_DATA,
     ": tensor 'base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector' has no "
     "place: adapter_config.json does not name it"},
    {NULL, "base_model.model.model.layers.0.self_attn.q_proj.lora_A.sft.weight", 0, false,
     MADPO_ERR_DATA,
     ": tensors 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight' and "
     "'base_model.model.model.layers.0.self_attn.q_proj.lora_A.sft.weight' are both "
     "'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight': more than one adapter in a "
     "file"},
};

/* Rewrite DIR/adapter_model.safetensors with one change. */
static void damage(const char *path, size_t k)
{
    static madpo_safetensor list[100];
    static const float one[64] = {0};
    madpo_safetensors *st;
    size_t n = 0;
    madpo_error e = MADPO_ERROR_INIT;

    assert_int_equal(madpo_safetensors_open(&st, path, &e), MADPO_OK);
    for (size_t i = 0; i < madpo_safetensors_count(st); i++) {
        madpo_safetensor *s = &list[n++];

        *s = *madpo_safetensors_at(st, i);
        if (!bad[k].name || strcmp(s->name, bad[k].name) != 0)
            continue;
        if (bad[k].rows > 0) {
            s->bytes = s->bytes / (uint64_t)s->shape[0] * (uint64_t)bad[k].rows;
            s->shape[0] = bad[k].rows;
        }
        if (bad[k].nan) {
            float *copy = calloc(1, s->bytes);

            assert_non_null(copy);
            copy[3] = nan_value;
            s->data = copy;
        }
        if (bad[k].as && bad[k].as[0] == '\0')
            n--;
        else if (bad[k].as)
            s->name = (char *)(uintptr_t)bad[k].as;
    }
    if (!bad[k].name)
        list[n++] = (madpo_safetensor){.name = (char *)(uintptr_t)bad[k].as,
                                       .dtype = "F32",
                                       .n_dims = 1,
                                       .shape = {2},
                                       .data = one,
                                       .bytes = 8};
    assert_int_equal(madpo_safetensors_write(path, list, n, &e), MADPO_OK);
    for (size_t i = 0; i < n; i++)
        if (bad[k].nan && strcmp(list[i].name, bad[k].name) == 0)
            free((void *)(uintptr_t)list[i].data);
    madpo_safetensors_close(st);
}

static void test_bad(void **state)
{
    setting s = {.n = 1, .targets = "all-linear"};
    madpo_model *m = lora_model(*state, 0, &s);
    char *dir = tmp_new(), *path = tmp_path(dir, "adapter_model.safetensors");

    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        madpo_error e = MADPO_ERROR_INIT;

        MODEL_OK(madpo_model_adapter_save(m, 0, dir, NULL, err));
        damage(path, k);
        assert_int_equal(madpo_model_adapter_load(m, 0, dir, &e), bad[k].code);
        if (strncmp(e.message, path, strlen(path)) != 0 ||
            strcmp(e.message + strlen(path), bad[k].message) != 0)
            fail_msg("case %zu: \"%s\", expected \"%s\"", k, e.message, bad[k].message);
    }
    free(path);
    tmp_free(dir);
    madpo_model_free(m);
}

/* Of another base, of the older format, cut off anywhere. */
static void test_folders(void **state)
{
    setting s = {.n = 1, .targets = "all-linear"};
    madpo_model *m = lora_model(*state, 0, &s), *other = lora_model(*state, 4, &s);
    char *dir = tmp_new(), *path = tmp_path(dir, "adapter_model.safetensors"), *bytes;
    madpo_error e = MADPO_ERROR_INIT, e2 = MADPO_ERROR_INIT;
    size_t n;

    MODEL_OK(madpo_model_adapter_save(m, 0, dir, NULL, err));
    assert_int_equal(madpo_model_adapter_load(other, 0, dir, &e), MADPO_ERR_DATA);
    assert_non_null(strstr(e.message, "is missing"));
    MODEL_OK(madpo_file_read(&bytes, &n, path, err));
    for (size_t cut = 0; cut < n; cut += n / 23) {
        MODEL_OK(madpo_file_write(path, bytes, cut, err));
        assert_int_equal(madpo_model_adapter_load(m, 0, dir, NULL), MADPO_ERR_DATA);
    }
    assert_int_equal(remove(path), 0);
    assert_int_equal(madpo_model_adapter_load(m, 0, dir, NULL), MADPO_ERR_IO);
    free(tmp_file(dir, "adapter_model.bin", "x"));
    assert_int_equal(madpo_model_adapter_load(m, 0, dir, &e2), MADPO_ERR_UNSUPPORTED);
    assert_non_null(strstr(e2.message, "adapter_model.bin: only safetensors are read; convert it "
                                       "with PEFT"));
    free(bytes);
    free(path);
    tmp_free(dir);
    madpo_model_free(m);
    madpo_model_free(other);
}

/* As PEFT names things inside itself: with the adapter's name. */
static void test_inner_names(void **state)
{
    setting s = {.n = 1, .targets = "q_proj,v_proj", .reward = true};
    madpo_model *m = lora_model(*state, 0, &s);
    char *dir = tmp_new(), *path = tmp_path(dir, "adapter_model.safetensors");
    static char names[100][200];
    static madpo_safetensor list[100];
    numbers before = adapter_numbers(m, 0), after;
    madpo_safetensors *st;
    size_t n;

    MODEL_OK(madpo_model_adapter_save(m, 0, dir, NULL, err));
    MODEL_OK(madpo_safetensors_open(&st, path, err));
    n = madpo_safetensors_count(st);
    for (size_t i = 0; i < n; i++) {
        const char *name, *at;

        list[i] = *madpo_safetensors_at(st, i);
        name = list[i].name;
        at = strstr(name, ".weight");
        assert_non_null(at);
        if (strcmp(name, "base_model.model.score.weight") == 0)
            snprintf(names[i], 200, "base_model.model.score.modules_to_save.sft.weight");
        else
            snprintf(names[i], 200, "%.*s.default.weight", (int)(at - name), name);
        list[i].name = names[i];
    }
    list[n] = list[0];
    list[n].name = (char *)(uintptr_t) "base_model.model.score.original_module.weight";
    MODEL_OK(madpo_safetensors_write(path, list, n + 1, err));
    madpo_safetensors_close(st);
    MODEL_OK(madpo_model_adapter_init(m, 0, 3, err));
    MODEL_OK(madpo_model_adapter_load(m, 0, dir, err));
    after = adapter_numbers(m, 0);
    assert_int_equal(before.n, after.n);
    assert_memory_equal(before.v, after.v, before.n * sizeof *before.v);
    free(before.v);
    free(after.v);
    free(path);
    tmp_free(dir);
    madpo_model_free(m);
}

/* A published adapter of GPT-2 small, into a model of that size and out again: the same bytes. */
static void test_published(void **state)
{
    const char *data = getenv("MADPO_TEST_DATA");
    madpo_model_options o = {.max_tokens = 8,
                             .max_rows = 8,
                             .max_segments = 1,
                             .max_sequences = 1,
                             .storage = MADPO_DTYPE_BF16};
    char *dir, *text, *path, *from, *out, *again;
    madpo_adapter_config a;
    madpo_adapter_slot slot = {.config = &a};
    madpo_model_config c;
    madpo_safetensors *x, *y;
    madpo_model *m;

    if (!data) {
        print_message("MADPO_TEST_DATA is not set\n");
        skip();
    }
    dir = tmp_new();
    path = tmp_path(data, "configs/gpt2.config.json");
    from = tmp_path(data, "models/gpt2-lora-kto-hh");
    MODEL_OK(madpo_file_read(&text, &(size_t){0}, path, err));
    free(tmp_file(dir, "config.json", text));
    MODEL_OK(madpo_model_config_load(&c, dir, err));
    MODEL_OK(madpo_adapter_config_load(&a, "kto", from, &c, err));
    assert_int_equal(madpo_adapter_parameters(&a, &c), 12 * 16 * (768 + 3 * 768));
    o.adapters = &slot;
    o.n_adapters = 1;
    MODEL_OK(madpo_model_new(&m, *state, &c, &o, err));
    MODEL_OK(madpo_model_adapter_load(m, 0, from, err));
    out = tmp_path(dir, "out");
    MODEL_OK(madpo_model_adapter_save(m, 0, out, "gpt2", err));
    free(path);
    path = tmp_path(from, "adapter_model.safetensors");
    again = tmp_path(out, "adapter_model.safetensors");
    MODEL_OK(madpo_safetensors_open(&x, path, err));
    MODEL_OK(madpo_safetensors_open(&y, again, err));
    assert_int_equal(madpo_safetensors_count(x), madpo_safetensors_count(y));
    for (size_t i = 0; i < madpo_safetensors_count(x); i++) {
        const madpo_safetensor *s = madpo_safetensors_at(x, i);
        const madpo_safetensor *t = madpo_safetensors_find(y, s->name);

        assert_non_null(t);
        assert_memory_equal(s->shape, t->shape, sizeof s->shape);
        assert_int_equal(s->bytes, t->bytes);
        assert_memory_equal(s->data, t->data, s->bytes);
    }
    madpo_safetensors_close(x);
    madpo_safetensors_close(y);
    madpo_model_free(m);
    madpo_adapter_config_dispose(&a);
    free(text);
    free(path);
    free(from);
    free(out);
    free(again);
    tmp_free(dir);
}

/* Every allocation of saving, joining, loading and merging fails once, jansson's aside. */
static void test_no_memory(void **state)
{
    setting s = pair_of(true, MADPO_DTYPE_F32);
    madpo_model *m = lora_model(*state, 4, &s);
    char *dir = tmp_new();
    bool reached = true;
    size_t n = 1;

    MODEL_OK(madpo_model_adapter_save(m, 0, dir, NULL, err));
    for (; reached && n < 20000; n += n < 80 ? 1 : 13) {
        madpo_status st;

        fail_alloc_arm(n);
        st = madpo_model_adapter_load(m, 0, dir, NULL);
        if (st == MADPO_OK)
            st = madpo_model_adapter_save(m, 0, dir, "base", NULL);
        if (st == MADPO_OK)
            st = madpo_model_adapters_save_joined(m, "sum", dir, NULL, NULL);
        if (st == MADPO_OK)
            st = madpo_model_merge(m, NULL);
        reached = fail_alloc_disarm();
        assert_true(st == MADPO_OK || (reached && st == MADPO_ERR_NOMEM));
        madpo_model_adapter_enable(m, 0, true);
        MODEL_OK(madpo_model_adapter_save(m, 0, dir, NULL, err));
    }
    assert_true(n > 80 && n < 20000);
    tmp_free(dir);
    madpo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_join_and_merge),
        cmocka_unit_test(test_merge_enabled),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_inner_names),
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
