#ifndef MADPO_REF_DROPOUT_H
#define MADPO_REF_DROPOUT_H
/* Double-precision twin of ops/dropout.h: same arguments and aliasing rules, host arrays; the mask
 * is the device's bit for bit (base/rng.h). */
#include <stdbool.h>
#include <stdint.h>

/* y [n] write (may be x) or accumulate; x [n] read. */
void madpo_ref_dropout(double *y, const double *x, int64_t n, double p, uint64_t seed,
                       uint64_t stream, bool accumulate);

#endif
