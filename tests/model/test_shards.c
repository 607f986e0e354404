/* Models in shards: saved and loaded, and every way in which index and shards can disagree. What a
 * save leaves beside the weights. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "model/io_inside.h"
#include "model/shards.h"
#include "tests/model/model_test.h"
#include "tests/support/tmp.h"

#define F32_X(name, at) "\"" name "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[" at "]}"

/* DIR/NAME: a safetensors file of tensors of 4 zero bytes each. */
static void make(const char *dir, const char *name, const char *header, size_t n)
{
    size_t length = strlen(header);
    char *bytes = calloc(8 + length + 4 * n, 1), *path = tmp_path(dir, name);

    assert_non_null(bytes);
    bytes[0] = (char)(length & 255);
    bytes[1] = (char)(length >> 8);
    memcpy(bytes + 8, header, length);
    MODEL_OK(madpo_file_write(path, bytes, 8 + length + 4 * n, err));
    free(path);
    free(bytes);
}

static const struct {
    const char *map;     /* of the index */
    const char *message; /* "%s" for the folder */
} bad[] = {
    {"{\"a\":\"1\",\"b\":\"1\",\"c\":\"2\",\"d\":\"3\"}",
     "%s/model.safetensors.index.json names the shard 3, which is not there; download it again"},
    {"{\"a\":\"1\",\"b\":\"1\",\"c\":\"1\"}", "%s/model.safetensors.index.json: tensor 'c' is not "
                                              "in the shard 1"},
    {"{\"a\":\"1\",\"b\":\"2\",\"c\":\"2\"}",
     "%s/1: tensor 'b' is in this shard, but %s/model.safetensors.index.json says 2"},
    {"{\"a\":\"1\",\"c\":\"2\"}", "%s/1: tensor 'b' is not in %s/model.safetensors.index.json"},
    {"{\"a\":\"1\",\"b\":\"1\",\"c\":\"2\",\"d\":\"2\"}",
     "%s/model.safetensors.index.json: tensor 'd' is not in the shard 2"},
    {"{\"a\":\"1\",\"b\":\"1\",\"c\":\"4\"}", "tensor 'a' is both in %s/1 and in %s/4"},
    {"{\"a\":\"../1\"}", "%s/model.safetensors.index.json: '../1' is no file name"},
    {"{\"a\":\"..\"}", "%s/model.safetensors.index.json: '..' is no file name"},
    {"{\"a\":7}", "%s/model.safetensors.index.json: the file of tensor 'a' is no string"},
    {"[]", "%s/model.safetensors.index.json: \"weight_map\" must be an object, not an array"},
};

static void test_bad_index(void **state)
{
    char *dir = tmp_new();

    (void)state;
    make(dir, "1", "{" F32_X("a", "0,4") "," F32_X("b", "4,8") "}", 2);
    make(dir, "2", "{" F32_X("c", "0,4") "}", 1);
    make(dir, "4", "{" F32_X("a", "0,4") "," F32_X("c", "4,8") "}", 2);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[300], want[500];
        const char *from = bad[i].message;
        madpo_error e = MADPO_ERROR_INIT;
        madpo_shards *s = (void *)1;
        size_t n = 0;

        snprintf(text, sizeof text, "{\"metadata\":{},\"weight_map\":%s}", bad[i].map);
        free(tmp_file(dir, "model.safetensors.index.json", text));
        assert_int_not_equal(madpo_shards_open(&s, dir, &e), MADPO_OK);
        assert_null(s);
        for (; *from; from++)
            if (strncmp(from, "%s", 2) == 0) {
                n += (size_t)snprintf(want + n, sizeof want - n, "%s", dir);
                from++;
            } else {
                want[n++] = *from;
            }
        want[n] = '\0';
        assert_string_equal(e.message, want);
    }
    free(tmp_file(dir, "model.safetensors.index.json", "{"));
    assert_int_equal(madpo_shards_open(&(madpo_shards *){NULL}, dir, NULL), MADPO_ERR_DATA);
    tmp_free(dir);
}

static void test_good_index(void **state)
{
    char *dir = tmp_new();
    const char *path;
    madpo_shards *s;

    (void)state;
    make(dir, "1", "{" F32_X("d", "0,4") "," F32_X("b", "4,8") "}", 2);
    make(dir, "2", "{" F32_X("c", "0,4") "}", 1);
    free(tmp_file(dir, "model.safetensors.index.json",
                  "{\"weight_map\":{\"b\":\"1\",\"c\":\"2\",\"d\":\"1\"}}"));
    MODEL_OK(madpo_shards_open(&s, dir, err));
    assert_int_equal(madpo_shards_count(s), 3);
    assert_int_equal(madpo_shards_find(s, "a"), 3);
    assert_string_equal(madpo_shards_at(s, madpo_shards_find(s, "c"), &path)->name, "c");
    assert_string_equal(path + strlen(path) - 2, "/2");
    assert_null(madpo_shards_at(s, 3, &path));
    assert_non_null(strstr(madpo_shards_path(s), "index.json"));
    madpo_shards_close(s);
    tmp_free(dir);
}

