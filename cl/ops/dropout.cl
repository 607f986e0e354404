/* Inverted dropout (Srivastava et al. 2014); the mask is drawn anew wherever it is needed.
 *   dropout  y[i] = (word[i] >= least ? scale x[i] : 0) (+ y[i]),   scale = 1 / (1-p)
 *            word[i] = word i % 4 of the Philox block of counter i / 4 in (seed, stream) (rng.clh)
 * Shapes: y, x [n]. y may be x when overwriting. least = p 2^32, rounded up.
 * Mapping: one work-group per `block` contiguous elements, a multiple of 16. An item takes the four
 * elements of one Philox block, or 16 where WG = 1.
 * -D WG. Local memory: none. fp32, no accumulation. Deterministic, and the same mask on any device.
 */
#include "lib/vec.clh"

#include "lib/rng.clh"

ROW_KERNEL void dropout(TENSOR(float, y), TENSOR(const float, x), long n, long block, float scale,
                        ulong least, ulong seed, ulong stream, int accumulate)
{
    const long first = (long)get_group_id(0) * block, m = min(block, n - first);
    __global float *y = TENSOR_PTR(y) + first;
    __global const float *x = TENSOR_PTR(x) + first;

#if WG == 1
    for (long i = 0; i < m; i += VEC) {
        const uint16 word = philox_blocks(seed, stream, (ulong)(first + i) / 4);
        vecf v = word >= (uint)least ? scale * vec_load(x + i, m - i) : (vecf)0.0f;
        if (accumulate)
            v += vec_load(y + i, m - i);
        vec_store(v, y + i, m - i);
    }
#else
    for (long i = 4 * (long)get_local_id(0); i < m; i += 4 * WG) {
        const uint4 w = philox_block(seed, stream, (ulong)(first + i) / 4);
        const uint word[4] = {w.s0, w.s1, w.s2, w.s3};
        for (int j = 0; j < 4 && i + j < m; j++) {
            const float v = word[j] >= (uint)least ? scale * x[i + j] : 0.0f;
            y[i + j] = accumulate ? y[i + j] + v : v;
        }
    }
#endif
}
