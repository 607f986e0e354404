#ifndef MADPO_OPS_BIAS_H
#define MADPO_OPS_BIAS_H
/* Bias of a linear layer: y[t,:] += b. Launchers for cl/ops/bias.cl; twin src/ref/bias.c. All are
 * enqueued. */
#include "device/buffer.h"

/* y [T,N] accumulate; b [N] read. */
madpo_status madpo_bias_fwd(madpo_device *dev, madpo_tensor y, madpo_tensor b, int64_t T, int64_t N,
                            madpo_error *err) MADPO_MUST_CHECK;
/* db [N] write or accumulate = sum_t dy[t,:]; dy [T,N] read. Two passes over row blocks in a fixed
 * order; needs madpo_bias_workspace(dev, T, N) floats of workspace. */
madpo_status madpo_bias_bwd(madpo_device *dev, madpo_tensor db, madpo_tensor dy, int64_t T,
                            int64_t N, bool accumulate, madpo_error *err) MADPO_MUST_CHECK;
/* Never falls as T grows: the figure for the longest batch serves all. */
int64_t madpo_bias_workspace(const madpo_device *dev, int64_t T, int64_t N);
#endif
