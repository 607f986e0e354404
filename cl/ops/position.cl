/* Learned positions.
 *   position_fwd  x[t,:] += P[pos[t],:]; a position outside 0..n_pos-1 gives a row of NaN, never an
 *                 access outside P
 *   position_bwd  dP[p,:] = sum of dx[t,:] over the t with pos[t] = p (+ dP[p,:])
 * Shapes: x, dx [T,C], pos [T], P, dP [n_pos,C].
 * Mapping: fwd one work-group per token. bwd one per position: it goes through pos in chunks, each
 * item lists the tokens of its part of the chunk that lie at this position, and then all items
 * stride over the columns of the tokens listed. No atomics, every row of dP has one owner.
 * -D WG. Local memory (bwd): 4 (CHUNK + WG) bytes. fp32: the tokens of a chunk are summed in
 * ascending order, and so are the chunks. Deterministic.
 */
#include "lib/vec.clh"

#define PART  (WG == 1 ? 512 : 8) /* tokens one item looks at */
#define CHUNK (PART * WG)

ROW_KERNEL void position_fwd(TENSOR(float, x), TENSOR(const int, pos), TENSOR(const float, P),
                             int n_pos, long C)
{
    const long t = get_group_id(0);
    /* an int: Mesa 22.3 (rusticl) folds the two comparisons wrongly for an int widened to long */
    const int p = TENSOR_PTR(pos)[t];
    const bool valid = p >= 0 && p < n_pos;
    __global float *x = TENSOR_PTR(x) + t * C;
    __global const float *row = TENSOR_PTR(P) + (valid ? (long)p * C : 0);
    const float factor = valid ? 1.0f : NAN;

    for (long i = VEC_FIRST; i < C; i += VEC_STEP)
        vec_store(vec_load(x + i, C - i) + factor * vec_load(row + i, C - i), x + i, C - i);
}

/* List the tokens t of [begin,end) with pos[t] = p in ascending order; returns how many. Each item
 * counts those of its part first, which tells everyone where its own begin. */
LOCAL_FN int position_list(__local int *list, __local int *count, __global const int *pos,
                           long begin, long end, int p)
{
    const int lid = get_local_id(0);
    const long first = begin + lid * PART, last = min(first + PART, end);
    int n = 0, at = 0, all = 0;

    for (long t = first; t < last; t++)
        n += pos[t] == p;
    count[lid] = n;
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 1 /* unrolled, it spills scalar registers on AMD */
    for (int i = 0; i < WG; i++) {
        at += i < lid ? count[i] : 0;
        all += count[i];
    }
    for (long t = first; n > 0 && t < last; t++) {
        if (pos[t] == p)
            list[at++] = (int)t;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return all;
}

ROW_KERNEL void position_bwd(TENSOR(float, dP), TENSOR(const float, dx), TENSOR(const int, pos),
                             long T, long C, int accumulate)
{
    __local int list[CHUNK], count[WG];
    const int p = get_group_id(0);
    __global float *dp = TENSOR_PTR(dP) + (long)p * C;
    __global const float *dx = TENSOR_PTR(dx);
    __global const int *pos = TENSOR_PTR(pos);

    if (!accumulate) {
        for (long i = VEC_FIRST; i < C; i += VEC_STEP)
            vec_store((vecf)0.0f, dp + i, C - i);
    }
    for (long begin = 0; begin < T; begin += CHUNK) {
        const int n = position_list(list, count, pos, begin, min(begin + CHUNK, T), p);
        for (long i = VEC_FIRST; n > 0 && i < C; i += VEC_STEP) {
            vecf sum = 0.0f;
            for (int k = 0; k < n; k++)
                sum += vec_load(dx + (long)list[k] * C + i, C - i);
            vec_store(vec_load(dp + i, C - i) + sum, dp + i, C - i);
        }
        barrier(CLK_LOCAL_MEM_FENCE); /* the list is free for the next chunk */
    }
}
