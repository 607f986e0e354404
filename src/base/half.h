#ifndef MADPO_BASE_HALF_H
#define MADPO_BASE_HALF_H
/* Numbers of 16 bits on the host: bf16 (the upper half of a float) and fp16 (IEEE binary16).
 *
 * Narrowing rounds to nearest, ties to even; what is too large becomes infinity, what is too small
 * a subnormal or zero, and a NaN stays a NaN (quiet, its upper bits kept). Widening is exact. The
 * 16-bit side may lie anywhere, aligned or not: it is usually a mapped file. */
#include <stddef.h>
#include <stdint.h>

void madpo_bf16_from_f32(uint16_t *out, const float *x, size_t n);
void madpo_f32_from_bf16(float *out, const void *x, size_t n);
void madpo_f16_from_f32(uint16_t *out, const float *x, size_t n);
void madpo_f32_from_f16(float *out, const void *x, size_t n);

#endif
