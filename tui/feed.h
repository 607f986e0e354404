#ifndef MADPO_TUI_FEED_H
#define MADPO_TUI_FEED_H
/* A run opened for watching: its files are read a slice at a time, so that a screen can be shown
 * long before a log of a gigabyte has been read, and again whenever they have grown. Until the
 * whole log is read the story is that of its last part. Writes nothing.
 */
#include "objective/objective.h"
#include "run/follow.h"
#include "run/reader.h"
#include "run/tokens.h"
#include "tui/history.h"
#include "tui/samples.h"

typedef struct madpo_story {
    madpo_history history;
    madpo_samples samples;
} madpo_story;

typedef struct madpo_feed {
    char *dir, *name; /* owned; name = the last part of dir */
    madpo_run_reader *reader;
    madpo_follow *margins, *pairs, *tokens;
    madpo_story all, tail;
    bool only_tail;     /* `all` is not complete yet */
    int64_t tail_from;  /* bytes in front of the tail, for "what part is loaded" */
    char objective[32]; /* name */
    double beta;        /* NaN if the objective has none */
    madpo_weight_options weight;
    bool has_weight;   /* the objective is weighted; else `weight` holds the defaults */
    int64_t live_size; /* of the log when that was asked last, -1 = never */
    bool live;         /* a process writes the run */
    long pid;
} madpo_feed;

/* Open a run and read its margins and what there is of its log for at most `seconds`. */
madpo_status madpo_feed_open(madpo_feed **out, const char *dir, double seconds,
                             madpo_error *err) MADPO_MUST_CHECK;
void madpo_feed_close(madpo_feed *source); /* accepts NULL */
/* Read on for at most `seconds`. *n = lines taken; *more: there is more to be read now. */
madpo_status madpo_feed_load(madpo_feed *source, double seconds, int64_t *n, bool *more,
                             madpo_error *err) MADPO_MUST_CHECK;
/* What is known so far (borrowed). */
const madpo_story *madpo_feed_story(const madpo_feed *source);
madpo_story *madpo_feed_story_mutable(madpo_feed *source);
/* Share of the log and the pairs that has been read, 0 to 1. */
double madpo_feed_loaded(const madpo_feed *source);
/* Is the run being written? Looked up anew, but for a run at rest only when its log has grown: to
 * look means to hold its lock for a moment, and a trainer that starts just then would be refused.
 */
void madpo_feed_check_live(madpo_feed *source);
/* The last lines of log.txt, at most `bytes` (owned by the caller, free(); "" if there is none). */
madpo_status madpo_feed_log(char **out, const madpo_feed *source, size_t bytes,
                            madpo_error *err) MADPO_MUST_CHECK;

/* The same of any folder. */
madpo_status madpo_log_tail(char **out, const char *dir, size_t bytes,
                            madpo_error *err) MADPO_MUST_CHECK;

/* The text of a pair, unescaped; "" where there is none. Dispose with madpo_pair_text_dispose. */
typedef struct madpo_pair_text {
    char *prompt, *chosen, *rejected; /* owned */
} madpo_pair_text;
madpo_status madpo_feed_text(madpo_pair_text *out, const madpo_feed *source,
                             const madpo_sample *sample, madpo_error *err) MADPO_MUST_CHECK;
void madpo_pair_text_dispose(madpo_pair_text *text);
/* The pair's newest token values at or before a step of the policy; *there says whether there are
 * any. Dispose with madpo_token_line_dispose in any case. */
madpo_status madpo_feed_tokens(madpo_token_line *out, bool *there, const madpo_feed *source,
                               const madpo_sample *sample, double step,
                               madpo_error *err) MADPO_MUST_CHECK;
#endif
