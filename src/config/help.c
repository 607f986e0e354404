/* What the keys mean, for people and for programs. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "config/value.h"

/* Columns of one key in the text form. */
typedef struct help_row {
    madpo_strbuf range, initial;
} help_row;

static const char *help_type(madpo__type type)
{
    static const char *const names[] = {
        [MADPO__TYPE_INT] = "integer",   [MADPO__TYPE_REAL] = "number",
        [MADPO__TYPE_BOOL] = "boolean",  [MADPO__TYPE_STRING] = "string",
        [MADPO__TYPE_CHOICE] = "choice",
    };

    return names[type];
}

static bool help_wanted(const madpo__key *key, const char *prefix)
{
    return strncmp(key->name, prefix, strlen(prefix)) == 0;
}

static size_t help_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void help_column(madpo_strbuf *text, const char *s, size_t width)
{
    size_t n = strlen(s);

    madpo_strbuf_append(text, s);
    madpo_strbuf_append_repeat(text, ' ', (width > n ? width - n : 0) + 2);
}

/* Default, then type and range with the unit; the meaning goes below, where it has room. */
static void help_row_print(help_row *row, const madpo__key *key)
{
    madpo__value_print(&row->initial, &key->initial, true);
    madpo_strbuf_append(&row->range, help_type(key->initial.type));
    if (key->initial.type != MADPO__TYPE_BOOL && key->initial.type != MADPO__TYPE_STRING) {
        madpo_strbuf_append(&row->range, ", ");
        madpo__range_print(&row->range, key);
    }
    if (key->unit[0])
        madpo_strbuf_printf(&row->range, " (%s)", key->unit);
}

/* The meaning, indented, in lines of at most 100 columns, with a full stop. */
static void help_meaning(madpo_strbuf *text, const char *help)
{
    enum { INDENT = 4, COLUMNS = 100 };
    size_t column = 0;

    for (const char *word = help; *word;) {
        size_t n = strcspn(word, " ");
        const char *stop = word[n] ? "" : ".";

        if (column > 0 && column + 1 + n + strlen(stop) > COLUMNS) {
            madpo_strbuf_append(text, "\n");
            column = 0;
        }
        madpo_strbuf_append_repeat(text, ' ', column > 0 ? 1 : INDENT);
        column += column > 0 ? 1 : INDENT;
        madpo_strbuf_printf(text, "%.*s%s", (int)n, word, stop);
        column += n;
        word += n;
        word += strspn(word, " ");
    }
    madpo_strbuf_append(text, "\n");
}

static madpo_status help_text(const char *prefix, char **out, madpo_error *err)
{
    help_row *rows = calloc(madpo__n_keys, sizeof *rows);
    size_t name_width = 0, initial_width = 0;
    madpo_strbuf text = {0};
    madpo_status st = MADPO_OK;

    if (!rows)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory for the help text");
    for (size_t i = 0; i < madpo__n_keys && st == MADPO_OK; i++) {
        if (!help_wanted(&madpo__keys[i], prefix))
            continue;
        help_row_print(&rows[i], &madpo__keys[i]);
        name_width = help_max(name_width, strlen(madpo__keys[i].name));
        if (rows[i].initial.n <= 16) /* a few long ones may stand out */
            initial_width = help_max(initial_width, rows[i].initial.n);
        st = madpo_strbuf_check(&rows[i].range, err);
        if (st == MADPO_OK)
            st = madpo_strbuf_check(&rows[i].initial, err);
    }
    for (size_t i = 0; i < madpo__n_keys && st == MADPO_OK; i++) {
        if (!help_wanted(&madpo__keys[i], prefix))
            continue;
        help_column(&text, madpo__keys[i].name, name_width);
        help_column(&text, rows[i].initial.s, initial_width);
        madpo_strbuf_printf(&text, "%s\n", rows[i].range.s);
        help_meaning(&text, madpo__keys[i].help);
    }
    for (size_t i = 0; i < madpo__n_keys; i++) {
        madpo_strbuf_dispose(&rows[i].range);
        madpo_strbuf_dispose(&rows[i].initial);
    }
    free(rows);
    if (st == MADPO_OK)
        return madpo_strbuf_steal(&text, out, NULL, err);
    madpo_strbuf_dispose(&text);
    return st;
}

