#ifndef MADPO_BASE_ARENA_H
#define MADPO_BASE_ARENA_H
/* Per-step scratch memory: allocate freely, forget all at once. After the first steps have shown
 * how much is needed, a step takes no memory from the system any more (n_system_allocs stands
 * still). Owned by one thread; what it hands out is aligned to 64 bytes, holds garbage, and is
 * valid until the next _reset.
 */
#include "madpo/error.h"

typedef struct madpo_arena_chunk madpo_arena_chunk;

typedef struct madpo_arena {
    madpo_arena_chunk *chunks; /* newest first */
    size_t used_bytes;         /* since the last reset, padding included */
    size_t n_system_allocs;    /* chunks ever taken from the system */
} madpo_arena;

/* Zero-initialising does the same. */
void madpo_arena_init(madpo_arena *arena);
/* n bytes into *out (never NULL on success, n may be 0). Only MADPO_ERR_NOMEM. */
madpo_status madpo_arena_alloc(madpo_arena *arena, void **out, size_t n,
                               madpo_error *err) MADPO_MUST_CHECK;
/* count * size bytes, refusing a product that wraps. */
madpo_status madpo_arena_array(madpo_arena *arena, void **out, size_t count, size_t size,
                               madpo_error *err) MADPO_MUST_CHECK;
/* Forget everything handed out. Several chunks become one as large as all of them. */
void madpo_arena_reset(madpo_arena *arena);
void madpo_arena_dispose(madpo_arena *arena);
#endif
