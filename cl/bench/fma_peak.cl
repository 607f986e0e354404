/* The most fused multiply-adds a device does: the denominator of `madpo bench matmul`.
 *
 * Every item runs CHAINS independent chains a = a x + y of vectors of VW floats, `n` steps each;
 * nothing is loaded or stored in between. Flops: 2 VW CHAINS n per item. CHAINS covers the latency
 * of the units and fits the registers. -D parameters: VW (1, 4, 8, 16), CHAINS, WG. No local
 * memory.
 */
#include "lib/types.clh"

#ifndef VW
#define VW 4
#endif
#ifndef CHAINS
#define CHAINS 8
#endif
#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#if VW == 1
typedef float vec;
#else
typedef JOIN(float, VW) vec;
#endif

/* out [items] write; x, y are such that the chains stay bounded and no compiler can know it */
ROW_KERNEL void fma_peak(TENSOR(float, out), float x, float y, int n)
{
    vec a[CHAINS];
#pragma unroll
    for (int i = 0; i < CHAINS; i++)
        a[i] = (vec)(y * (float)(i + 1));
    for (int k = 0; k < n; k++) {
#pragma unroll
        for (int i = 0; i < CHAINS; i++)
            a[i] = fma(a[i], (vec)(x), (vec)(y));
    }
    vec sum = 0.0f;
#pragma unroll
    for (int i = 0; i < CHAINS; i++)
        sum += a[i];
    float t[VW], all = 0.0f;
#if VW == 1
    t[0] = sum;
#else
    JOIN(vstore, VW)(sum, 0, t);
#endif
    for (int i = 0; i < VW; i++)
        all += t[i];
    TENSOR_PTR(out)[get_global_id(0)] = all;
}
