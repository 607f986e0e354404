/* The model: a piece of text is taken apart into symbols (bytes, or characters with what becomes of
 * unknown ones), which byte-pair merges put together by a heap, O(n log n); see tokenizer.h.
 *
 * Some tokenizers do not cut their text at all (Gemma's): a whole text is one piece. Such a piece
 * is cut here at every place where no merge can ever reach across, which gives the same ids: a
 * token that merges made of both sides would hold the two characters beside the cut next to each
 * other. `joined` is a set of the pairs of characters that the results of merges hold, as one bit
 * for each hash; a hit by accident only leaves a piece longer. */
#include "text/tokenizer_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
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

/* Merge the leftmost occurrence of the best pair of the n > 0 symbols until none is left. A
 * candidate whose symbols have changed meanwhile is dropped when it comes up: the pair that
 * replaced it was pushed when it arose. */
static void encode_merge(madpo_tokenizer *tok, size_t n)
{
    madpo_symbol *s = tok->symbol;
    size_t n_heap = 0;

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
    size_t capacity = n < 128 ? 256 : n + n / 2;
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

/* ---- a word as symbols ---- */

static void symbol_add(madpo_tokenizer *tok, size_t *n, int32_t id)
{
    tok->symbol[*n] = (madpo_symbol){id, (int32_t)*n - 1, (int32_t)*n + 1};
    ++*n;
}

/* The model's token for a code point alone (cp < 0: a byte that is no UTF-8), -1 if none. */
static int32_t char_token(const madpo_tokenizer *tok, int32_t cp, const char *text, size_t used)
{
    if (cp < MADPO__CHARS)
        return cp < 0 ? -1 : tok->char_id[cp];
    return madpo__tokenizer_find_model(tok, text, used);
}

/* The bytes as "<0xHH>" each; false if one of them has no token. */
static bool symbol_fallback(madpo_tokenizer *tok, size_t *n, const char *text, size_t n_text)
{
    if (!tok->byte_fallback)
        return false;
    for (size_t i = 0; i < n_text; i++)
        if (tok->byte_id[(unsigned char)text[i]] < 0)
            return false;
    for (size_t i = 0; i < n_text; i++)
        symbol_add(tok, n, tok->byte_id[(unsigned char)text[i]]);
    return true;
}

/* One character in *text [*n_text] with what the model sets before and behind it; -1 if the model
 * has no token for it. */
static int32_t symbol_affixed(madpo_tokenizer *tok, bool first, bool last, int32_t cp,
                              const char **text, size_t *n_text)
{
    bool prefix = !first && tok->word_prefix, suffix = last && tok->word_suffix;

    if (!prefix && !suffix)
        return char_token(tok, cp, *text, *n_text);
    madpo_strbuf_reset(&tok->whole);
    if (prefix)
        madpo_strbuf_append(&tok->whole, tok->word_prefix);
    madpo_strbuf_append_n(&tok->whole, *text, *n_text);
    if (suffix)
        madpo_strbuf_append(&tok->whole, tok->word_suffix);
    if (tok->whole.failed)
        return -1;
    *text = tok->whole.s;
    *n_text = tok->whole.n;
    return madpo__tokenizer_find_model(tok, *text, *n_text);
}

/* The characters of a word. What has no token becomes bytes, else the unknown token, else nothing.
 * An unknown token waits for the next known character, also while bytes go by: that is how Hugging
 * Face's library orders them. */
static size_t symbols_of_chars(madpo_tokenizer *tok, const char *word, size_t n_word)
{
    size_t n = 0, used;
    bool waiting = false;
    int32_t cp;

    for (size_t at = 0; at < n_word; at += used) {
        const char *text = word + at;
        size_t n_text = used = madpo_utf8_read(text, n_word - at, &cp);
        int32_t id = symbol_affixed(tok, at == 0, at + used == n_word, cp, &text, &n_text);

        if (tok->whole.failed) /* the caller looks */
            return 0;
        if (id >= 0) {
            if (waiting)
                symbol_add(tok, &n, tok->unk_model);
            waiting = false;
            symbol_add(tok, &n, id);
        } else if (!symbol_fallback(tok, &n, text, n_text) && tok->unk_model >= 0) {
            if (waiting && !tok->fuse_unk)
                symbol_add(tok, &n, tok->unk_model);
            waiting = true;
        }
    }
    if (waiting)
        symbol_add(tok, &n, tok->unk_model);
    return n;
}

/* Symbols that a word of n bytes may need: affixes can fall apart into bytes, too. */
static size_t symbols_at_most(const madpo_tokenizer *tok, size_t n)
{
    size_t prefix = tok->word_prefix ? strlen(tok->word_prefix) : 0;

    return n * (1 + prefix) + (tok->word_suffix ? strlen(tok->word_suffix) : 0);
}

/* Id of the token whose bytes are exactly this piece, -1 if none (ignore_merges). */
static int32_t encode_whole(madpo_tokenizer *tok, const char *word, size_t n)
{
    char utf8[4];

    if (n > tok->longest)
        return -1;
    if (!tok->byte_level)
        return madpo__tokenizer_find_model(tok, word, n);
    madpo_strbuf_reset(&tok->whole);
    for (size_t i = 0; i < n; i++)
        madpo_strbuf_append_n(&tok->whole, utf8,
                              madpo_utf8_write(madpo__byte_to_char((uint8_t)word[i]), utf8));
    return tok->whole.failed ? -1 : madpo__tokenizer_find_model(tok, tok->whole.s, tok->whole.n);
}

/* Append the ids of one word, without looking into the cache. */
static madpo_status encode_word(madpo_tokenizer *tok, const char *word, size_t n, madpo_ids *out,
                                madpo_error *err)
{
    int32_t whole = tok->ignore_merges ? encode_whole(tok, word, n) : -1;
    size_t most = symbols_at_most(tok, n);
    madpo_status st;

    if (whole >= 0)
        return madpo_ids_push(out, whole, err);
    if (n > INT32_MAX / 4 || most > INT32_MAX / 4)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "a text of %zu bytes has no blank to cut it at; split it up", n);
    if (!encode_reserve(tok, most))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory to encode a word of %zu bytes", n);
    tok->whole.failed = false;
    if (tok->byte_level) {
        most = 0;
        for (size_t i = 0; i < n; i++)
            symbol_add(tok, &most, tok->byte_id[(unsigned char)word[i]]);
    } else {
        most = symbols_of_chars(tok, word, n);
    }
    st = madpo_strbuf_check(&tok->whole, err);
    if (st != MADPO_OK || !most)
        return st;
    tok->symbol[most - 1].next = -1;
    encode_merge(tok, most);
    for (int32_t at = 0; at >= 0 && st == MADPO_OK; at = tok->symbol[at].next)
        st = madpo_ids_push(out, tok->symbol[at].id, err);
    return st;
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

static madpo_status encode_through_cache(madpo_tokenizer *tok, const char *word, size_t n,
                                         madpo_ids *out, madpo_error *err)
{
    size_t number, start;
    madpo_status st;

    if (n == 1 && tok->byte_level && !tok->ignore_merges)
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

/* ---- cutting long pieces ---- */

static uint32_t joined_bit(int32_t a, int32_t b)
{
    uint32_t hash = (uint32_t)a * 0x9E3779B1u ^ ((uint32_t)b + 0x7F4A7C15u) * 0x85EBCA6Bu;

    return (hash ^ hash >> 15) % MADPO__JOINED;
}

static bool is_joined(const madpo_tokenizer *tok, int32_t a, int32_t b)
{
    uint32_t bit = joined_bit(a, b);

    return tok->joined[bit / 8] >> bit % 8 & 1;
}

static void join_token(madpo_tokenizer *tok, const madpo_token *t)
{
    const char *text = tok->pool + t->content;
    int32_t before = -1, cp;
    size_t used;

    for (size_t at = 0; at < t->n_content; at += used, before = cp) {
        used = madpo_utf8_read(text + at, t->n_content - at, &cp);
        if (at) {
            uint32_t bit = joined_bit(before, cp);

            tok->joined[bit / 8] |= (uint8_t)(1u << bit % 8);
        } else if (used == t->n_content && cp >= 0 && cp < MADPO__CHARS) {
            tok->char_id[cp] = (int32_t)(t - tok->token);
        }
    }
}

madpo_status madpo__bpe_freeze(madpo_tokenizer *tok, madpo_error *err)
{
    char content[8];

    tok->char_id = malloc(MADPO__CHARS * sizeof *tok->char_id);
    tok->joined = calloc(MADPO__JOINED / 8, 1);
    if (!tok->char_id || !tok->joined)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a tokenizer's tables");
    memset(tok->char_id, 0xFF, MADPO__CHARS * sizeof *tok->char_id);
    for (int32_t id = 0; id < tok->n_vocab; id++)
        if (tok->token[id].model)
            join_token(tok, &tok->token[id]);
    for (int b = 0; b < 256; b++) {
        int n = snprintf(content, sizeof content, "<0x%02X>", (unsigned)b);

        tok->byte_id[b] = madpo__tokenizer_find_model(tok, content, (size_t)n);
    }
    if (tok->ignore_merges || tok->word_prefix || tok->word_suffix) { /* a piece is more than its
                                                                         characters */
        free(tok->joined);
        tok->joined = NULL;
    }
    return MADPO_OK;
}

void madpo__bpe_dispose(madpo_tokenizer *tok)
{
    madpo__strmap_dispose(&tok->cache);
    free(tok->cache_end);
    madpo_ids_dispose(&tok->cache_ids);
    free(tok->symbol);
    free(tok->heap);
    madpo_strbuf_dispose(&tok->whole);
}

madpo_status madpo__bpe_piece(madpo_tokenizer *tok, const char *piece, size_t n, madpo_ids *out,
                              madpo_error *err)
{
    int32_t before = -1, cp; /* before: -1 unless it has a token of its own */
    madpo_status st = MADPO_OK;
    size_t start = 0, used;

    for (size_t at = 0; tok->joined && at < n && st == MADPO_OK; at += used) {
        used = madpo_utf8_read(piece + at, n - at, &cp);
        if (char_token(tok, cp, piece + at, used) < 0)
            cp = -1;
        if (before >= 0 && cp >= 0 && !is_joined(tok, before, cp)) {
            st = encode_through_cache(tok, piece + start, at - start, out, err);
            start = at;
        }
        before = cp;
    }
    return st == MADPO_OK ? encode_through_cache(tok, piece + start, n - start, out, err) : st;
}
