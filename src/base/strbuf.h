#ifndef MADPO_BASE_STRBUF_H
#define MADPO_BASE_STRBUF_H
/* A growing string. Appending cannot fail loudly: a failed allocation makes the buffer `failed`,
 * later appends do nothing, and _steal or _check reports it once, at the end.
 *
 *     madpo_strbuf b = {0};
 *     madpo_strbuf_printf(&b, "%s = %d", name, value);
 *     st = madpo_strbuf_steal(&b, &text, NULL, err);     the caller free()s text
 */
#include "madpo/error.h"

typedef struct madpo_strbuf {
    char *s;  /* [capacity] terminated once anything was appended; NULL before */
    size_t n; /* bytes without the terminator */
    size_t capacity;
    bool failed;
} madpo_strbuf;

void madpo_strbuf_append(madpo_strbuf *b, const char *text);
void madpo_strbuf_append_n(madpo_strbuf *b, const char *bytes, size_t n);
void madpo_strbuf_append_char(madpo_strbuf *b, char c);
void madpo_strbuf_append_repeat(madpo_strbuf *b, char c, size_t n);
void madpo_strbuf_printf(madpo_strbuf *b, const char *fmt, ...) MADPO_PRINTF(2, 3);

/* Empty it, keeping the storage and forgetting a failure. */
void madpo_strbuf_reset(madpo_strbuf *b);
/* MADPO_ERR_NOMEM if an append failed. */
madpo_status madpo_strbuf_check(const madpo_strbuf *b, madpo_error *err) MADPO_MUST_CHECK;
/* Move the string out (owned by the caller, free(); "" if nothing was appended); n may be NULL. The
 * buffer is empty and reusable afterwards, also on failure. */
madpo_status madpo_strbuf_steal(madpo_strbuf *b, char **out, size_t *n,
                                madpo_error *err) MADPO_MUST_CHECK;
void madpo_strbuf_dispose(madpo_strbuf *b);
#endif
