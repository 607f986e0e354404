/* Prefix-shared attention: launchers for cl/ops/attention.cl. */
#include "ops/attention.h"

#include <stdio.h>

#include "base/error.h"
#include "ops/arg.h"

/* Rows of T * H that one work-group of attention_delta takes. */
enum { DELTA_ROWS = 32 };

/* How the kernels cut their work on this device. */
typedef struct shape {
    int64_t block;    /* BR: tokens of a work-group */
    char defines[96]; /* four short numbers */
} shape;

/* A CPU item takes 32 rows, MR of them in registers at a time (as many as the vector registers
 * hold: 8 of 16 floats with 512 bits, else 4; 1 where the device has no vectors and 16-wide steps
 * only make long programs), and fewer where private copies of wide heads would outgrow the cache. A
 * group elsewhere takes 16, or fewer where a wide head's sums would spill registers. */
static void shape_init(shape *s, const madpo_device *dev, const madpo_attention_dims *d)
{
    const int wg = madpo_device_get_work_group(dev);
    const uint32_t width = madpo_device_get_info(dev)->native_float_width;
    const int mr = width >= 16 ? 8 : width >= 4 ? 4 : 1;

    if (wg == 1)
        s->block = d->D <= 512 ? 32 : 8;
    else
        s->block = d->D <= 64 ? 16 : d->D <= 128 ? 8 : 4;
    snprintf(s->defines, sizeof s->defines, "-DHEAD_DIM=%d -DBR=%d -DMR=%d -DDELTA_ROWS=%d",
             (int)d->D, (int)s->block, mr, (int)DELTA_ROWS);
}

static madpo_status check_dims(const madpo_attention_dims *d, madpo_error *err)
{
    if (d->T < 0 || d->H < 1 || d->K < 1 || d->H % d->K != 0 || d->D < 1 || d->D > INT16_MAX)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "attention: %lld heads over %lld kv heads of %lld (T = %lld) are no "
                               "shape: heads must be a multiple of kv heads, all positive",
                               (long long)d->H, (long long)d->K, (long long)d->D, (long long)d->T);
    if (d->window < 0 || d->window > INT32_MAX / 2)
        return madpo_error_set(err, MADPO_ERR_USAGE, "attention: a window of %lld tokens",
                               (long long)d->window);
    return MADPO_OK;
}

/* seg, tok_seg, pos and the sizes, in the order all segment kernels have them. */
#define ARG_SEGMENTS(l, seg, tok_seg, pos, d)                                                      \
    do {                                                                                           \
        MADPO_ARG_I32(l, seg, (d)->n_seg, 6);                                                      \
        MADPO_ARG_I32(l, tok_seg, (d)->T, 1);                                                      \
        MADPO_ARG_I32(l, pos, (d)->T, 1);                                                          \
        madpo_arg_i64(l, (d)->T);                                                                  \
        madpo_arg_i64(l, (d)->H);                                                                  \
        madpo_arg_i64(l, (d)->K);                                                                  \
        madpo_arg_i64(l, (d)->window);                                                             \
        madpo_arg_f32(l, (d)->scale);                                                              \
    } while (0)

madpo_status madpo_attention_fwd(madpo_device *dev, madpo_tensor o, madpo_tensor lse,
                                 madpo_tensor q, madpo_tensor k, madpo_tensor v, madpo_tensor seg,
                                 madpo_tensor tok_seg, madpo_tensor pos,
                                 const madpo_attention_dims *dims, madpo_error *err)
{
    const madpo_status st = check_dims(dims, err);
    madpo_launch l;
    shape s;

    if (st != MADPO_OK)
        return st;
    shape_init(&s, dev, dims);
    madpo_launch_begin(&l, dev, "attention", "attention_fwd", s.defines);
    MADPO_ARG_F32(&l, o, dims->T, dims->H * dims->D);
    MADPO_ARG_F32(&l, lse, dims->T, dims->H);
    MADPO_ARG_F32(&l, q, dims->T, dims->H * dims->D);
    MADPO_ARG_F32(&l, k, dims->T, dims->K * dims->D);
    MADPO_ARG_F32(&l, v, dims->T, dims->K * dims->D);
    ARG_SEGMENTS(&l, seg, tok_seg, pos, dims);
    return madpo_launch_rows(&l, madpo_ops_blocks(dims->T, s.block) * dims->H, err);
}

