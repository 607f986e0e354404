/* RMSNorm (Zhang & Sennrich 2019), G = gain or 1 + gain (add_one).
 *   rmsnorm_fwd            r[t] = (mean_j x[t,j]^2 + eps)^-0.5,  y[t,:] = x[t,:] r[t] G
 *   rmsnorm_bwd_x          dx = r G g - x (r^3 / C) sum_j G_j g_j x_j (+ dx),  g = dy
 *   rmsnorm_bwd_gain       part[b,:] = sum over the rows t of block b of g[t,:] x[t,:] r[t]
 *   rmsnorm_bwd_gain_sum   dgain = sum_b part[b,:] (+ dgain)
 * Shapes: x, y, dx, dy [T,C], r [T], gain, dgain [C], part [B,C] workspace.
 * y may be x, dx may be dy when overwriting.
 * Mapping: one work-group per row; bwd_gain one per block of `rows` rows; bwd_gain_sum one per
 * `cols` columns. Items stride over the columns (vec.clh).
 * -D WG. Local memory: 4 WG bytes in the row kernels. Sums in fp32 by fixed trees; blocks are added
 * in ascending order. Deterministic.
 */
#include "lib/reduce.clh"

#include "lib/block_sum.clh"

ROW_KERNEL void rmsnorm_fwd(TENSOR(float, y), TENSOR(float, r), TENSOR(const float, x),
                            TENSOR(const float, gain), long C, float eps, int add_one)
{
    ROW_SCRATCH(s);
    const long t = get_group_id(0);
    __global float *y = TENSOR_PTR(y) + t * C;
    __global const float *x = TENSOR_PTR(x) + t * C;
    __global const float *gain = TENSOR_PTR(gain);
    const float base = add_one ? 1.0f : 0.0f;
    const float rt = rsqrt(row_sum_sq(x, C, s) / (float)C + eps);

    if (get_local_id(0) == 0)
        TENSOR_PTR(r)[t] = rt;
    for (long i = VEC_FIRST; i < C; i += VEC_STEP) {
        const vecf G = vec_load(gain + i, C - i) + base;
        vec_store(vec_load(x + i, C - i) * rt * G, y + i, C - i);
    }
}

ROW_KERNEL void rmsnorm_bwd_x(TENSOR(float, dx), TENSOR(const float, dy), TENSOR(const float, x),
                              TENSOR(const float, r), TENSOR(const float, gain), long C,
                              int add_one, int accumulate)
{
    ROW_SCRATCH(s);
    const long t = get_group_id(0);
    __global float *dx = TENSOR_PTR(dx) + t * C;
    __global const float *dy = TENSOR_PTR(dy) + t * C, *x = TENSOR_PTR(x) + t * C;
    __global const float *gain = TENSOR_PTR(gain);
    const float base = add_one ? 1.0f : 0.0f;
    const float rt = TENSOR_PTR(r)[t];
    vecf part = 0.0f;

    for (long i = VEC_FIRST; i < C; i += VEC_STEP) {
        const vecf G = vec_load(gain + i, C - i) + base;
        part += G * vec_load(dy + i, C - i) * vec_load(x + i, C - i);
    }
    /* r^2 times the mean first: x r is of order 1, so no step leaves the range of fp32 */
    const float k = wg_sum(vec_sum(part), s) / (float)C * rt * rt;
    for (long i = VEC_FIRST; i < C; i += VEC_STEP) {
        const vecf G = vec_load(gain + i, C - i) + base;
        vecf d = rt * (G * vec_load(dy + i, C - i) - k * vec_load(x + i, C - i));
        if (accumulate)
            d += vec_load(dx + i, C - i);
        vec_store(d, dx + i, C - i);
    }
}

ROW_KERNEL void rmsnorm_bwd_gain(TENSOR(float, part), TENSOR(const float, dy),
                                 TENSOR(const float, x), TENSOR(const float, r), long T, long C,
                                 long rows)
{
    const long b = get_group_id(0);
    const long begin = b * rows, end = min(begin + rows, T);
    __global float *part = TENSOR_PTR(part) + b * C;
    __global const float *dy = TENSOR_PTR(dy), *x = TENSOR_PTR(x), *r = TENSOR_PTR(r);

#if WG == 1
    /* rows outside: both streams are read in order, the sums stay in the first-level cache */
    for (long i = 0; i < C; i += VEC_STEP)
        vec_store((vecf)0.0f, part + i, C - i);
    for (long t = begin; t < end; t++) {
        const float rt = r[t];
        for (long i = 0; i < C; i += VEC_STEP) {
            const vecf g = vec_load(dy + t * C + i, C - i) * rt;
            const vecf sum = vec_load(part + i, C - i) + g * vec_load(x + t * C + i, C - i);
            vec_store(sum, part + i, C - i);
        }
    }
#else
    for (long i = VEC_FIRST; i < C; i += VEC_STEP) {
        float sum = 0.0f;
        for (long t = begin; t < end; t++)
            sum += dy[t * C + i] * r[t] * x[t * C + i];
        part[i] = sum;
    }
#endif
}

ROW_KERNEL void rmsnorm_bwd_gain_sum(TENSOR(float, dgain), TENSOR(const float, part), long B,
                                     long C, long cols, int accumulate)
{
    block_sum(TENSOR_PTR(dgain), TENSOR_PTR(part), B, C, cols, accumulate);
}
