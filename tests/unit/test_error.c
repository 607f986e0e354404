/* Error records: first one wins, one line, context in front, cut texts marked; growing strings, the
 * arena, checked sizes and the nearest name. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/nearest.h"
#include "base/strbuf.h"

static void test_first_error_wins(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    assert_int_equal(madpo_error_set(&err, MADPO_ERR_DATA, "row %d", 3), MADPO_ERR_DATA);
    assert_int_equal(madpo_error_set(&err, MADPO_ERR_IO, "later"), MADPO_ERR_IO);
    assert_int_equal(madpo_error_set_at(&err, MADPO_ERR_IO, "f", 1, 1, "later"), MADPO_ERR_IO);
    assert_int_equal(madpo_error_errno(&err, MADPO_ERR_IO, EIO, "later"), MADPO_ERR_IO);
    assert_int_equal(err.code, MADPO_ERR_DATA);
    assert_string_equal(err.message, "row 3");
    assert_string_equal(err.file, "");
    assert_int_equal(madpo_error_set(NULL, MADPO_ERR_IO, "nobody listens"), MADPO_ERR_IO);
    madpo_error_clear(&err);
    assert_int_equal(err.code, MADPO_OK);
    assert_string_equal(err.message, "");
}

static void test_context_goes_in_front(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    assert_int_equal(madpo_error_context(&err, "nothing"), MADPO_OK);
    assert_int_equal(madpo_error_context(NULL, "nothing"), MADPO_OK);
    assert_string_equal(err.message, "");
    (void)madpo_error_set(&err, MADPO_ERR_DATA, "no header");
    assert_int_equal(madpo_error_context(&err, "stage %s", "sft"), MADPO_ERR_DATA);
    assert_string_equal(err.message, "stage sft: no header");
}

static void test_one_line_and_cut(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    char text[2 * MADPO_ERROR_MESSAGE];

    (void)state;
    (void)madpo_error_set(&err, MADPO_ERR_DEVICE, "a\nb\r\n");
    assert_string_equal(err.message, "a b");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    madpo_error_clear(&err);
    (void)madpo_error_set(&err, MADPO_ERR_DATA, "%s", text);
    assert_int_equal(strlen(err.message), MADPO_ERROR_MESSAGE - 1);
    assert_string_equal(err.message + MADPO_ERROR_MESSAGE - 5, "x...");
    (void)madpo_error_context(&err, "in front");
    assert_memory_equal(err.message, "in front: xxx", 13);
    assert_string_equal(err.message + MADPO_ERROR_MESSAGE - 5, "x...");
    madpo_error_clear(&err);
    (void)madpo_error_errno(&err, MADPO_ERR_IO, ENOENT, "%s", text);
    assert_string_equal(err.message + MADPO_ERROR_MESSAGE - 5, "x...");
}

static void test_format(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    char line[64], small[8], path[2 * MADPO_ERROR_FILE];

    (void)state;
    (void)madpo_error_set_at(&err, MADPO_ERR_CONFIG, "a.cfg", 3, 0, "bad");
    assert_string_equal(madpo_error_format(&err, line, sizeof line), "a.cfg:3: bad");
    assert_string_equal(madpo_error_format(&err, small, sizeof small), "a.cf...");
    err.column = 7;
    assert_string_equal(madpo_error_format(&err, line, sizeof line), "a.cfg:3:7: bad");
    err.line = 0;
    assert_string_equal(madpo_error_format(&err, line, sizeof line), "a.cfg: bad");
    err.file[0] = '\0';
    assert_string_equal(madpo_error_format(&err, line, sizeof line), "bad");
    /* of a long path the end is kept */
    memset(path, 'd', sizeof path);
    memcpy(path + sizeof path - 7, "/x.cfg", 7);
    madpo_error_clear(&err);
    (void)madpo_error_set_at(&err, MADPO_ERR_CONFIG, path, 1, 0, "bad");
    assert_int_equal(strlen(err.file), MADPO_ERROR_FILE - 1);
    assert_memory_equal(err.file, "...ddd", 6);
    assert_string_equal(err.file + MADPO_ERROR_FILE - 1 - 7, "d/x.cfg");
}

static void test_errno_names_the_remedy(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    assert_int_equal(madpo_error_errno(&err, MADPO_ERR_IO, ENOENT, "cannot open %s", "x"),
                     MADPO_ERR_IO);
    assert_string_equal(err.message, "cannot open x: No such file or directory");
    madpo_error_clear(&err);
    (void)madpo_error_errno(&err, MADPO_ERR_IO, ENOSPC, "cannot write %s", "x");
    assert_string_equal(err.message,
                        "cannot write x: No space left on device; free some space and try again");
}

static void test_status_names(void **state)
{
    (void)state;
    for (int code = 0; code >= MADPO_ERR_MISMATCH; code--) {
        assert_string_not_equal(madpo_status_name((madpo_status)code), "unknown");
        for (int other = 0; other > code; other--)
            assert_string_not_equal(madpo_status_name((madpo_status)code),
                                    madpo_status_name((madpo_status)other));
    }
}

