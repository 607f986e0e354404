/* JSON in and out; see base/json.h. */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"

/* ---- in and out ---- */

/* Is it an integer beyond 64 bits? */
static bool json_is_too_big(const char *number, size_t n)
{
    const char *const most = *number == '-' ? "9223372036854775808" : "9223372036854775807";
    size_t sign = *number == '-', digits = strlen(most);

    for (size_t i = sign; i < n; i++)
        if (number[i] < '0' || number[i] > '9')
            return false; /* a real, or no number */
    return n - sign > digits || (n - sign == digits && memcmp(number + sign, most, digits) > 0);
}

/* jansson refuses such integers; other readers take them as reals, and published files have them
 * (1000000000000000019884624838656 for "no limit" in tokenizer_config.json). Append the text with
 * an exponent behind each, which makes it a real. */
static void json_widen(madpo_strbuf *out, const char *text, size_t n)
{
    bool quoted = false;

    for (size_t at = 0, start; at < n; madpo_strbuf_append_n(out, text + start, at - start)) {
        start = at;
        if (quoted || !strchr("-0123456789", text[at]) || !text[at]) {
            if (quoted && text[at] == '\\' && at + 1 < n)
                at++;
            else if (text[at] == '"')
                quoted = !quoted;
            at++;
            continue;
        }
        for (; at < n && text[at] && strchr("+-.0123456789eE", text[at]); at++)
            ;
        if (!json_is_too_big(text + start, at - start))
            continue;
        madpo_strbuf_append_n(out, text + start, at - start);
        madpo_strbuf_append(out, "e0");
        start = at;
    }
}

/* Parse once more, integers that are too big as reals. */
static json_t *json_parse_wide(const char *text, size_t n, json_error_t *why)
{
    madpo_strbuf wide = {0};
    json_t *value = NULL;

    json_widen(&wide, text, n);
    if (!wide.failed)
        value = json_loadb(wide.s, wide.n, JSON_ALLOW_NUL, why);
    else
        why->text[0] = '\0';
    madpo_strbuf_dispose(&wide);
    return value;
}

madpo_status madpo_json_parse(json_t **out, const char *text, size_t n, const char *name, int line,
                              madpo_error *err)
{
    json_error_t why;

    /* tokenizer files hold "\u0000" in their values */
    *out = json_loadb(text, n, JSON_ALLOW_NUL, &why);
    if (!*out && json_error_code(&why) == json_error_numeric_overflow)
        *out = json_parse_wide(text, n, &why);
    if (*out)
        return MADPO_OK;
    /* without memory jansson mostly says nothing at all */
    if (json_error_code(&why) == json_error_out_of_memory || why.text[0] == '\0')
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", name);
    if (why.line < 1)
        return madpo_error_set_at(err, MADPO_ERR_DATA, name, line, 0, "invalid JSON: %s", why.text);
    return madpo_error_set_at(err, MADPO_ERR_DATA, name, line + why.line - 1,
                              why.column > 0 ? why.column : 1, "invalid JSON: %s", why.text);
}

madpo_status madpo_json_load(json_t **out, const char *path, madpo_error *err)
{
    char *text;
    size_t n;
    madpo_status st;

    *out = NULL;
    st = madpo_file_read(&text, &n, path, err);
    if (st == MADPO_OK)
        st = madpo_json_parse(out, text, n, path, 1, err);
    free(text);
    return st;
}

static int json_to_strbuf(const char *bytes, size_t n, void *strbuf)
{
    madpo_strbuf_append_n(strbuf, bytes, n);
    return 0;
}

/* Into our own string buffer, whose failure sticks: json_dumps (jansson 2.14) takes no notice of a
 * failed allocation while it writes a key and returns a damaged text. */
static void json_dump_flags(madpo_strbuf *text, const json_t *value, size_t flags)
{
    if (json_dump_callback(value, json_to_strbuf, text,
                           flags | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY) != 0)
        text->failed = true;
}

madpo_status madpo_json_dump(char **out, const json_t *value, madpo_error *err)
{
    madpo_strbuf text = {0};

    json_dump_flags(&text, value, JSON_COMPACT);
    return madpo_strbuf_steal(&text, out, NULL, err);
}

