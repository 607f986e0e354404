/* Fused head: log-probs of labels from logits that come in vocabulary chunks (the products
 * themselves are matrix products, ops/matmul.h).
 *   head_gather      rows[i,:] = hidden[row_token[i],:]
 *   head_chunk_fwd   running maximum m and sum s over the chunk's logits z [R,n] of vocabulary
 *                    [v0, v0+n): s = s e^(m_old - m) + sum_j e^(z_j - m); the label's logit is
 *                    kept.
 *                    After the last chunk: lse = m + log s, logp = z_label - lse, zmax = m
 *   head_chunk_bwd   z_j becomes dz_j = coef ([j = label] - e^(z_j - lse))
 *   head_scatter     dhidden[t,:] = sum of drows[i,:] over the rows i of token t (+ dhidden)
 * and for a frozen W the expected row of W, which takes one more product per chunk, P W:
 *   head_chunk_expect    after head_chunk_fwd: P_j = e^(z_j - m) in the place of z; the rows so
 * far, expect [R,C], and their sum are scaled by e^(m_old - m), m_old in `shift` head_end_expect
 * expect = w - expect / sum, w [R,C] the labels' rows of W: d logp/dh head_scatter_expect
 * dhidden[t,:] = sum of coef[i] expect[i,:] over the rows i of t (+ dhidden) Shapes: hidden,
 * dhidden [T,C]; rows, drows, expect [R,C]; z [R,n] dense; row_token, row_label, tok_row [R],
 * tok_row_start [T+1] i32; logp, lse, zmax, coef, shift, sum [R]. Between chunks logp holds z_label
 * and lse holds s. Mapping: one work-group per row (head_scatter: per token), items stride over the
 * columns. -D WG. Local memory: 4 WG bytes. Sums in fp32 by fixed trees. Deterministic.
 */
#include "lib/reduce.clh"
#include "lib/softmax.clh"

#if WG == 1
#define exp_vec exp_16
#else
#define exp_vec exp_one
#endif

ROW_KERNEL void head_gather(TENSOR(float, rows), TENSOR(const float, hidden),
                            TENSOR(const int, row_token), long C)
{
    const long i = get_group_id(0);
    __global const float *x = TENSOR_PTR(hidden) + (long)TENSOR_PTR(row_token)[i] * C;
    __global float *y = TENSOR_PTR(rows) + i * C;

    for (long j = VEC_FIRST; j < C; j += VEC_STEP)
        vec_store(vec_load(x + j, C - j), y + j, C - j);
}

/* sum_j e^(z_j - m); places past the end count as 0. */
LOCAL_FN float row_sum_exp(__global const float *z, long n, float m, __local float *s)
{
    vecf a = 0.0f;
    for (long j = VEC_FIRST; j < n; j += VEC_STEP)
        a += exp_vec(vec_load_or(z + j, n - j, MASKED) - m);
    return wg_sum(vec_sum(a), s);
}

ROW_KERNEL void head_chunk_fwd(TENSOR(float, logp), TENSOR(float, lse), TENSOR(float, zmax),
                               TENSOR(const float, z), TENSOR(const int, row_label), long v0,
                               long n, int first, int last)
{
    ROW_SCRATCH(s);
    const long i = get_group_id(0);
    __global const float *zi = TENSOR_PTR(z) + i * n;
    const long label = TENSOR_PTR(row_label)[i] - v0;
    const float m_old = first ? MASKED : TENSOR_PTR(zmax)[i];
    const float s_old = first ? 0.0f : TENSOR_PTR(lse)[i];
    const float z_old = first ? 0.0f : TENSOR_PTR(logp)[i];
    const float m = fmax(m_old, row_max(zi, n, s));
    const float sum = s_old * exp_one(m_old - m) + row_sum_exp(zi, n, m, s);
    const float z_label = label >= 0 && label < n ? zi[label] : z_old;

#if WG > 1
    barrier(CLK_GLOBAL_MEM_FENCE); /* every item has read what the first now replaces */
#endif
    if (get_local_id(0) == 0) {
        /* lse is formed once and subtracted as it is stored, so that logp == zmax - lse holds to
         * the bit where the label is the arg max */
        const float l = last ? m + log(sum) : sum;
        TENSOR_PTR(zmax)[i] = m;
        TENSOR_PTR(lse)[i] = l;
        TENSOR_PTR(logp)[i] = last ? z_label - l : z_label;
    }
}

