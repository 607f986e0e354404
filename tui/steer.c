/* Steering the run that is shown; see steer.h. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "tui/panels.h"

const double madpo_steer_wait = 0.5;

static const madpo_control_request status_request = {.action = MADPO_CONTROL_STATUS};

static void say(madpo_view *view, const char *text)
{
    snprintf(view->message, sizeof view->message, "%.199s", text);
}

/* ---- what the dialog says ---- */

static const char *what_of(const madpo_control_request *request)
{
    switch (request->action) {
    case MADPO_CONTROL_PAUSE:
        return "Pause the training; it waits, keeping everything in memory.";
    case MADPO_CONTROL_RESUME:
        return "Go on with the training.";
    case MADPO_CONTROL_CHECKPOINT:
        return "Save a checkpoint, and go on.";
    case MADPO_CONTROL_EVALUATE:
        return "Compute the held-out loss now, and go on.";
    case MADPO_CONTROL_LR:
        return "Change the learning rate; the schedule goes on from there, in proportion.";
    case MADPO_CONTROL_STOP:
        return "Save a checkpoint and end the run; madpo train --resume goes on from it.";
    default:
        return "";
    }
}

static const char *name_of(const madpo_control_request *request)
{
    return madpo_control_action_name(request->action);
}

static void tell_when(madpo_steer *steer, const json_t *status)
{
    const char *stage = json_string_value(json_object_get(status, "stage"));
    const char *unit = json_string_value(json_object_get(status, "unit"));
    long long done = (long long)json_integer_value(json_object_get(status, "done"));
    long long total = (long long)json_integer_value(json_object_get(status, "total"));

    if (json_is_true(json_object_get(status, "paused")))
        snprintf(steer->when, sizeof steer->when, "At once: %s is paused at %s %lld of %lld.",
                 stage ? stage : "it", unit ? unit : "step", done, total);
    else if (stage && unit && total > 0 && strcmp(unit, "step") == 0)
        snprintf(steer->when, sizeof steer->when,
                 "At the end of the step under way: %s has done %lld of %lld.", stage, done, total);
    else if (stage && unit && total > 0)
        snprintf(steer->when, sizeof steer->when,
                 "Between two pieces of work: %s has done %s %lld of %lld.", stage, unit, done,
                 total);
    else
        snprintf(steer->when, sizeof steer->when,
                 "When %s comes to its next step or piece of work.", stage ? stage : "the run");
}

static void tell_change(madpo_steer *steer, const json_t *status)
{
    const json_t *next = json_object_get(status, "next_lr");
    const madpo_control_request *r = &steer->request;

    steer->change[0] = '\0';
    if (r->action != MADPO_CONTROL_LR)
        return;
    if (r->times != 0.0 && json_is_number(next))
        snprintf(steer->change, sizeof steer->change, "Next step: %.4g x %g = %.4g.",
                 json_number_value(next), r->times, json_number_value(next) * r->times);
    else if (r->times != 0.0)
        snprintf(steer->change, sizeof steer->change, "All rates of the stage, times %g.",
                 r->times);
    else if (json_is_number(next))
        snprintf(steer->change, sizeof steer->change, "Next step: %.4g becomes %.4g.",
                 json_number_value(next), r->lr);
    else
        snprintf(steer->change, sizeof steer->change, "Next step: %.4g.", r->lr);
}

/* ---- asking ---- */

/* Ask the run; NULL, with a message, if it does not answer or refuses. */
static json_t *ask_run(const char *dir, const madpo_control_request *request, char *message,
                       size_t size)
{
    madpo_error err = MADPO_ERROR_INIT;
    json_t *reply = NULL;
    const char *reason;

    if (madpo_control_ask(&reply, dir, request, madpo_steer_wait, &err) != MADPO_OK) {
        snprintf(message, size, "%.199s", err.message);
        return NULL;
    }
    if (json_is_true(json_object_get(reply, "ok")))
        return reply;
    reason = json_string_value(json_object_get(reply, "reason"));
    snprintf(message, size, "%s refused: %.160s", name_of(request),
             reason ? reason : "the run does not say why");
    json_decref(reply);
    return NULL;
}

/* What became of a run that nobody works on any more; false if somebody does, or it has not begun.
 */
static bool say_it_is_over(madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);
    const char *how = history->ended ? history->status : "broke off without an end";

    madpo_feed_check_live(view->source);
    if (view->source->live || history->n_phases == 0)
        return false;
    if (history->ended && strcmp(history->status, "done") == 0)
        say(view, "the run is over: done");
    else
        snprintf(view->message, sizeof view->message,
                 "the run %s%s; madpo train --run %.110s --resume",
                 history->ended ? "is over: " : "", how, view->source->dir);
    return true;
}

static json_t *ask(madpo_view *view, const madpo_control_request *request)
{
    json_t *reply = ask_run(view->source->dir, request, view->message, sizeof view->message);

    if (!reply)
        say_it_is_over(view);
    return reply;
}

