#ifndef MADPO_TUI_SELECT_H
#define MADPO_TUI_SELECT_H
/* Which pairs the sample browser lists, and in what order. A filter is words with blanks between,
 * all of which must hold:
 *
 *     h<0  w>.8  m>=1  dm<0  c>1  len>512  seen>0  tok>0  id=17   numbers
 *     src:math  split:eval  flag:!                            words
 *     text:tide  or just  tide                                in prompt or answers, any case
 */
#include "tui/feed.h"
#include "tui/find.h"

typedef enum madpo_sort {
    MADPO_SORT_H,
    MADPO_SORT_W,
    MADPO_SORT_M,
    MADPO_SORT_CHANGE,
    MADPO_SORT_LENGTH,
    MADPO_SORT_SOURCE,
    MADPO_SORT_SEEN,
    MADPO_SORT_ID,
    MADPO_SORT_TOKENS, /* how often token values were logged */
    MADPO_SORTS
} madpo_sort;
extern const char *const madpo_sort_names[MADPO_SORTS];

typedef struct madpo_filter_term {
    int field; /* a madpo_sort of numbers, or a word's place in the table of select.c */
    char op;   /* '<' '>' 'l' (<=) 'g' (>=) '=' '!' for numbers, ':' for words */
    double number;
    char word[64];
} madpo_filter_term;
enum { MADPO_FILTER_TERMS = 12 };
typedef struct madpo_filter {
    madpo_filter_term term[MADPO_FILTER_TERMS];
    int n;
} madpo_filter;

/* MADPO_ERR_USAGE naming the word that means nothing. */
madpo_status madpo_filter_parse(madpo_filter *out, const char *text,
                                madpo_error *err) MADPO_MUST_CHECK;
/* Does a pair pass at a step of the policy? */
bool madpo_filter_holds(const madpo_filter *filter, const madpo_feed *source,
                        const madpo_sample *sample, double step);
/* Its words that are looked for in texts: are there any? Do they hold? */
bool madpo_filter_has_texts(const madpo_filter *filter);
bool madpo_filter_texts_hold(const madpo_filter *filter, const madpo_feed *source,
                             const madpo_sample *sample);
/* What a pair is sorted by; NaN sorts last. */
double madpo_sort_value(const madpo_samples *samples, const madpo_sample *sample, madpo_sort sort,
                        double step);

/* Indices of the pairs that pass, in order: list [n] is owned by the caller, free(). `low` and
 * `high` bound h as well (a bin of the histogram); NaN for no bound. */
typedef struct madpo_selection {
    madpo_filter filter;
    madpo_sort sort;
    bool descending;
    double low, high, step;
    const madpo_find *find; /* what is known of the texts, borrowed; NULL = read them all now */
} madpo_selection;
madpo_status madpo_select(int32_t **list, size_t *n, const madpo_feed *source,
                          const madpo_selection *selection, madpo_error *err) MADPO_MUST_CHECK;
#endif
