/* Bias of a linear layer: launchers for cl/ops/bias.cl. */
#include "ops/bias.h"

#include "ops/arg.h"

madpo_status madpo_bias_fwd(madpo_device *dev, madpo_tensor y, madpo_tensor b, int64_t T, int64_t N,
                            madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "bias", "bias_fwd", NULL);
    MADPO_ARG_F32(&l, y, T, N);
    MADPO_ARG_F32(&l, b, N, 1);
    madpo_arg_i64(&l, N);
    return madpo_launch_rows(&l, T, err);
}

int64_t madpo_bias_workspace(const madpo_device *dev, int64_t T, int64_t N)
{
    return madpo_ops_most_blocks(dev, T) * N;
}

madpo_status madpo_bias_bwd(madpo_device *dev, madpo_tensor db, madpo_tensor dy, int64_t T,
                            int64_t N, bool accumulate, madpo_error *err)
{
    const int64_t rows = madpo_ops_block_rows(dev, T), B = madpo_ops_blocks(T, rows);
    const int64_t cols = madpo_ops_block_cols(dev);
    madpo_tensor part = {0};
    madpo_launch l;
    madpo_status st = MADPO_OK;

    if (B * N > 0)
        st = madpo_workspace_get(&part, dev, B * N, err);
    if (st != MADPO_OK)
        return st;
    madpo_launch_begin(&l, dev, "bias", "bias_bwd", NULL);
    MADPO_ARG_F32(&l, part, B, N);
    MADPO_ARG_F32(&l, dy, T, N);
    madpo_arg_i64(&l, T);
    madpo_arg_i64(&l, N);
    madpo_arg_i64(&l, rows);
    st = madpo_launch_rows(&l, B, err);
    if (st != MADPO_OK)
        return st;

    madpo_launch_begin(&l, dev, "bias", "bias_bwd_sum", NULL);
    MADPO_ARG_F32(&l, db, N, 1);
    MADPO_ARG_F32(&l, part, B, N);
    madpo_arg_i64(&l, B);
    madpo_arg_i64(&l, N);
    madpo_arg_i64(&l, cols);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, madpo_ops_blocks(N, cols), err);
}
