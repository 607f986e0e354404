/* Files of pairs: which of the three kinds of file it is, cutting it into records, and what only
 * the whole file can tell. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/numbers.h"
#include "data/csv.h"
#include "data/pairs_inside.h"

void madpo_pairs_options_defaults(madpo_pairs_options *options)
{
    *options = (madpo_pairs_options){.fields = "",
                                     .chat = "none",
                                     .system = "",
                                     .label_base = -1,
                                     .label_seed = 42,
                                     .skip_bad = false,
                                     .drop_ties = true};
}

/* ---- records ---- */

/* Count a bad record, if that is wanted; the first one's message is kept. */
static madpo_status read_bad(const madpo__reader *r, madpo_status st)
{
    if (st != MADPO_ERR_DATA || !r->options->skip_bad)
        return st;
    if (!r->report->n_bad++)
        madpo_error_format(r->err, r->report->first_bad, sizeof r->report->first_bad);
    madpo_error_clear(r->err);
    return MADPO_OK;
}

static madpo_status read_record(madpo__reader *r, const json_t *record)
{
    madpo_status st = madpo__pairs_record(r, record);

    r->report->n_records++;
    return read_bad(r, st);
}

/* One record as JSON text. */
static madpo_status read_json(madpo__reader *r, const char *text, size_t n, const char *unit)
{
    madpo_error why = MADPO_ERROR_INIT;
    json_t *record;
    madpo_status st = madpo_json_parse(&record, text, n, r->path, r->line, &why);

    if (st == MADPO_OK) {
        st = read_record(r, record);
    } else {
        madpo_error_set_at(r->err, st, r->path, why.line ? why.line : r->line, why.column,
                           "%s; each %s is one JSON object with prompt, chosen and rejected",
                           why.message, unit);
        r->report->n_records++;
        st = read_bad(r, st);
    }
    json_decref(record);
    return st;
}

static bool read_is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

static madpo_status read_lines(madpo__reader *r, const char *text, size_t n)
{
    madpo_status st = MADPO_OK;

    for (size_t at = 0, end; at < n && st == MADPO_OK; at = end + 1) {
        const char *stop = memchr(text + at, '\n', n - at);

        end = stop ? (size_t)(stop - text) : n;
        r->line += r->line < INT_MAX;
        if (!read_is_blank(text + at, end - at))
            st = read_json(r, text + at, end - at, "line");
    }
    return st;
}

/* ---- a JSON array ---- */

/* Pass over white space, counting lines. */
static size_t array_space(madpo__reader *r, const char *text, size_t n, size_t at)
{
    for (; at < n && strchr(" \t\r\n", text[at]) && text[at]; at++)
        r->line += text[at] == '\n' && r->line < INT_MAX;
    return at;
}

/* End of the element at `at`: the comma or bracket that closes it at depth 0, or n. Its own
 * brackets and strings are only counted here, the parser judges them. */
