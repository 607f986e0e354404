/* Whether there is a terminal to draw on; apart from terminal.c because term.h has macros for every
 * other English word. */
#include <curses.h>
#include <stdlib.h>
#include <term.h>
#include <unistd.h>

#include "tui/tui.h"

bool madpo_tui_has_terminal(const char **why)
{
    int problem;
    const char *move;

    *why = NULL;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        *why = "standard input or output is no terminal";
    else if (!getenv("TERM") || !*getenv("TERM"))
        *why = "TERM is not set";
    else if (setupterm(NULL, STDOUT_FILENO, &problem) != OK || problem != 1)
        *why = "TERM names a terminal that is not known here";
    else {
        move = tigetstr("cup");
        if (!move || move == (const char *)-1)
            *why = "this terminal cannot move its cursor";
    }
    return !*why;
}
