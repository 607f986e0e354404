/* JSON: positions of errors, exact numbers, any bytes as text, getters that say what is wrong. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/support/tmp.h"

static void expect_line(const madpo_error *err, const char *want)
{
    char line[1024];

    assert_string_equal(madpo_error_format(err, line, sizeof line), want);
}

static void test_errors_have_positions(void **state)
{
    static const char bad[] = "{\n \"a\": 1,\n \"b\": ,\n}";
    madpo_error err = MADPO_ERROR_INIT;
    json_t *json;

    (void)state;
    assert_int_equal(madpo_json_parse(&json, bad, strlen(bad), "x.json", 1, &err), MADPO_ERR_DATA);
    assert_null(json);
    expect_line(&err, "x.json:3:7: invalid JSON: unexpected token near ','");
    madpo_error_clear(&err);
    /* a line of a JSONL file */
    assert_int_equal(madpo_json_parse(&json, "{\"a\"}", 5, "p.jsonl", 12, &err), MADPO_ERR_DATA);
    assert_int_equal(err.line, 12);
    madpo_error_clear(&err);
    assert_int_equal(madpo_json_parse(&json, "", 0, "p.jsonl", 1, &err), MADPO_ERR_DATA);
    madpo_error_clear(&err);
    assert_int_equal(madpo_json_parse(&json, "{} x", 4, "p.jsonl", 1, &err), MADPO_ERR_DATA);
}

static void test_numbers_keep_their_bits(void **state)
{
    static const double values[] = {0.1,  1.0 / 3, -0.0,        DBL_MIN, DBL_MAX, 5e-324,
                                    1e22, 1e23,    6.906754778, 2.0,     -1e-300, DBL_EPSILON};
    json_t *array, *back;
    char *text;

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        double got;

        array = json_array();
        json_array_append_new(array, madpo_json_real(values[i]));
        assert_int_equal(madpo_json_dump(&text, array, NULL), MADPO_OK);
        assert_int_equal(madpo_json_parse(&back, text, strlen(text), "t", 1, NULL), MADPO_OK);
        got = json_real_value(json_array_get(back, 0));
        assert_memory_equal(&got, &values[i], sizeof got);
        json_decref(array);
        json_decref(back);
        free(text);
    }
    array = json_array();
    json_array_append_new(array, madpo_json_real(NAN));
    json_array_append_new(array, madpo_json_real(-INFINITY));
    assert_int_equal(madpo_json_dump(&text, array, NULL), MADPO_OK);
    assert_string_equal(text, "[null,null]");
    json_decref(array);
    free(text);
}

/* Integers beyond 64 bits become reals, the others of the same text stay what they are. */
static void test_big_integers(void **state)
{
    static const char text[] =
        "{\"a \\\" 99999999999999999999\":1000000000000000019884624838656,"
        "\"b\":[9223372036854775807,-9223372036854775808,9223372036854775808,"
        "-9223372036854775809,1.5,123456789012345678901e2],\"c\":\"99999999999999999999\"}";
    json_t *json, *b;

    (void)state;
    assert_int_equal(madpo_json_parse(&json, text, strlen(text), "t", 1, NULL), MADPO_OK);
    assert_true(json_real_value(json_object_get(json, "a \" 99999999999999999999")) ==
                1000000000000000019884624838656.0);
    b = json_object_get(json, "b");
    assert_true(json_integer_value(json_array_get(b, 0)) == INT64_MAX);
    assert_true(json_integer_value(json_array_get(b, 1)) == INT64_MIN);
    assert_true(json_real_value(json_array_get(b, 2)) == 9223372036854775808.0);
    assert_true(json_real_value(json_array_get(b, 3)) == -9223372036854775808.0);
    assert_true(json_real_value(json_array_get(b, 5)) == 123456789012345678901e2);
    assert_string_equal(json_string_value(json_object_get(json, "c")), "99999999999999999999");
    json_decref(json);
    assert_int_equal(madpo_json_parse(&json, "[99999999999999999999,]", 23, "t", 1, NULL),
                     MADPO_ERR_DATA);
    assert_int_equal(madpo_json_parse(&json, "[99999999999999999999", 21, "t", 1, NULL),
                     MADPO_ERR_DATA);
    assert_int_equal(madpo_json_parse(&json, "[1e999]", 7, "t", 1, NULL), MADPO_ERR_DATA);
}

