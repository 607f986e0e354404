/* Scalar reward head with last-token pooling.
 *   reward_head_fwd    reward[s] = sum_c w[c] hidden[last[s], c]
 *   reward_head_bwd_x  dhidden[last[s],:] += dreward[s] w      (last[] distinct: no two groups
 *   meet)
 *   reward_head_bwd_w  dw[c] = sum_s dreward[s] hidden[last[s], c] (+ dw), s ascending
 * Shapes: hidden, dhidden [T,C]; w, dw [C]; reward, dreward [S]; last [S] i32.
 * Mapping: fwd and bwd_x one work-group per sequence, items stride over the columns; bwd_w one
 * work-group per WG * VEC columns.
 * -D WG. Local memory: 4 WG bytes in fwd. Sums in fp32 in a fixed order. Deterministic.
 */
#include "lib/reduce.clh"

ROW_KERNEL void reward_head_fwd(TENSOR(float, reward), TENSOR(const float, hidden),
                                TENSOR(const int, last), TENSOR(const float, w), long C)
{
    ROW_SCRATCH(scratch);
    const long s = get_group_id(0);
    __global const float *x = TENSOR_PTR(hidden) + (long)TENSOR_PTR(last)[s] * C;
    const float r = row_dot(x, TENSOR_PTR(w), C, scratch);

    if (get_local_id(0) == 0)
        TENSOR_PTR(reward)[s] = r;
}

ROW_KERNEL void reward_head_bwd_x(TENSOR(float, dhidden), TENSOR(const float, dreward),
                                  TENSOR(const int, last), TENSOR(const float, w), long C)
{
    const long s = get_group_id(0);
    __global float *dx = TENSOR_PTR(dhidden) + (long)TENSOR_PTR(last)[s] * C;
    __global const float *w = TENSOR_PTR(w);
    const float d = TENSOR_PTR(dreward)[s];

    for (long c = VEC_FIRST; c < C; c += VEC_STEP)
        vec_store(vec_load(dx + c, C - c) + d * vec_load(w + c, C - c), dx + c, C - c);
}

ROW_KERNEL void reward_head_bwd_w(TENSOR(float, dw), TENSOR(const float, dreward),
                                  TENSOR(const float, hidden), TENSOR(const int, last), long S,
                                  long C, int accumulate)
{
    const long c = get_group_id(0) * VEC_STEP + VEC_FIRST;
    __global float *dw = TENSOR_PTR(dw) + c;
    __global const float *hidden = TENSOR_PTR(hidden) + c;
    __global const float *dreward = TENSOR_PTR(dreward);
    __global const int *last = TENSOR_PTR(last);

    if (c >= C)
        return;
    vecf a = accumulate ? vec_load(dw, C - c) : (vecf)(0.0f);
    for (long s = 0; s < S; s++)
        a += dreward[s] * vec_load(hidden + (long)last[s] * C, C - c);
    vec_store(a, dw, C - c);
}
