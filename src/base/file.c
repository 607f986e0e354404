/* Reading whole files and replacing them atomically. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/error.h"

#define FILE_PIECE ((size_t)1 << 16)

/* ---- reading ---- */

static madpo_status file_gz_error(gzFile gz, const char *path, madpo_error *err)
{
    int code;
    const char *text = gzerror(gz, &code);

    if (code == Z_ERRNO)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", path);
    if (code == Z_MEM_ERROR)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", path);
    return madpo_error_set_at(err, MADPO_ERR_DATA, path, 0, 0,
                              "damaged gzip file (%s); fetch or pack it again", text);
}

/* zlib hands plain files through unchanged, so there is one way for both. */
static madpo_status file_gz_read_all(gzFile gz, char **out, size_t *n, const char *path,
                                     madpo_error *err)
{
    size_t capacity = FILE_PIECE, used = 0;
    char *bytes = malloc(capacity);

    while (bytes) {
        size_t room = capacity - used - 1;
        int got = gzread(gz, bytes + used, room < INT_MAX ? (unsigned)room : (unsigned)INT_MAX);
        char *more;

        if (got < 0) {
            free(bytes);
            return file_gz_error(gz, path, err);
        }
        used += (size_t)got;
        if (got == 0) {
            bytes[used] = '\0';
            *out = bytes;
            *n = used;
            return MADPO_OK;
        }
        if (capacity - used > 1)
            continue;
        more = capacity <= SIZE_MAX / 2 ? realloc(bytes, capacity * 2) : NULL;
        if (!more)
            break;
        bytes = more;
        capacity *= 2;
    }
    free(bytes);
    return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s (%zu bytes so far)",
                           path, used);
}

madpo_status madpo_file_read(char **out, size_t *n, const char *path, madpo_error *err)
{
    madpo_status st;
    struct stat info;
    gzFile gz;
    int fd, rc;

    *out = NULL;
    *n = 0;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot open %s", path);
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        close(fd);
        return madpo_error_set(err, MADPO_ERR_IO, "cannot read %s: it is a folder, not a file",
                               path);
    }
    gz = gzdopen(fd, "rb");
    if (!gz) {
        close(fd);
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", path);
    }
    st = file_gz_read_all(gz, out, n, path, err);
    rc = gzclose_r(gz);
    /* a gzip stream that stops in its middle is told only here */
    if (st == MADPO_OK && rc == Z_BUF_ERROR)
        st = madpo_error_set_at(err, MADPO_ERR_DATA, path, 0, 0,
                                "gzip file ends too early; fetch or pack it again");
    if (st != MADPO_OK) {
        free(*out);
        *out = NULL;
        *n = 0;
    }
    return st;
}

/* ---- writing ---- */

struct madpo_file_writer {
    char *path;
    char *temporary; /* NULL: writing to path itself, which is no regular file */
    int fd;
};

/* Name and open the temporary file. The mode is 0666 less the umask, as for any new file (mkstemp's
 * 0600 would surprise whoever shares a run). */
static int file_open_temporary(madpo_file_writer *writer)
{
    size_t size = strlen(writer->path) + 64;

    writer->temporary = malloc(size);
    if (!writer->temporary) {
        errno = ENOMEM;
        return -1;
    }
    for (unsigned i = 0; i < 1000; i++) {
        int fd;

        snprintf(writer->temporary, size, "%s.tmp-%ld-%u", writer->path, (long)getpid(), i);
        fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    errno = EEXIST;
    return -1;
}

madpo_status madpo_file_writer_open(madpo_file_writer **out, const char *path, madpo_error *err)
{
    madpo_file_writer *writer = calloc(1, sizeof *writer);
    struct stat info;
    int saved;

    *out = NULL;
    /* the new file is renamed into place: into that of a link's target, not of the link */
    if (writer)
        writer->path = realpath(path, NULL);
    if (writer && !writer->path)
        writer->path = strdup(path);
    if (!writer || !writer->path) {
        free(writer);
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory writing %s", path);
    }
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        errno = EISDIR;
        writer->fd = -1;
    } else if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        writer->fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        writer->fd = file_open_temporary(writer);
    }
    if (writer->fd >= 0) {
        *out = writer;
        return MADPO_OK;
    }
    saved = errno;
    free(writer->temporary);
    free(writer->path);
    free(writer);
    return madpo_error_errno(err, saved == ENOMEM ? MADPO_ERR_NOMEM : MADPO_ERR_IO, saved,
                             "cannot write %s", path);
}

madpo_status madpo_file_writer_write(madpo_file_writer *writer, const void *bytes, size_t n,
                                     madpo_error *err)
{
    const char *from = bytes;

    while (n > 0) {
        /* some systems refuse more than 2 GiB at once */
        ssize_t done = write(writer->fd, from, n < (size_t)1 << 30 ? n : (size_t)1 << 30);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot write %s", writer->path);
        from += done;
        n -= (size_t)done;
    }
    return MADPO_OK;
}

static madpo_status file_sync_parent(const char *path, madpo_error *err)
{
    char *parent;
    madpo_status st = madpo_path_parent(&parent, path, err);

    if (st == MADPO_OK)
        st = madpo_dir_sync(parent, err);
    free(parent);
    return st;
}

madpo_status madpo_file_writer_commit(madpo_file_writer *writer, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    bool renamed = false;

    /* pipes and terminals cannot be synced and say EINVAL or EROFS: nothing to report */
    if (writer->temporary && fsync(writer->fd) != 0)
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot write %s", writer->path);
    if (close(writer->fd) != 0 && st == MADPO_OK)
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot write %s", writer->path);
    writer->fd = -1;
    if (st == MADPO_OK && writer->temporary) {
        if (rename(writer->temporary, writer->path) != 0) {
            st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot write %s", writer->path);
        } else {
            renamed = true;
            st = file_sync_parent(writer->path, err);
        }
    }
    if (renamed) {
        free(writer->temporary);
        writer->temporary = NULL;
    }
    madpo_file_writer_abort(writer);
    return st;
}

void madpo_file_writer_abort(madpo_file_writer *writer)
{
    if (!writer)
        return;
    if (writer->fd >= 0)
        close(writer->fd);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    free(writer);
}

madpo_status madpo_file_write(const char *path, const void *bytes, size_t n, madpo_error *err)
{
    madpo_file_writer *writer;
    madpo_status st = madpo_file_writer_open(&writer, path, err);

    if (st != MADPO_OK)
        return st;
    st = madpo_file_writer_write(writer, bytes, n, err);
    if (st != MADPO_OK) {
        madpo_file_writer_abort(writer);
        return st;
    }
    return madpo_file_writer_commit(writer, err);
}
