#ifndef MADPO_TUI_KEYS_H
#define MADPO_TUI_KEYS_H
/* What the keys do, for the table in keys.c. Each takes the view and the key that was pressed, and
 * says what the caller has to do; none of them fails: what went wrong becomes the view's message.
 */
#include "tui/view.h"

/* What a key did, or why it did nothing: every key is answered, by the picture or by words. */
void madpo_key_say(madpo_view *view, const char *fmt, ...) MADPO_PRINTF(2, 3);

/* keys_plot.c: moving, panels, plots, parameters of the weight, time */
madpo_action madpo_key_move(madpo_view *view, int key);
madpo_action madpo_key_page(madpo_view *view, int key);
madpo_action madpo_key_end(madpo_view *view, int key);
madpo_action madpo_key_tab(madpo_view *view, int key);
madpo_action madpo_key_panel(madpo_view *view, int key);
madpo_action madpo_key_zoom_panel(madpo_view *view, int key);
madpo_action madpo_key_escape(madpo_view *view, int key);
madpo_action madpo_key_warnings(madpo_view *view, int key);
madpo_action madpo_key_zoom_x(madpo_view *view, int key);
madpo_action madpo_key_pan(madpo_view *view, int key);
madpo_action madpo_key_reset(madpo_view *view, int key);
madpo_action madpo_key_smooth(madpo_view *view, int key);
madpo_action madpo_key_switch(madpo_view *view, int key);
madpo_action madpo_key_stage(madpo_view *view, int key);
madpo_action madpo_key_parameter(madpo_view *view, int key);
madpo_action madpo_key_preview(madpo_view *view, int key);
madpo_action madpo_key_replay(madpo_view *view, int key);
madpo_action madpo_key_play(madpo_view *view, int key);
madpo_action madpo_key_bookmark(madpo_view *view, int key);

/* keys_samples.c: the list of pairs */
madpo_action madpo_key_sort(madpo_view *view, int key);
madpo_action madpo_key_pick(madpo_view *view, int key);
madpo_action madpo_key_enter(madpo_view *view, int key);
madpo_action madpo_key_mark(madpo_view *view, int key);
madpo_action madpo_key_numbers(madpo_view *view, int key);
madpo_action madpo_key_export(madpo_view *view, int key);
madpo_action madpo_key_unfilter(madpo_view *view, int key);
madpo_action madpo_key_prompt(madpo_view *view, int key);
madpo_action madpo_key_next(madpo_view *view, int key);
madpo_action madpo_key_shade(madpo_view *view, int key);

/* keys_dialog.c: a line being typed, the help, the list of runs */
/* A key typed into text [MADPO_VIEW_TEXT]. */
void madpo_text_key(char *text, int key);
void madpo_prompt_key(madpo_view *view, int key);
void madpo_help_key(madpo_view *view, int key);
void madpo_runs_key(madpo_view *view, int key);

#endif
