/* Residual add: launchers for cl/ops/add.cl. */
#include "ops/add.h"

#include "ops/arg.h"

madpo_status madpo_add_fwd(madpo_device *dev, madpo_tensor y, madpo_tensor a, madpo_tensor b,
                           int64_t n, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "add", "add_fwd", NULL);
    MADPO_ARG_F32(&l, y, n, 1);
    MADPO_ARG_F32(&l, a, n, 1);
    MADPO_ARG_F32(&l, b, n, 1);
    madpo_arg_i64(&l, n);
    madpo_arg_i64(&l, MADPO_OPS_BLOCK);
    return madpo_launch_rows(&l, madpo_ops_blocks(n, MADPO_OPS_BLOCK), err);
}

madpo_status madpo_add_bwd(madpo_device *dev, madpo_tensor da, madpo_tensor dy, int64_t n,
                           bool accumulate, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "add", "add_bwd", NULL);
    MADPO_ARG_F32(&l, da, n, 1);
    MADPO_ARG_F32(&l, dy, n, 1);
    madpo_arg_i64(&l, n);
    madpo_arg_i64(&l, MADPO_OPS_BLOCK);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, madpo_ops_blocks(n, MADPO_OPS_BLOCK), err);
}
