/* The table of preference pairs, written as JSON lines; pairs_read.c fills it from files. */
#include "data/pairs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/error.h"
#include "base/json.h"
#include "data/pairs_inside.h"

struct madpo_pairs {
    madpo_pair *v; /* [n] owned */
    size_t n, capacity;
};

madpo_status madpo_pairs_new(madpo_pairs **out, madpo_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? MADPO_OK
                : madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a table of pairs");
}

void madpo_pairs_free(madpo_pairs *pairs)
{
    if (!pairs)
        return;
    for (size_t i = 0; i < pairs->n; i++)
        free(pairs->v[i].prompt); /* the texts are one block, which begins with it */
    free(pairs->v);
    free(pairs);
}

size_t madpo_pairs_count(const madpo_pairs *pairs)
{
    return pairs->n;
}

const madpo_pair *madpo_pairs_at(const madpo_pairs *pairs, size_t i)
{
    return &pairs->v[i];
}

/* Copy text [n] with a terminator to *to and move *to behind it. */
static char *pairs_put(char **to, const char *text, size_t n)
{
    char *start = *to;

    if (n)
        memcpy(start, text, n);
    start[n] = '\0';
    *to += n + 1;
    return start;
}

madpo_status madpo_pairs_add(madpo_pairs *pairs, const madpo_pair *pair, madpo_error *err)
{
    size_t n_source = pair->source ? strlen(pair->source) : 0;
    size_t bytes = pair->n_prompt + pair->n_chosen + pair->n_rejected + n_source + 4;
    madpo_pair *p;
    char *to;

    if (pairs->n == pairs->capacity) {
        size_t capacity = pairs->capacity ? 2 * pairs->capacity : 256;
        madpo_pair *v = realloc(pairs->v, capacity * sizeof *v);

        if (!v)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu pairs", capacity);
        pairs->v = v;
        pairs->capacity = capacity;
    }
    to = malloc(bytes);
    if (!to)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a pair of %zu bytes", bytes);
    p = &pairs->v[pairs->n++];
    *p = *pair;
    p->prompt = pairs_put(&to, pair->prompt, pair->n_prompt);
    p->chosen = pairs_put(&to, pair->chosen, pair->n_chosen);
    p->rejected = pairs_put(&to, pair->rejected, pair->n_rejected);
    if (pair->source)
        p->source = pairs_put(&to, pair->source, n_source);
    return MADPO_OK;
}

void madpo__pairs_swap(madpo_pairs *pairs, size_t i)
{
    madpo_pair *p = &pairs->v[i], was = *p;

    p->chosen = was.rejected;
    p->n_chosen = was.n_rejected;
    p->score_chosen = was.score_rejected;
    p->rejected = was.chosen;
    p->n_rejected = was.n_chosen;
    p->score_rejected = was.score_chosen;
}

/* ---- writing ---- */

madpo_status madpo_pair_format(char **out, const madpo_pair *pair, madpo_error *err)
{
    json_t *line = json_object();
    char *text = NULL;
    size_t n;
    int bad = 0;
    madpo_status st;

    *out = NULL;
    bad |= json_object_set_new(line, "id", json_integer(pair->id));
    bad |= json_object_set_new(line, "prompt", madpo_json_text(pair->prompt, pair->n_prompt));
    bad |= json_object_set_new(line, "chosen", madpo_json_text(pair->chosen, pair->n_chosen));
    bad |= json_object_set_new(line, "rejected", madpo_json_text(pair->rejected, pair->n_rejected));
    if (isfinite(pair->score_chosen))
        bad |= json_object_set_new(line, "score_chosen", json_real(pair->score_chosen));
    if (isfinite(pair->score_rejected))
        bad |= json_object_set_new(line, "score_rejected", json_real(pair->score_rejected));
    if (isfinite(pair->margin))
        bad |= json_object_set_new(line, "margin", json_real(pair->margin));
    if (pair->source)
        bad |= json_object_set_new(line, "source",
                                   madpo_json_text(pair->source, strlen(pair->source)));
    if (pair->specials)
        bad |= json_object_set_new(line, "specials", json_true());
    bad |= json_object_set_new(line, "split", json_string(pair->eval ? "eval" : "train"));
    st = bad ? madpo_error_set(err, MADPO_ERR_NOMEM, "no memory to write a pair")
             : madpo_json_dump(&text, line, err);
    json_decref(line);
    if (st != MADPO_OK)
        return st;
    n = strlen(text);
    *out = realloc(text, n + 2);
    if (!*out) {
        free(text);
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory to write a pair");
    }
    memcpy(*out + n, "\n", 2);
    return MADPO_OK;
}

/* Mix the digest of bytes [n] and their number into the running one, so that no two ways to cut the
 * same bytes into texts agree. */
static void pairs_mix(XXH128_hash_t *running, const void *bytes, size_t n)
{
    XXH128_hash_t part = XXH3_128bits(bytes, n);
    uint64_t both[5] = {running->low64, running->high64, part.low64, part.high64, n};

    *running = XXH3_128bits(both, sizeof both);
}

void madpo_pairs_digest(const madpo_pairs *pairs, char hex[33])
{
    static const char digits[] = "0123456789abcdef";
    XXH128_hash_t running = {0, 0};
    XXH128_canonical_t bytes;

    for (size_t i = 0; i < pairs->n; i++) {
        const madpo_pair *p = &pairs->v[i];

        pairs_mix(&running, &p->id, sizeof p->id);
        pairs_mix(&running, p->prompt, p->n_prompt);
        pairs_mix(&running, p->chosen, p->n_chosen);
        pairs_mix(&running, p->rejected, p->n_rejected);
        if (isfinite(p->margin)) /* absent ones leave the digest as it was */
            pairs_mix(&running, &p->margin, sizeof p->margin);
        if (p->specials)
            pairs_mix(&running, "specials", 8);
    }
    XXH128_canonicalFromHash(&bytes, running);
    for (size_t i = 0; i < sizeof bytes.digest; i++) {
        hex[2 * i] = digits[bytes.digest[i] >> 4];
        hex[2 * i + 1] = digits[bytes.digest[i] & 15];
    }
    hex[32] = '\0';
}
