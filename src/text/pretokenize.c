/* Two pre-tokenizer patterns as matchers; see pretokenize.h. */
#include "text/pretokenize.h"

#include <string.h>

#include <utf8proc.h>

#include "text/utf8.h"

typedef enum { CLASS_LETTER, CLASS_NUMBER, CLASS_SPACE, CLASS_OTHER } char_class;

bool madpo__is_space(int32_t cp)
{
    return (cp >= 9 && cp <= 13) || cp == 32 || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F ||
           cp == 0x205F || cp == 0x3000;
}

static char_class pretokenize_class(int32_t cp)
{
    if (cp < 0)
        return CLASS_OTHER;
    if (madpo__is_space(cp))
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

/* ---- Llama-3 and Qwen2 ---- */

/* An ASCII letter that the code point folds to: U+017F is s and U+212A is k to a caseless match. */
static int32_t pretokenize_fold(int32_t cp)
{
    if (cp >= 'A' && cp <= 'Z')
        return cp + 32;
    return cp == 0x17F ? 's' : cp == 0x212A ? 'k' : cp;
}

/* End of the contraction in any case at text[at] == '\'', 0 if none. */
static size_t pretokenize_contraction_any(const char *text, size_t n, size_t at)
{
    int32_t a = -1, b = -1;
    size_t one = at + 1, two, end;

    if (one >= n)
        return 0;
    two = one + madpo_utf8_read(text + one, n - one, &a);
    end = two < n ? two + madpo_utf8_read(text + two, n - two, &b) : two;
    a = pretokenize_fold(a);
    b = pretokenize_fold(b);
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return two;
    return (b == 'e' && (a == 'r' || a == 'v')) || (a == 'l' && b == 'l') ? end : 0;
}

static size_t pretokenize_digits(const char *text, size_t n, size_t at, int digits)
{
    size_t used;

    while (at < n && digits-- > 0 && pretokenize_read(text, n, at, &used) == CLASS_NUMBER)
        at += used;
    return at;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ : up to the last line end of the run if it holds one, else as GPT-2. */
static size_t pretokenize_lines(const char *text, size_t n, size_t at)
{
    size_t line = at, end = at, used;

    while (end < n && pretokenize_read(text, n, end, &used) == CLASS_SPACE) {
        if (text[end] == '\r' || text[end] == '\n')
            line = end + 1;
        end += used;
    }
    return line > at ? line : pretokenize_blanks(text, n, at);
}

size_t madpo__pretokenize_llama3(const char *text, size_t n, size_t at, int digits)
{
    size_t used, after, end;
    char_class first = pretokenize_read(text, n, at, &used);

    end = text[at] == '\'' ? pretokenize_contraction_any(text, n, at) : 0;
    if (end)
        return end;
    if (first == CLASS_LETTER)
        return pretokenize_run(text, n, at, CLASS_LETTER);
    if (first == CLASS_NUMBER)
        return pretokenize_digits(text, n, at, digits);
    if (text[at] != '\r' && text[at] != '\n' && at + used < n &&
        pretokenize_read(text, n, at + used, &after) == CLASS_LETTER)
        return pretokenize_run(text, n, at + used, CLASS_LETTER);
    end = text[at] == ' ' ? at + 1 : at;
    if (end < n && pretokenize_read(text, n, end, &after) == CLASS_OTHER) {
        end = pretokenize_run(text, n, end, CLASS_OTHER);
        while (end < n && (text[end] == '\r' || text[end] == '\n'))
            end++;
        return end;
    }
    return pretokenize_lines(text, n, at);
}

/* ---- classes for others ---- */

bool madpo__is_number(int32_t cp)
{
    return pretokenize_class(cp) == CLASS_NUMBER;
}

bool madpo__is_mark(int32_t cp)
{
    utf8proc_category_t c = cp < 0 ? UTF8PROC_CATEGORY_CN : utf8proc_category(cp);

    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ME;
}

bool madpo__is_word(int32_t cp)
{
    utf8proc_category_t c = cp < 0 ? UTF8PROC_CATEGORY_CN : utf8proc_category(cp);

    if (pretokenize_class(cp) == CLASS_LETTER || madpo__is_mark(cp))
        return true;
    if (c == UTF8PROC_CATEGORY_SO) /* letters in circles and squares are Alphabetic, too */
        return (cp >= 0x24B6 && cp <= 0x24E9) || (cp >= 0x1F130 && cp <= 0x1F149) ||
               (cp >= 0x1F150 && cp <= 0x1F169) || (cp >= 0x1F170 && cp <= 0x1F189);
    return c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_NL || c == UTF8PROC_CATEGORY_PC ||
           cp == 0x200C || cp == 0x200D;
}
