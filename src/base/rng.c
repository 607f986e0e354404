/* Philox4x32-10 and what is drawn from it; see base/rng.h. Checked against the known answers of the
 * authors' Random123 distribution in tests/unit/test_rng.c. */
#include "base/rng.h"

#include <assert.h>
#include <math.h>

#define PHILOX_M0     0xD2511F53u
#define PHILOX_M1     0xCD9E8D57u
#define PHILOX_W0     0x9E3779B9u /* golden ratio */
#define PHILOX_W1     0xBB67AE85u /* sqrt(3) - 1 */
#define PHILOX_ROUNDS 10

static const double two_pi = 6.283185307179586476925286766559;

madpo_philox madpo_philox_block(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;

        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    return (madpo_philox){{c0, c1, c2, c3}};
}

void madpo_rng_init(madpo_rng *rng, uint64_t seed, uint64_t stream)
{
    *rng = (madpo_rng){.seed = seed, .stream = stream, .counter = 0, .used = 4};
}

uint32_t madpo_rng_u32(madpo_rng *rng)
{
    if (rng->used >= 4) {
        rng->block = madpo_philox_block(rng->seed, rng->stream, rng->counter++);
        rng->used = 0;
    }
    return rng->block.v[rng->used++];
}

uint64_t madpo_rng_u64(madpo_rng *rng)
{
    uint64_t low = madpo_rng_u32(rng);

    return low | (uint64_t)madpo_rng_u32(rng) << 32;
}

double madpo_rng_uniform(madpo_rng *rng)
{
    return (double)(madpo_rng_u64(rng) >> 11) * 0x1p-53;
}

/* Lemire, "Fast random integer generation in an interval" (TOMACS 2019), for n that fit 32 bits:
 * the high half of word*n is uniform once the few low halves below 2^32 mod n are refused. */
static uint32_t rng_below_u32(madpo_rng *rng, uint32_t n)
{
    uint64_t product = (uint64_t)madpo_rng_u32(rng) * n;

    if ((uint32_t)product < n) {
        uint32_t refuse = (0u - n) % n;

        while ((uint32_t)product < refuse)
            product = (uint64_t)madpo_rng_u32(rng) * n;
    }
    return (uint32_t)(product >> 32);
}

uint64_t madpo_rng_below(madpo_rng *rng, uint64_t n)
{
    uint64_t refuse, word;

    assert(n > 0);
    if (n <= UINT32_MAX)
        return rng_below_u32(rng, (uint32_t)n);
    /* C11 has no 64x64 -> 128 product; the remainder of a word with the first 2^64 mod n values
     * refused is as unbiased, and rare enough not to matter. */
    refuse = (0u - n) % n;
    do
        word = madpo_rng_u64(rng);
    while (word < refuse);
    return word % n;
}

double madpo_rng_normal(madpo_rng *rng)
{
    double u = 1.0 - madpo_rng_uniform(rng); /* (0,1]: the logarithm stays finite */
    double v = madpo_rng_uniform(rng);

    return sqrt(-2.0 * log(u)) * cos(two_pi * v);
}

double madpo_rng_gumbel(madpo_rng *rng)
{
    /* 52 bits and a half: the ends 0 and 1 cannot be reached, not even by rounding. */
    double u = ((double)(madpo_rng_u64(rng) >> 12) + 0.5) * 0x1p-52;

    return -log(-log(u));
}

void madpo_rng_shuffle(madpo_rng *rng, int64_t *index, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)madpo_rng_below(rng, i);
        int64_t held = index[i - 1];

        index[i - 1] = index[j];
        index[j] = held;
    }
}
