/* The cache of program binaries: hits, damage, other keys, and folders that cannot be used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "device/internal.h"
#include "device/launch.h"
#include "tests/support/tmp.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static madpo_device *open_cached(const char *cache_dir)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_device_options options;
    madpo_device *dev = NULL;

    madpo_device_options_defaults(&options);
    options.cache_dir = cache_dir;
    if (getenv("MADPO_TEST_DEVICE"))
        options.select = getenv("MADPO_TEST_DEVICE");
    if (madpo_device_open(&dev, &options, &err) != MADPO_OK)
        fail_msg("%s", err.message);
    return dev;
}

/* Open, build one program, close; returns the counters. */
static madpo_device_stats build_one(const char *cache_dir, const char *defines, bool *noted)
{
    madpo_device *dev = open_cached(cache_dir);
    madpo_error err = MADPO_ERROR_INIT;
    madpo_device_stats stats;
    madpo_tensor out;
    madpo_launch l;
    float got = 0;

    if (madpo_tensor_new(&out, dev, madpo_device_get_work_group(dev), MADPO_DTYPE_F32, "out",
                         &err) != MADPO_OK)
        fail_msg("%s", err.message);
    madpo_launch_begin(&l, dev, "bench/fma_peak", "fma_peak", defines);
    madpo_arg_tensor(&l, out);
    madpo_arg_f32(&l, 0.5f);
    madpo_arg_f32(&l, 1.0f);
    madpo_arg_i32(&l, 1);
    if (madpo_launch_rows(&l, 1, &err) != MADPO_OK ||
        madpo_tensor_read(dev, out, &got, 1, &err) != MADPO_OK)
        fail_msg("%s", err.message);
    assert_true(got == 4 * (1.5f + 2.0f)); /* from source or from the cache, it computes */
    *noted = madpo_device_cache_note(dev) != NULL;
    stats = madpo_device_get_stats(dev);
    madpo_buffer_free(out.buffer);
    madpo_device_close(dev);
    return stats;
}

static const char defines[] = "-DVW=4 -DCHAINS=2";

static void expect_built(const char *dir, bool from_cache)
{
    bool noted;
    const madpo_device_stats stats = build_one(dir, defines, &noted);

    assert_false(noted);
    assert_int_equal(stats.cache_hits, from_cache);
    assert_int_equal(stats.cache_misses, !from_cache);
    assert_int_equal(stats.n_programs, 1);
}

/* Apply `change` to every entry of the folder; returns how many there were. */
static int change_entries(const char *dir, void (*change)(char **bytes, size_t *n))
{
    char *folder = tmp_path(dir, "programs");
    DIR *d = opendir(folder);
    int count = 0;

    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        char *path, *bytes;
        size_t n;

        if (e->d_name[0] == '.')
            continue;
        path = tmp_path(folder, e->d_name);
        assert_int_equal(madpo_file_read(&bytes, &n, path, NULL), MADPO_OK);
        if (n > 64) /* what an earlier change emptied and nobody needed again is left */
            change(&bytes, &n);
        assert_int_equal(madpo_file_write(path, bytes, n, NULL), MADPO_OK);
        free(bytes);
        free(path);
        count++;
    }
    closedir(d);
    free(folder);
    return count;
}

static void cut(char **bytes, size_t *n)
{
    (void)bytes;
    *n /= 2;
}

static void empty(char **bytes, size_t *n)
{
    (void)bytes;
    *n = 0;
}

static void flip(char **bytes, size_t *n)
{
    (*bytes)[*n - 10] ^= 4;
}

static void other_key(char **bytes, size_t *n)
{
    (*bytes)[*n / 2] ^= 1;
}

static void huge_size(char **bytes, size_t *n)
{
    assert_true(*n > 32);
    memset(*bytes + 16, 0xff, 16); /* the two sizes */
}

static void other_format(char **bytes, size_t *n)
{
    (void)n;
    (*bytes)[0] ^= 1;
}

static void test_damage(void **state)
{
    static void (*const changes[])(char **, size_t *) = {cut,       empty,     flip,
                                                         other_key, huge_size, other_format};
    char *dir = tmp_new();

    (void)state;
    expect_built(dir, false);
    expect_built(dir, true);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        assert_true(change_entries(dir, changes[i]) > 0);
        expect_built(dir, false); /* rebuilt, replaced, */
        expect_built(dir, true);  /* and good again */
    }
    tmp_free(dir);
}

