/* The moments, the pictures, and the asciicast; see record.h. */
#include "tui/record.h"

#include <errno.h>
#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tui/terminal.h"

/* ---- moments ---- */

static bool timeline_has(const madpo_history *history, int phase)
{
    return history->phases[phase]->step > 0;
}

madpo_status madpo_timeline_init(madpo_timeline *timeline, const madpo_session *session,
                                 const char *from, const char *to, madpo_error *err)
{
    const madpo_history *history = madpo_view_history(&session->view);
    int shown = madpo_history_phase(history, "policy"), first, last;
    double low = 1, high;
    madpo_status st = MADPO_OK;

    *timeline = (madpo_timeline){0};
    if (shown < 0 || !timeline_has(history, shown))
        shown = madpo_view_plot_phase(&session->view);
    if (shown < 0)
        return madpo_error_set(err, MADPO_ERR_DATA, "run %s has no steps to record yet",
                               session->source->name);
    first = shown;
    if (from)
        st = madpo_session_moment(session, "from", from, &first, &low, err);
    last = first > shown ? first : shown;
    high = history->phases[last]->step;
    if (st == MADPO_OK && to)
        st = madpo_session_moment(session, "to", to, &last, &high, err);
    if (st != MADPO_OK)
        return st;
    high = fmin(high, history->phases[last]->step);
    if (last < first || (last == first && high < low))
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "the recording would end, at %s %g, before it begins, at %s %g: see "
                               "--from and --to",
                               history->phases[last]->name, high, history->phases[first]->name,
                               low);
    for (int p = first; p <= last; p++) {
        if (p != first && p != last && !timeline_has(history, p))
            continue;
        timeline->parts[timeline->n].phase = p;
        timeline->parts[timeline->n].low = p == first ? low : fmin(1, history->phases[p]->step);
        timeline->parts[timeline->n].high = p == last ? high : history->phases[p]->step;
        timeline->n++;
    }
    for (int i = 0; i < timeline->n; i++)
        timeline->parts[i].weight = (timeline->parts[i].high - timeline->parts[i].low + 1) /
                                    fmax(history->phases[timeline->parts[i].phase]->step, 1);
    return MADPO_OK;
}

void madpo_timeline_at(const madpo_timeline *timeline, double share, int *phase, double *step)
{
    double all = 0, left;
    int i = 0;

    for (int k = 0; k < timeline->n; k++)
        all += timeline->parts[k].weight;
    left = share * all;
    while (i + 1 < timeline->n && left >= timeline->parts[i].weight)
        left -= timeline->parts[i++].weight;
    left = fmin(left / timeline->parts[i].weight, 1);
    *phase = timeline->parts[i].phase;
    *step =
        round(timeline->parts[i].low + left * (timeline->parts[i].high - timeline->parts[i].low));
}

/* ---- pictures ---- */

static int keys_count(const char *keys)
{
    int n = 0;

    while (*keys)
        n += madpo_session_next_key(&keys) != 0;
    return n;
}

/* Type the keys due at picture i of n. */
static madpo_status frames_type(madpo_session *session, const char **keys, int *typed, int64_t due,
                                const madpo_frames *frames, bool *quit, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    while (st == MADPO_OK && **keys && *typed < due && !*quit) {
        int key = madpo_session_next_key(keys);

        *typed += key != 0;
        if (key <= 0)
            continue;
        *quit = madpo_session_key(session, key) == MADPO_ACTION_QUIT;
        while (madpo_find_working(&session->view))
            madpo_find_tick(&session->view);
        if (!*quit) /* keys ask the picture where things are */
            st = madpo_view_render(&session->grid, &session->view, frames->w, frames->h, err);
    }
    return st;
}

