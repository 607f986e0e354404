#ifndef MADPO_TUI_MENU_H
#define MADPO_TUI_MENU_H
/* The menu of Q and Ctrl+C: what is to become of a run that is watched. It only asks; the one who
 * shows it does what was chosen.
 */
#include <stdbool.h>
#include <stddef.h>

struct madpo_grid;

typedef enum madpo_choice {
    MADPO_CHOICE_NONE,  /* not yet */
    MADPO_CHOICE_STOP,  /* save a checkpoint and end the run */
    MADPO_CHOICE_KILL,  /* end it now, without saving */
    MADPO_CHOICE_LEAVE, /* leave the screen, the run goes on */
    MADPO_CHOICE_CANCEL
} madpo_choice;

typedef struct madpo_menu {
    bool open;
    bool experiment; /* it is about the experiment that the run is a part of */
    int cursor;
    int presses;       /* of Ctrl+C, one soon after the other */
    double pressed_at; /* seconds of a steady clock */
    char when[160];    /* when a stop would be done, "" = not known */
} madpo_menu;

/* Seconds in which Ctrl+C counts as pressed again. */
extern const double madpo_menu_again;

void madpo_menu_show(madpo_menu *menu, const char *when);
/* A key while the menu is open; whatever is chosen closes it. */
madpo_choice madpo_menu_key(madpo_menu *menu, int key);
/* Ctrl+C, open or not: the first shows the menu (NONE), the second within madpo_menu_again is
 * STOP, the third KILL. */
madpo_choice madpo_menu_interrupt(madpo_menu *menu);
/* Over the screen; on one of few lines, its keys only. */
void madpo_menu_draw(struct madpo_grid *grid, const madpo_menu *menu);
#endif
