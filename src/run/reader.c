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
#include "run/follow.h"
#include "run/private.h"

struct madpo_run_reader {
    char *dir;
    json_t *manifest;
    madpo_follow *events;
    int64_t n_bad;
};

/* A folder in dir/inside that holds a run, as "DIR/INSIDE/NAME": the first that goes on, else the
 * first; NULL without one. */
static char *reader_run_in(const char *dir, const char *inside)
{
    char *parent = madpo__strf("%s%s%s", dir, *inside ? "/" : "", inside), *found = NULL;
    struct dirent **entry = NULL;
    int n = parent ? scandir(parent, &entry, NULL, alphasort) : -1;
    bool live = false;
    long pid;

    for (int i = 0; i < n; i++) {
        bool wanted = !live && entry[i]->d_name[0] != '.';
        char *run = wanted ? madpo__strf("%s/%s", parent, entry[i]->d_name) : NULL;
        char *path = run ? madpo__strf("%s/run.json", run) : NULL;
        char *lock = run ? madpo__strf("%s/run.lock", run) : NULL;

        if (path && lock && madpo_file_exists(path)) {
            live = madpo_lock_is_held(lock, &pid);
            if (live || !found) {
                free(found);
                found = run;
                run = NULL;
            }
        }
        free(run);
        free(path);
        free(lock);
        free(entry[i]);
    }
    free(entry);
    free(parent);
    return found;
}

/* There is no run.json in dir: say what there is instead. */
static madpo_status reader_no_run(const char *dir, madpo_error *err)
{
    char *run = NULL;
    struct stat st;

    if (stat(dir, &st) != 0)
        return *dir ? madpo_error_errno(err, MADPO_ERR_IO, errno, "%s holds no run", dir)
                    : madpo_error_set(err, MADPO_ERR_IO, "the name of the run's folder is empty");
    if (!S_ISDIR(st.st_mode))
        return madpo_error_set(err, MADPO_ERR_IO, "%s holds no run: it is a file, not a folder",
                               dir);
    if (access(dir, X_OK) != 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "%s holds no run that can be read", dir);
    if ((run = reader_run_in(dir, "cells")) != NULL || (run = reader_run_in(dir, "shared")) != NULL)
        madpo_error_set(err, MADPO_ERR_IO,
                        "%s holds an experiment, not a run; name one of its runs, as in %s", dir,
                        run);
    else if ((run = reader_run_in(dir, "")) != NULL)
        madpo_error_set(err, MADPO_ERR_IO, "%s holds folders of runs; name one of them, as in %s",
                        dir, run);
    else
        madpo_error_set(err, MADPO_ERR_IO, "%s holds no run: there is no run.json in it", dir);
    free(run);
    return MADPO_ERR_IO;
}

madpo_status madpo_run_reader_open(madpo_run_reader **out, const char *dir, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    madpo_run_reader *reader = calloc(1, sizeof *reader);
    char *path = madpo__strf("%s/run.json", dir);

    *out = NULL;
    if (reader)
        reader->dir = madpo__strf("%s", dir);
    if (!reader || !reader->dir || !path)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "reader of %s", dir);
    else if (!madpo_file_exists(path))
        st = reader_no_run(dir, err);
    if (st == MADPO_OK)
        st = madpo_json_load(&reader->manifest, path, err);
    if (st == MADPO_OK &&
        json_integer_value(json_object_get(reader->manifest, "v")) != MADPO_RUN_FORMAT)
        st = madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                             "%s is not in format %d; read it with the madpo that wrote it", path,
                             MADPO_RUN_FORMAT);
    if (st == MADPO_OK)
        st = madpo_follow_open(&reader->events, dir, "events.jsonl", err);
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
    madpo_follow_close(reader->events);
    json_decref(reader->manifest);
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

madpo_status madpo_run_reader_next_line(madpo_run_reader *reader, const char **line, size_t *n,
                                        madpo_error *err)
{
    return madpo_follow_next(reader->events, line, n, err);
}

madpo_status madpo_run_reader_next(madpo_run_reader *reader, json_t **out, madpo_error *err)
{
    const char *line = NULL;
    size_t n = 0;
    madpo_status st;

    *out = NULL;
    while ((st = madpo_follow_next(reader->events, &line, &n, err)) == MADPO_OK && line) {
        *out = json_loadb(line, n, 0, NULL);
        if (json_is_object(*out))
            break;
        json_decref(*out);
        *out = NULL;
        reader->n_bad++;
    }
    return st;
}

madpo_status madpo_run_reader_seek_tail(madpo_run_reader *reader, int64_t bytes, madpo_error *err)
{
    return madpo_follow_seek_tail(reader->events, bytes, err);
}

void madpo_run_reader_position(const madpo_run_reader *reader, int64_t *done, int64_t *total)
{
    *done = madpo_follow_position(reader->events);
    *total = madpo_follow_size(reader->events);
}

int64_t madpo_run_reader_bad_lines(const madpo_run_reader *reader)
{
    return reader->n_bad;
}

bool madpo_lock_is_held(const char *path, long *pid)
{
    char owner[32];
    ssize_t n = 0;
    bool held = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *pid = 0;
    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        held = true;
        n = pread(fd, owner, sizeof owner - 1, 0);
        owner[n > 0 ? n : 0] = '\0';
        *pid = strtol(owner, NULL, 10);
    }
    if (fd >= 0)
        close(fd);
    return held;
}

bool madpo_run_reader_is_live(const madpo_run_reader *reader, long *pid)
{
    char *path = madpo__strf("%s/run.lock", reader->dir);
    bool live;

    *pid = 0;
    live = path && madpo_lock_is_held(path, pid);
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
