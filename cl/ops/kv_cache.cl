/* Storing keys or values of new tokens: cache[slot[t], pos[t], :] = x[token[t], :].
 * Shapes: cache [slots,P,C], x [*,C], token, slot, pos [n]. The targets must be distinct; a slot or
 * a position outside the cache stores nothing.
 * Mapping: one work-group per stored token, items stride over the C columns (vec.clh).
 * -D WG. Local memory: none. Copies only. Deterministic.
 */
#include "lib/vec.clh"

ROW_KERNEL void kv_cache_store(TENSOR(float, cache), TENSOR(const float, x),
                               TENSOR(const int, token), TENSOR(const int, slot),
                               TENSOR(const int, pos), long slots, long P, long C)
{
    const long t = get_group_id(0);
    /* ints: Mesa 22.3 (rusticl) folds the comparisons below wrongly for ints widened to long */
    const int s = TENSOR_PTR(slot)[t], p = TENSOR_PTR(pos)[t];

    if (s < 0 || s >= slots || p < 0 || p >= P)
        return;
    __global float *to = TENSOR_PTR(cache) + ((long)s * P + p) * C;
    __global const float *from = TENSOR_PTR(x) + TENSOR_PTR(token)[t] * C;
    for (long i = VEC_FIRST; i < C; i += VEC_STEP)
        vec_store(vec_load(from + i, C - i), to + i, C - i);
}
