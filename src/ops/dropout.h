#ifndef MADPO_OPS_DROPOUT_H
#define MADPO_OPS_DROPOUT_H
/* Inverted dropout (Srivastava et al. 2014) with counter-based masks: nothing is stored, the
 * backward pass draws the mask again from the same (seed, stream). Launcher for cl/ops/dropout.cl;
 * twin src/ref/dropout.c. */
#include "device/buffer.h"

/* y [n] = keep ? x / (1-p) : 0, write or accumulate; x [n] read; y may be x when overwriting; p in
 * [0,1), anything else is MADPO_ERR_USAGE. Whether element i is kept depends on (seed, stream, i)
 * only: word i % 4 of the Philox block (base/rng.h) of counter i / 4 is at least p 2^32. The
 * backward pass is dx (+)= dropout of dy. Enqueued. */
madpo_status madpo_dropout(madpo_device *dev, madpo_tensor y, madpo_tensor x, int64_t n, float p,
                           uint64_t seed, uint64_t stream, bool accumulate,
                           madpo_error *err) MADPO_MUST_CHECK;
#endif
