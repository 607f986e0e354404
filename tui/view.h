#ifndef MADPO_TUI_VIEW_H
#define MADPO_TUI_VIEW_H
/* The state of the screen: what is looked at, when, and how; and the keys that change it. Knows
 * nothing of terminals: a key goes in (madpo_view_key), a grid comes out (madpo_view_render), so a
 * test can type on a screen that is text.
 */
#include "tui/layout.h"
#include "tui/bookmarks.h"
#include "tui/plot.h"
#include "tui/select.h"
#include "tui/shade.h"
#include "tui/feed.h"
#include "tui/stats.h"
#include "tui/steer.h"

/* Keys: Unicode code points, and these beyond them. */
enum {
    MADPO_KEY_UP = 0x110000,
    MADPO_KEY_DOWN,
    MADPO_KEY_LEFT,
    MADPO_KEY_RIGHT,
    MADPO_KEY_PAGE_UP,
    MADPO_KEY_PAGE_DOWN,
    MADPO_KEY_HOME,
    MADPO_KEY_END,
    MADPO_KEY_BACK_TAB,
    MADPO_KEY_BACKSPACE,
    MADPO_KEY_F1,
    MADPO_KEY_CTRL_L = 0x0c,
    MADPO_KEY_CTRL_C = 0x03,
    MADPO_KEY_TAB = 0x09,
    MADPO_KEY_ENTER = 0x0d,
    MADPO_KEY_ESCAPE = 0x1b
};

/* What the caller has to do after a key. */
typedef enum madpo_action {
    MADPO_ACTION_NONE,
    MADPO_ACTION_QUIT,
    MADPO_ACTION_BACK,    /* to the table this run was opened from */
    MADPO_ACTION_OPEN,    /* the run under the table's cursor */
    MADPO_ACTION_REPAINT, /* everything, whatever the terminal is thought to show */
    MADPO_ACTION_MOUSE,   /* take the mouse, or give it back */
    MADPO_ACTION_DUMP     /* write the screen to a file */
} madpo_action;

typedef enum madpo_prompt {
    MADPO_PROMPT_NONE,
    MADPO_PROMPT_SEARCH,
    MADPO_PROMPT_FILTER,
    MADPO_PROMPT_STEER, /* what the run is to do */
    MADPO_PROMPT_RATE   /* a learning rate */
} madpo_prompt;

typedef enum madpo_log_kind {
    MADPO_LOG_NOTES,
    MADPO_LOG_WARNINGS,
    MADPO_LOG_PRINTED, /* log.txt: what the trainer said */
    MADPO_LOG_BOOKMARKS,
    MADPO_LOG_KINDS
} madpo_log_kind;

/* An end of a list or a text that no picture has told yet. */
enum { MADPO_VIEW_FAR = 100000 };
enum { MADPO_VIEW_TEXT = 128, MADPO_VIEW_OTHERS = 6, MADPO_VIEW_RUNS = 256 };

typedef struct madpo_view {
    madpo_feed *source;                    /* borrowed */
    madpo_feed *others[MADPO_VIEW_OTHERS]; /* owned: runs to compare with; NULL = free */
    char *runs[MADPO_VIEW_RUNS];           /* owned: folders of runs beside this one */
    int n_runs, run_cursor;
    bool show_runs;

    madpo_layout_wish wish;
    madpo_layout layout; /* of the last picture */
    madpo_glyphs glyphs;

    int smoothing; /* index of madpo_smoothings */
    bool log_y, guides, clip;
    madpo_axis axis;
    double x_low, x_high, cross; /* NaN: all, all, none */
    int plot_phase;              /* stage shown, -1 = the one at work */
    int metric;                  /* cursor of the panel of all metrics */

    bool replay, playing; /* a moment of the past is shown */
    int phase;            /* stage and step of it */
    double step, speed;   /* speed: of playing, 1 = a stage in a minute */
    madpo_bookmarks bookmarks;

    madpo_sort sort;
    bool descending;
    char filter_text[MADPO_VIEW_TEXT], search[MADPO_VIEW_TEXT];
    madpo_filter filter;
    madpo_find find;          /* pairs whose texts have the filter's words */
    madpo_seek seek;          /* the way to the next pair with the words of `search` */
    double bin_low, bin_high; /* picked bin of the histogram, NaN = none */
    int bin, n_bins;          /* cursor in the histogram as drawn, -1 = none */
    int32_t *list;            /* [n_list] owned: samples shown */
    size_t n_list, cursor, top;
    uint64_t list_version; /* of the samples the list was made from */
    double list_step;
    size_t list_hits; /* of the find when the list was made */
    bool list_stale;
    double list_at, list_cost; /* seconds: when it was made and how long that took */
    bool behind;               /* something shown is a moment old: draw again soon */
    int pair_scroll, log_scroll;
    int log_across, log_wide;          /* columns the log is moved to the left, and may be */
    int pair_end, log_end, metric_end; /* how far they go, from the last picture */
    madpo_shade_kind shade;            /* of the pair's answers */
    bool mono;                         /* the screen has no colours */
    madpo_log_kind log_kind;

    madpo_weight_options preview; /* parameters tried out */
    double preview_beta;
    bool has_preview;
    int parameter; /* cursor */
    madpo_stats stats;

    madpo_prompt prompt;
    char typed[MADPO_VIEW_TEXT];
    bool help;
    int help_scroll;
    char help_filter[MADPO_VIEW_TEXT];
    char message[200]; /* in place of the last note, until the next key */
    bool control;      /* may steer the run */
    bool attached;     /* to a run started from here: its end is told, and waits to be seen */
    bool inside;       /* opened from the table of an experiment: leaving goes back to it */
    madpo_steer steer;
    madpo_menu menu;
    double now; /* seconds since 1970, for "silent for"; NaN in dumps */
} madpo_view;