static size_t array_element(const char *text, size_t n, size_t at, int *lines)
{
    size_t depth = 0;
    bool quoted = false;

    for (*lines = 0; at < n; at++) {
        char c = text[at];

        *lines += c == '\n' && *lines < INT_MAX / 2;
        if (quoted) {
            at += c == '\\' && at + 1 < n && text[at + 1] != '\n';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (depth == 0 && (c == ',' || c == ']')) {
            return at;
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
        }
    }
    return n;
}

/* Text from the opening bracket on, each element a record with its own line. */
static madpo_status read_array(madpo__reader *r, const char *text, size_t n)
{
    madpo_status st = MADPO_OK;
    size_t at;

    r->line = 1;
    at = array_space(r, text, n, 0) + 1;
    at = array_space(r, text, n, at);
    while (st == MADPO_OK && at < n && text[at] != ']') {
        int lines;
        size_t end = array_element(text, n, at, &lines);

        if (end == n)
            return madpo__reader_refuse(r, "the list that the file holds is not closed after this "
                                           "element; is the file cut short?");
        st = read_json(r, text + at, end - at, "element");
        r->line += r->line < INT_MAX / 2 ? lines : 0;
        at = array_space(r, text, n, end + (text[end] == ','));
    }
    if (st != MADPO_OK)
        return st;
    if (at >= n)
        return madpo__reader_refuse(
            r, "the list that the file holds is not closed; is the file cut short?");
    at = array_space(r, text, n, at + 1);
    if (at < n)
        return madpo__reader_refuse(
            r, "text follows the list that the file holds; remove it, or write one object a line");
    return MADPO_OK;
}

/* ---- CSV ---- */

/* The row as an object of strings under the header's names. */
static madpo_status csv_record(const madpo__reader *r, const madpo_csv *csv, char *const *header,
                               size_t n, json_t **out)
{
    bool bad = false;

    *out = NULL;
    if (csv->n_fields != n)
        return madpo__reader_refuse(
            r, "the row has %zu fields where the header has %zu%s", csv->n_fields, n,
            csv->n_fields > n ? "; quote fields that contain commas" : "; fill in what is missing");
    *out = json_object();
    for (size_t i = 0; i < n && *out && !bad; i++)
        bad = json_object_set_new(*out, header[i],
                                  madpo_json_text(csv->field[i].text, csv->field[i].n)) != 0;
    if (*out && !bad)
        return MADPO_OK;
    json_decref(*out);
    *out = NULL;
    return madpo_error_set(r->err, MADPO_ERR_NOMEM, "no memory for a row of %zu fields", n);
}

static madpo_status csv_rows(madpo__reader *r, madpo_csv *csv, char *const *header, size_t n)
{
    madpo_status st = MADPO_OK;
    bool more;

    while (st == MADPO_OK) {
        json_t *record = NULL;

        st = madpo_csv_next(csv, &more, r->err);
        if (st != MADPO_OK || !more)
            break;
        r->line = csv->line;
        st = csv_record(r, csv, header, n, &record);
        if (st == MADPO_OK) {
            st = read_record(r, record);
        } else {
            r->report->n_records++;
            st = read_bad(r, st);
        }
        json_decref(record);
    }
    return st;
}

/* Names of columns as JSON can hold them, blanks around them cut off; [n] owned. */
static madpo_status csv_header(const madpo__reader *r, madpo_csv *csv, char ***out, size_t *n)
{
    bool more;
    madpo_status st = madpo_csv_next(csv, &more, r->err);

    *n = 0;
    if (st != MADPO_OK || !more)
        return st;
    *out = calloc(csv->n_fields, sizeof **out);
    for (; *out && *n < csv->n_fields; ++*n) {
        const madpo_csv_field *f = &csv->field[*n];
        size_t from = strspn(f->text, " \t"), end = strlen(f->text);
        json_t *name;

        while (end > from && strchr(" \t", f->text[end - 1]))
            end--;
        name = madpo_json_text(f->text + from, end - from);
        (*out)[*n] = name ? strdup(json_string_value(name)) : NULL;
        json_decref(name);
        if (!(*out)[*n])
            break;
    }
    return *out && *n == csv->n_fields
               ? MADPO_OK
               : madpo_error_set(r->err, MADPO_ERR_NOMEM, "no memory for a header");
}

static madpo_status read_csv(madpo__reader *r, const char *text, size_t n)
{
    char *copy = malloc(n + 1), **header = NULL;
    size_t n_header = 0;
    madpo_csv csv;
    madpo_status st;

    if (!copy)
        return madpo_error_set(r->err, MADPO_ERR_NOMEM, "no memory for a file of %zu bytes", n);
    memcpy(copy, text, n);
    copy[n] = '\0';
    r->csv = true;
    madpo_csv_init(&csv, copy, n, r->path);
    st = csv_header(r, &csv, &header, &n_header);
    if (st == MADPO_OK)
        st = csv_rows(r, &csv, header, n_header);
    for (size_t i = 0; i < n_header; i++)
        free(header[i]);
    free(header);
    madpo_csv_dispose(&csv);
    return st;
}

/* ---- the whole ---- */

/* Say which labels there are when they do not tell what they count from. */
static madpo_status labels_refuse(madpo__reader *r)
{
    const int *line = r->label_line;

    r->line = line[0] ? line[2] : line[1];
    if (line[0])
        return madpo__reader_refuse(
            r,
            "the label is 2 here and 0 in line %d: an answer is named by 0 and 1, or by 1 and "
            "2; mend the labels",
            line[0]);
    return madpo__reader_refuse(
        r, "every label of the file is 1, which names the second answer if they count from 0 and "
           "the first if from 1; set data.label_base to 0 or 1");
}

/* Labels that count from 0 or from 1: the others tell. Two answers have no third label. */
static madpo_status read_labels(madpo__reader *r)
{
    int base = r->label_line[0] ? 0 : 1;

    if (!r->label)
        return MADPO_OK;
    if (!r->label_line[0] == !r->label_line[2])
        return labels_refuse(r);
    for (size_t i = 0; i < madpo_pairs_count(r->pairs) && i < r->capacity; i++)
        if (r->label[i] != MADPO__LABEL_NONE && r->label[i] != base)
            madpo__pairs_swap(r->pairs, i);
    return MADPO_OK;
}

static madpo_status read_check(madpo__reader *r, const char *unit)
{
    const madpo_pairs_report *report = r->report;

    r->line = 0;
    if (madpo_pairs_count(r->pairs))
        return MADPO_OK;
    if (report->n_ties)
        return madpo__reader_refuse(r, "all %zu pairs are ties, from which nothing can be learned",
                                    report->n_ties);
    if (report->n_bad)
        return madpo__reader_refuse(r,
                                    "none of the %zu %ss is a pair; each needs the strings prompt, "
                                    "chosen and rejected",
                                    report->n_bad, unit);
    if (r->csv)
        return madpo__reader_refuse(
            r, "the file has no rows; write a header such as prompt,chosen,rejected and a row for "
               "each pair");
    return madpo__reader_refuse(r, "the file is empty; write one JSON object with prompt, chosen "
                                   "and rejected a line");
}

/* Does the name end so, before an ending .gz? */
static bool read_is_named(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);

    if (n > 3 && !strcasecmp(name + n - 3, ".gz"))
        n -= 3;
    return n > m && !strncasecmp(name + n - m, ending, m);
}

