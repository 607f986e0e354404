#ifndef MADPO_OPS_GLU_H
#define MADPO_OPS_GLU_H
/* Gated activation y = act(a) * b (Shazeer 2020). act: SiLU (Llama), GELU by tanh (Gemma) or exact
 * GELU, a Phi(a). */
#include "device/buffer.h"

/* Also the number of the activation in cl/lib/activation.clh (ACT) and in the twins. */
typedef enum madpo_activation {
    MADPO_ACT_SILU,
    MADPO_ACT_GELU_TANH,
    MADPO_ACT_GELU
} madpo_activation;

/* y, a, b [T,F]; y write (may be a or b). */
madpo_status madpo_glu_fwd(madpo_device *dev, madpo_tensor y, madpo_tensor a, madpo_tensor b,
                           int64_t T, int64_t F, madpo_activation act,
                           madpo_error *err) MADPO_MUST_CHECK;
/* da = dy b act'(a), db = dy act(a); write or accumulate. When overwriting, da may be a and db may
 * be b. */
madpo_status madpo_glu_bwd(madpo_device *dev, madpo_tensor da, madpo_tensor db, madpo_tensor dy,
                           madpo_tensor a, madpo_tensor b, int64_t T, int64_t F,
                           madpo_activation act, bool accumulate,
                           madpo_error *err) MADPO_MUST_CHECK;
#endif
