/* Numbered set of byte strings; see strmap.h. */
#include "text/strmap.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/error.h"

enum { STRMAP_FIRST_SLOTS = 64 };

const char *madpo__strmap_key(const madpo_strmap *map, size_t i, size_t *n)
{
    size_t start = i ? map->end[i - 1] : 0;

    *n = map->end[i] - start;
    return map->bytes + start;
}

/* The slot that holds the key, or the free slot where it belongs. n_slots > n always, so it ends.
 */
static size_t strmap_probe(const madpo_strmap *map, const char *key, size_t n, uint64_t hash)
{
    size_t mask = map->n_slots - 1;
    size_t at = (size_t)hash & mask;

    for (;; at = (at + 1) & mask) {
        uint32_t i = map->slot[at];
        size_t have;
        const char *k;

        if (!i)
            return at;
        if (map->hash[i - 1] != hash)
            continue;
        k = madpo__strmap_key(map, i - 1, &have);
        if (have == n && !memcmp(k, key, n))
            return at;
    }
}

static bool strmap_grow_slots(madpo_strmap *map)
{
    size_t n_slots = map->n_slots ? 2 * map->n_slots : STRMAP_FIRST_SLOTS;
    uint32_t *slot = calloc(n_slots, sizeof *slot);

    if (!slot)
        return false;
    for (size_t i = 0; i < map->n; i++) {
        size_t at = (size_t)map->hash[i] & (n_slots - 1);

        while (slot[at])
            at = (at + 1) & (n_slots - 1);
        slot[at] = (uint32_t)i + 1;
    }
    free(map->slot);
    map->slot = slot;
    map->n_slots = n_slots;
    return true;
}

/* Room for one more key of n bytes. The two tables grow one after the other; a failure between them
 * leaves a map that is still right. */
static bool strmap_reserve(madpo_strmap *map, size_t n)
{
    if (map->n == map->capacity) {
        size_t capacity = map->capacity ? 2 * map->capacity : STRMAP_FIRST_SLOTS / 2;
        size_t *end = realloc(map->end, capacity * sizeof *end);
        uint64_t *hash;

        if (!end)
            return false;
        map->end = end;
        hash = realloc(map->hash, capacity * sizeof *hash);
        if (!hash)
            return false;
        map->hash = hash;
        map->capacity = capacity;
    }
    if (n > map->cap_bytes - map->n_bytes) {
        size_t capacity = 2 * map->cap_bytes + n + 256;
        char *bytes = realloc(map->bytes, capacity);

        if (!bytes)
            return false;
        map->bytes = bytes;
        map->cap_bytes = capacity;
    }
    return 2 * (map->n + 1) <= map->n_slots || strmap_grow_slots(map);
}

madpo_status madpo__strmap_add(madpo_strmap *map, const char *key, size_t n, size_t *index,
                               bool *fresh, madpo_error *err)
{
    uint64_t hash = XXH3_64bits(key, n);
    size_t at;

    *fresh = false;
    *index = 0;
    if (map->n_slots) {
        at = strmap_probe(map, key, n, hash);
        if (map->slot[at]) {
            *index = map->slot[at] - 1;
            return MADPO_OK;
        }
    }
    if (map->n >= UINT32_MAX / 2)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "more than %u distinct strings",
                               UINT32_MAX / 2);
    if (!strmap_reserve(map, n))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a table of %zu strings",
                               map->n + 1);
    at = strmap_probe(map, key, n, hash);
    if (n)
        memcpy(map->bytes + map->n_bytes, key, n);
    map->n_bytes += n;
    map->end[map->n] = map->n_bytes;
    map->hash[map->n] = hash;
    *index = map->n++;
    map->slot[at] = (uint32_t)map->n;
    *fresh = true;
    return MADPO_OK;
}

size_t madpo__strmap_find(const madpo_strmap *map, const char *key, size_t n)
{
    uint32_t i;

    if (!map->n_slots)
        return SIZE_MAX;
    i = map->slot[strmap_probe(map, key, n, XXH3_64bits(key, n))];
    return i ? i - 1 : SIZE_MAX;
}

void madpo__strmap_clear(madpo_strmap *map)
{
    if (map->n_slots)
        memset(map->slot, 0, map->n_slots * sizeof *map->slot);
    map->n = 0;
    map->n_bytes = 0;
}

void madpo__strmap_dispose(madpo_strmap *map)
{
    free(map->bytes);
    free(map->end);
    free(map->hash);
    free(map->slot);
    memset(map, 0, sizeof *map);
}
