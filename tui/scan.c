/* A JSON scanner for logs; see scan.h. */
#include "tui/scan.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const char *scan_blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    return at;
}

bool madpo_scan_open(madpo_scan *scan, const char *text, size_t n)
{
    const char *at = n > 0 ? scan_blank(text, text + n) : text;

    *scan = (madpo_scan){.at = at, .end = text + n};
    if (n == 0 || at == text + n || (*at != '{' && *at != '['))
        return false;
    scan->object = *at == '{';
    scan->at++;
    return true;
}

/* Behind the closing quote of a string that begins at `at` (behind the opening one), or NULL. */
static const char *scan_string(const char *at, const char *end)
{
    while (at < end) {
        if (*at == '"')
            return at + 1;
        at += *at == '\\' ? 2 : 1;
    }
    return NULL;
}

/* Behind the bracket that closes the one at `at`, or NULL. Brackets are counted, not matched. */
static const char *scan_nested(const char *at, const char *end)
{
    size_t depth = 0;

    while (at && at < end) {
        char c = *at++;

        if (c == '"')
            at = scan_string(at, end);
        else if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            return at;
    }
    return NULL;
}

static double scan_scaled(double digits, int exponent)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    if (exponent >= 0 && exponent <= 22)
        return digits * tens[exponent];
    if (exponent < 0 && exponent >= -22)
        return digits / tens[-exponent];
    return digits * pow(10.0, exponent);
}

/* [-]digits[.digits][e[+-]digits]; digits past the 18th only count for the size. */
static const char *scan_number(const char *at, const char *end, double *out)
{
    bool negative = at < end && *at == '-', fraction = false, power_negative;
    uint64_t digits = 0;
    int exponent = 0, power = 0, n = 0;

    if (negative)
        at++;
    for (; at < end && ((*at >= '0' && *at <= '9') || (*at == '.' && !fraction)); at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        n++;
        if (digits < 100000000000000000u) {
            digits = digits * 10 + (uint64_t)(*at - '0');
            exponent -= fraction;
        } else {
            exponent += !fraction;
        }
    }
    if (n == 0)
        return NULL;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        power_negative = at < end && *at == '-';
        if (at < end && (*at == '-' || *at == '+'))
            at++;
        for (; at < end && *at >= '0' && *at <= '9'; at++)
            power = power < 9999 ? power * 10 + (*at - '0') : power;
        exponent += power_negative ? -power : power;
    }
    *out = scan_scaled((double)digits, exponent);
    if (negative)
        *out = -*out;
    return at;
}

static const char *scan_word(const char *at, const char *end, madpo_scan_value *value)
{
    static const struct {
        const char *word;
        size_t n;
        madpo_scan_kind kind;
        double number;
    } words[] = {{"true", 4, MADPO_SCAN_BOOL, 1.0},
                 {"false", 5, MADPO_SCAN_BOOL, 0.0},
                 {"null", 4, MADPO_SCAN_NULL, NAN}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((size_t)(end - at) >= words[i].n && memcmp(at, words[i].word, words[i].n) == 0) {
            value->kind = words[i].kind;
            value->number = words[i].number;
            return at + words[i].n;
        }
    return NULL;
}

static const char *scan_value(const char *at, const char *end, madpo_scan_value *value)
{
    const char *text = at, *after;

    value->number = NAN;
    if (at == end)
        return NULL;
    if (*at == '"') {
        value->kind = MADPO_SCAN_STRING;
        after = scan_string(at + 1, end);
        value->text = at + 1;
        value->n_text = after ? (size_t)(after - at) - 2 : 0;
        return after;
    }
    if (*at == '{' || *at == '[') {
        value->kind = MADPO_SCAN_NESTED;
        after = scan_nested(at, end);
    } else if (*at == '-' || (*at >= '0' && *at <= '9')) {
        value->kind = MADPO_SCAN_NUMBER;
        after = scan_number(at, end, &value->number);
    } else {
        after = scan_word(at, end, value);
    }
    value->text = text;
    value->n_text = after ? (size_t)(after - text) : 0;
    return after;
}

static bool scan_fail(madpo_scan *scan)
{
    scan->failed = true;
    scan->at = scan->end;
    return false;
}

/* "key": in front of a member. */
static const char *scan_key(const char *at, const char *end, madpo_scan_value *value)
{
    const char *after = at < end && *at == '"' ? scan_string(at + 1, end) : NULL;

    if (!after)
        return NULL;
    value->key = at + 1;
    value->n_key = (size_t)(after - at) - 2;
    after = scan_blank(after, end);
    return after < end && *after == ':' ? scan_blank(after + 1, end) : NULL;
}

bool madpo_scan_next(madpo_scan *scan, madpo_scan_value *value)
{
    const char *at = scan_blank(scan->at, scan->end);

    value->key = "";
    value->n_key = 0;
    if (scan->failed || at >= scan->end)
        return scan->failed ? false : scan_fail(scan);
    if (*at == (scan->object ? '}' : ']')) {
        scan->at = at; /* stays at the end */
        return false;
    }
    if (scan->begun) {
        if (*at != ',')
            return scan_fail(scan);
        at = scan_blank(at + 1, scan->end);
    }
    scan->begun = true;
    if (scan->object)
        at = scan_key(at, scan->end, value);
    if (at)
        at = scan_value(at, scan->end, value);
    if (!at || at > scan->end)
        return scan_fail(scan);
    scan->at = at;
    return true;
}

bool madpo_scan_is(const madpo_scan_value *value, const char *key)
{
    size_t n = strlen(key);

    return value->n_key == n && memcmp(value->key, key, n) == 0;
}

bool madpo_scan_text_is(const madpo_scan_value *value, const char *text)
{
    size_t n = strlen(text);

    return value->kind == MADPO_SCAN_STRING && value->n_text == n &&
           memcmp(value->text, text, n) == 0;
}

/* ---- escapes ---- */

static bool scan_hex4(const char *at, const char *end, uint32_t *out)
{
    *out = 0;
    if (end - at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0)
            return false;
        *out = *out * 16 + (uint32_t)digit;
    }
    return true;
}

static size_t scan_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* The escape behind a backslash: up to 4 bytes into out; *at moves behind it. */
static size_t scan_escape(char *out, const char **at, const char *end)
{
    static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
    char c = *(*at)++;
    const char *found = strchr(from, c);
    uint32_t high, low;

    if (c != 'u') {
        out[0] = found && c ? to[found - from] : c;
        return 1;
    }
    if (!scan_hex4(*at, end, &high))
        return scan_utf8(out, 0xfffd);
    *at += 4;
    if (high >= 0xd800 && high < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u' &&
        scan_hex4(*at + 2, end, &low) && low >= 0xdc00 && low < 0xe000) {
        *at += 6;
        return scan_utf8(out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
    }
    return scan_utf8(out, high >= 0xd800 && high < 0xe000 ? 0xfffd : high);
}

size_t madpo_scan_unescape(char *out, size_t size, const char *text, size_t n)
{
    const char *at = text, *end = text + n;
    size_t used = 0;

    while (at < end && used + 1 < size) {
        char bytes[4];
        size_t n_bytes = 1;

        if (*at != '\\' || at + 1 == end) {
            out[used++] = *at++;
            continue;
        }
        at++;
        n_bytes = scan_escape(bytes, &at, end);
        if (used + n_bytes + 1 > size)
            break;
        memcpy(out + used, bytes, n_bytes);
        used += n_bytes;
    }
    if (size > 0)
        out[used] = '\0';
    return used;
}
