/* Tokens found again in the text they were made from; see spans.h. */
#include "data/spans.h"

#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"

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

/* Where the tokens' bytes, one behind the other, begin for the last time; n if nowhere. A blank in
 * front of them may be the tokenizer's own. */
static madpo_status spans_last(size_t *at, const madpo_tokenizer *tok, const int32_t *ids,
                               size_t n_ids, const char *text, size_t n, madpo_error *err)
{
    madpo_strbuf all = {0};
    madpo_status st;

    *at = n;
    for (size_t i = 0; i < n_ids; i++) {
        size_t n_bytes = 0;
        const char *bytes = madpo_tokenizer_bytes(tok, ids[i], &n_bytes);

        if (bytes && !(i + 1 == n_ids && ids[i] == madpo_tokenizer_eos(tok)))
            madpo_strbuf_append_n(&all, bytes, n_bytes);
    }
    st = madpo_strbuf_check(&all, err);
    for (size_t skip = 0; st == MADPO_OK && skip <= 1 && skip < all.n && *at == n; skip++) {
        if (skip == 1 && all.s[0] != ' ')
            break;
        for (size_t i = n; *at == n && i-- > 0;)
            if (begins(text + i, n - i, all.s + skip, all.n - skip))
                *at = i;
    }
    madpo_strbuf_dispose(&all);
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
