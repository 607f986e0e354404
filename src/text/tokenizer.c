/* A tokenizer's life, its tables, its queries and decoding; see tokenizer.h. */
#include "text/tokenizer_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/utf8.h"

/* ---- GPT-2's byte map: printable bytes stand for themselves, the other 68 for U+0100 and up ----
 */

static bool byte_is_printable(int byte)
{
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

int32_t madpo__byte_to_char(uint8_t byte)
{
    int32_t nth = 0;

    if (byte_is_printable(byte))
        return byte;
    for (int b = 0; b < byte; b++)
        nth += !byte_is_printable(b);
    return 0x100 + nth;
}

int madpo__char_to_byte(int32_t cp)
{
    int32_t nth = cp - 0x100;

    if (cp >= 0 && cp < 0x100)
        return byte_is_printable((int)cp) ? (int)cp : -1;
    for (int b = 0; b < 256 && nth >= 0; b++)
        if (!byte_is_printable(b) && nth-- == 0)
            return b;
    return -1;
}

void madpo__byte_alphabet(uint8_t order[256])
{
    int n = 0;

    for (int b = 0; b < 256; b++)
        if (byte_is_printable(b))
            order[n++] = (uint8_t)b;
    for (int b = 0; b < 256; b++)
        if (!byte_is_printable(b))
            order[n++] = (uint8_t)b;
}

/* ---- lists of ids ---- */

void madpo_ids_dispose(madpo_ids *ids)
{
    free(ids->v);
    memset(ids, 0, sizeof *ids);
}

madpo_status madpo_ids_push(madpo_ids *ids, int32_t id, madpo_error *err)
{
    if (ids->n == ids->capacity) {
        size_t capacity = ids->capacity ? 2 * ids->capacity : 64;
        int32_t *v = realloc(ids->v, capacity * sizeof *v);

        if (!v)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu token ids", capacity);
        ids->v = v;
        ids->capacity = capacity;
    }
    ids->v[ids->n++] = id;
    return MADPO_OK;
}

/* ---- building ---- */

madpo_status madpo__tokenizer_new(madpo_tokenizer **out, madpo_error *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a tokenizer");
    (*out)->bos = (*out)->eos = (*out)->pad = -1;
    return MADPO_OK;
}

void madpo_tokenizer_free(madpo_tokenizer *tok)
{
    if (!tok)
        return;
    free(tok->token);
    free(tok->pool);
    madpo__strmap_dispose(&tok->index);
    free(tok->index_id);
    free(tok->merge);
    free(tok->merge_slot);
    free(tok->added);
    free(tok->json);
    free(tok->config_json);
    free(tok->special_json);
    madpo__strmap_dispose(&tok->cache);
    free(tok->cache_end);
    madpo_ids_dispose(&tok->cache_ids);
    free(tok->symbol);
    free(tok->heap);
    free(tok);
}

/* Room for ids up to `id`, and for a content of n bytes twice in the pool. */
static bool tokenizer_reserve(madpo_tokenizer *tok, int32_t id, size_t n)
{
    if (id >= tok->capacity_vocab) {
        int32_t capacity = id < 512 ? 1024 : 2 * id;
        madpo_token *token = realloc(tok->token, (size_t)capacity * sizeof *token);

        if (!token)
            return false;
        memset(token + tok->capacity_vocab, 0,
               (size_t)(capacity - tok->capacity_vocab) * sizeof *token);
        tok->token = token;
        tok->capacity_vocab = capacity;
    }
    if (tok->capacity_pool - tok->n_pool < 2 * n + 2) {
        size_t capacity = 2 * tok->capacity_pool + 2 * n + 4096;
        char *pool = realloc(tok->pool, capacity);

        if (!pool)
            return false;
        tok->pool = pool;
        tok->capacity_pool = capacity;
    }
    if (tok->index.n >= tok->capacity_index) {
        size_t capacity = tok->capacity_index ? 2 * tok->capacity_index : 1024;
        int32_t *index_id = realloc(tok->index_id, capacity * sizeof *index_id);

        if (!index_id)
            return false;
        tok->index_id = index_id;
        tok->capacity_index = capacity;
    }
    return true;
}

/* Map `content` back to bytes at `out` [n bytes]; false if it has a character outside the map. */
static bool tokenizer_unmap(const char *content, size_t n, char *out, uint32_t *n_bytes)
{
    size_t used;
    int32_t cp;

    *n_bytes = 0;
    for (size_t at = 0; at < n; at += used) {
        int byte;

        used = madpo_utf8_read(content + at, n - at, &cp);
        byte = cp < 0 ? -1 : madpo__char_to_byte(cp);
        if (byte < 0)
            return false;
        out[(*n_bytes)++] = (char)byte;
    }
    return true;
}

madpo_status madpo__tokenizer_put(madpo_tokenizer *tok, int32_t id, const char *content, size_t n,
                                  madpo_error *err)
{
    madpo_token *t;
    size_t number;
    bool fresh;
    madpo_status st;

    if (n > UINT32_MAX / 4 || !tokenizer_reserve(tok, id, n))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for token %ld of the vocabulary",
                               (long)id);
    t = &tok->token[id];
    if (t->present)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "id %ld is given to two tokens: \"%s\" and \"%.*s\"", (long)id,
                               tok->pool + t->content, (int)(n < 60 ? n : 60), content);
    st = madpo__strmap_add(&tok->index, content, n, &number, &fresh, err);
    if (st != MADPO_OK)
        return st;
    if (!fresh)
        return madpo_error_set(err, MADPO_ERR_DATA, "token \"%.*s\" has two ids: %ld and %ld",
                               (int)(n < 60 ? n : 60), content, (long)tok->index_id[number],
                               (long)id);
    tok->index_id[number] = id;
    t->present = true;
    t->content = tok->n_pool;
    t->n_content = (uint32_t)n;
    memcpy(tok->pool + tok->n_pool, content, n);
    tok->pool[tok->n_pool + n] = '\0';
    tok->n_pool += n + 1;
    t->bytes = tok->n_pool;
    if (!tokenizer_unmap(content, n, tok->pool + tok->n_pool, &t->n_bytes)) {
        t->bytes = t->content;
        t->n_bytes = (uint32_t)n;
    }
    tok->n_pool += t->bytes == t->content ? 0 : t->n_bytes;
    if (id >= tok->n_vocab)
        tok->n_vocab = id + 1;
    return MADPO_OK;
}

