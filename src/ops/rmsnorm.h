#ifndef MADPO_OPS_RMSNORM_H
#define MADPO_OPS_RMSNORM_H
/* RMSNorm: y = x * r * G, r = (mean x^2 + eps)^-0.5, G = gain (Llama) or 1 + gain (Gemma, add_one).
 * Zhang & Sennrich 2019; models.md-style backward: dx = r G g - x (r^3/C) sum_j G_j g_j x_j,
 * dgain = sum_t g x r. Rows may be tokens (C = width) or token-heads (C = head_dim) for q/k norm.
 */
#include "device/buffer.h"

/* y [T,C] write (may be x itself); r [T] write; x [T,C] read; gain [C] read. */
madpo_status madpo_rmsnorm_fwd(madpo_device *dev, madpo_tensor y, madpo_tensor r, madpo_tensor x,
                               madpo_tensor gain, int64_t T, int64_t C, float eps, bool add_one,
                               madpo_error *err) MADPO_MUST_CHECK;
/* dx [T,C] write or accumulate (may be dy itself when overwriting); dy, x [T,C], r [T], gain [C]
 * read. */
madpo_status madpo_rmsnorm_bwd_x(madpo_device *dev, madpo_tensor dx, madpo_tensor dy,
                                 madpo_tensor x, madpo_tensor r, madpo_tensor gain, int64_t T,
                                 int64_t C, bool add_one, bool accumulate,
                                 madpo_error *err) MADPO_MUST_CHECK;
/* dgain [C] write or accumulate. Two passes over row blocks in a fixed order; needs
 * madpo_rmsnorm_workspace(dev, T, C) floats of workspace. */
madpo_status madpo_rmsnorm_bwd_gain(madpo_device *dev, madpo_tensor dgain, madpo_tensor dy,
                                    madpo_tensor x, madpo_tensor r, int64_t T, int64_t C,
                                    bool accumulate, madpo_error *err) MADPO_MUST_CHECK;
/* Never falls as T grows: the figure for the longest batch serves all. */
int64_t madpo_rmsnorm_workspace(const madpo_device *dev, int64_t T, int64_t C);
#endif
