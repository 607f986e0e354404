/* Measuring; see cost.h. */
#include "tui/cost.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "tui/scan.h"
#include "tui/session.h"
#include "tui/terminal.h"

static const double replay_live = 2.0; /* seconds between two looks whether the run lives */

static madpo_status cost_begin(madpo_session *session, const char *dir, int w, int h,
                               madpo_error *err)
{
    madpo_terminal_options terminal = {.color = "256", .background = "dark"};
    madpo_tui_options options = {.run = dir};
    madpo_status st;

    memset(session, 0, sizeof *session);
    if (!setlocale(LC_CTYPE, "C.UTF-8") && !setlocale(LC_CTYPE, "en_US.UTF-8"))
        return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                               "the locale C.UTF-8 is needed, which this system lacks");
    st = madpo_session_open(session, &options, false, err);
    session->options = NULL; /* they end here; a run asks for them no more */
    if (st == MADPO_OK && !session->source)
        st = madpo_error_set(err, MADPO_ERR_DATA, "%s is an experiment, not a run", dir);
    if (st == MADPO_OK)
        st = madpo_terminal_open_file(&terminal, w, h, err);
    return st;
}

static void cost_end(madpo_session *session)
{
    madpo_terminal_close();
    madpo_session_dispose(session);
}

/* Draw and send; *n = bytes sent. */
static madpo_status cost_frame(madpo_session *session, int w, int h, int64_t *n, madpo_error *err)
{
    madpo_strbuf bytes = {0};
    madpo_status st = madpo_view_render(&session->grid, &session->view, w, h, err);

    if (st == MADPO_OK) {
        madpo_terminal_show(&session->grid);
        st = madpo_terminal_take(&bytes, err);
    }
    *n = (int64_t)bytes.n;
    madpo_strbuf_dispose(&bytes);
    return st;
}

/* ---- opening ---- */

/* A line of /proc/self/status, in bytes; 0 where there is none. */
static int64_t resident_bytes(const char *name)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long long kilobytes = 0;

    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            kilobytes = strtoll(line + strlen(name), NULL, 10);
    if (file)
        fclose(file);
    return kilobytes * 1024;
}

static void count_points(madpo_cost_open *out, const madpo_history *history)
{
    for (size_t p = 0; p < history->n_phases; p++) {
        const madpo_phase *phase = history->phases[p];

        out->steps += (int64_t)phase->step;
        out->points += (int64_t)(phase->clock.n + phase->tokens.n + phase->examples.n);
        for (size_t i = 0; i < phase->n_metrics; i++)
            out->points += (int64_t)phase->metrics[i].series.n;
    }
}

/* What loop.c does, without waiting. */
static madpo_status open_whole(madpo_cost_open *out, madpo_session *session, double began, int w,
                               int h, madpo_error *err)
{
    bool changed, more = true;
    double drawn = madpo_clock_monotonic();
    int64_t n;
    madpo_status st = MADPO_OK;

    while (st == MADPO_OK && more) {
        double turn = madpo_clock_monotonic();

        st = madpo_session_load(session, MADPO_SESSION_SLICE, &changed, &more, err);
        if (st == MADPO_OK && (!more || turn - drawn >= MADPO_SESSION_FRAME)) {
            st = cost_frame(session, w, h, &n, err);
            drawn = madpo_clock_monotonic();
        }
        out->longest_seconds = fmax(out->longest_seconds, madpo_clock_monotonic() - turn);
    }
    out->whole_seconds = madpo_clock_monotonic() - began;
    return st;
}

madpo_status madpo_cost_open_run(madpo_cost_open *out, const char *dir, int w, int h,
                                 madpo_error *err)
{
    double began = madpo_clock_monotonic();
    madpo_session session;
    int64_t done, n;
    madpo_status st = cost_begin(&session, dir, w, h, err);

    *out = (madpo_cost_open){0};
    if (st == MADPO_OK)
        st = cost_frame(&session, w, h, &n, err);
    out->first_seconds = madpo_clock_monotonic() - began;
    out->first_resident = resident_bytes("VmRSS:");
    if (st == MADPO_OK)
        st = open_whole(out, &session, began, w, h, err);
    if (st == MADPO_OK) {
        out->whole_resident = resident_bytes("VmHWM:");
        if (out->whole_resident < out->first_resident) /* the kernel counts them apart */
            out->whole_resident = out->first_resident;
        madpo_run_reader_position(session.source->reader, &done, &out->log_bytes);
        count_points(out, madpo_view_history(&session.view));
    }
    cost_end(&session);
    return st;
}

/* ---- a run once more ---- */

/* Everything but the log and what belongs to a live process, as links. */
static madpo_status replay_link(const char *dir, const char *scratch, madpo_error *err)
{
    static const char *const not_linked[] = {".",        "..",           "events.jsonl",
                                             "run.lock", "control.sock", NULL};
    DIR *folder = opendir(dir);
    const struct dirent *entry;
    char real[PATH_MAX];
    madpo_status st = MADPO_OK;

    if (!folder || !realpath(dir, real))
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "%s", dir);
    while (st == MADPO_OK && (entry = readdir(folder)) != NULL) {
        char *from = NULL, *to = NULL;
        bool skip = false;

        for (int i = 0; not_linked[i]; i++)
            skip = skip || strcmp(entry->d_name, not_linked[i]) == 0;
        if (skip)
            continue;
        st = madpo_path_join(&from, real, entry->d_name, err);
        if (st == MADPO_OK)
            st = madpo_path_join(&to, scratch, entry->d_name, err);
        if (st == MADPO_OK && symlink(from, to) != 0)
            st = madpo_error_errno(err, MADPO_ERR_IO, errno, "%s", to);
        free(from);
        free(to);
    }
    if (folder)
        closedir(folder);
    return st;
}