void madpo__tokenizer_mark_added(madpo_tokenizer *tok, int32_t id, bool special)
{
    madpo_token *t = &tok->token[id];

    t->added = true;
    t->special = special;
    t->bytes = t->content;
    t->n_bytes = t->n_content;
}

static int32_t tokenizer_first_added(const madpo_tokenizer *tok, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t id = madpo_tokenizer_id(tok, names[i]);

        if (id >= 0 && tok->token[id].added)
            return id;
    }
    return -1;
}

void madpo__tokenizer_guess_roles(madpo_tokenizer *tok, unsigned roles)
{
    static const char *const bos[] = {"<bos>", "<s>", "<|begin_of_text|>", "<|endoftext|>"};
    static const char *const eos[] = {"<eos>", "</s>", "<|end_of_text|>", "<|endoftext|>"};
    static const char *const pad[] = {"<pad>", "<|padding|>"};

    if (roles & MADPO__ROLE_BOS)
        tok->bos = tokenizer_first_added(tok, bos, sizeof bos / sizeof *bos);
    if (roles & MADPO__ROLE_EOS)
        tok->eos = tokenizer_first_added(tok, eos, sizeof eos / sizeof *eos);
    if (roles & MADPO__ROLE_PAD)
        tok->pad = tokenizer_first_added(tok, pad, sizeof pad / sizeof *pad);
}

madpo_status madpo__tokenizer_put_merge(madpo_tokenizer *tok, int32_t left, int32_t right,
                                        int32_t result, madpo_error *err)
{
    if (tok->n_merges == tok->capacity_merges) {
        size_t capacity = tok->capacity_merges ? 2 * tok->capacity_merges : 1024;
        madpo_merge *merge = realloc(tok->merge, capacity * sizeof *merge);

        if (!merge)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu merges", capacity);
        tok->merge = merge;
        tok->capacity_merges = capacity;
    }
    tok->merge[tok->n_merges++] = (madpo_merge){left, right, result};
    return MADPO_OK;
}

/* ---- merges by pair ---- */

static uint64_t merge_hash(int32_t left, int32_t right)
{
    uint64_t x = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;

    x = (x ^ (x >> 31)) * 0x9E3779B97F4A7C15u; /* a finaliser in the manner of splitmix64 */
    x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9u;
    return x ^ (x >> 32);
}

/* Slot of the pair, or the free slot where it belongs. */
static size_t merge_probe(const madpo_tokenizer *tok, int32_t left, int32_t right)
{
    size_t mask = tok->n_merge_slots - 1;
    size_t at = (size_t)merge_hash(left, right) & mask;

    for (;; at = (at + 1) & mask) {
        uint32_t i = tok->merge_slot[at];

        if (!i || (tok->merge[i - 1].left == left && tok->merge[i - 1].right == right))
            return at;
    }
}

uint32_t madpo__merge_rank(const madpo_tokenizer *tok, int32_t left, int32_t right)
{
    uint32_t i = tok->merge_slot[merge_probe(tok, left, right)];

    return i ? i - 1 : UINT32_MAX;
}

