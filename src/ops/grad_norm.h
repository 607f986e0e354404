#ifndef MADPO_OPS_GRAD_NORM_H
#define MADPO_OPS_GRAD_NORM_H
/* Global L2 norm of a gradient slab, two passes in a fixed order; non-finite input gives a
 * non-finite norm (which the trainer checks before it steps). */
#include "device/buffer.h"

/* out [1] write: sqrt(sum g^2). Needs madpo_grad_norm_workspace(dev, n) floats of workspace. */
madpo_status madpo_grad_norm(madpo_device *dev, madpo_tensor out, madpo_tensor g, int64_t n,
                             madpo_error *err) MADPO_MUST_CHECK;
int64_t madpo_grad_norm_workspace(const madpo_device *dev, int64_t n);
#endif
