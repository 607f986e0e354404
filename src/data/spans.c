/* Tokens found again in the text they were made from; see spans.h. */
#include "data/spans.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { SPAN_SEARCH = 32 }; /* bytes passed over to find a token again */

static bool begins(const char *text, size_t n, const char *with, size_t n_with)
{
    return n_with > 0 && n_with <= n && memcmp(text, with, n_with) == 0;
}

/* Put one token at or behind byte `at`; true if it lies exactly there. */
static bool span_place(madpo_span *span, const char *bytes, size_t n_bytes, const char *text,
                       size_t n, size_t at, bool special)
{
    *span = (madpo_span){.at = (int32_t)at};
    if (n_bytes == 0 || begins(text + at, n - at, bytes, n_bytes)) {
        span->n = (int32_t)n_bytes;
        return true;
    }
    if (special) /* the end of the text, mostly: in no text */
        return true;
    if (bytes[0] == ' ' && begins(text + at, n - at, bytes + 1, n_bytes - 1)) {
        span->n = (int32_t)n_bytes - 1;
        return true;
    }
    /* a single byte would be found anywhere */
    for (size_t skip = 1; n_bytes > 1 && skip <= SPAN_SEARCH && at + skip < n; skip++)
        if (begins(text + at + skip, n - at - skip, bytes, n_bytes)) {
            *span = (madpo_span){(int32_t)(at + skip), (int32_t)n_bytes};
            break;
        }
    return false;
}

/* Lay all tokens out from byte `at` on; true if every one was just where it had to be, and if,
 * where the text's `end` is wanted, they got there. */
static bool spans_walk(madpo_span *spans, const madpo_tokenizer *tok, const int32_t *ids,
                       size_t n_ids, const char *text, size_t n, size_t at, bool end)
{
    bool exact = true;

    for (size_t i = 0; i < n_ids; i++) {
        size_t n_bytes = 0;
        const char *bytes = madpo_tokenizer_bytes(tok, ids[i], &n_bytes);
        bool there = span_place(&spans[i], bytes ? bytes : "", bytes ? n_bytes : 0, text, n, at,
                                madpo_tokenizer_is_special(tok, ids[i]));

        exact = exact && there;
        at = (size_t)spans[i].at + (size_t)spans[i].n;
    }
    return exact && (!end || at == n);
}

/* Where the tokens, as a text, begin for the last time; n if nowhere. */
static madpo_status spans_last(size_t *at, const madpo_tokenizer *tok, const int32_t *ids,
                               size_t n_ids, const char *text, size_t n, madpo_error *err)
{
    char *decoded;
    const char *first;
    size_t n_decoded, n_first = 0, n_used = n_ids;
    madpo_status st;

    if (n_used > 0 && ids[n_used - 1] == madpo_tokenizer_eos(tok))
        n_used--;
    *at = n;
    st = madpo_tokenizer_decode(tok, ids, n_used, false, &decoded, &n_decoded, err);
    for (size_t i = n + 1; st == MADPO_OK && i-- > 0;)
        if (begins(text + i, n - i, decoded, n_decoded)) {
            *at = i;
            break;
        }
    free(decoded);
    if (st != MADPO_OK || n_ids == 0 || *at == n || *at == 0)
        return st;
    first = madpo_tokenizer_bytes(tok, ids[0], &n_first); /* some decoders drop its blank */
    if (first && begins(text + *at - 1, n - *at + 1, first, n_first) && text[*at] != ' ')
        --*at;
    return st;
}

madpo_status madpo_token_spans(madpo_span *spans, const madpo_tokenizer *tok, const int32_t *ids,
                               size_t n_ids, const char *text, size_t n, bool keep_end,
                               madpo_error *err)
{
    size_t at = 0;
    madpo_status st;

    if (n > INT32_MAX)
        return madpo_error_set(err, MADPO_ERR_DATA, "an answer of %zu bytes", n);
    if (spans_walk(spans, tok, ids, n_ids, text, n, 0, keep_end))
        return MADPO_OK;
    st = spans_last(&at, tok, ids, n_ids, text, n, err);
    if (st == MADPO_OK)
        spans_walk(spans, tok, ids, n_ids, text, n, at < n ? at : 0, false);
    return st;
}
