#ifndef MADPO_CLI_COMMANDS_H
#define MADPO_CLI_COMMANDS_H
/* The sub-commands; main.c lists them in a table. */
#include "cli/args.h"

extern const madpo_cli_command madpo__command_train;
extern const madpo_cli_command madpo__command_demo;
extern const madpo_cli_command madpo__command_experiment;
extern const madpo_cli_command madpo__command_eval;
extern const madpo_cli_command madpo__command_watch;
extern const madpo_cli_command madpo__command_generate;
extern const madpo_cli_command madpo__command_score;
extern const madpo_cli_command madpo__command_merge;
extern const madpo_cli_command madpo__command_info;
extern const madpo_cli_command madpo__command_tokenize;
extern const madpo_cli_command madpo__command_devices;
extern const madpo_cli_command madpo__command_weights;
extern const madpo_cli_command madpo__command_objectives;
extern const madpo_cli_command madpo__command_config;
extern const madpo_cli_command madpo__command_synth;
extern const madpo_cli_command madpo__command_ctl;
extern const madpo_cli_command madpo__command_report;

/* Run the program: argv[0] is the program's name. Returns the exit code. */
int madpo__cli_main(int argc, char **argv);
#endif
