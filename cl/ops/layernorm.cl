/* LayerNorm (Ba, Kiros & Hinton 2016), n = (x - mean) rstd.
 *   layernorm_fwd           mean[t] = mean_j x[t,j],  rstd[t] = (mean_j (x[t,j] - mean)^2 +
 * eps)^-0.5 y[t,:] = n gain (+ bias) layernorm_bwd_x         dx = rstd (g - mean_j g_j - n mean_j
 * g_j n_j) (+ dx),  g = gain dy layernorm_bwd_gain      part[0,b,:] = sum over the rows t of block
 * b of dy[t,:] n[t,:], part[1,b,:] = the same of dy[t,:] layernorm_bwd_gain_sum  out = sum_b
 * part[b,:] (+ out), once for dgain and once for dbias Shapes: x, y, dx, dy [T,C], mean, rstd [T],
 * gain, bias, out [C], part [2,B,C] workspace. y may be x, dx may be dy when overwriting. The
 * variance is that of centred values, so a mean far from 0 costs no digits. Mapping: one work-group
 * per row; bwd_gain one per block of `rows` rows; bwd_gain_sum one per `cols` columns. Items stride
 * over the columns (vec.clh). -D WG. Local memory: 4 WG bytes in the row kernels. Sums in fp32 by
 * fixed trees; blocks are added in ascending order. Deterministic.
 */
#include "lib/reduce.clh"

#include "lib/block_sum.clh"

/* sum_j (x[j] - mean)^2; past the row's end the load gives the mean, which adds nothing. */
LOCAL_FN float layernorm_spread(__global const float *x, float mean, long C, __local float *s)
{
    vecf a = 0.0f, b = 0.0f; /* two accumulators, as row_dot */
    long i = VEC_FIRST;

    for (; i + VEC_STEP < C; i += 2 * VEC_STEP) {
        const long k = i + VEC_STEP;
        const vecf d = vec_load_or(x + i, C - i, mean) - mean;
        const vecf e = vec_load_or(x + k, C - k, mean) - mean;
        a += d * d;
        b += e * e;
    }
    if (i < C) {
        const vecf d = vec_load_or(x + i, C - i, mean) - mean;
        a += d * d;
    }
    return wg_sum(vec_sum(a + b), s);
}

ROW_KERNEL void layernorm_fwd(TENSOR(float, y), TENSOR(float, mean), TENSOR(float, rstd),
                              TENSOR(const float, x), TENSOR(const float, gain),
                              TENSOR(const float, bias), long C, float eps, int has_bias)
{
    ROW_SCRATCH(s);
    const long t = get_group_id(0);
    __global float *y = TENSOR_PTR(y) + t * C;
    __global const float *x = TENSOR_PTR(x) + t * C;
    __global const float *gain = TENSOR_PTR(gain), *bias = TENSOR_PTR(bias);
    const float m = row_sum(x, C, s) / (float)C;
    const float r = rsqrt(layernorm_spread(x, m, C, s) / (float)C + eps);

    if (get_local_id(0) == 0) {
        TENSOR_PTR(mean)[t] = m;
        TENSOR_PTR(rstd)[t] = r;
    }
    for (long i = VEC_FIRST; i < C; i += VEC_STEP) {
        vecf v = (vec_load(x + i, C - i) - m) * r * vec_load(gain + i, C - i);
        if (has_bias)
            v += vec_load(bias + i, C - i);
        vec_store(v, y + i, C - i);
    }
}

ROW_KERNEL void layernorm_bwd_x(TENSOR(float, dx), TENSOR(const float, dy), TENSOR(const float, x),
                                TENSOR(const float, mean), TENSOR(const float, rstd),
                                TENSOR(const float, gain), long C, int accumulate)
{
    ROW_SCRATCH(s);
    const long t = get_group_id(0);
    __global float *dx = TENSOR_PTR(dx) + t * C;
    __global const float *dy = TENSOR_PTR(dy) + t * C, *x = TENSOR_PTR(x) + t * C;
    __global const float *gain = TENSOR_PTR(gain);
    const float m = TENSOR_PTR(mean)[t], r = TENSOR_PTR(rstd)[t];
    vecf part = 0.0f, part_n = 0.0f;

    for (long i = VEC_FIRST; i < C; i += VEC_STEP) { /* past the end g is 0 */
        const vecf g = vec_load(gain + i, C - i) * vec_load(dy + i, C - i);
        part += g;
        part_n += g * ((vec_load(x + i, C - i) - m) * r);
    }
    const float g_mean = wg_sum(vec_sum(part), s) / (float)C;
    const float gn_mean = wg_sum(vec_sum(part_n), s) / (float)C;
    for (long i = VEC_FIRST; i < C; i += VEC_STEP) {
        const vecf g = vec_load(gain + i, C - i) * vec_load(dy + i, C - i);
        const vecf n = (vec_load(x + i, C - i) - m) * r;
        vecf d = r * (g - g_mean - n * gn_mean);
        if (accumulate)
            d += vec_load(dx + i, C - i);
        vec_store(d, dx + i, C - i);
    }
}

ROW_KERNEL void layernorm_bwd_gain(TENSOR(float, part), TENSOR(const float, dy),
                                   TENSOR(const float, x), TENSOR(const float, mean),
                                   TENSOR(const float, rstd), long T, long C, long rows)
{
    const long b = get_group_id(0), B = get_num_groups(0);
    const long begin = b * rows, end = min(begin + rows, T);
    __global float *gain = TENSOR_PTR(part) + b * C, *bias = gain + B * C;
    __global const float *dy = TENSOR_PTR(dy), *x = TENSOR_PTR(x);
    __global const float *mean = TENSOR_PTR(mean), *rstd = TENSOR_PTR(rstd);

#if WG == 1
    /* rows outside: both streams are read in order, the sums stay in the first-level cache */
    for (long i = 0; i < C; i += VEC_STEP) {
        vec_store((vecf)0.0f, gain + i, C - i);
        vec_store((vecf)0.0f, bias + i, C - i);
    }
    for (long t = begin; t < end; t++) {
        const float m = mean[t], r = rstd[t];
        for (long i = 0; i < C; i += VEC_STEP) {
            const vecf g = vec_load(dy + t * C + i, C - i);
            const vecf n = (vec_load(x + t * C + i, C - i) - m) * r;
            vec_store(vec_load(gain + i, C - i) + g * n, gain + i, C - i);
            vec_store(vec_load(bias + i, C - i) + g, bias + i, C - i);
        }
    }
#else
    for (long i = VEC_FIRST; i < C; i += VEC_STEP) {
        float sum_gain = 0.0f, sum_bias = 0.0f;
        for (long t = begin; t < end; t++) {
            const float g = dy[t * C + i];
            sum_gain += g * ((x[t * C + i] - mean[t]) * rstd[t]);
            sum_bias += g;
        }
        gain[i] = sum_gain;
        bias[i] = sum_bias;
    }
#endif
}

ROW_KERNEL void layernorm_bwd_gain_sum(TENSOR(float, out), TENSOR(const float, part), long B,
                                       long C, long cols, int accumulate)
{
    block_sum(TENSOR_PTR(out), TENSOR_PTR(part), B, C, cols, accumulate);
}
