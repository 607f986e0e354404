#ifndef MADPO_BASE_DIGEST_H
#define MADPO_BASE_DIGEST_H
/* 128-bit XXH3 digests as 32 hexadecimal digits: cache keys and checksums against accident, not
 * against malice. The digits are those xxhsum -H2 prints. */
#include "madpo/error.h"

#define MADPO_DIGEST_HEX 33 /* with the terminator */

typedef struct madpo_digest madpo_digest;

/* A digest in progress. Lengths are not mixed in: separate the parts of a key yourself. */
madpo_status madpo_digest_new(madpo_digest **out, madpo_error *err) MADPO_MUST_CHECK;
void madpo_digest_update(madpo_digest *digest, const void *bytes, size_t n);
/* Digest of everything so far; more may follow. */
void madpo_digest_hex(const madpo_digest *digest, char out[MADPO_DIGEST_HEX]);
void madpo_digest_free(madpo_digest *digest); /* accepts NULL */

void madpo_digest_bytes(const void *bytes, size_t n, char out[MADPO_DIGEST_HEX]);
/* Of a file's bytes as they lie on the disk (a .gz is not unpacked), read piece by piece. `out` is
 * "" on failure. */
madpo_status madpo_digest_file(const char *path, char out[MADPO_DIGEST_HEX],
                               madpo_error *err) MADPO_MUST_CHECK;
#endif
