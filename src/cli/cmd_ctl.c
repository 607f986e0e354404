/* madpo ctl: ask a run that is going on to do something. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "run/control.h"
#include "run/reader.h"

typedef struct ctl_options {
    bool json, wait;
    double timeout;
} ctl_options;

static int ctl_run(int argc, char **argv);

static const madpo_cli_option ctl_table[] = {
    {"wait", NULL, MADPO_CLI_FLAG, offsetof(ctl_options, wait), 0,
     "Return when it is done, not when it is accepted; after stop, when the run has ended."},
    {"timeout", "SECONDS", MADPO_CLI_REAL, offsetof(ctl_options, timeout), 0,
     "How long to wait for an answer, and, with --wait, for it to be done (default 10; with --wait "
     "no limit)."},
    {"json", NULL, MADPO_CLI_FLAG, offsetof(ctl_options, json), 0,
     "Print the run's answer as it came, one JSON object."},
    {0}};

const madpo_cli_command madpo__command_ctl = {
    .name = "ctl",
    .synopsis = "RUN pause|resume|checkpoint|evaluate|stop|status [--wait] [--json]\n"
                "RUN lr RATE|xFACTOR [--wait] [--json]",
    .summary = "steer a run that is going on: pause, stop, learning rate, ...",
    .description =
        "    Ask the process that trains in the folder RUN to do something. It is done at the\n"
        "    end of the step under way (in a stage without steps, between two pieces of its\n"
        "    work), and written to RUN/events.jsonl, from which it can be repeated:\n"
        "    madpo train CONFIG --control-file RUN/events.jsonl gives the same weights.\n"
        "\n"
        "    pause       wait, keeping everything in memory, until resume or stop\n"
        "    resume      go on\n"
        "    checkpoint  save a checkpoint and go on\n"
        "    evaluate    compute the held-out loss now\n"
        "    lr 2e-4     the next step's learning rate; the schedule goes on from there\n"
        "    lr x0.5     this and all later learning rates of the stage, times 0.5\n"
        "    stop        finish the step, save a checkpoint, end with exit code 3\n"
        "    status      say where the run is\n",
    .options = ctl_table,
    .more = "EXIT STATUS\n"
            "    0  accepted (with --wait: done)\n"
            "    1  refused, or no run is listening; one line on standard error says why\n"
            "    2  a mistake on the command line\n"
            "\n"
            "EXAMPLES\n"
            "    madpo ctl runs/a status\n"
            "    madpo ctl runs/a pause --wait && madpo ctl runs/a lr x0.5\n"
            "    madpo ctl runs/a status --json | jq .status.done\n",
    .run = ctl_run,
};

/* ---- printing ---- */

static long long ctl_int(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static const char *ctl_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "?";
}

static void ctl_print_status(const json_t *status)
{
    static const struct {
        const char *key, *name;
    } numbers[] = {{"next_lr", "next lr"}, {"loss", "loss"}, {"eval_loss", "held-out loss"}};

    printf("%s: ", ctl_text(status, "stage"));
    if (ctl_int(status, "total") > 0)
        printf("%s %lld of %lld, ", ctl_text(status, "unit"), ctl_int(status, "done"),
               ctl_int(status, "total"));
    printf("%s", json_is_true(json_object_get(status, "stopping")) ? "stopping"
                 : json_is_true(json_object_get(status, "paused")) ? "paused"
                                                                   : "running");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const json_t *value = json_object_get(status, numbers[i].key);

        if (json_is_number(value))
            printf(", %s %.6g", numbers[i].name, json_number_value(value));
    }
    printf(" (process %lld)\n", ctl_int(status, "pid"));
}

static void ctl_print(const json_t *reply, const madpo_control_request *request, bool waited)
{
    const char *name = madpo_control_action_name(request->action);

    if (request->action == MADPO_CONTROL_STATUS)
        ctl_print_status(json_object_get(reply, "status"));
    else if (waited)
        printf("%s: done\n", name);
    else if (json_object_get(reply, "after"))
        printf("%s: accepted, at the end of step %lld of %s\n", name, ctl_int(reply, "after"),
               ctl_text(reply, "stage"));
    else
        printf("%s: accepted, in stage %s\n", name, ctl_text(reply, "stage"));
}

/* ---- asking ---- */

