#ifndef MADPO_TRAIN_EXPERIMENT_RESULTS_H
#define MADPO_TRAIN_EXPERIMENT_RESULTS_H
/* What an experiment found, and how it is told: pure functions from scores to statistics, tables
 * and JSON. Inside src/train only. */
#include <jansson.h>

#include "base/strbuf.h"
#include "train/stats.h"

enum {
    MADPO_ROLE_METHOD = 1,
    MADPO_ROLE_SWEEP_C = 2,
    MADPO_ROLE_SWEEP_TAU = 4,
    MADPO_ROLE_ABLATION = 8
};

typedef struct madpo_exp_column { /* a method */
    const char *spec;
    unsigned roles;
    double c, tau; /* where it is of these sweeps */
} madpo_exp_column;

typedef struct madpo_exp_failure {
    const char *cell;
    char *reason; /* owned */
} madpo_exp_failure;

/* All pointers but those marked are borrowed. */
typedef struct madpo_exp_results {
    const char *metric;
    const char *const *tier;  /* [n_tiers] */
    const char *const *seed;  /* [n_seeds] */
    madpo_exp_column *column; /* [n_columns] owned */
    size_t n_tiers, n_seeds, n_columns, n_prompts;
    bool *done, *failed;        /* [n_tiers, n_columns, n_seeds] owned */
    double *score;              /* [n_tiers, n_columns, n_seeds, n_prompts] owned */
    bool *has_reference;        /* [n_seeds] owned */
    double *reference;          /* [n_seeds, n_prompts] owned: scores of the reference */
    json_t **reward;            /* [n_tiers] owned: what is known of the reward model, or NULL */
    madpo_exp_failure *failure; /* [n_failures] owned */
    size_t n_failures;
} madpo_exp_results;
void madpo_exp_results_dispose(madpo_exp_results *r);

size_t madpo_exp_cell_index(const madpo_exp_results *r, size_t tier, size_t column, size_t seed);
/* Means of the seeds that are done: *n of them into mean [n_seeds], and their t interval; of a
 * single seed the t interval over the prompts. */
madpo_summary madpo_exp_summary(const madpo_exp_results *r, size_t tier, size_t column,
                                double *mean, size_t *n);
madpo_summary madpo_exp_reference(const madpo_exp_results *r, double *mean, size_t *n);
/* Column that the others are compared with: "madpo", else the first. */
size_t madpo_exp_base(const madpo_exp_results *r);
/* base minus column: for each prompt the mean of the differences over the seeds both have, tested
 * over the prompts. *n_seeds = seeds in common, 0 = nothing to compare. scratch [n_prompts]. */
madpo_paired madpo_exp_compare(const madpo_exp_results *r, size_t tier, size_t column,
                               double *scratch, size_t *n_seeds);

/* Append the whole report; fails only for want of memory (strbuf). */
void madpo_exp_markdown(madpo_strbuf *b, const madpo_exp_results *r);
/* One line per cell: tier,method,seed,status,n,mean,sd,ci95_low,ci95_high. */
void madpo_exp_csv(madpo_strbuf *b, const madpo_exp_results *r);
/* New reference; NULL for want of memory. */
json_t *madpo_exp_json(const madpo_exp_results *r);
#endif
