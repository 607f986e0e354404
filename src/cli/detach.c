/* Starting a run as a process of its own; see detach.h. */
#include "cli/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
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

static bool detach_has(const char *dir, const char *name)
{
    char *path = NULL;
    bool there = madpo_path_join(&path, dir, name, NULL) == MADPO_OK && madpo_file_exists(path);

    free(path);
    return there;
}

bool madpo__detached_is_live(const madpo_detached *run)
{
    char *path = NULL;
    long pid = 0;
    bool live = madpo_path_join(&path, run->dir, run->experiment ? "experiment.lock" : "run.lock",
                                NULL) == MADPO_OK &&
                madpo_lock_is_held(path, &pid) && pid == run->pid;

    free(path);
    return live;
}

/* Is the run there, written by this process, and does it listen? */
static bool detach_is_up(const madpo_detached *run, double *live_since)
{
    const madpo_control_request status = {.action = MADPO_CONTROL_STATUS};
    json_t *reply = NULL;
    bool listens;

    if (!detach_has(run->dir, run->experiment ? "experiment.json" : "run.json") ||
        !madpo__detached_is_live(run))
        return false;
    if (run->experiment)
        return true;
    if (*live_since < 0.0)
        *live_since = madpo_clock_monotonic();
    listens = madpo_control_ask(&reply, run->dir, &status, 1.0, NULL) == MADPO_OK;
    json_decref(reply);
    return listens || madpo_clock_monotonic() - *live_since > listen_within;
}

static void detach_say_signal(const madpo_detached *run)
{
    const char *name = strsignal(run->signal);

    if (run->experiment)
        fprintf(stderr,
                "madpo: the experiment was ended by signal %d (%s); the same command goes on\n",
                run->signal, name);
    else if (detach_has(run->dir, "run.json"))
        fprintf(stderr,
                "madpo: the run was ended by signal %d (%s); go on with: madpo train --run %s "
                "--resume\n",
                run->signal, name, run->dir);
    else
        fprintf(stderr, "madpo: the run was ended by signal %d (%s) before it had begun\n",
                run->signal, name);
}

void madpo__detached_say_why(const madpo_detached *run)
{
    char *text = NULL, *line, *rest = NULL, *last = NULL;
    size_t start = (size_t)run->start, n = 0;

    if (run->signal > 0) {
        detach_say_signal(run);
        return;
    }
    if (madpo_file_read(&text, &n, run->path, NULL) == MADPO_OK && start < n)
        for (line = strtok_r(text + start, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            last = line;
    if (last && strncmp(last, "madpo: ", 7) == 0)
        fprintf(stderr, "%s\n", last);
    else
        fprintf(stderr, "madpo: the run ended with exit code %d; see %s\n", run->code, run->path);
    free(text);
}

int madpo__detached_say_where(const madpo_detached *run, bool json)
{
    if (json)
        return madpo__cli_put_json(json_pack("{s:o,s:I}", "run",
                                             madpo_json_text(run->dir, strlen(run->dir)), "pid",
                                             (json_int_t)run->pid));
    printf("%s: running as process %ld\n", run->dir, run->pid);
    return MADPO_EXIT_DONE;
}

int madpo__detached_code(madpo_detached *run)
{
    int status = 0;

    if (run->code < 0 && waitpid((pid_t)run->pid, &status, WNOHANG) == (pid_t)run->pid) {
        run->code = WIFEXITED(status) ? WEXITSTATUS(status) : MADPO_EXIT_FAILED;
        run->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    return run->code;
}

/* ---- waiting for it to begin ---- */

static volatile sig_atomic_t detach_child, detach_interrupted;

/* Who interrupts a command that is still starting a run does not want the run. */
static void on_interrupt(int number)
{
    static const char text[] = "\nmadpo: stopping the run; once more to stop it at once\n";
    ssize_t n = detach_interrupted ? 0 : write(STDERR_FILENO, text, sizeof text - 1);

    (void)number;
    (void)n;
    detach_interrupted = 1;
    kill((pid_t)detach_child, SIGTERM);
}

/* In the old process: wait until the run has begun or ended. */
static int detach_wait(madpo_detached *run)
{
    const struct timespec pause = {0, 20000000};
    double live_since = -1.0;

    while (!detach_is_up(run, &live_since)) {
        if (madpo__detached_code(run) == MADPO_EXIT_DONE)
            break; /* so short a run that it is over */
        if (run->code > 0) {
            madpo__detached_say_why(run);
            return run->code;
        }
        nanosleep(&pause, NULL);
    }
    return MADPO_EXIT_DONE;
}

static int detach_watch(madpo_detached *run)
{
    struct sigaction action, was;
    int rc;

    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = on_interrupt;
    detach_child = (sig_atomic_t)run->pid;
    sigaction(SIGINT, NULL, &was);
    if (was.sa_handler != SIG_IGN)
        sigaction(SIGINT, &action, NULL);
    rc = detach_wait(run);
    sigaction(SIGINT, &was, NULL);
    return rc;
}

/* Fork; see detach.h. `st` and `err` may say already that it cannot be. */
static int detach_start(madpo_detached *run, madpo_status st, madpo_error *err)
{
    int out = -1, rc;
    pid_t child = -1;

    if (st == MADPO_OK)
        st = detach_open(&out, &run->path, run->dir, err);
    if (st == MADPO_OK) {
        off_t end = lseek(out, 0, SEEK_END);

        run->start = end > 0 ? end : 0;
        fflush(NULL);
        signal(SIGCHLD, SIG_DFL); /* where it was ignored, there would be no exit code */
        child = fork();
        if (child < 0)
            st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot start a process");
    }
    run->pid = (long)child;
    if (st != MADPO_OK) {
        rc = madpo__cli_fail(err);
    } else if (child == 0) {
        rc = detach_become(out);
        out = -1;
    } else {
        rc = detach_watch(run);
    }
    if (out >= 0)
        close(out);
    return rc;
}

int madpo__detach(madpo_detached *run, const char *run_dir, bool resume)
{
    madpo_error err = MADPO_ERROR_INIT;

    *run = (madpo_detached){.dir = run_dir, .code = -1};
    return detach_start(run, detach_check(run_dir, resume, &err), &err);
}

int madpo__detach_experiment(madpo_detached *run, const char *dir)
{
    madpo_error err = MADPO_ERROR_INIT;

    *run = (madpo_detached){.dir = dir, .experiment = true, .code = -1};
    return detach_start(run, MADPO_OK, &err);
}

void madpo__detached_dispose(madpo_detached *run)
{
    free(run->path);
    run->path = NULL;
}
