/* safetensors: what is written is read back, and every lie a file can tell is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "model/safetensors.h"
#include "tests/support/tmp.h"

static void ok(madpo_status st, const madpo_error *err)
{
    if (st != MADPO_OK)
        fail_msg("%s", err->message);
}

/* Write header and `data_bytes` zero bytes as a file; length < 0: the header's true length. */
static char *make(const char *dir, const char *header, long long length, size_t data_bytes)
{
    size_t n = strlen(header);
    unsigned char *bytes = calloc(8 + n + data_bytes, 1);
    uint64_t claim = length < 0 ? n : (uint64_t)length;
    char *path = tmp_path(dir, "x.safetensors");
    madpo_error err = MADPO_ERROR_INIT;

    assert_non_null(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(claim >> (8 * i));
    memcpy(bytes + 8, header, n);
    ok(madpo_file_write(path, bytes, 8 + n + data_bytes, &err), &err);
    free(bytes);
    return path;
}

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}"

static const struct {
    const char *header;
    long long length; /* the header's claim about itself; -1 = the truth */
    size_t data_bytes;
    const char *message; /* behind "PATH" */
} bad[] = {
    {"{" A "}", 1000, 24, ": truncated: a header of 1000 bytes in a file of 89"},
    {"{" A "}", 100000001, 24,
     ": a header of 100000001 bytes is beyond the format's limit of 100000000; this is no "
     "safetensors "
     "file"},
    {" {" A "}", -1, 24, ": the header does not begin with '{'"},
    {"", 0, 24, ": the header does not begin with '{'"},
    {"{" A "}", -1, 20, ": tensor 'a': bytes 0..24 are outside the data of 20 bytes"},
    {"{" A "}", -1, 28, ": 4 bytes behind the last tensor"},
    {"{}", -1, 4, ": 4 bytes behind the last tensor"},
    {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[20,28]}}", -1, 28,
     ": tensors 'a' and 'b' overlap"},
    {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[0,24]}}", -1, 24,
     ": tensors 'a' and 'b' overlap"},
    {"{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[28,32]}}", -1, 32,
     ": a hole of 4 bytes before tensor 'b'"},
    {"{" A "," A "}", -1, 24, ": invalid header: duplicate object key near '\"a\"'"},
    {"{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", -1, 8,
     ": tensor 'a': unknown dtype 'F31'"},
    {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", -1, 8, ": tensor 'a': unknown dtype ''"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", -1, 8,
     ": tensor 'a': 8 bytes of data, the shape needs 12"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", -1, 8,
     ": tensor 'a': shape holds something other than sizes"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", -1, 8,
     ": tensor 'a': shape holds something other than sizes"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", -1, 8,
     ": tensor 'a': shape is not an array"},
    {"{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[0,3]}}", -1, 3,
     ": tensor 'a' is stored as F6_E2M3, less than a byte an element; use a model of F32, F16 or "
     "BF16"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,3],\"data_offsets\":[0,8]}}", -1, 8,
     ": tensor 'a': 8 bytes of data, the shape needs 12"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]}}", -1, 8,
     ": tensor 'a': the shape overflows"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904],\"data_offsets\":[0,8]}}", -1, 8,
     ": tensor 'a': the shape overflows"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", -1, 8,
     ": tensor 'a': bytes 8..0 are outside the data of 8 bytes"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", -1, 8,
     ": tensor 'a': data_offsets are not two offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,-8]}}", -1, 8,
     ": tensor 'a': data_offsets are not two offsets"},
    {"{\"a\":[]}", -1, 0, ": tensor 'a' is not an object"},
    {"{\"__metadata__\":{\"format\":1}," A "}", -1, 24, ": __metadata__ 'format' is not a string"},
    {"{\"__metadata__\":[]," A "}", -1, 24, ": __metadata__ is not an object"},
    {"{" A ",}", -1, 24, ": invalid header: string or '}' expected near '}'"},
    {"{\"a\\u0000\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", -1, 8,
     ": invalid header: NUL byte in object key not supported near '\"a\\u0000\"'"},
};

static void test_bad(void **state)
{
    char *dir = tmp_new();

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *path = make(dir, bad[i].header, bad[i].length, bad[i].data_bytes);
        madpo_error err = MADPO_ERROR_INIT;
        madpo_safetensors *st = (void *)1;

        assert_int_not_equal(madpo_safetensors_open(&st, path, &err), MADPO_OK);
        assert_null(st);
        if (strncmp(err.message, path, strlen(path)) != 0 ||
            strcmp(err.message + strlen(path), bad[i].message) != 0)
            fail_msg("case %zu: \"%s\", expected \"%s\"", i, err.message, bad[i].message);
        free(path);
    }
    tmp_free(dir);
}

