/* 16-bit numbers: every code both ways, against arithmetic that does not look at bits; ties. */
#include "base/half.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

typedef struct format {
    int exponent_bits, mantissa_bits;
    void (*narrow)(uint16_t *out, const float *x, size_t n);
    void (*widen)(float *out, const void *x, size_t n);
} format;

static const format formats[] = {
    {8, 7, madpo_bf16_from_f32, madpo_f32_from_bf16},
    {5, 10, madpo_f16_from_f32, madpo_f32_from_f16},
};

/* What a code means, by the definition of the format. */
static double meaning(const format *f, unsigned code)
{
    const int bias = (1 << (f->exponent_bits - 1)) - 1;
    const int mantissa = (int)(code & ((1u << f->mantissa_bits) - 1));
    const int exponent = (int)(code >> f->mantissa_bits & ((1u << f->exponent_bits) - 1));
    const double sign = code & 0x8000 ? -1 : 1;

    if (exponent == (1 << f->exponent_bits) - 1)
        return mantissa ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexp(mantissa, 1 - bias - f->mantissa_bits);
    return sign * ldexp(mantissa + (1 << f->mantissa_bits), exponent - bias - f->mantissa_bits);
}

static float widened(const format *f, uint16_t code)
{
    float x;

    f->widen(&x, &code, 1);
    return x;
}

static uint16_t narrowed(const format *f, float x)
{
    uint16_t code;

    f->narrow(&code, &x, 1);
    return code;
}

static void test_all_codes(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        const format *f = &formats[k];

        for (unsigned code = 0; code < 65536; code++) {
            const double want = meaning(f, code);
            const float got = widened(f, (uint16_t)code);

            if (isnan(want)) {
                assert_true(isnan(got));
                assert_true(isnan(meaning(f, narrowed(f, got))));
                continue;
            }
            assert_true(got == want && !signbit(got) == !signbit(want));
            assert_int_equal(narrowed(f, got), code);
        }
    }
}

/* Between neighbouring codes: the middle goes to the even one, a hair to either side to the nearer.
 * Above the largest number the next would be 2^(largest exponent + 1), whose place infinity takes.
 */
static void test_rounding(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        const format *f = &formats[k];
        const unsigned infinity = ((1u << f->exponent_bits) - 1) << f->mantissa_bits;

        for (unsigned code = 0; code < infinity; code++) {
            const double low = meaning(f, code);
            const double high = code + 1 < infinity ? meaning(f, code + 1)
                                                    : ldexp(1, (1 << (f->exponent_bits - 1)));
            const float middle = (float)(low + (high - low) / 2);
            const unsigned even = code % 2 ? code + 1 : code;

            assert_true((double)middle == low + (high - low) / 2);
            assert_int_equal(narrowed(f, middle), even);
            assert_int_equal(narrowed(f, -middle), even | 0x8000);
            assert_int_equal(narrowed(f, nextafterf(middle, 0)), code);
            assert_int_equal(narrowed(f, nextafterf(middle, INFINITY)), code + 1);
        }
    }
}

static void test_extremes(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        const format *f = &formats[k];
        const uint16_t infinity = narrowed(f, INFINITY);

        assert_true(meaning(f, infinity) == INFINITY);
        assert_true(meaning(f, narrowed(f, -INFINITY)) == -INFINITY);
        assert_true(isnan(meaning(f, narrowed(f, NAN))));
        assert_true(meaning(f, narrowed(f, 3.4028235e38f)) == INFINITY);
        assert_int_equal(narrowed(f, 0.0f), 0);
        assert_int_equal(narrowed(f, -0.0f), 0x8000);
        assert_int_equal(narrowed(f, 1e-45f), 0);
    }
    /* a NaN all of whose kept bits are zero */
    const uint32_t bits = 0x7f800001u;
    float nan;
    memcpy(&nan, &bits, sizeof nan);
    assert_true(isnan(widened(&formats[0], narrowed(&formats[0], nan))));
    assert_true(isnan(widened(&formats[1], narrowed(&formats[1], nan))));
}

/* Arrays, from an odd address. */
static void test_unaligned(void **state)
{
    const float x[3] = {1.5f, -0.25f, 3.0f};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        unsigned char file[7];
        uint16_t codes[3];
        float back[3];

        formats[k].narrow(codes, x, 3);
        memcpy(file + 1, codes, sizeof codes);
        formats[k].widen(back, file + 1, 3);
        assert_memory_equal(back, x, sizeof x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_codes),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_unaligned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
