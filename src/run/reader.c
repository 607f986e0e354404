/* Reading a run directory; see reader.h. */
#include "run/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "run/private.h"

enum { READER_PIECE = 1 << 16 };

struct madpo_run_reader {
    char *dir;
    json_t *manifest;
    int fd;       /* events.jsonl, -1 until it exists */
    char *buffer; /* [capacity] bytes read but not handed out: [start, used) */
    size_t start, used, capacity;
    size_t scanned; /* no newline in [start, scanned) */
    int64_t n_bad;
};

madpo_status madpo_run_reader_open(madpo_run_reader **out, const char *dir, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    madpo_run_reader *reader = calloc(1, sizeof *reader);
    char *path = madpo__strf("%s/run.json", dir);

    *out = NULL;
    if (reader) {
        reader->fd = -1;
        reader->dir = madpo__strf("%s", dir);
    }
    if (!reader || !reader->dir || !path)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "reader of %s", dir);
    else if (!madpo_file_exists(path))
        st = madpo_error_set(err, MADPO_ERR_IO, "%s holds no run: there is no run.json in it", dir);
    if (st == MADPO_OK)
        st = madpo_json_load(&reader->manifest, path, err);
    if (st == MADPO_OK &&
        json_integer_value(json_object_get(reader->manifest, "v")) != MADPO_RUN_FORMAT)
        st = madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                             "%s is not in format %d; read it with the madpo that wrote it", path,
                             MADPO_RUN_FORMAT);
    if (st == MADPO_OK)
        *out = reader;
    else
        madpo_run_reader_close(reader);
    free(path);
    return st;
}

void madpo_run_reader_close(madpo_run_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    json_decref(reader->manifest);
    free(reader->buffer);
    free(reader->dir);
    free(reader);
}

const char *madpo_run_reader_dir(const madpo_run_reader *reader)
{
    return reader->dir;
}

const json_t *madpo_run_reader_manifest(const madpo_run_reader *reader)
{
    return reader->manifest;
}

madpo_status madpo_run_reader_state(const madpo_run_reader *reader, json_t **out, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char *path = madpo__strf("%s/state.json", reader->dir);

    *out = NULL;
    if (!path)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "reader of %s", reader->dir);
    if (madpo_file_exists(path))
        st = madpo_json_load(out, path, err);
    free(path);
    return st;
}

/* ---- events ---- */

static madpo_status reader_open_events(madpo_run_reader *reader, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char *path = madpo__strf("%s/events.jsonl", reader->dir);

    if (!path)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "reader of %s", reader->dir);
    reader->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0 && errno != ENOENT)
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", path);
    free(path);
    return st;
}

/* Read what the file has gained. *n = bytes new. */
static madpo_status reader_fill(madpo_run_reader *reader, size_t *n, madpo_error *err)
{
    ssize_t got;

    *n = 0;
    if (reader->start > 0) {
        memmove(reader->buffer, reader->buffer + reader->start, reader->used - reader->start);
        reader->used -= reader->start;
        reader->scanned -= reader->start;
        reader->start = 0;
    }
    if (reader->capacity - reader->used < READER_PIECE) {
        size_t capacity = reader->capacity * 2 + READER_PIECE;
        char *grown = realloc(reader->buffer, capacity);

        if (!grown)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "events of %s", reader->dir);
        reader->buffer = grown;
        reader->capacity = capacity;
    }
    do
        got = read(reader->fd, reader->buffer + reader->used, READER_PIECE);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s/events.jsonl",
                                 reader->dir);
    reader->used += (size_t)got;
    *n = (size_t)got;
    return MADPO_OK;
}

/* Take the next whole line out of the buffer: NULL if there is none. */
static const char *reader_take_line(madpo_run_reader *reader, size_t *n)
{
    char *line = reader->buffer ? reader->buffer + reader->start : NULL;
    char *newline = reader->used > reader->scanned ? memchr(reader->buffer + reader->scanned, '\n',
                                                            reader->used - reader->scanned)
                                                   : NULL;

    if (!newline) {
        reader->scanned = reader->used;
        return NULL;
    }
    *n = (size_t)(newline - line);
    reader->start += *n + 1;
    reader->scanned = reader->start;
    return line;
}

madpo_status madpo_run_reader_next(madpo_run_reader *reader, json_t **out, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    *out = NULL;
    if (reader->fd < 0)
        st = reader_open_events(reader, err);
    while (st == MADPO_OK && reader->fd >= 0) {
        size_t n = 0;
        const char *line = reader_take_line(reader, &n);

        if (!line) {
            st = reader_fill(reader, &n, err);
            if (n == 0)
                break; /* end of the file for now */
            continue;
        }
        *out = json_loadb(line, n, 0, NULL);
        if (json_is_object(*out))
            break;
        json_decref(*out);
        *out = NULL;
        reader->n_bad++;
    }
    return st;
}

int64_t madpo_run_reader_bad_lines(const madpo_run_reader *reader)
{
    return reader->n_bad;
}

bool madpo_run_reader_is_live(const madpo_run_reader *reader, long *pid)
{
    char owner[32];
    ssize_t n = 0;
    bool live = false;
    char *path = madpo__strf("%s/run.lock", reader->dir);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    *pid = 0;
    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        live = true;
        n = pread(fd, owner, sizeof owner - 1, 0);
        owner[n > 0 ? n : 0] = '\0';
        *pid = strtol(owner, NULL, 10);
    }
    if (fd >= 0)
        close(fd);
    free(path);
    return live;
}

/* ---- finding ---- */

/* Time of the last event of the run in parent/name, or false if there is no run. */
static bool reader_run_time(const char *parent, const char *name, struct timespec *when)
{
    struct stat manifest, events;
    char *a = madpo__strf("%s/%s/run.json", parent, name);
    char *b = madpo__strf("%s/%s/events.jsonl", parent, name);
    bool found = a && b && stat(a, &manifest) == 0;

    if (found)
        *when = stat(b, &events) == 0 ? events.st_mtim : manifest.st_mtim;
    free(a);
    free(b);
    return found;
}

static bool reader_is_later(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

madpo_status madpo_run_find_latest(char **out, const char *parent, madpo_error *err)
{
    struct timespec newest = {0, 0}, when;
    const struct dirent *entry;
    madpo_status st = MADPO_OK;
    DIR *folder = opendir(parent);

    *out = NULL;
    if (!folder)
        return errno == ENOENT
                   ? MADPO_OK
                   : madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", parent);
    while (st == MADPO_OK && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.' || !reader_run_time(parent, entry->d_name, &when) ||
            (*out && !reader_is_later(when, newest)))
            continue;
        free(*out);
        *out = madpo__strf("%s/%s", parent, entry->d_name);
        newest = when;
        if (!*out)
            st = madpo_error_set(err, MADPO_ERR_NOMEM, "name of a run in %s", parent);
    }
    closedir(folder);
    return st;
}
