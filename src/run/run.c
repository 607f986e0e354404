/* The run directory: opening, events, messages, progress, stage bookkeeping. */
#include "run/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "madpo/version.h"
#include "run/private.h"

enum { EVENT_DIGITS = 15 };               /* significant digits of a number in an event */
static const double progress_every = 0.2; /* seconds between progress calls of one activity */

/* What a run leaves behind; a folder that holds one of these but no run.json is not ours to fill.
 */
static const char *const run_files[] = {
    "config.cfg",      "state.json", "events.jsonl",  "pairs.jsonl", "margins.jsonl",
    "reference.jsonl", "models",     "samples.jsonl", "checkpoints", "scorer.bin",
    "tokenizer",       "log.txt",    "tokens.jsonl"};

/* ---- opening ---- */

madpo_status madpo_run_new_name(char **out, madpo_error *err)
{
    time_t now = time(NULL);
    struct tm local;
    char stamp[32] = "run";

    if (localtime_r(&now, &local))
        strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &local);
    *out = madpo__strf("runs/%s", stamp);
    for (int i = 2; *out && madpo_file_exists(*out); i++) {
        free(*out);
        *out = madpo__strf("runs/%s-%d", stamp, i);
    }
    return *out ? MADPO_OK : madpo_error_set(err, MADPO_ERR_NOMEM, "name of the run");
}

/* Take the lock, or find it taken (EWOULDBLOCK). A reader that looks whether the run is live holds
 * it for an instant, so a few tries. */
static int run_try_lock(int fd)
{
    const struct timespec pause = {0, 20000000};
    int rc = flock(fd, LOCK_EX | LOCK_NB);

    for (int i = 0; rc != 0 && errno == EWOULDBLOCK && i < 10; i++) {
        nanosleep(&pause, NULL);
        rc = flock(fd, LOCK_EX | LOCK_NB);
    }
    return rc;
}

/* One process writes a run. The lock is the kernel's, so it cannot outlive its owner. */
static madpo_status run_lock(madpo_run *run, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char owner[32] = "";
    char *path = madpo_run_path(run, "run.lock");

    if (!path)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "file name in %s", run->dir);
    run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (run->lock < 0) {
        st = madpo__write_error(err, errno, path);
    } else if (run_try_lock(run->lock) == 0) {
        int n = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());

        /* for the message below only: without it the lock still holds */
        if (ftruncate(run->lock, 0) == 0 && pwrite(run->lock, owner, (size_t)n, 0) < 0)
            owner[0] = '\0';
    } else if (errno == EWOULDBLOCK) {
        ssize_t n = pread(run->lock, owner, sizeof owner - 1, 0);

        owner[n > 0 ? n : 0] = '\0';
        st = madpo_error_set(
            err, MADPO_ERR_IO,
            "%s is in use by another madpo (process %ld); wait for it or stop it, or "
            "choose another folder with --run",
            run->dir, strtol(owner, NULL, 10));
    } /* else: a file system without locks; the user has to keep order there */
    free(path);
    return st;
}

/* Allocate the handle, make the folder and lock it. */
static madpo_status run_start(madpo_run **out, const char *dir, const madpo_listener *listener,
                              bool make, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    madpo_run *run = calloc(1, sizeof *run);

    *out = NULL;
    if (!run)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "run handle");
    run->lock = -1;
    run->events.fd = -1;
    if (listener)
        run->listener = *listener;
    run->dir = madpo__strf("%s", dir);
    if (!run->dir)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "run handle");
    if (st == MADPO_OK && make)
        st = madpo_dir_make(dir, err);
    if (st == MADPO_OK && !madpo_dir_exists(dir))
        st = madpo_error_set(err, MADPO_ERR_IO,
                             "%s holds no run to resume; leave out --resume to start one", dir);
    if (st == MADPO_OK)
        st = run_lock(run, err);
    if (st == MADPO_OK)
        *out = run;
    else
        madpo_run_close(run);
    return st;
}

static madpo_status run_check_empty(const madpo_run *run, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char *path = madpo_run_path(run, "run.json");

    if (path && madpo_file_exists(path))
        st = madpo_error_set(err, MADPO_ERR_IO,
                             "%s already holds a run; go on with it by --resume, or choose another "
                             "folder with --run",
                             run->dir);
    for (size_t i = 0; path && st == MADPO_OK && i < sizeof run_files / sizeof *run_files; i++) {
        free(path);
        path = madpo_run_path(run, "%s", run_files[i]);
        if (path && madpo_file_exists(path))
            st = madpo_error_set(err, MADPO_ERR_IO,
                                 "%s is in the way of a new run; choose another folder with --run",
                                 path);
    }
    if (!path)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "file name in %s", run->dir);
    free(path);
    return st;
}

