/* AdamW: launcher for cl/ops/adamw.cl. */
#include "ops/adamw.h"

#include <math.h>

#include "base/error.h"
#include "ops/arg.h"

madpo_status madpo_adamw_step(madpo_device *dev, madpo_tensor p, madpo_tensor g, madpo_tensor m,
                              madpo_tensor v, int64_t n, const madpo_adamw_options *options,
                              madpo_error *err)
{
    const double b1 = options->beta1, b2 = options->beta2, lr = options->lr;
    const double t = (double)options->t;
    madpo_launch l;

    if (options->t < 1)
        return madpo_error_set(err, MADPO_ERR_USAGE, "adamw: update number %lld, they count from 1",
                               (long long)options->t);
    madpo_launch_begin(&l, dev, "adamw", "adamw_step", NULL);
    MADPO_ARG_F32(&l, p, n, 1);
    MADPO_ARG_F32(&l, g, n, 1);
    MADPO_ARG_F32(&l, m, n, 1);
    MADPO_ARG_F32(&l, v, n, 1);
    madpo_arg_i64(&l, n);
    madpo_arg_i64(&l, MADPO_OPS_BLOCK);
    madpo_arg_f32(&l, options->grad_scale);
    madpo_arg_f32(&l, options->beta1);
    madpo_arg_f32(&l, (float)(1 - b1));
    madpo_arg_f32(&l, options->beta2);
    madpo_arg_f32(&l, (float)(1 - b2));
    madpo_arg_f32(&l, (float)(1 - lr * (double)options->weight_decay));
    madpo_arg_f32(&l, (float)(lr / (1 - pow(b1, t))));
    madpo_arg_f32(&l, (float)sqrt(1 - pow(b2, t)));
    madpo_arg_f32(&l, options->eps);
    return madpo_launch_rows(&l, madpo_ops_blocks(n, MADPO_OPS_BLOCK), err);
}
