/* Sampling: launcher for cl/ops/sample.cl. */
#include "ops/sample.h"

#include <float.h>
#include <math.h>

#include "base/error.h"
#include "ops/arg.h"

/* Token counts are kept in fp32 by the kernel, exact up to here. */
#define SAMPLE_MAX_V (1 << 24)

static madpo_status sample_check(int64_t V, const madpo_sample_options *o, madpo_error *err)
{
    if (!(o->temperature >= 0) || isinf(o->temperature))
        return madpo_error_set(err, MADPO_ERR_USAGE, "sample: temperature %g, must be 0 or more",
                               (double)o->temperature);
    if (!(o->top_p > 0 && o->top_p <= 1))
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "sample: top_p %g, must be above 0 and at most 1", (double)o->top_p);
    if (o->top_k < 0)
        return madpo_error_set(err, MADPO_ERR_USAGE, "sample: top_k %d, must be 0 (all) or more",
                               (int)o->top_k);
    if (V < 1 || V >= SAMPLE_MAX_V)
        return madpo_error_set(err, MADPO_ERR_USAGE, "sample: a vocabulary of %lld, must be 1..%d",
                               (long long)V, SAMPLE_MAX_V - 1);
    return MADPO_OK;
}

/* Items that share a row. On CPU devices one; elsewhere rows are few and long, and one work-group
 * of the usual width would wait for memory most of the time. */
static int sample_items(const madpo_device *dev, int64_t V)
{
    const int wg = madpo_device_get_work_group(dev);
    const uint64_t most = madpo_device_get_info(dev)->max_work_group;

    return wg == 1 || (wg <= 512 && V <= 64 * wg) ? wg : most >= 512 ? 512 : most >= 256 ? 256 : wg;
}

static const char *sample_defines(int items)
{
    return items == 512 ? "-DITEMS=512" : items == 256 ? "-DITEMS=256" : NULL;
}

madpo_status madpo_sample(madpo_device *dev, madpo_tensor ids, madpo_tensor logits,
                          madpo_tensor stream, madpo_tensor counter, int64_t B, int64_t V,
                          const madpo_sample_options *options, madpo_error *err)
{
    const madpo_status st = sample_check(V, options, err);
    /* a temperature that a device may flush to zero would divide 0 by 0: it is 0 in all but name */
    const float temperature = options->temperature < FLT_MIN ? 0 : options->temperature;
    const int64_t items = sample_items(dev, V);
    madpo_launch l;

    if (st != MADPO_OK)
        return st;
    madpo_launch_begin(&l, dev, "sample", "sample", sample_defines((int)items));
    MADPO_ARG_I32(&l, ids, B, 1);
    MADPO_ARG_F32(&l, logits, B, V);
    MADPO_ARG_I32(&l, stream, B, 1);
    MADPO_ARG_I32(&l, counter, B, 1);
    madpo_arg_i64(&l, V);
    madpo_arg_f32(&l, temperature);
    madpo_arg_i32(&l, options->top_k);
    madpo_arg_f32(&l, options->top_p);
    madpo_arg_u64(&l, options->seed);
    madpo_arg_i32(&l, options->banned);
    return madpo_launch_grid(&l, 1, &B, &items, err);
}