static void test_no_file(void **state)
{
    char *dir = tmp_new();
    char *path = tmp_path(dir, "none.safetensors"), *small = tmp_file(dir, "small", "1234567");
    madpo_safetensors *st;
    madpo_error err = MADPO_ERROR_INIT, err2 = MADPO_ERROR_INIT, err3 = MADPO_ERROR_INIT;

    (void)state;
    assert_int_equal(madpo_safetensors_open(&st, path, &err), MADPO_ERR_IO);
    assert_non_null(strstr(err.message, "cannot open"));
    assert_int_equal(madpo_safetensors_open(&st, small, &err2), MADPO_ERR_DATA);
    assert_non_null(strstr(err2.message, "truncated: 7 bytes, the header's length alone takes 8"));
    assert_int_equal(madpo_safetensors_open(&st, dir, &err3), MADPO_ERR_IO);
    assert_non_null(strstr(err3.message, "is not a regular file"));
    free(path);
    free(small);
    tmp_free(dir);
}

/* Cut a good file after every number of bytes: each is refused, none crashes. */
static void test_every_truncation(void **state)
{
    char *dir = tmp_new(), *path = make(dir, "{" A "}", -1, 24), *bytes;
    size_t n;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    ok(madpo_file_read(&bytes, &n, path, &err), &err);
    for (size_t cut = 0; cut < n; cut++) {
        madpo_error why = MADPO_ERROR_INIT;
        madpo_safetensors *st;

        ok(madpo_file_write(path, bytes, cut, &err), &err);
        assert_int_equal(madpo_safetensors_open(&st, path, &why), MADPO_ERR_DATA);
    }
    free(bytes);
    free(path);
    tmp_free(dir);
}

/* Flip every bit of the header: the reader may accept a changed name, never read outside the file.
 */
static void test_bit_flips(void **state)
{
    char *dir = tmp_new();
    char *path = make(
        dir, "{" A ",\"b\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[24,28]}}", -1, 28);
    char *bytes;
    size_t n, refused = 0;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    ok(madpo_file_read(&bytes, &n, path, &err), &err);
    for (size_t bit = 0; bit < 8 * (n - 28); bit++) {
        madpo_error why = MADPO_ERROR_INIT;
        madpo_safetensors *st;

        bytes[bit / 8] ^= (char)(1 << bit % 8);
        ok(madpo_file_write(path, bytes, n, &err), &err);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        if (madpo_safetensors_open(&st, path, &why) != MADPO_OK) {
            refused++;
            continue;
        }
        for (size_t i = 0; i < madpo_safetensors_count(st); i++) {
            const madpo_safetensor *t = madpo_safetensors_at(st, i);

            for (uint64_t j = 0; j < t->bytes; j++)
                assert_int_equal(((const char *)t->data)[j], 0);
        }
        madpo_safetensors_close(st);
    }
    assert_true(refused > 4 * (n - 28));
    free(bytes);
    free(path);
    tmp_free(dir);
}

static void test_round_trip(void **state)
{
    const float a[] = {1, -2.5f, 3e-30f, 0, 5, -0.0f};
    const int32_t b[] = {7, -8};
    const madpo_safetensor list[] = {
        {.name = "a", .dtype = "F32", .n_dims = 2, .shape = {2, 3}, .data = a, .bytes = sizeof a},
        {.name = "empty", .dtype = "F32", .n_dims = 2, .shape = {0, 3}, .data = a, .bytes = 0},
        {.name = "b \"\\ \xc3\xa9",
         .dtype = "I32",
         .n_dims = 1,
         .shape = {2},
         .data = b,
         .bytes = sizeof b},
        {.name = "scalar", .dtype = "F32", .n_dims = 0, .data = a, .bytes = 4},
    };
    char *dir = tmp_new(), *path = tmp_path(dir, "x.safetensors"), *bytes;
    madpo_error err = MADPO_ERROR_INIT;
    madpo_safetensors *st;
    size_t n;

    (void)state;
    ok(madpo_safetensors_write(path, list, 4, &err), &err);
    ok(madpo_safetensors_open(&st, path, &err), &err);
    assert_int_equal(madpo_safetensors_count(st), 4);
    for (size_t i = 0; i < 4; i++) {
        const madpo_safetensor *t = madpo_safetensors_find(st, list[i].name);

        assert_non_null(t);
        assert_string_equal(t->dtype, list[i].dtype);
        assert_int_equal(t->n_dims, list[i].n_dims);
        assert_memory_equal(t->shape, list[i].shape, sizeof t->shape);
        assert_int_equal(t->bytes, list[i].bytes);
        if (t->bytes > 0)
            assert_memory_equal(t->data, list[i].data, t->bytes);
    }
    assert_null(madpo_safetensors_find(st, "c"));
    assert_null(madpo_safetensors_at(st, 4));
    madpo_safetensors_close(st);
    ok(madpo_file_read(&bytes, &n, path, &err), &err);
    assert_int_equal((unsigned char)bytes[0] % 8, 0); /* data at a multiple of 8 */
    assert_non_null(strstr(bytes + 8, "\"__metadata__\":{\"format\":\"pt\"}"));
    free(bytes);
    free(path);
    tmp_free(dir);
}

