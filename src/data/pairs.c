/* Preference pairs from and to JSON lines; see madpo/pairs.h and data/pairs.h. */
#include "data/pairs.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

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
        free(pairs->v[i].prompt); /* the three texts are one block */
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
    size_t bytes = pair->n_prompt + pair->n_chosen + pair->n_rejected + 3;
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
    return MADPO_OK;
}

/* ---- reading ---- */

typedef struct pairs_reader {
    madpo_pairs *pairs;
    const char *path;
    int line;
    madpo_error *err;
} pairs_reader;

static const char *pairs_type_name(const json_t *value)
{
    static const char *const names[] = {"an object", "an array", "a string", "a number",
                                        "a number",  "true",     "false",    "null"};

    return names[json_typeof(value)];
}

/* A text field; `may_be_empty` holds for the prompt. */
static madpo_status pairs_text(const pairs_reader *r, const json_t *line, const char *key,
                               bool may_be_empty, char **text, size_t *n)
{
    const json_t *value = json_object_get(line, key);

    if (!value)
        return madpo_error_set_at(r->err, MADPO_ERR_DATA, r->path, r->line, 0,
                                  "field \"%s\" is missing; a pair has prompt, chosen and rejected",
                                  key);
    if (!json_is_string(value))
        return madpo_error_set_at(r->err, MADPO_ERR_DATA, r->path, r->line, 0,
                                  "field \"%s\" must be a string, not %s", key,
                                  pairs_type_name(value));
    if (!may_be_empty && !json_string_length(value))
        return madpo_error_set_at(r->err, MADPO_ERR_DATA, r->path, r->line, 0,
                                  "field \"%s\" is empty; fill it in or remove the line", key);
    *text = (char *)(uintptr_t)json_string_value(value); /* only read; copied by _add */
    *n = json_string_length(value);
    return MADPO_OK;
}

/* An optional number; NaN when absent or null. */
static madpo_status pairs_number(const pairs_reader *r, const json_t *line, const char *key,
                                 double *out)
{
    const json_t *value = json_object_get(line, key);

    *out = NAN;
    if (!value || json_is_null(value))
        return MADPO_OK;
    if (!json_is_number(value))
        return madpo_error_set_at(r->err, MADPO_ERR_DATA, r->path, r->line, 0,
                                  "field \"%s\" must be a number, not %s", key,
                                  pairs_type_name(value));
    *out = json_number_value(value);
    return MADPO_OK;
}

static madpo_status pairs_id(const pairs_reader *r, const json_t *line, int64_t *out)
{
    const json_t *value = json_object_get(line, "id");

    *out = (int64_t)r->pairs->n;
    if (!value || json_is_null(value))
        return MADPO_OK;
    if (!json_is_integer(value))
        return madpo_error_set_at(r->err, MADPO_ERR_DATA, r->path, r->line, 0,
                                  "field \"id\" must be an integer, not %s",
                                  pairs_type_name(value));
    *out = json_integer_value(value);
    return MADPO_OK;
}

static madpo_status pairs_split(const pairs_reader *r, const json_t *line, bool *eval)
{
    const json_t *value = json_object_get(line, "split");
    const char *name = json_string_value(value);

    *eval = name && !strcmp(name, "eval");
    if (!value || json_is_null(value) || *eval || (name && !strcmp(name, "train")))
        return MADPO_OK;
    return madpo_error_set_at(r->err, MADPO_ERR_DATA, r->path, r->line, 0,
                              "field \"split\" must be \"train\" or \"eval\", not %.40s",
                              name ? name : pairs_type_name(value));
}