/* Seconds since 1970 that a line of the log was written at; NaN if it does not say. */
static double line_time(const char *line, size_t n)
{
    static const char key[] = "\"t\":";
    size_t m = sizeof key - 1;

    for (size_t i = 0; i + m < n && i < 64; i++)
        if (memcmp(line + i, key, m) == 0)
            return strtod(line + i + m, NULL); /* the line's end ends it */
    return (double)NAN;
}

typedef struct replay {
    madpo_session session;
    madpo_run_reader *from;
    FILE *log;
    const char *line; /* the next one, NULL at the end */
    size_t n_line;
    int64_t *bytes; /* [n] owned: of each picture */
    size_t n, room;
    double t, live_at, first_t;
} replay;

static madpo_status replay_next(replay *r, madpo_error *err)
{
    return madpo_run_reader_next_line(r->from, &r->line, &r->n_line, err);
}

static madpo_status replay_note(replay *r, int64_t bytes, madpo_error *err)
{
    if (r->n == r->room) {
        size_t room = r->room ? 2 * r->room : 1024;
        int64_t *more = realloc(r->bytes, room * sizeof *more);

        if (!more)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "sizes of pictures");
        r->bytes = more;
        r->room = room;
    }
    r->bytes[r->n++] = bytes;
    return MADPO_OK;
}

/* Write what had been written by r->t. */
static madpo_status replay_write(replay *r, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    while (st == MADPO_OK && r->line && !(line_time(r->line, r->n_line) > r->t)) {
        fwrite(r->line, 1, r->n_line, r->log);
        fputc('\n', r->log);
        st = replay_next(r, err);
    }
    if (st == MADPO_OK && fflush(r->log) != 0)
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "the log that is written again");
    return st;
}

/* One look at the log. */
static madpo_status replay_turn(replay *r, madpo_cost_replay *out, int w, int h, madpo_error *err)
{
    bool dirty = false, changed, more = true;
    clock_t cpu = clock();
    int64_t n;
    madpo_status st = MADPO_OK;

    r->session.source->live = true;
    if (r->t - r->live_at >= replay_live) { /* the clock on the screen moves on */
        r->session.view.now = r->t;
        r->live_at = r->t;
        dirty = true;
    }
    while (st == MADPO_OK && more) {
        st = madpo_session_load(&r->session, 1.0, &changed, &more, err);
        dirty = dirty || changed;
    }
    if (st == MADPO_OK && dirty) {
        st = cost_frame(&r->session, w, h, &n, err);
        if (st == MADPO_OK)
            st = replay_note(r, n, err);
    }
    out->cpu_seconds += (double)(clock() - cpu) / CLOCKS_PER_SEC;
    return st;
}

static int compare_int64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static madpo_status replay_sum(replay *r, madpo_cost_replay *out, const char *dir, madpo_error *err)
{
    int64_t *v = r->bytes + 1;
    size_t n = r->n - 1;

    if (r->n < 2)
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: nothing happens in this run", dir);
    for (size_t i = 0; i < r->n; i++)
        out->bytes += r->bytes[i];
    out->first_bytes = r->bytes[0];
    qsort(v, n, sizeof *v, compare_int64);
    out->frames = (int64_t)n;
    out->median = v[n / 2];
    out->p90 = v[n * 9 / 10];
    out->most = v[n - 1];
    out->seconds = r->t - r->first_t;
    return MADPO_OK;
}

static madpo_status replay_open(replay *r, const char *dir, const char *scratch, int w, int h,
                                madpo_error *err)
{
    char *path = NULL;
    madpo_status st = madpo_run_reader_open(&r->from, dir, err);

    if (st == MADPO_OK)
        st = replay_link(dir, scratch, err);
    if (st == MADPO_OK)
        st = madpo_path_join(&path, scratch, "events.jsonl", err);
    if (st == MADPO_OK && !(r->log = fopen(path, "w")))
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "%s", path);
    free(path);
    if (st == MADPO_OK)
        st = replay_next(r, err);
    if (st == MADPO_OK)
        st = cost_begin(&r->session, scratch, w, h, err);
    if (st != MADPO_OK)
        return st;
    r->first_t = r->t = r->line ? line_time(r->line, r->n_line) : 0;
    if (!isfinite(r->t))
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: the first event has no time", dir);
    r->live_at = r->t - replay_live;
    return st;
}

madpo_status madpo_cost_replay_run(madpo_cost_replay *out, const char *dir, const char *scratch,
                                   int w, int h, madpo_error *err)
{
    replay r = {0};
    bool more = true;
    madpo_status st = replay_open(&r, dir, scratch, w, h, err);

    *out = (madpo_cost_replay){0};
    while (st == MADPO_OK && more) {
        more = r.line != NULL;
        st = replay_write(&r, err);
        if (st == MADPO_OK)
            st = replay_turn(&r, out, w, h, err);
        if (more)
            r.t += MADPO_SESSION_POLL_MS / 1e3;
    }
    if (st == MADPO_OK)
        st = replay_sum(&r, out, dir, err);
    cost_end(&r.session);
    if (r.log)
        fclose(r.log);
    madpo_run_reader_close(r.from);
    free(r.bytes);
    return st;
}
