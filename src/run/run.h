#ifndef MADPO_RUN_RUN_H
#define MADPO_RUN_RUN_H
/* The run directory: what a run leaves behind, and the contract between trainer, front end and
 * scripts. Reading one: run/reader.h, run/checkpoints.h.
 *
 *   run.json       manifest: format version, id, madpo version, device, driver, stages, seed,
 *                  objective, model, data, digest of the configuration
 *   state.json     {"v":1, "done":[stage, ...], "checkpoint":{"stage","step"}} (atomic)
 *   config.cfg     resolved configuration, loadable again
 *   events.jsonl   append-only; one JSON object a line: {"v":1,"t":seconds,"ev":..., ...}
 *   pairs.jsonl    generated pairs
 *   margins.jsonl  {"id","h","c","w"}, with several reward models also "spread" and "fold"; what
 *                  each of them says is then in margins-<model>.jsonl
 *   reference.jsonl  reference log-probs
 *   tokens.jsonl   log-ratios of single tokens of some pairs; run/tokens.h
 *   tiers/         pairs of three qualities, and prompts to evaluate with (stage tiers)
 *   samples.jsonl  evaluation samples
 *   scorer.bin     tokenizer/     log.txt
 *   models/sft, models/reward, models/policy     Hugging Face directories, or PEFT adapters;
 *                  several reward models: reward-fold-1, reward-seed-2 …
 *   checkpoints/<stage or model>-step-N/   weights + optimiser + state.json + checksums.json,
 * renamed into place control.sock   requests to the process that writes the run; run/control.h
 *   trainer.out    what a run in the background printed
 *   run.lock       locked (flock) and holding the process id while a process writes the run
 *
 * An event's "t" is seconds since 1970. Events written here, besides those of the stages: "resume"
 * when a run is opened again (a stage then goes on from its last checkpoint, so steps it reported
 * after that come again: the later line counts; of several models of a stage the field "model" says
 * which one it is about), and "warning" with "text" for what differs then.
 * Events "system" tell what the run costs (train/system.h): memory, times. All of what they say,
 * and when they come, depends on clock and machine. In other events fields whose value depends on
 * the clock are only these: t, seconds, eta_seconds and everything ending in _per_second; all
 * others repeat bit for bit with the seed on one device. Numbers have 15 digits in events and 17
 * (exact) in record files.
 */
#include <jansson.h>

#include "madpo/error.h"
#include "madpo/trainer.h"

typedef struct madpo_run madpo_run;

/* Digests that must agree for a resume; each is compared and told by name. */
typedef struct madpo_run_manifest {
    const char *device, *driver, *stages;
    int64_t seed;
    const char *objective; /* policy objective with its parameters, one line */
    const char *model;     /* architecture and sizes, or digest of the base, one line */
    const char *data;      /* source and digest, one line */
    const char *config;    /* resolved configuration text, written to config.cfg */
} madpo_run_manifest;

/* A name for a new run: runs/20260131-235959, with -2, -3 … behind it if that is taken (owned by
 * the caller, free()). */
madpo_status madpo_run_new_name(char **out, madpo_error *err) MADPO_MUST_CHECK;
/* Create `dir` (parents too) as a new run. MADPO_ERR_IO, naming --resume, if it holds one. */
madpo_status madpo_run_create(madpo_run **out, const char *dir, const madpo_run_manifest *manifest,
                              const madpo_listener *listener, madpo_error *err) MADPO_MUST_CHECK;
/* Open an existing run to go on. MADPO_ERR_MISMATCH names what differs (was …, now …). A
 * half-written last line of a .jsonl file is cut off. */
madpo_status madpo_run_resume(madpo_run **out, const char *dir, const madpo_run_manifest *manifest,
                              const madpo_listener *listener, madpo_error *err) MADPO_MUST_CHECK;
void madpo_run_close(madpo_run *run); /* accepts NULL */
const char *madpo_run_dir(const madpo_run *run);

/* Append an event: `fields` (reference stolen, also on failure) gets "v", "t" and "ev" in front. */
madpo_status madpo_run_event(madpo_run *run, const char *ev, json_t *fields,
                             madpo_error *err) MADPO_MUST_CHECK;
/* A line for log.txt and the listener. Never fails the run: a full disk is reported by the next
 * event. */
void madpo_run_message(madpo_run *run, const char *fmt, ...) MADPO_PRINTF(2, 3);
void madpo_run_progress(madpo_run *run, const madpo_progress *progress); /* rate-limited */

/* Seconds spent in the three functions above since the run was opened, the listener's included:
 * what being watched costs. */
double madpo_run_writing_seconds(const madpo_run *run);

/* Stage bookkeeping in state.json. */
bool madpo_run_stage_done(const madpo_run *run, const char *stage);
madpo_status madpo_run_set_stage_done(madpo_run *run, const char *stage,
                                      madpo_error *err) MADPO_MUST_CHECK;

/* Path of something in the run: dir + "/" + formatted name (owned by the caller, free()). */
char *madpo_run_path(const madpo_run *run, const char *fmt, ...) MADPO_PRINTF(2, 3);

/* Record files (pairs.jsonl, ...): append whole lines; count of lines already there when opened, so
 * a stage can go on where it stopped; keep_lines cuts the file back first (-1 = keep all). */
typedef struct madpo_records madpo_records;
madpo_status madpo_records_open(madpo_records **out, madpo_run *run, const char *name,
                                int64_t keep_lines, int64_t *n_lines,
                                madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_records_append(madpo_records *records, json_t *record /* stolen */,
                                  madpo_error *err) MADPO_MUST_CHECK;
/* Append a line that is JSON already, its newline included. */
madpo_status madpo_records_append_line(madpo_records *records, const char *line,
                                       madpo_error *err) MADPO_MUST_CHECK;
/* Flush to disk; after this the lines survive a crash. */
madpo_status madpo_records_sync(madpo_records *records, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_records_close(madpo_records *records,
                                 madpo_error *err) MADPO_MUST_CHECK; /* accepts NULL */

/* Checkpoints. _begin makes a temporary folder (path borrowed from the handle); the caller writes
 * its files into it; _commit adds checksums, syncs, renames to checkpoints/<stage>-step-<step> and
 * prunes all but the `keep` newest of the stage; _abort removes the temporary folder. */
typedef struct madpo_checkpoint madpo_checkpoint;
madpo_status madpo_checkpoint_begin(madpo_checkpoint **out, madpo_run *run, const char *stage,
                                    int64_t step, madpo_error *err) MADPO_MUST_CHECK;
const char *madpo_checkpoint_dir(const madpo_checkpoint *checkpoint);
madpo_status madpo_checkpoint_commit(madpo_checkpoint *checkpoint, int64_t keep, madpo_error *err)
    MADPO_MUST_CHECK;                                      /* frees the handle in any case */
void madpo_checkpoint_abort(madpo_checkpoint *checkpoint); /* accepts NULL */
/* Newest checkpoint of a stage whose checksums hold (damaged ones are reported by message and
 * passed over). *dir is NULL if there is none (owned by the caller, free()). */
madpo_status madpo_checkpoint_latest(char **dir, int64_t *step, madpo_run *run, const char *stage,
                                     madpo_error *err) MADPO_MUST_CHECK;
#endif
