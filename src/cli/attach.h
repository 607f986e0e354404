#ifndef MADPO_CLI_ATTACH_H
#define MADPO_CLI_ATTACH_H
/* The front end over a run that was just started as a process of its own (cli/detach.h): leaving it
 * leaves the run going. */
#include "cli/detach.h"

/* Is there a terminal to show a run on? If there is one that cannot, one line says why. */
bool madpo__attach_possible(void);
/* Show the run until the user leaves. If it has ended by then, its summary is printed and its exit
 * code returned; else how to come back to it, and MADPO_EXIT_DONE. */
int madpo__attach(madpo_detached *run);
#endif