madpo_status madpo__tokenizer_index_merges(madpo_tokenizer *tok, madpo_error *err)
{
    size_t n_slots = 64;

    while (n_slots < 2 * tok->n_merges + 2)
        n_slots *= 2;
    free(tok->merge_slot);
    tok->merge_slot = calloc(n_slots, sizeof *tok->merge_slot);
    if (!tok->merge_slot)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu merges", tok->n_merges);
    tok->n_merge_slots = n_slots;
    for (size_t i = 0; i < tok->n_merges; i++) /* of a pair given twice the last rank wins */
        tok->merge_slot[merge_probe(tok, tok->merge[i].left, tok->merge[i].right)] =
            (uint32_t)i + 1;
    return MADPO_OK;
}

/* Added tokens, longest first (equal lengths by id), so that the first that matches is the longest.
 */
static bool tokenizer_index_added(madpo_tokenizer *tok)
{
    int n = 0;

    for (int32_t id = 0; id < tok->n_vocab; id++)
        n += tok->token[id].added;
    tok->added = malloc(((size_t)n + 1) * sizeof *tok->added);
    if (!tok->added)
        return false;
    for (int32_t id = 0; id < tok->n_vocab; id++) {
        int at = tok->n_added;

        if (!tok->token[id].added || !tok->token[id].n_content)
            continue;
        for (; at > 0 && tok->token[tok->added[at - 1]].n_content < tok->token[id].n_content; at--)
            tok->added[at] = tok->added[at - 1];
        tok->added[at] = id;
        tok->n_added++;
        tok->added_first[(unsigned char)tok->pool[tok->token[id].content]] = true;
    }
    return true;
}

/* A token that merges make stands for the bytes merged; as an added token it stands for its content
 * as written. Where the two differ ("\u0120the" added), decoding could not tell which it was. */
static madpo_status tokenizer_check_added(const madpo_tokenizer *tok, madpo_error *err)
{
    for (size_t i = 0; i < tok->n_merges; i++) {
        const madpo_token *t = &tok->token[tok->merge[i].result];
        const madpo_token *left = &tok->token[tok->merge[i].left];

        if (t->added && t->n_bytes != left->n_bytes + tok->token[tok->merge[i].right].n_bytes)
            return madpo_error_set(
                err, MADPO_ERR_UNSUPPORTED,
                "added token \"%.60s\" is also made by merges, from other bytes; "
                "remove it from added_tokens",
                tok->pool + t->content);
    }
    return MADPO_OK;
}

madpo_status madpo__tokenizer_freeze(madpo_tokenizer *tok, madpo_error *err)
{
    for (int b = 0; b < 256; b++) {
        char content[4];
        size_t n = madpo_utf8_write(madpo__byte_to_char((uint8_t)b), content);

        tok->byte_id[b] = madpo__tokenizer_find(tok, content, n);
        if (tok->byte_id[b] < 0 || tok->token[tok->byte_id[b]].added)
            return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                                   "the vocabulary has no token for byte 0x%02X; a byte-level BPE "
                                   "needs all 256",
                                   b);
    }
    if (tokenizer_check_added(tok, err) != MADPO_OK)
        return MADPO_ERR_UNSUPPORTED;
    if (!tokenizer_index_added(tok))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a tokenizer's tables");
    return madpo__tokenizer_index_merges(tok, err);
}

/* ---- queries ---- */

int32_t madpo__tokenizer_find(const madpo_tokenizer *tok, const char *content, size_t n)
{
    size_t number = madpo__strmap_find(&tok->index, content, n);

    return number == SIZE_MAX ? -1 : tok->index_id[number];
}

int32_t madpo_tokenizer_vocab(const madpo_tokenizer *tok)
{
    return tok->n_vocab;
}

int32_t madpo_tokenizer_id(const madpo_tokenizer *tok, const char *content)
{
    return madpo__tokenizer_find(tok, content, strlen(content));
}

int32_t madpo_tokenizer_bos(const madpo_tokenizer *tok)
{
    return tok->bos;
}

int32_t madpo_tokenizer_eos(const madpo_tokenizer *tok)
{
    return tok->eos;
}

int32_t madpo_tokenizer_pad(const madpo_tokenizer *tok)
{
    return tok->pad;
}

/* ---- decoding ---- */

madpo_status madpo_tokenizer_decode(const madpo_tokenizer *tok, const int32_t *ids, size_t n_ids,
                                    bool skip_specials, char **out, size_t *n, madpo_error *err)
{
    size_t total = 0, at = 0;

    *out = NULL;
    *n = 0;
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || ids[i] >= tok->n_vocab || !tok->token[ids[i]].present)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "token id %ld is outside the vocabulary of %ld", (long)ids[i],
                                   (long)tok->n_vocab);
        total += tok->token[ids[i]].n_bytes;
    }
    *out = malloc(total + 1);
    if (!*out)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a text of %zu bytes", total);
    for (size_t i = 0; i < n_ids; i++) {
        const madpo_token *t = &tok->token[ids[i]];

        if (skip_specials && t->special)
            continue;
        memcpy(*out + at, tok->pool + t->bytes, t->n_bytes);
        at += t->n_bytes;
    }
    (*out)[at] = '\0';
    *n = at;
    return MADPO_OK;
}
