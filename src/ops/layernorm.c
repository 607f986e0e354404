/* LayerNorm: launchers for cl/ops/layernorm.cl. */
#include "ops/layernorm.h"

#include "ops/arg.h"

madpo_status madpo_layernorm_fwd(madpo_device *dev, madpo_tensor y, madpo_tensor mean,
                                 madpo_tensor rstd, madpo_tensor x, madpo_tensor gain,
                                 madpo_tensor bias, int64_t T, int64_t C, float eps,
                                 madpo_error *err)
{
    const bool has_bias = !madpo_tensor_is_none(bias);
    madpo_launch l;

    madpo_launch_begin(&l, dev, "layernorm", "layernorm_fwd", NULL);
    MADPO_ARG_F32(&l, y, T, C);
    MADPO_ARG_F32(&l, mean, T, 1);
    MADPO_ARG_F32(&l, rstd, T, 1);
    MADPO_ARG_F32(&l, x, T, C);
    MADPO_ARG_F32(&l, gain, C, 1);
    MADPO_ARG_F32(&l, bias, has_bias, C);
    madpo_arg_i64(&l, C);
    madpo_arg_f32(&l, eps);
    madpo_arg_i32(&l, has_bias);
    return madpo_launch_rows(&l, T, err);
}

madpo_status madpo_layernorm_bwd_x(madpo_device *dev, madpo_tensor dx, madpo_tensor dy,
                                   madpo_tensor x, madpo_tensor mean, madpo_tensor rstd,
                                   madpo_tensor gain, int64_t T, int64_t C, bool accumulate,
                                   madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "layernorm", "layernorm_bwd_x", NULL);
    MADPO_ARG_F32(&l, dx, T, C);
    MADPO_ARG_F32(&l, dy, T, C);
    MADPO_ARG_F32(&l, x, T, C);
    MADPO_ARG_F32(&l, mean, T, 1);
    MADPO_ARG_F32(&l, rstd, T, 1);
    MADPO_ARG_F32(&l, gain, C, 1);
    madpo_arg_i64(&l, C);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, T, err);
}

int64_t madpo_layernorm_workspace(const madpo_device *dev, int64_t T, int64_t C)
{
    return 2 * madpo_ops_most_blocks(dev, T) * C;
}

/* Second pass: out [C] from the partial sums of B blocks. */
static madpo_status layernorm_sum(madpo_device *dev, madpo_tensor out, madpo_tensor part, int64_t B,
                                  int64_t C, bool accumulate, madpo_error *err)
{
    const int64_t cols = madpo_ops_block_cols(dev);
    madpo_launch l;

    madpo_launch_begin(&l, dev, "layernorm", "layernorm_bwd_gain_sum", NULL);
    MADPO_ARG_F32(&l, out, C, 1);
    MADPO_ARG_F32(&l, part, B, C);
    madpo_arg_i64(&l, B);
    madpo_arg_i64(&l, C);
    madpo_arg_i64(&l, cols);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, madpo_ops_blocks(C, cols), err);
}

madpo_status madpo_layernorm_bwd_gain(madpo_device *dev, madpo_tensor dgain, madpo_tensor dbias,
                                      madpo_tensor dy, madpo_tensor x, madpo_tensor mean,
                                      madpo_tensor rstd, int64_t T, int64_t C, bool accumulate,
                                      madpo_error *err)
{
    const int64_t rows = madpo_ops_block_rows(dev, T), B = madpo_ops_blocks(T, rows);
    madpo_tensor part = {0}, part_gain = {0}, part_bias = {0};
    madpo_launch l;
    madpo_status st = MADPO_OK;

    if (B * C > 0) {
        st = madpo_workspace_get(&part, dev, 2 * B * C, err);
        if (st != MADPO_OK)
            return st;
        part_gain = madpo_tensor_slice(part, 0, B * C);
        part_bias = madpo_tensor_slice(part, B * C, B * C);
    }
    madpo_launch_begin(&l, dev, "layernorm", "layernorm_bwd_gain", NULL);
    MADPO_ARG_F32(&l, part, 2 * B, C);
    MADPO_ARG_F32(&l, dy, T, C);
    MADPO_ARG_F32(&l, x, T, C);
    MADPO_ARG_F32(&l, mean, T, 1);
    MADPO_ARG_F32(&l, rstd, T, 1);
    madpo_arg_i64(&l, T);
    madpo_arg_i64(&l, C);
    madpo_arg_i64(&l, rows);
    st = madpo_launch_rows(&l, B, err);
    if (st == MADPO_OK)
        st = layernorm_sum(dev, dgain, part_gain, B, C, accumulate, err);
    if (st == MADPO_OK && !madpo_tensor_is_none(dbias))
        st = layernorm_sum(dev, dbias, part_bias, B, C, accumulate, err);
    return st;
}
