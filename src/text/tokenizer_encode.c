/* Encoding: special tokens, pieces, then byte-pair merges by a heap; see tokenizer.h. */
#include "text/tokenizer_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/pretokenize.h"
#include "text/utf8.h"

enum {
    CACHE_WORDS = 1 << 16,    /* the cache is emptied when it holds more words … */
    CACHE_WORD_BYTES = 1 << 7 /* … and never holds longer ones */
};

/* ---- one word by heap ---- */

static bool heap_before(const madpo_candidate *a, const madpo_candidate *b)
{
    return a->key < b->key;
}

static void heap_push(madpo_candidate *heap, size_t *n, madpo_candidate c)
{
    size_t at = (*n)++;

    while (at > 0 && heap_before(&c, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = c;
}

static madpo_candidate heap_pop(madpo_candidate *heap, size_t *n)
{
    madpo_candidate top = heap[0], last = heap[--*n];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= *n)
            break;
        if (child + 1 < *n && heap_before(&heap[child + 1], &heap[child]))
            child++;
        if (!heap_before(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

static void encode_push_pair(madpo_tokenizer *tok, size_t *n_heap, int32_t left)
{
    int32_t right = left < 0 ? -1 : tok->symbol[left].next;
    uint32_t rank;

    if (right < 0)
        return;
    rank = madpo__merge_rank(tok, tok->symbol[left].id, tok->symbol[right].id);
    if (rank != UINT32_MAX)
        heap_push(tok->heap, n_heap,
                  (madpo_candidate){(uint64_t)rank << 32 | (uint32_t)left, tok->symbol[left].id,
                                    tok->symbol[right].id});
}

/* Merge the leftmost occurrence of the best pair until none is left. A candidate whose symbols have
 * changed meanwhile is dropped when it comes up: the pair that replaced it was pushed when it
 * arose. */
static void encode_merge(madpo_tokenizer *tok, const char *word, size_t n)
{
    madpo_symbol *s = tok->symbol;
    size_t n_heap = 0;

    for (size_t i = 0; i < n; i++)
        s[i] = (madpo_symbol){tok->byte_id[(unsigned char)word[i]], (int32_t)i - 1,
                              i + 1 < n ? (int32_t)i + 1 : -1};
    for (size_t i = 0; i + 1 < n; i++)
        encode_push_pair(tok, &n_heap, (int32_t)i);
    while (n_heap) {
        madpo_candidate c = heap_pop(tok->heap, &n_heap);
        int32_t left = (int32_t)(c.key & UINT32_MAX), right = s[left].next;

        if (s[left].id != c.left || right < 0 || s[right].id != c.right)
            continue;
        s[left].id = tok->merge[c.key >> 32].result;
        s[left].next = s[right].next;
        if (s[left].next >= 0)
            s[s[left].next].prev = left;
        s[right].id = -1;
        s[right].next = -1;
        encode_push_pair(tok, &n_heap, s[left].prev);
        encode_push_pair(tok, &n_heap, left);
    }
}

static bool encode_reserve(madpo_tokenizer *tok, size_t n)
{
    size_t capacity = n < 128 ? 256 : 2 * n;
    madpo_symbol *symbol;
    madpo_candidate *heap;

    if (n <= tok->capacity_symbols)
        return true;
    symbol = realloc(tok->symbol, capacity * sizeof *symbol);
    if (!symbol)
        return false;
    tok->symbol = symbol;
    heap = realloc(tok->heap, 3 * capacity * sizeof *heap);
    if (!heap)
        return false;
    tok->heap = heap;
    tok->capacity_symbols = capacity;
    return true;
}

/* Id of the token whose bytes are exactly this piece, -1 if none (ignore_merges). */
static int32_t encode_whole(const madpo_tokenizer *tok, const char *word, size_t n)
{
    char content[2 * CACHE_WORD_BYTES]; /* a mapped byte is 1 or 2 bytes of UTF-8 */
    size_t n_content = 0;
    int32_t id;

    if (n > CACHE_WORD_BYTES)
        return -1;
    for (size_t i = 0; i < n; i++)
        n_content += madpo_utf8_write(madpo__byte_to_char((uint8_t)word[i]), content + n_content);
    id = madpo__tokenizer_find(tok, content, n_content);
    return id >= 0 && !tok->token[id].added ? id : -1;
}

/* Append the ids of one piece, without looking into the cache. */
static madpo_status encode_word(madpo_tokenizer *tok, const char *word, size_t n, madpo_ids *out,
                                madpo_error *err)
{
    madpo_status st;
    int32_t whole = tok->ignore_merges ? encode_whole(tok, word, n) : -1;

    if (whole >= 0)
        return madpo_ids_push(out, whole, err);
    if (n > INT32_MAX / 4)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "a text of %zu bytes has no blank to cut it at; split it up", n);
    if (!encode_reserve(tok, n))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory to encode a word of %zu bytes", n);
    encode_merge(tok, word, n);
    for (int32_t at = 0; at >= 0; at = tok->symbol[at].next) {
        st = madpo_ids_push(out, tok->symbol[at].id, err);
        if (st != MADPO_OK)
            return st;
    }
    return MADPO_OK;
}

/* ---- words through the cache ---- */

/* Number of the word in the cache, encoding it first if it is new. */
static madpo_status encode_cached(madpo_tokenizer *tok, const char *word, size_t n, size_t *number,
                                  madpo_error *err)
{
    bool fresh;
    madpo_status st;

    if (!tok->cache_end) {
        tok->cache_end = malloc(CACHE_WORDS * sizeof *tok->cache_end);
        if (!tok->cache_end)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a tokenizer's cache");
    }
    *number = madpo__strmap_find(&tok->cache, word, n);
    if (*number != SIZE_MAX)
        return MADPO_OK;
    if (tok->cache.n == CACHE_WORDS) {
        madpo__strmap_clear(&tok->cache);
        tok->cache_ids.n = 0;
    }
    st = encode_word(tok, word, n, &tok->cache_ids, err);
    if (st == MADPO_OK)
        st = madpo__strmap_add(&tok->cache, word, n, number, &fresh, err);
    if (st == MADPO_OK)
        tok->cache_end[*number] = tok->cache_ids.n;
    else /* ids without a word would shift all that follow */
        tok->cache_ids.n = tok->cache.n ? tok->cache_end[tok->cache.n - 1] : 0;
    return st;
}

static madpo_status encode_piece(madpo_tokenizer *tok, const char *word, size_t n, madpo_ids *out,
                                 madpo_error *err)
{
    size_t number, start;
    madpo_status st;

    if (n == 1 && !tok->ignore_merges)
        return madpo_ids_push(out, tok->byte_id[(unsigned char)*word], err);
    if (n > CACHE_WORD_BYTES)
        return encode_word(tok, word, n, out, err);
    st = encode_cached(tok, word, n, &number, err);
    if (st != MADPO_OK)
        return st;
    start = number ? tok->cache_end[number - 1] : 0;
    for (size_t i = start; i < tok->cache_end[number] && st == MADPO_OK; i++)
        st = madpo_ids_push(out, tok->cache_ids.v[i], err);
    return st;
}

/* ---- texts ---- */

/* Id of the longest added token at text[0], -1 if none. */
static int32_t encode_match_added(const madpo_tokenizer *tok, const char *text, size_t n,
                                  bool specials)
{
    if (!tok->added_first[(unsigned char)*text])
        return -1;
    for (int i = 0; i < tok->n_added; i++) {
        const madpo_token *t = &tok->token[tok->added[i]];

        if (t->n_content <= n && (specials || !t->special) &&
            !memcmp(text, tok->pool + t->content, t->n_content))
            return tok->added[i];
    }
    return -1;
}

/* A stretch without added tokens. */
static madpo_status encode_stretch(madpo_tokenizer *tok, const char *text, size_t n, madpo_ids *out,
                                   madpo_error *err)
{
    madpo_status st = MADPO_OK;
    size_t end;

    for (size_t at = 0; at < n && st == MADPO_OK; at = end) {
        end = madpo__pretokenize_next(text, n, at);
        st = encode_piece(tok, text + at, end - at, out, err);
    }
    return st;
}

madpo_status madpo_tokenizer_encode(madpo_tokenizer *tok, const char *text, size_t n, bool specials,
                                    madpo_ids *out, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    size_t start = 0;

    for (size_t at = 0; at < n && st == MADPO_OK;) {
        int32_t id = encode_match_added(tok, text + at, n - at, specials);

        if (id < 0) {
            at++;
            continue;
        }
        st = encode_stretch(tok, text + start, at - start, out, err);
        if (st == MADPO_OK)
            st = madpo_ids_push(out, id, err);
        at += tok->token[id].n_content;
        start = at;
    }
    return st == MADPO_OK ? encode_stretch(tok, text + start, n - start, out, err) : st;
}
