/* Matrix product by packed panels: C = alpha op(A) op(B) [+ C], fp32.
 *
 * op(A) [M,K] is packed into row panels    Ap[ceil(M/MR)][K][MR]
 * op(B) [K,N] is packed into column panels Bp[ceil(N/NR)][K][NR]
 * (both padded with zeros at the edge), so that the inner loop reads both with unit stride:
 *
 *        k ->                          one work-item: MR x NR block of C in registers,
 *   Ap  [ a0 a1 .. aMR-1 ][ ... ]      acc[i][:] = fma(Ap[k][i], Bp[k][:], acc[i][:])
 *   Bp  [ b0 b1 .. bNR-1 ][ ... ]
 *
 * Mapping: matmul_panel runs one work-item (work-group of one) per (column panel, run of `run` row
 * panels, batch item); the column panel stays in cache while the row panels pass.
 * Every element of C is one chain of fma over k in ascending order, so it depends only on its row, its
 * column and K: not on M, N, the batch, or the place in the panel. K is cut into blocks by the host
 * only (accumulating into C), at multiples that depend on nothing but K.
 * -D parameters: MR rows, NV vectors of VW floats: NR = NV * VW columns per panel.
 * Local memory 0 bytes. Accumulation fp32. Deterministic.
 * offline: -DMR=4 -DVW=4 -DNV=2
 */
#include "lib/types.clh"

#ifndef MR
#define MR 4
#endif
#ifndef VW
#define VW 4
#endif
#ifndef NV
#define NV 2
#endif
#define NR (VW * NV)

#define CAT_(a, b) a##b
#define CAT(a, b)  CAT_(a, b)
#define floatv     CAT(float, VW)
#define vloadv     CAT(vload, VW)
#define vstorev    CAT(vstore, VW)

#define ITEM_KERNEL __kernel __attribute__((reqd_work_group_size(1, 1, 1)))


/* Panels of op(A) or op(B) by stride: element (i, k) of the panel is src[i * si + k * sk]; exactly one of
 * si, sk is 1. One work-item packs `block` values of k of one panel. */
#define PACK_BODY(P)                                                                               \
    const long panel = get_global_id(0);                                                           \
    const long k0 = get_global_id(1) * block;                                                      \
    const long k1 = min(k0 + block, K);                                                            \
    const long batch = get_global_id(2);                                                           \
    const long left = count - panel * P;                                                           \
    __global const float *src = TENSOR_PTR(x) + batch * stride + panel * P * si;                   \
    __global float *dst = TENSOR_PTR(packed) + (batch * get_global_size(0) + panel) * K * P;       \
    if (left >= P) {                                                                               \
        for (long k = k0; k < k1; k++) {                                                           \
            _Pragma("unroll") for (int i = 0; i < P; i++) dst[k * P + i] = src[i * si + k * sk];   \
        }                                                                                          \
    } else {                                                                                       \
        for (long k = k0; k < k1; k++)                                                             \
            for (int i = 0; i < P; i++)                                                            \
                dst[k * P + i] = i < left ? src[i * si + k * sk] : 0.0f;                           \
    }

ITEM_KERNEL void matmul_pack_a(TENSOR(float, packed), TENSOR(const float, x), long count, long K,
                               long si, long sk, long stride, long block)
{
    PACK_BODY(MR)
}

ITEM_KERNEL void matmul_pack_b(TENSOR(float, packed), TENSOR(const float, x), long count, long K,
                               long si, long sk, long stride, long block)
{
    PACK_BODY(NR)
}

/* Store alpha * acc [+ C] of one vector; `cols` valid columns. */
static inline void store_vector(__global float *c, floatv v, float alpha, int accumulate, long cols)
{
    v *= alpha;
    if (cols >= VW) {
        if (accumulate)
            v += vloadv(0, c);
        vstorev(v, 0, c);
        return;
    }
    float t[VW];
    vstorev(v, 0, t);
    for (int j = 0; j < (int)cols; j++)
        c[j] = accumulate ? t[j] + c[j] : t[j];
}

/* Row panels [first, last) of one column panel, k in [k0, k0 + kn). */
ITEM_KERNEL void matmul_panel(TENSOR(float, C), TENSOR(const float, Ap), TENSOR(const float, Bp), long M,
                              long N, long K, long k0, long kn, long ldc, long stride_ap, long stride_bp,
                              long stride_c, long run, float alpha, int accumulate)
{
    const long jp = get_global_id(0);
    const long batch = get_global_id(2);
    const long panels = (M + MR - 1) / MR;
    const long first = get_global_id(1) * run;
    const long last = min(first + run, panels);
    __global const float *b_panel = TENSOR_PTR(Bp) + batch * stride_bp + (jp * K + k0) * NR;
    const long cols = N - jp * NR;

    for (long ip = first; ip < last; ip++) {
        __global const float *a = TENSOR_PTR(Ap) + batch * stride_ap + (ip * K + k0) * MR;
        __global const float *b = b_panel;
        floatv acc[MR][NV];
#pragma unroll
        for (int i = 0; i < MR; i++)
#pragma unroll
            for (int v = 0; v < NV; v++)
                acc[i][v] = 0.0f;
        for (long k = 0; k < kn; k++) {
            floatv bv[NV];
#pragma unroll
            for (int v = 0; v < NV; v++)
                bv[v] = vloadv(v, b);
#pragma unroll
            for (int i = 0; i < MR; i++) {
                const floatv av = (floatv)(a[i]);
#pragma unroll
                for (int v = 0; v < NV; v++)
                    acc[i][v] = fma(av, bv[v], acc[i][v]);
            }
            a += MR;
            b += NR;
        }
        const long rows = M - ip * MR;
        __global float *c = TENSOR_PTR(C) + batch * stride_c + ip * MR * ldc + jp * NR;
#pragma unroll
        for (int i = 0; i < MR; i++) {
            if (i < rows) {
#pragma unroll
                for (int v = 0; v < NV; v++)
                    if (cols > v * VW)
                        store_vector(c + i * ldc + v * VW, acc[i][v], alpha, accumulate, cols - v * VW);
            }
        }
    }
}

/* K = 0: C = 0 (a sum of nothing). */
ITEM_KERNEL void matmul_clear(TENSOR(float, C), long N, long ldc, long stride_c)
{
    __global float *c = TENSOR_PTR(C) + get_global_id(1) * stride_c + get_global_id(0) * ldc;
    for (long j = 0; j < N; j++)
        c[j] = 0.0f;
}
