/* Keys while something is typed or a list lies over the screen; see keys.h. */
#include "tui/keys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tui/cursor.h"
#include "tui/runs.h"

static void say(madpo_view *view, const char *text)
{
    snprintf(view->message, sizeof view->message, "%.199s", text);
}

static void prompt_done(madpo_view *view)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_filter filter;
    madpo_prompt prompt = view->prompt;

    view->prompt = MADPO_PROMPT_NONE;
    if (prompt == MADPO_PROMPT_SEARCH) {
        memcpy(view->search, view->typed, sizeof view->search);
        madpo_key_next(view, 'n');
        return;
    }
    if (prompt == MADPO_PROMPT_STEER || prompt == MADPO_PROMPT_RATE) {
        madpo_steer_typed(view, view->typed, prompt == MADPO_PROMPT_RATE);
        return;
    }
    if (madpo_filter_parse(&filter, view->typed, &err) != MADPO_OK) {
        say(view, err.message);
        return;
    }
    memcpy(view->filter_text, view->typed, sizeof view->filter_text);
    madpo_view_filter(view, &filter);
    madpo_view_focus(view, MADPO_PANEL_SAMPLES);
}

void madpo_text_key(char *text, int key)
{
    size_t n = strlen(text);

    if (key == MADPO_KEY_BACKSPACE || key == 0x7f || key == 0x08) {
        while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
            n--;
        text[n > 0 ? n - 1 : 0] = '\0';
    } else if (key == 0x15) { /* Ctrl+U */
        text[0] = '\0';
    } else if (key >= ' ' && key < 0x7f && n + 1 < MADPO_VIEW_TEXT) {
        text[n] = (char)key;
        text[n + 1] = '\0';
    } else if (key >= 0xa0 && key < 0x800 && n + 2 < MADPO_VIEW_TEXT) {
        text[n] = (char)(0xc0 | key >> 6);
        text[n + 1] = (char)(0x80 | (key & 0x3f));
        text[n + 2] = '\0';
    } else if (key >= 0x800 && key < 0x10000 && n + 3 < MADPO_VIEW_TEXT) {
        text[n] = (char)(0xe0 | key >> 12);
        text[n + 1] = (char)(0x80 | (key >> 6 & 0x3f));
        text[n + 2] = (char)(0x80 | (key & 0x3f));
        text[n + 3] = '\0';
    }
}

void madpo_prompt_key(madpo_view *view, int key)
{
    if (key == MADPO_KEY_ESCAPE || key == MADPO_KEY_CTRL_C)
        view->prompt = MADPO_PROMPT_NONE;
    else if (key == MADPO_KEY_ENTER || key == '\n')
        prompt_done(view);
    else
        madpo_text_key(view->typed, key);
}

void madpo_help_key(madpo_view *view, int key)
{
    if (key == MADPO_KEY_ESCAPE || key == MADPO_KEY_F1 || key == MADPO_KEY_ENTER ||
        key == MADPO_KEY_CTRL_C || (key == '?' && !view->help_filter[0]))
        view->help = false;
    else if (key == MADPO_KEY_UP || key == MADPO_KEY_PAGE_UP)
        view->help_scroll =
            madpo_cursor_moved(view->help_scroll, 0, 1000, key == MADPO_KEY_UP ? -1 : -10);
    else if (key == MADPO_KEY_DOWN || key == MADPO_KEY_PAGE_DOWN)
        view->help_scroll =
            madpo_cursor_moved(view->help_scroll, 0, 1000, key == MADPO_KEY_DOWN ? 1 : 10);
    else if (key == MADPO_KEY_HOME || key == MADPO_KEY_END)
        view->help_scroll = key == MADPO_KEY_HOME ? 0 : 1000;
    else {
        madpo_text_key(view->help_filter, key);
        view->help_scroll = 0;
    }
}

void madpo_runs_key(madpo_view *view, int key)
{
    madpo_error err = MADPO_ERROR_INIT;
    int last = view->n_runs > 0 ? view->n_runs - 1 : 0;

    if (key == MADPO_KEY_UP || key == 'k')
        view->run_cursor = madpo_cursor_moved(view->run_cursor, 0, last, -1);
    else if (key == MADPO_KEY_DOWN || key == 'j')
        view->run_cursor = madpo_cursor_moved(view->run_cursor, 0, last, 1);
    else if ((key == ' ' || key == MADPO_KEY_ENTER || key == '\n') && view->n_runs > 0) {
        if (madpo_view_compare(view, view->runs[view->run_cursor], &err) != MADPO_OK)
            say(view, err.message);
    } else if (key == MADPO_KEY_ESCAPE || key == 'r' || key == 'q' || key == MADPO_KEY_CTRL_C)
        view->show_runs = false;
}
