/* Plain activation: launchers for cl/ops/act.cl. */
#include "ops/act.h"

#include <assert.h>

#include "ops/arg.h"

const char *madpo__act_defines(madpo_activation act)
{
    static const char *const defines[] = {[MADPO_ACT_SILU] = "-DACT=0",
                                          [MADPO_ACT_GELU_TANH] = "-DACT=1",
                                          [MADPO_ACT_GELU] = "-DACT=2"};

    assert((size_t)act < sizeof defines / sizeof defines[0]);
    return defines[act];
}

madpo_status madpo_act_fwd(madpo_device *dev, madpo_tensor y, madpo_tensor a, int64_t n,
                           madpo_activation act, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "act", "act_fwd", madpo__act_defines(act));
    MADPO_ARG_F32(&l, y, n, 1);
    MADPO_ARG_F32(&l, a, n, 1);
    madpo_arg_i64(&l, n);
    madpo_arg_i64(&l, MADPO_OPS_BLOCK);
    return madpo_launch_rows(&l, madpo_ops_blocks(n, MADPO_OPS_BLOCK), err);
}

madpo_status madpo_act_bwd(madpo_device *dev, madpo_tensor da, madpo_tensor dy, madpo_tensor a,
                           int64_t n, madpo_activation act, bool accumulate, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "act", "act_bwd", madpo__act_defines(act));
    MADPO_ARG_F32(&l, da, n, 1);
    MADPO_ARG_F32(&l, dy, n, 1);
    MADPO_ARG_F32(&l, a, n, 1);
    madpo_arg_i64(&l, n);
    madpo_arg_i64(&l, MADPO_OPS_BLOCK);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, madpo_ops_blocks(n, MADPO_OPS_BLOCK), err);
}
