/* Starting a run as a process of its own; see detach.h. */
#include "cli/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "cli/output.h"
#include "run/control.h"
#include "run/reader.h"

static const double listen_within = 3.0; /* seconds; a run may have no socket at all */

/* Would the run be refused? Then leave its folder alone. */
static madpo_status detach_check(const char *run_dir, bool resume, madpo_error *err)
{
    char *manifest = NULL;
    madpo_status st = madpo_path_join(&manifest, run_dir, "run.json", err);
    bool there = st == MADPO_OK && madpo_file_exists(manifest);

    if (st == MADPO_OK && there && !resume)
        st = madpo_error_set(err, MADPO_ERR_IO,
                             "%s already holds a run; go on with it by --resume, or choose another "
                             "folder with --run",
                             run_dir);
    if (st == MADPO_OK && !there && resume)
        st = madpo_error_set(err, MADPO_ERR_IO,
                             "%s holds no run to resume; leave out --resume to start one", run_dir);
    free(manifest);
    return st;
}

static madpo_status detach_open(int *out, char **path, const char *run_dir, madpo_error *err)
{
    madpo_status st = madpo_dir_make(run_dir, err);

    if (st == MADPO_OK)
        st = madpo_path_join(path, run_dir, "trainer.out", err);
    if (st != MADPO_OK)
        return st;
    *out = open(*path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    return *out >= 0 ? MADPO_OK
                     : madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot write %s", *path);
}

/* In the new process. */
static int detach_become(int out)
{
    int null = open("/dev/null", O_RDWR);

    setsid();
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(out, STDERR_FILENO) < 0)
        return MADPO_EXIT_FAILED;
    if (null > STDERR_FILENO)
        close(null);
    close(out);
    return -1;
}

/* Is the run there, written by this process, and does it listen? */
static bool detach_is_up(const char *run_dir, pid_t child, double *live_since)
{
    const madpo_control_request status = {.action = MADPO_CONTROL_STATUS};
    madpo_run_reader *reader = NULL;
    json_t *reply = NULL;
    long pid = 0;
    bool live, listens;

    if (madpo_run_reader_open(&reader, run_dir, NULL) != MADPO_OK)
        return false;
    live = madpo_run_reader_is_live(reader, &pid) && pid == (long)child;
    madpo_run_reader_close(reader);
    if (!live)
        return false;
    if (*live_since < 0.0)
        *live_since = madpo_clock_monotonic();
    listens = madpo_control_ask(&reply, run_dir, &status, 1.0, NULL) == MADPO_OK;
    json_decref(reply);
    return listens || madpo_clock_monotonic() - *live_since > listen_within;
}

/* The last line of what the run printed from `start` on says why it ended. */
static void detach_say_why(const char *path, off_t start, int code)
{
    char *text = NULL, *line, *rest = NULL, *last = NULL;
    size_t n = 0;

    if (madpo_file_read(&text, &n, path, NULL) == MADPO_OK && (size_t)start < n)
        for (line = strtok_r(text + start, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            last = line;
    if (last && strncmp(last, "madpo: ", 7) == 0)
        fprintf(stderr, "%s\n", last);
    else
        fprintf(stderr, "madpo: the run ended at once (%d); see %s\n", code, path);
    free(text);
}

static int detach_say_where(const char *run_dir, pid_t child, bool json)
{
    madpo_error err = MADPO_ERROR_INIT;
    json_t *object;
    char *text = NULL;
    int rc = MADPO_EXIT_DONE;

    if (!json) {
        printf("%s: running as process %ld\n", run_dir, (long)child);
        return rc;
    }
    object = json_pack("{s:o,s:I}", "run", madpo_json_text(run_dir, strlen(run_dir)), "pid",
                       (json_int_t)child);
    if (!object)
        rc = madpo__cli_out_of_memory();
    else if (madpo_json_dump(&text, object, &err) != MADPO_OK)
        rc = madpo__cli_fail(&err);
    else
        puts(text);
    free(text);
    json_decref(object);
    return rc;
}

/* In the old process: wait until the run has begun or ended. */
static int detach_watch(const char *run_dir, const char *path, off_t start, pid_t child, bool json)
{
    const struct timespec pause = {0, 20000000};
    double live_since = -1.0;
    int status = 0;

    while (!detach_is_up(run_dir, child, &live_since)) {
        if (waitpid(child, &status, WNOHANG) == child) {
            if (WIFEXITED(status) && WEXITSTATUS(status) == MADPO_EXIT_DONE)
                break; /* so short a run that it is over */
            status = WIFEXITED(status) ? WEXITSTATUS(status) : MADPO_EXIT_FAILED;
            detach_say_why(path, start, status);
            return status;
        }
        nanosleep(&pause, NULL);
    }
    return detach_say_where(run_dir, child, json);
}

int madpo__detach(const char *run_dir, bool resume, bool json)
{
    madpo_error err = MADPO_ERROR_INIT;
    char *path = NULL;
    int out = -1, rc;
    off_t start = 0;
    pid_t child;
    madpo_status st = detach_check(run_dir, resume, &err);

    if (st == MADPO_OK)
        st = detach_open(&out, &path, run_dir, &err);
    if (st == MADPO_OK) {
        start = lseek(out, 0, SEEK_END);
        fflush(NULL);
        child = fork();
        if (child < 0)
            st = madpo_error_errno(&err, MADPO_ERR_IO, errno, "cannot start a process");
    }
    if (st != MADPO_OK) {
        rc = madpo__cli_fail(&err);
    } else if (child == 0) {
        rc = detach_become(out);
        out = -1;
    } else {
        rc = detach_watch(run_dir, path, start > 0 ? start : 0, child, json);
    }
    if (out >= 0)
        close(out);
    free(path);
    return rc;
}
