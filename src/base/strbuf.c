/* Growing strings; see base/strbuf.h. */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

/* Make room for n more bytes and the terminator. Doubling keeps a long run of appends linear. */
static bool strbuf_reserve(madpo_strbuf *b, size_t n)
{
    size_t wanted, capacity = b->capacity ? b->capacity : 64;
    char *s;

    if (b->failed)
        return false;
    if (!madpo_checked_add(&wanted, b->n, n) || !madpo_checked_add(&wanted, wanted, 1)) {
        b->failed = true;
        return false;
    }
    if (wanted <= b->capacity)
        return true;
    while (capacity < wanted)
        capacity = capacity > SIZE_MAX / 2 ? wanted : capacity * 2;
    s = realloc(b->s, capacity);
    if (!s) {
        b->failed = true;
        return false;
    }
    b->s = s;
    b->capacity = capacity;
    return true;
}

void madpo_strbuf_append_n(madpo_strbuf *b, const char *bytes, size_t n)
{
    if (!strbuf_reserve(b, n))
        return;
    if (n > 0)
        memcpy(b->s + b->n, bytes, n);
    b->n += n;
    b->s[b->n] = '\0';
}

void madpo_strbuf_append(madpo_strbuf *b, const char *text)
{
    madpo_strbuf_append_n(b, text, strlen(text));
}

void madpo_strbuf_append_char(madpo_strbuf *b, char c)
{
    madpo_strbuf_append_n(b, &c, 1);
}

void madpo_strbuf_append_repeat(madpo_strbuf *b, char c, size_t n)
{
    if (!strbuf_reserve(b, n))
        return;
    memset(b->s + b->n, c, n);
    b->n += n;
    b->s[b->n] = '\0';
}

void madpo_strbuf_printf(madpo_strbuf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
        return;
    }
    if (!strbuf_reserve(b, (size_t)n))
        return;
    va_start(ap, fmt);
    vsnprintf(b->s + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

void madpo_strbuf_reset(madpo_strbuf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->s)
        b->s[0] = '\0';
}

madpo_status madpo_strbuf_check(const madpo_strbuf *b, madpo_error *err)
{
    if (b->failed)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory while building a text");
    return MADPO_OK;
}

madpo_status madpo_strbuf_steal(madpo_strbuf *b, char **out, size_t *n, madpo_error *err)
{
    madpo_status st;

    *out = NULL;
    if (n)
        *n = 0;
    madpo_strbuf_append_n(b, "", 0); /* an empty text is a text too */
    st = madpo_strbuf_check(b, err);
    if (st != MADPO_OK) {
        madpo_strbuf_dispose(b);
        return st;
    }
    *out = b->s;
    if (n)
        *n = b->n;
    *b = (madpo_strbuf){0};
    return MADPO_OK;
}

void madpo_strbuf_dispose(madpo_strbuf *b)
{
    free(b->s);
    *b = (madpo_strbuf){0};
}