/* More dimensions than are kept do not matter to a tensor that nobody asks for. */
static void test_many_dims(void **state)
{
    char *dir = tmp_new();
    char *path = make(
        dir, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,2],\"data_offsets\":[0,8]}}", -1, 8);
    madpo_error err = MADPO_ERROR_INIT;
    madpo_safetensors *st;

    (void)state;
    ok(madpo_safetensors_open(&st, path, &err), &err);
    assert_int_equal(madpo_safetensors_at(st, 0)->n_dims, -1);
    assert_int_equal(madpo_safetensors_at(st, 0)->bytes, 8);
    madpo_safetensors_close(st);
    free(path);
    tmp_free(dir);
}

/* Names are found among many, whatever their order in the file. */
static void test_find(void **state)
{
    enum { N = 10000 };
    static madpo_safetensor list[N];
    static char names[N][16];
    char *dir = tmp_new(), *path = tmp_path(dir, "x.safetensors");
    madpo_error err = MADPO_ERROR_INIT;
    madpo_safetensors *st;

    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "t%d", i * 7919 % N);
        list[i] = (madpo_safetensor){
            .name = names[i], .dtype = "U8", .n_dims = 1, .shape = {1}, .data = "x", .bytes = 1};
    }
    ok(madpo_safetensors_write(path, list, N, &err), &err);
    ok(madpo_safetensors_open(&st, path, &err), &err);
    for (int i = 0; i < N; i++)
        assert_string_equal(madpo_safetensors_find(st, names[i])->name, names[i]);
    assert_null(madpo_safetensors_find(st, "t10000"));
    assert_null(madpo_safetensors_find(st, ""));
    assert_null(madpo_safetensors_find(st, "u"));
    madpo_safetensors_close(st);
    free(path);
    tmp_free(dir);
}

/* The writer in pieces writes what its header promised, or nothing. */
static void test_pieces(void **state)
{
    const madpo_safetensor list[] = {
        {.name = "a", .dtype = "U8", .n_dims = 1, .shape = {3}, .bytes = 3},
        {.name = "b", .dtype = "U8", .n_dims = 1, .shape = {2}, .bytes = 2}};
    char *dir = tmp_new(), *path = tmp_path(dir, "x.safetensors");
    madpo_error err = MADPO_ERROR_INIT, few = MADPO_ERROR_INIT, many = MADPO_ERROR_INIT;
    madpo_safetensors_writer *w;
    madpo_safetensors *st;

    (void)state;
    ok(madpo_safetensors_writer_open(&w, path, list, 2, &err), &err);
    ok(madpo_safetensors_writer_write(w, "1", 1, &err), &err);
    ok(madpo_safetensors_writer_write(w, "234", 3, &err), &err);
    assert_int_equal(madpo_safetensors_writer_write(w, "56", 2, &many), MADPO_ERR_USAGE);
    assert_int_equal(madpo_safetensors_writer_commit(w, &few), MADPO_ERR_USAGE);
    assert_false(madpo_file_exists(path));
    ok(madpo_safetensors_writer_open(&w, path, list, 2, &err), &err);
    ok(madpo_safetensors_writer_write(w, "12345", 5, &err), &err);
    ok(madpo_safetensors_writer_commit(w, &err), &err);
    ok(madpo_safetensors_open(&st, path, &err), &err);
    assert_memory_equal(madpo_safetensors_find(st, "b")->data, "45", 2);
    madpo_safetensors_close(st);
    free(path);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_many_dims),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