/* Does a process still hold the run? It listens no more a moment before it lets go. */
static bool ctl_is_held(const char *run_dir)
{
    madpo_run_reader *reader = NULL;
    long pid;
    bool held = madpo_run_reader_open(&reader, run_dir, NULL) == MADPO_OK &&
                madpo_run_reader_is_live(reader, &pid);

    madpo_run_reader_close(reader);
    return held;
}

/* Ask for the status until the run has done request `id`. Nobody listening any more, and nobody
 * holding the run, is what a stop ends in; a failure otherwise. */
static int ctl_wait(const char *run_dir, const madpo_control_request *request, long long id,
                    double timeout)
{
    const madpo_control_request status = {.action = MADPO_CONTROL_STATUS};
    const struct timespec pause = {0, 50000000};
    double until = timeout > 0.0 ? madpo_clock_monotonic() + timeout : INFINITY;
    bool stop = request->action == MADPO_CONTROL_STOP, done = false;

    while (!done || stop) {
        madpo_error err = MADPO_ERROR_INIT;
        json_t *reply = NULL;
        madpo_status st = madpo_control_ask(&reply, run_dir, &status, 10.0, &err);

        done = st == MADPO_OK && ctl_int(json_object_get(reply, "status"), "applied") >= id;
        json_decref(reply);
        if (st != MADPO_OK && !stop)
            return madpo__cli_fail(&err);
        if (st != MADPO_OK && !ctl_is_held(run_dir))
            return MADPO_EXIT_DONE;
        if ((!done || stop) && madpo_clock_monotonic() > until) {
            fprintf(stderr, "madpo: %s was accepted, but is not done after %g s\n",
                    madpo_control_action_name(request->action), timeout);
            return MADPO_EXIT_FAILED;
        }
        nanosleep(&pause, NULL);
    }
    return MADPO_EXIT_DONE;
}

static int ctl_refused(const json_t *reply, const madpo_control_request *request)
{
    fprintf(stderr, "madpo: %s refused: %s\n", madpo_control_action_name(request->action),
            ctl_text(reply, "reason"));
    return MADPO_EXIT_FAILED;
}

static int ctl_ask(const char *run_dir, const madpo_control_request *request,
                   const ctl_options *options)
{
    madpo_error err = MADPO_ERROR_INIT;
    json_t *reply = NULL;
    double timeout = options->timeout > 0.0 ? options->timeout : 10.0;
    bool wait = options->wait && request->action != MADPO_CONTROL_STATUS;
    int rc = MADPO_EXIT_DONE;

    if (madpo_control_ask(&reply, run_dir, request, timeout, &err) != MADPO_OK)
        return madpo__cli_fail(&err);
    if (!json_is_true(json_object_get(reply, "ok"))) {
        if (options->json)
            rc = madpo__cli_put_json(json_incref(reply));
        rc = ctl_refused(reply, request);
    } else {
        if (wait)
            rc = ctl_wait(run_dir, request, ctl_int(reply, "id"), options->timeout);
        if (rc == MADPO_EXIT_DONE && options->json)
            rc = madpo__cli_put_json(json_incref(reply));
        else if (rc == MADPO_EXIT_DONE)
            ctl_print(reply, request, wait);
    }
    json_decref(reply);
    return rc;
}

/* A folder that holds no run is another mistake than a run that is over. */
static int ctl_check_run(const char *run_dir)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_run_reader *reader = NULL;
    int rc = -1;

    if (madpo_run_reader_open(&reader, run_dir, &err) != MADPO_OK)
        rc = madpo__cli_fail(&err);
    madpo_run_reader_close(reader);
    return rc;
}

static int ctl_run(int argc, char **argv)
{
    ctl_options options = {0};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_control_request request;
    int n, rc = madpo__cli_parse(&madpo__command_ctl, argc, argv, &options, &n);

    if (rc >= 0)
        return rc;
    if (n < 2)
        return madpo__cli_usage("ctl: %s (madpo help ctl)",
                                n == 0 ? "which run? name its folder, then what it is to do"
                                       : "what is the run to do? pause, resume, checkpoint, "
                                         "evaluate, lr, stop or status");
    if (n > 3)
        return madpo__cli_usage("ctl: one action at a time; \"%s\" is too much", argv[3]);
    if (madpo_control_request_from_words(&request, argv[1], n > 2 ? argv[2] : NULL, &err) !=
        MADPO_OK)
        return madpo__cli_usage("ctl: %s", err.message);
    rc = ctl_check_run(argv[0]);
    return rc < 0 ? ctl_ask(argv[0], &request, &options) : rc;
}