ROW_KERNEL void head_chunk_expect(TENSOR(float, z), TENSOR(float, expect), TENSOR(float, shift),
                                  TENSOR(float, sum), TENSOR(const float, zmax), long n, long C,
                                  int first)
{
    ROW_SCRATCH(s);
    const long i = get_group_id(0);
    __global float *zi = TENSOR_PTR(z) + i * n;
    __global float *e = TENSOR_PTR(expect) + i * C;
    const float m = TENSOR_PTR(zmax)[i];
    const float scale = first ? 0.0f : exp_one(TENSOR_PTR(shift)[i] - m);
    const float before = first ? 0.0f : scale * TENSOR_PTR(sum)[i];
    vecf a = 0.0f;

    for (long j = VEC_FIRST; j < n; j += VEC_STEP) {
        const vecf p = exp_vec(vec_load_or(zi + j, n - j, MASKED) - m);
        vec_store(p, zi + j, n - j);
        a += p;
    }
    /* the product overwrites the first chunk's; often the maximum stays where it was */
    if (!first && scale != 1.0f) {
        for (long j = VEC_FIRST; j < C; j += VEC_STEP)
            vec_store(scale * vec_load(e + j, C - j), e + j, C - j);
    }
    const float all = before + wg_sum(vec_sum(a), s);
#if WG > 1
    barrier(CLK_GLOBAL_MEM_FENCE); /* every item has read what the first now replaces */
#endif
    if (get_local_id(0) == 0) {
        TENSOR_PTR(shift)[i] = m;
        TENSOR_PTR(sum)[i] = all;
    }
}

ROW_KERNEL void head_end_expect(TENSOR(float, expect), TENSOR(const float, w),
                                TENSOR(const float, sum), long C)
{
    const long i = get_group_id(0);
    __global float *e = TENSOR_PTR(expect) + i * C;
    __global const float *wi = TENSOR_PTR(w) + i * C;
    const float inverse = 1.0f / TENSOR_PTR(sum)[i];

    for (long j = VEC_FIRST; j < C; j += VEC_STEP)
        vec_store(vec_load(wi + j, C - j) - inverse * vec_load(e + j, C - j), e + j, C - j);
}

ROW_KERNEL void head_chunk_bwd(TENSOR(float, z), TENSOR(const float, lse),
                               TENSOR(const float, coef), TENSOR(const int, row_label), long v0,
                               long n)
{
    const long i = get_group_id(0);
    __global float *zi = TENSOR_PTR(z) + i * n;
    const long label = TENSOR_PTR(row_label)[i] - v0;
    const float l = TENSOR_PTR(lse)[i], c = TENSOR_PTR(coef)[i];

    for (long j = VEC_FIRST; j < n; j += VEC_STEP)
        vec_store(-c * exp_vec(vec_load(zi + j, n - j) - l), zi + j, n - j);
#if WG > 1
    barrier(CLK_GLOBAL_MEM_FENCE);
#endif
    if (get_local_id(0) == 0 && label >= 0 && label < n)
        zi[label] += c;
}

ROW_KERNEL void head_scatter(TENSOR(float, dhidden), TENSOR(const float, drows),
                             TENSOR(const int, tok_row_start), TENSOR(const int, tok_row), long C,
                             int accumulate)
{
    const long t = get_group_id(0);
    __global float *y = TENSOR_PTR(dhidden) + t * C;
    __global const float *x = TENSOR_PTR(drows);
    __global const int *tok_row = TENSOR_PTR(tok_row);
    const int first = TENSOR_PTR(tok_row_start)[t], last = TENSOR_PTR(tok_row_start)[t + 1];

    for (long j = VEC_FIRST; j < C; j += VEC_STEP) {
        vecf a = accumulate ? vec_load(y + j, C - j) : (vecf)(0.0f);
        for (int k = first; k < last; k++)
            a += vec_load(x + (long)tok_row[k] * C + j, C - j);
        vec_store(a, y + j, C - j);
    }
}

ROW_KERNEL void head_scatter_expect(TENSOR(float, dhidden), TENSOR(const float, expect),
                                    TENSOR(const float, coef), TENSOR(const int, tok_row_start),
                                    TENSOR(const int, tok_row), long C, int accumulate)
{
    const long t = get_group_id(0);
    __global float *y = TENSOR_PTR(dhidden) + t * C;
    __global const float *x = TENSOR_PTR(expect);
    __global const float *coef = TENSOR_PTR(coef);
    __global const int *tok_row = TENSOR_PTR(tok_row);
    const int first = TENSOR_PTR(tok_row_start)[t], last = TENSOR_PTR(tok_row_start)[t + 1];

    for (long j = VEC_FIRST; j < C; j += VEC_STEP) {
        vecf a = accumulate ? vec_load(y + j, C - j) : (vecf)(0.0f);
        for (int k = first; k < last; k++)
            a += coef[tok_row[k]] * vec_load(x + (long)tok_row[k] * C + j, C - j);
        vec_store(a, y + j, C - j);
    }
}
