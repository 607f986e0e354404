#ifndef MADPO_TRAIN_SCAN_H
#define MADPO_TRAIN_SCAN_H
/* One forward pass over all pairs, results appended to a file of the run, chunk by chunk, so that
 * it goes on where it stopped: reward margins (stage margins) and reference log-probs (stage
 * policy). Inside src/train only. */
#include "train/pairset.h"

typedef struct madpo_scan {
    madpo_stage_context *ctx;
    const char *stage, *what, *file;
    madpo_model *model;
    bool rewards; /* one reward per sequence, else the summed log-prob of its rows */
    const madpo_pairset *set;
    const int64_t *order; /* [n] pairs in the order to run them */
    size_t n;
    size_t chunk; /* pairs packed together, at most; as in training */
    madpo_batch_limits limits;
    /* Line about pair i with the values of its two answers (new reference, NULL without memory). */
    json_t *(*record)(void *user, size_t i, double chosen, double rejected);
    void *user;
} madpo_scan;

/* MADPO_ERR_STOPPED between two chunks on request. */
madpo_status madpo_scan_run(const madpo_scan *scan, madpo_error *err) MADPO_MUST_CHECK;

/* Sum the log-probs of sequence s of a batch, in order, in double: the one way it is done
 * everywhere, so that policy and reference agree to the bit when their weights do. */
double madpo_scan_sum(const madpo_batch *batch, const float *logp, int64_t s);
#endif
