#ifndef MADPO_RUN_PRIVATE_H
#define MADPO_RUN_PRIVATE_H
/* The run handle and what the files of src/run share. Not for other modules. */
#include <stdio.h>

#include "run/lines.h"
#include "run/run.h"

#define MADPO_RUN_FORMAT 1 /* "v" of run.json, state.json, events and checksums */

struct madpo_run {
    char *dir;
    int lock; /* open and locked run.lock */
    madpo__lines events;
    FILE *log;
    json_t *state;           /* state.json in memory */
    madpo_listener listener; /* callbacks may be NULL */
    uint64_t progress_key;   /* digest of the stage and activity last shown */
    double writing_seconds;  /* in events, messages, progress */
    double progress_at;      /* monotonic seconds of the last progress shown */
};

/* Read one of the run's own JSON files; what is wrong with it comes with the remedy. */
madpo_status madpo__run_json_load(json_t **out, const char *path,
                                  madpo_error *err) MADPO_MUST_CHECK;

/* run.json: written on creation; compared on resume. Differences that do not forbid going on
 * (device, driver, version, stages, other settings) come back as lines of text in *notes (owned by
 * the caller, may be NULL). */
madpo_status madpo__manifest_save(const char *dir, const madpo_run_manifest *manifest,
                                  madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo__manifest_compare(const char *dir, const madpo_run_manifest *manifest,
                                     char **notes, madpo_error *err) MADPO_MUST_CHECK;

/* Settings that differ between two libconfig texts, as "policy.beta was 0.1, now 0.2; …", those
 * under one of the comma-separated `prefixes` only ("" = all), at most 4 named. *out (owned by the
 * caller) is NULL when there are none. Texts that do not parse count as equal: the manifest lines
 * decide. */
madpo_status madpo__config_diff(char **out, const char *was, const char *now, const char *prefixes,
                                madpo_error *err) MADPO_MUST_CHECK;

/* Record the newest checkpoint in state.json. */
madpo_status madpo__run_note_checkpoint(madpo_run *run, const char *stage, int64_t step,
                                        madpo_error *err) MADPO_MUST_CHECK;
/* Remove what an interrupted checkpoint left behind. */
void madpo__checkpoint_sweep(madpo_run *run);
#endif
