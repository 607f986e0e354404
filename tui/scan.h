#ifndef MADPO_TUI_SCAN_H
#define MADPO_TUI_SCAN_H
/* Walks over one line of JSON without building anything: logs of a gigabyte are read this way. It
 * is lenient (what it meets was written by this program), never reads outside its bytes, and stops
 * at the first thing that is no JSON.
 *
 *     madpo_scan scan;
 *     madpo_scan_value v;
 *     if (madpo_scan_open(&scan, line, n))
 *         while (madpo_scan_next(&scan, &v))
 *             if (madpo_scan_is(&v, "step")) ...
 */
#include <stdbool.h>
#include <stddef.h>

typedef struct madpo_scan {
    const char *at, *end;
    bool object; /* else an array: values have no keys */
    bool failed; /* stopped at something that is no JSON */
    bool begun;
} madpo_scan;

typedef enum madpo_scan_kind {
    MADPO_SCAN_NUMBER,
    MADPO_SCAN_STRING,
    MADPO_SCAN_BOOL,
    MADPO_SCAN_NULL,
    MADPO_SCAN_NESTED /* an object or an array: text is all of it, for madpo_scan_open */
} madpo_scan_kind;

/* Everything is borrowed from the line; keys and strings still have their escapes. */
typedef struct madpo_scan_value {
    const char *key, *text;
    size_t n_key, n_text;
    madpo_scan_kind kind;
    double number; /* of a number, to about 16 digits; 0 or 1 of a bool; else NaN */
} madpo_scan_value;

/* Begin an object or an array; false if text [n] is neither. */
bool madpo_scan_open(madpo_scan *scan, const char *text, size_t n);
/* Next member or element; false at the end, and where `failed` is set. */
bool madpo_scan_next(madpo_scan *scan, madpo_scan_value *value);
bool madpo_scan_is(const madpo_scan_value *value, const char *key);
bool madpo_scan_text_is(const madpo_scan_value *value, const char *text);
/* Undo the escapes of text [n] into out [size bytes], terminated, cut off at `size`; bytes written
 * without the terminator. out may be at least n + 1 bytes: then nothing is cut off. */
size_t madpo_scan_unescape(char *out, size_t size, const char *text, size_t n);
#endif
