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

/* Letters and numbers of Unicode 15 and 16. The engine of Hugging Face's library knows them, the
 * utf8proc of a system may not yet: ids must not depend on it. */
static char_class pretokenize_newer(int32_t cp)
{
    static const struct {
        int32_t first, last;
        char_class is;
    } newer[] = {{0x1C89, 0x1C8A, CLASS_LETTER},   {0xA7CB, 0xA7CD, CLASS_LETTER},
                 {0xA7DA, 0xA7DC, CLASS_LETTER},   {0x105C0, 0x105F3, CLASS_LETTER},
                 {0x10D40, 0x10D49, CLASS_NUMBER}, {0x10D4A, 0x10D65, CLASS_LETTER},
                 {0x10D6F, 0x10D85, CLASS_LETTER}, {0x10EC2, 0x10EC4, CLASS_LETTER},
                 {0x1123F, 0x11240, CLASS_LETTER}, {0x11380, 0x11389, CLASS_LETTER},
                 {0x1138B, 0x1138B, CLASS_LETTER}, {0x1138E, 0x1138E, CLASS_LETTER},
                 {0x11390, 0x113B5, CLASS_LETTER}, {0x113B7, 0x113B7, CLASS_LETTER},
                 {0x113D1, 0x113D1, CLASS_LETTER}, {0x113D3, 0x113D3, CLASS_LETTER},
                 {0x116D0, 0x116E3, CLASS_NUMBER}, {0x11BC0, 0x11BE0, CLASS_LETTER},
                 {0x11BF0, 0x11BF9, CLASS_NUMBER}, {0x11F02, 0x11F02, CLASS_LETTER},
                 {0x11F04, 0x11F10, CLASS_LETTER}, {0x11F12, 0x11F33, CLASS_LETTER},
                 {0x11F50, 0x11F59, CLASS_NUMBER}, {0x1342F, 0x1342F, CLASS_LETTER},
                 {0x13441, 0x13446, CLASS_LETTER}, {0x13460, 0x143FA, CLASS_LETTER},
                 {0x16100, 0x1611D, CLASS_LETTER}, {0x16130, 0x16139, CLASS_NUMBER},
                 {0x16D40, 0x16D6C, CLASS_LETTER}, {0x16D70, 0x16D79, CLASS_NUMBER},
                 {0x18CFF, 0x18CFF, CLASS_LETTER}, {0x1B132, 0x1B132, CLASS_LETTER},
                 {0x1B155, 0x1B155, CLASS_LETTER}, {0x1CCF0, 0x1CCF9, CLASS_NUMBER},
                 {0x1D2C0, 0x1D2D3, CLASS_NUMBER}, {0x1DF25, 0x1DF2A, CLASS_LETTER},
                 {0x1E030, 0x1E06D, CLASS_LETTER}, {0x1E4D0, 0x1E4EB, CLASS_LETTER},
                 {0x1E4F0, 0x1E4F9, CLASS_NUMBER}, {0x1E5D0, 0x1E5ED, CLASS_LETTER},
                 {0x1E5F0, 0x1E5F0, CLASS_LETTER}, {0x1E5F1, 0x1E5FA, CLASS_NUMBER},
                 {0x2B739, 0x2B739, CLASS_LETTER}, {0x2EBF0, 0x2EE5D, CLASS_LETTER},
                 {0x31350, 0x323AF, CLASS_LETTER}};

    for (size_t i = 0; i < sizeof newer / sizeof *newer && cp >= newer[i].first; i++)
        if (cp <= newer[i].last)
            return newer[i].is;
    return CLASS_OTHER;
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
    case UTF8PROC_CATEGORY_CN:
        return pretokenize_newer(cp);
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
