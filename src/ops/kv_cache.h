#ifndef MADPO_OPS_KV_CACHE_H
#define MADPO_OPS_KV_CACHE_H
/* Storing keys or values of new tokens in a cache: cache[slot[t], pos[t], :] = x[token[t], :]. */
#include "device/buffer.h"

/* cache [slots,P,C] write; x [*,C] read; token, slot, pos [n] i32 read (so a prompt computed once
 * can be stored into several slots). C = K*D. */
madpo_status madpo_kv_cache_store(madpo_device *dev, madpo_tensor cache, madpo_tensor x,
                                  madpo_tensor token, madpo_tensor slot, madpo_tensor pos,
                                  int64_t n, int64_t P, int64_t C,
                                  madpo_error *err) MADPO_MUST_CHECK;
#endif
