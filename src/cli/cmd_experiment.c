/* madpo experiment: the published experiment from one configuration. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "cli/attach.h"
#include "cli/commands.h"
#include "cli/configure.h"
#include "cli/detach.h"
#include "cli/output.h"
#include "cli/screen.h"
#include "cli/signals.h"
#include "train/experiment.h"

typedef struct experiment_options {
    madpo_cli_configure configure;
    const char *out, *only;
    bool list, retry, no_tui, headless, json, quiet;
} experiment_options;

static int experiment_run(int argc, char **argv);

static const madpo_cli_option experiment_table[] = {
    {"out", "DIR", MADPO_CLI_TEXT, offsetof(experiment_options, out), 0,
     "Folder of the experiment, made if it is not there (default: experiments/ and the "
     "configuration's name)."},
    {"set", "KEY=VALUE", MADPO_CLI_LIST, offsetof(experiment_options, configure.set), 0,
     "Change one setting. May be given several times."},
    {"only", "CELL", MADPO_CLI_TEXT, offsetof(experiment_options, only), 0,
     "Run only this cell, or those that a pattern names ('high-*-s1'), and what they need."},
    {"list", NULL, MADPO_CLI_FLAG, offsetof(experiment_options, list), 0,
     "Print the cells and what became of each, and run nothing."},
    {"retry", NULL, MADPO_CLI_FLAG, offsetof(experiment_options, retry), 0,
     "Try again the cells that failed, from their beginning. Without it, a cell whose numbers "
     "diverged stays failed, and one that lost its device or disk goes on."},
    {"device", "S", MADPO_CLI_TEXT, offsetof(experiment_options, configure.device), 0,
     "OpenCL device: auto, gpu, cpu, a number of madpo devices, or part of a name."},
    {"no-tui", NULL, MADPO_CLI_FLAG, offsetof(experiment_options, no_tui), 0,
     "On a terminal: messages and a line of progress instead of the front end."},
    {"headless", NULL, MADPO_CLI_FLAG, offsetof(experiment_options, headless), 0,
     "Plain lines even on a terminal: nothing is redrawn, nothing is asked."},
    {"json", NULL, MADPO_CLI_FLAG, offsetof(experiment_options, json), 0,
     "Write the events of all runs, one JSON object a line, to standard output, and nothing else "
     "there; \"ev\":\"part\" says whose the next ones are."},
    {"quiet", NULL, MADPO_CLI_FLAG, offsetof(experiment_options, quiet), 0,
     "No messages and no progress, errors and the results only."},
    {0}};

const madpo_cli_command madpo__command_experiment = {
    .name = "experiment",
    .synopsis = "CONFIG [--out DIR] [--set KEY=VALUE]... [OPTION...]",
    .summary = "compare objectives on data of several qualities, over seeds",
    .description =
        "    Train a language model and draw samples of it; make preference data of high, medium\n"
        "    and low quality from them (experiment.tiers), with a reward model each; train a\n"
        "    policy for every tier, method and seed (a cell); score fresh samples of each by the\n"
        "    ground truth; and say what came out of it, with intervals and paired tests.\n"
        "    Methods (experiment.methods) are objectives with settings of their own:\n"
        "    madpo, dpo@beta=0.05, madpo@c=4. experiment.sweep_c, .sweep_tau and .ablation add\n"
        "    others of MADPO's.\n"
        "\n"
        "    The same command goes on with an experiment that was stopped: what is finished is\n"
        "    not done again. A longer list of methods or seeds adds cells. A cell that fails is\n"
        "    recorded, and the others go on.\n"
        "\n"
        "    On a terminal the experiment is a process of its own, and the front end shows its\n"
        "    cells as madpo watch DIR --control does: Enter opens one, q leaves the experiment\n"
        "    going, Q stops it. Elsewhere, or with --no-tui, --headless, --json or --quiet,\n"
        "    messages and progress are printed.\n",
    .options = experiment_table,
    .more = "SIGNALS\n"
            "    INT, TERM, HUP  finish the step, save a checkpoint, exit with 3; a second one\n"
            "                    ends the program at once\n"
            "\n"
            "FILES\n"
            "    DIR/results.md, results.csv, results.json\n"
            "    DIR/figures             SVG, PNG and the scripts for gnuplot\n"
            "    DIR/shared/sft          run directory: language model, samples, tiers\n"
            "    DIR/tiers/TIER          run directories: reward model, margins\n"
            "    DIR/cells/CELL          run directories: policy, evaluation\n"
            "\n"
            "EXIT STATUS\n"
            "    0  done, every cell\n"
            "    1  one of the cells failed, or all of it: standard error says what\n"
            "    2  a mistake on the command line or in the configuration, or DIR holds an\n"
            "       experiment with other settings\n"
            "    3  stopped by the user\n"
            "\n"
            "EXAMPLES\n"
            "    madpo experiment configs/experiment-quick.cfg --out quick\n"
            "    madpo experiment configs/paper-small.cfg --set data.reviews=reviews.csv.gz\n"
            "    madpo experiment my.cfg --out exp --list\n",
    .run = experiment_run,
};

static void experiment_serve(void *user, madpo_trainer *trainer)
{
    (void)user;
    madpo__signals_serve(trainer);
}

static bool experiment_stopped(void *user)
{
    (void)user;
    return madpo__signals_stopped();
}

static int experiment_list(const madpo_experiment *experiment)
{
    for (size_t i = 0; i < madpo_experiment_cells(experiment); i++) {
        char *reason = NULL;
        const char *status = madpo_experiment_cell_status(experiment, i, &reason);

        printf("%-6s  %s%s%s\n", status, madpo_experiment_cell(experiment, i), reason ? ": " : "",
               reason ? reason : "");
        free(reason);
    }
    return MADPO_EXIT_DONE;
}

/* Results, and one line on standard error for the cells that failed. */
static int experiment_end(const madpo_experiment *experiment, const experiment_options *o)
{
    madpo_error err = MADPO_ERROR_INIT;
    size_t n_failed = 0, n = madpo_experiment_cells(experiment);
    char *report = NULL;

    if (madpo_experiment_report(experiment, &report, &err) != MADPO_OK)
        return madpo__cli_fail(&err);
    if (!o->json)
        fputs(report, stdout);
    fflush(stdout); /* before what standard error says of it */
    free(report);
    for (size_t i = 0; i < n; i++)
        n_failed += strcmp(madpo_experiment_cell_status(experiment, i, NULL), "failed") == 0;
    if (n_failed == 0)
        return MADPO_EXIT_DONE;
    fprintf(stderr,
            "madpo: %zu of %zu cells failed; %s/results.md says why, and --retry tries them "
            "again\n",
            n_failed, n, o->out);
    return MADPO_EXIT_FAILED;
}

