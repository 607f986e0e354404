/* AdamW (Loshchilov & Hutter 2019), torch's order of operations; the host folds the step into
 * decay = 1 - lr wd, step = lr / (1 - b1^t), root_bias2 = sqrt(1 - b2^t).
 *   g' = grad_scale g;  m = b1 m + (1-b1) g';  v = b2 v + (1-b2) g'^2
 *   p = decay p - step m / (sqrt(v) / root_bias2 + eps)
 * Shapes: p, m, v [n] read-write, g [n].
 * Mapping: one work-group per `block` contiguous elements, items stride through it (vec.clh).
 * -D WG. Local memory: none. fp32, element by element. Deterministic.
 */
#include "lib/vec.clh"

ROW_KERNEL void adamw_step(TENSOR(float, p), TENSOR(const float, g), TENSOR(float, m),
                           TENSOR(float, v), long n, long block, float grad_scale, float b1,
                           float one_minus_b1, float b2, float one_minus_b2, float decay,
                           float step, float root_bias2, float eps)
{
    const long first = (long)get_group_id(0) * block, size = min(block, n - first);
    __global float *p = TENSOR_PTR(p) + first, *m = TENSOR_PTR(m) + first,
                   *v = TENSOR_PTR(v) + first;
    __global const float *g = TENSOR_PTR(g) + first;

    for (long i = VEC_FIRST; i < size; i += VEC_STEP) {
        const long left = size - i;
        const vecf gi = grad_scale * vec_load(g + i, left);
        const vecf mi = b1 * vec_load(m + i, left) + one_minus_b1 * gi;
        const vecf vi = b2 * vec_load(v + i, left) + one_minus_b2 * gi * gi;
        const vecf update = step * mi / (sqrt(vi) / root_bias2 + eps);
        vec_store(mi, m + i, left);
        vec_store(vi, v + i, left);
        vec_store(decay * vec_load(p + i, left) - update, p + i, left);
    }
}