/* Other defines, another width: other entries. */
static void test_keys(void **state)
{
    char *dir = tmp_new();
    bool noted;

    (void)state;
    expect_built(dir, false);
    assert_int_equal(build_one(dir, "-DVW=4 -DCHAINS=2 -DUNUSED=1", &noted).cache_hits, 0);
    expect_built(dir, true);
    tmp_free(dir);
}

static void test_entries(void **state)
{
    madpo__cache cache;
    char *dir = tmp_new();
    unsigned char *bytes;
    size_t n;

    (void)state;
    madpo__cache_open(&cache, dir);
    assert_null(cache.note);
    assert_false(madpo__cache_load(&cache, "key", 3, &bytes, &n));
    madpo__cache_store(&cache, "key", 3, (const unsigned char *)"binary", 6);
    assert_true(madpo__cache_load(&cache, "key", 3, &bytes, &n));
    assert_int_equal(n, 6);
    assert_memory_equal(bytes, "binary", 6);
    free(bytes);
    assert_false(madpo__cache_load(&cache, "kez", 3, &bytes, &n));
    assert_null(bytes);
    madpo__cache_store(&cache, "key", 3, (const unsigned char *)"other", 5);
    assert_true(madpo__cache_load(&cache, "key", 3, &bytes, &n));
    assert_int_equal(n, 5);
    free(bytes);
    madpo__cache_dispose(&cache);
    tmp_free(dir);
}

/* A binary that is whole but means nothing to the driver. */
static void test_refused_binary(void **state)
{
    char *dir = tmp_new(), *folder = tmp_path(dir, "programs");
    madpo_device *dev = open_cached(dir);
    madpo_error err = MADPO_ERROR_INIT;
    DIR *d;

    (void)state;
    assert_int_equal(madpo_program_prepare(dev, "bench/fma_peak", defines, &err), MADPO_OK);
    madpo_device_close(dev);
    d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        char *path, *bytes;
        size_t n;
        uint64_t n_key;
        madpo__cache cache;

        if (e->d_name[0] == '.')
            continue;
        path = tmp_path(folder, e->d_name);
        assert_int_equal(madpo_file_read(&bytes, &n, path, NULL), MADPO_OK);
        memcpy(&n_key, bytes + 16, sizeof n_key);
        assert_true(n_key < n);
        madpo__cache_open(&cache, dir);
        madpo__cache_store(&cache, bytes + 16 + 16 + 32, n_key, (const unsigned char *)"nonsense",
                           8);
        madpo__cache_dispose(&cache);
        free(bytes);
        free(path);
    }
    closedir(d);
    expect_built(dir, false);
    expect_built(dir, true);
    free(folder);
    tmp_free(dir);
}

static void test_unusable_folder(void **state)
{
    char *dir = tmp_new(), *file = tmp_file(dir, "in_the_way", "");
    madpo_device *dev;
    bool noted;

    (void)state;
    assert_int_equal(build_one(file, defines, &noted).cache_misses, 1);
    assert_true(noted);
    assert_int_equal(build_one(file, defines, &noted).cache_misses, 1);
    dev = open_cached(file);
    assert_non_null(strstr(madpo_device_cache_note(dev), "in_the_way"));
    assert_non_null(strstr(madpo_device_cache_note(dev), "built anew in every run"));
    madpo_device_close(dev);
    /* asked for none: none, and nothing to say */
    assert_int_equal(build_one("", defines, &noted).cache_misses, 1);
    assert_false(noted);
    free(file);
    tmp_free(dir);
}

/* The folder vanishes while the device is open. */
static void test_vanished_folder(void **state)
{
    char *dir = tmp_new();
    madpo_device *dev = open_cached(dir);
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    assert_int_equal(madpo_dir_remove(dir, &err), MADPO_OK);
    assert_int_equal(madpo_program_prepare(dev, "bench/fma_peak", defines, &err), MADPO_OK);
    assert_int_equal(madpo_device_get_stats(dev).cache_misses, 1);
    madpo_device_close(dev);
    assert_int_equal(madpo_dir_make(dir, &err), MADPO_OK);
    tmp_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage),          cmocka_unit_test(test_keys),
        cmocka_unit_test(test_entries),         cmocka_unit_test(test_refused_binary),
        cmocka_unit_test(test_unusable_folder), cmocka_unit_test(test_vanished_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
