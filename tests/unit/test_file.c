/* Files, folders, digests, the clock: what is read, what is left on the disk after failures. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "tests/support/tmp.h"

static char *dir;

static int setup(void **state)
{
    (void)state;
    dir = tmp_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmp_free(dir);
    return 0;
}

static void expect_error(const madpo_error *err, madpo_status code, const char *part)
{
    char line[1024];

    madpo_error_format(err, line, sizeof line);
    if (err->code != code || !strstr(line, part))
        fail_msg("wanted %s with \"%s\", got %s: %s", madpo_status_name(code), part,
                 madpo_status_name(err->code), line);
}

static void expect_content(const char *path, const char *want, size_t n)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *got;
    size_t n_got;

    if (madpo_file_read(&got, &n_got, path, &err) != MADPO_OK)
        fail_msg("%s", err.message);
    assert_int_equal(n_got, n);
    assert_memory_equal(got, want, n);
    assert_int_equal(got[n], '\0');
    free(got);
}

static void test_read_plain_and_empty(void **state)
{
    char *path = tmp_path(dir, "plain"), *empty = tmp_file(dir, "empty", "");
    char big[200000];

    (void)state;
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7 + i / 251);
    assert_int_equal(madpo_file_write(path, big, sizeof big, NULL), MADPO_OK);
    expect_content(path, big, sizeof big);
    expect_content(empty, "", 0);
    free(path);
    free(empty);
}

static void test_read_gz(void **state)
{
    static char text[300000];
    char *path = tmp_path(dir, "named.txt"), *cut = tmp_path(dir, "cut.gz"), *packed;
    madpo_error err = MADPO_ERROR_INIT;
    gzFile gz = gzopen(path, "wb");
    size_t n = 0, n_got;
    char *got;
    FILE *file;

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 23 % 26);
    assert_non_null(gz);
    assert_int_equal(gzwrite(gz, text, sizeof text), sizeof text);
    assert_int_equal(gzclose(gz), Z_OK);
    expect_content(path, text, sizeof text);

    /* half of it is an error that names the file, not half a text */
    packed = malloc(sizeof text);
    assert_non_null(packed);
    file = fopen(path, "rb");
    assert_non_null(file);
    n = fread(packed, 1, sizeof text, file);
    fclose(file);
    assert_int_equal(madpo_file_write(cut, packed, n / 2, NULL), MADPO_OK);
    assert_int_equal(madpo_file_read(&got, &n_got, cut, &err), MADPO_ERR_DATA);
    assert_null(got);
    assert_int_equal(n_got, 0);
    expect_error(&err, MADPO_ERR_DATA, "cut.gz: ");
    /* and so is a wrong byte near the end (the checksum) */
    packed[n - 6] ^= 1;
    assert_int_equal(madpo_file_write(cut, packed, n, NULL), MADPO_OK);
    madpo_error_clear(&err);
    assert_int_equal(madpo_file_read(&got, &n_got, cut, &err), MADPO_ERR_DATA);
    expect_error(&err, MADPO_ERR_DATA, "damaged gzip file");
    assert_null(got);
    free(packed);
    free(path);
    free(cut);
}

static void test_read_what_is_not_there(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *path = tmp_path(dir, "nothing"), *got;
    size_t n;

    (void)state;
    assert_int_equal(madpo_file_read(&got, &n, path, &err), MADPO_ERR_IO);
    expect_error(&err, MADPO_ERR_IO, "nothing: No such file or directory");
    madpo_error_clear(&err);
    assert_int_equal(madpo_file_read(&got, &n, dir, &err), MADPO_ERR_IO);
    expect_error(&err, MADPO_ERR_IO, "it is a folder, not a file");
    assert_null(got);
    assert_false(madpo_file_exists(path));
    assert_true(madpo_file_exists(dir));
    free(path);
}

/* Entries of `dir` besides . and .., to see that no temporary file stays. */
static int count_entries(void)
{
    DIR *list = opendir(dir);
    int n = 0;

    assert_non_null(list);
    for (const struct dirent *entry = readdir(list); entry; entry = readdir(list))
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(list);
    return n;
}

