/* Gated activation (Shazeer 2020).
 *   glu_fwd  y = act(a) b
 *   glu_bwd  da = dy b act'(a) (+ da),  db = dy act(a) (+ db)
 * Both activations are a sigma(z(a)): SiLU with z = a; tanh-GELU with z = 2k (a + 0.044715 a^3),
 * k = sqrt(2/pi), because (1 + tanh u)/2 = sigma(2u). Hence act' = s + a s (1-s) z'(a).
 * Shapes: all [n] (n = T F). y may be a or b; when overwriting, da may be a and db may be b.
 * Mapping: one work-group per `block` contiguous elements, items stride through it (vec.clh).
 * -D WG, GELU_TANH (0 SiLU, 1 tanh-GELU). Local memory: none. fp32, no accumulation. Deterministic.
 * offline: -DGELU_TANH=0
 * offline: -DGELU_TANH=1
 */
#include "lib/vec.clh"

#ifndef GELU_TANH
#define GELU_TANH 0
#endif

#define GELU_2K    1.5957691216057308f /* 2 sqrt(2/pi) */
#define GELU_CUBIC 0.044715f

/* exp overflows to infinity for large negative z and the quotient is then 0, as it should be. */
static vecf glu_gate(vecf a)
{
#if GELU_TANH
    const vecf z = GELU_2K * (a + GELU_CUBIC * a * a * a);
#else
    const vecf z = a;
#endif
    return 1.0f / (1.0f + exp(-z));
}

static vecf glu_slope(vecf a, vecf s)
{
#if GELU_TANH
    const vecf dz = GELU_2K * (1.0f + 3.0f * GELU_CUBIC * a * a);
    return s + a * s * (1.0f - s) * dz;
#else
    return s + a * s * (1.0f - s);
#endif
}

ROW_KERNEL void glu_fwd(TENSOR(float, y), TENSOR(const float, a), TENSOR(const float, b), long n,
                        long block)
{
    const long first = (long)get_group_id(0) * block, m = min(block, n - first);
    __global float *y = TENSOR_PTR(y) + first;
    __global const float *a = TENSOR_PTR(a) + first, *b = TENSOR_PTR(b) + first;

    for (long i = VEC_FIRST; i < m; i += VEC_STEP) {
        const vecf va = vec_load(a + i, m - i);
        vec_store(va * glu_gate(va) * vec_load(b + i, m - i), y + i, m - i);
    }
}

ROW_KERNEL void glu_bwd(TENSOR(float, da), TENSOR(float, db), TENSOR(const float, dy),
                        TENSOR(const float, a), TENSOR(const float, b), long n, long block,
                        int accumulate)
{
    const long first = (long)get_group_id(0) * block, m = min(block, n - first);
    __global float *da = TENSOR_PTR(da) + first, *db = TENSOR_PTR(db) + first;
    __global const float *dy = TENSOR_PTR(dy) + first;
    __global const float *a = TENSOR_PTR(a) + first, *b = TENSOR_PTR(b) + first;

    for (long i = VEC_FIRST; i < m; i += VEC_STEP) {
        const vecf va = vec_load(a + i, m - i), g = vec_load(dy + i, m - i);
        const vecf s = glu_gate(va);
        vecf ga = g * vec_load(b + i, m - i) * glu_slope(va, s);
        vecf gb = g * va * s;
        if (accumulate) {
            ga += vec_load(da + i, m - i);
            gb += vec_load(db + i, m - i);
        }
        vec_store(ga, da + i, m - i);
        vec_store(gb, db + i, m - i);
    }
}
