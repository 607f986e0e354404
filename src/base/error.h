#ifndef MADPO_BASE_ERROR_H
#define MADPO_BASE_ERROR_H
/* Filling error records; see madpo/error.h for the rules. Called by every module that can fail. */
#include "madpo/error.h"

/* Record an error unless `err` already holds one, and return `code` (so that callers can write
 * `return madpo_error_set(...)`). `err` may be NULL. */
madpo_status madpo_error_set(madpo_error *err, madpo_status code, const char *fmt, ...)
    MADPO_PRINTF(3, 4);

/* As madpo_error_set, and keep the position in a text file (line and column from 1, 0 unknown). */
madpo_status madpo_error_set_at(madpo_error *err, madpo_status code, const char *file, int line,
                                int column, const char *fmt, ...) MADPO_PRINTF(6, 7);

/* As madpo_error_set, and append strerror(errno_value). ENOSPC gets the remedy "free some space".
 */
madpo_status madpo_error_errno(madpo_error *err, madpo_status code, int errno_value,
                               const char *fmt, ...) MADPO_PRINTF(4, 5);

/* Put "context: " in front of the message already recorded. Returns err->code (MADPO_OK if none).
 */
madpo_status madpo_error_context(madpo_error *err, const char *fmt, ...) MADPO_PRINTF(2, 3);

/* Make `err` empty again, for callers that have dealt with the failure. */
void madpo_error_clear(madpo_error *err);

#endif