/* Show the dialog, from how the run stands now. */
static void open_dialog(madpo_view *view, const madpo_control_request *request, json_t *reply)
{
    madpo_steer *steer = &view->steer;
    const json_t *status = json_object_get(reply, "status");

    steer->request = *request;
    snprintf(steer->what, sizeof steer->what, "%s", what_of(request));
    tell_when(steer, status);
    tell_change(steer, status);
    steer->asking = true;
    steer->accepted = false;
}

static void propose(madpo_view *view, const madpo_control_request *request)
{
    json_t *reply = ask(view, &status_request);

    if (reply)
        open_dialog(view, request, reply);
    json_decref(reply);
}

/* If it may not, a message says how to come to it. */
static bool steer_allowed(madpo_view *view)
{
    if (view->control)
        return true;
    snprintf(view->message, sizeof view->message,
             "this view is read-only; to steer the run: madpo watch %.110s --control",
             view->source->dir);
    return false;
}

/* Pause or go on, whichever there is to do. */
static void propose_pause(madpo_view *view)
{
    json_t *reply = ask(view, &status_request);
    bool paused = json_is_true(json_object_get(json_object_get(reply, "status"), "paused"));
    const madpo_control_request request = {.action =
                                               paused ? MADPO_CONTROL_RESUME : MADPO_CONTROL_PAUSE};

    if (reply)
        open_dialog(view, &request, reply);
    json_decref(reply);
}

/* Pause or stop and the like: the dialog, or a message why not. */
static void propose_key(madpo_view *view, int key)
{
    static const struct {
        int key;
        madpo_control_request request;
    } keys[] = {{'c', {.action = MADPO_CONTROL_CHECKPOINT}},
                {'E', {.action = MADPO_CONTROL_EVALUATE}},
                {'-', {.action = MADPO_CONTROL_LR, .times = 0.5}},
                {'*', {.action = MADPO_CONTROL_LR, .times = 2.0}}};

    if (key == 'p')
        propose_pause(view);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].key == key)
            propose(view, &keys[i].request);
}

madpo_action madpo_key_steer(madpo_view *view, int key)
{
    if (!steer_allowed(view))
        return MADPO_ACTION_NONE;
    if (key == ':' || key == 'L') {
        madpo_error err = MADPO_ERROR_INIT;
        long pid;

        if (madpo_control_peer(&pid, view->source->dir, &err) != MADPO_OK) {
            if (!say_it_is_over(view)) /* now rather than once it is typed */
                say(view, err.message);
            return MADPO_ACTION_NONE;
        }
        view->prompt = key == ':' ? MADPO_PROMPT_STEER : MADPO_PROMPT_RATE;
        view->typed[0] = '\0';
    } else {
        propose_key(view, key);
    }
    return MADPO_ACTION_NONE;
}

void madpo_steer_typed(madpo_view *view, const char *typed, bool rate)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_control_request request;
    char word[32] = "", value[64] = "", rest[2] = "";
    int n = rate ? sscanf(typed, "%63s %1s", value, rest)
                 : sscanf(typed, "%31s %63s %1s", word, value, rest);

    if (n < 1) /* nothing was typed: nothing is wanted */
        return;
    if (rest[0]) {
        say(view, rate ? "one learning rate at a time" : "one action at a time");
        return;
    }
    if (madpo_control_request_from_words(&request, rate ? "lr" : word, value[0] ? value : NULL,
                                         &err) != MADPO_OK)
        say(view, err.message);
    else if (request.action == MADPO_CONTROL_STATUS)
        say(view, "the status is what this screen shows");
    else
        propose(view, &request);
}

/* Send a request; what came of it is the message. */
static bool send_to(const char *dir, const madpo_control_request *request, char *message,
                    size_t size)
{
    json_t *reply = ask_run(dir, request, message, size);
    const json_t *after = json_object_get(reply, "after");
    const char *stage = json_string_value(json_object_get(reply, "stage"));

    if (!reply)
        return false;
    if (after)
        snprintf(message, size, "%s: accepted, at the end of step %lld of %s", name_of(request),
                 (long long)json_integer_value(after), stage ? stage : "?");
    else
        snprintf(message, size, "%s: accepted, in stage %s", name_of(request), stage ? stage : "?");
    json_decref(reply);
    return true;
}

static void send_request(madpo_view *view)
{
    if (!send_to(view->source->dir, &view->steer.request, view->message, sizeof view->message))
        return;
    view->steer.accepted = true;
    view->steer.notes = madpo_view_history(view)->n_notes;
}

void madpo_steer_answer(madpo_view *view, int key)
{
    if (key == 'y' || key == 'Y') {
        view->steer.asking = false;
        send_request(view);
    } else if (key == 'n' || key == 'N' || key == 'q' || key == MADPO_KEY_ESCAPE ||
               key == MADPO_KEY_CTRL_C) {
        view->steer.asking = false;
        say(view, "nothing was asked of the run");
    }
}

