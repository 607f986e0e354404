/* Reading lines of a growing file; see follow.h. */
#include "run/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "run/lines.h"

enum { FOLLOW_PIECE = 1 << 18 };

struct madpo_follow {
    char *path;
    int fd;       /* -1 until the file exists */
    char *buffer; /* [capacity] bytes read but not handed out: [start, used) */
    size_t start, used, capacity;
    size_t scanned;  /* no newline in [start, scanned) */
    int64_t offset;  /* in the file, of buffer[used] */
    int64_t line_at; /* in the file, of the line last returned */
    int64_t n_too_long;
    bool skipping; /* until the next newline: a line too long, or the first part of a tail */
};

madpo_status madpo_follow_open(madpo_follow **out, const char *dir, const char *name,
                               madpo_error *err)
{
    madpo_follow *follow = calloc(1, sizeof *follow);

    *out = NULL;
    if (follow)
        follow->path = madpo__strf("%s/%s", dir, name);
    if (!follow || !follow->path) {
        free(follow);
        return madpo_error_set(err, MADPO_ERR_NOMEM, "reader of %s/%s", dir, name);
    }
    follow->fd = -1;
    *out = follow;
    return MADPO_OK;
}

void madpo_follow_close(madpo_follow *follow)
{
    if (!follow)
        return;
    if (follow->fd >= 0)
        close(follow->fd);
    free(follow->buffer);
    free(follow->path);
    free(follow);
}

static madpo_status follow_open_file(madpo_follow *follow, madpo_error *err)
{
    if (follow->fd >= 0)
        return MADPO_OK;
    follow->fd = open(follow->path, O_RDONLY | O_CLOEXEC);
    if (follow->fd < 0 && errno != ENOENT)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", follow->path);
    return MADPO_OK;
}

int64_t madpo_follow_size(const madpo_follow *follow)
{
    struct stat info;

    if (follow->fd >= 0 ? fstat(follow->fd, &info) != 0 : stat(follow->path, &info) != 0)
        return 0;
    return (int64_t)info.st_size;
}

int64_t madpo_follow_line_offset(const madpo_follow *follow)
{
    return follow->line_at;
}

int64_t madpo_follow_position(const madpo_follow *follow)
{
    return follow->offset - (int64_t)(follow->used - follow->start);
}

int64_t madpo_follow_too_long(const madpo_follow *follow)
{
    return follow->n_too_long;
}

/* The writer cut its half line off: what stands in the buffer of it is no part of the file now. */
static void follow_check_cut(madpo_follow *follow)
{
    if (madpo_follow_size(follow) >= follow->offset)
        return;
    follow->offset -= (int64_t)(follow->used - follow->start);
    follow->used = follow->scanned = follow->start;
}

/* Make room behind the bytes that wait, moving them to the front. */
static madpo_status follow_make_room(madpo_follow *follow, madpo_error *err)
{
    if (follow->start > 0) {
        memmove(follow->buffer, follow->buffer + follow->start, follow->used - follow->start);
        follow->used -= follow->start;
        follow->scanned -= follow->start;
        follow->start = 0;
    }
    if (follow->used > MADPO_FOLLOW_LONGEST) {
        follow->n_too_long += !follow->skipping;
        follow->skipping = true;
    }
    if (follow->skipping)
        follow->used = follow->scanned = 0;
    if (follow->capacity - follow->used < FOLLOW_PIECE) {
        size_t capacity = follow->capacity * 2 + FOLLOW_PIECE;
        char *grown = realloc(follow->buffer, capacity);

        if (!grown)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "lines of %s", follow->path);
        follow->buffer = grown;
        follow->capacity = capacity;
    }
    return MADPO_OK;
}

/* Read what comes next. *n = bytes new. */
static madpo_status follow_fill(madpo_follow *follow, size_t *n, madpo_error *err)
{
    ssize_t got;

    *n = 0;
    follow_check_cut(follow);
    if (follow_make_room(follow, err) != MADPO_OK)
        return MADPO_ERR_NOMEM;
    do
        got = pread(follow->fd, follow->buffer + follow->used, FOLLOW_PIECE, (off_t)follow->offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", follow->path);
    follow->used += (size_t)got;
    follow->offset += got;
    *n = (size_t)got;
    return MADPO_OK;
}

/* Take the next whole line out of the buffer: NULL if there is none. */
static const char *follow_take(madpo_follow *follow, size_t *n)
{
    while (follow->used > follow->scanned) {
        char *line = follow->buffer + follow->start;
        char *newline =
            memchr(follow->buffer + follow->scanned, '\n', follow->used - follow->scanned);

        if (!newline)
            break;
        *n = (size_t)(newline - line);
        follow->line_at = follow->offset - (int64_t)(follow->used - follow->start);
        follow->start += *n + 1;
        follow->scanned = follow->start;
        if (!follow->skipping)
            return line;
        follow->skipping = false;
    }
    follow->scanned = follow->used;
    return NULL;
}

madpo_status madpo_follow_next(madpo_follow *follow, const char **line, size_t *n, madpo_error *err)
{
    madpo_status st = follow_open_file(follow, err);

    *line = NULL;
    while (st == MADPO_OK && follow->fd >= 0) {
        size_t n_new = 0;

        *line = follow_take(follow, n);
        if (*line)
            break;
        st = follow_fill(follow, &n_new, err);
        if (n_new == 0)
            break; /* end of the file for now */
    }
    return st;
}

madpo_status madpo_follow_seek_tail(madpo_follow *follow, int64_t bytes, madpo_error *err)
{
    madpo_status st = follow_open_file(follow, err);
    int64_t size = madpo_follow_size(follow);

    follow->start = follow->used = follow->scanned = 0;
    /* one byte more: the newline before a line that begins exactly there */
    follow->offset = size > bytes ? size - bytes - 1 : 0;
    follow->skipping = follow->offset > 0;
    return st;
}

madpo_status madpo_follow_read_at(const madpo_follow *follow, int64_t offset, size_t n, char **out,
                                  madpo_error *err)
{
    size_t done = 0;
    char *text = malloc(n + 1);

    *out = NULL;
    if (!text)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "a line of %s", follow->path);
    while (follow->fd >= 0 && done < n) {
        ssize_t got = pread(follow->fd, text + done, n - done, (off_t)(offset + (int64_t)done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    if (done < n) {
        free(text);
        return madpo_error_set(err, MADPO_ERR_IO, "cannot read %s at byte %lld", follow->path,
                               (long long)offset);
    }
    text[n] = '\0';
    *out = text;
    return MADPO_OK;
}
