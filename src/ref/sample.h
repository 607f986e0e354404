#ifndef MADPO_REF_SAMPLE_H
#define MADPO_REF_SAMPLE_H
/* Double-precision twin of ops/sample.h, by sorting instead of bisection. The rule, in this order:
 *   1. the banned id counts as -inf; a row with a NaN, +inf or nothing but -inf gives id -1;
 *   2. temperature 0: the largest logit, lowest id on ties; nothing else applies;
 *   3. w_j = exp((z_j - max z) / temperature);
 *   4. top-k: drop z_j below the k-th largest (ties with it stay);
 *   5. top-p: going down from the likeliest, the smallest set whose mass reaches top_p times the
 * mass that is left; tokens that tie with its last one stay;
 *   6. the first token in id order whose running mass exceeds u times the whole; u is the upper 24
 * bits of the first word of Philox(seed, stream[b], counter[b]), over 2^24.
 */
#include <stdbool.h>
#include <stdint.h>

typedef struct madpo_ref_sample_options {
    double temperature;
    int32_t top_k;
    double top_p;
    uint64_t seed;
    int32_t banned;
} madpo_ref_sample_options;

/* ids [B] write; logits [B,V]; stream, counter [B] as unsigned words. Returns false if host memory
 * ran out. */
bool madpo_ref_sample(int32_t *ids, const double *logits, const int32_t *stream,
                      const int32_t *counter, int64_t B, int64_t V,
                      const madpo_ref_sample_options *options);

/* The probabilities p [V] of one row z [V] that step 6 draws from (temperature above 0). Returns 1;
 * 0 if the row has no distribution; -1 if host memory ran out. */
int madpo_ref_sample_probs(double *p, const double *z, int64_t V,
                           const madpo_ref_sample_options *options);

/* The uniform number u of step 6. */
double madpo_ref_sample_uniform(uint64_t seed, int32_t stream, int32_t counter);

#endif
