#ifndef MADPO_TUI_RUNS_H
#define MADPO_TUI_RUNS_H
/* Files around a run: the runs beside it, and the list of marked pairs. */
#include "tui/samples.h"

/* Folders beside `dir` that hold a run, by name, without `dir` itself: paths [at most max], each
 * owned by the caller, free(). Returns how many. */
int madpo_runs_beside(const char *dir, char **paths, int max);
/* Write the ids of the marked pairs to a file, one a line; none are written when none is marked. */
madpo_status madpo_runs_export(const madpo_samples *samples, const char *path, size_t *n,
                               madpo_error *err) MADPO_MUST_CHECK;
/* Make `path` (of `size` bytes) the name of no file that is there: a.txt, a-2.txt, a-3.txt, ... */
void madpo_runs_free_name(char *path, size_t size);
#endif
