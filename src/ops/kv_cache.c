/* Key/value cache: launcher for cl/ops/kv_cache.cl. */
#include "ops/kv_cache.h"

#include "ops/arg.h"

madpo_status madpo_kv_cache_store(madpo_device *dev, madpo_tensor cache, madpo_tensor x,
                                  madpo_tensor token, madpo_tensor slot, madpo_tensor pos,
                                  int64_t n, int64_t P, int64_t C, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "kv_cache", "kv_cache_store", NULL);
    MADPO_ARG_F32(&l, cache, n > 0 ? P : 0, C);
    MADPO_ARG_F32(&l, x, n > 0, C);
    MADPO_ARG_I32(&l, token, n, 1);
    MADPO_ARG_I32(&l, slot, n, 1);
    MADPO_ARG_I32(&l, pos, n, 1);
    madpo_arg_i64(&l, P > 0 && C > 0 ? cache.n / (P * C) : 0);
    madpo_arg_i64(&l, P);
    madpo_arg_i64(&l, C);
    return madpo_launch_rows(&l, n, err);
}
