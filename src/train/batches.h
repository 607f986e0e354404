#ifndef MADPO_TRAIN_BATCHES_H
#define MADPO_TRAIN_BATCHES_H
/* A list of examples as micro-batches: plan, pack, hand each to a function. Inside src/train only.
 */
#include "data/pack.h"

/* Limits of micro-batches that hold at most `per_step` of these examples and at most `budget`
 * tokens (less if the examples cannot fill it), counting all lists. An example longer than the
 * budget is MADPO_ERR_MEMORY. */
madpo_status madpo_batches_limits(madpo_batch_limits *out, const madpo_examples *const *lists,
                                  size_t n_lists, int64_t per_step, int64_t budget,
                                  madpo_error *err) MADPO_MUST_CHECK;

typedef struct madpo_batches {
    madpo_batch_limits limits;
    madpo_packer *packer; /* owned */
    size_t *ends;         /* [capacity] owned */
    size_t capacity;      /* examples in one call of _each, at most */
} madpo_batches;
/* Everything that _each needs is allocated here. */
madpo_status madpo_batches_init(madpo_batches *batches, const madpo_batch_limits *limits,
                                size_t capacity, madpo_error *err) MADPO_MUST_CHECK;
void madpo_batches_dispose(madpo_batches *batches);

/* Called with each micro-batch; its first example is number `first` of the order. */
typedef madpo_status (*madpo_batches_fn)(void *user, const madpo_batch *batch, size_t first,
                                         madpo_error *err);
/* Pack examples order[0..n) into micro-batches, in order. */
madpo_status madpo_batches_each(madpo_batches *batches, const madpo_examples *examples,
                                const int64_t *order, size_t n, madpo_batches_fn fn, void *user,
                                madpo_error *err) MADPO_MUST_CHECK;
#endif
