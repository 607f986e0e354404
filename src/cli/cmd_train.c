/* madpo train and madpo demo: run the stages, show how it goes, take signals. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "cli/attach.h"
#include "cli/commands.h"
#include "cli/configure.h"
#include "cli/detach.h"
#include "cli/output.h"
#include "cli/screen.h"
#include "cli/signals.h"
#include "run/reader.h"
#include "run/run.h"

typedef struct train_options {
    madpo_cli_configure configure;
    const char *run, *control_file;
    bool resume, headless, json, quiet, quick, detach, no_tui;
    bool plain; /* madpo demo: never the front end */
} train_options;

static int train_run(int argc, char **argv);
static int train_demo(int argc, char **argv);

#define TRAIN_OPTIONS                                                                              \
    {"run",                                                                                        \
     "DIR",                                                                                        \
     MADPO_CLI_TEXT,                                                                               \
     offsetof(train_options, run),                                                                 \
     0,                                                                                            \
     "Folder of the run, made if it is not there (default: runs/ and the time)."},                 \
        {"resume",                                                                                 \
         NULL,                                                                                     \
         MADPO_CLI_FLAG,                                                                           \
         offsetof(train_options, resume),                                                          \
         0,                                                                                        \
         "Go on with the run in --run DIR where it stopped. The result is the same, bit for bit, " \
         "as without the interruption. Refused if objective, model, data or seed differ."},        \
        {"set",                                                                                    \
         "KEY=VALUE",                                                                              \
         MADPO_CLI_LIST,                                                                           \
         offsetof(train_options, configure.set),                                                   \
         0,                                                                                        \
         "Change one setting. May be given several times."},                                       \
        {"device",                                                                                 \
         "S",                                                                                      \
         MADPO_CLI_TEXT,                                                                           \
         offsetof(train_options, configure.device),                                                \
         0,                                                                                        \
         "OpenCL device: auto, gpu, cpu, a number of madpo devices, or part of a name."},          \
        {"headless",                                                                               \
         NULL,                                                                                     \
         MADPO_CLI_FLAG,                                                                           \
         offsetof(train_options, headless),                                                        \
         0,                                                                                        \
         "Plain lines even on a terminal: nothing is redrawn, nothing is asked."},                 \
        {"json",                                                                                   \
         NULL,                                                                                     \
         MADPO_CLI_FLAG,                                                                           \
         offsetof(train_options, json),                                                            \
         0,                                                                                        \
         "Write the events, one JSON object a line, to standard output, and nothing else there."}, \
        {"control-file",                                                                           \
         "FILE",                                                                                   \
         MADPO_CLI_TEXT,                                                                           \
         offsetof(train_options, control_file),                                                    \
         0,                                                                                        \
         "Do again, at the same steps, what a run was asked to do on its way: the events.jsonl "   \
         "of that run, or lines such as "                                                          \
         "{\"stage\":\"policy\",\"step\":40,\"action\":\"lr\",\"times\":0.5}. The weights are "    \
         "the "                                                                                    \
         "same, bit for bit."},                                                                    \
        {"detach",                                                                                 \
         NULL,                                                                                     \
         MADPO_CLI_FLAG,                                                                           \
         offsetof(train_options, detach),                                                          \
         0,                                                                                        \
         "Start the run as a process of its own, say where it is, and return once it has begun."}, \
        {"quiet",                                                                                  \
         NULL,                                                                                     \
         MADPO_CLI_FLAG,                                                                           \
         offsetof(train_options, quiet),                                                           \
         0,                                                                                        \
         "No messages and no progress, errors only."},                                             \
    {                                                                                              \
        0                                                                                          \
    }

#define TRAIN_MORE                                                                                 \
    "SIGNALS (to the process of the run)\n"                                                        \
    "    INT, TERM  finish the step, save a checkpoint, exit with 3; a second one ends the\n"      \
    "               program at once\n"                                                             \
    "    HUP        the run goes on without its terminal\n"                                        \
    "    USR1       save a checkpoint and go on\n"                                                 \
    "    A run can also be paused, stopped and steered from elsewhere: madpo help ctl.\n"          \
    "\n"                                                                                           \
    "FILES\n"                                                                                      \
    "    DIR/events.jsonl            one JSON object a line: steps, samples, evaluations, ends\n"  \
    "    DIR/config.cfg              the resolved configuration\n"                                 \
    "    DIR/pairs.jsonl, margins.jsonl\n"                                                         \
    "                                the pairs, and h, c(h), w(h) of each\n"                       \
    "    DIR/models/sft, reward, policy\n"                                                         \
    "                                Hugging Face directories\n"                                   \
    "    DIR/checkpoints, log.txt, run.json, state.json\n"                                         \
    "    DIR/control.sock            while the run goes on: madpo ctl speaks to it\n"              \
    "    DIR/trainer.out             what a run that is a process of its own printed\n"            \
    "\n"                                                                                           \
    "EXIT STATUS\n"                                                                                \
    "    0  done\n"                                                                                \
    "    1  failed: one line on standard error says what and what to do\n"                         \
    "    2  a mistake on the command line or in the configuration, or a resume that does not\n"    \
    "       fit the run\n"                                                                         \
    "    3  stopped by the user, a checkpoint was saved\n"

