#ifndef MADPO_OPS_ACT_H
#define MADPO_OPS_ACT_H
/* Plain activation of an MLP without a gate: y = act(a), elementwise. Launchers for cl/ops/act.cl;
 * twin src/ref/act.c. The activations are those of ops/glu.h. All are enqueued. */
#include "device/buffer.h"
#include "ops/glu.h"

/* y [n] write (may be a); a [n] read. */
madpo_status madpo_act_fwd(madpo_device *dev, madpo_tensor y, madpo_tensor a, int64_t n,
                           madpo_activation act, madpo_error *err) MADPO_MUST_CHECK;
/* da [n] = dy act'(a), write or accumulate; when overwriting, da may be a or dy. */
madpo_status madpo_act_bwd(madpo_device *dev, madpo_tensor da, madpo_tensor dy, madpo_tensor a,
                           int64_t n, madpo_activation act, bool accumulate,
                           madpo_error *err) MADPO_MUST_CHECK;
/* What a program with this activation is compiled with (cl/lib/activation.clh); for ops/glu.c. */
const char *madpo__act_defines(madpo_activation act);
#endif
