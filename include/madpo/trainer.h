#ifndef MADPO_TRAINER_H
#define MADPO_TRAINER_H
/* Training: configuration and data in, a run directory and models out.
 *
 *     madpo_trainer_new -> [set_pairs] [set_listener] -> run -> [export] -> free
 *
 * A trainer is owned by one thread; madpo_trainer_request may be called from any thread or from a
 * signal handler. The run directory is described in the README of src/run.
 */
#include "madpo/config.h"
#include "madpo/pairs.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct madpo_trainer madpo_trainer;

/* Progress of long work, a few times a second at most. */
typedef struct madpo_progress {
    const char *stage;   /* "sft", "generate", … */
    const char *what;    /* "training", "held-out loss", "sampling", … */
    int64_t done, total; /* in `unit`; total 0 = unknown */
    const char *unit;    /* "step", "pair", "sample" */
    double rate;         /* units per second, 0 = unknown */
    double eta_seconds;  /* < 0 = unknown */
    const char *detail;  /* "loss 2.31 lr 3.0e-4", or "" */
} madpo_progress;

typedef struct madpo_listener {
    void *user;
    void (*event)(void *user, const char *json_line); /* every event, without newline */
    void (*progress)(void *user, const madpo_progress *progress);
    void (*message)(void *user, const char *line); /* what goes to log.txt too */
} madpo_listener;

typedef enum madpo_request {
    MADPO_REQUEST_CHECKPOINT, /* save at the next step boundary and go on */
    MADPO_REQUEST_STOP        /* finish the step, save, return MADPO_ERR_STOPPED */
} madpo_request;

typedef struct madpo_trainer_options {
    const char *run_dir;            /* NULL or "" = a new folder under runs/, named by time */
    bool resume;                    /* go on in an existing run */
    const madpo_listener *listener; /* borrowed; NULL = silent */
    bool control;                   /* listen for requests at control.sock in the run directory */
    const char *control_file;       /* actions to repeat: JSON lines {"stage","step","action",...},
                                       or the events.jsonl of another run; NULL = none */
} madpo_trainer_options;

/* Check the configuration, choose the run directory's name and open the device. Copies the
 * configuration. The directory itself is opened by madpo_trainer_run, once it is known what data
 * there is. Errors: MADPO_ERR_CONFIG, _DEVICE, _USAGE (resume without a directory). */
madpo_status madpo_trainer_new(madpo_trainer **out, const madpo_config *config,
                               const madpo_trainer_options *options,
                               madpo_error *err) MADPO_MUST_CHECK;
void madpo_trainer_free(madpo_trainer *trainer); /* accepts NULL */

/* Train on these pairs instead of data.*; `pairs` is borrowed until the run ends. */
madpo_status madpo_trainer_set_pairs(madpo_trainer *trainer, const madpo_pairs *pairs,
                                     madpo_error *err) MADPO_MUST_CHECK;
/* Open the run directory and run all stages that are configured and not yet done. Blocking. Besides
 * what stages report: MADPO_ERR_IO (the directory holds a run already: use resume or another),
 * MADPO_ERR_MISMATCH (resume under another objective, model or data: says what differs),
 * MADPO_ERR_MEMORY (before the first step: a stage's model does not fit into the device),
 * MADPO_ERR_NUMERIC (training diverged), MADPO_ERR_STOPPED after a stop request: a checkpoint was
 * saved and resume, or another call, continues. */
madpo_status madpo_trainer_run(madpo_trainer *trainer, madpo_error *err) MADPO_MUST_CHECK;
/* Ask for something at the next step boundary. Async-signal-safe. */
void madpo_trainer_request(madpo_trainer *trainer, madpo_request request);
/* Directory of the run (borrowed). */
const char *madpo_trainer_run_dir(const madpo_trainer *trainer);
/* Copy a finished model ("sft", "reward", "policy") with tokenizer into `dir`: a Hugging Face
 * directory, or, of a run that trains adapters (lora.rank), a PEFT folder naming the model it
 * belongs to. */
madpo_status madpo_trainer_export(const madpo_trainer *trainer, const char *model, const char *dir,
                                  madpo_error *err) MADPO_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
