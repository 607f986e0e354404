#ifndef MADPO_TRAIN_EXPERIMENT_H
#define MADPO_TRAIN_EXPERIMENT_H
/* The published experiment as one thing: a language model and its samples, once; data of several
 * qualities (tiers) with a reward model each; a policy per tier, method and seed (a cell); and what
 * came out of it, with tests. Every part is a run directory of its own, made by the trainer:
 *
 *   DIR/config.cfg                          what all parts have in common
 *   DIR/shared/sft                          stages sft, generate and tiers
 *   DIR/tiers/<tier>                        stages reward and margins
 *   DIR/cells/<tier>-<method>-s<seed>       stages margins, policy and evaluate
 *     cell.json                             {"v":1,"status":"done"} or "failed" and its reason;
 *                                           a finished cell keeps no checkpoints
 *   DIR/experiment.json                     {"v":1,"parts":[...]}, in the order they run:
 *                                           {"dir":"shared/sft"}, {"dir","tier"} of a tier and
 *                                           {"dir","cell","tier","method","seed","chosen"} of a
 *                                           cell; chosen: not left out by `only`
 *   DIR/experiment.lock                     locked by the process at work, whose id is in it
 *   DIR/results.md, .csv, .json, figures/   written when the last cell is over
 *
 * Whatever is finished is not done again, so an experiment that was stopped goes on when it is
 * started again. A cell that fails is recorded and the others go on. */
#include "config/config.h"
#include "madpo/trainer.h"

typedef struct madpo_experiment madpo_experiment;

typedef struct madpo_experiment_options {
    const char *dir;
    const char *only;               /* a cell, or a pattern of their names as fnmatch has it;
                                       NULL = all */
    bool retry;                     /* try again what failed, from its beginning */
    const madpo_listener *listener; /* borrowed; NULL = silent */
    void *user;
    /* The trainer that stop requests go to from now on, NULL = none; may be NULL. */
    void (*serve)(void *user, madpo_trainer *trainer);
    bool (*stopped)(void *user); /* was a stop asked for? may be NULL */
} madpo_experiment_options;

/* Work out the cells. Writes nothing. MADPO_ERR_CONFIG for lists that make no sense. Copies what it
 * is given, but for the listener. */
madpo_status madpo_experiment_new(madpo_experiment **out, const madpo_config *config,
                                  const madpo_experiment_options *options,
                                  madpo_error *err) MADPO_MUST_CHECK;
void madpo_experiment_free(madpo_experiment *experiment); /* accepts NULL */

/* Run all that is left to do, then write the results. MADPO_ERR_STOPPED after a stop;
 * MADPO_ERR_MISMATCH if DIR holds an experiment with other settings; MADPO_ERR_IO if another
 * process works on it; otherwise an error only of what no cell can do without. */
madpo_status madpo_experiment_run(madpo_experiment *experiment, madpo_error *err) MADPO_MUST_CHECK;

size_t madpo_experiment_cells(const madpo_experiment *experiment);
/* Name of cell i (borrowed). */
const char *madpo_experiment_cell(const madpo_experiment *experiment, size_t i);
/* "done", "failed", "begun" or "to do", as the directory has it now; *reason (owned by the caller,
 * may be NULL) of a failure. */
const char *madpo_experiment_cell_status(const madpo_experiment *experiment, size_t i,
                                         char **reason);
/* The results as Markdown, after _run (owned by the caller, free()). */
madpo_status madpo_experiment_report(const madpo_experiment *experiment, char **out,
                                     madpo_error *err) MADPO_MUST_CHECK;
#endif
