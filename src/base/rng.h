#ifndef MADPO_BASE_RNG_H
#define MADPO_BASE_RNG_H
/* Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011). A draw is a pure function of (seed, stream, counter), so
 * results do not depend on batching, on the order of work or on where a run was resumed. cl/lib's
 * rng.clh computes the same blocks on the device.
 */
#include <stddef.h>
#include <stdint.h>

typedef struct madpo_philox {
    uint32_t v[4];
} madpo_philox;

/* Return the block of 4 words for key = seed and the 128-bit counter (stream, counter). In the
 * words of the paper's philox4x32 (cl/lib/rng.clh uses the same layout): ctr[0] = low word of
 * counter    ctr[1] = high word of counter ctr[2] = low word of stream     ctr[3] = high word of
 * stream key[0] = low word of seed       key[1] = high word of seed */
madpo_philox madpo_philox_block(uint64_t seed, uint64_t stream, uint64_t counter);

/* A sequential reader over one stream. Plain state: copy it to fork, write it out to resume. */
typedef struct madpo_rng {
    uint64_t seed, stream, counter; /* counter of the next block */
    madpo_philox block;             /* current block */
    uint32_t used;                  /* words of `block` handed out, 4 = none left */
} madpo_rng;

void madpo_rng_init(madpo_rng *rng, uint64_t seed, uint64_t stream);
/* Words of the blocks counter = 0, 1, …, v[0] to v[3] each; a 64-bit draw takes two, low word
 * first. */
uint32_t madpo_rng_u32(madpo_rng *rng);
uint64_t madpo_rng_u64(madpo_rng *rng);
/* Uniform in [0,1) with 53 random bits. */
double madpo_rng_uniform(madpo_rng *rng);
/* Uniform in 0..n-1 without bias (Lemire); n > 0. */
uint64_t madpo_rng_below(madpo_rng *rng, uint64_t n);
/* Standard normal (Box-Muller, two uniforms a draw, nothing cached). */
double madpo_rng_normal(madpo_rng *rng);
/* Standard Gumbel, -log(-log(u)), u in (0,1). */
double madpo_rng_gumbel(madpo_rng *rng);
/* Fisher-Yates shuffle of `index` [n, read-write]. */
void madpo_rng_shuffle(madpo_rng *rng, int64_t *index, size_t n);

#endif
