/* Rotary positions in place (Su et al. 2021), half-split form: dims i and i + half are a pair.
 *   y1 = x1 cos - x2 sin,  y2 = x2 cos + x1 sin,  x1 = x[t,h,i], x2 = x[t,h,i+half], i < half
 * inverse: the angle's sign is turned (the transposed matrix), which is the backward pass.
 * Shapes: x [T,H,D], pos [T], table [P,half,2] (cos, sin), 2 half = rotary dims <= D.
 * Mapping: one work-group per token. WG = 1 takes 16 pairs at a time and all heads with them; else
 * items stride over the (head, pair) list.
 * -D WG. Local memory: none. fp32, no accumulation. Deterministic.
 */
#include "lib/vec.clh"

#if WG == 1
/* 16 neighbouring (cos, sin) entries, fewer at the row's end, taken apart. */
static void rope_angles(__global const float *table, long left, vecf *c, vecf *s)
{
    const float16 a = vec_load(table, 2 * left);
    const float16 b = left > 8 ? vec_load(table + 16, 2 * left - 16) : (float16)0.0f;

    *c = (float16)(a.even, b.even);
    *s = (float16)(a.odd, b.odd);
}
#endif

ROW_KERNEL void rope(TENSOR(float, x), TENSOR(const int, pos), TENSOR(const float, table), long H,
                     long D, long half_n, int inverse)
{
    const long t = get_group_id(0);
    __global float *x = TENSOR_PTR(x) + t * H * D;
    __global const float *angle = TENSOR_PTR(table) + (long)TENSOR_PTR(pos)[t] * half_n * 2;
    const float sign = inverse ? -1.0f : 1.0f;

#if WG == 1
    for (long i = 0; i < half_n; i += VEC) {
        const long left = half_n - i;
        vecf c, s;
        rope_angles(angle + 2 * i, left, &c, &s);
        s *= sign;
        for (long h = 0; h < H; h++) {
            __global float *p1 = x + h * D + i, *p2 = p1 + half_n;
            const vecf x1 = vec_load(p1, left), x2 = vec_load(p2, left);
            vec_store(x1 * c - x2 * s, p1, left);
            vec_store(x2 * c + x1 * s, p2, left);
        }
    }
#else
    for (long k = get_local_id(0); k < H * half_n; k += WG) {
        const long h = k / half_n, i = k - h * half_n;
        const float c = angle[2 * i], s = sign * angle[2 * i + 1];
        __global float *p1 = x + h * D + i, *p2 = p1 + half_n;
        const float x1 = *p1, x2 = *p2;
        *p1 = x1 * c - x2 * s;
        *p2 = x2 * c + x1 * s;
    }
#endif
}
