#ifndef MADPO_OPS_ADD_H
#define MADPO_OPS_ADD_H
/* Residual add y = a + b over n elements; y may be a or b. Its backward pass hands the same
 * gradient to both inputs, so there is no kernel for it beyond accumulation: madpo_add_bwd is da +=
 * dy. */
#include "device/buffer.h"

madpo_status madpo_add_fwd(madpo_device *dev, madpo_tensor y, madpo_tensor a, madpo_tensor b,
                           int64_t n, madpo_error *err) MADPO_MUST_CHECK;
/* da [n] write or accumulate; dy [n] read. */
madpo_status madpo_add_bwd(madpo_device *dev, madpo_tensor da, madpo_tensor dy, int64_t n,
                           bool accumulate, madpo_error *err) MADPO_MUST_CHECK;
#endif
