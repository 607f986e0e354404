#ifndef MADPO_DATA_SPANS_H
#define MADPO_DATA_SPANS_H
/* Where the tokens of an answer lie in its text. Tokens stand for bytes, so a character may lie in
 * several of them; a tokenizer that changes a text (lower case, another form of Unicode, a blank in
 * front) is followed as far as its tokens can be found in it. */
#include "text/tokenizer.h"

typedef struct madpo_span {
    int32_t at, n; /* first byte and bytes; 0 bytes: none of the text */
} madpo_span;

/* Spans [n_ids] of ids in text [n], one behind the other. `keep_end`: a text that was cut lost its
 * front, else its end. MADPO_ERR_NOMEM, MADPO_ERR_DATA for a text beyond 2 GiB. */
madpo_status madpo_token_spans(madpo_span *spans, const madpo_tokenizer *tok, const int32_t *ids,
                               size_t n_ids, const char *text, size_t n, bool keep_end,
                               madpo_error *err) MADPO_MUST_CHECK;
#endif
