/* Weights from and to Hugging Face directories: element types, names, shards, companions; and every
 * way in which such a directory can be wrong, each with its one line. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/half.h"
#include "base/json.h"
#include "model/io_inside.h"
#include "tests/model/model_test.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp.h"

/* ---- files in memory ---- */

enum { MAX_TENSORS = 80 };

typedef struct tensor_list {
    madpo_safetensor v[MAX_TENSORS]; /* names and data owned */
    size_t n;
} tensor_list;

static void list_add(tensor_list *list, const char *name, const char *dtype, int n_dims,
                     const int64_t *shape, const void *data, uint64_t bytes)
{
    madpo_safetensor *s = &list->v[list->n++];

    assert_true(list->n <= MAX_TENSORS);
    *s = (madpo_safetensor){.name = strdup(name), .dtype = dtype, .n_dims = n_dims, .bytes = bytes};
    memcpy(s->shape, shape, sizeof *shape * (size_t)n_dims);
    s->data = malloc(bytes + 1);
    assert_non_null(s->name);
    assert_non_null(s->data);
    memcpy((void *)(uintptr_t)s->data, data, bytes);
}

static madpo_status add_visit(void *user, const madpo_safetensor *s, madpo_error *err)
{
    (void)err;
    list_add(user, s->name, s->dtype, s->n_dims, s->shape, s->data, s->bytes);
    return MADPO_OK;
}

static tensor_list list_of(madpo_model *m)
{
    tensor_list list = {.n = 0};

    MODEL_OK(madpo_model_each(m, false, add_visit, &list, err));
    return list;
}

static madpo_safetensor *list_get(tensor_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->v[i].name, name) == 0)
            return &list->v[i];
    fail_msg("no tensor '%s'", name);
    return NULL;
}

static void list_free(tensor_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->v[i].name);
        free((void *)(uintptr_t)list->v[i].data);
    }
    list->n = 0;
}

static void rename_to(madpo_safetensor *s, const char *name)
{
    free(s->name);
    s->name = strdup(name);
    assert_non_null(s->name);
}

/* All of it in 16 bits. */
static void list_narrow(tensor_list *list, madpo_dtype dtype)
{
    for (size_t i = 0; i < list->n; i++) {
        madpo_safetensor *s = &list->v[i];

        madpo__narrow((void *)(uintptr_t)s->data, s->data, dtype, s->bytes / 4);
        s->dtype = madpo__file_dtype_name(dtype);
        s->bytes /= 2;
    }
}

static void list_write(const tensor_list *list, const char *dir, const char *name)
{
    char *path = tmp_path(dir, name);

    MODEL_OK(madpo_safetensors_write(path, list->v, list->n, err));
    free(path);
}

/* ---- models ---- */

static madpo_model *model_of(madpo_device *dev, const char *arch, bool tied, madpo_dtype storage)
{
    madpo_model_config c = model_config(arch, tied);
    madpo_model_options o = model_options(false, false, 0);
    madpo_model *m;

    o.storage = storage;
    MODEL_OK(madpo_model_new(&m, dev, &c, &o, err));
    MODEL_OK(madpo_model_init(m, 3, err));
    return m;
}

/* All tensors of both are the same bits. */
static void same_weights(madpo_model *a, madpo_model *b)
{
    tensor_list x = list_of(a), y = list_of(b);

    assert_int_equal(x.n, y.n);
    for (size_t i = 0; i < x.n; i++) {
        assert_string_equal(x.v[i].name, y.v[i].name);
        assert_int_equal(x.v[i].bytes, y.v[i].bytes);
        assert_memory_equal(x.v[i].data, y.v[i].data, x.v[i].bytes);
    }
    list_free(&x);
    list_free(&y);
}

/* Loading fails with this message behind "DIR/FILE" (or DIR, FILE NULL). */
static void refused(madpo_model *m, const char *dir, const char *file, madpo_status code,
                    const char *message)
{
    madpo_error e = MADPO_ERROR_INIT;
    char *path = file ? tmp_path(dir, file) : strdup(dir);

    assert_int_equal(madpo_model_load(m, dir, 0, &e), code);
    if (strncmp(e.message, path, strlen(path)) != 0 ||
        strcmp(e.message + strlen(path), message) != 0)
        fail_msg("\"%s\", expected \"%s%s\"", e.message, path, message);
    free(path);
}

/* ---- what is read ---- */

static const char *const archs[] = {"llama", "gemma3", "qwen2", "qwen3", "gpt2", "gpt_neox"};