static madpo_status read_all(madpo__reader *r, const char *text, size_t n)
{
    bool json = read_is_named(r->path, ".json") || read_is_named(r->path, ".jsonl");
    size_t at = n >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3) ? 3 : 0, first = at;
    const char *unit = "line";
    madpo_status st;

    r->line = 1;
    if (n >= 2 && (!memcmp(text, "\xFF\xFE", 2) || !memcmp(text, "\xFE\xFF", 2)))
        return madpo__reader_refuse(r, "the file is UTF-16; save it as UTF-8");
    r->line = 0;
    while (first < n && text[first] && strchr(" \t\r\n", text[first]))
        first++;
    if (first < n &&
        (read_is_named(r->path, ".csv") || (!json && text[first] != '{' && text[first] != '['))) {
        st = read_csv(r, text + at, n - at);
        unit = "row";
    } else if (first < n && text[first] == '[') {
        st = read_array(r, text + at, n - at);
        unit = "element";
    } else {
        st = read_lines(r, text + at, n - at);
    }
    if (st == MADPO_OK)
        st = read_labels(r);
    return st == MADPO_OK ? read_check(r, unit) : st;
}

static madpo_status read_options(madpo__reader *r, const madpo_pairs_options *o)
{
    const char *chat = o->chat ? o->chat : "none";

    r->chat = MADPO_CHAT_NONE;
    if (strcmp(chat, "none") != 0 && !madpo_chat_kind_find(&r->chat, chat))
        return madpo_error_set(r->err, MADPO_ERR_CONFIG,
                               "chat layout \"%.40s\" is none of gemma, llama3, chatml and none",
                               chat);
    if (o->label_base < -1 || o->label_base > 1)
        return madpo_error_set(r->err, MADPO_ERR_CONFIG,
                               "labels counting from %d cannot be; 0, 1 or -1 (told by the file)",
                               o->label_base);
    return madpo__fields_parse(&r->fields, o->fields, r->err);
}

