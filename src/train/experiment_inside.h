#ifndef MADPO_TRAIN_EXPERIMENT_INSIDE_H
#define MADPO_TRAIN_EXPERIMENT_INSIDE_H
/* What the files of the experiment share. Not for others. */
#include "base/strbuf.h"
#include "train/experiment.h"
#include "train/experiment_results.h"
#include "train/tiers.h"

typedef struct madpo__exp_method {
    char *spec; /* as the configuration has it, owned */
    char **set; /* [n_set] "key=value", owned: the objective first */
    size_t n_set;
    unsigned roles; /* of experiment_results.h */
    double c, tau;  /* of the sweeps it is in */
} madpo__exp_method;

typedef struct madpo__exp_cell {
    char *name; /* owned */
    int tier;   /* place in the plan's tiers */
    size_t method, seed;
} madpo__exp_cell;

typedef struct madpo__exp_plan {
    const char *tier[MADPO_N_TIERS]; /* [n_tiers] */
    size_t n_tiers;
    char **seed; /* [n_seeds] as text, owned */
    size_t n_seeds;
    madpo__exp_method *method; /* [n_methods] */
    size_t n_methods;
    madpo__exp_cell *cell; /* [n_cells] in the order they run */
    size_t n_cells;
} madpo__exp_plan;

madpo_status madpo__exp_plan_init(madpo__exp_plan *plan, const madpo_config *config,
                                  madpo_error *err) MADPO_MUST_CHECK;
void madpo__exp_plan_dispose(madpo__exp_plan *plan);

struct madpo_experiment {
    madpo_config *config; /* owned */
    const madpo_options *o;
    char *dir, *only; /* owned; only may be NULL */
    madpo_experiment_options how;
    madpo__exp_plan plan;
};

/* dir + "/" + what the format gives (owned by the caller, free()). */
madpo_status madpo__exp_path(char **out, const madpo_experiment *e, madpo_error *err,
                             const char *fmt, ...) MADPO_PRINTF(4, 5) MADPO_MUST_CHECK;
void madpo__exp_message(const madpo_experiment *e, const char *fmt, ...) MADPO_PRINTF(2, 3);
/* Folder under DIR/tiers of a tier: its name, with reseed_data the seed behind it. */
madpo_status madpo__exp_tier_dir(char **out, const madpo_experiment *e, size_t tier, size_t seed,
                                 madpo_error *err) MADPO_MUST_CHECK;

/* ---- for those who watch (experiment_files.c) ---- */

/* Make the folder and take its lock: *lock is a file to be closed, -1 without one. MADPO_ERR_IO if
 * another process has it. */
madpo_status madpo__exp_lock(int *lock, const madpo_experiment *e,
                             madpo_error *err) MADPO_MUST_CHECK;
/* Write experiment.json: which parts there are. */
madpo_status madpo__exp_write_parts(const madpo_experiment *e, madpo_error *err) MADPO_MUST_CHECK;

/* ---- configurations of the parts (experiment_parts.c); owned by the caller ---- */

madpo_status madpo__exp_shared_config(madpo_config **out, const madpo_experiment *e,
                                      madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo__exp_tier_config(madpo_config **out, const madpo_experiment *e, size_t tier,
                                    size_t seed, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo__exp_cell_config(madpo_config **out, const madpo_experiment *e,
                                    const madpo__exp_cell *cell, madpo_error *err) MADPO_MUST_CHECK;

/* The file with the reference log-probs of a finished cell that are also this one's, NULL if there
 * is none (experiment_share.c; owned by the caller, free()). */
madpo_status madpo__exp_reference(char **out, const madpo_experiment *e,
                                  const madpo__exp_cell *cell, madpo_error *err) MADPO_MUST_CHECK;

/* ---- results (experiment_collect.c, experiment_figures.c) ---- */

/* Read what the finished cells left. */
madpo_status madpo__exp_collect(madpo_exp_results *out, const madpo_experiment *e,
                                madpo_error *err) MADPO_MUST_CHECK;
/* Write results.md, .csv and .json. */
madpo_status madpo__exp_write(const madpo_experiment *e, const madpo_exp_results *results,
                              madpo_error *err) MADPO_MUST_CHECK;
/* Write data and scripts under DIR/figures and run gnuplot on them, if it is installed. */
madpo_status madpo__exp_figures(const madpo_experiment *e, const madpo_exp_results *results,
                                madpo_error *err) MADPO_MUST_CHECK;
#endif