/* Files of 16 bits into models of every storage, and what these save. */
static void test_types(void **state)
{
    static const madpo_dtype types[] = {MADPO_DTYPE_F32, MADPO_DTYPE_BF16, MADPO_DTYPE_F16};

    for (size_t k = 0; k < 6; k++)
        for (size_t f = 0; f < 3; f++)
            for (size_t t = 0; t < 3; t++) {
                madpo_model *a = model_of(*state, archs[k], false, MADPO_DTYPE_F32);
                madpo_model *b = model_of(*state, archs[k], false, types[t]);
                madpo_model *c = model_of(*state, archs[k], false, types[t]);
                char *dir = tmp_new(), *out = tmp_path(dir, "out");
                tensor_list list = list_of(a), back;
                madpo_dtype storage;

                MODEL_OK(madpo_model_save(a, dir, err));
                if (f > 0)
                    list_narrow(&list, types[f]);
                list_write(&list, dir, "model.safetensors");
                MODEL_OK(madpo_model_storage_of(&storage, dir, err));
                assert_int_equal(storage, types[f]);
                MODEL_OK(madpo_model_load(b, dir, 0, err));
                back = list_of(b);
                for (size_t i = 0; i < list.n; i++) {
                    const madpo_safetensor *x = &list.v[i], *y = &back.v[i];

                    for (uint64_t j = 0; j < y->bytes / 4; j++) {
                        const madpo_dtype wide = MADPO_DTYPE_F32;
                        float from, to, want;
                        uint16_t half;

                        madpo__widen(&from, (const char *)x->data + j * madpo_dtype_bytes(types[f]),
                                     types[f], 1);
                        memcpy(&to, (const char *)y->data + 4 * j, 4);
                        want = from;
                        if (y->n_dims == 2 && types[t] != wide &&
                            strcmp(y->name, "transformer.wpe.weight") != 0) {
                            madpo__narrow(&half, &from, types[t], 1);
                            madpo__widen(&want, &half, types[t], 1);
                        }
                        assert_true(to == want);
                    }
                }
                MODEL_OK(madpo_model_save(b, out, err));
                MODEL_OK(madpo_model_storage_of(&storage, out, err));
                assert_int_equal(storage, types[t]);
                MODEL_OK(madpo_model_load(c, out, 0, err));
                if (types[t] == types[f] || types[t] == MADPO_DTYPE_F32)
                    same_weights(b, c);
                list_free(&list);
                list_free(&back);
                free(out);
                tmp_free(dir);
                madpo_model_free(a);
                madpo_model_free(b);
                madpo_model_free(c);
            }
}

/* As a body without a head is saved, and with the buffers that older versions kept. */
static void test_names(void **state)
{
    static const char *const buffers[] = {"model.layers.0.self_attn.rotary_emb.inv_freq",
                                          "h.0.attn.bias", "transformer.h.1.attn.masked_bias",
                                          "gpt_neox.layers.0.attention.bias"};
    static const size_t of[] = {0, 4, 4, 5};
    const int64_t shape[] = {2};

    for (size_t k = 0; k < 6; k++) {
        madpo_model *a = model_of(*state, archs[k], true, MADPO_DTYPE_F32);
        madpo_model *b = model_of(*state, archs[k], true, MADPO_DTYPE_F32);
        const madpo_arch *arch = madpo_model_get_config(a)->arch;
        char *dir = tmp_new();
        tensor_list list = list_of(a);

        MODEL_OK(madpo_model_save(a, dir, err));
        for (size_t i = 0; i < list.n; i++) {
            char *tail = strdup(list.v[i].name + strlen(arch->prefix));

            rename_to(&list.v[i], tail);
            free(tail);
        }
        for (size_t i = 0; i < 4; i++)
            if (of[i] == k)
                list_add(&list, buffers[i], "F32", 1, shape, "12345678", 8);
        list_add(&list, arch->head, "F32", 1, shape, "12345678", 8); /* tied: of no use */
        list_write(&list, dir, "model.safetensors");
        model_randomise(b, 9);
        MODEL_OK(madpo_model_load(b, dir, 0, err));
        same_weights(a, b);
        list_free(&list);
        tmp_free(dir);
        madpo_model_free(a);
        madpo_model_free(b);
    }
}

/* ---- what is refused ---- */

static const float nan_value = (float)NAN, infinite = (float)INFINITY, large = 1e30f;

