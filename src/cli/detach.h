#ifndef MADPO_CLI_DETACH_H
#define MADPO_CLI_DETACH_H
/* A run as a process of its own: its own session, so that no terminal takes it along, nothing to
 * read, and what it would have printed in trainer.out in its folder. */
#include <stdbool.h>

/* Fork; the program must not have a second thread yet. In the new process this returns -1, and it
 * goes on as the run. In the old one it returns once the run has begun, or failed to: the exit
 * code, with folder and process id printed (as one JSON object if `json`), or what went wrong. */
int madpo__detach(const char *run_dir, bool resume, bool json);
#endif
