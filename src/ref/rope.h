#ifndef MADPO_REF_ROPE_H
#define MADPO_REF_ROPE_H
/* Double-precision twin of ops/rope.h: same arguments, host arrays. */
#include <stdbool.h>
#include <stdint.h>

/* Rotate x [T,H,D] in place; pos [T]; table [P, rotary_dims/2, 2]: cos, sin. */
void madpo_ref_rope(double *x, const int32_t *pos, const double *table, int64_t T, int64_t H,
                    int64_t D, int64_t rotary_dims, bool inverse);

#endif