static const struct {
    const char *arch, *name, *as, *dtype;
    int64_t rows; /* of the first dimension; 0: as it is */
    const float *first;
    madpo_status code;
    const char *message;
} bad[] = {
    {"llama", "model.norm.weight", "model.norm.bias", "F32", 0, NULL, MADPO_ERR_DATA,
     ": tensor 'model.norm.bias' has no place in a llama model"},
    {"llama", "model.norm.weight", "model.layers.0.attn.bias", "F32", 0, NULL, MADPO_ERR_DATA,
     ": tensor 'model.layers.0.attn.bias' has no place in a llama model"},
    {"llama", "model.norm.weight", "score.weight", "F32", 0, NULL, MADPO_ERR_DATA,
     " holds a reward model, not a language model"},
    {"llama", "model.norm.weight", "model.rotary_emb.inv_freq", "F32", 0, NULL, MADPO_ERR_DATA,
     ": tensor 'model.norm.weight' is missing"},
    {"llama", "model.norm.weight", NULL, "F32", 21, NULL, MADPO_ERR_DATA,
     ": tensor 'model.norm.weight' has shape [21], config.json asks for [22]"},
    {"llama", "model.norm.weight", NULL, "I32", 0, NULL, MADPO_ERR_UNSUPPORTED,
     ": tensor 'model.norm.weight' is stored as I32, only F32, F16 and BF16 are read; convert the "
     "model to float32"},
    {"llama", "model.norm.weight", NULL, "F32", 0, &nan_value, MADPO_ERR_DATA,
     ": tensor 'model.norm.weight' holds NaN or infinity"},
    {"llama", "model.layers.1.mlp.up_proj.weight", NULL, "F32", 0, &infinite, MADPO_ERR_DATA,
     ": tensor 'model.layers.1.mlp.up_proj.weight' holds NaN or infinity"},
    {"gpt2", "transformer.h.0.attn.c_attn.weight", NULL, "F32", 0, &nan_value, MADPO_ERR_DATA,
     ": tensor 'transformer.h.0.attn.c_attn.weight' holds NaN or infinity"},
    {"gpt2", "transformer.h.0.attn.c_attn.weight", NULL, "F32", 23, NULL, MADPO_ERR_DATA,
     ": tensor 'transformer.h.0.attn.c_attn.weight' has shape [23,72], config.json asks for "
     "[24,72]"},
    {"gpt2", "transformer.h.1.mlp.c_fc.weight", "transformer.h.1.mlp.c_fc.bias2", "F32", 0, NULL,
     MADPO_ERR_DATA, ": tensor 'transformer.h.1.mlp.c_fc.bias2' has no place in a gpt2 model"},
    {"gpt_neox", "gpt_neox.layers.0.attention.query_key_value.bias", NULL, "F32", 71, NULL,
     MADPO_ERR_DATA,
     ": tensor 'gpt_neox.layers.0.attention.query_key_value.bias' has shape [71], config.json asks "
     "for [72]"},
};

static void test_bad_tensors(void **state)
{
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        madpo_model *m = model_of(*state, bad[k].arch, true, MADPO_DTYPE_F32);
        char *dir = tmp_new();
        tensor_list list = list_of(m);
        madpo_safetensor *s = list_get(&list, bad[k].name);

        MODEL_OK(madpo_model_save(m, dir, err));
        if (bad[k].first)
            memcpy((void *)(uintptr_t)s->data, bad[k].first, sizeof(float));
        s->dtype = bad[k].dtype;
        if (bad[k].rows > 0) {
            s->bytes = s->bytes / (uint64_t)s->shape[0] * (uint64_t)bad[k].rows;
            s->shape[0] = bad[k].rows;
        }
        if (bad[k].as)
            rename_to(s, bad[k].as);
        list_write(&list, dir, "model.safetensors");
        refused(m, dir, "model.safetensors", bad[k].code, bad[k].message);
        list_free(&list);
        tmp_free(dir);
        madpo_model_free(m);
    }
}

/* A number that fits f32 and not f16. */
static void test_too_large(void **state)
{
    madpo_model *a = model_of(*state, "llama", true, MADPO_DTYPE_F32);
    madpo_model *b = model_of(*state, "llama", true, MADPO_DTYPE_F16);
    char *dir = tmp_new();
    tensor_list list = list_of(a);

    MODEL_OK(madpo_model_save(a, dir, err));
    memcpy((void *)(uintptr_t)list_get(&list, "model.embed_tokens.weight")->data, &large,
           sizeof large);
    list_write(&list, dir, "model.safetensors");
    refused(b, dir, "model.safetensors", MADPO_ERR_DATA,
            ": tensor 'model.embed_tokens.weight' holds numbers beyond f16; set model.storage to "
            "bf16 or f32");
    MODEL_OK(madpo_model_load(a, dir, 0, err));
    list_free(&list);
    tmp_free(dir);
    madpo_model_free(a);
    madpo_model_free(b);
}

