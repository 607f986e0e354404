/* Files of whole lines; see lines.h. */
#include "run/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

char *madpo__vstrf(const char *fmt, va_list ap)
{
    va_list again;
    char *s = NULL;
    int n;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    if (n >= 0)
        s = malloc((size_t)n + 1);
    if (s)
        vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    return s;
}

char *madpo__strf(const char *fmt, ...)
{
    va_list ap;
    char *s;

    va_start(ap, fmt);
    s = madpo__vstrf(fmt, ap);
    va_end(ap);
    return s;
}

madpo_status madpo__write_error(madpo_error *err, int errno_value, const char *path)
{
    if (errno_value == ENOSPC || errno_value == EDQUOT || errno_value == EFBIG)
        return madpo_error_set(
            err, MADPO_ERR_IO,
            "cannot write %s: disk full (%s); free space and run again with --resume", path,
            strerror(errno_value));
    return madpo_error_set(err, MADPO_ERR_IO, "cannot write %s: %s", path, strerror(errno_value));
}

/* Find the end of the last whole line, or of line number `keep`, and count the lines before it. */
static madpo_status lines_measure(madpo__lines *lines, int64_t keep, madpo_error *err)
{
    char buffer[16384]; /* read window, no limit on line length */
    off_t at = 0;

    for (;;) {
        ssize_t got = pread(lines->fd, buffer, sizeof buffer, at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return madpo_error_set(err, MADPO_ERR_IO, "cannot read %s: %s", lines->path,
                                   strerror(errno));
        if (got == 0)
            return MADPO_OK;
        for (ssize_t i = 0; i < got; i++) {
            if (keep >= 0 && lines->n == keep)
                return MADPO_OK;
            if (buffer[i] == '\n') {
                lines->size = at + i + 1;
                lines->n++;
            }
        }
        at += got;
    }
}

madpo_status madpo__lines_open(madpo__lines *lines, const char *path, int64_t keep,
                               madpo_error *err)
{
    madpo_status st;
    struct stat info;

    *lines = (madpo__lines){.fd = -1};
    lines->path = madpo__strf("%s", path);
    if (!lines->path)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "file name %s", path);
    lines->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (lines->fd < 0) {
        st = madpo__write_error(err, errno, path);
        goto failed;
    }
    st = lines_measure(lines, keep, err);
    if (st == MADPO_OK && keep >= 0 && lines->n < keep)
        st = madpo_error_set(
            err, MADPO_ERR_DATA,
            "%s holds %lld lines where %lld are expected; restore the file, or start a new "
            "run with another --run",
            path, (long long)lines->n, (long long)keep);
    if (st == MADPO_OK && fstat(lines->fd, &info) == 0 && info.st_size > lines->size &&
        ftruncate(lines->fd, lines->size) != 0)
        st = madpo__write_error(err, errno, path);
    if (st == MADPO_OK)
        return MADPO_OK;
failed:
    madpo__lines_close(lines);
    return st;
}

madpo_status madpo__lines_append(madpo__lines *lines, const char *text, size_t n, madpo_error *err)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = write(lines->fd, text + done, n - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int reason = errno;

            /* take back the part that fitted; shrinking needs no space */
            if (done > 0 && ftruncate(lines->fd, lines->size) != 0)
                return madpo_error_set(err, MADPO_ERR_IO, "cannot cut %s back to whole lines: %s",
                                       lines->path, strerror(errno));
            return madpo__write_error(err, reason, lines->path);
        }
        done += (size_t)got; /* a short write: the next one says why, or completes the line */
    }
    lines->size += (off_t)n;
    lines->n++;
    return MADPO_OK;
}

madpo_status madpo__lines_sync(madpo__lines *lines, madpo_error *err)
{
    /* EINVAL, EROFS: something that is no file on a disk, such as /dev/full in a test */
    if (lines->fd >= 0 && fsync(lines->fd) != 0 && errno != EINVAL)
        return madpo__write_error(err, errno, lines->path);
    return MADPO_OK;
}

void madpo__lines_close(madpo__lines *lines)
{
    if (lines->fd >= 0)
        close(lines->fd);
    free(lines->path);
    *lines = (madpo__lines){.fd = -1};
}
