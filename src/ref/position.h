#ifndef MADPO_REF_POSITION_H
#define MADPO_REF_POSITION_H
/* Double-precision twin of ops/position.h: host arrays, n_pos given. */
#include <stdbool.h>
#include <stdint.h>

/* x [T,C] accumulate; pos [T], P [n_pos,C] read. A position outside makes its row NaN. */
void madpo_ref_position_fwd(double *x, const int32_t *pos, const double *P, int64_t T,
                            int64_t n_pos, int64_t C);
/* dP [n_pos,C] write (every row) or accumulate; dx [T,C] read. */
void madpo_ref_position_bwd(double *dP, const double *dx, const int32_t *pos, int64_t T,
                            int64_t n_pos, int64_t C, bool accumulate);

#endif
