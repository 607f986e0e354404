/* Real runs, alone and watched from a terminal; see bench_watch.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/bench_watch.h"
#include "run/reader.h"

static const char self[] = "/proc/self/exe";
static const double patience = 30.0; /* seconds, for a run to begin and for a watcher to end */

/* A process that was started here. */
typedef struct child {
    pid_t pid; /* 0 = none */
    bool ended;
    int status;
    double cpu; /* seconds, once it has ended */
} child;

static double children_cpu(void)
{
    struct rusage used;

    getrusage(RUSAGE_CHILDREN, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static bool child_has_ended(child *c, int flags)
{
    double before = children_cpu();

    if (!c->ended && waitpid(c->pid, &c->status, flags) == c->pid) {
        c->ended = true;
        c->cpu = children_cpu() - before;
    }
    return c->ended;
}

/* The most memory a process has had, in bytes. */
static int64_t child_resident(const child *c)
{
    char path[64], line[256];
    long long kilobytes = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/status", (long)c->pid);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kilobytes = strtoll(line + 6, NULL, 10);
    if (file)
        fclose(file);
    return kilobytes * 1024;
}

/* ---- the trainer ---- */

static madpo_status trainer_start(child *c, const char *run, const madpo_cli_list *settings,
                                  madpo_error *err)
{
    /* a demo of about 20 seconds on two cores */
    const char *argv[128] = {"madpo",
                             "demo",
                             "--headless",
                             "--run",
                             run,
                             "--set",
                             "sft.epochs=1",
                             "--set",
                             "generate.prompts=2000",
                             "--set",
                             "evaluate.prompts=50"};
    int n = 11, sink;

    for (size_t i = 0; i < settings->n && n < 120; i++) {
        argv[n++] = "--set";
        argv[n++] = settings->v[i];
    }
    *c = (child){.pid = fork()};
    if (c->pid < 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot start the training");
    if (c->pid > 0)
        return MADPO_OK;
    sink = open("/dev/null", O_RDWR);
    dup2(sink, STDIN_FILENO);
    dup2(sink, STDOUT_FILENO);
    execv(self, (char **)argv);
    _exit(127);
}

static madpo_status trainer_check(const child *c, madpo_error *err)
{
    if (WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0)
        return MADPO_OK;
    return madpo_error_set(err, MADPO_ERR_DATA, "the training that was to be measured failed");
}

/* ---- the watcher ---- */

typedef struct watcher {
    child process;
    int terminal; /* the side a terminal emulator has */
    double began;
    int64_t n_bytes;
} watcher;

static void watcher_become(const char *terminal, const char *run)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    int fd;

    setsid();
    fd = open(terminal, O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSWINSZ, &size) != 0)
        _exit(127);
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    setenv("TERM", "xterm-256color", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    execl(self, "madpo", "watch", run, (char *)NULL);
    _exit(127);
}

static madpo_status watcher_start(watcher *w, const char *run, madpo_error *err)
{
    const char *name;

    *w = (watcher){.terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    name = w->terminal >= 0 && grantpt(w->terminal) == 0 && unlockpt(w->terminal) == 0
               ? ptsname(w->terminal)
               : NULL;
    w->process.pid = name ? fork() : -1;
    if (w->process.pid < 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "no terminal to watch from");
    if (w->process.pid == 0)
        watcher_become(name, run);
    w->began = madpo_clock_monotonic();
    return MADPO_OK;
}

/* Take what it sends, for so many milliseconds at most. */
static void watcher_drain(watcher *w, int ms)
{
    struct pollfd output = {.fd = w->terminal, .events = POLLIN};
    char bytes[4096];
    ssize_t n;

    if (poll(&output, 1, ms) > 0 && (output.revents & POLLIN)) {
        n = read(w->terminal, bytes, sizeof bytes);
        w->n_bytes += n > 0 ? n : 0;
    }
}

static void watcher_stop(watcher *w, madpo_bench_live *out)
{
    double seconds = madpo_clock_monotonic() - w->began, end = madpo_clock_monotonic() + patience;
    int64_t resident = child_resident(&w->process);

    kill(w->process.pid, SIGTERM);
    while (!child_has_ended(&w->process, WNOHANG) && madpo_clock_monotonic() < end)
        watcher_drain(w, 10);
    if (!w->process.ended) {
        kill(w->process.pid, SIGKILL);
        (void)child_has_ended(&w->process, 0);
    }
    close(w->terminal);
    out->watcher_cpu += w->process.cpu;
    out->watcher_seconds += seconds;
    out->watcher_bytes += w->n_bytes;
    if (out->watcher_resident < resident)
        out->watcher_resident = resident;
}

/* ---- runs ---- */

static madpo_status live_alone(const char *run, const madpo_cli_list *settings, double *seconds,
                               double *cpu, madpo_error *err)
{
    double began = madpo_clock_monotonic();
    child c;
    madpo_status st = trainer_start(&c, run, settings, err);

    if (st != MADPO_OK)
        return st;
    (void)child_has_ended(&c, 0);
    *seconds = madpo_clock_monotonic() - began;
    *cpu = c.cpu;
    return trainer_check(&c, err);
}

static madpo_status live_watched(madpo_bench_live *out, const char *run,
                                 const madpo_cli_list *settings, double *seconds, double *cpu,
                                 madpo_error *err)
{
    double began = madpo_clock_monotonic();
    watcher w = {.terminal = -1};
    char *log = NULL;
    child c = {0};
    madpo_status st = madpo_path_join(&log, run, "run.json", err);

    if (st == MADPO_OK)
        st = trainer_start(&c, run, settings, err);
    while (st == MADPO_OK && !madpo_file_exists(log) && !child_has_ended(&c, WNOHANG) &&
           madpo_clock_monotonic() < began + patience)
        (void)poll(NULL, 0, 10);
    free(log);
    if (st != MADPO_OK)
        return st;
    if (!c.ended)
        st = watcher_start(&w, run, err);
    while (st == MADPO_OK && !child_has_ended(&c, WNOHANG))
        watcher_drain(&w, 20);
    (void)child_has_ended(&c, 0);
    *seconds = madpo_clock_monotonic() - began;
    *cpu = c.cpu;
    if (w.process.pid > 0)
        watcher_stop(&w, out);
    return st == MADPO_OK ? trainer_check(&c, err) : st;
}

/* What the stages of a run say of themselves. */
static madpo_status live_stages(madpo_bench_live *out, const char *run, madpo_error *err)
{
    static const size_t most = sizeof out->stages / sizeof *out->stages;
    madpo_run_reader *reader;
    json_t *event = NULL;
    madpo_status st = madpo_run_reader_open(&reader, run, err);

    out->n_stages = 0;
    while (st == MADPO_OK && (st = madpo_run_reader_next(reader, &event, err)) == MADPO_OK &&
           event) {
        const char *stage = json_string_value(json_object_get(event, "stage"));
        const json_t *share = json_object_get(event, "reporting_seconds_per_second");

        if (stage && json_is_number(share) && (size_t)out->n_stages < most) {
            int i = out->n_stages++;

            snprintf(out->stages[i].stage, sizeof out->stages[i].stage, "%s", stage);
            out->stages[i].steps = json_integer_value(json_object_get(event, "steps"));
            out->stages[i].share = json_number_value(share);
        }
        json_decref(event);
    }
    madpo_run_reader_close(reader);
    return st;
}

/* By turns, each kind first in half of the turns. */
static madpo_status live_turn(madpo_bench_live *out, const char *dir, int i,
                              const madpo_cli_list *settings, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (int k = 0; st == MADPO_OK && k < 2; k++) {
        bool watched = (i + k) % 2;
        char *run = NULL;

        st = madpo_path_join(&run, dir, watched ? "watched" : "alone", err);
        if (st == MADPO_OK)
            st = madpo_dir_remove(run, err);
        if (st == MADPO_OK && watched)
            st = live_watched(out, run, settings, &out->watched[i], &out->watched_cpu[i], err);
        else if (st == MADPO_OK)
            st = live_alone(run, settings, &out->alone[i], &out->alone_cpu[i], err);
        if (st == MADPO_OK && watched)
            st = live_stages(out, run, err);
        free(run);
    }
    return st;
}

madpo_status madpo__bench_live(madpo_bench_live *out, const char *dir, int n,
                               const madpo_cli_list *settings, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    double seconds, cpu;
    char *run = NULL;

    *out = (madpo_bench_live){0};
    st = madpo_path_join(&run, dir, "warm", err);
    if (st == MADPO_OK) /* builds the kernels */
        st = live_alone(run, settings, &seconds, &cpu, err);
    free(run);
    for (int i = 0; st == MADPO_OK && i < n; i++) {
        st = live_turn(out, dir, i, settings, err);
        out->n = i + 1;
        if (st == MADPO_OK) /* it takes minutes */
            fprintf(stderr, "turn %d of %d: alone %.2f s, watched %.2f s\n", i + 1, n,
                    out->alone[i], out->watched[i]);
    }
    return st;
}
