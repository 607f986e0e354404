/* Gated activation: launchers for cl/ops/glu.cl. */
#include "ops/glu.h"

#include "ops/act.h"
#include "ops/arg.h"

madpo_status madpo_glu_fwd(madpo_device *dev, madpo_tensor y, madpo_tensor a, madpo_tensor b,
                           int64_t T, int64_t F, madpo_activation act, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "glu", "glu_fwd", madpo__act_defines(act));
    MADPO_ARG_F32(&l, y, T, F);
    MADPO_ARG_F32(&l, a, T, F);
    MADPO_ARG_F32(&l, b, T, F);
    madpo_arg_i64(&l, T * F);
    madpo_arg_i64(&l, MADPO_OPS_BLOCK);
    return madpo_launch_rows(&l, madpo_ops_blocks(T * F, MADPO_OPS_BLOCK), err);
}

madpo_status madpo_glu_bwd(madpo_device *dev, madpo_tensor da, madpo_tensor db, madpo_tensor dy,
                           madpo_tensor a, madpo_tensor b, int64_t T, int64_t F,
                           madpo_activation act, bool accumulate, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "glu", "glu_bwd", madpo__act_defines(act));
    MADPO_ARG_F32(&l, da, T, F);
    MADPO_ARG_F32(&l, db, T, F);
    MADPO_ARG_F32(&l, dy, T, F);
    MADPO_ARG_F32(&l, a, T, F);
    MADPO_ARG_F32(&l, b, T, F);
    madpo_arg_i64(&l, T * F);
    madpo_arg_i64(&l, MADPO_OPS_BLOCK);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, madpo_ops_blocks(T * F, MADPO_OPS_BLOCK), err);
}
