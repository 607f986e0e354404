/* The table of sub-commands, and what belongs to none of them: help, version, a mistyped name. */
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "cli/bench.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "madpo/version.h"

static int dispatch_help(int argc, char **argv);
static int dispatch_version(int argc, char **argv);

static const madpo_cli_command dispatch_help_command = {
    .name = "help",
    .synopsis = "[COMMAND]",
    .summary = "explain a command",
    .description = "    Print the help page of COMMAND, or the list of commands.\n",
    .run = dispatch_help,
};

static const madpo_cli_command dispatch_version_command = {
    .name = "version",
    .synopsis = "",
    .summary = "print the version",
    .description = "    Print the program's name and version.\n",
    .run = dispatch_version,
};

/* Parses its own arguments; the row is for the list. */
static const madpo_cli_command dispatch_bench_command = {
    .name = "bench",
    .summary = "measure the matrix product on this machine's device",
    .run = madpo_cli_bench,
};

static const madpo_cli_command *const dispatch_commands[] = {
    &madpo__command_train,      &madpo__command_demo,       &madpo__command_watch,
    &madpo__command_experiment, &madpo__command_eval,       &madpo__command_generate,
    &madpo__command_score,      &madpo__command_merge,      &madpo__command_info,
    &madpo__command_tokenize,   &madpo__command_devices,    &madpo__command_config,
    &madpo__command_weights,    &madpo__command_objectives, &madpo__command_synth,
    &madpo__command_ctl,        &madpo__command_report,     &dispatch_bench_command,
    &dispatch_version_command,  &dispatch_help_command,
};
enum { N_COMMANDS = sizeof dispatch_commands / sizeof *dispatch_commands };

static const madpo_cli_command *dispatch_find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(dispatch_commands[i]->name, name) == 0)
            return dispatch_commands[i];
    return NULL;
}

static int dispatch_unknown(const char *name)
{
    const char *names[N_COMMANDS], *nearest;

    for (size_t i = 0; i < N_COMMANDS; i++)
        names[i] = dispatch_commands[i]->name;
    nearest = madpo_nearest(name, names, N_COMMANDS);
    if (nearest)
        return madpo__cli_usage("unknown command \"%s\"; did you mean \"%s\"? (madpo help)", name,
                                nearest);
    return madpo__cli_usage("unknown command \"%s\" (madpo help lists them)", name);
}

static void dispatch_overview(void)
{
    puts("NAME\n"
         "    madpo - align language models with Margin-Adaptive DPO on any OpenCL device\n"
         "\n"
         "SYNOPSIS\n"
         "    madpo COMMAND [ARGUMENT...]\n"
         "\n"
         "COMMANDS");
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("    %-10s %s\n", dispatch_commands[i]->name, dispatch_commands[i]->summary);
    puts("\n"
         "    madpo help COMMAND explains one of them.\n"
         "\n"
         "EXAMPLES\n"
         "    madpo demo\n"
         "        The whole way on generated reviews: language model, pairs, reward model,\n"
         "        margins, MADPO, evaluation.\n"
         "    madpo train my.cfg --set data.pairs=pairs.jsonl\n"
         "        The same on preference pairs of your own.\n"
         "    madpo generate runs/a --prompt 'The film was'\n"
         "        Write with the model of a run, or with any Hugging Face directory.\n"
         "\n"
         "EXIT STATUS\n"
         "    0  done\n"
         "    1  failed: one line on standard error says what and what to do\n"
         "    2  a mistake on the command line or in the configuration\n"
         "    3  stopped by the user, a checkpoint was saved");
}

static int dispatch_help(int argc, char **argv)
{
    const madpo_cli_command *command;
    char help[] = "--help";
    char *bench[] = {argv[0], help, NULL};
    int n_rest, rc = madpo__cli_parse(&dispatch_help_command, argc, argv, NULL, &n_rest);

    if (rc >= 0)
        return rc;
    if (n_rest > 1)
        return madpo__cli_usage("help: one command at a time");
    if (n_rest == 0) {
        dispatch_overview();
        return MADPO_EXIT_DONE;
    }
    command = dispatch_find(argv[0]);
    if (!command)
        return dispatch_unknown(argv[0]);
    if (command == &dispatch_bench_command)
        return madpo_cli_bench(2, bench);
    madpo__cli_help(command);
    return MADPO_EXIT_DONE;
}

static int dispatch_version(int argc, char **argv)
{
    int n_rest, rc = madpo__cli_parse(&dispatch_version_command, argc, argv, NULL, &n_rest);

    if (rc >= 0)
        return rc;
    if (n_rest > 0)
        return madpo__cli_usage("version: takes no arguments");
    puts("madpo " MADPO_VERSION);
    return MADPO_EXIT_DONE;
}

int madpo__cli_main(int argc, char **argv)
{
    const madpo_cli_command *command;
    const char *name = argc > 1 ? argv[1] : "";

    madpo__cli_guard_descriptors();
    if (argc < 2)
        return madpo__cli_usage("no command given (madpo help lists them)");
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    if (name[0] == '-')
        return madpo__cli_usage("a command comes first, then %s (madpo help)", name);
    command = dispatch_find(name);
    if (!command)
        return dispatch_unknown(name);
    return madpo__cli_finish(command->run(argc - 1, argv + 1));
}