static int experiment_go(madpo_experiment *experiment, const experiment_options *o,
                         madpo_cli_screen *screen)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_status st = madpo_experiment_run(experiment, &err);

    madpo__screen_clear(screen);
    if (st == MADPO_OK)
        return experiment_end(experiment, o);
    if (st != MADPO_ERR_STOPPED)
        return madpo__cli_fail(&err);
    fprintf(stderr,
            "madpo: stopped on request, all that is done is kept; go on with the same command\n");
    return MADPO_EXIT_STOPPED;
}

/* In this process. */
static int experiment_here(madpo_experiment *experiment, const experiment_options *o,
                           madpo_cli_screen *screen)
{
    madpo__signals_catch(screen->out != NULL && isatty(STDERR_FILENO));
    return experiment_go(experiment, o, screen);
}

/* As a process of its own, which writes plain lines to DIR/trainer.out, under the front end; in
 * the new process this goes on as experiment_here. */
static int experiment_attached(madpo_experiment *experiment, const experiment_options *o,
                               madpo_cli_screen *screen)
{
    madpo_detached run;
    int rc;

    printf("%s: starting, as a process of its own\n", o->out);
    rc = madpo__detach_experiment(&run, o->out);
    if (rc < 0) {
        madpo__screen_dispose(screen); /* what it found out was of the terminal */
        madpo__screen_init(screen, true, false, false);
        rc = experiment_here(experiment, o, screen);
    } else if (rc == MADPO_EXIT_DONE) {
        rc = madpo__attach(&run);
    }
    madpo__detached_dispose(&run);
    return rc;
}

static int experiment_with(const experiment_options *o)
{
    madpo_error err = MADPO_ERROR_INIT;
    madpo_cli_screen screen;
    madpo_config *config = NULL;
    madpo_experiment *experiment = NULL;
    madpo_experiment_options how = {.dir = o->out,
                                    .only = o->only,
                                    .retry = o->retry,
                                    .listener = &screen.listener,
                                    .serve = experiment_serve,
                                    .stopped = experiment_stopped};
    int rc = madpo__cli_configure(&config, &o->configure);

    if (rc >= 0)
        return rc;
    madpo__screen_init(&screen, o->headless, o->json, o->quiet);
    if (madpo_experiment_new(&experiment, config, &how, &err) != MADPO_OK)
        rc = madpo__cli_fail(&err);
    else if (o->list)
        rc = experiment_list(experiment);
    else if (!o->no_tui && !o->headless && !o->json && !o->quiet && madpo__attach_possible())
        rc = experiment_attached(experiment, o, &screen);
    else
        rc = experiment_here(experiment, o, &screen);
    madpo_experiment_free(experiment);
    madpo__screen_dispose(&screen);
    madpo_config_free(config);
    return rc;
}

/* "experiments/" and the configuration's name without folder and ending. */
static void experiment_name(madpo_strbuf *b, const char *config)
{
    const char *slash = strrchr(config, '/'), *name = slash ? slash + 1 : config;
    const char *dot = strrchr(name, '.');

    madpo_strbuf_printf(b, "experiments/%.*s",
                        (int)(dot && dot > name ? dot - name : (long)strlen(name)), name);
}

static int experiment_run(int argc, char **argv)
{
    experiment_options o = {0};
    madpo_strbuf name = {0};
    int n, rc = madpo__cli_parse(&madpo__command_experiment, argc, argv, &o, &n);

    if (rc < 0 && n != 1)
        rc = madpo__cli_usage("experiment: one CONFIG, then options (madpo help experiment)");
    if (rc < 0 && !o.out) {
        experiment_name(&name, argv[0]);
        o.out = name.s;
        if (name.failed)
            rc = madpo__cli_out_of_memory();
    }
    o.configure.file = argv[0];
    if (rc < 0)
        rc = experiment_with(&o);
    madpo_strbuf_dispose(&name);
    madpo__cli_list_dispose(&o.configure.set);
    return rc;
}
