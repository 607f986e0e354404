/* Key/value cache in double; see kv_cache.h. */
#include "ref/kv_cache.h"

void madpo_ref_kv_cache_store(double *cache, const double *x, const int32_t *token,
                              const int32_t *slot, const int32_t *pos, int64_t n, int64_t P,
                              int64_t C)
{
    for (int64_t t = 0; t < n; t++) {
        for (int64_t c = 0; c < C; c++)
            cache[(slot[t] * P + pos[t]) * C + c] = x[token[t] * C + c];
    }
}
