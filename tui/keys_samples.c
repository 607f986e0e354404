/* Keys of the sample list; see keys.h. */
#include "tui/keys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "tui/cursor.h"
#include "tui/numbers.h"
#include "tui/runs.h"

static void say(madpo_view *view, const char *text)
{
    snprintf(view->message, sizeof view->message, "%.199s", text);
}

madpo_action madpo_key_sort(madpo_view *view, int key)
{
    if (key == 'O')
        view->descending = !view->descending;
    else
        view->sort = (madpo_sort)((view->sort + 1) % MADPO_SORTS);
    view->list_stale = true;
    view->cursor = view->top = 0;
    snprintf(view->message, sizeof view->message, "sorted by %s, %s", madpo_sort_names[view->sort],
             view->descending ? "largest first" : "smallest first");
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_pick(madpo_view *view, int key)
{
    double width;

    (void)key;
    if (view->n_bins < 1 || view->stats.version == 0) {
        say(view, "no margins yet");
        return MADPO_ACTION_NONE;
    }
    if (view->bin < 0)
        view->bin = view->n_bins / 2;
    width = (view->stats.high - view->stats.low) / view->n_bins;
    view->bin_low = view->bin > 0 ? view->stats.low + width * view->bin : -INFINITY;
    view->bin_high =
        view->bin + 1 < view->n_bins ? view->stats.low + width * (view->bin + 1) : INFINITY;
    madpo_key_say(view, "only pairs with h from %.3g to %.3g; \\ shows all again",
                  view->stats.low + width * view->bin, view->stats.low + width * (view->bin + 1));
    view->list_stale = true;
    view->cursor = view->top = 0;
    madpo_view_focus(view, MADPO_PANEL_SAMPLES);
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_enter(madpo_view *view, int key)
{
    if (view->wish.focus == MADPO_PANEL_MARGINS)
        return madpo_key_pick(view, key);
    if (view->wish.focus == MADPO_PANEL_SAMPLES && madpo_view_sample(view)) {
        view->pair_scroll = 0;
        madpo_view_focus(view, MADPO_PANEL_PAIR);
        view->wish.guest_wide =
            view->layout.panel[MADPO_PANEL_PAIR].w > 0 ? view->wish.guest_wide : MADPO_PANEL_PAIR;
    } else if (!madpo_panel_is_wide(view->wish.focus)) {
        view->wish.zoomed = !view->wish.zoomed;
    } else {
        say(view, view->wish.focus == MADPO_PANEL_SAMPLES ? "no pair to open"
                                                          : "Enter opens a pair in samples (3)");
    }
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_mark(madpo_view *view, int key)
{
    madpo_samples *samples = &madpo_feed_story_mutable(view->source)->samples;

    (void)key;
    if (madpo_view_sample(view)) {
        madpo_sample *sample = &samples->v[view->list[view->cursor]];

        sample->marked = !sample->marked;
        madpo_key_say(view, "pair %lld %s", (long long)sample->id,
                      sample->marked ? "marked; e writes the ids of all" : "no longer marked");
        madpo_cursor_list(view, 1);
    } else {
        say(view, "no pair to mark");
    }
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_export(madpo_view *view, int key)
{
    madpo_error err = MADPO_ERROR_INIT;
    char path[300];
    size_t n;

    (void)key;
    snprintf(path, sizeof path, "%.200s-marked.txt", view->source->name);
    madpo_runs_free_name(path, sizeof path);
    if (madpo_runs_export(madpo_view_samples(view), path, &n, &err) != MADPO_OK)
        say(view, err.message);
    else if (n == 0)
        say(view, "no pair is marked; Space marks one");
    else
        snprintf(view->message, sizeof view->message, "%zu %s written to %.160s", n,
                 n == 1 ? "id" : "ids", path);
    return MADPO_ACTION_NONE;
}

/* The focused panel as numbers. */
madpo_action madpo_key_numbers(madpo_view *view, int key)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_strbuf text = {0};
    const char *name = "";
    char path[300];
    madpo_status st = madpo_numbers_write(&text, view, view->wish.focus, &err);

    (void)key;
    for (int i = 0; i < madpo_n_numbers_panels; i++)
        if (madpo_numbers_panels[i].panel == view->wish.focus)
            name = madpo_numbers_panels[i].name;
    snprintf(path, sizeof path, "%.200s-%s.tsv", view->source->name, name);
    madpo_runs_free_name(path, sizeof path);
    if (st == MADPO_OK)
        st = madpo_file_write(path, text.s, text.n, &err);
    if (st == MADPO_OK)
        snprintf(view->message, sizeof view->message, "the numbers of %s written to %.150s", name,
                 path);
    else
        say(view, err.message);
    madpo_strbuf_dispose(&text);
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_unfilter(madpo_view *view, int key)
{
    bool had = view->filter_text[0] || !isnan(view->bin_low);

    (void)key;
    say(view, had ? "all pairs again" : "no filter and no bin to take away");
    view->filter_text[0] = '\0';
    view->bin_low = view->bin_high = (double)NAN;
    madpo_view_filter(view, &(madpo_filter){.n = 0});
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_prompt(madpo_view *view, int key)
{
    view->prompt = key == '/' ? MADPO_PROMPT_SEARCH : MADPO_PROMPT_FILTER;
    snprintf(view->typed, sizeof view->typed, "%s", key == 'f' ? view->filter_text : "");
    return MADPO_ACTION_NONE;
}

madpo_action madpo_key_shade(madpo_view *view, int key)
{
    static const char *const words[MADPO_SHADES] = {
        "tokens shaded by log-ratio", "tokens shaded by log-prob", "tokens not shaded"};

    (void)key;
    view->shade = (madpo_shade_kind)((view->shade + 1) % MADPO_SHADES);
    say(view, words[view->shade]);
    return MADPO_ACTION_NONE;
}

/* The next pair whose text holds what was searched, in the order of the list. */
madpo_action madpo_key_next(madpo_view *view, int key)
{
    madpo_filter wanted = {.n = 0};
    madpo_error err = MADPO_ERROR_INIT;

    if (!view->search[0])
        say(view, "nothing was searched for yet; / searches");
    else if (madpo_filter_parse(&wanted, view->search, &err) != MADPO_OK)
        say(view, err.message);
    else
        madpo_seek_begin(view, key == 'N');
    return MADPO_ACTION_NONE;
}
