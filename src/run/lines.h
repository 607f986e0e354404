#ifndef MADPO_RUN_LINES_H
#define MADPO_RUN_LINES_H
/* Files of whole lines, such as events.jsonl: what the run directory needs beyond base/file.h.
 * Inside src/run only.
 */
#include <stdarg.h>
#include <sys/types.h>

#include "madpo/error.h"

/* printf into a new string (owned by the caller, free()); NULL when memory runs out. */
char *madpo__strf(const char *fmt, ...) MADPO_PRINTF(1, 2);
char *madpo__vstrf(const char *fmt, va_list ap);

/* Record a failed write to `path`. No space, no quota and the process's file size limit all read
 * "disk full" and name the remedy, because for a run they are the same: free space, then --resume.
 */
madpo_status madpo__write_error(madpo_error *err, int errno_value, const char *path);

/* A file of whole lines, written by one process: every append is one write(2) of one line, and a
 * write that fails half-way is taken back, so that readers never see anything but whole lines. */
typedef struct madpo__lines {
    int fd;     /* -1 = closed */
    char *path; /* owned */
    off_t size; /* bytes of whole lines */
    int64_t n;  /* lines */
} madpo__lines;

/* Open for appending, creating the file if needed. A half-written last line is cut off; with keep
 * >= 0 everything after the first `keep` lines is too (fewer lines than that is MADPO_ERR_DATA). */
madpo_status madpo__lines_open(madpo__lines *lines, const char *path, int64_t keep,
                               madpo_error *err) MADPO_MUST_CHECK;
/* Append text [n bytes], which ends with its only newline. */
madpo_status madpo__lines_append(madpo__lines *lines, const char *text, size_t n,
                                 madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo__lines_sync(madpo__lines *lines, madpo_error *err) MADPO_MUST_CHECK;
void madpo__lines_close(madpo__lines *lines); /* accepts a closed one */
#endif
