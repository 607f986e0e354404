#ifndef MADPO_RUN_READER_H
#define MADPO_RUN_READER_H
/* The reading side of the run directory: what a viewer, a report or a script sees of a run, while
 * it grows or long after. Takes no lock and writes nothing. Owned by one thread. Checkpoints:
 * run/checkpoints.h.
 */
#include <jansson.h>

#include "madpo/error.h"

typedef struct madpo_run_reader madpo_run_reader;

/* Open a run directory: reads run.json, positions before the first event. MADPO_ERR_IO if `dir`
 * holds no run, MADPO_ERR_UNSUPPORTED for a newer format. */
madpo_status madpo_run_reader_open(madpo_run_reader **out, const char *dir,
                                   madpo_error *err) MADPO_MUST_CHECK;
void madpo_run_reader_close(madpo_run_reader *reader); /* accepts NULL */

const char *madpo_run_reader_dir(const madpo_run_reader *reader);
/* run.json (borrowed). */
const json_t *madpo_run_reader_manifest(const madpo_run_reader *reader);
/* state.json as it is now (owned by the caller, json_decref); NULL without error if not written
 * yet. */
madpo_status madpo_run_reader_state(const madpo_run_reader *reader, json_t **out,
                                    madpo_error *err) MADPO_MUST_CHECK;

/* Next event of events.jsonl (owned by the caller, json_decref). *out is NULL when there is no
 * further whole line now: call again later, the file may grow. A line that is no JSON object is
 * passed over and counted. A stage that was resumed from a checkpoint repeats steps it had reported
 * before: the later line counts. */
madpo_status madpo_run_reader_next(madpo_run_reader *reader, json_t **out,
                                   madpo_error *err) MADPO_MUST_CHECK;
/* The same as text, for those who read many: the next whole line [n bytes, not terminated, borrowed
 * until the next call], whatever is in it; NULL when there is none now. */
madpo_status madpo_run_reader_next_line(madpo_run_reader *reader, const char **line, size_t *n,
                                        madpo_error *err) MADPO_MUST_CHECK;
/* Go on with the first event that begins in the last `bytes` of events.jsonl. */
madpo_status madpo_run_reader_seek_tail(madpo_run_reader *reader, int64_t bytes,
                                        madpo_error *err) MADPO_MUST_CHECK;
/* Bytes of events.jsonl read so far, and there now. */
void madpo_run_reader_position(const madpo_run_reader *reader, int64_t *done, int64_t *total);
int64_t madpo_run_reader_bad_lines(const madpo_run_reader *reader);
/* Is a process writing the run now (does it hold the lock)? Its id goes to *pid, 0 if unknown. */
bool madpo_run_reader_is_live(const madpo_run_reader *reader, long *pid);
/* The same of any file that a process keeps locked while it works. */
bool madpo_lock_is_held(const char *path, long *pid);

/* Newest run among the folders in `parent` by the time of its last event (owned by the caller,
 * free()); NULL without error if there is none. */
madpo_status madpo_run_find_latest(char **out, const char *parent,
                                   madpo_error *err) MADPO_MUST_CHECK;
#endif