static void test_write_is_all_or_nothing(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *path = tmp_file(dir, "file", "old"), *deep = tmp_path(dir, "no/such/file");
    madpo_file_writer *writer;
    struct stat info;
    mode_t mask = umask(027);

    (void)state;
    assert_int_equal(madpo_file_writer_open(&writer, path, &err), MADPO_OK);
    assert_int_equal(madpo_file_writer_write(writer, "half", 4, &err), MADPO_OK);
    expect_content(path, "old", 3);
    madpo_file_writer_abort(writer);
    expect_content(path, "old", 3);
    assert_int_equal(count_entries(), 1);

    assert_int_equal(madpo_file_writer_open(&writer, path, &err), MADPO_OK);
    assert_int_equal(madpo_file_writer_write(writer, "n", 1, &err), MADPO_OK);
    assert_int_equal(madpo_file_writer_write(writer, "ew", 2, &err), MADPO_OK);
    assert_int_equal(madpo_file_writer_commit(writer, &err), MADPO_OK);
    expect_content(path, "new", 3);
    assert_int_equal(count_entries(), 1);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);

    assert_int_equal(madpo_file_write(deep, "x", 1, &err), MADPO_ERR_IO);
    expect_error(&err, MADPO_ERR_IO, "No such file or directory");
    madpo_error_clear(&err);
    assert_int_equal(madpo_file_write(dir, "x", 1, &err), MADPO_ERR_IO);
    expect_error(&err, MADPO_ERR_IO, "Is a directory");
    umask(mask);
    free(path);
    free(deep);
}

static void test_disk_full(void **state)
{
    static char big[100000];
    madpo_error err = MADPO_ERROR_INIT;
    char *path = tmp_file(dir, "kept", "old");
    struct rlimit before, small;

    (void)state;
    assert_int_equal(madpo_file_write("/dev/full", "x", 1, &err), MADPO_ERR_IO);
    expect_error(&err, MADPO_ERR_IO, "cannot write /dev/full: No space left on device; free some");

    /* a file that may not grow further: a short write first, then the refusal */
    madpo_error_clear(&err);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 5000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(madpo_file_write(path, big, sizeof big, &err), MADPO_ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    expect_error(&err, MADPO_ERR_IO, "kept: File too large");
    expect_content(path, "old", 3);
    assert_int_equal(count_entries(), 1);
    free(path);
}

static void test_write_to_a_pipe_or_device(void **state)
{
    struct stat info;

    (void)state;
    assert_int_equal(madpo_file_write("/dev/null", "x", 1, NULL), MADPO_OK);
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode)); /* written to, not replaced */
}

static void test_folders(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *deep = tmp_path(dir, "a/b//c/"), *top = tmp_path(dir, "a"), *file, *below;
    char *outside = tmp_file(dir, "outside", "safe"), *link = tmp_path(dir, "a/b/link");

    (void)state;
    assert_int_equal(madpo_dir_make(deep, &err), MADPO_OK);
    assert_int_equal(madpo_dir_make(deep, &err), MADPO_OK);
    assert_true(madpo_dir_exists(deep));
    assert_int_equal(symlink(outside, link), 0);
    file = tmp_file(dir, "a/b/c/file", "text");
    assert_false(madpo_dir_exists(file));
    below = tmp_path(file, "d");
    assert_int_equal(madpo_dir_make(below, &err), MADPO_ERR_IO);
    expect_error(&err, MADPO_ERR_IO, "cannot create folder");
    madpo_error_clear(&err);
    assert_int_equal(madpo_dir_remove(top, &err), MADPO_OK);
    assert_false(madpo_file_exists(top));
    assert_int_equal(madpo_dir_remove(top, &err), MADPO_OK);
    expect_content(outside, "safe", 4);
    assert_int_equal(madpo_dir_make("", &err), MADPO_ERR_IO);
    free(deep);
    free(top);
    free(file);
    free(below);
    free(outside);
    free(link);
}