madpo_status madpo_frames_draw(madpo_frames *frames, madpo_session *session,
                               const madpo_timeline *timeline, const char *keys, madpo_error *err)
{
    size_t size = (size_t)frames->w * (size_t)frames->h;
    int n = frames->n, typed = 0, n_keys = keys ? keys_count(keys) : 0;
    madpo_status st = MADPO_OK;
    bool quit = false;

    frames->n = 0;
    frames->cells = calloc(size * (size_t)n + 1, sizeof *frames->cells);
    if (!frames->cells)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "%d pictures of %d x %d", n, frames->w,
                               frames->h);
    for (int i = 0; st == MADPO_OK && i < n; i++) {
        double step;
        int phase;

        madpo_timeline_at(timeline, n > 1 ? (double)i / (n - 1) : 1, &phase, &step);
        madpo_view_go(&session->view, phase, step);
        st = madpo_view_render(&session->grid, &session->view, frames->w, frames->h, err);
        if (st == MADPO_OK && n_keys > 0)
            st = frames_type(session, &keys, &typed, ((int64_t)(i + 1) * n_keys + n - 1) / n,
                             frames, &quit, err);
        if (quit)
            break;
        if (st == MADPO_OK && n_keys > 0) { /* whatever they did to the moment */
            madpo_view_go(&session->view, phase, step);
            st = madpo_view_render(&session->grid, &session->view, frames->w, frames->h, err);
        }
        if (st == MADPO_OK)
            memcpy(frames->cells + (size_t)frames->n++ * size, session->grid.cells,
                   size * sizeof *frames->cells);
    }
    if (st == MADPO_OK && frames->n == 0)
        st = madpo_error_set(err, MADPO_ERR_USAGE, "the keys end the recording before it begins");
    return st;
}

void madpo_frames_dispose(madpo_frames *frames)
{
    free(frames->cells);
    frames->cells = NULL;
}

/* ---- asciicast ---- */

static madpo_status cast_line(madpo_strbuf *out, json_t *value, madpo_error *err)
{
    char *line = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

    json_decref(value);
    if (!line)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "line of the recording");
    madpo_strbuf_append(out, line);
    madpo_strbuf_append_char(out, '\n');
    free(line);
    return madpo_strbuf_check(out, err);
}

static madpo_status cast_event(madpo_strbuf *out, double t, const char *bytes, size_t n,
                               madpo_error *err)
{
    return cast_line(out, json_pack("[f,s,s%]", t, "o", bytes, n), err);
}

/* What takes the terminal also turns to its other screen; a recording stays on the one that is
 * there, so that its last picture is still to be seen when it is over. */
static void cast_stay(madpo_strbuf *bytes)
{
    static const char other[] = "\033[?1049h\033[22;0;0t";
    char *at = bytes->s ? strstr(bytes->s, other) : NULL;
    size_t n = sizeof other - 1;

    if (at) {
        memmove(at, at + n, bytes->n - (size_t)(at - bytes->s) - n + 1);
        bytes->n -= n;
    }
}

static madpo_status cast_frames(madpo_strbuf *out, const madpo_frames *frames, madpo_error *err)
{
    madpo_strbuf bytes = {0};
    char last[32];
    madpo_status st = MADPO_OK;

    for (int i = 0; st == MADPO_OK && i < frames->n; i++) {
        size_t size = (size_t)frames->w * (size_t)frames->h;
        madpo_grid grid = {
            .w = frames->w, .h = frames->h, .cells = frames->cells + (size_t)i * size};

        madpo_terminal_show(&grid);
        madpo_strbuf_reset(&bytes);
        st = madpo_terminal_take(&bytes, err);
        if (i == 0)
            cast_stay(&bytes);
        if (st == MADPO_OK && bytes.n > 0)
            st = cast_event(out, i / frames->fps, bytes.s, bytes.n, err);
    }
    madpo_strbuf_dispose(&bytes);
    snprintf(last, sizeof last, "\033[m\033[%d;1H\033[?25h", frames->h);
    if (st == MADPO_OK)
        st = cast_event(out, frames->n / frames->fps, last, strlen(last), err);
    return st;
}

