#ifndef MADPO_TRAIN_FOLDS_H
#define MADPO_TRAIN_FOLDS_H
/* K-fold assignment of pairs, for cross-fitting: a reward model trained on all folds but one gives
 * the margins of that one, so that no margin comes from a model that saw the pair's label. */
#include "madpo/error.h"

/* Pairs of one group (one prompt) stay in one fold. */
uint64_t madpo_folds_group(const char *prompt, size_t n_bytes);
/* fold [n] of each pair, 0 to k - 1, from its group [n]. A function of the groups and the seed
 * alone: neither the order of the pairs nor the machine matters. Fold sizes differ by the pairs of
 * one group at most. MADPO_ERR_DATA if there are fewer groups than folds, or k < 2. */
madpo_status madpo_folds_assign(int32_t *fold, const uint64_t *group, size_t n, int32_t k,
                                uint64_t seed, madpo_error *err) MADPO_MUST_CHECK;
#endif