static void test_order_and_files(void **state)
{
    char *dir = tmp_new(), *path = tmp_path(dir, "x.json"), *text;
    json_t *json = json_pack("{s:i,s:[b,n],s:s}", "z", 1, "a", 1, "m", "\xC3\xA4\n"), *back;
    size_t n;

    (void)state;
    assert_int_equal(madpo_json_dump(&text, json, NULL), MADPO_OK);
    assert_string_equal(text, "{\"z\":1,\"a\":[true,null],\"m\":\"\xC3\xA4\\n\"}");
    free(text);
    assert_int_equal(madpo_json_save(json, path, NULL), MADPO_OK);
    assert_int_equal(madpo_file_read(&text, &n, path, NULL), MADPO_OK);
    assert_memory_equal(text, "{\n  \"z\": 1,\n", 12);
    assert_int_equal(text[n - 1], '\n');
    free(text);
    assert_int_equal(madpo_json_load(&back, path, NULL), MADPO_OK);
    assert_true(json_equal(json, back));
    json_decref(json);
    json_decref(back);
    free(path);
    tmp_free(dir);
}

static void test_text_of_any_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *want;
    } cases[] = {
        {"plain \xC3\xA4", 8, "plain \xC3\xA4"},
        {"a\xFFz", 3, "a\xEF\xBF\xBDz"},
        {"\xC3", 1, "\xEF\xBF\xBD"},
        {"\xE2\x82x", 3, "\xEF\xBF\xBD\xEF\xBF\xBDx"},
        {"\xF0\x9F\x98\x80!\x80", 6, "\xF0\x9F\x98\x80!\xEF\xBF\xBD"},
        {"\xED\xA0\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}, /* a surrogate */
        {"\xC0\xAF", 2, "\xEF\xBF\xBD\xEF\xBF\xBD"},                 /* overlong */
        {"", 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = madpo_json_text(cases[i].bytes, cases[i].n);

        assert_non_null(json);
        assert_string_equal(json_string_value(json), cases[i].want);
        json_decref(json);
    }
    /* every two-byte text becomes a string: nothing jansson refuses is left */
    for (int i = 0; i < 65536; i++) {
        char bytes[2] = {(char)(i >> 8), (char)i};
        json_t *json = madpo_json_text(bytes, 2);

        assert_non_null(json);
        json_decref(json);
    }
}

static void test_getters(void **state)
{
    static const char text[] =
        "{\"s\":\"x\",\"i\":3,\"r\":2.5,\"t\":true,\"a\":[],\"o\":{},\"n\":null}";
    madpo_error err = MADPO_ERROR_INIT;
    json_t *json, *inner;
    const char *s;
    int64_t i;
    double d;
    bool b;

    (void)state;
    assert_int_equal(madpo_json_parse(&json, text, strlen(text), "t", 1, NULL), MADPO_OK);
    assert_int_equal(madpo_json_get_string(&s, json, "s", "t", &err), MADPO_OK);
    assert_string_equal(s, "x");
    assert_int_equal(madpo_json_get_int(&i, json, "i", "t", &err), MADPO_OK);
    assert_int_equal(i, 3);
    assert_int_equal(madpo_json_get_number(&d, json, "i", "t", &err), MADPO_OK);
    assert_true(d == 3);
    assert_int_equal(madpo_json_get_number(&d, json, "r", "t", &err), MADPO_OK);
    assert_true(d == 2.5);
    assert_int_equal(madpo_json_get_bool(&b, json, "t", "t", &err), MADPO_OK);
    assert_true(b);
    assert_int_equal(madpo_json_get_array(&inner, json, "a", "t", &err), MADPO_OK);
    assert_int_equal(madpo_json_get_object(&inner, json, "o", "t", &err), MADPO_OK);
    assert_true(madpo_json_has(json, "s"));
    assert_false(madpo_json_has(json, "n"));
    assert_false(madpo_json_has(json, "x"));

    assert_int_equal(madpo_json_get_int(&i, json, "r", "run.json", &err), MADPO_ERR_DATA);
    expect_line(&err, "run.json: \"r\" must be an integer, not a number with a fraction");
    assert_int_equal(i, 0);
    madpo_error_clear(&err);
    assert_int_equal(madpo_json_get_string(&s, json, "x", "run.json", &err), MADPO_ERR_DATA);
    expect_line(&err, "run.json: no \"x\" (a string is needed)");
    assert_null(s);
    madpo_error_clear(&err);
    assert_int_equal(madpo_json_get_array(&inner, json, "o", "run.json", &err), MADPO_ERR_DATA);
    expect_line(&err, "run.json: \"o\" must be an array, not an object");
    madpo_error_clear(&err);
    assert_int_equal(madpo_json_get_bool(&b, json_object_get(json, "a"), "x", "run.json", &err),
                     MADPO_ERR_DATA);
    expect_line(&err, "run.json: \"x\" wanted from something that is no object");
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_have_positions),
        cmocka_unit_test(test_numbers_keep_their_bits),
        cmocka_unit_test(test_big_integers),
        cmocka_unit_test(test_order_and_files),
        cmocka_unit_test(test_text_of_any_bytes),
        cmocka_unit_test(test_getters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
