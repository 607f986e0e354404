/* RFC 4180 in place; see csv.h. */
#include "data/csv.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

void madpo_csv_init(madpo_csv *csv, char *text, size_t n, const char *name)
{
    *csv = (madpo_csv){.name = name, .text = text, .at = text, .end = text + n, .next_line = 1};
    if (n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3))
        csv->at += 3;
}

madpo_status madpo_csv_open(madpo_csv *csv, const char *path, madpo_error *err)
{
    char *text;
    size_t n;
    madpo_status st;

    memset(csv, 0, sizeof *csv);
    st = madpo_file_read(&text, &n, path, err);
    if (st != MADPO_OK)
        return st;
    madpo_csv_init(csv, text, n, path);
    if (n >= 2 && (!memcmp(text, "\xFF\xFE", 2) || !memcmp(text, "\xFE\xFF", 2)))
        st = madpo_error_set_at(err, MADPO_ERR_DATA, path, 1, 0,
                                "the file is UTF-16; save it as UTF-8");
    return st;
}

void madpo_csv_dispose(madpo_csv *csv)
{
    free(csv->text);
    free(csv->field);
    memset(csv, 0, sizeof *csv);
}

/* Pass over the line break at `at`, if there is one, and count it. */
static bool csv_take_break(madpo_csv *csv)
{
    if (csv->at == csv->end || (*csv->at != '\n' && *csv->at != '\r'))
        return false;
    csv->at += csv->at[0] == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n' ? 2 : 1;
    csv->next_line++;
    return true;
}

/* The field after an opening quote: doubled quotes become one, the text moves left over them. */
static madpo_status csv_quoted(madpo_csv *csv, madpo_csv_field *f, madpo_error *err)
{
    int line = csv->next_line;
    char *to = ++csv->at;

    f->text = to;
    for (; csv->at < csv->end; csv->at++) {
        if (*csv->at == '"') {
            if (csv->at + 1 == csv->end || csv->at[1] != '"')
                break;
            csv->at++;
        } else if (*csv->at == '\n' ||
                   (*csv->at == '\r' && (csv->at + 1 == csv->end || csv->at[1] != '\n'))) {
            csv->next_line++;
        }
        *to++ = *csv->at;
    }
    f->n = (size_t)(to - f->text);
    if (csv->at == csv->end)
        return madpo_error_set_at(
            err, MADPO_ERR_DATA, csv->name, line, 0,
            "the quote that opens a field here is never closed; close it, and write "
            "quotes inside a field twice");
    csv->at++;
    if (csv->at < csv->end && *csv->at != ',' && *csv->at != '\n' && *csv->at != '\r')
        return madpo_error_set_at(
            err, MADPO_ERR_DATA, csv->name, csv->next_line, 0,
            "text follows the closing quote of a field; write quotes inside a field "
            "twice");
    return MADPO_OK;
}

static madpo_status csv_unquoted(madpo_csv *csv, madpo_csv_field *f, madpo_error *err)
{
    f->text = csv->at;
    while (csv->at < csv->end && *csv->at != ',' && *csv->at != '\n' && *csv->at != '\r') {
        if (*csv->at == '"')
            return madpo_error_set_at(
                err, MADPO_ERR_DATA, csv->name, csv->next_line, 0,
                "a quote stands inside an unquoted field; quote the whole field and "
                "write the inner quote twice");
        csv->at++;
    }
    f->n = (size_t)(csv->at - f->text);
    return MADPO_OK;
}

static madpo_status csv_field(madpo_csv *csv, bool *last, madpo_error *err)
{
    madpo_csv_field *f;
    madpo_status st;

    if (csv->n_fields == csv->capacity) {
        size_t capacity = csv->capacity ? 2 * csv->capacity : 8;
        madpo_csv_field *field = realloc(csv->field, capacity * sizeof *field);

        if (!field)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu fields of a row",
                                   capacity);
        csv->field = field;
        csv->capacity = capacity;
    }
    f = &csv->field[csv->n_fields++];
    st =
        csv->at < csv->end && *csv->at == '"' ? csv_quoted(csv, f, err) : csv_unquoted(csv, f, err);
    if (st != MADPO_OK)
        return st;
    *last = csv->at == csv->end || *csv->at != ',';
    if (*last)
        csv_take_break(csv);
    else
        csv->at++;
    f->text[f->n] = '\0'; /* over the delimiter or closing quote, or the text's own terminator */
    return MADPO_OK;
}

madpo_status madpo_csv_next(madpo_csv *csv, bool *more, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    bool last = false;

    csv->n_fields = 0;
    while (csv_take_break(csv))
        ;
    csv->line = csv->next_line;
    *more = csv->at < csv->end;
    while (*more && !last && st == MADPO_OK)
        st = csv_field(csv, &last, err);
    return st;
}
