#ifndef MADPO_TUI_FIND_H
#define MADPO_TUI_FIND_H
/* Looking through the texts of the pairs, which are in a file of any size: a slice at a time, so
 * that the screen goes on. A find looks through all of them for a filter's words; a seek goes along
 * the list to the next pair that passes.
 */
#include "tui/feed.h"

struct madpo_filter;
struct madpo_view;

/* Seconds that a slice takes, and a line more. */
extern const double madpo_find_slice;

typedef struct madpo_find {
    bool wanted, stopped; /* the filter has words; somebody had enough of it */
    bool tail;            /* what is known is known of the pairs of the tail */
    uint8_t *known;       /* [n] owned, by number of the pair: 0 not yet, 1 no, 2 yes */
    size_t n, at, looked, hits;
    uint64_t version; /* of the samples when all were gone through; 0 = never */
} madpo_find;

typedef struct madpo_seek {
    bool active, tail;
    int32_t *order; /* [n] owned: pairs in the order they are looked at */
    size_t n, at;
} madpo_seek;

/* Forget what is known: the filter is another one. */
void madpo_find_begin(madpo_find *find, bool wanted);
void madpo_find_dispose(madpo_find *find);
bool madpo_find_holds(const madpo_find *find, size_t i);
/* Is there more to look through? */
bool madpo_find_is_busy(const madpo_find *find, const madpo_feed *source);
/* Look through on; without memory nothing more is found. */
void madpo_find_on(madpo_find *find, const madpo_feed *source, const struct madpo_filter *filter,
                   double seconds);

/* Go from the cursor along the list, backwards if so, to the next pair that passes view->search;
 * the first slice at once. */
void madpo_seek_begin(struct madpo_view *view, bool backwards);
void madpo_seek_dispose(madpo_seek *seek);

/* A slice of whatever is looked for, with a message; true if the picture has changed. */
bool madpo_find_tick(struct madpo_view *view);
/* Is something being looked for? */
bool madpo_find_working(const struct madpo_view *view);
/* Have enough of it: what was found stays. */
void madpo_find_stop(struct madpo_view *view);
#endif
