/* Divergence of two next-token distributions from logits that come in vocabulary chunks (the
 * products themselves are matrix products, ops/matmul.h).
 *   head_kl_chunk    with P, Q the softmax of rows zp, zq: KL(P || Q) = sum_v P_v (zp_v - zq_v)
 *                    - (lse_p - lse_q). Over the chunks run both maxima m and sums s of e^(z - m)
 *                    and a = sum_v e^(zp_v - m_p) (zp_v - zq_v), rescaled when m_p moves; after
 *                    the last: kl = a / s_p - (m_p - m_q) - log(s_p / s_q)
 * Shapes: zp, zq [R,n] dense; state [R,5] = m_p, s_p, a, m_q, s_q between chunks; kl [R] written
 * after the last. Mapping: one work-group per row, items stride over the columns. -D WG. Local
 * memory: 4 WG bytes. Sums in fp32 by fixed trees. Deterministic. The differences cancel: the
 * error of kl is about 1e-7 times the logits, however small kl is; equal logits give exactly 0.
 */
#include "lib/reduce.clh"
#include "lib/softmax.clh"

#if WG == 1
#define exp_vec exp_16
#else
#define exp_vec exp_one
#endif

/* sum_j e^(z_j - m), and in *a the sum of e^(z_j - m) (z_j - y_j). */
LOCAL_FN float row_sums(__global const float *z, __global const float *y, long n, float m, float *a,
                        __local float *s)
{
    vecf e = 0.0f, d = 0.0f;
    for (long j = VEC_FIRST; j < n; j += VEC_STEP) {
        const vecf w = exp_vec(vec_load_or(z + j, n - j, MASKED) - m);
        e += w;
        d += w * (vec_load_or(z + j, n - j, 0.0f) - vec_load_or(y + j, n - j, 0.0f));
    }
    *a = wg_sum(vec_sum(d), s);
    return wg_sum(vec_sum(e), s);
}

ROW_KERNEL void head_kl_chunk(TENSOR(float, kl), TENSOR(float, state), TENSOR(const float, zp),
                              TENSOR(const float, zq), long n, int first, int last)
{
    ROW_SCRATCH(s);
    const long i = get_group_id(0);
    __global const float *p = TENSOR_PTR(zp) + i * n, *q = TENSOR_PTR(zq) + i * n;
    __global float *row = TENSOR_PTR(state) + 5 * i;
    const float mp_old = first ? MASKED : row[0], sp_old = first ? 0.0f : row[1];
    const float a_old = first ? 0.0f : row[2];
    const float mq_old = first ? MASKED : row[3], sq_old = first ? 0.0f : row[4];
    const float mp = fmax(mp_old, row_max(p, n, s)), mq = fmax(mq_old, row_max(q, n, s));
    const float shift = exp_one(mp_old - mp);
    float a, unused;
    const float sp = shift * sp_old + row_sums(p, q, n, mp, &a, s);
    const float sq = exp_one(mq_old - mq) * sq_old + row_sums(q, q, n, mq, &unused, s);

    a += shift * a_old;
#if WG > 1
    barrier(CLK_GLOBAL_MEM_FENCE); /* every item has read what the first now replaces */
#endif
    if (get_local_id(0) == 0) {
        row[0] = mp;
        row[1] = sp;
        row[2] = a;
        row[3] = mq;
        row[4] = sq;
        if (last)
            TENSOR_PTR(kl)[i] = a / sp - (mp - mq) - log(sp / sq);
    }
}
