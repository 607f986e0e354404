/* Every allocation of the configuration and the JSON code fails once: the answer is
 * MADPO_ERR_NOMEM, nothing is half changed, and (under AddressSanitizer) nothing leaks. */
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
#include "config/config.h"
#include "tests/support/fail_alloc.h"
#include "tests/support/tmp.h"

static char *dir, *path, *json_path;

/* What is run again and again: returns its status, and cleans up after itself. */
typedef madpo_status (*action)(void);

static madpo_status new_and_clone(void)
{
    madpo_config *config, *copy = NULL;
    madpo_status st = madpo_config_new(&config, NULL);

    if (st == MADPO_OK)
        st = madpo_config_clone(&copy, config, NULL);
    madpo_config_free(config);
    madpo_config_free(copy);
    return st;
}

static madpo_config *shared;

static madpo_status load_set_format(void)
{
    char *text = NULL, *value = NULL;
    madpo_status st = madpo_config_load(shared, path, NULL);

    if (st == MADPO_OK)
        st = madpo_config_set(shared, "data.reviews=some file", NULL);
    if (st == MADPO_OK)
        st = madpo_config_format(shared, &text, NULL);
    if (st == MADPO_OK)
        st = madpo_config_get(shared, "run.stages", &value, NULL);
    assert_true(st == MADPO_OK || !value);
    free(text);
    free(value);
    return st;
}

static madpo_status help_both(void)
{
    char *text = NULL, *json = NULL;
    madpo_status st = madpo_config_help("policy", false, &text, NULL);

    if (st == MADPO_OK)
        st = madpo_config_help("policy", true, &json, NULL);
    free(text);
    free(json);
    return st;
}

static madpo_status json_load_and_save(void)
{
    json_t *json;
    madpo_status st = madpo_json_load(&json, json_path, NULL);

    if (st == MADPO_OK)
        st = madpo_json_save(json, json_path, NULL);
    json_decref(json);
    return st;
}

static madpo_status folders(void)
{
    char *joined = NULL, *cache = NULL;
    madpo_status st = madpo_path_join(&joined, dir, "x/y", NULL);

    if (st == MADPO_OK)
        st = madpo_dir_make(joined, NULL);
    if (st == MADPO_OK)
        st = madpo_cache_dir(&cache, NULL);
    free(joined);
    free(cache);
    return st;
}

/* `also` is allowed besides MADPO_ERR_NOMEM. */
static void fail_each(action run, size_t at_least, madpo_status also)
{
    size_t n = 1;
    bool reached = true;

    for (; reached && n < 100000; n++) {
        madpo_status st;

        fail_alloc_arm(n);
        st = run();
        reached = fail_alloc_disarm();
        if (reached ? st != MADPO_ERR_NOMEM && st != also : st != MADPO_OK)
            fail_msg("allocation %zu: %s", n, madpo_status_name(st));
    }
    assert_true(n > at_least && n < 100000);
}

static void test_new_and_clone(void **state)
{
    (void)state;
    fail_each(new_and_clone, 20, MADPO_ERR_NOMEM);
}

static void test_load_set_format(void **state)
{
    madpo_config *fresh;
    char *got, *want;

    (void)state;
    assert_int_equal(madpo_config_new(&shared, NULL), MADPO_OK);
    fail_each(load_set_format, 20, MADPO_ERR_NOMEM);
    /* after all these failures and one success: what one success alone gives */
    assert_int_equal(madpo_config_new(&fresh, NULL), MADPO_OK);
    assert_int_equal(madpo_config_load(fresh, path, NULL), MADPO_OK);
    assert_int_equal(madpo_config_set(fresh, "data.reviews=some file", NULL), MADPO_OK);
    assert_int_equal(madpo_config_format(shared, &got, NULL), MADPO_OK);
    assert_int_equal(madpo_config_format(fresh, &want, NULL), MADPO_OK);
    assert_string_equal(got, want);
    free(got);
    free(want);
    madpo_config_free(fresh);
    madpo_config_free(shared);
}

static void test_help(void **state)
{
    (void)state;
    fail_each(help_both, 100, MADPO_ERR_NOMEM);
}

static void test_json(void **state)
{
    (void)state;
    /* jansson's scanner takes a string it has no memory for as a syntax error */
    fail_each(json_load_and_save, 20, MADPO_ERR_DATA);
}

static void test_folders(void **state)
{
    (void)state;
    fail_each(folders, 3, MADPO_ERR_NOMEM);
}

static int setup(void **state)
{
    (void)state;
    dir = tmp_new();
    path = tmp_file(dir, "a.cfg", "run : { stages = \"sft\"; seed = 3; };\n@include \"b.cfg\"\n");
    json_path = tmp_file(dir, "b.cfg", "policy : { beta = 0.5; objective = \"ipo\"; };\n");
    free(json_path);
    json_path = tmp_file(dir, "a.json", "{\"a\": [1, 2.5, \"x\\u00e4\"], \"b\": {\"c\": null}}");
    setenv("XDG_CACHE_HOME", dir, 1);
    fail_alloc_jansson();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(path);
    free(json_path);
    tmp_free(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_and_clone), cmocka_unit_test(test_load_set_format),
        cmocka_unit_test(test_help),          cmocka_unit_test(test_json),
        cmocka_unit_test(test_folders),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