static void test_paths(void **state)
{
    static const char *const join[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"},
                                          {"a", "/b", "/b"}, {"/", "b", "/b"},   {"a", "", "a/"}};
    static const char *const parent[][2] = {{"a/b", "a"}, {"b", "."},    {"/b", "/"},
                                            {"/", "/"},   {"a/b/", "a"}, {"a//b", "a"},
                                            {"", "."},    {"/a/b", "/a"}};
    char *got;

    (void)state;
    for (size_t i = 0; i < sizeof join / sizeof join[0]; i++) {
        assert_int_equal(madpo_path_join(&got, join[i][0], join[i][1], NULL), MADPO_OK);
        assert_string_equal(got, join[i][2]);
        free(got);
    }
    for (size_t i = 0; i < sizeof parent / sizeof parent[0]; i++) {
        assert_int_equal(madpo_path_parent(&got, parent[i][0], NULL), MADPO_OK);
        assert_string_equal(got, parent[i][1]);
        free(got);
    }
}

static void test_cache_dir(void **state)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *blocked = tmp_file(dir, "blocked", ""), *want = tmp_path(dir, ".cache/madpo"), *got;
    struct stat info;

    (void)state;
    setenv("XDG_CACHE_HOME", "relative/is/ignored", 1);
    setenv("HOME", dir, 1);
    assert_int_equal(madpo_cache_dir(&got, &err), MADPO_OK);
    assert_string_equal(got, want);
    assert_int_equal(stat(got, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    free(got);
    setenv("XDG_CACHE_HOME", blocked, 1);
    assert_int_equal(madpo_cache_dir(&got, &err), MADPO_ERR_IO);
    assert_null(got);
    expect_error(&err, MADPO_ERR_IO, "blocked");
    madpo_error_clear(&err);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    assert_int_equal(madpo_cache_dir(&got, &err), MADPO_ERR_IO);
    expect_error(&err, MADPO_ERR_IO, "set XDG_CACHE_HOME or HOME");
    free(blocked);
    free(want);
}

static void test_digest(void **state)
{
    char *path = tmp_file(dir, "abc", "abc"), *missing = tmp_path(dir, "none");
    char hex[MADPO_DIGEST_HEX], other[MADPO_DIGEST_HEX];
    madpo_error err = MADPO_ERROR_INIT;
    madpo_digest *digest;

    (void)state;
    /* as xxhsum -H2 prints them */
    madpo_digest_bytes("", 0, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    madpo_digest_bytes("abc", 3, hex);
    assert_string_equal(hex, "06b05ab6733a618578af5f94892f3950");
    assert_int_equal(madpo_digest_new(&digest, &err), MADPO_OK);
    madpo_digest_update(digest, "a", 1);
    madpo_digest_update(digest, NULL, 0);
    madpo_digest_update(digest, "bc", 2);
    madpo_digest_hex(digest, other);
    assert_string_equal(hex, other);
    madpo_digest_update(digest, "d", 1);
    madpo_digest_hex(digest, other);
    assert_string_not_equal(hex, other);
    madpo_digest_free(digest);
    assert_int_equal(madpo_digest_file(path, other, &err), MADPO_OK);
    assert_string_equal(hex, other);
    assert_int_equal(madpo_digest_file(missing, other, &err), MADPO_ERR_IO);
    assert_string_equal(other, "");
    expect_error(&err, MADPO_ERR_IO, "none: No such file");
    free(path);
    free(missing);
}

static void test_clock(void **state)
{
    double a = madpo_clock_monotonic(), b = madpo_clock_monotonic();

    (void)state;
    assert_true(b >= a);
    assert_true(madpo_clock_wall() > 1.7e9);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(test_read_plain_and_empty),
        FILE_TEST(test_read_gz),
        FILE_TEST(test_read_what_is_not_there),
        FILE_TEST(test_write_is_all_or_nothing),
        FILE_TEST(test_disk_full),
        FILE_TEST(test_write_to_a_pipe_or_device),
        FILE_TEST(test_folders),
        FILE_TEST(test_paths),
        FILE_TEST(test_cache_dir),
        FILE_TEST(test_digest),
        FILE_TEST(test_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
