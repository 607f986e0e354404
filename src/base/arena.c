/* Scratch arena: a list of chunks, bump allocation in the newest. */
#include "base/arena.h"

#include <stdlib.h>

#include "base/checked.h"
#include "base/error.h"

#define ARENA_ALIGN     ((size_t)64)
#define ARENA_CHUNK_MIN ((size_t)1 << 16)

/* The header lies in front of the data; `data` is aligned by hand, since C11's aligned_alloc
 * demands sizes that are multiples and is missing from some C libraries. */
struct madpo_arena_chunk {
    madpo_arena_chunk *next;
    char *data; /* [capacity], aligned */
    size_t capacity, used;
};

void madpo_arena_init(madpo_arena *arena)
{
    *arena = (madpo_arena){0};
}

static madpo_arena_chunk *arena_chunk_new(size_t capacity)
{
    size_t total;
    uintptr_t start;
    madpo_arena_chunk *chunk;

    if (!madpo_checked_add(&total, capacity, sizeof *chunk + ARENA_ALIGN))
        return NULL;
    chunk = malloc(total);
    if (!chunk)
        return NULL;
    start = (uintptr_t)(chunk + 1);
    chunk->data = (char *)(chunk + 1) + (ARENA_ALIGN - start % ARENA_ALIGN) % ARENA_ALIGN;
    chunk->capacity = capacity;
    chunk->used = 0;
    chunk->next = NULL;
    return chunk;
}

madpo_status madpo_arena_alloc(madpo_arena *arena, void **out, size_t n, madpo_error *err)
{
    madpo_arena_chunk *chunk = arena->chunks;
    size_t padded;

    *out = NULL;
    if (!madpo_checked_add(&padded, n, ARENA_ALIGN - 1))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: %zu bytes of scratch", n);
    padded -= padded % ARENA_ALIGN;
    if (!chunk || chunk->capacity - chunk->used < padded) {
        size_t capacity = chunk ? chunk->capacity : ARENA_CHUNK_MIN;

        if (capacity < padded)
            capacity = padded;
        chunk = arena_chunk_new(capacity);
        if (!chunk)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: %zu bytes of scratch", n);
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        arena->n_system_allocs++;
    }
    *out = chunk->data + chunk->used;
    chunk->used += padded;
    arena->used_bytes += padded;
    return MADPO_OK;
}

madpo_status madpo_arena_array(madpo_arena *arena, void **out, size_t count, size_t size,
                               madpo_error *err)
{
    size_t n;

    *out = NULL;
    if (!madpo_checked_mul(&n, count, size))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory: %zu items of %zu bytes", count,
                               size);
    return madpo_arena_alloc(arena, out, n, err);
}

void madpo_arena_reset(madpo_arena *arena)
{
    madpo_arena_chunk *chunk = arena->chunks, *merged;
    size_t total = 0;

    arena->used_bytes = 0;
    if (!chunk)
        return;
    if (!chunk->next) {
        chunk->used = 0;
        return;
    }
    for (const madpo_arena_chunk *c = chunk; c; c = c->next)
        total += c->capacity;
    /* One chunk as large as all of them. Where that is not to be had, the newest, largest one
     * stays. */
    merged = arena_chunk_new(total);
    if (merged) {
        arena->n_system_allocs++;
    } else {
        merged = chunk;
        chunk = chunk->next;
    }
    while (chunk) {
        madpo_arena_chunk *next = chunk->next;

        free(chunk);
        chunk = next;
    }
    merged->next = NULL;
    merged->used = 0;
    arena->chunks = merged;
}

void madpo_arena_dispose(madpo_arena *arena)
{
    while (arena->chunks) {
        madpo_arena_chunk *next = arena->chunks->next;

        free(arena->chunks);
        arena->chunks = next;
    }
    madpo_arena_init(arena);
}
