/* XXH3-128 digests through libxxhash. */
#include "base/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/error.h"

#define DIGEST_PIECE ((size_t)1 << 18)

struct madpo_digest {
    XXH3_state_t *state; /* from XXH3_createState, which takes care of its alignment */
};

madpo_status madpo_digest_new(madpo_digest **out, madpo_error *err)
{
    madpo_digest *digest = calloc(1, sizeof *digest);

    *out = NULL;
    if (digest)
        digest->state = XXH3_createState();
    if (!digest || !digest->state || XXH3_128bits_reset(digest->state) != XXH_OK) {
        madpo_digest_free(digest);
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory for a digest");
    }
    *out = digest;
    return MADPO_OK;
}

void madpo_digest_update(madpo_digest *digest, const void *bytes, size_t n)
{
    if (n > 0)
        XXH3_128bits_update(digest->state, bytes, n);
}

static void digest_print(XXH128_hash_t hash, char out[MADPO_DIGEST_HEX])
{
    snprintf(out, MADPO_DIGEST_HEX, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

void madpo_digest_hex(const madpo_digest *digest, char out[MADPO_DIGEST_HEX])
{
    digest_print(XXH3_128bits_digest(digest->state), out);
}

void madpo_digest_free(madpo_digest *digest)
{
    if (!digest)
        return;
    XXH3_freeState(digest->state);
    free(digest);
}

void madpo_digest_bytes(const void *bytes, size_t n, char out[MADPO_DIGEST_HEX])
{
    digest_print(XXH3_128bits(bytes, n), out);
}

madpo_status madpo_digest_file(const char *path, char out[MADPO_DIGEST_HEX], madpo_error *err)
{
    madpo_digest *digest = NULL;
    unsigned char *piece = NULL;
    FILE *file = NULL;
    madpo_status st;
    size_t n;

    out[0] = '\0';
    st = madpo_digest_new(&digest, err);
    if (st != MADPO_OK)
        goto done;
    piece = malloc(DIGEST_PIECE);
    if (!piece) {
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", path);
        goto done;
    }
    file = fopen(path, "rb");
    if (!file) {
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot open %s", path);
        goto done;
    }
    while ((n = fread(piece, 1, DIGEST_PIECE, file)) > 0)
        madpo_digest_update(digest, piece, n);
    if (ferror(file))
        st = madpo_error_errno(err, MADPO_ERR_IO, errno, "cannot read %s", path);
    else
        madpo_digest_hex(digest, out);
done:
    if (file)
        fclose(file);
    free(piece);
    madpo_digest_free(digest);
    return st;
}
