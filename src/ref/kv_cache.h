#ifndef MADPO_REF_KV_CACHE_H
#define MADPO_REF_KV_CACHE_H
/* Double-precision twin of ops/kv_cache.h: same arguments, host arrays. */
#include <stdint.h>

/* cache[slot[t], pos[t], :] = x[token[t], :] for t < n; rows of C, P positions a slot. */
void madpo_ref_kv_cache_store(double *cache, const double *x, const int32_t *token,
                              const int32_t *slot, const int32_t *pos, int64_t n, int64_t P,
                              int64_t C);

#endif
