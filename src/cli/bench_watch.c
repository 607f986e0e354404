/* madpo bench watch: the command. Every measurement is made in a process of its own, so that the
 * memory it takes is its own, too. */
#include "cli/bench_watch.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/output.h"
#include "tui/cost.h"

enum { WIDTH = 80, HEIGHT = 24, MOST_REPEATS = 32 };

typedef struct watch_options {
    bool json, live;
    int64_t steps, megabytes, repeats;
    const char *replay;
    madpo_cli_list settings;
} watch_options;

static const madpo_cli_option watch_table[] = {
    {"json", NULL, MADPO_CLI_FLAG, offsetof(watch_options, json), 0, "Print one JSON object."},
    {"steps", "N", MADPO_CLI_INT, offsetof(watch_options, steps), 1,
     "Steps of the run that is made up and opened (1000000)."},
    {"megabytes", "N", MADPO_CLI_INT, offsetof(watch_options, megabytes), 1,
     "End that run when its events.jsonl has 10^6 bytes times N."},
    {"replay", "RUN", MADPO_CLI_TEXT, offsetof(watch_options, replay), 0,
     "Measure instead what watching RUN sent to a terminal of 80x24, picture by picture."},
    {"live", NULL, MADPO_CLI_FLAG, offsetof(watch_options, live), 0,
     "Measure instead real runs, alone and watched by turns (about a minute each turn)."},
    {"repeats", "N", MADPO_CLI_INT, offsetof(watch_options, repeats), 1, "Turns of --live (5)."},
    {"set", "KEY=VALUE", MADPO_CLI_LIST, offsetof(watch_options, settings), 0,
     "Change a setting of the runs of --live, a shortened madpo demo."},
    {0}};

static int watch_run(int argc, char **argv)
{
    return madpo__bench_watch(argc, argv);
}

const madpo_cli_command madpo__command_bench_watch = {
    .name = "bench watch",
    .synopsis = "[--steps N] [--megabytes N] | --replay RUN | --live [--repeats N] [--json]",
    .summary = "measure what the front end costs",
    .description =
        "    Write a run of a million steps into a temporary folder (TMPDIR; about a gigabyte),\n"
        "    open it as madpo watch does, and tell how long the first picture and the whole log\n"
        "    took and how much memory. The files have just been written: no disk is measured.\n"
        "\n"
        "    --replay: the bytes of every picture, if the run had been watched from its "
        "beginning.\n"
        "    --live: processor time of a watcher, and the times of runs with and without one.\n",
    .options = watch_table,
    .run = watch_run,
};

/* ---- a process of its own ---- */

typedef struct watch_job {
    const watch_options *options;
    const char *dir; /* temporary folder */
    madpo_cost_open open;
    madpo_cost_replay replay;
    madpo_bench_live live;
} watch_job;

/* Do `work` in a child and bring its results back. */
static madpo_status watch_apart(watch_job *job, madpo_status (*work)(watch_job *, madpo_error *),
                                madpo_error *err)
{
    int ends[2], status = 0;
    pid_t pid;
    ssize_t n;

    fflush(NULL);
    if (pipe(ends) != 0 || (pid = fork()) < 0)
        return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot start a process to measure");
    if (pid == 0) {
        madpo_error inner = MADPO_ERROR_INIT;
        int rc = work(job, &inner) == MADPO_OK ? 0 : madpo__cli_fail(&inner);

        _exit(rc == 0 && write(ends[1], job, sizeof *job) != (ssize_t)sizeof *job ? 1 : rc);
    }
    close(ends[1]);
    n = read(ends[0], job, sizeof *job);
    close(ends[0]);
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return madpo_error_set(err, MADPO_ERR_IO, "the process that measures has died");
    if (WEXITSTATUS(status) != 0) /* it has told why */
        return MADPO_ERR_IO;
    return n == (ssize_t)sizeof *job
               ? MADPO_OK
               : madpo_error_set(err, MADPO_ERR_IO, "no result of the process that measures");
}

static madpo_status watch_make(watch_job *job, madpo_error *err)
{
    char *run;
    madpo_status st = madpo_path_join(&run, job->dir, "run", err);

    if (st == MADPO_OK)
        st = madpo__bench_write_run(run, job->options->steps, job->options->megabytes * 1000000,
                                    err);
    free(run);
    return st;
}

static madpo_status watch_open(watch_job *job, madpo_error *err)
{
    char *run;
    madpo_status st = madpo_path_join(&run, job->dir, "run", err);

    if (st == MADPO_OK)
        st = madpo_cost_open_run(&job->open, run, WIDTH, HEIGHT, err);
    free(run);
    return st;
}

static madpo_status watch_replay(watch_job *job, madpo_error *err)
{
    return madpo_cost_replay_run(&job->replay, job->options->replay, job->dir, WIDTH, HEIGHT, err);
}

