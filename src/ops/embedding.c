/* Token embedding: launchers for cl/ops/embedding.cl. */
#include "ops/embedding.h"

#include "ops/arg.h"

madpo_status madpo_embedding_fwd(madpo_device *dev, madpo_tensor x, madpo_tensor ids,
                                 madpo_tensor E, float scale, int64_t T, int64_t C,
                                 madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "embedding", "embedding_fwd", madpo_ops_weight_defines(E.dtype));
    MADPO_ARG_F32(&l, x, T, C);
    MADPO_ARG_I32(&l, ids, T, 1);
    MADPO_ARG_WEIGHT(&l, E, T > 0, C);
    madpo_arg_f32(&l, scale);
    madpo_arg_i32(&l, (int32_t)(C > 0 && E.n / C < INT32_MAX ? E.n / C : INT32_MAX));
    madpo_arg_i64(&l, C);
    return madpo_launch_rows(&l, T, err);
}

madpo_status madpo_embedding_bwd(madpo_device *dev, madpo_tensor dE, madpo_tensor dx,
                                 madpo_tensor uniq, madpo_tensor uniq_start,
                                 madpo_tensor uniq_token, float scale, int64_t U, int64_t C,
                                 bool accumulate, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "embedding", "embedding_bwd", NULL);
    MADPO_ARG_F32(&l, dE, U, C);
    MADPO_ARG_F32(&l, dx, U, C);
    MADPO_ARG_I32(&l, uniq, U, 1);
    MADPO_ARG_I32(&l, uniq_start, U > 0 ? U + 1 : 0, 1);
    MADPO_ARG_I32(&l, uniq_token, U, 1);
    madpo_arg_f32(&l, scale);
    madpo_arg_i64(&l, C);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, U, err);
}
