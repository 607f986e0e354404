/* Values: check, store, read, print, parse. */
#include "config/value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "base/numbers.h"

/* "-1.2345678901234567e-308" has 24 characters */
#define NUMBER_TEXT 40

/* ---- numbers as text ---- */

static void value_print_real(madpo_strbuf *out, double d)
{
    char text[NUMBER_TEXT];
    madpo_numbers was = madpo_numbers_begin();

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    madpo_numbers_end(was);
    madpo_strbuf_append(out, text);
    /* what looks like an integer to libconfig may be too long for one */
    if (!strpbrk(text, ".en"))
        madpo_strbuf_append(out, ".0");
}

static bool value_parse_real(double *out, const char *text)
{
    char *end;
    madpo_numbers was = madpo_numbers_begin();

    *out = strtod(text, &end);
    madpo_numbers_end(was);
    return end != text && *end == '\0';
}

static bool value_parse_int(int64_t *out, const char *text)
{
    char *end;
    long long i;

    errno = 0;
    i = strtoll(text, &end, 10);
    *out = i;
    return errno == 0 && end != text && *end == '\0';
}

static bool value_parse_bool(bool *out, const char *text)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        *out = strcmp(text, yes[i]) == 0;
        if (*out || strcmp(text, no[i]) == 0)
            return true;
    }
    return false;
}

/* ---- words ---- */

const char *madpo__type_name(madpo__type type)
{
    static const char *const names[] = {
        [MADPO__TYPE_INT] = "an integer",     [MADPO__TYPE_REAL] = "a number",
        [MADPO__TYPE_BOOL] = "true or false", [MADPO__TYPE_STRING] = "a string",
        [MADPO__TYPE_CHOICE] = "a string",
    };

    return names[type];
}

static void range_print_int(madpo_strbuf *out, const madpo__key *key)
{
    if (key->int_high == INT64_MAX)
        madpo_strbuf_printf(out, "at least %lld", (long long)key->int_low);
    else
        madpo_strbuf_printf(out, "%lld to %lld", (long long)key->int_low, (long long)key->int_high);
}

static void range_print_real(madpo_strbuf *out, const madpo__key *key)
{
    bool end = isfinite(key->real_high);

    if (end && key->open == MADPO__CLOSED) {
        madpo_strbuf_printf(out, "%.15g to %.15g", key->real_low, key->real_high);
        return;
    }
    madpo_strbuf_printf(out, "%s %.15g", key->open & MADPO__OPEN_LOW ? "above" : "at least",
                        key->real_low);
    if (end)
        madpo_strbuf_printf(out, ", %s %.15g", key->open & MADPO__OPEN_HIGH ? "below" : "at most",
                            key->real_high);
}

void madpo__range_print(madpo_strbuf *out, const madpo__key *key)
{
    switch (key->initial.type) {
    case MADPO__TYPE_INT:
        range_print_int(out, key);
        break;
    case MADPO__TYPE_REAL:
        range_print_real(out, key);
        break;
    case MADPO__TYPE_CHOICE:
        madpo_strbuf_printf(out, "one of %s", key->choices);
        break;
    case MADPO__TYPE_BOOL:
    case MADPO__TYPE_STRING:
        break;
    }
}

/* libconfig's escapes; bytes of UTF-8 stay as they are. */
static void value_print_quoted(madpo_strbuf *out, const char *s)
{
    madpo_strbuf_append_char(out, '"');
    for (; *s; s++) {
        unsigned char byte = (unsigned char)*s;

        if (byte == '"' || byte == '\\')
            madpo_strbuf_printf(out, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7F)
            madpo_strbuf_printf(out, "\\x%02X", byte);
        else
            madpo_strbuf_append_char(out, *s);
    }
    madpo_strbuf_append_char(out, '"');
}

void madpo__value_print(madpo_strbuf *out, const madpo__value *value, bool quoted)
{
    switch (value->type) {
    case MADPO__TYPE_INT:
        madpo_strbuf_printf(out, "%lld", (long long)value->i);
        /* libconfig's plain integers have 32 bits */
        if (quoted && (value->i > INT32_MAX || value->i < INT32_MIN))
            madpo_strbuf_append_char(out, 'L');
        break;
    case MADPO__TYPE_REAL:
        value_print_real(out, value->d);
        break;
    case MADPO__TYPE_BOOL:
        madpo_strbuf_append(out, value->b ? "true" : "false");
        break;
    case MADPO__TYPE_STRING:
    case MADPO__TYPE_CHOICE:
        if (quoted)
            value_print_quoted(out, value->s);
        else
            madpo_strbuf_append(out, value->s);
        break;
    }
}

/* ---- check and store ---- */

/* Written so that NaN is outside of every range. */
static bool value_in_range(const madpo__key *key, const madpo__value *value)
{
    if (key->initial.type == MADPO__TYPE_INT)
        return value->i >= key->int_low && value->i <= key->int_high;
    if (key->initial.type != MADPO__TYPE_REAL)
        return true;
    return isfinite(value->d) &&
           (key->open & MADPO__OPEN_LOW ? value->d > key->real_low : value->d >= key->real_low) &&
           (key->open & MADPO__OPEN_HIGH ? value->d < key->real_high : value->d <= key->real_high);
}