/* ---- telling ---- */

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Median, least and greatest of x[i] / y[i]. */
static void ratios(double out[3], const double *x, const double *y, int n)
{
    double v[MOST_REPEATS];

    for (int i = 0; i < n; i++)
        v[i] = x[i] / y[i];
    qsort(v, (size_t)n, sizeof *v, compare_double);
    out[0] = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
    out[1] = v[0];
    out[2] = v[n - 1];
}

static json_t *open_json(const madpo_cost_open *o)
{
    return json_pack("{s:I,s:I,s:f,s:f,s:f,s:I,s:I,s:I}", "steps", (json_int_t)o->steps,
                     "log_bytes", (json_int_t)o->log_bytes, "first_seconds", o->first_seconds,
                     "whole_seconds", o->whole_seconds, "longest_seconds", o->longest_seconds,
                     "first_resident_bytes", (json_int_t)o->first_resident, "resident_bytes",
                     (json_int_t)o->whole_resident, "points", (json_int_t)o->points);
}

static json_t *replay_json(const madpo_cost_replay *r)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f}", "frames", (json_int_t)r->frames,
                     "first_bytes", (json_int_t)r->first_bytes, "median_bytes",
                     (json_int_t)r->median, "p90_bytes", (json_int_t)r->p90, "most_bytes",
                     (json_int_t)r->most, "bytes", (json_int_t)r->bytes, "run_seconds", r->seconds,
                     "cpu_seconds", r->cpu_seconds);
}

static json_t *live_json(const madpo_bench_live *l)
{
    double seconds[3], cpu[3];
    json_t *stages = json_object();

    ratios(seconds, l->watched, l->alone, l->n);
    ratios(cpu, l->watched_cpu, l->alone_cpu, l->n);
    for (int i = 0; i < l->n_stages; i++)
        json_object_set_new(stages, l->stages[i].stage, json_real(l->stages[i].share));
    return json_pack("{s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:o}", "turns", l->n,
                     "seconds_ratio", seconds[0], "seconds_ratio_least", seconds[1],
                     "seconds_ratio_most", seconds[2], "cpu_ratio", cpu[0], "cpu_ratio_least",
                     cpu[1], "cpu_ratio_most", cpu[2], "watcher_cpu_share",
                     l->watcher_cpu / l->watcher_seconds, "watcher_bytes_per_second",
                     (double)l->watcher_bytes / l->watcher_seconds, "watcher_resident_bytes",
                     (json_int_t)l->watcher_resident, "reporting_share", stages);
}

static void open_print(const madpo_cost_open *o)
{
    printf("log: %.1f MB, %lld steps\nfirst picture: %.3f s, %.1f MB of memory\nwhole log: %.2f s, "
           "%.1f MB of memory at most, %lld points of curves\nlongest wait for a key: %.3f s\n",
           (double)o->log_bytes / 1e6, (long long)o->steps, o->first_seconds,
           (double)o->first_resident / 1e6, o->whole_seconds, (double)o->whole_resident / 1e6,
           (long long)o->points, o->longest_seconds);
}

static void replay_print(const madpo_cost_replay *r)
{
    printf("%lld pictures of 80x24 in a run of %.0f s\nfirst picture: %lld bytes\nthe others: "
           "median %lld, 90 %% at most %lld, largest %lld bytes; %.0f bytes a second\nprocessor "
           "time: %.2f s, %.2f %% of the run\n",
           (long long)r->frames, r->seconds, (long long)r->first_bytes, (long long)r->median,
           (long long)r->p90, (long long)r->most, (double)r->bytes / r->seconds, r->cpu_seconds,
           100 * r->cpu_seconds / r->seconds);
}

static void live_print(const madpo_bench_live *l)
{
    double seconds[3], cpu[3];

    ratios(seconds, l->watched, l->alone, l->n);
    ratios(cpu, l->watched_cpu, l->alone_cpu, l->n);
    printf("%d turns; watched / alone, median [least, most]\ntime: %.3f [%.3f, %.3f]\nprocessor "
           "time of the trainer: %.3f [%.3f, %.3f]\n",
           l->n, seconds[0], seconds[1], seconds[2], cpu[0], cpu[1], cpu[2]);
    printf("watcher: %.2f %% of a core, %.0f bytes a second, %.1f MB of memory\n",
           100 * l->watcher_cpu / l->watcher_seconds, (double)l->watcher_bytes / l->watcher_seconds,
           (double)l->watcher_resident / 1e6);
    for (int i = 0; i < l->n_stages; i++)
        printf("events, samples, progress, requests in %s: %.3f %% of the time of %lld steps\n",
               l->stages[i].stage, 100 * l->stages[i].share, (long long)l->stages[i].steps);
}

static int watch_tell(const watch_job *job)
{
    const watch_options *o = job->options;
    json_t *root;
    char *text;

    if (!o->json) {
        if (o->replay)
            replay_print(&job->replay);
        else if (o->live)
            live_print(&job->live);
        else
            open_print(&job->open);
        return MADPO_EXIT_DONE;
    }
    root = o->replay ? replay_json(&job->replay)
           : o->live ? live_json(&job->live)
                     : open_json(&job->open);
    text = root ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(root);
    if (!text)
        return madpo__cli_out_of_memory();
    puts(text);
    free(text);
    return MADPO_EXIT_DONE;
}

