#ifndef MADPO_TUI_PANELS_H
#define MADPO_TUI_PANELS_H
/* The panels. Each draws its frame and what is in it; none changes anything but the view's caches
 * and the size of what its cursor moves in. */
#include "tui/view.h"

void madpo_panel_loss(madpo_grid *grid, madpo_rect rect, madpo_view *view);
void madpo_panel_rewards(madpo_grid *grid, madpo_rect rect, madpo_view *view);
void madpo_panel_quality(madpo_grid *grid, madpo_rect rect, madpo_view *view);
void madpo_panel_margins(madpo_grid *grid, madpo_rect rect, madpo_view *view);
void madpo_panel_weights(madpo_grid *grid, madpo_rect rect, madpo_view *view);
void madpo_panel_groups(madpo_grid *grid, madpo_rect rect, madpo_view *view);
void madpo_panel_samples(madpo_grid *grid, madpo_rect rect, madpo_view *view);
void madpo_panel_pair(madpo_grid *grid, madpo_rect rect, madpo_view *view);
void madpo_panel_system(madpo_grid *grid, madpo_rect rect, madpo_view *view);
void madpo_panel_log(madpo_grid *grid, madpo_rect rect, madpo_view *view);

/* The curves of the panels loss and rewards; returns what they are, in words (a constant). */
const char *madpo_panel_curves(madpo_plot *plot, const madpo_view *view, madpo_panel panel);
/* Frame of a panel with its number and a title. */
void madpo_panel_frame(madpo_grid *grid, madpo_rect rect, const madpo_view *view, madpo_panel panel,
                       const char *title);
/* A metric of the stage shown at the moment shown; NaN if there is none. */
double madpo_view_value(const madpo_view *view, const char *metric);
/* Seconds a step takes at the moment shown, the first step left out; NaN if unknown. */
double madpo_view_step_seconds(const madpo_view *view);

/* "3 warnings" up to the moment shown, into out [32]. */
char *madpo_view_warnings(char *out, const madpo_view *view);
/* The newest note of a kind, up to the moment shown; NULL if there is none. */
const madpo_note *madpo_view_last_note(const madpo_view *view, madpo_note_kind kind);

/* An empty frame in the middle of the screen, over what is there; returns its inside. */
madpo_rect madpo_draw_overlay(madpo_grid *grid, int w, int h, const char *title);
/* Help: what a key is called, "" of a heading, and what it does; scroll is kept within the rows. */
typedef struct madpo_help_row {
    const char *shown, *help;
} madpo_help_row;
void madpo_draw_help_rows(madpo_grid *grid, const madpo_help_row *rows, int n_rows,
                          const char *filter, int *scroll);
/* The frame of the screen: head, foot, help, list of runs. */
void madpo_draw_header(madpo_grid *grid, const madpo_view *view);
void madpo_draw_status(madpo_grid *grid, const madpo_view *view);
void madpo_draw_notes(madpo_grid *grid, const madpo_view *view);
void madpo_draw_keys(madpo_grid *grid, const madpo_view *view);
void madpo_draw_help(madpo_grid *grid, madpo_view *view);
void madpo_draw_runs(madpo_grid *grid, const madpo_view *view);
#endif
