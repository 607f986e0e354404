#ifndef MADPO_OPS_EMBEDDING_H
#define MADPO_OPS_EMBEDDING_H
/* Token embedding: x[t] = scale * E[ids[t]]. Launchers for cl/ops/embedding.cl; twin
 * src/ref/embedding.c. */
#include "device/buffer.h"

/* x [T,C] f32 write; ids [T] i32 read; E [V,C] f32, bf16 or f16 read; scale (1, or sqrt(C) for
 * Gemma). V = E.n / C; an id outside 0..V-1 gives a row of NaN. Enqueued. */
madpo_status madpo_embedding_fwd(madpo_device *dev, madpo_tensor x, madpo_tensor ids,
                                 madpo_tensor E, float scale, int64_t T, int64_t C,
                                 madpo_error *err) MADPO_MUST_CHECK;

/* dE [V,C] f32, rows uniq[u] only: accumulate ? += : = ; sums tokens in ascending order (no
 * atomics). uniq [U], uniq_start [U+1], uniq_token [T] i32 read: the inverse list of base/batch.h.
 * Enqueued. */
madpo_status madpo_embedding_bwd(madpo_device *dev, madpo_tensor dE, madpo_tensor dx,
                                 madpo_tensor uniq, madpo_tensor uniq_start,
                                 madpo_tensor uniq_token, float scale, int64_t U, int64_t C,
                                 bool accumulate, madpo_error *err) MADPO_MUST_CHECK;
#endif