/* ---- the command ---- */

static madpo_status watch_measure(watch_job *job, madpo_error *err)
{
    const watch_options *o = job->options;
    madpo_status st;

    if (o->replay)
        return watch_apart(job, watch_replay, err);
    if (o->live)
        return madpo__bench_live(&job->live, job->dir, (int)o->repeats, &o->settings, err);
    st = watch_apart(job, watch_make, err);
    return st == MADPO_OK ? watch_apart(job, watch_open, err) : st;
}

static int watch_work(watch_job *job)
{
    madpo_error err = MADPO_ERROR_INIT;

    if (watch_measure(job, &err) == MADPO_OK)
        return watch_tell(job);
    return err.message[0] ? madpo__cli_fail(&err) : MADPO_EXIT_FAILED;
}

/* Wait for the process that works, or for a signal that ends this one: its number, 0 = none came.
 * Then nothing that was started is there any more. */
static int watch_wait(pid_t worker, const sigset_t *signals, int *status)
{
    int number;

    for (;;) {
        if (sigwait(signals, &number) != 0)
            continue;
        if (number != SIGCHLD)
            break;
        if (waitpid(worker, status, WNOHANG) == worker)
            return 0;
    }
    kill(-worker, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    return number;
}

/* Work in a process group of its own, so that this process can remove the folder whatever ends it;
 * then it ends as if it had not waited. */
static int watch_keep(watch_job *job)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    madpo_error err = MADPO_ERROR_INIT, ignored = MADPO_ERROR_INIT;
    sigset_t signals, before;
    int number = 0, status = 0, rc = MADPO_EXIT_FAILED;
    pid_t worker;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct sigaction now;

        if (sigaction(ends[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&signals, ends[i]);
    }
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &signals, &before);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* who worked for the worker is to be waited for */
    fflush(NULL);
    worker = fork();
    if (worker >= 0)
        setpgid(worker, worker); /* in both, whoever comes first */
    if (worker == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        rc = watch_work(job);
        fflush(NULL);
        _exit(rc);
    }
    if (worker > 0) {
        number = watch_wait(worker, &signals, &status);
        rc = WIFEXITED(status) ? WEXITSTATUS(status) : MADPO_EXIT_FAILED;
    } else {
        (void)madpo_error_errno(&err, MADPO_ERR_IO, errno, "cannot start a process to measure");
        rc = madpo__cli_fail(&err);
    }
    if (madpo_dir_remove(job->dir, &ignored) != MADPO_OK)
        fprintf(stderr, "madpo: %s\n", ignored.message);
    if (number > 0) {
        signal(number, SIG_DFL);
        raise(number);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static int watch_begin(const watch_options *options)
{
    const char *folder = getenv("TMPDIR");
    madpo_error err = MADPO_ERROR_INIT;
    watch_job job = {.options = options};
    char *dir = NULL;
    int rc;
    madpo_status st =
        madpo_path_join(&dir, folder && *folder ? folder : "/tmp", "madpo-bench.XXXXXX", &err);

    if (st == MADPO_OK && !mkdtemp(dir))
        st = madpo_error_errno(&err, MADPO_ERR_IO, errno,
                               "cannot make %s (TMPDIR names another folder)", dir);
    job.dir = dir;
    rc = st == MADPO_OK ? watch_keep(&job) : madpo__cli_fail(&err);
    free(dir);
    return rc;
}

int madpo__bench_watch(int argc, char **argv)
{
    watch_options o = {.steps = 0, .repeats = 0};
    int n, rc = madpo__cli_parse(&madpo__command_bench_watch, argc, argv, &o, &n);

    if (rc < 0 && n > 0)
        rc = madpo__cli_usage("bench watch: unexpected argument \"%s\"", argv[0]);
    if (rc < 0 && (o.replay != NULL) + o.live + (o.steps > 0 || o.megabytes > 0) > 1)
        rc = madpo__cli_usage("bench watch: --replay, --live and a run of --steps are three "
                              "measurements; one at a time");
    if (rc < 0 && !o.live && (o.repeats > 0 || o.settings.n > 0))
        rc = madpo__cli_usage("bench watch: --repeats and --set go with --live");
    if (rc < 0 && o.repeats > MOST_REPEATS)
        rc = madpo__cli_usage("bench watch: at most %d turns", (int)MOST_REPEATS);
    if (o.steps == 0) /* a limit of bytes alone: as many steps as it takes */
        o.steps = o.megabytes > 0 ? INT32_MAX : 1000000;
    if (o.repeats == 0)
        o.repeats = 5;
    if (rc < 0)
        rc = watch_begin(&o);
    madpo__cli_list_dispose(&o.settings);
    return rc;
}
