/* Learned positions: launchers for cl/ops/position.cl. */
#include "ops/position.h"

#include "base/error.h"
#include "ops/arg.h"

madpo_status madpo_position_fwd(madpo_device *dev, madpo_tensor x, madpo_tensor pos, madpo_tensor P,
                                int64_t T, int64_t C, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "position", "position_fwd", NULL);
    MADPO_ARG_F32(&l, x, T, C);
    MADPO_ARG_I32(&l, pos, T, 1);
    MADPO_ARG_F32(&l, P, T > 0, C);
    madpo_arg_i32(&l, (int32_t)(C > 0 && P.n / C < INT32_MAX ? P.n / C : INT32_MAX));
    madpo_arg_i64(&l, C);
    return madpo_launch_rows(&l, T, err);
}

madpo_status madpo_position_bwd(madpo_device *dev, madpo_tensor dP, madpo_tensor dx,
                                madpo_tensor pos, int64_t T, int64_t n_pos, int64_t C,
                                bool accumulate, madpo_error *err)
{
    madpo_launch l;

    if (T > INT32_MAX || n_pos > INT32_MAX)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "position_bwd: %lld tokens and %lld positions must fit 31 bits",
                               (long long)T, (long long)n_pos);
    madpo_launch_begin(&l, dev, "position", "position_bwd", NULL);
    MADPO_ARG_F32(&l, dP, n_pos, C);
    MADPO_ARG_F32(&l, dx, T, C);
    MADPO_ARG_I32(&l, pos, T, 1);
    madpo_arg_i64(&l, T);
    madpo_arg_i64(&l, C);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, n_pos, err);
}
