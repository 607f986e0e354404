/* Scalar reward head: launchers for cl/ops/reward_head.cl. */
#include "ops/reward_head.h"

#include "ops/arg.h"

madpo_status madpo_reward_head_fwd(madpo_device *dev, madpo_tensor reward, madpo_tensor hidden,
                                   madpo_tensor last, madpo_tensor w, int64_t S, int64_t C,
                                   madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "reward_head", "reward_head_fwd", NULL);
    MADPO_ARG_F32(&l, reward, S, 1);
    madpo_arg_tensor(&l, hidden);
    MADPO_ARG_I32(&l, last, S, 1);
    MADPO_ARG_F32(&l, w, C, 1);
    madpo_arg_i64(&l, C);
    return madpo_launch_rows(&l, S, err);
}

static madpo_status bwd_x(madpo_device *dev, madpo_tensor dhidden, madpo_tensor dreward,
                          madpo_tensor last, madpo_tensor w, int64_t S, int64_t C, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "reward_head", "reward_head_bwd_x", NULL);
    madpo_arg_tensor(&l, dhidden);
    MADPO_ARG_F32(&l, dreward, S, 1);
    MADPO_ARG_I32(&l, last, S, 1);
    MADPO_ARG_F32(&l, w, C, 1);
    madpo_arg_i64(&l, C);
    return madpo_launch_rows(&l, S, err);
}

madpo_status madpo_reward_head_bwd(madpo_device *dev, madpo_tensor dhidden, madpo_tensor dw,
                                   madpo_tensor dreward, madpo_tensor hidden, madpo_tensor last,
                                   madpo_tensor w, int64_t S, int64_t C, bool accumulate,
                                   madpo_error *err)
{
    /* columns a work-group of bwd_w takes: VEC_STEP of cl/lib/vec.clh */
    const int wg = madpo_device_get_work_group(dev), step = wg == 1 ? 16 : wg;
    madpo_launch l;
    madpo_status st = bwd_x(dev, dhidden, dreward, last, w, S, C, err);

    if (st != MADPO_OK)
        return st;
    madpo_launch_begin(&l, dev, "reward_head", "reward_head_bwd_w", NULL);
    MADPO_ARG_F32(&l, dw, C, 1);
    MADPO_ARG_F32(&l, dreward, S, 1);
    madpo_arg_tensor(&l, hidden);
    MADPO_ARG_I32(&l, last, S, 1);
    madpo_arg_i64(&l, S);
    madpo_arg_i64(&l, C);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, madpo_ops_blocks(C, step), err);
}
