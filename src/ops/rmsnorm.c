/* RMSNorm: launchers for cl/ops/rmsnorm.cl. */
#include "ops/rmsnorm.h"

#include "ops/arg.h"

madpo_status madpo_rmsnorm_fwd(madpo_device *dev, madpo_tensor y, madpo_tensor r, madpo_tensor x,
                               madpo_tensor gain, int64_t T, int64_t C, float eps, bool add_one,
                               madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "rmsnorm", "rmsnorm_fwd", NULL);
    MADPO_ARG_F32(&l, y, T, C);
    MADPO_ARG_F32(&l, r, T, 1);
    MADPO_ARG_F32(&l, x, T, C);
    MADPO_ARG_F32(&l, gain, C, 1);
    madpo_arg_i64(&l, C);
    madpo_arg_f32(&l, eps);
    madpo_arg_i32(&l, add_one);
    return madpo_launch_rows(&l, T, err);
}

madpo_status madpo_rmsnorm_bwd_x(madpo_device *dev, madpo_tensor dx, madpo_tensor dy,
                                 madpo_tensor x, madpo_tensor r, madpo_tensor gain, int64_t T,
                                 int64_t C, bool add_one, bool accumulate, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "rmsnorm", "rmsnorm_bwd_x", NULL);
    MADPO_ARG_F32(&l, dx, T, C);
    MADPO_ARG_F32(&l, dy, T, C);
    MADPO_ARG_F32(&l, x, T, C);
    MADPO_ARG_F32(&l, r, T, 1);
    MADPO_ARG_F32(&l, gain, C, 1);
    madpo_arg_i64(&l, C);
    madpo_arg_i32(&l, add_one);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, T, err);
}

int64_t madpo_rmsnorm_workspace(const madpo_device *dev, int64_t T, int64_t C)
{
    return madpo_ops_most_blocks(dev, T) * C;
}

madpo_status madpo_rmsnorm_bwd_gain(madpo_device *dev, madpo_tensor dgain, madpo_tensor dy,
                                    madpo_tensor x, madpo_tensor r, int64_t T, int64_t C,
                                    bool accumulate, madpo_error *err)
{
    const int64_t rows = madpo_ops_block_rows(dev, T);
    const int64_t B = madpo_ops_blocks(T, rows);
    const int64_t cols = madpo_ops_block_cols(dev);
    madpo_launch l;
    madpo_tensor part = {0};
    madpo_status st = MADPO_OK;

    if (B > 0)
        st = madpo_workspace_get(&part, dev, B * C, err);
    if (st != MADPO_OK)
        return st;
    madpo_launch_begin(&l, dev, "rmsnorm", "rmsnorm_bwd_gain", NULL);
    MADPO_ARG_F32(&l, part, B, C);
    MADPO_ARG_F32(&l, dy, T, C);
    MADPO_ARG_F32(&l, x, T, C);
    MADPO_ARG_F32(&l, r, T, 1);
    madpo_arg_i64(&l, T);
    madpo_arg_i64(&l, C);
    madpo_arg_i64(&l, rows);
    st = madpo_launch_rows(&l, B, err);
    if (st != MADPO_OK)
        return st;

    madpo_launch_begin(&l, dev, "rmsnorm", "rmsnorm_bwd_gain_sum", NULL);
    MADPO_ARG_F32(&l, dgain, C, 1);
    MADPO_ARG_F32(&l, part, B, C);
    madpo_arg_i64(&l, B);
    madpo_arg_i64(&l, C);
    madpo_arg_i64(&l, cols);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, madpo_ops_blocks(C, cols), err);
}