static madpo_status run_save_state(const madpo_run *run, madpo_error *err)
{
    madpo_status st;
    char *path = madpo_run_path(run, "state.json");

    st = path ? madpo_json_save(run->state, path, err)
              : madpo_error_set(err, MADPO_ERR_NOMEM, "file name in %s", run->dir);
    free(path);
    return st;
}

static madpo_status run_save_config(const madpo_run *run, const char *config, madpo_error *err)
{
    madpo_status st;
    char *path = madpo_run_path(run, "config.cfg");

    if (!config)
        config = "";
    st = path ? madpo_file_write(path, config, strlen(config), err)
              : madpo_error_set(err, MADPO_ERR_NOMEM, "file name in %s", run->dir);
    free(path);
    return st;
}

static madpo_status run_open_streams(madpo_run *run, madpo_error *err)
{
    madpo_status st;
    char *events = madpo_run_path(run, "events.jsonl"), *log = madpo_run_path(run, "log.txt");

    if (events && log) {
        st = madpo__lines_open(&run->events, events, -1, err);
        run->log = st == MADPO_OK ? fopen(log, "a") : NULL;
        if (st == MADPO_OK && !run->log)
            st = madpo__write_error(err, errno, log);
    } else {
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "file name in %s", run->dir);
    }
    free(events);
    free(log);
    return st;
}

madpo_status madpo_run_create(madpo_run **out, const char *dir, const madpo_run_manifest *manifest,
                              const madpo_listener *listener, madpo_error *err)
{
    madpo_run *run = NULL;
    madpo_status st = run_start(&run, dir, listener, true, err);

    *out = NULL;
    if (st == MADPO_OK)
        st = run_check_empty(run, err);
    /* run.json first: from here on the folder is a run, however little of it is there */
    if (st == MADPO_OK)
        st = madpo__manifest_save(dir, manifest, err);
    if (st == MADPO_OK)
        st = run_save_config(run, manifest->config, err);
    if (st == MADPO_OK) {
        run->state = json_pack("{s:i, s:[]}", "v", MADPO_RUN_FORMAT, "done");
        st = run->state ? run_save_state(run, err)
                        : madpo_error_set(err, MADPO_ERR_NOMEM, "run state");
    }
    if (st == MADPO_OK)
        st = run_open_streams(run, err);
    if (st == MADPO_OK)
        *out = run;
    else
        madpo_run_close(run);
    return st;
}

static madpo_status run_load_state(madpo_run *run, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char *path = madpo_run_path(run, "state.json");

    if (!path)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "file name in %s", run->dir);
    if (madpo_file_exists(path)) {
        st = madpo__run_json_load(&run->state, path, err);
        if (st == MADPO_OK && !json_is_array(json_object_get(run->state, "done")))
            st =
                madpo_error_set(err, MADPO_ERR_DATA,
                                "%s is damaged: no list \"done\"; restore the file, or start a new "
                                "run with another --run",
                                path);
    } else { /* stopped between run.json and state.json */
        run->state = json_pack("{s:i, s:[]}", "v", MADPO_RUN_FORMAT, "done");
        if (!run->state)
            st = madpo_error_set(err, MADPO_ERR_NOMEM, "run state");
    }
    free(path);
    return st;
}

/* Tell, in log and events, what is different now though it does not forbid going on. */
static madpo_status run_tell_notes(madpo_run *run, char *notes, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char *rest = NULL;

    for (char *line = notes ? strtok_r(notes, "\n", &rest) : NULL; line && st == MADPO_OK;
         line = strtok_r(NULL, "\n", &rest)) {
        madpo_run_message(run, "%s", line);
        st = madpo_run_event(run, "warning",
                             json_pack("{s:o}", "text", madpo_json_text(line, strlen(line))), err);
    }
    return st;
}

madpo_status madpo_run_resume(madpo_run **out, const char *dir, const madpo_run_manifest *manifest,
                              const madpo_listener *listener, madpo_error *err)
{
    madpo_run *run = NULL;
    char *notes = NULL;
    madpo_status st = run_start(&run, dir, listener, false, err);

    *out = NULL;
    if (st == MADPO_OK)
        st = madpo__manifest_compare(dir, manifest, &notes, err);
    if (st == MADPO_OK)
        st = run_load_state(run, err);
    if (st == MADPO_OK)
        st = run_open_streams(run, err);
    if (st == MADPO_OK)
        st = madpo_run_event(run, "resume", json_pack("{s:s}", "madpo", MADPO_VERSION), err);
    if (st == MADPO_OK)
        st = run_tell_notes(run, notes, err);
    if (st == MADPO_OK)
        st = run_save_config(run, manifest->config, err);
    if (st == MADPO_OK) {
        madpo__checkpoint_sweep(run);
        *out = run;
        run = NULL;
    }
    free(notes);
    madpo_run_close(run);
    return st;
}

