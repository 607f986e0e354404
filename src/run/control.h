#ifndef MADPO_RUN_CONTROL_H
#define MADPO_RUN_CONTROL_H
/* Steering a run that is going on: requests, the socket they come through, files that repeat them.
 * What a request does to training is train/control.h's affair.
 *
 * A process that trains listens on the Unix socket control.sock (mode 0600) in its run directory.
 * A client sends requests, one JSON object a line, and gets one line back for each:
 *
 *     {"action":"pause" | "resume" | "checkpoint" | "evaluate" | "stop" | "status"}
 *     {"action":"lr","lr":2e-4}       the next step's learning rate; the schedule goes on from it
 *     {"action":"lr","times":0.5}     all learning rates from the next step on, times this
 *
 *     {"ok":true,"action":"lr","id":3,"stage":"sft","after":17}      accepted, will be done then
 *     {"ok":false,"action":"lr","reason":"..."}                      refused
 *     {"ok":true,"action":"status","status":{...}}                   see train/control.h
 *
 * Whatever is done is written to events.jsonl when it is done, at the end of step "step":
 *
 *     {"ev":"control","action":"lr","stage":"sft","step":17,"by":"socket","times":0.5,
 *      "was":0.002,"now":0.001}
 *
 * "by" is socket, signal or file. A control file holds such actions one a line, {"stage","step",
 * "action",...}, or is the events.jsonl of another run.
 */
#include <jansson.h>

#include "madpo/error.h"

typedef enum madpo_control_action {
    MADPO_CONTROL_PAUSE,
    MADPO_CONTROL_RESUME,
    MADPO_CONTROL_CHECKPOINT,
    MADPO_CONTROL_EVALUATE,
    MADPO_CONTROL_LR,
    MADPO_CONTROL_STOP,
    MADPO_CONTROL_STATUS
} madpo_control_action;

typedef struct madpo_control_request {
    madpo_control_action action;
    double lr, times; /* LR: one of them, > 0 (lr: at most 10), of at most 15 digits; 0 = the other
                         one is meant */
} madpo_control_request;

#define MADPO_CONTROL_MAX_LR 10.0 /* as in a configuration */

const char *madpo_control_action_name(madpo_control_action action);
/* Read one request from text [n bytes]. MADPO_ERR_DATA names what is wrong with it. */
madpo_status madpo_control_parse(madpo_control_request *out, const char *text, size_t n,
                                 madpo_error *err) MADPO_MUST_CHECK;
/* A request as a person writes it: an action's name, and for lr a number or x0.5. `value` may be
 * NULL. MADPO_ERR_USAGE. */
madpo_status madpo_control_request_from_words(madpo_control_request *out, const char *action,
                                              const char *value, madpo_error *err) MADPO_MUST_CHECK;
/* The request as an object (new reference), NULL without memory. */
json_t *madpo_control_request_json(const madpo_control_request *request);

/* ---- control files ---- */

typedef struct madpo_control_entry {
    char stage[48];
    int64_t step;
    int line; /* of the file, from 1 */
    madpo_control_request request;
} madpo_control_entry;

typedef struct madpo_control_list {
    madpo_control_entry *v; /* [n] owned; steps of one stage never go back */
    size_t n;
} madpo_control_list;

/* Read a control file. Of an events.jsonl, only what led to the weights at its end: of a run that
 * was resumed, not what happened after the checkpoint it went on from. Pauses are passed over, they
 * change nothing. MADPO_ERR_DATA with file and line. */
madpo_status madpo_control_list_read(madpo_control_list *out, const char *path,
                                     madpo_error *err) MADPO_MUST_CHECK;
void madpo_control_list_dispose(madpo_control_list *list);

/* ---- the socket ---- */

typedef struct madpo_control_server madpo_control_server;
/* The reply to a request: a new reference, NULL without memory. Called from the server's thread. */
typedef json_t *(*madpo_control_handler)(void *user, const madpo_control_request *request);

/* Listen in `run_dir`, answering from a thread of its own that sleeps while nothing comes. A socket
 * left by a process that is no more is replaced: the caller holds the run's lock.
 * MADPO_ERR_UNSUPPORTED if the path is too long for a socket, MADPO_ERR_IO. */
madpo_status madpo_control_server_start(madpo_control_server **out, const char *run_dir,
                                        madpo_control_handler handler, void *user,
                                        madpo_error *err) MADPO_MUST_CHECK;
/* Close and remove the socket, end the thread; accepts NULL. */
void madpo_control_server_stop(madpo_control_server *server);

/* Send one request to the process that writes `run_dir`; *reply is owned by the caller.
 * MADPO_ERR_IO if nobody listens there, or no answer came in `seconds`. */
madpo_status madpo_control_ask(json_t **reply, const char *run_dir,
                               const madpo_control_request *request, double seconds,
                               madpo_error *err) MADPO_MUST_CHECK;
/* Id of the process that listens in `run_dir`, as the system has it: it need not answer.
 * MADPO_ERR_IO if nobody listens there. */
madpo_status madpo_control_peer(long *pid, const char *run_dir, madpo_error *err) MADPO_MUST_CHECK;
#endif
