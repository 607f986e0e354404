#ifndef MADPO_OPS_LAYERNORM_H
#define MADPO_OPS_LAYERNORM_H
/* LayerNorm (Ba, Kiros & Hinton 2016): y = (x - mean) rstd gain + bias, rstd = (var + eps)^-0.5
 * with the biased variance of each row, taken from centred values. Launchers for
 * cl/ops/layernorm.cl; twin src/ref/layernorm.c. All are enqueued. */
#include "device/buffer.h"

/* y [T,C] write (may be x itself); mean, rstd [T] write; x [T,C], gain [C], bias [C] read (bias may
 * be none). */
madpo_status madpo_layernorm_fwd(madpo_device *dev, madpo_tensor y, madpo_tensor mean,
                                 madpo_tensor rstd, madpo_tensor x, madpo_tensor gain,
                                 madpo_tensor bias, int64_t T, int64_t C, float eps,
                                 madpo_error *err) MADPO_MUST_CHECK;
/* dx [T,C] write or accumulate (may be dy itself when overwriting); dy, x [T,C], mean, rstd [T],
 * gain [C] read. */
madpo_status madpo_layernorm_bwd_x(madpo_device *dev, madpo_tensor dx, madpo_tensor dy,
                                   madpo_tensor x, madpo_tensor mean, madpo_tensor rstd,
                                   madpo_tensor gain, int64_t T, int64_t C, bool accumulate,
                                   madpo_error *err) MADPO_MUST_CHECK;
/* dgain, dbias [C] write or accumulate (dbias may be none). Two passes over row blocks in a fixed
 * order; needs madpo_layernorm_workspace(dev, T, C) floats of workspace. */
madpo_status madpo_layernorm_bwd_gain(madpo_device *dev, madpo_tensor dgain, madpo_tensor dbias,
                                      madpo_tensor dy, madpo_tensor x, madpo_tensor mean,
                                      madpo_tensor rstd, int64_t T, int64_t C, bool accumulate,
                                      madpo_error *err) MADPO_MUST_CHECK;
/* Never falls as T grows: the figure for the longest batch serves all. */
int64_t madpo_layernorm_workspace(const madpo_device *dev, int64_t T, int64_t C);
#endif
