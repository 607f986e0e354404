#ifndef MADPO_CLI_OUTPUT_H
#define MADPO_CLI_OUTPUT_H
/* What the program says at its end: errors as one line on standard error, and the exit code they
 * mean. */
#include <jansson.h>

#include "cli/args.h"

/* Print "madpo: message"; returns MADPO_EXIT_USAGE. */
int madpo__cli_usage(const char *fmt, ...) MADPO_PRINTF(1, 2);
/* Print an error; returns the exit code of its status. */
int madpo__cli_fail(const madpo_error *err);
int madpo__cli_out_of_memory(void);
/* Print a value as one line and let go of it (stolen; NULL = out of memory); the exit code. */
int madpo__cli_put_json(json_t *value);
/* Flush standard output; `code`, or MADPO_EXIT_FAILED with a message if what was printed is lost.
 */
int madpo__cli_finish(int code);
/* Give descriptors 0 to 2 that are closed a harmless place, so that no file opened later becomes
 * one. */
void madpo__cli_guard_descriptors(void);
#endif