static madpo_status value_refuse_range(const madpo__key *key, const madpo__value *value,
                                       const char *file, int line, madpo_error *err)
{
    madpo_strbuf given = {0}, range = {0};
    madpo_status st = MADPO_ERR_NOMEM;

    madpo__value_print(&given, value, false);
    madpo__range_print(&range, key);
    if (madpo_strbuf_check(&given, err) == MADPO_OK && madpo_strbuf_check(&range, err) == MADPO_OK)
        st = madpo_error_set_at(err, MADPO_ERR_CONFIG, file, line, 0,
                                "%s = %s is out of range: must be %s%s%s%s", key->name, given.s,
                                range.s, key->unit[0] ? " (" : "", key->unit,
                                key->unit[0] ? ")" : "");
    madpo_strbuf_dispose(&given);
    madpo_strbuf_dispose(&range);
    return st;
}

/* Step to the next of "a, b, c". */
static const char *choice_next(const char *choice)
{
    choice += strcspn(choice, ",");
    return choice + strspn(choice, ", ");
}

static bool choice_allowed(const char *choices, const char *given)
{
    size_t n = strlen(given);

    for (const char *choice = choices; *choice; choice = choice_next(choice))
        if (strcspn(choice, ",") == n && memcmp(choice, given, n) == 0)
            return true;
    return false;
}

/* A copy of the choice closest to `given`: owned by the caller, NULL if none is close. */
static char *choice_nearest(const char *choices, const char *given)
{
    size_t best = 3;
    char *nearest = NULL;

    for (const char *choice = choices; *choice; choice = choice_next(choice)) {
        char *word = strndup(choice, strcspn(choice, ","));
        size_t distance = word ? madpo_edit_distance(given, word) : best;

        if (distance < best && 2 * distance < strlen(word)) {
            best = distance;
            free(nearest);
            nearest = word;
        } else {
            free(word);
        }
    }
    return nearest;
}

static madpo_status value_check_choice(const madpo__key *key, const char *given, const char *file,
                                       int line, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char *nearest;

    if (choice_allowed(key->choices, given))
        return MADPO_OK;
    nearest = choice_nearest(key->choices, given);
    if (nearest)
        st = madpo_error_set_at(err, MADPO_ERR_CONFIG, file, line, 0,
                                "%s = \"%s\" is not one of %s; did you mean \"%s\"?", key->name,
                                given, key->choices, nearest);
    else
        st = madpo_error_set_at(err, MADPO_ERR_CONFIG, file, line, 0,
                                "%s = \"%s\" is not one of %s", key->name, given, key->choices);
    free(nearest);
    return st;
}

static madpo_status value_store_string(char **field, const char *s, madpo_error *err)
{
    char *copy = strdup(s);

    if (!copy)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory for a setting");
    free(*field);
    *field = copy;
    return MADPO_OK;
}

madpo_status madpo__value_store(madpo_options *options, const madpo__key *key,
                                const madpo__value *value, const char *file, int line,
                                madpo_error *err)
{
    void *field = (char *)options + key->offset;
    madpo_status st;

    if (!value_in_range(key, value))
        return value_refuse_range(key, value, file, line, err);
    switch (key->initial.type) {
    case MADPO__TYPE_INT:
        *(int64_t *)field = value->i;
        break;
    case MADPO__TYPE_REAL:
        *(double *)field = value->d;
        break;
    case MADPO__TYPE_BOOL:
        *(bool *)field = value->b;
        break;
    case MADPO__TYPE_CHOICE:
        st = value_check_choice(key, value->s, file, line, err);
        if (st != MADPO_OK)
            return st;
        return value_store_string(field, value->s, err);
    case MADPO__TYPE_STRING:
        return value_store_string(field, value->s, err);
    }
    return MADPO_OK;
}

madpo__value madpo__value_read(const madpo_options *options, const madpo__key *key)
{
    const void *field = (const char *)options + key->offset;
    madpo__value value = {.type = key->initial.type};

    switch (value.type) {
    case MADPO__TYPE_INT:
        value.i = *(const int64_t *)field;
        break;
    case MADPO__TYPE_REAL:
        value.d = *(const double *)field;
        break;
    case MADPO__TYPE_BOOL:
        value.b = *(const bool *)field;
        break;
    case MADPO__TYPE_STRING:
    case MADPO__TYPE_CHOICE:
        value.s = *(char *const *)field;
        break;
    }
    return value;
}

madpo_status madpo__value_parse(madpo__value *out, const madpo__key *key, const char *text,
                                madpo_error *err)
{
    bool fits = true;

    *out = (madpo__value){.type = key->initial.type, .s = text};
    switch (out->type) {
    case MADPO__TYPE_INT:
        fits = value_parse_int(&out->i, text);
        break;
    case MADPO__TYPE_REAL:
        fits = value_parse_real(&out->d, text);
        break;
    case MADPO__TYPE_BOOL:
        fits = value_parse_bool(&out->b, text);
        break;
    case MADPO__TYPE_STRING:
    case MADPO__TYPE_CHOICE:
        break;
    }
    if (!fits)
        return madpo_error_set(err, MADPO_ERR_CONFIG, "%s must be %s, not \"%s\"", key->name,
                               madpo__type_name(out->type), text);
    return MADPO_OK;
}
