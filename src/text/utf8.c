/* Tolerant UTF-8; see utf8.h. */
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "base/error.h"

size_t madpo_utf8_read(const char *text, size_t n, int32_t *cp)
{
    utf8proc_int32_t value;
    utf8proc_ssize_t used;

    if ((unsigned char)text[0] < 0x80) {
        *cp = (unsigned char)text[0];
        return 1;
    }
    used =
        utf8proc_iterate((const utf8proc_uint8_t *)text, n < 4 ? (utf8proc_ssize_t)n : 4, &value);
    if (used < 1 || value < 0) {
        *cp = -1;
        return 1;
    }
    *cp = value;
    return (size_t)used;
}

size_t madpo_utf8_write(int32_t cp, char *out)
{
    return (size_t)utf8proc_encode_char(cp, (utf8proc_uint8_t *)out);
}

madpo_status madpo_utf8_sanitize(char **out, size_t *n_out, const char *text, size_t n,
                                 madpo_error *err)
{
    static const char replacement[3] = {'\xEF', '\xBF', '\xBD'}; /* U+FFFD */
    size_t extra = 0, w = 0, used;
    int32_t cp;
    char *copy;

    *out = NULL;
    if (n_out)
        *n_out = 0;
    for (size_t at = 0; at < n; at += used) {
        used = madpo_utf8_read(text + at, n - at, &cp);
        extra += cp < 0 ? 2 : 0;
    }
    copy = malloc(n + extra + 1);
    if (!copy)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a text of %zu bytes", n);
    for (size_t at = 0; at < n; at += used) {
        used = madpo_utf8_read(text + at, n - at, &cp);
        memcpy(copy + w, cp < 0 ? replacement : text + at, cp < 0 ? 3 : used);
        w += cp < 0 ? 3 : used;
    }
    copy[w] = '\0';
    if (n_out)
        *n_out = w;
    *out = copy;
    return MADPO_OK;
}