bool madpo_steer_tick(madpo_view *view)
{
    const madpo_history *history = madpo_view_history(view);

    if (!view->steer.accepted)
        return false;
    for (int64_t i = view->steer.notes; i < history->n_notes; i++) {
        const madpo_note *note = madpo_history_note(history, i);

        if (!note || note->kind != MADPO_NOTE_CONTROL)
            continue;
        view->steer.accepted = false;
        view->message[0] = '\0';
        return true;
    }
    return false;
}

/* ---- the menu ---- */

void madpo_steer_menu(madpo_menu *menu, const char *dir, char *message, size_t size)
{
    json_t *reply = ask_run(dir, &status_request, message, size);
    madpo_steer steer = {.when = ""};
    long pid;

    if (reply)
        tell_when(&steer, json_object_get(reply, "status"));
    else if (madpo_control_peer(&pid, dir, NULL) == MADPO_OK)
        snprintf(steer.when, sizeof steer.when, "The run does not answer now.");
    if (steer.when[0])
        madpo_menu_show(menu, steer.when);
    json_decref(reply);
}

bool madpo_steer_stop(const char *dir, char *message, size_t size)
{
    const madpo_control_request request = {.action = MADPO_CONTROL_STOP};

    return send_to(dir, &request, message, size);
}

void madpo_steer_kill(const char *dir, char *message, size_t size)
{
    madpo_error err = MADPO_ERROR_INIT;
    long pid = 0;

    if (madpo_control_peer(&pid, dir, &err) != MADPO_OK)
        snprintf(message, size, "%.199s", err.message);
    else if (pid <= 1 || kill((pid_t)pid, SIGKILL) != 0)
        snprintf(message, size, "process %ld cannot be ended: %s", pid, strerror(errno));
    else
        snprintf(message, size, "the run was ended as it stood (process %ld), nothing was saved",
                 pid);
}

static madpo_action chosen(madpo_view *view, madpo_choice choice)
{
    if (choice == MADPO_CHOICE_STOP) {
        view->steer.request = (madpo_control_request){.action = MADPO_CONTROL_STOP};
        send_request(view);
    } else if (choice == MADPO_CHOICE_KILL) {
        madpo_steer_kill(view->source->dir, view->message, sizeof view->message);
        view->source->live_size = -1; /* look again whether it lives */
    } else if (choice == MADPO_CHOICE_CANCEL) {
        say(view, "nothing was asked of the run");
    }
    return choice == MADPO_CHOICE_LEAVE ? MADPO_ACTION_QUIT : MADPO_ACTION_NONE;
}

madpo_action madpo_steer_menu_key(madpo_view *view, int key)
{
    return key == MADPO_KEY_CTRL_C ? madpo_key_stop(view, key)
                                   : chosen(view, madpo_menu_key(&view->menu, key));
}

madpo_action madpo_key_stop(madpo_view *view, int key)
{
    bool interrupt = key == MADPO_KEY_CTRL_C;
    madpo_choice choice;

    if (interrupt && !view->control)
        return MADPO_ACTION_QUIT;
    if (!steer_allowed(view))
        return MADPO_ACTION_NONE;
    choice = interrupt ? madpo_menu_interrupt(&view->menu) : MADPO_CHOICE_NONE;
    if (choice != MADPO_CHOICE_NONE)
        return chosen(view, choice);
    madpo_steer_menu(&view->menu, view->source->dir, view->message, sizeof view->message);
    if (!view->menu.open)
        say_it_is_over(view);
    /* a run that is over: there is nothing to ask about */
    return interrupt && !view->menu.open ? MADPO_ACTION_QUIT : MADPO_ACTION_NONE;
}

/* ---- drawing ---- */

void madpo_steer_draw(madpo_grid *grid, const madpo_view *view)
{
    static const madpo_pen plain = {MADPO_TONE_PLAIN, 0}, key = {MADPO_TONE_KEY, MADPO_BOLD};
    const madpo_steer *steer = &view->steer;
    const char *lines[3] = {steer->what, steer->when, steer->change};
    const char *name = name_of(&steer->request);
    char title[40];
    madpo_rect r;
    int y, last;

    if (grid->h < 8 || grid->w < 24) {
        y = grid->h - 1;
        madpo_grid_fill(grid, (madpo_rect){0, y, grid->w, 1}, ' ', plain);
        madpo_grid_print(grid, 0, y, grid->w, key, "%s? y n", name);
        return;
    }
    snprintf(title, sizeof title, " %s? ", name);
    r = madpo_draw_overlay(grid, 76, 9, title);
    y = r.y;
    last = r.y + r.h - 1;
    for (int i = 0; i < 3; i++) {
        const char *text = lines[i];

        while (*text && y < last) {
            size_t skip, n = madpo_text_break(text, r.w - 2, &skip);

            madpo_grid_print(grid, r.x + 1, y++, r.w - 2, plain, "%.*s", (int)n, text);
            text += n + skip;
        }
    }
    madpo_grid_text(grid, r.x + 1, last, r.w - 2, key, "y  do it      n  leave it");
}