static madpo_status pairs_object(const pairs_reader *r, const json_t *line)
{
    madpo_pair p = {0};
    madpo_status st;

    if (!json_is_object(line))
        return madpo_error_set_at(
            r->err, MADPO_ERR_DATA, r->path, r->line, 0,
            "the line holds %s; an object with prompt, chosen and rejected is "
            "expected",
            pairs_type_name(line));
    st = pairs_text(r, line, "prompt", true, &p.prompt, &p.n_prompt);
    if (st == MADPO_OK)
        st = pairs_text(r, line, "chosen", false, &p.chosen, &p.n_chosen);
    if (st == MADPO_OK)
        st = pairs_text(r, line, "rejected", false, &p.rejected, &p.n_rejected);
    if (st == MADPO_OK)
        st = pairs_id(r, line, &p.id);
    if (st == MADPO_OK)
        st = pairs_number(r, line, "score_chosen", &p.score_chosen);
    if (st == MADPO_OK)
        st = pairs_number(r, line, "score_rejected", &p.score_rejected);
    if (st == MADPO_OK)
        st = pairs_split(r, line, &p.eval);
    return st == MADPO_OK ? madpo_pairs_add(r->pairs, &p, r->err) : st;
}

static madpo_status pairs_line(const pairs_reader *r, const char *text, size_t n)
{
    madpo_error why = MADPO_ERROR_INIT;
    json_t *line;
    madpo_status st = madpo_json_parse(&line, text, n, r->path, r->line, &why);

    if (st == MADPO_OK)
        st = pairs_object(r, line);
    else
        madpo_error_set_at(r->err, st, r->path, r->line, why.column,
                           "%s; each line is one JSON object with prompt, chosen and rejected",
                           why.message);
    json_decref(line);
    return st;
}

static bool pairs_is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

static madpo_status pairs_read(pairs_reader *r, const char *text, size_t n, bool skip_bad,
                               size_t *skipped)
{
    size_t at = n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3) ? 3 : 0, end;

    for (; at < n; at = end + 1) {
        const char *stop = memchr(text + at, '\n', n - at);
        madpo_status st;

        end = stop ? (size_t)(stop - text) : n;
        r->line += r->line < INT_MAX;
        if (pairs_is_blank(text + at, end - at))
            continue;
        st = pairs_line(r, text + at, end - at);
        if (st == MADPO_ERR_DATA && skip_bad) {
            madpo_error_clear(r->err);
            ++*skipped;
        } else if (st != MADPO_OK) {
            return st;
        }
    }
    if (r->pairs->n)
        return MADPO_OK;
    if (*skipped)
        return madpo_error_set_at(
            r->err, MADPO_ERR_DATA, r->path, 0, 0,
            "none of the %zu lines is a pair; each needs the strings prompt, chosen and "
            "rejected",
            *skipped);
    return madpo_error_set_at(
        r->err, MADPO_ERR_DATA, r->path, 0, 0,
        "the file is empty; write one JSON object with prompt, chosen and rejected a "
        "line");
}

madpo_status madpo_pairs_parse(madpo_pairs **out, const char *text, size_t n, const char *name,
                               bool skip_bad, size_t *skipped, madpo_error *err)
{
    madpo_error local = MADPO_ERROR_INIT;
    pairs_reader r = {NULL, name, 0, err ? err : &local};
    size_t n_skipped = 0;
    madpo_status st = madpo_pairs_new(&r.pairs, r.err);

    *out = NULL;
    if (st == MADPO_OK)
        st = pairs_read(&r, text, n, skip_bad, &n_skipped);
    if (skipped)
        *skipped = n_skipped;
    if (st == MADPO_OK) {
        *out = r.pairs;
        r.pairs = NULL; /* moved to the caller */
    }
    madpo_pairs_free(r.pairs);
    return st;
}

madpo_status madpo_pairs_load(madpo_pairs **out, const char *path, bool skip_bad, size_t *skipped,
                              madpo_error *err)
{
    char *text = NULL;
    size_t n;
    madpo_status st;

    *out = NULL;
    if (skipped)
        *skipped = 0;
    st = madpo_file_read(&text, &n, path, err);
    if (st == MADPO_OK)
        st = madpo_pairs_parse(out, text, n, path, skip_bad, skipped, err);
    free(text);
    return st;
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
    }
    XXH128_canonicalFromHash(&bytes, running);
    for (size_t i = 0; i < sizeof bytes.digest; i++) {
        hex[2 * i] = digits[bytes.digest[i] >> 4];
        hex[2 * i + 1] = digits[bytes.digest[i] & 15];
    }
    hex[32] = '\0';
}
