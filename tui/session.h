#ifndef MADPO_TUI_SESSION_H
#define MADPO_TUI_SESSION_H
/* What is watched: a run in its view, or an experiment in its table and, when one of its cells is
 * open, that cell's run in a view. Made from the options; inside tui only. */
#include "tui/table.h"
#include "tui/tui.h"

/* How often things are done while a run is watched, in seconds: reading in one go, and between two
 * pictures; in milliseconds: between two looks at a log where nothing is left to be read. */
#define MADPO_SESSION_SLICE   0.05
#define MADPO_SESSION_FRAME   0.1
#define MADPO_SESSION_POLL_MS 250

typedef struct madpo_session {
    const madpo_tui_options *options; /* borrowed */
    bool has_table;
    bool mono; /* the screen has no colours */
    madpo_table table;
    madpo_feed *source; /* NULL while the table is shown */
    madpo_view view;    /* of the source */
    madpo_grid grid;
} madpo_session;

/* Open the run and those to compare with, or the experiment. `wait`: read everything there is
 * first. */
madpo_status madpo_session_open(madpo_session *session, const madpo_tui_options *options, bool wait,
                                madpo_error *err) MADPO_MUST_CHECK;
void madpo_session_dispose(madpo_session *session);
/* Read what has been added, for at most `seconds`; *changed: something was. */
madpo_status madpo_session_load(madpo_session *session, double seconds, bool *changed, bool *more,
                                madpo_error *err) MADPO_MUST_CHECK;
/* Is the process that writes it at work? Looks. */
bool madpo_session_check_live(madpo_session *session);
/* One picture, one key, one moment more, for whatever is shown. A key is never answered with _OPEN
 * or _BACK: they have been done. */
madpo_status madpo_session_render(madpo_session *session, int w, int h,
                                  madpo_error *err) MADPO_MUST_CHECK;
madpo_action madpo_session_key(madpo_session *session, int key);
/* A character of a text that was pasted: written where something is being typed, and no key
 * elsewhere. */
madpo_action madpo_session_pasted(madpo_session *session, int key);
void madpo_session_mouse(madpo_session *session, int x, int y, int wheel);
bool madpo_session_tick(madpo_session *session, double seconds);
/* In place of the last note, until the next key. */
void madpo_session_say(madpo_session *session, const char *text);
/* "run-1: policy step 120/149 loss 0.69 ...": the same words every time, for ears and scripts. */
void madpo_session_line(char *text, size_t size, const madpo_session *session);
/* "80x24". MADPO_ERR_USAGE for anything else. */
madpo_status madpo_size_parse(int *w, int *h, const char *text, madpo_error *err) MADPO_MUST_CHECK;
/* What "STEP" (of the policy, or of the last stage that has steps) or "STAGE:STEP", given to
 * --option, means. MADPO_ERR_USAGE, MADPO_ERR_DATA if there is no such stage. */
madpo_status madpo_session_moment(const madpo_session *session, const char *option,
                                  const char *text, int *phase, double *step,
                                  madpo_error *err) MADPO_MUST_CHECK;
/* The key at *text, moving behind it; -1 for a <Wait>, 0 for what is none. */
int madpo_session_next_key(const char **text);
/* Type the keys of a text: characters, and <Tab>, <Enter>, <Esc>, <Space>, <Up>, <lt>, ...; line
 * ends and <Wait> are passed over. The picture is drawn after every key, as it would be on a
 * terminal. */
madpo_status madpo_session_type(madpo_session *session, const char *keys, int w, int h, bool *quit,
                                madpo_error *err) MADPO_MUST_CHECK;
#endif