extern const double madpo_smoothings[];
enum { MADPO_SMOOTHINGS = 5 };

void madpo_view_init(madpo_view *view, madpo_feed *source);
void madpo_view_dispose(madpo_view *view);

/* Draw a picture of w x h. Never fails but for memory. */
madpo_status madpo_view_render(madpo_grid *grid, madpo_view *view, int w, int h,
                               madpo_error *err) MADPO_MUST_CHECK;
/* Take a key. */
madpo_action madpo_view_key(madpo_view *view, int key);
/* A click or a turn of the wheel (wheel: -1 up, 1 down, 0 a click). */
void madpo_view_mouse(madpo_view *view, int x, int y, int wheel);
/* Time goes on: play on. True if the picture has changed. */
bool madpo_view_tick(madpo_view *view, double seconds);
/* Show the moment a stage stood at a step. */
void madpo_view_go(madpo_view *view, int phase, double step);
/* Compare with another run, or no longer. */
madpo_status madpo_view_compare(madpo_view *view, const char *dir,
                                madpo_error *err) MADPO_MUST_CHECK;

/* ---- for the files that draw ---- */

const madpo_history *madpo_view_history(const madpo_view *view);
const madpo_samples *madpo_view_samples(const madpo_view *view);
/* The moment shown. */
madpo_moment madpo_view_moment(const madpo_view *view);
/* The stage the plots show, -1 if none has curves; and its step at the moment shown. */
int madpo_view_plot_phase(const madpo_view *view);
double madpo_view_plot_step(const madpo_view *view);
/* Step of the policy at the moment shown: what the policy's margins are asked at. */
double madpo_view_policy_step(const madpo_view *view);
/* The list of samples, brought up to date. */
madpo_status madpo_view_list(madpo_view *view, madpo_error *err) MADPO_MUST_CHECK;
/* Another filter: the list begins anew, and so does what is looked for in the texts. */
void madpo_view_filter(madpo_view *view, const madpo_filter *filter);
/* The sample under the cursor, NULL if the list is empty. */
const madpo_sample *madpo_view_sample(const madpo_view *view);
/* Put a panel onto the screen and the focus on it. */
void madpo_view_focus(madpo_view *view, madpo_panel panel);

/* The table of keys, for the help and the bar of keys. */
typedef struct madpo_key_row {
    int keys[4]; /* 0 ends */
    const char *shown, *bar, *help;
    madpo_action (*run)(madpo_view *view, int key);
} madpo_key_row;
/* What the keys that steer the run do: rows with it are in the bar only where that is allowed. */
madpo_action madpo_key_steer(madpo_view *view, int key);
/* Q and Ctrl+C: what is to become of the run. */
madpo_action madpo_key_stop(madpo_view *view, int key);
/* A key while that menu is open. */
madpo_action madpo_steer_menu_key(madpo_view *view, int key);
extern const madpo_key_row madpo_keys[];
extern const int madpo_n_keys;
#endif
