#ifndef MADPO_RUN_FOLLOW_H
#define MADPO_RUN_FOLLOW_H
/* Whole lines of a file that another process may still be writing: events.jsonl, margins.jsonl and
 * their like, read from the beginning or from near the end, a piece at a time, in bounded memory.
 * A half-written last line waits until it is whole; a file that was cut back (a resumed run removes
 * a half line) is taken up where the whole lines end. Owned by one thread.
 */
#include "madpo/error.h"

typedef struct madpo_follow madpo_follow;

/* No line of a run is longer than this; what is gets passed over and counted. */
enum { MADPO_FOLLOW_LONGEST = 16 << 20 };

/* The file need not exist yet. `name` is relative to `dir`. */
madpo_status madpo_follow_open(madpo_follow **out, const char *dir, const char *name,
                               madpo_error *err) MADPO_MUST_CHECK;
void madpo_follow_close(madpo_follow *follow); /* accepts NULL */

/* Next whole line without its newline: *line [n bytes] is borrowed until the next call and is not
 * terminated. NULL when there is none now: call again later. */
madpo_status madpo_follow_next(madpo_follow *follow, const char **line, size_t *n,
                               madpo_error *err) MADPO_MUST_CHECK;
/* Go on with the first line that begins in the last `bytes` of the file. */
madpo_status madpo_follow_seek_tail(madpo_follow *follow, int64_t bytes,
                                    madpo_error *err) MADPO_MUST_CHECK;

/* Where in the file the line last returned begins; where reading goes on; bytes the file has now
 * (0 if there is none). */
int64_t madpo_follow_line_offset(const madpo_follow *follow);
int64_t madpo_follow_position(const madpo_follow *follow);
int64_t madpo_follow_size(const madpo_follow *follow);
/* Lines passed over because they were too long. */
int64_t madpo_follow_too_long(const madpo_follow *follow);

/* n bytes at `offset`, for lines met before: *out [n+1 bytes] is owned by the caller, free(). */
madpo_status madpo_follow_read_at(const madpo_follow *follow, int64_t offset, size_t n, char **out,
                                  madpo_error *err) MADPO_MUST_CHECK;
#endif
