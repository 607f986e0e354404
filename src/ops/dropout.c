/* Dropout: launcher for cl/ops/dropout.cl. */
#include "ops/dropout.h"

#include <math.h>

#include "base/error.h"
#include "ops/arg.h"

madpo_status madpo_dropout(madpo_device *dev, madpo_tensor y, madpo_tensor x, int64_t n, float p,
                           uint64_t seed, uint64_t stream, bool accumulate, madpo_error *err)
{
    madpo_launch l;

    if (!(p >= 0 && p < 1)) /* NaN too */
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "dropout: probability %g must be at least 0 and below 1", (double)p);
    madpo_launch_begin(&l, dev, "dropout", "dropout", NULL);
    MADPO_ARG_F32(&l, y, n, 1);
    MADPO_ARG_F32(&l, x, n, 1);
    madpo_arg_i64(&l, n);
    madpo_arg_i64(&l, MADPO_OPS_BLOCK);
    madpo_arg_f32(&l, (float)(1 / (1 - (double)p)));
    madpo_arg_u64(&l, (uint64_t)ceil((double)p * 0x1p32));
    madpo_arg_u64(&l, seed);
    madpo_arg_u64(&l, stream);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, madpo_ops_blocks(n, MADPO_OPS_BLOCK), err);
}