/* New reference or NULL. */
static json_t *help_value_json(const madpo__value *value)
{
    switch (value->type) {
    case MADPO__TYPE_INT:
        return json_integer(value->i);
    case MADPO__TYPE_REAL:
        return madpo_json_real(value->d);
    case MADPO__TYPE_BOOL:
        return json_boolean(value->b);
    case MADPO__TYPE_STRING:
    case MADPO__TYPE_CHOICE:
        break;
    }
    return json_string(value->s);
}

/* Bounds of a number, null where there is none; open ends have their own members. 0 or -1. */
static int help_range_json(json_t *object, const madpo__key *key)
{
    int bad = 0;

    if (key->initial.type == MADPO__TYPE_INT) {
        bad |= json_object_set_new(object, "min", json_integer(key->int_low));
        bad |= json_object_set_new(
            object, "max", key->int_high == INT64_MAX ? json_null() : json_integer(key->int_high));
    } else if (key->initial.type == MADPO__TYPE_REAL) {
        bad |= json_object_set_new(object, "min", madpo_json_real(key->real_low));
        bad |= json_object_set_new(object, "max", madpo_json_real(key->real_high));
        bad |= json_object_set_new(object, "min_excluded",
                                   json_boolean((key->open & MADPO__OPEN_LOW) != 0));
        bad |= json_object_set_new(object, "max_excluded",
                                   json_boolean((key->open & MADPO__OPEN_HIGH) != 0));
    }
    return bad;
}

/* "a, b, c" as an array; new reference or NULL. */
static json_t *help_choices_json(const char *choices)
{
    json_t *array = json_array();

    while (array && *choices) {
        size_t n = strcspn(choices, ",");

        if (json_array_append_new(array, json_stringn(choices, n)) != 0) {
            json_decref(array);
            return NULL;
        }
        choices += n;
        choices += strspn(choices, ", ");
    }
    return array;
}

static json_t *help_key_json(const madpo__key *key)
{
    json_t *object = json_object();
    int bad = object ? 0 : -1;

    bad |= json_object_set_new(object, "key", json_string(key->name));
    bad |= json_object_set_new(object, "type", json_string(help_type(key->initial.type)));
    bad |= json_object_set_new(object, "default", help_value_json(&key->initial));
    bad |= help_range_json(object, key);
    if (key->initial.type == MADPO__TYPE_CHOICE)
        bad |= json_object_set_new(object, "choices", help_choices_json(key->choices));
    bad |= json_object_set_new(object, "unit", json_string(key->unit));
    bad |= json_object_set_new(object, "help", json_string(key->help));
    if (bad) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static madpo_status help_json(const char *prefix, char **out, madpo_error *err)
{
    json_t *array = json_array();
    madpo_status st;

    for (size_t i = 0; array && i < madpo__n_keys; i++) {
        if (!help_wanted(&madpo__keys[i], prefix))
            continue;
        if (json_array_append_new(array, help_key_json(&madpo__keys[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    if (!array)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory for the help text");
    st = madpo_json_dump(out, array, err);
    json_decref(array);
    return st;
}

madpo_status madpo_config_help(const char *prefix, bool json, char **out, madpo_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < madpo__n_keys; i++)
        if (help_wanted(&madpo__keys[i], prefix))
            return json ? help_json(prefix, out, err) : help_text(prefix, out, err);
    if (strchr(prefix, '.'))
        return madpo__key_unknown(prefix, NULL, 0, err);
    return madpo__section_unknown(prefix, NULL, 0, err);
}