madpo_status madpo_record_cast(madpo_strbuf *out, const madpo_frames *frames, const char *title,
                               const char *color, const char *background, madpo_error *err)
{
    bool automatic = !color || strcmp(color, "auto") == 0;
    bool light = background && strcmp(background, "light") == 0;
    madpo_terminal_options options = {.color = automatic ? "256" : color,
                                      .background = light ? "light" : "dark"};
    json_t *header =
        json_pack("{s:i,s:i,s:i,s:s,s:{s:s}}", "version", 2, "width", frames->w, "height",
                  frames->h, "title", title, "env", "TERM", MADPO_TERMINAL_FILE_TERM);
    madpo_status st = cast_line(out, header, err);

    if (st == MADPO_OK)
        st = madpo_terminal_open_file(&options, frames->w, frames->h, err);
    if (st == MADPO_OK) {
        st = cast_frames(out, frames, err);
        madpo_terminal_close();
    }
    return st;
}

/* ---- the whole ---- */

static bool record_is(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);

    return n > m && strcmp(path + n - m, suffix) == 0;
}

/* What is asked for, before anything is read. */
static madpo_status record_check(madpo_frames *frames, const madpo_tui_options *o, madpo_error *err)
{
    bool svg = record_is(o->record, ".svg");
    double fps = isnan(o->fps) ? (svg ? 2.0 : 10.0) : o->fps;
    double seconds = isnan(o->seconds) ? 10.0 : o->seconds, n = round(fps * seconds);

    if (!svg && !record_is(o->record, ".cast"))
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "--record %s: the name says what it becomes, .cast or .svg",
                               o->record);
    if (!(fps > 0 && fps <= 30))
        return madpo_error_set(err, MADPO_ERR_USAGE, "--fps %g: more than 0, at most 30", fps);
    if (!(seconds > 0) || !(n >= 1 && n <= MADPO_RECORD_MOST))
        return madpo_error_set(
            err, MADPO_ERR_USAGE,
            "--seconds %g at %g pictures a second: a recording has 1 to %d pictures", seconds, fps,
            (int)MADPO_RECORD_MOST);
    *frames = (madpo_frames){.n = (int)n, .fps = fps};
    return madpo_size_parse(&frames->w, &frames->h, o->size ? o->size : "120x40", err);
}

static madpo_status record_write(const madpo_frames *frames, const madpo_session *session,
                                 const madpo_tui_options *o, madpo_error *err)
{
    madpo_strbuf out = {0};
    char title[256];
    madpo_status st;

    snprintf(title, sizeof title, "madpo watch %s", session->source->name);
    if (record_is(o->record, ".svg"))
        st = madpo_record_svg(&out, frames, title, o->color, o->background, err);
    else
        st = madpo_record_cast(&out, frames, title, o->color, o->background, err);
    if (st == MADPO_OK)
        st = madpo_file_write(o->record, out.s, out.n, err);
    madpo_strbuf_dispose(&out);
    return st;
}

madpo_status madpo_tui_record(const madpo_tui_options *options, madpo_error *err)
{
    madpo_timeline timeline;
    madpo_frames frames = {0};
    madpo_session session;
    char *keys = NULL;
    size_t n;
    madpo_status st = record_check(&frames, options, err);

    if (st != MADPO_OK)
        return st;
    /* whoever plays it, wherever it is made: ASCII has to be asked for */
    if (!setlocale(LC_CTYPE, "C.UTF-8") && !setlocale(LC_CTYPE, "en_US.UTF-8"))
        return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                               "a recording needs the locale C.UTF-8, which this system lacks");
    st = madpo_session_open(&session, options, true, err);
    if (st == MADPO_OK && !session.source)
        st = madpo_error_set(err, MADPO_ERR_USAGE,
                             "%s is an experiment: --record shows a run, such as one of its cells",
                             options->run);
    if (st == MADPO_OK && options->script)
        st = madpo_file_read(&keys, &n, options->script, err);
    if (st == MADPO_OK)
        st = madpo_timeline_init(&timeline, &session, options->from, options->to, err);
    if (st == MADPO_OK)
        st = madpo_frames_draw(&frames, &session, &timeline, keys, err);
    if (st == MADPO_OK)
        st = record_write(&frames, &session, options, err);
    madpo_frames_dispose(&frames);
    free(keys);
    madpo_session_dispose(&session);
    return st;
}
