/* Token embedding.
 *   embedding_fwd  x[t,:] = scale E[ids[t],:]          x [T,C], ids [T], E [V,C]
 *                  an id outside 0..V-1 gives a row of NaN, never an access outside E
 *   embedding_bwd  dE[uniq[u],:] = scale sum_k dx[uniq_token[k],:] (+ dE[uniq[u],:]),
 *                  k = uniq_start[u] .. uniq_start[u+1]-1 in this order; other rows are not touched
 * Mapping: one work-group per token (fwd) or distinct id (bwd), items stride over the C columns.
 * -D WG, W_TYPE how E is stored (forward only). Local memory: none. Sums in fp32, one accumulator
 * per column. Deterministic: no atomics, every row of dE has one owner.
 *
 * offline: -DW_TYPE=0
 * offline: -DW_TYPE=1
 * offline: -DW_TYPE=2
 */
#include "lib/weight.clh"

ROW_KERNEL void embedding_fwd(TENSOR(float, x), TENSOR(const int, ids), TENSOR(const WEIGHT, E),
                              float scale, int V, long C)
{
    const long t = get_group_id(0);
    /* an int: Mesa 22.3 (rusticl) folds the two comparisons wrongly for an int widened to long */
    const int id = TENSOR_PTR(ids)[t];
    const bool valid = id >= 0 && id < V;
    __global float *x = TENSOR_PTR(x) + t * C;
    __global const WEIGHT *e = TENSOR_PTR(E) + (valid ? (long)id * C : 0);
    const float factor = valid ? scale : NAN;

    for (long i = VEC_FIRST; i < C; i += VEC_STEP)
        vec_store(factor * weight_load(e + i, C - i), x + i, C - i);
}

ROW_KERNEL void embedding_bwd(TENSOR(float, dE), TENSOR(const float, dx), TENSOR(const int, uniq),
                              TENSOR(const int, uniq_start), TENSOR(const int, uniq_token),
                              float scale, long C, int accumulate)
{
    const long u = get_group_id(0);
    const int begin = TENSOR_PTR(uniq_start)[u], end = TENSOR_PTR(uniq_start)[u + 1];
    __global float *de = TENSOR_PTR(dE) + (long)TENSOR_PTR(uniq)[u] * C;
    __global const float *dx = TENSOR_PTR(dx);
    __global const int *token = TENSOR_PTR(uniq_token);

    for (long i = VEC_FIRST; i < C; i += VEC_STEP) {
        vecf sum = 0.0f;
        for (int k = begin; k < end; k++)
            sum += vec_load(dx + token[k] * C + i, C - i);
        sum *= scale;
        if (accumulate)
            sum += vec_load(de + i, C - i);
        vec_store(sum, de + i, C - i);
    }
}
