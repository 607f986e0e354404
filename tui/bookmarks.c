/* Moments to come back to; see bookmarks.h. */
#include "tui/bookmarks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"

/* ---- the file ---- */

/* An id is letters, digits, - and _; anything else is none. */
static bool is_id(const char *id)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

    return id && *id && strlen(id) < 100 && strspn(id, letters) == strlen(id);
}

static char *path_for(const char *id)
{
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    madpo_strbuf path = {0};
    char *out = NULL;

    if (!is_id(id))
        return NULL;
    if (xdg && xdg[0] == '/') /* the XDG base directory rules ignore relative values */
        madpo_strbuf_printf(&path, "%s/madpo/bookmarks/%s", xdg, id);
    else if (home && home[0] == '/')
        madpo_strbuf_printf(&path, "%s/.local/state/madpo/bookmarks/%s", home, id);
    if (path.n > 0 && madpo_strbuf_steal(&path, &out, NULL, NULL) != MADPO_OK)
        out = NULL;
    madpo_strbuf_dispose(&path);
    return out;
}

void madpo_bookmarks_open(madpo_bookmarks *marks, const char *id)
{
    char *text = NULL, *line, *rest = NULL;
    size_t n = 0;

    memset(marks, 0, sizeof *marks);
    marks->path = path_for(id);
    if (!marks->path || !madpo_file_exists(marks->path) ||
        madpo_file_read(&text, &n, marks->path, NULL) != MADPO_OK)
        return;
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        madpo_bookmark mark;

        if (marks->n < MADPO_BOOKMARKS && sscanf(line, "%47s %lf", mark.stage, &mark.step) == 2 &&
            isfinite(mark.step) && mark.step >= 0)
            marks->v[marks->n++] = mark;
    }
    free(text);
}

void madpo_bookmarks_dispose(madpo_bookmarks *marks)
{
    free(marks->path);
    memset(marks, 0, sizeof *marks);
}

static madpo_status keep(const madpo_bookmarks *marks, madpo_error *err)
{
    madpo_strbuf text = {0};
    char *dir = NULL;
    madpo_status st;

    if (!marks->path)
        return MADPO_OK;
    for (int i = 0; i < marks->n; i++)
        madpo_strbuf_printf(&text, "%s %.0f\n", marks->v[i].stage, marks->v[i].step);
    st = madpo_strbuf_check(&text, err);
    if (st == MADPO_OK)
        st = madpo_path_parent(&dir, marks->path, err);
    if (st == MADPO_OK)
        st = madpo_dir_make(dir, err);
    if (st == MADPO_OK)
        st = madpo_file_write(marks->path, text.s ? text.s : "", text.n, err);
    free(dir);
    madpo_strbuf_dispose(&text);
    return st;
}

/* ---- the moments ---- */

/* -1, 0 or 1 as a bookmark is before, at or after a moment; a stage that is not there is after all.
 */
static int compare(const madpo_history *history, const madpo_bookmark *mark, madpo_moment at)
{
    int phase = madpo_history_phase(history, mark->stage);

    if (phase != at.phase)
        return phase >= 0 && phase < at.phase ? -1 : 1;
    return (mark->step > floor(at.step)) - (mark->step < floor(at.step));
}

madpo_status madpo_bookmarks_toggle(madpo_bookmarks *marks, const madpo_history *history,
                                    madpo_moment at, bool *set, madpo_error *err)
{
    int i = 0;

    *set = false;
    if (at.phase < 0 || at.phase >= (int)history->n_phases)
        return madpo_error_set(err, MADPO_ERR_USAGE, "there is no moment to mark yet");
    while (i < marks->n && compare(history, &marks->v[i], at) < 0)
        i++;
    if (i < marks->n && compare(history, &marks->v[i], at) == 0) {
        memmove(&marks->v[i], &marks->v[i + 1], (size_t)(--marks->n - i) * sizeof *marks->v);
        return keep(marks, err);
    }
    if (marks->n == MADPO_BOOKMARKS)
        return madpo_error_set(err, MADPO_ERR_USAGE, "at most %d bookmarks; remove one first",
                               MADPO_BOOKMARKS);
    memmove(&marks->v[i + 1], &marks->v[i], (size_t)(marks->n++ - i) * sizeof *marks->v);
    snprintf(marks->v[i].stage, sizeof marks->v[i].stage, "%.47s", history->phases[at.phase]->name);
    marks->v[i].step = floor(at.step);
    *set = true;
    return keep(marks, err);
}

int madpo_bookmarks_next(const madpo_bookmarks *marks, const madpo_history *history,
                         madpo_moment at, bool forward)
{
    int found = -1;

    for (int i = 0; i < marks->n; i++) {
        int order = compare(history, &marks->v[i], at);

        if (madpo_history_phase(history, marks->v[i].stage) < 0)
            continue;
        if (forward && order > 0)
            return i;
        if (!forward && order < 0)
            found = i;
    }
    return found;
}