madpo_status madpo_json_save(const json_t *value, const char *path, madpo_error *err)
{
    madpo_strbuf text = {0};
    madpo_status st;

    json_dump_flags(&text, value, JSON_INDENT(2));
    madpo_strbuf_append_char(&text, '\n');
    st = madpo_strbuf_check(&text, err);
    if (st == MADPO_OK)
        st = madpo_file_write(path, text.s, text.n, err);
    madpo_strbuf_dispose(&text);
    return st;
}

json_t *madpo_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* Length of the valid UTF-8 sequence at the front of s [n > 0 bytes], 0 if it is none. The second
 * byte's narrower ranges shut out overlong forms, surrogates and what lies beyond U+10FFFF
 * (Unicode, table 3-7). */
static size_t json_utf8_length(const unsigned char *s, size_t n)
{
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    unsigned char low = 0x80, high = 0xBF;

    if (length <= 1)
        return length;
    if (s[0] > 0xF4 || n < length)
        return 0;
    if (s[0] == 0xE0)
        low = 0xA0;
    else if (s[0] == 0xED)
        high = 0x9F;
    else if (s[0] == 0xF0)
        low = 0x90;
    else if (s[0] == 0xF4)
        high = 0x8F;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

json_t *madpo_json_text(const char *bytes, size_t n)
{
    madpo_strbuf clean = {0};
    json_t *value = json_stringn(bytes, n);

    if (value)
        return value;
    for (size_t i = 0; i < n;) {
        size_t length = json_utf8_length((const unsigned char *)bytes + i, n - i);

        if (length > 0)
            madpo_strbuf_append_n(&clean, bytes + i, length);
        else
            madpo_strbuf_append(&clean, "\xEF\xBF\xBD");
        i += length > 0 ? length : 1;
    }
    if (!clean.failed)
        value = json_stringn(clean.s ? clean.s : "", clean.n);
    madpo_strbuf_dispose(&clean);
    return value;
}

/* ---- members ---- */

static const char *json_type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        break;
    }
    return "null";
}

/* The refusal of a member; value is NULL if it is missing. */
static madpo_status json_refuse(const json_t *object, const json_t *value, const char *key,
                                const char *wanted, const char *where, madpo_error *err)
{
    if (!json_is_object(object))
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: \"%s\" wanted from something that is no object", where, key);
    if (!value)
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: no \"%s\" (%s is needed)", where, key,
                               wanted);
    return madpo_error_set(err, MADPO_ERR_DATA, "%s: \"%s\" must be %s, not %s", where, key, wanted,
                           json_type_name(value));
}

madpo_status madpo_json_get_string(const char **out, const json_t *object, const char *key,
                                   const char *where, madpo_error *err)
{
    const json_t *value = json_object_get(object, key);

    *out = json_string_value(value);
    return *out ? MADPO_OK : json_refuse(object, value, key, "a string", where, err);
}

madpo_status madpo_json_get_int(int64_t *out, const json_t *object, const char *key,
                                const char *where, madpo_error *err)
{
    const json_t *value = json_object_get(object, key);

    *out = json_integer_value(value);
    return json_is_integer(value) ? MADPO_OK
                                  : json_refuse(object, value, key, "an integer", where, err);
}

madpo_status madpo_json_get_number(double *out, const json_t *object, const char *key,
                                   const char *where, madpo_error *err)
{
    const json_t *value = json_object_get(object, key);

    *out = json_number_value(value);
    return json_is_number(value) ? MADPO_OK
                                 : json_refuse(object, value, key, "a number", where, err);
}

madpo_status madpo_json_get_bool(bool *out, const json_t *object, const char *key,
                                 const char *where, madpo_error *err)
{
    const json_t *value = json_object_get(object, key);

    *out = json_is_true(value);
    return json_is_boolean(value) ? MADPO_OK
                                  : json_refuse(object, value, key, "true or false", where, err);
}

madpo_status madpo_json_get_array(json_t **out, const json_t *object, const char *key,
                                  const char *where, madpo_error *err)
{
    json_t *value = json_object_get(object, key);

    *out = json_is_array(value) ? value : NULL;
    return *out ? MADPO_OK : json_refuse(object, value, key, "an array", where, err);
}

madpo_status madpo_json_get_object(json_t **out, const json_t *object, const char *key,
                                   const char *where, madpo_error *err)
{
    json_t *value = json_object_get(object, key);

    *out = json_is_object(value) ? value : NULL;
    return *out ? MADPO_OK : json_refuse(object, value, key, "an object", where, err);
}

bool madpo_json_has(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return value && !json_is_null(value);
}
