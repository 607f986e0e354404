/* Folders and paths; declared in base/file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/strbuf.h"

#define DIR_OPEN_FILES 16 /* descriptors nftw may hold at once */

bool madpo_file_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

bool madpo_dir_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Create one folder; `path` is what the user asked for in the end. */
static madpo_status dir_make_one(const char *part, mode_t mode, const char *path, madpo_error *err)
{
    if (mkdir(part, mode) == 0 || (errno == EEXIST && madpo_dir_exists(part)))
        return MADPO_OK;
    if (strcmp(part, path) == 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot create folder %s", path);
    return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot create folder %s (for %s)", part,
                             path);
}

static madpo_status dir_make_mode(const char *path, mode_t mode, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char *part = strdup(path);

    if (!part)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory creating %s", path);
    for (char *slash = part[0] ? strchr(part + 1, '/') : NULL; slash && st == MADPO_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        st = dir_make_one(part, mode, path, err);
        *slash = '/';
    }
    if (st == MADPO_OK)
        st = dir_make_one(part, mode, path, err);
    free(part);
    return st;
}

madpo_status madpo_dir_make(const char *path, madpo_error *err)
{
    return dir_make_mode(path, 0777, err);
}

static int dir_remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

madpo_status madpo_dir_remove(const char *path, madpo_error *err)
{
    if (nftw(path, dir_remove_entry, DIR_OPEN_FILES, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot remove folder %s", path);
    return MADPO_OK;
}

madpo_status madpo_dir_sync(const char *path, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        /* a folder one may write to but not list cannot be opened for this: not the caller's
         * trouble */
        if (errno == EACCES)
            return MADPO_OK;
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot sync folder %s", path);
    }
    /* file systems that cannot sync a folder say EINVAL */
    if (fsync(fd) != 0 && errno != EINVAL)
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot sync folder %s", path);
    close(fd);
    return st;
}

madpo_status madpo_path_join(char **out, const char *a, const char *b, madpo_error *err)
{
    madpo_strbuf joined = {0};
    size_t n = strlen(a);

    if (b[0] != '/' && n > 0) {
        madpo_strbuf_append_n(&joined, a, n);
        if (a[n - 1] != '/')
            madpo_strbuf_append_char(&joined, '/');
    }
    madpo_strbuf_append(&joined, b);
    return madpo_strbuf_steal(&joined, out, NULL, err);
}

madpo_status madpo_path_parent(char **out, const char *path, madpo_error *err)
{
    madpo_strbuf parent = {0};
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/') /* "a/b/" names b as well */
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n > 0)
        madpo_strbuf_append_n(&parent, path, n);
    else
        madpo_strbuf_append(&parent, ".");
    return madpo_strbuf_steal(&parent, out, NULL, err);
}

madpo_status madpo_cache_dir(char **out, madpo_error *err)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    madpo_strbuf dir = {0};
    madpo_status st;

    *out = NULL;
    /* the XDG base directory rules ignore relative values */
    if (xdg && xdg[0] == '/')
        madpo_strbuf_printf(&dir, "%s/madpo", xdg);
    else if (home && home[0] == '/')
        madpo_strbuf_printf(&dir, "%s/.cache/madpo", home);
    else
        return madpo_error_set(err, MADPO_ERR_IO,
                               "no cache folder: set XDG_CACHE_HOME or HOME to an absolute path");
    st = madpo_strbuf_steal(&dir, out, NULL, err);
    if (st == MADPO_OK)
        st = dir_make_mode(*out, 0700, err);
    if (st == MADPO_OK && access(*out, W_OK | X_OK) != 0)
        st = madpo_error_errno(err, MADPO_ERR_IO, errno,
                               "cannot write to the cache folder %s (XDG_CACHE_HOME moves it)",
                               *out);
    if (st != MADPO_OK) {
        free(*out);
        *out = NULL;
    }
    return st;
}
