/* madpo watch: look at a run, live or finished. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "tui/tui.h"

typedef struct watch_options {
    const char *dump, *panel, *at, *glyphs, *color, *background, *script;
    madpo_cli_list compare;
    double every;
    bool no_mouse, plain, control;
} watch_options;

static int watch_run(int argc, char **argv);

static const madpo_cli_option watch_table[] = {
    {"compare", "RUN", MADPO_CLI_LIST, offsetof(watch_options, compare), 0,
     "Draw the curves of another run too. May be given up to six times."},
    {"glyphs", "KIND", MADPO_CLI_TEXT, offsetof(watch_options, glyphs), 0,
     "Draw with braille, block or ascii characters; auto takes braille where the locale is UTF-8."},
    {"color", "KIND", MADPO_CLI_TEXT, offsetof(watch_options, color), 0,
     "never, 16, 256, or auto: what the terminal can, unless NO_COLOR is set."},
    {"background", "KIND", MADPO_CLI_TEXT, offsetof(watch_options, background), 0,
     "dark, light, or auto: what the terminal says of itself in COLORFGBG, else dark."},
    {"no-mouse", NULL, MADPO_CLI_FLAG, offsetof(watch_options, no_mouse), 0,
     "Leave the mouse to the terminal (the key m takes it)."},
    {"plain", NULL, MADPO_CLI_FLAG, offsetof(watch_options, plain), 0,
     "No pictures: a line of text when the run has moved on, for screen readers and logs."},
    {"control", NULL, MADPO_CLI_FLAG, offsetof(watch_options, control), 0,
     "Keys may steer the run: pause, checkpoint, evaluation, learning rate, stop. Each asks "
     "first."},
    {"every", "SECONDS", MADPO_CLI_REAL, offsetof(watch_options, every), 0,
     "Seconds between plain lines (10)."},
    {"dump-screen", "WxH", MADPO_CLI_TEXT, offsetof(watch_options, dump), 0,
     "Print one picture of this size as text and end."},
    {"dump-panel", "NAME", MADPO_CLI_TEXT, offsetof(watch_options, panel), 0,
     "Print what a panel shows as numbers, a table with tabs, and end: loss, margins, samples, "
     "rewards, weights, system, metrics, groups, pair or log; of an experiment: cells."},
    {"at", "STEP", MADPO_CLI_TEXT, offsetof(watch_options, at), 0,
     "Begin at this step of the policy, or at STAGE:STEP, instead of now."},
    {"script", "FILE", MADPO_CLI_TEXT, offsetof(watch_options, script), 0,
     "Type these keys before the picture is printed: characters, <Tab>, <Enter>, <Esc>, ..."},
    {0}};

const madpo_cli_command madpo__command_watch = {
    .name = "watch",
    .synopsis = "[RUN] [OPTION...]",
    .summary = "look at a run on the terminal: curves, margins, weights, samples",
    .description =
        "    Show the run directory RUN, or the newest run in runs/ (or experiment in\n"
        "    experiments/), while it is written or long after. Of an experiment's folder, its\n"
        "    cells: Enter opens one. Watching changes nothing: leaving, a lost terminal or a crash "
        "of the\n"
        "    picture never touches the training. The key ? explains all others.\n"
        "    With --control, keys ask the run to do what madpo ctl can ask of it.\n"
        "\n"
        "    Without a terminal, plain lines are printed until the run ends.\n",
    .options = watch_table,
    .more = "ENVIRONMENT\n"
            "    NO_COLOR   set and not empty: no colours\n"
            "    XDG_STATE_HOME\n"
            "               where bookmarks are kept, in madpo/bookmarks (else ~/.local/state)\n"
            "    ESCDELAY   milliseconds that Esc waits for the rest of a key (25)\n"
            "\n"
            "EXAMPLES\n"
            "    madpo watch\n"
            "    madpo watch runs/a --compare runs/b\n"
            "    madpo watch runs/a --control\n"
            "    madpo watch experiments/paper-small\n"
            "    madpo watch runs/a --dump-screen 120x40 --at 100\n"
            "    madpo watch runs/a --dump-panel loss --at policy:100\n"
            "    madpo watch runs/a --dump-screen 80x24 --glyphs=ascii --script keys.txt\n",
    .run = watch_run,
};

static madpo_status watch_find(char **out, const char *given, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    *out = NULL;
    if (given && strcmp(given, "latest") != 0) {
        *out = strdup(given);
        return *out ? MADPO_OK : madpo_error_set(err, MADPO_ERR_NOMEM, "name of the run");
    }
    st = madpo_tui_find_latest(out, err);
    if (st == MADPO_OK && !*out)
        st = madpo_error_set(
            err, MADPO_ERR_IO,
            "there is no run in runs/ and no experiment in experiments/; give the folder: "
            "madpo watch RUN");
    return st;
}

static madpo_status watch_work(const madpo_tui_options *options, bool plain, madpo_error *err)
{
    const char *why = NULL;

    if (options->dump || options->panel)
        return madpo_tui_dump(options, stdout, err);
    if (!plain && madpo_tui_has_terminal(&why))
        return madpo_tui_watch(options, err);
    if (!plain)
        fprintf(stderr, "madpo: %s: plain lines instead of pictures\n", why);
    return madpo_tui_plain(options, stdout, err);
}

static int watch_run(int argc, char **argv)
{
    watch_options o = {.every = 10.0};
    madpo_error err = MADPO_ERROR_INIT;
    char *run = NULL;
    int n, rc = madpo__cli_parse(&madpo__command_watch, argc, argv, &o, &n);
    madpo_tui_options options = {.glyphs = o.glyphs,
                                 .color = o.color,
                                 .background = o.background,
                                 .mouse = !o.no_mouse,
                                 .control = o.control,
                                 .dump = o.dump,
                                 .panel = o.panel,
                                 .at = o.at,
                                 .script = o.script,
                                 .plain_every = o.every > 0.05 ? o.every : 0.05};

    setlocale(LC_CTYPE, ""); /* not LC_NUMERIC: numbers keep their point */
    if (rc < 0 && n > 1)
        rc = madpo__cli_usage("watch: one run at a time; --compare RUN adds the curves of others");
    if (rc < 0 && o.compare.n > MADPO_TUI_COMPARED)
        rc = madpo__cli_usage("watch: at most %d runs to compare with", MADPO_TUI_COMPARED);
    if (rc < 0 && o.control && o.plain)
        rc = madpo__cli_usage("watch: --plain takes no keys; madpo ctl RUN steers the run");
    if (rc < 0 && o.dump && o.panel)
        rc = madpo__cli_usage("watch: --dump-screen or --dump-panel, one of them");
    if (rc < 0 && o.script && !o.dump && !o.panel)
        rc = madpo__cli_usage("watch: --script types into --dump-screen or --dump-panel");
    if (rc < 0) {
        for (size_t i = 0; i < o.compare.n; i++)
            options.compare[i] = o.compare.v[i];
        rc = MADPO_EXIT_DONE;
        if (watch_find(&run, n > 0 ? argv[0] : NULL, &err) == MADPO_OK)
            options.run = run;
        if (!run || watch_work(&options, o.plain, &err) != MADPO_OK)
            rc = madpo__cli_fail(&err);
    }
    free(run);
    madpo__cli_list_dispose(&o.compare);
    return rc;
}