static const madpo_cli_option train_table[] = {
    {"no-tui", NULL, MADPO_CLI_FLAG, offsetof(train_options, no_tui), 0,
     "On a terminal: messages and a line of progress instead of the front end."},
    TRAIN_OPTIONS};

const madpo_cli_command madpo__command_train = {
    .name = "train",
    .synopsis = "CONFIG [--run DIR] [--set KEY=VALUE]... [OPTION...]\n"
                "[CONFIG] --run DIR --resume [OPTION...]",
    .summary = "run the stages of a configuration: SFT to MADPO to evaluation",
    .description =
        "    Run the stages named in run.stages, in order: sft (language model), generate\n"
        "    (preference pairs), reward (reward model), margins (h, c and w of every pair),\n"
        "    policy (MADPO, or another of `madpo objectives`) and evaluate. Each leaves its\n"
        "    result in the run directory; stages that are done are not done again on --resume.\n"
        "    Without CONFIG, --resume takes the configuration kept in the run directory.\n"
        "\n"
        "    On a terminal the run is a process of its own, and the front end shows it as madpo\n"
        "    watch --control does: the key q leaves the run going, Q stops it, ? explains the\n"
        "    rest. When the run ends, the screen stays until q; then its last messages are\n"
        "    printed, and its exit status is that of the command. Elsewhere, or with --no-tui,\n"
        "    --headless, --json or --quiet, messages and progress are printed.\n",
    .options = train_table,
    .more = TRAIN_MORE "\n"
                       "EXAMPLES\n"
                       "    madpo train my.cfg --run runs/a --set policy.beta=0.2\n"
                       "    madpo train --run runs/a --resume\n"
                       "    madpo train my.cfg --run runs/b --detach\n"
                       "    madpo train my.cfg --no-tui\n"
                       "    madpo train my.cfg --json | jq 'select(.ev == \"eval\")'\n",
    .run = train_run,
};

static const madpo_cli_option train_demo_table[] = {
    {"quick", NULL, MADPO_CLI_FLAG, offsetof(train_options, quick), 0,
     "A smoke test: every stage, but too small to learn much."},
    TRAIN_OPTIONS};

const madpo_cli_command madpo__command_demo = {
    .name = "demo",
    .synopsis = "[--quick] [--run DIR] [--set KEY=VALUE]... [OPTION...]",
    .summary = "align a small language model on generated reviews, in minutes",
    .description =
        "    The whole way of madpo train with a configuration built into the program, on\n"
        "    movie reviews it writes itself: train a small language model, draw pairs of its\n"
        "    samples, train a reward model on them, weigh the pairs, align with MADPO, and\n"
        "    compare true rewards before and after.\n",
    .options = train_demo_table,
    .more = TRAIN_MORE "\n"
                       "EXAMPLES\n"
                       "    madpo demo\n"
                       "    madpo demo --quick --device cpu\n"
                       "    madpo demo --set policy.objective=dpo --run runs/dpo\n",
    .run = train_demo,
};

/* ---- what is said at the end ---- */

static void train_say_end(madpo_cli_screen *screen, const char *run_dir, double seconds)
{
    madpo_strbuf line = {0};

    madpo_strbuf_printf(&line, "done in %.0f s; everything is in %s", seconds, run_dir);
    if (!line.failed && screen->out)
        screen->listener.message(screen->listener.user, line.s);
    madpo_strbuf_dispose(&line);
}

static int train_say_stopped(const char *run_dir)
{
    fprintf(stderr,
            "madpo: stopped on request, a checkpoint was saved; go on with: madpo train --run %s "
            "--resume\n",
            run_dir);
    return MADPO_EXIT_STOPPED;
}

/* ---- the run ---- */

