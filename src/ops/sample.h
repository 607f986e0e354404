#ifndef MADPO_OPS_SAMPLE_H
#define MADPO_OPS_SAMPLE_H
/* Drawing the next token of each row from its logits: temperature, then top-k (ties with the k-th
 * stay), then top-p (at least one stays; the smallest set of likeliest tokens whose mass reaches
 * p), then one draw by inverse CDF in token order with a uniform from Philox(seed, stream[b],
 * counter[b]) (base/rng.h), so a sample depends on its own stream only and never on the batch.
 * temperature 0 = arg max, lowest id on ties. Tokens that tie with the last one top-p keeps stay
 * too. A row with a NaN, with +inf or with nothing but -inf has no distribution and gives id -1,
 * which the caller must refuse. ref/sample.h writes the exact rule out. */
#include "device/buffer.h"

typedef struct madpo_sample_options {
    float temperature; /* >= 0 */
    int32_t top_k;     /* 0 = all */
    float top_p;       /* (0,1], 1 = all */
    uint64_t seed;
    int32_t banned; /* a token id never drawn, or -1 */
} madpo_sample_options;

/* ids [B] i32 write; logits [B,V] read, V < 2^24; stream, counter [B] i32 read (as unsigned words).
 */
madpo_status madpo_sample(madpo_device *dev, madpo_tensor ids, madpo_tensor logits,
                          madpo_tensor stream, madpo_tensor counter, int64_t B, int64_t V,
                          const madpo_sample_options *options, madpo_error *err) MADPO_MUST_CHECK;
#endif
