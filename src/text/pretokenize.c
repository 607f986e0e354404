/* GPT-2's pre-tokenizer pattern as a matcher; see pretokenize.h. */
#include "text/pretokenize.h"

#include <stdint.h>
#include <string.h>

#include <utf8proc.h>

#include "text/utf8.h"

typedef enum { CLASS_LETTER, CLASS_NUMBER, CLASS_SPACE, CLASS_OTHER } char_class;

/* Unicode's White_Space property, which is what \s means in the engine Hugging Face uses. */
static int pretokenize_is_space(int32_t cp)
{
    return (cp >= 9 && cp <= 13) || cp == 32 || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F ||
           cp == 0x205F || cp == 0x3000;
}

static char_class pretokenize_class(int32_t cp)
{
    if (cp < 0)
        return CLASS_OTHER;
    if (pretokenize_is_space(cp))
        return CLASS_SPACE;
    if (cp < 0x80) {
        if ((cp | 32) >= 'a' && (cp | 32) <= 'z')
            return CLASS_LETTER;
        return cp >= '0' && cp <= '9' ? CLASS_NUMBER : CLASS_OTHER;
    }
    switch (utf8proc_category(cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return CLASS_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return CLASS_NUMBER;
    default:
        return CLASS_OTHER;
    }
}

/* Class of the code point at `at`; its bytes in *used. */
static char_class pretokenize_read(const char *text, size_t n, size_t at, size_t *used)
{
    int32_t cp;

    *used = madpo_utf8_read(text + at, n - at, &cp);
    return pretokenize_class(cp);
}

/* End of the run of `want` that begins at `at`. */
static size_t pretokenize_run(const char *text, size_t n, size_t at, char_class want)
{
    size_t used;

    while (at < n && pretokenize_read(text, n, at, &used) == want)
        at += used;
    return at;
}

/* Bytes of the English contraction at text[0] == '\'', 0 if none. */
static size_t pretokenize_contraction(const char *text, size_t n)
{
    static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t len = strlen(endings[i]);

        if (len < n && !memcmp(text + 1, endings[i], len))
            return len + 1;
    }
    return 0;
}

/* \s+(?!\S)|\s+ : all blanks at the end of the text, else all but the last, which belongs to what
 * follows; a single blank stands alone. */
static size_t pretokenize_blanks(const char *text, size_t n, size_t at)
{
    size_t end = at, last = at, used;

    while (end < n && pretokenize_read(text, n, end, &used) == CLASS_SPACE) {
        last = end;
        end += used;
    }
    return end == n || last == at ? end : last;
}

size_t madpo__pretokenize_next(const char *text, size_t n, size_t at)
{
    size_t used, after, contraction;
    char_class first = pretokenize_read(text, n, at, &used);

    if (text[at] == '\'') {
        contraction = pretokenize_contraction(text + at, n - at);
        if (contraction)
            return at + contraction;
    }
    if (first != CLASS_SPACE)
        return pretokenize_run(text, n, at, first);
    if (text[at] == ' ' && at + 1 < n) {
        first = pretokenize_read(text, n, at + 1, &after);
        if (first != CLASS_SPACE)
            return pretokenize_run(text, n, at + 1, first);
    }
    return pretokenize_blanks(text, n, at);
}
