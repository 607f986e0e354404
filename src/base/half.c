/* 16-bit numbers; see half.h. */
#include "base/half.h"

#include <string.h>

static uint32_t bits_of(float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float x;

    memcpy(&x, &u, sizeof x);
    return x;
}

static uint16_t code_at(const void *x, size_t i)
{
    uint16_t code;

    memcpy(&code, (const unsigned char *)x + i * sizeof code, sizeof code);
    return code;
}

/* u / 2^shift to nearest, ties to even. */
static uint32_t round_shift(uint32_t u, unsigned shift)
{
    const uint32_t odd = u >> shift & 1;

    return (u + (1u << (shift - 1)) - 1 + odd) >> shift;
}

static uint16_t bf16_of(float x)
{
    const uint32_t u = bits_of(x);

    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40); /* rounding could carry a NaN over to infinity */
    return (uint16_t)round_shift(u, 16);
}

/* Exponents: 8 bits biased by 127 become 5 bits biased by 15; the mantissa loses 13 of 23 bits. */
static uint16_t f16_of(float x)
{
    const uint32_t u = bits_of(x), sign = u >> 16 & 0x8000, mag = u & 0x7fffffffu;

    if (mag > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00 | (mag >> 13 & 0x3ff));
    if (mag >= 0x477ff000u) /* 65520: half way from the largest number to the next */
        return (uint16_t)(sign | 0x7c00);
    if (mag >= 0x38800000u) /* 2^-14, the smallest normal; a carry into the exponent is right */
        return (uint16_t)(sign | round_shift(mag - (112u << 23), 13));
    if (mag < 0x33000000u) /* below 2^-25, half the smallest subnormal */
        return (uint16_t)sign;
    /* units of 2^-24: the 24 bits of the mantissa, shifted by 14 for 2^-15 up to 24 for 2^-25 */
    return (uint16_t)(sign | round_shift((mag & 0x7fffffu) | 0x800000u, 126 - (mag >> 23)));
}

static float f32_of_f16(uint16_t code)
{
    const uint32_t sign = (uint32_t)(code & 0x8000) << 16, exponent = code >> 10 & 0x1f;
    const uint32_t mantissa = code & 0x3ff;

    if (exponent == 0x1f)
        return float_of(sign | 0x7f800000u | mantissa << 13);
    if (exponent == 0) {
        const float x = (float)mantissa * 0x1p-24f;

        return sign ? -x : x;
    }
    return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

void madpo_bf16_from_f32(uint16_t *out, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = bf16_of(x[i]);
}

void madpo_f32_from_bf16(float *out, const void *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = float_of((uint32_t)code_at(x, i) << 16);
}

void madpo_f16_from_f32(uint16_t *out, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = f16_of(x[i]);
}

void madpo_f32_from_f16(float *out, const void *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = f32_of_f16(code_at(x, i));
}
