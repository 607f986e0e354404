/* Residual add.
 *   add_fwd  y[i] = a[i] + b[i]                   y, a, b [n]; y may be a or b
 *   add_bwd  da[i] = dy[i] (+ da[i])              da, dy [n]; accumulate: 0 overwrites
 * Mapping: one work-group per `block` contiguous elements, items stride through it (vec.clh).
 * -D WG. Local memory: none. fp32, no accumulation. Deterministic.
 */
#include "lib/vec.clh"

ROW_KERNEL void add_fwd(TENSOR(float, y), TENSOR(const float, a), TENSOR(const float, b), long n,
                        long block)
{
    const long first = (long)get_group_id(0) * block, m = min(block, n - first);
    __global float *y = TENSOR_PTR(y) + first;
    __global const float *a = TENSOR_PTR(a) + first, *b = TENSOR_PTR(b) + first;

    for (long i = VEC_FIRST; i < m; i += VEC_STEP)
        vec_store(vec_load(a + i, m - i) + vec_load(b + i, m - i), y + i, m - i);
}

ROW_KERNEL void add_bwd(TENSOR(float, da), TENSOR(const float, dy), long n, long block,
                        int accumulate)
{
    const long first = (long)get_group_id(0) * block, m = min(block, n - first);
    __global float *da = TENSOR_PTR(da) + first;
    __global const float *dy = TENSOR_PTR(dy) + first;

    for (long i = VEC_FIRST; i < m; i += VEC_STEP) {
        vecf v = vec_load(dy + i, m - i);
        if (accumulate)
            v += vec_load(da + i, m - i);
        vec_store(v, da + i, m - i);
    }
}
