#ifndef MADPO_TEXT_STRMAP_H
#define MADPO_TEXT_STRMAP_H
/* A set of byte strings numbered 0..n-1 in order of first appearance: token contents, distinct
 * words of a training text, keys of the word cache. Open addressing with linear probing over XXH3;
 * strings and numbers survive growth, pointers do not. Used inside text only. */
#include "madpo/error.h"

typedef struct madpo_strmap {
    char *bytes; /* all keys one after the other */
    size_t n_bytes, cap_bytes;
    size_t *end;    /* [n] key i is bytes[end[i-1] .. end[i]) */
    uint64_t *hash; /* [n] */
    size_t n, capacity;
    uint32_t *slot; /* [n_slots] 0 = free, else number + 1; n_slots is a power of two */
    size_t n_slots;
} madpo_strmap; /* zero-initialise */

/* Add key [n bytes] unless present; *index is its number, *fresh whether it is new. */
madpo_status madpo__strmap_add(madpo_strmap *map, const char *key, size_t n, size_t *index,
                               bool *fresh, madpo_error *err) MADPO_MUST_CHECK;
/* Number of key [n bytes], or SIZE_MAX. */
size_t madpo__strmap_find(const madpo_strmap *map, const char *key, size_t n);
/* Key number i (borrowed, not terminated, valid until the next add); its length in *n. */
const char *madpo__strmap_key(const madpo_strmap *map, size_t i, size_t *n);
/* Forget all keys, keep the memory. */
void madpo__strmap_clear(madpo_strmap *map);
void madpo__strmap_dispose(madpo_strmap *map);
#endif
