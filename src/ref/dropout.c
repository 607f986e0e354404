/* Dropout in double; see dropout.h. */
#include "ref/dropout.h"

#include "base/rng.h"

void madpo_ref_dropout(double *y, const double *x, int64_t n, double p, uint64_t seed,
                       uint64_t stream, bool accumulate)
{
    madpo_rng rng; /* its words are those of the blocks 0, 1, ... in turn */

    madpo_rng_init(&rng, seed, stream);
    for (int64_t i = 0; i < n; i++) {
        const bool keep = (double)madpo_rng_u32(&rng) >= p * 0x1p32;
        const double d = keep ? x[i] / (1 - p) : 0;
        y[i] = (accumulate ? y[i] : 0) + d;
    }
}