void madpo_run_close(madpo_run *run)
{
    if (!run)
        return;
    if (madpo__lines_sync(&run->events, NULL) != MADPO_OK)
        madpo_run_message(run, "the last events may not have reached the disk");
    madpo__lines_close(&run->events);
    if (run->log)
        fclose(run->log);
    if (run->lock >= 0)
        close(run->lock); /* releases it */
    json_decref(run->state);
    free(run->dir);
    free(run);
}

const char *madpo_run_dir(const madpo_run *run)
{
    return run->dir;
}

char *madpo_run_path(const madpo_run *run, const char *fmt, ...)
{
    va_list ap;
    char *name, *path;

    va_start(ap, fmt);
    name = madpo__vstrf(fmt, ap);
    va_end(ap);
    path = name ? madpo__strf("%s/%s", run->dir, name) : NULL;
    free(name);
    return path;
}

/* ---- what a run says ---- */

double madpo_run_writing_seconds(const madpo_run *run)
{
    return run->writing_seconds;
}

madpo_status madpo_run_event(madpo_run *run, const char *ev, json_t *fields, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    double began = madpo_clock_monotonic();
    /* milliseconds: what a viewer can use, and fits the digits written */
    double now = (double)(int64_t)(madpo_clock_wall() * 1e3) / 1e3;
    json_t *event = json_pack("{s:i, s:f, s:s}", "v", MADPO_RUN_FORMAT, "t", now, "ev", ev);
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(EVENT_DIGITS);
    size_t n = 0;
    char *line = NULL;

    if (event && fields && json_object_update(event, fields) == 0)
        n = json_dumpb(event, NULL, 0, flags);
    if (n > 0)
        line = malloc(n + 2);
    if (!line || json_dumpb(event, line, n, flags) != n) {
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "event \"%s\"", ev);
        goto done;
    }
    line[n] = '\n';
    st = madpo__lines_append(&run->events, line, n + 1, err);
    line[n] = '\0';
    if (st == MADPO_OK && run->listener.event)
        run->listener.event(run->listener.user, line);
done:
    free(line);
    json_decref(event);
    json_decref(fields);
    run->writing_seconds += madpo_clock_monotonic() - began;
    return st;
}

void madpo_run_message(madpo_run *run, const char *fmt, ...)
{
    va_list ap;
    char *line, stamp[32];
    double began = madpo_clock_monotonic();
    time_t now = time(NULL);
    struct tm utc;

    va_start(ap, fmt);
    line = madpo__vstrf(fmt, ap);
    va_end(ap);
    if (!line)
        return;
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
    if (run->log) {
        fprintf(run->log, "%s %s\n", stamp, line);
        fflush(run->log);
    }
    if (run->listener.message)
        run->listener.message(run->listener.user, line);
    free(line);
    run->writing_seconds += madpo_clock_monotonic() - began;
}

/* FNV-1a over the two names: enough to notice that another activity has begun. */
static uint64_t run_progress_key(const madpo_progress *progress)
{
    uint64_t key = 14695981039346656037u;

    for (const char *c = progress->stage; c && *c; c++)
        key = (key ^ (unsigned char)*c) * 1099511628211u;
    key = (key ^ '/') * 1099511628211u;
    for (const char *c = progress->what; c && *c; c++)
        key = (key ^ (unsigned char)*c) * 1099511628211u;
    return key;
}

void madpo_run_progress(madpo_run *run, const madpo_progress *progress)
{
    double now = madpo_clock_monotonic();
    uint64_t key = run_progress_key(progress);
    bool last = progress->total > 0 && progress->done >= progress->total;

    if (!run->listener.progress)
        return;
    if (key == run->progress_key && now - run->progress_at < progress_every && !last)
        return;
    run->progress_key = key;
    run->progress_at = now;
    run->listener.progress(run->listener.user, progress);
    run->writing_seconds += madpo_clock_monotonic() - now;
}

/* ---- state.json ---- */

bool madpo_run_stage_done(const madpo_run *run, const char *stage)
{
    const json_t *done = json_object_get(run->state, "done");

    for (size_t i = 0; i < json_array_size(done); i++) {
        const char *name = json_string_value(json_array_get(done, i));

        if (name && strcmp(name, stage) == 0)
            return true;
    }
    return false;
}

madpo_status madpo_run_set_stage_done(madpo_run *run, const char *stage, madpo_error *err)
{
    madpo_status st = madpo__lines_sync(&run->events, err);

    if (st != MADPO_OK || madpo_run_stage_done(run, stage))
        return st;
    if (json_array_append_new(json_object_get(run->state, "done"), json_string(stage)) != 0)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "run state");
    json_object_del(run->state, "checkpoint");
    return run_save_state(run, err);
}

madpo_status madpo__run_note_checkpoint(madpo_run *run, const char *stage, int64_t step,
                                        madpo_error *err)
{
    if (json_object_set_new(run->state, "checkpoint",
                            json_pack("{s:s, s:I}", "stage", stage, "step", (json_int_t)step)) != 0)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "run state");
    return run_save_state(run, err);
}