/* A directory without weights that we read, and a reward model's without its head. */
static void test_no_weights(void **state)
{
    madpo_model *m = model_of(*state, "llama", true, MADPO_DTYPE_F32);
    madpo_model *reward = model_make(*state, "llama", true, false, true);
    char *dir = tmp_new(), *path = tmp_path(dir, "model.safetensors");
    tensor_list list = list_of(m);

    MODEL_OK(madpo_model_save(m, dir, err));
    assert_int_equal(remove(path), 0);
    refused(m, dir, NULL, MADPO_ERR_IO,
            ": there is neither model.safetensors nor model.safetensors.index.json");
    free(tmp_file(dir, "pytorch_model.bin", "x"));
    refused(m, dir, "pytorch_model.bin", MADPO_ERR_UNSUPPORTED,
            ": only safetensors are read; convert it with transformers (from_pretrained, then "
            "save_pretrained)");
    MODEL_OK(madpo_model_save(reward, dir, err));
    list_write(&list, dir, "model.safetensors");
    refused(reward, dir, "model.safetensors", MADPO_ERR_DATA, ": tensor 'score.weight' is missing");
    list_free(&list);
    free(path);
    tmp_free(dir);
    madpo_model_free(m);
    madpo_model_free(reward);
}

/* Cut off anywhere, or with any bit of the header turned: refused, or still a model. */
static void test_damaged(void **state)
{
    madpo_model *m = model_of(*state, "gpt_neox", false, MADPO_DTYPE_F32);
    char *dir = tmp_new(), *path = tmp_path(dir, "model.safetensors"), *bytes;
    size_t n, header, refusals = 0;

    MODEL_OK(madpo_model_save(m, dir, err));
    MODEL_OK(madpo_file_read(&bytes, &n, path, err));
    header = 8 + (unsigned char)bytes[0] + 256 * (size_t)(unsigned char)bytes[1];
    for (size_t cut = 0; cut < n; cut += n / 61) {
        MODEL_OK(madpo_file_write(path, bytes, cut, err));
        assert_int_equal(madpo_model_load(m, dir, 0, NULL), MADPO_ERR_DATA);
    }
    for (size_t bit = 0; bit < 8 * header; bit += 17) {
        madpo_status st;

        bytes[bit / 8] ^= (char)(1 << bit % 8);
        MODEL_OK(madpo_file_write(path, bytes, n, err));
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        st = madpo_model_load(m, dir, 0, NULL);
        assert_true(st == MADPO_OK || st == MADPO_ERR_DATA || st == MADPO_ERR_UNSUPPORTED);
        refusals += st != MADPO_OK;
    }
    assert_true(refusals > header / 3);
    free(bytes);
    free(path);
    tmp_free(dir);
    madpo_model_free(m);
}

/* Every allocation of loading and of saving fails once. */
static void test_no_memory(void **state)
{
    madpo_model *m = model_of(*state, "gpt2", false, MADPO_DTYPE_BF16);
    char *dir = tmp_new(), *out = tmp_path(dir, "out");
    bool reached = true;
    size_t n = 1;

    MODEL_OK(madpo__model_save(m, dir, 4000, err));
    MODEL_OK(madpo_model_load(m, dir, 0, err));
    for (; reached && n < 20000; n += n < 200 ? 1 : 7) {
        madpo_status loaded, saved = MADPO_OK;

        fail_alloc_arm(n);
        loaded = madpo_model_load(m, dir, 0, NULL);
        if (loaded == MADPO_OK)
            saved = madpo__model_save(m, out, 4000, NULL);
        reached = fail_alloc_disarm();
        if (!reached)
            assert_true(loaded == MADPO_OK && saved == MADPO_OK);
    }
    assert_true(n > 200 && n < 20000);
    MODEL_OK(madpo_model_load(m, out, 0, err));
    free(out);
    tmp_free(dir);
    madpo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),       cmocka_unit_test(test_names),
        cmocka_unit_test(test_bad_tensors), cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_no_weights),  cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_no_memory),
    };

    fail_alloc_jansson();
    return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
