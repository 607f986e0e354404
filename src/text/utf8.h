#ifndef MADPO_TEXT_UTF8_H
#define MADPO_TEXT_UTF8_H
/* UTF-8 where bytes may be anything: reading code points, and making printable text of model
 * output. */
#include "madpo/error.h"

/* Read the code point at text[0] (n > 0) into *cp and return its bytes, 1..4. A byte that begins no
 * valid sequence (truncated, overlong, surrogate, above U+10FFFF) is taken alone: 1 is returned and
 * *cp is -1. */
size_t madpo_utf8_read(const char *text, size_t n, int32_t *cp);
/* The code point as UTF-8 into out [4, write]; returns the bytes. */
size_t madpo_utf8_write(int32_t cp, char *out);
/* A copy of text with every invalid byte replaced by U+FFFD (owned by the caller, free();
 * terminated, bytes in *n_out if not NULL). Sampled text goes through this before it is stored as
 * JSON, so that what is trained on and what is on disk are the same bytes. */
madpo_status madpo_utf8_sanitize(char **out, size_t *n_out, const char *text, size_t n,
                                 madpo_error *err) MADPO_MUST_CHECK;
#endif
