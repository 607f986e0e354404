/* Plain activation (activation.clh).
 *   act_fwd  y = act(a)
 *   act_bwd  da = dy act'(a) (+ da)
 * Shapes: all [n]. y may be a; when overwriting, da may be a or dy.
 * Mapping: one work-group per `block` contiguous elements, items stride through it (vec.clh).
 * -D WG, ACT. Local memory: none. fp32, no accumulation. Deterministic.
 * offline: -DACT=0
 * offline: -DACT=1
 * offline: -DACT=2
 */
#include "lib/vec.clh"

#include "lib/activation.clh"

ROW_KERNEL void act_fwd(TENSOR(float, y), TENSOR(const float, a), long n, long block)
{
    const long first = (long)get_group_id(0) * block, m = min(block, n - first);
    __global float *y = TENSOR_PTR(y) + first;
    __global const float *a = TENSOR_PTR(a) + first;

    for (long i = VEC_FIRST; i < m; i += VEC_STEP) {
        const vecf va = vec_load(a + i, m - i);
        vec_store(va * act_gate(va), y + i, m - i);
    }
}

ROW_KERNEL void act_bwd(TENSOR(float, da), TENSOR(const float, dy), TENSOR(const float, a), long n,
                        long block, int accumulate)
{
    const long first = (long)get_group_id(0) * block, m = min(block, n - first);
    __global float *da = TENSOR_PTR(da) + first;
    __global const float *dy = TENSOR_PTR(dy) + first, *a = TENSOR_PTR(a) + first;

    for (long i = VEC_FIRST; i < m; i += VEC_STEP) {
        vecf slope;
        act_gate_slope(vec_load(a + i, m - i), &slope);
        vecf g = vec_load(dy + i, m - i) * slope;
        if (accumulate)
            g += vec_load(da + i, m - i);
        vec_store(g, da + i, m - i);
    }
}
