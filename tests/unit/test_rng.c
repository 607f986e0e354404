/* Philox against the known answers of its authors' Random123, and the distributions drawn from it.
 * Seeds are fixed, so the bounds (five standard deviations and more) are met or not once and for
 * all. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

static void check(double got, double want, double tol, const char *what)
{
    bool ok = fabs(got - want) <= tol;

    if (!ok)
        fail_msg("%s: got %.17g, want %.17g within %g", what, got, want, tol);
}

static void test_known_answers(void **state)
{
    static const struct {
        uint64_t seed, stream, counter;
        uint32_t want[4];
    } cases[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        /* digits of pi: counter words 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0 */
        {0x299f31d0a4093822,
         0x0370734413198a2e,
         0x85a308d3243f6a88,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        madpo_philox block = madpo_philox_block(cases[i].seed, cases[i].stream, cases[i].counter);

        assert_memory_equal(block.v, cases[i].want, sizeof block.v);
    }
}

static void test_words_follow_the_blocks(void **state)
{
    madpo_rng a, b;

    (void)state;
    madpo_rng_init(&a, 7, 9);
    for (uint64_t counter = 0; counter < 5; counter++) {
        madpo_philox block = madpo_philox_block(7, 9, counter);

        for (int i = 0; i < 4; i++)
            assert_int_equal(madpo_rng_u32(&a), block.v[i]);
    }
    madpo_rng_init(&a, 7, 9);
    madpo_rng_init(&b, 7, 9);
    for (int i = 0; i < 10; i++) {
        uint64_t low = madpo_rng_u32(&a), high = madpo_rng_u32(&a);

        assert_true(madpo_rng_u64(&b) == (low | high << 32));
    }
}

static void test_a_copy_goes_on_alike(void **state)
{
    madpo_rng a, b;

    (void)state;
    madpo_rng_init(&a, 1, 2);
    for (int used = 0; used < 9; used++) {
        b = a;
        for (int i = 0; i < 50; i++)
            assert_int_equal(madpo_rng_u32(&a), madpo_rng_u32(&b));
        a = b;
        (void)madpo_rng_u32(&a);
    }
}

static void test_uniform(void **state)
{
    enum { N = 100000 };
    madpo_rng rng;
    double sum = 0, square = 0;

    (void)state;
    madpo_rng_init(&rng, 3, 0);
    for (int i = 0; i < N; i++) {
        double u = madpo_rng_uniform(&rng);

        assert_true(u >= 0 && u < 1);
        sum += u;
        square += u * u;
    }
    check(sum / N, 0.5, 5 * sqrt(1.0 / 12 / N), "mean");
    check(square / N, 1.0 / 3, 5 * sqrt(4.0 / 45 / N), "second moment");
}

static void test_below(void **state)
{
    enum { N = 60000, SIDES = 6 };
    static const uint64_t limits[] = {
        1, 2, 3, 1000, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX / 3 * 2, UINT64_MAX};
    madpo_rng rng;
    double chi2 = 0, upper = 0;
    int count[SIDES] = {0};

    (void)state;
    madpo_rng_init(&rng, 4, 0);
    for (int i = 0; i < N; i++)
        count[madpo_rng_below(&rng, SIDES)]++;
    for (int i = 0; i < SIDES; i++)
        chi2 += (count[i] - N / SIDES) * (double)(count[i] - N / SIDES) / (N / SIDES);
    assert_true(chi2 < 20.5); /* 5 degrees of freedom, 0.1 % */
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        for (int k = 0; k < 1000; k++)
            assert_true(madpo_rng_below(&rng, limits[i]) < limits[i]);
    /* a word modulo 2/3 of 2^64 would fall into the lower half two times in three */
    for (int i = 0; i < N; i++)
        upper += madpo_rng_below(&rng, UINT64_MAX / 3 * 2) >= UINT64_MAX / 3;
    check(upper / N, 0.5, 5 * sqrt(0.25 / N), "upper half");
}

static void test_normal_and_gumbel(void **state)
{
    enum { N = 100000 };
    const double gamma = 0.57721566490153286, pi = 3.14159265358979324;
    double sum = 0, square = 0, fourth = 0, gumbel = 0, gumbel_square = 0;
    madpo_rng rng;

    (void)state;
    madpo_rng_init(&rng, 5, 0);
    for (int i = 0; i < N; i++) {
        double z = madpo_rng_normal(&rng), g = madpo_rng_gumbel(&rng) - gamma;

        sum += z;
        square += z * z;
        fourth += z * z * z * z;
        gumbel += g;
        gumbel_square += g * g;
    }
    check(sum / N, 0, 5 / sqrt(N), "normal mean");
    check(square / N, 1, 5 * sqrt(2.0 / N), "normal variance");
    check(fourth / N, 3, 5 * sqrt(96.0 / N), "normal fourth moment");
    check(gumbel / N, 0, 5 * sqrt(pi * pi / 6 / N), "Gumbel mean");
    check(gumbel_square / N, pi * pi / 6, 5 * sqrt((5.4 - 1) / N) * pi * pi / 6, "Gumbel variance");
}

static void test_shuffle(void **state)
{
    enum { N = 257 };
    int64_t index[N], again[N], moved = 0;
    bool there[N] = {false};
    madpo_rng rng;

    (void)state;
    for (int run = 0; run < 2; run++) {
        madpo_rng_init(&rng, 6, 1);
        for (int i = 0; i < N; i++)
            index[i] = i;
        madpo_rng_shuffle(&rng, index, N);
        if (run == 0)
            memcpy(again, index, sizeof index);
    }
    assert_memory_equal(index, again, sizeof index);
    for (int i = 0; i < N; i++) {
        assert_true(index[i] >= 0 && index[i] < N && !there[index[i]]);
        there[index[i]] = true;
        moved += index[i] != i;
    }
    assert_true(moved > N / 2);
    madpo_rng_shuffle(&rng, index, 0);
    madpo_rng_shuffle(&rng, index, 1);
    assert_memory_equal(index, again, sizeof index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_words_follow_the_blocks),
        cmocka_unit_test(test_a_copy_goes_on_alike),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_normal_and_gumbel),
        cmocka_unit_test(test_shuffle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