/* Create the trainer, hand it to the signal handlers, run it. */
static int train_go(const train_options *options, const madpo_config *config,
                    madpo_cli_screen *screen)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_trainer *trainer = NULL;
    double began = madpo_clock_monotonic();
    const madpo_trainer_options how = {.run_dir = options->run,
                                       .resume = options->resume,
                                       .listener = &screen->listener,
                                       .control = true,
                                       .control_file = options->control_file};
    madpo_status st;
    int rc = MADPO_EXIT_DONE;

    madpo__signals_outlive_terminal();
    madpo__signals_catch(screen->out != NULL && isatty(STDERR_FILENO));
    st = madpo_trainer_new(&trainer, config, &how, &err);
    if (st == MADPO_OK) {
        madpo__signals_serve(trainer);
        st = madpo_trainer_run(trainer, &err);
        madpo__signals_serve(NULL);
    }
    madpo__screen_clear(screen);
    if (st == MADPO_OK)
        train_say_end(screen, madpo_trainer_run_dir(trainer), madpo_clock_monotonic() - began);
    else if (st == MADPO_ERR_STOPPED && trainer)
        rc = train_say_stopped(madpo_trainer_run_dir(trainer));
    else
        rc = madpo__cli_fail(&err);
    madpo_trainer_free(trainer);
    return rc;
}

static int train_here(const train_options *options, const madpo_config *config)
{
    madpo_cli_screen screen;
    int rc;

    madpo__screen_init(&screen, options->headless, options->json, options->quiet);
    rc = train_go(options, config, &screen);
    madpo__screen_dispose(&screen);
    return rc;
}

/* The same as a process of its own, which writes plain lines to a file in the run's folder; with
 * `attach`, the front end shows it. */
static int train_detached(const train_options *options, const madpo_config *config, bool attach)
{
    train_options own = *options;
    madpo_detached run;
    madpo_error err = MADPO_ERROR_INIT;
    char *name = NULL;
    int rc;

    if (!own.run && madpo_run_new_name(&name, &err) != MADPO_OK)
        return madpo__cli_fail(&err);
    if (name)
        own.run = name;
    own.headless = true;
    own.json = false;
    if (attach)
        printf("%s: starting, as a process of its own\n", own.run);
    rc = madpo__detach(&run, own.run, own.resume);
    if (rc < 0)
        rc = train_here(&own, config);
    else if (rc == MADPO_EXIT_DONE)
        rc = attach ? madpo__attach(&run) : madpo__detached_say_where(&run, options->json);
    madpo__detached_dispose(&run);
    free(name);
    return rc;
}

static int train_with(const train_options *options)
{
    madpo_config *config = NULL;
    int rc = madpo__cli_configure(&config, &options->configure);
    bool attach;

    if (rc >= 0)
        return rc;
    attach = !options->detach && !options->no_tui && !options->plain && !options->headless &&
             !options->json && !options->quiet && madpo__attach_possible();
    rc = options->detach || attach ? train_detached(options, config, attach)
                                   : train_here(options, config);
    madpo_config_free(config);
    return rc;
}

/* --resume without --run: name the run that was probably meant, but leave the choice to the user.
 */
static int train_resume_what(const char *command)
{
    char *latest = NULL;
    int rc;

    if (madpo_run_find_latest(&latest, "runs", NULL) == MADPO_OK && latest)
        rc = madpo__cli_usage("%s: --resume needs --run DIR; the newest is %s", command, latest);
    else
        rc = madpo__cli_usage("%s: --resume needs --run DIR, the folder of the run to go on with",
                              command);
    free(latest);
    return rc;
}

static int train_run(int argc, char **argv)
{
    train_options options = {0};
    madpo_strbuf kept = {0};
    int n, rc = madpo__cli_parse(&madpo__command_train, argc, argv, &options, &n);

    if (rc < 0 && n > 1)
        rc =
            madpo__cli_usage("train: one CONFIG at a time, then options; \"%s\" is too much (madpo "
                             "help train)",
                             argv[1]);
    if (rc < 0 && options.resume && !options.run)
        rc = train_resume_what("train");
    if (rc < 0 && n == 0 && !options.resume)
        rc = madpo__cli_usage(
            "train: no configuration given; madpo train CONFIG, or madpo demo for a "
            "built-in one");
    if (rc < 0 && n == 0) {
        madpo_strbuf_printf(&kept, "%s/config.cfg", options.run);
        if (kept.failed)
            rc = madpo__cli_out_of_memory();
    }
    options.configure.file = n > 0 ? argv[0] : kept.s;
    if (rc < 0)
        rc = train_with(&options);
    madpo_strbuf_dispose(&kept);
    madpo__cli_list_dispose(&options.configure.set);
    return rc;
}

static int train_demo(int argc, char **argv)
{
    train_options options = {0};
    int n, rc = madpo__cli_parse(&madpo__command_demo, argc, argv, &options, &n);

    if (rc < 0 && n > 0)
        rc = madpo__cli_usage(
            "demo: unexpected argument \"%s\"; a configuration of your own goes to "
            "madpo train",
            argv[0]);
    if (rc < 0 && options.resume && !options.run)
        rc = train_resume_what("demo");
    options.plain = true;
    options.configure.embedded = options.quick ? "demo-quick.cfg" : "demo.cfg";
    if (rc < 0)
        rc = train_with(&options);
    madpo__cli_list_dispose(&options.configure.set);
    return rc;
}
