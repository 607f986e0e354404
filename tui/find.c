/* Looking through the texts; see find.h. */
#include "tui/find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "tui/view.h"

const double madpo_find_slice = 0.02;

static void say(madpo_view *view, const char *text)
{
    snprintf(view->message, sizeof view->message, "%.199s", text);
}

/* ---- all of them ---- */

void madpo_find_begin(madpo_find *find, bool wanted)
{
    madpo_find_dispose(find);
    find->wanted = wanted;
}

void madpo_find_dispose(madpo_find *find)
{
    free(find->known);
    memset(find, 0, sizeof *find);
}

bool madpo_find_holds(const madpo_find *find, size_t i)
{
    return i < find->n && find->known[i] == 2;
}

bool madpo_find_is_busy(const madpo_find *find, const madpo_feed *source)
{
    const madpo_samples *samples = &madpo_feed_story(source)->samples;

    return find->wanted && !find->stopped && find->version != samples->version;
}

/* Room for all pairs; those of the tail have other numbers than those of the whole. */
static bool find_room(madpo_find *find, const madpo_feed *source, size_t n)
{
    uint8_t *grown;

    if (find->tail != source->only_tail) {
        find->n = find->at = find->looked = find->hits = 0;
        find->tail = source->only_tail;
    }
    if (n <= find->n)
        return true;
    grown = realloc(find->known, n);
    if (!grown)
        return false;
    memset(grown + find->n, 0, n - find->n);
    find->known = grown;
    find->n = n;
    return true;
}

void madpo_find_on(madpo_find *find, const madpo_feed *source, const struct madpo_filter *filter,
                   double seconds)
{
    const madpo_samples *samples = &madpo_feed_story(source)->samples;
    double until = madpo_clock_monotonic() + seconds;

    if (!madpo_find_is_busy(find, source))
        return;
    if (!find_room(find, source, samples->n)) {
        find->stopped = true;
        return;
    }
    for (; find->at < samples->n; find->at++) {
        const madpo_sample *sample = &samples->v[find->at];

        if (find->known[find->at] != 0 || sample->offset < 0) /* its text has not been met yet */
            continue;
        find->known[find->at] = madpo_filter_texts_hold(filter, source, sample) ? 2 : 1;
        find->looked++;
        find->hits += find->known[find->at] == 2;
        if (madpo_clock_monotonic() >= until) { /* at least one, whatever the time */
            find->at++;
            return;
        }
    }
    find->at = 0;
    find->version = samples->version;
}

/* ---- the next one ---- */

void madpo_seek_dispose(madpo_seek *seek)
{
    free(seek->order);
    memset(seek, 0, sizeof *seek);
}

void madpo_seek_begin(madpo_view *view, bool backwards)
{
    madpo_seek *seek = &view->seek;
    size_t n;

    madpo_seek_dispose(seek);
    if (view->list_stale && madpo_view_list(view, NULL) != MADPO_OK)
        return; /* a key before the picture of the one before it: the list is an old one */
    n = view->n_list;
    seek->order = n > 0 ? malloc(n * sizeof *seek->order) : NULL;
    if (n == 0)
        say(view, "no pair to search in");
    if (!seek->order)
        return;
    for (size_t i = 1; i <= n; i++)
        seek->order[i - 1] = view->list[(view->cursor + (backwards ? n - i : i)) % n];
    seek->n = n;
    seek->active = true;
    seek->tail = view->source->only_tail;
    madpo_find_tick(view);
}

/* Put the cursor on a pair; false if it is no longer in the list. */
static bool go_to(madpo_view *view, int32_t index)
{
    for (size_t i = 0; i < view->n_list; i++)
        if (view->list[i] == index) {
            view->cursor = i;
            view->pair_scroll = 0;
            if (view->wish.focus != MADPO_PANEL_PAIR)
                madpo_view_focus(view, MADPO_PANEL_SAMPLES);
            return true;
        }
    return false;
}

static void seek_on(madpo_view *view, double seconds)
{
    const madpo_samples *samples = madpo_view_samples(view);
    madpo_seek *seek = &view->seek;
    double until = madpo_clock_monotonic() + seconds, step = madpo_view_policy_step(view);
    madpo_filter wanted;

    if (madpo_filter_parse(&wanted, view->search, NULL) != MADPO_OK ||
        seek->tail != view->source->only_tail) { /* the pairs are numbered anew */
        madpo_seek_dispose(seek);
        return;
    }
    for (; seek->at < seek->n; seek->at++) {
        int32_t index = seek->order[seek->at];

        if ((size_t)index < samples->n &&
            madpo_filter_holds(&wanted, view->source, &samples->v[index], step) &&
            go_to(view, index)) {
            view->message[0] = '\0';
            madpo_seek_dispose(seek);
            return;
        }
        if (madpo_clock_monotonic() >= until) {
            seek->at++;
            return;
        }
    }
    madpo_seek_dispose(seek);
    snprintf(view->message, sizeof view->message, "no pair here has \"%.100s\"", view->search);
}

/* ---- a slice ---- */

bool madpo_find_working(const madpo_view *view)
{
    return view->seek.active || madpo_find_is_busy(&view->find, view->source);
}

bool madpo_find_tick(madpo_view *view)
{
    bool filters = madpo_find_is_busy(&view->find, view->source);
    size_t done = view->find.looked, all = madpo_view_samples(view)->n;

    if (view->seek.active) {
        done = view->seek.at;
        all = view->seek.n;
        seek_on(view, madpo_find_slice);
        if (!view->seek.active)
            return true;
        done = view->seek.at;
    } else if (filters) {
        bool first = view->find.version == 0; /* later ones are of the pairs that came since */

        madpo_find_on(&view->find, view->source, &view->filter, madpo_find_slice);
        if (!first)
            return true;
        if (!madpo_find_is_busy(&view->find, view->source)) {
            view->message[0] = '\0';
            return true;
        }
        done = view->find.looked;
    } else {
        return false;
    }
    snprintf(view->message, sizeof view->message, "searching the texts: %.0f %%; Esc stops",
             all > 0 ? 100.0 * (double)done / (double)all : 0.0);
    return true;
}

void madpo_find_stop(madpo_view *view)
{
    if (view->seek.active) {
        madpo_seek_dispose(&view->seek);
        say(view, "search stopped");
        return;
    }
    view->find.stopped = true;
    snprintf(view->message, sizeof view->message,
             "search stopped; of %zu texts that were looked through, %zu have the words",
             view->find.looked, view->find.hits);
}
