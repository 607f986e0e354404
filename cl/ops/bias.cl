/* Bias of a linear layer.
 *   bias_fwd      y[t,:] += b
 *   bias_bwd      part[k,:] = sum over the rows t of block k of dy[t,:]
 *   bias_bwd_sum  db = sum_k part[k,:] (+ db)
 * Shapes: y, dy [T,N], b, db [N], part [B,N] workspace.
 * Mapping: one work-group per row; bias_bwd one per block of `rows` rows; bias_bwd_sum one per
 * `cols` columns. Items stride over the columns (vec.clh).
 * -D WG. Local memory: none. Sums in fp32, rows and blocks in ascending order. Deterministic.
 */
#include "lib/vec.clh"

#include "lib/block_sum.clh"

ROW_KERNEL void bias_fwd(TENSOR(float, y), TENSOR(const float, b), long N)
{
    const long t = get_group_id(0);
    __global float *y = TENSOR_PTR(y) + t * N;
    __global const float *b = TENSOR_PTR(b);

    for (long i = VEC_FIRST; i < N; i += VEC_STEP)
        vec_store(vec_load(y + i, N - i) + vec_load(b + i, N - i), y + i, N - i);
}

ROW_KERNEL void bias_bwd(TENSOR(float, part), TENSOR(const float, dy), long T, long N, long rows)
{
    const long k = get_group_id(0);
    const long begin = k * rows, end = min(begin + rows, T);
    __global float *part = TENSOR_PTR(part) + k * N;
    __global const float *dy = TENSOR_PTR(dy);

#if WG == 1
    /* rows outside: dy is read in order, the sums stay in the first-level cache */
    for (long i = 0; i < N; i += VEC_STEP)
        vec_store((vecf)0.0f, part + i, N - i);
    for (long t = begin; t < end; t++) {
        for (long i = 0; i < N; i += VEC_STEP) {
            const vecf g = vec_load(dy + t * N + i, N - i);
            vec_store(vec_load(part + i, N - i) + g, part + i, N - i);
        }
    }
#else
    for (long i = VEC_FIRST; i < N; i += VEC_STEP) {
        float sum = 0.0f;
        for (long t = begin; t < end; t++)
            sum += dy[t * N + i];
        part[i] = sum;
    }
#endif
}

ROW_KERNEL void bias_bwd_sum(TENSOR(float, db), TENSOR(const float, part), long B, long N,
                             long cols, int accumulate)
{
    block_sum(TENSOR_PTR(db), TENSOR_PTR(part), B, N, cols, accumulate);
}