static madpo_status bwd_delta(madpo_device *dev, const madpo_attention_grads *t,
                              const madpo_attention_dims *d, const shape *s, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "attention", "attention_delta", s->defines);
    MADPO_ARG_F32(&l, t->delta, d->T, d->H);
    MADPO_ARG_F32(&l, t->d_o, d->T, d->H * d->D);
    MADPO_ARG_F32(&l, t->o, d->T, d->H * d->D);
    madpo_arg_i64(&l, d->T * d->H);
    return madpo_launch_rows(&l, madpo_ops_blocks(d->T * d->H, DELTA_ROWS), err);
}

/* What bwd_q and bwd_kv read, after what they write. */
static void attention_bwd_reads(madpo_launch *l, const madpo_attention_grads *t,
                                const madpo_attention_dims *d, bool accumulate)
{
    MADPO_ARG_F32(l, t->d_o, d->T, d->H * d->D);
    MADPO_ARG_F32(l, t->lse, d->T, d->H);
    MADPO_ARG_F32(l, t->delta, d->T, d->H);
    MADPO_ARG_F32(l, t->q, d->T, d->H * d->D);
    MADPO_ARG_F32(l, t->k, d->T, d->K * d->D);
    MADPO_ARG_F32(l, t->v, d->T, d->K * d->D);
    ARG_SEGMENTS(l, t->seg, t->tok_seg, t->pos, d);
    madpo_arg_i32(l, accumulate);
}

madpo_status madpo_attention_bwd(madpo_device *dev, const madpo_attention_grads *t,
                                 const madpo_attention_dims *dims, bool accumulate,
                                 madpo_error *err)
{
    madpo_status st = check_dims(dims, err);
    madpo_launch l;
    shape s;

    if (st != MADPO_OK)
        return st;
    shape_init(&s, dev, dims);
    st = bwd_delta(dev, t, dims, &s, err);
    if (st != MADPO_OK)
        return st;
    madpo_launch_begin(&l, dev, "attention", "attention_bwd_q", s.defines);
    MADPO_ARG_F32(&l, t->dq, dims->T, dims->H * dims->D);
    attention_bwd_reads(&l, t, dims, accumulate);
    st = madpo_launch_rows(&l, madpo_ops_blocks(dims->T, s.block) * dims->H, err);
    if (st != MADPO_OK)
        return st;
    madpo_launch_begin(&l, dev, "attention", "attention_bwd_kv", s.defines);
    MADPO_ARG_F32(&l, t->dk, dims->T, dims->K * dims->D);
    MADPO_ARG_F32(&l, t->dv, dims->T, dims->K * dims->D);
    attention_bwd_reads(&l, t, dims, accumulate);
    return madpo_launch_rows(&l, madpo_ops_blocks(dims->T, s.block) * dims->K, err);
}

madpo_status madpo_attention_decode(madpo_device *dev, madpo_tensor o, madpo_tensor q,
                                    madpo_tensor k_cache, madpo_tensor v_cache, madpo_tensor slot,
                                    madpo_tensor len, int64_t P, const madpo_attention_dims *dims,
                                    madpo_error *err)
{
    const madpo_status st = check_dims(dims, err);
    madpo_launch l;
    shape s;

    if (st != MADPO_OK)
        return st;
    shape_init(&s, dev, dims);
    madpo_launch_begin(&l, dev, "attention", "attention_decode", s.defines);
    MADPO_ARG_F32(&l, o, dims->T, dims->H * dims->D);
    MADPO_ARG_F32(&l, q, dims->T, dims->H * dims->D);
    /* the slots' number is the caller's; at least one is there where there is a row */
    MADPO_ARG_F32(&l, k_cache, dims->T > 0, P * dims->K * dims->D);
    MADPO_ARG_F32(&l, v_cache, dims->T > 0, P * dims->K * dims->D);
    MADPO_ARG_I32(&l, slot, dims->T, 1);
    MADPO_ARG_I32(&l, len, dims->T, 1);
    madpo_arg_i64(&l, P);
    madpo_arg_i64(&l, dims->H);
    madpo_arg_i64(&l, dims->K);
    madpo_arg_i64(&l, dims->window);
    madpo_arg_f32(&l, dims->scale);
    return madpo_launch_rows(&l, dims->T * dims->H, err);
}