static bool there(const char *dir, const char *name)
{
    char *path = tmp_path(dir, name);
    bool is = madpo_file_exists(path);

    free(path);
    return is;
}

/* Saved in shards and whole, over one another: what is loaded is what was saved last. */
static void test_save(void **state)
{
    static const char *const archs[] = {"llama", "gpt2", "gpt_neox"};

    for (size_t k = 0; k < 3; k++) {
        madpo_model *a = model_make(*state, archs[k], false, false, false);
        madpo_model *b = model_make(*state, archs[k], false, true, false);
        char *dir = tmp_new();
        float *wa = NULL, *wb = NULL;
        size_t bytes = (size_t)madpo_model_weights(a).n * sizeof *wa;

        for (int round = 0; round < 4; round++) {
            bool shards = round % 2 == 0;

            model_randomise(a, 100 + (uint64_t)round);
            MODEL_OK(
                madpo__model_save(a, dir, shards ? 7000 - 1000 * (uint64_t)round : 1 << 30, err));
            assert_true(there(dir, "model.safetensors.index.json") == shards);
            assert_true(there(dir, "model.safetensors") == !shards);
            MODEL_OK(madpo_model_load(b, dir, 0, err));
            wa = model_read(a, madpo_model_weights(a));
            wb = model_read(b, madpo_model_weights(b));
            assert_memory_equal(wa, wb, bytes);
            free(wa);
            free(wb);
        }
        tmp_free(dir);
        madpo_model_free(a);
        madpo_model_free(b);
    }
}

/* No shard is larger than asked for, but for a single tensor, and the index tells the sum. */
static void test_limit(void **state)
{
    madpo_model *m = model_make(*state, "llama", false, false, false);
    char *dir = tmp_new(), *path = tmp_path(dir, "model.safetensors.index.json");
    madpo_safetensors *st;
    uint64_t sum = 0;
    json_t *o;
    int n = 0;

    MODEL_OK(madpo__model_save(m, dir, 3000, err));
    MODEL_OK(madpo_json_load(&o, path, err));
    for (int total = 1; total < 40 && n == 0; total++) {
        char name[64];

        snprintf(name, sizeof name, "model-00001-of-%05d.safetensors", total);
        n = there(dir, name) ? total : 0;
    }
    assert_true(n > 3);
    for (int i = 1; i <= n; i++) {
        char name[64], *file;
        uint64_t bytes = 0;

        snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", i, n);
        file = tmp_path(dir, name);
        MODEL_OK(madpo_safetensors_open(&st, file, err));
        for (size_t j = 0; j < madpo_safetensors_count(st); j++)
            bytes += madpo_safetensors_at(st, j)->bytes;
        assert_true(bytes <= 3000 || madpo_safetensors_count(st) == 1);
        sum += bytes;
        madpo_safetensors_close(st);
        free(file);
    }
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(o, "metadata"), "total_size")), sum);
    json_decref(o);
    free(path);
    tmp_free(dir);
    madpo_model_free(m);
}

/* How to generate and on which terms go along with the weights; tokenizers and other things do
 * not. */
static void test_companions(void **state)
{
    madpo_model *m = model_make(*state, "llama", true, false, false);
    char *dir = tmp_new(), *out = tmp_path(dir, "out"), *path, *bytes;
    size_t n;

    MODEL_OK(madpo_model_save(m, dir, err));
    free(tmp_file(dir, "generation_config.json", "{\"eos_token_id\":[2,5],\"top_k\":64}"));
    free(tmp_file(dir, "LICENSE.txt", "terms"));
    free(tmp_file(dir, "tokenizer.json", "{}"));
    free(tmp_file(dir, "README.md", "the base"));
    MODEL_OK(madpo_model_load(m, dir, 0, err));
    MODEL_OK(madpo_model_save(m, out, err));
    assert_true(there(out, "generation_config.json") && there(out, "LICENSE.txt"));
    assert_false(there(out, "tokenizer.json") || there(out, "README.md"));
    path = tmp_path(out, "LICENSE.txt");
    MODEL_OK(madpo_file_read(&bytes, &n, path, err));
    assert_string_equal(bytes, "terms");
    MODEL_OK(madpo_model_save(m, dir, err)); /* over the base itself */
    MODEL_OK(madpo_model_load(m, dir, 0, err));
    free(bytes);
    free(path);
    free(out);
    tmp_free(dir);
    madpo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_index),  cmocka_unit_test(test_good_index),
        cmocka_unit_test(test_save),       cmocka_unit_test(test_limit),
        cmocka_unit_test(test_companions),
    };

    return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
