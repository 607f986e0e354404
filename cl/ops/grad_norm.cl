/* Global L2 norm, two passes.
 *   grad_norm_part  part[b] = sum of g[i]^2 over block b       g [n], part [B] workspace
 *   grad_norm_root  out[0] = sqrt(sum_b part[b])
 * A NaN or an infinity anywhere makes the result NaN or infinity, and so do finite gradients beyond
 * about 1e19, whose squares leave fp32.
 * Mapping: one work-group per block of `block` contiguous elements, then one for the whole list.
 * -D WG. Local memory: 4 WG bytes. Sums in fp32 on three levels (tiles of TILE elements, blocks,
 * the list), so that no running sum meets more than a few hundred addends. Deterministic.
 */
#include "lib/reduce.clh"

#define TILE 4096L

ROW_KERNEL void grad_norm_part(TENSOR(float, part), TENSOR(const float, g), long n, long block)
{
    ROW_SCRATCH(s);
    const long first = (long)get_group_id(0) * block, m = min(block, n - first);
    __global const float *g = TENSOR_PTR(g) + first;
    vecf sum = 0.0f;

    for (long begin = 0; begin < m; begin += TILE) {
        const long end = min(begin + TILE, m);
        vecf a = 0.0f, b = 0.0f;
        long i = begin + VEC_FIRST;
        for (; i + VEC_STEP < end; i += 2 * VEC_STEP) {
            const vecf x = vec_load(g + i, end - i);
            const vecf y = vec_load(g + i + VEC_STEP, end - i - VEC_STEP);
            a += x * x;
            b += y * y;
        }
        if (i < end) {
            const vecf x = vec_load(g + i, end - i);
            a += x * x;
        }
        sum += a + b;
    }
    const float all = wg_sum(vec_sum(sum), s);
    if (get_local_id(0) == 0)
        TENSOR_PTR(part)[get_group_id(0)] = all;
}

ROW_KERNEL void grad_norm_root(TENSOR(float, out), TENSOR(const float, part), long B)
{
    ROW_SCRATCH(s);
    const float all = row_sum(TENSOR_PTR(part), B, s);

    if (get_local_id(0) == 0)
        TENSOR_PTR(out)[0] = sqrt(all);
}
