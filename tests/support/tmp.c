/* Folders for tests. Plain stdio, so that the tests of base/file.h do not stand on themselves. */
#include "tests/support/tmp.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

char *tmp_new(void)
{
    const char *root = getenv("TMPDIR");
    char *dir = tmp_path(root && root[0] ? root : "/tmp", "madpo-test-XXXXXX");

    if (!mkdtemp(dir))
        fail_msg("no temporary folder %s", dir);
    return dir;
}

static int tmp_remove(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

void tmp_free(char *dir)
{
    if (nftw(dir, tmp_remove, 16, FTW_DEPTH | FTW_PHYS) != 0)
        fail_msg("cannot remove %s", dir);
    free(dir);
}

char *tmp_path(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 2;
    char *path = malloc(size);

    assert_non_null(path);
    snprintf(path, size, "%s/%s", dir, name);
    return path;
}

char *tmp_file(const char *dir, const char *name, const char *text)
{
    char *path = tmp_path(dir, name);
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return path;
}

void tmp_append(const char *dir, const char *name, const char *text)
{
    char *path = tmp_path(dir, name);
    FILE *file = fopen(path, "ab");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(path);
}