static void test_strbuf(void **state)
{
    madpo_strbuf b = {0};
    char *text;
    size_t n;

    (void)state;
    assert_int_equal(madpo_strbuf_steal(&b, &text, &n, NULL), MADPO_OK);
    assert_string_equal(text, "");
    assert_int_equal(n, 0);
    free(text);
    for (int i = 0; i < 1000; i++)
        madpo_strbuf_printf(&b, "%d,", i);
    assert_int_equal(b.n, 10 * 2 + 90 * 3 + 900 * 4);
    assert_memory_equal(b.s, "0,1,2,", 6);
    assert_string_equal(b.s + b.n - 8, "998,999,");
    madpo_strbuf_reset(&b);
    madpo_strbuf_append_n(&b, "a\0b", 3);
    madpo_strbuf_append_char(&b, 'c');
    madpo_strbuf_append_repeat(&b, '-', 3);
    madpo_strbuf_append(&b, "d");
    assert_int_equal(madpo_strbuf_steal(&b, &text, &n, NULL), MADPO_OK);
    assert_int_equal(n, 8);
    assert_memory_equal(text, "a\0bc---d", 9);
    free(text);
    /* an impossible size is a failure that stays until it is told */
    madpo_strbuf_append_repeat(&b, 'x', SIZE_MAX);
    madpo_strbuf_append(&b, "more");
    assert_int_equal(madpo_strbuf_check(&b, NULL), MADPO_ERR_NOMEM);
    assert_int_equal(madpo_strbuf_steal(&b, &text, &n, NULL), MADPO_ERR_NOMEM);
    assert_null(text);
    madpo_strbuf_append(&b, "again");
    assert_string_equal(b.s, "again");
    madpo_strbuf_dispose(&b);
}

static void test_arena(void **state)
{
    madpo_arena arena = {0};
    size_t warm = 0;
    void *p;

    (void)state;
    for (int step = 0; step < 10; step++) {
        if (step == 2)
            warm = arena.n_system_allocs;
        for (size_t i = 0; i < 200; i++) {
            assert_int_equal(madpo_arena_alloc(&arena, &p, i * 31, NULL), MADPO_OK);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 64, 0);
            memset(p, 0xA5, i * 31);
        }
        assert_int_equal(madpo_arena_array(&arena, &p, 3000, 100, NULL), MADPO_OK);
        memset(p, 0x5A, 300000);
        madpo_arena_reset(&arena);
        assert_int_equal(arena.used_bytes, 0);
    }
    assert_int_equal(arena.n_system_allocs, warm);
    assert_int_equal(madpo_arena_array(&arena, &p, SIZE_MAX / 2, 3, NULL), MADPO_ERR_NOMEM);
    assert_null(p);
    assert_int_equal(madpo_arena_alloc(&arena, &p, SIZE_MAX - 1, NULL), MADPO_ERR_NOMEM);
    assert_null(p);
    madpo_arena_dispose(&arena);
}

static void test_checked(void **state)
{
    size_t n;
    int64_t i;

    (void)state;
    assert_true(madpo_checked_mul(&n, SIZE_MAX / 3, 3));
    assert_int_equal(n, SIZE_MAX / 3 * 3);
    assert_true(madpo_checked_mul(&n, SIZE_MAX, 0));
    assert_false(madpo_checked_mul(&n, SIZE_MAX / 3 + 1, 3));
    assert_int_equal(n, 0);
    assert_true(madpo_checked_add(&n, SIZE_MAX - 1, 1));
    assert_false(madpo_checked_add(&n, SIZE_MAX, 1));
    assert_true(madpo_checked_mul_i64(&i, INT64_MAX / 5, 5));
    assert_false(madpo_checked_mul_i64(&i, INT64_MAX / 5 + 1, 5));
    assert_false(madpo_checked_mul_i64(&i, -1, 5));
}

static void test_nearest(void **state)
{
    static const char *const names[] = {"policy.beta", "policy.c_max", "sft.lr", "on"};

    (void)state;
    assert_int_equal(madpo_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(madpo_edit_distance("", "abc"), 3);
    assert_int_equal(madpo_edit_distance("abcd", "acbd"), 1); /* neighbours swapped */
    assert_int_equal(madpo_edit_distance("Beta", "beta"), 0);
    assert_string_equal(madpo_nearest("policy.bta", names, 4), "policy.beta");
    assert_string_equal(madpo_nearest("policy.cmax", names, 4), "policy.c_max");
    assert_null(madpo_nearest("evaluate.prompts", names, 4));
    assert_null(madpo_nearest("xy", names, 4)); /* two edits away from "on" is no likeness */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_error_wins),
        cmocka_unit_test(test_context_goes_in_front),
        cmocka_unit_test(test_one_line_and_cut),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_errno_names_the_remedy),
        cmocka_unit_test(test_status_names),
        cmocka_unit_test(test_strbuf),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_checked),
        cmocka_unit_test(test_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
