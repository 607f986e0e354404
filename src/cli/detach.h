#ifndef MADPO_CLI_DETACH_H
#define MADPO_CLI_DETACH_H
/* A run as a process of its own: its own session, so that no terminal takes it along, nothing to
 * read, and what it would have printed in trainer.out in its folder. */
#include <stdbool.h>
#include <sys/types.h>

typedef struct madpo_detached {
    const char *dir; /* borrowed */
    char *path;      /* owned: what it prints goes there, from byte `start` on */
    off_t start;
    long pid;
    bool experiment; /* dir is that of a whole experiment */
    int signal;      /* that ended it, 0 = none did */
    int code;        /* its exit code, -1 while it runs: ask madpo__detached_code */
} madpo_detached;

/* Fork; the program must not have a second thread yet. In the new process this returns -1, and it
 * goes on as the run. In the old one (where INT stops the run meanwhile) it returns once the run
 * has begun, or failed to, which is then printed: the exit code so far. Dispose of *run in any
 * case. */
int madpo__detach(madpo_detached *run, const char *run_dir, bool resume);
/* The same for an experiment in `dir`: begun when it has the folder for itself. */
int madpo__detach_experiment(madpo_detached *run, const char *dir);
void madpo__detached_dispose(madpo_detached *run);
/* Print folder and process id, as one JSON object if `json`; returns the exit code. */
int madpo__detached_say_where(const madpo_detached *run, bool json);
/* Does its process hold the folder? */
bool madpo__detached_is_live(const madpo_detached *run);
/* Its exit code if it has ended, else -1. */
int madpo__detached_code(madpo_detached *run);
/* Say why it ended: the signal, or the last line that it printed. */
void madpo__detached_say_why(const madpo_detached *run);
#endif