madpo_status madpo_pairs_parse_with(madpo_pairs **out, const char *text, size_t n, const char *name,
                                    const madpo_pairs_options *options, madpo_pairs_report *report,
                                    madpo_error *err)
{
    madpo_error local = MADPO_ERROR_INIT;
    madpo_pairs_report unused;
    madpo__reader r = {.options = options,
                       .path = name,
                       .report = report ? report : &unused,
                       .err = err ? err : &local};
    madpo_numbers was = madpo_numbers_begin();
    madpo_status st = read_options(&r, options);

    *out = NULL;
    *r.report = (madpo_pairs_report){0};
    if (st == MADPO_OK)
        st = madpo_pairs_new(&r.pairs, r.err);
    if (st == MADPO_OK)
        st = read_all(&r, text, n);
    if (st == MADPO_OK) {
        *out = r.pairs;
        r.pairs = NULL; /* moved to the caller */
    }
    madpo_numbers_end(was);
    madpo_pairs_free(r.pairs);
    madpo__fields_dispose(&r.fields);
    free(r.label);
    return st;
}

madpo_status madpo_pairs_parse(madpo_pairs **out, const char *text, size_t n, const char *name,
                               bool skip_bad, size_t *skipped, madpo_error *err)
{
    madpo_pairs_options options;
    madpo_pairs_report report;
    madpo_status st;

    madpo_pairs_options_defaults(&options);
    options.skip_bad = skip_bad;
    options.drop_ties = false;
    st = madpo_pairs_parse_with(out, text, n, name, &options, &report, err);
    if (skipped)
        *skipped = report.n_bad;
    return st;
}

madpo_status madpo_pairs_load_with(madpo_pairs **out, const char *path,
                                   const madpo_pairs_options *options, madpo_pairs_report *report,
                                   madpo_error *err)
{
    char *text = NULL;
    size_t n;
    madpo_status st;

    *out = NULL;
    if (report)
        *report = (madpo_pairs_report){0};
    st = madpo_file_read(&text, &n, path, err);
    if (st == MADPO_OK)
        st = madpo_pairs_parse_with(out, text, n, path, options, report, err);
    free(text);
    return st;
}

madpo_status madpo_pairs_load(madpo_pairs **out, const char *path, bool skip_bad, size_t *skipped,
                              madpo_error *err)
{
    madpo_pairs_options options;
    madpo_pairs_report report;
    madpo_status st;

    madpo_pairs_options_defaults(&options);
    options.skip_bad = skip_bad;
    options.drop_ties = false;
    st = madpo_pairs_load_with(out, path, &options, &report, err);
    if (skipped)
        *skipped = report.n_bad;
    return st;
}

/* ---- the report ---- */

const char *madpo_pairs_report_format(const madpo_pairs_report *report, char *line, size_t size)
{
    const struct {
        size_t n;
        const char *what;
    } part[] = {{report->n_plain, "with a prompt"},
                {report->n_implicit, "with the prompt told by what both answers begin with"},
                {report->n_transcript, "transcripts"},
                {report->n_messages, "of chat messages"},
                {report->n_labelled, "put in order by a label"},
                {report->n_drawn, "with a label drawn from scores"},
                {report->n_ties, "ties left out"},
                {report->n_bad, "bad ones passed over"}};
    size_t kept = report->n_records - report->n_ties - report->n_bad, n;

    if (!size)
        return line;
    n = (size_t)snprintf(line, size, "%zu pair%s", kept, kept == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof part / sizeof *part && n < size; i++)
        if (part[i].n)
            n += (size_t)snprintf(line + n, size - n, ", %zu %s", part[i].n, part[i].what);
    if (report->n_bad && n < size)
        snprintf(line + n, size - n, " (first: %s)", report->first_bad);
    return line;
}
