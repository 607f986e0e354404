/* Gated activation (Shazeer 2020); act of activation.clh.
 *   glu_fwd  y = act(a) b
 *   glu_bwd  da = dy b act'(a) (+ da),  db = dy act(a) (+ db)
 * Shapes: all [n] (n = T F). y may be a or b; when overwriting, da may be a and db may be b.
 * Mapping: one work-group per `block` contiguous elements, items stride through it (vec.clh).
 * -D WG, ACT. Local memory: none. fp32, no accumulation. Deterministic.
 * offline: -DACT=0
 * offline: -DACT=1
 * offline: -DACT=2
 */
#include "lib/vec.clh"

#include "lib/activation.clh"

ROW_KERNEL void glu_fwd(TENSOR(float, y), TENSOR(const float, a), TENSOR(const float, b), long n,
                        long block)
{
    const long first = (long)get_group_id(0) * block, m = min(block, n - first);
    __global float *y = TENSOR_PTR(y) + first;
    __global const float *a = TENSOR_PTR(a) + first, *b = TENSOR_PTR(b) + first;

    for (long i = VEC_FIRST; i < m; i += VEC_STEP) {
        const vecf va = vec_load(a + i, m - i);
        vec_store(va * act_gate(va) * vec_load(b + i, m - i), y + i, m - i);
    }
}

ROW_KERNEL void glu_bwd(TENSOR(float, da), TENSOR(float, db), TENSOR(const float, dy),
                        TENSOR(const float, a), TENSOR(const float, b), long n, long block,
                        int accumulate)
{
    const long first = (long)get_group_id(0) * block, m = min(block, n - first);
    __global float *da = TENSOR_PTR(da) + first, *db = TENSOR_PTR(db) + first;
    __global const float *dy = TENSOR_PTR(dy) + first;
    __global const float *a = TENSOR_PTR(a) + first, *b = TENSOR_PTR(b) + first;

    for (long i = VEC_FIRST; i < m; i += VEC_STEP) {
        const vecf va = vec_load(a + i, m - i), g = vec_load(dy + i, m - i);
        vecf slope;
        const vecf s = act_gate_slope(va, &slope);
        vecf ga = g * vec_load(b + i, m - i) * slope;
        vecf gb = g * va * s;
        if (accumulate) {
            ga += vec_load(da + i, m - i);
            gb += vec_load(db + i, m - i);
        }
        vec_store(ga, da + i, m - i);
        vec_store(gb, db + i, m - i);
    }
}
