/* Global gradient norm: launcher for cl/ops/grad_norm.cl. */
#include "ops/grad_norm.h"

#include "ops/arg.h"

/* At most 1024 blocks, each a multiple of the kernel's tile: a function of n alone, so that the
 * order of summation is fixed. */
static int64_t grad_norm_block(int64_t n)
{
    return madpo_ops_blocks(madpo_ops_blocks(n, MADPO_OPS_BLOCK), 1024) * MADPO_OPS_BLOCK;
}

int64_t madpo_grad_norm_workspace(const madpo_device *dev, int64_t n)
{
    (void)dev;
    return n <= 0 ? 0 : madpo_ops_blocks(n, grad_norm_block(n));
}

madpo_status madpo_grad_norm(madpo_device *dev, madpo_tensor out, madpo_tensor g, int64_t n,
                             madpo_error *err)
{
    const int64_t B = madpo_grad_norm_workspace(dev, n);
    madpo_tensor part = {0};
    madpo_launch l;
    madpo_status st = MADPO_OK;

    if (B > 0)
        st = madpo_workspace_get(&part, dev, B, err);
    if (st != MADPO_OK)
        return st;
    madpo_launch_begin(&l, dev, "grad_norm", "grad_norm_part", NULL);
    MADPO_ARG_F32(&l, part, B, 1);
    MADPO_ARG_F32(&l, g, n, 1);
    madpo_arg_i64(&l, n);
    madpo_arg_i64(&l, grad_norm_block(n));
    st = madpo_launch_rows(&l, B, err);
    if (st != MADPO_OK)
        return st;

    madpo_launch_begin(&l, dev, "grad_norm", "grad_norm_root", NULL);
    MADPO_ARG_F32(&l, out, 1, 1);
    MADPO_ARG_F32(&l, part, B, 1);
    madpo_arg_i64(&l, B);
    return madpo_launch_rows(&l, 1, err);
}
