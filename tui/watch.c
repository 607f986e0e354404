/* Watching without a terminal: one picture, or plain lines; see tui.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "tui/numbers.h"
#include "tui/session.h"

static madpo_status watch_print(FILE *out, const char *text, madpo_error *err)
{
    if (fputs(text, out) >= 0 && fflush(out) == 0)
        return MADPO_OK;
    return madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot write the picture");
}

/* The numbers of a panel, by its name. */
static madpo_status dump_numbers(char **out, madpo_session *session, const char *name,
                                 madpo_error *err)
{
    madpo_strbuf text = {0};
    madpo_panel panel;
    madpo_status st = MADPO_OK;

    if (session->source) {
        st = madpo_numbers_find(&panel, name, err);
        if (st == MADPO_OK)
            st = madpo_numbers_write(&text, &session->view, panel, err);
    } else if (strcmp(name, "cells") == 0) {
        madpo_cells_numbers(&text, session->table.cells);
    } else {
        st = madpo_error_set(err, MADPO_ERR_USAGE,
                             "there is no panel \"%s\" of an experiment; there is cells, and the "
                             "panels of its runs: madpo watch %s/cells/CELL",
                             name, session->options->run);
    }
    if (st == MADPO_OK)
        st = madpo_strbuf_steal(&text, out, NULL, err);
    madpo_strbuf_dispose(&text);
    return st;
}

madpo_status madpo_tui_dump(const madpo_tui_options *options, FILE *out, madpo_error *err)
{
    madpo_session session;
    char *keys = NULL, *text = NULL;
    size_t n;
    int w = 0, h = 0;
    bool quit;
    madpo_status st = madpo_size_parse(&w, &h, options->dump ? options->dump : "80x24", err);

    if (st != MADPO_OK)
        return st;
    st = madpo_session_open(&session, options, true, err);
    session.mono = true; /* a text has no colours */
    if (st == MADPO_OK && options->script)
        st = madpo_file_read(&keys, &n, options->script, err);
    if (st == MADPO_OK)
        st = madpo_session_type(&session, keys ? keys : "", w, h, &quit, err);
    if (st == MADPO_OK)
        st = options->panel ? dump_numbers(&text, &session, options->panel, err)
                            : madpo_grid_dump(&text, &session.grid, err);
    if (st == MADPO_OK)
        st = watch_print(out, text, err);
    free(text);
    free(keys);
    madpo_session_dispose(&session);
    return st;
}

/* ---- plain lines ---- */

void madpo_session_line(char *text, size_t size, const madpo_session *session)
{
    static const char *const metrics[] = {
        "loss",      "rewards/accuracies", "rewards/margins", "madpo/weight/ess",
        "grad_norm", "learning_rate"};
    const madpo_history *history;
    const madpo_phase *phase;
    madpo_moment now;
    size_t n;

    if (!session->source) {
        madpo_cells_line(text, size, session->table.cells);
        return;
    }
    history = madpo_view_history(&session->view);
    now = madpo_history_now(history);
    phase = now.phase >= 0 ? history->phases[now.phase] : NULL;
    if (!phase) {
        snprintf(text, size, "%s: no events yet", session->source->name);
        return;
    }
    n = (size_t)snprintf(text, size, "%s: %s", session->source->name, phase->name);
    if (phase->total_steps > 0 && n < size)
        n += (size_t)snprintf(text + n, size - n, " step %.0f/%.0f", now.step, phase->total_steps);
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics && n < size; i++) {
        const madpo_series *series = madpo_phase_metric(phase, metrics[i]);
        double value = series ? madpo_series_at(series, now.step) : (double)NAN;

        if (isfinite(value))
            n += (size_t)snprintf(text + n, size - n, " %s %.4g", metrics[i], value);
    }
    if (history->n_warnings > 0 && n < size)
        snprintf(text + n, size - n, " warnings %lld", (long long)history->n_warnings);
}

static void plain_wait(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds,
                         .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};

    nanosleep(&t, NULL);
}

static void plain_end(char *text, size_t size, const madpo_session *session)
{
    if (session->source) {
        const madpo_history *history = madpo_view_history(&session->view);

        snprintf(text, size, "%s: %s\n", session->source->name,
                 history->ended ? history->status : "not running; the run has not ended");
    } else {
        madpo_cells_sum sum = madpo_cells_count(session->table.cells);
        size_t left = sum.n - sum.done - sum.failed;

        if (sum.n > 0 && left == 0)
            snprintf(text, size, "%s: done\n", session->table.cells->name);
        else
            snprintf(text, size, "%s: not running; %zu cells are left\n",
                     session->table.cells->name, left);
    }
}

madpo_status madpo_tui_plain(const madpo_tui_options *options, FILE *out, madpo_error *err)
{
    madpo_session session;
    char text[512], before[512] = "";
    bool changed, more, live = true;
    madpo_status st = madpo_session_open(&session, options, true, err);

    while (st == MADPO_OK && live) {
        live =
            madpo_session_check_live(&session); /* before reading: what came last is read below */
        if (session.has_table)
            session.table.cells->looked_at = -1; /* whatever the time since the last look */
        do
            st = madpo_session_load(&session, 1.0, &changed, &more, err);
        while (st == MADPO_OK && more);
        madpo_session_line(text, sizeof text - 2, &session);
        if (st == MADPO_OK && strcmp(text, before) != 0) {
            memcpy(before, text, sizeof before);
            strncat(text, "\n", 2);
            st = watch_print(out, text, err);
        }
        if (live)
            plain_wait(options->plain_every);
    }
    if (st == MADPO_OK) {
        plain_end(text, sizeof text, &session);
        st = watch_print(out, text, err);
    }
    madpo_session_dispose(&session);
    return st;
}
