#ifndef MADPO_OPS_POSITION_H
#define MADPO_OPS_POSITION_H
/* Learned positions: x[t,:] += P[pos[t],:]. Launchers for cl/ops/position.cl; twin
 * src/ref/position.c. All are enqueued. */
#include "device/buffer.h"

/* x [T,C] accumulate; pos [T] i32 read; P [n_pos,C] read, n_pos = P.n / C. A position outside
 * 0..n_pos-1 makes its row NaN. */
madpo_status madpo_position_fwd(madpo_device *dev, madpo_tensor x, madpo_tensor pos, madpo_tensor P,
                                int64_t T, int64_t C, madpo_error *err) MADPO_MUST_CHECK;
/* dP [n_pos,C] write (every row, zeros where a position does not occur) or accumulate: row p = sum
 * of dx[t,:] over the tokens with pos[t] = p, in ascending t. dx [T,C], pos [T] i32 read; positions
 * outside add nothing. */
madpo_status madpo_position_bwd(madpo_device *dev, madpo_tensor dP, madpo_tensor dx,
                                madpo_tensor pos, int64_t T, int64_t n_pos, int64_t C,
                                bool accumulate, madpo_error *err) MADPO_MUST_CHECK;
#endif
