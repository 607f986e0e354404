#ifndef MADPO_CLI_ARGS_H
#define MADPO_CLI_ARGS_H
/* Sub-commands as tables: what one accepts, its help page, and the parser both drive. */
#include <stddef.h>
#include <stdint.h>

#include "madpo/error.h"

/* Exit codes of the program. */
enum {
    MADPO_EXIT_DONE = 0,
    MADPO_EXIT_FAILED = 1,
    MADPO_EXIT_USAGE = 2,  /* command line or configuration */
    MADPO_EXIT_STOPPED = 3 /* by the user, with a checkpoint saved */
};

typedef enum madpo_cli_kind {
    MADPO_CLI_FLAG, /* bool */
    MADPO_CLI_TEXT, /* const char *, the last one given counts */
    MADPO_CLI_INT,  /* int64_t, at least `low` */
    MADPO_CLI_REAL, /* double, finite, at least `low` */
    MADPO_CLI_LIST  /* madpo_cli_list, every one given */
} madpo_cli_kind;

/* Values of a repeatable option, borrowed from argv; `v` is freed with madpo__cli_list_dispose. */
typedef struct madpo_cli_list {
    const char **v;
    size_t n;
} madpo_cli_list;

typedef struct madpo_cli_option {
    const char *name;  /* without the dashes; NULL ends the table */
    const char *value; /* what the value is called in the help, NULL for a flag */
    madpo_cli_kind kind;
    size_t offset; /* of the field in the command's option struct */
    int64_t low;   /* smallest number */
    const char *help;
} madpo_cli_option;

typedef struct madpo_cli_command {
    const char *name;
    const char *synopsis; /* what follows the name */
    const char *summary;  /* one line for the list of commands */
    const char *description;
    const madpo_cli_option *options;
    const char *more;                  /* further sections of the help page, headings included */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
} madpo_cli_command;

/* Parse argv[1..argc) into `options` (the command's struct, zeroed or preset by the caller). --name
 * value,
 * --name=value and -- are understood; what begins with a minus and goes on like a number is no
 * option. What is left is moved to argv[0..*n_rest). Returns -1 to go on, else the exit code:
 * --help was printed (0), or an error was (2). */
int madpo__cli_parse(const madpo_cli_command *command, int argc, char **argv, void *options,
                     int *n_rest);
void madpo__cli_list_dispose(madpo_cli_list *list);

/* Print the help page of a command on standard output. */
void madpo__cli_help(const madpo_cli_command *command);
#endif
