#ifndef MADPO_TUI_STEER_H
#define MADPO_TUI_STEER_H
/* Steering the run that is shown: a key asks the run how it stands, a dialog says what would be
 * done and when, and `y` sends the request. The run answers from a thread of its own, so both take
 * no time; a run that does not answer costs madpo_steer_wait, and the screen goes on.
 */
#include "run/control.h"
#include "tui/menu.h"

struct madpo_view;
struct madpo_grid;

/* Seconds that a run is waited for. */
extern const double madpo_steer_wait;

typedef struct madpo_steer {
    madpo_control_request request;
    bool asking;    /* the dialog is on the screen */
    bool accepted;  /* and not known to be done: the message about it stays until it is */
    int64_t notes;  /* of the history, when it was accepted */
    char what[120]; /* lines of the dialog: what is done, when, */
    char when[160];
    char change[160]; /* and what it changes, "" = nothing to say */
} madpo_steer;

/* What was typed behind `:` ("lr x0.5"), or, if `rate`, at the prompt for a learning rate. */
void madpo_steer_typed(struct madpo_view *view, const char *typed, bool rate);
/* A key while the dialog is on the screen. */
void madpo_steer_answer(struct madpo_view *view, int key);
/* What was accepted has been done, or refused after all: the note says so, the message goes. True
 * if it went. */
bool madpo_steer_tick(struct madpo_view *view);
/* Show the menu of a run, if there is one that listens; else a message says that there is none. */
void madpo_steer_menu(madpo_menu *menu, const char *dir, char *message, size_t size);
/* Ask it to stop: true if it accepted. End its process now. The message says what came of it. */
bool madpo_steer_stop(const char *dir, char *message, size_t size);
void madpo_steer_kill(const char *dir, char *message, size_t size);
/* The dialog; on a screen of few lines, its question only. */
void madpo_steer_draw(struct madpo_grid *grid, const struct madpo_view *view);
#endif
