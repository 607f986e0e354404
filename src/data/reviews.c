/* Tables of labelled reviews; see reviews.h. */
#include "data/reviews.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "data/csv.h"

void madpo_reviews_options_defaults(madpo_reviews_options *options)
{
    *options = (madpo_reviews_options){
        .text_column = "review", .label_column = "sentiment", .strip_html = true, .limit = 0};
}

void madpo_reviews_dispose(madpo_reviews *reviews)
{
    for (size_t i = 0; i < reviews->n; i++)
        free(reviews->v[i].text);
    free(reviews->v);
    memset(reviews, 0, sizeof *reviews);
}

madpo_status madpo_reviews_add(madpo_reviews *reviews, const char *text, size_t n, bool positive,
                               madpo_error *err)
{
    char *copy;

    if (reviews->n == reviews->capacity) {
        size_t capacity = reviews->capacity ? 2 * reviews->capacity : 256;
        madpo_review *v = realloc(reviews->v, capacity * sizeof *v);

        if (!v)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for %zu reviews", capacity);
        reviews->v = v;
        reviews->capacity = capacity;
    }
    copy = malloc(n + 1);
    if (!copy)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a review of %zu bytes", n);
    if (n)
        memcpy(copy, text, n);
    copy[n] = '\0';
    reviews->v[reviews->n++] = (madpo_review){copy, n, positive};
    return MADPO_OK;
}

/* ---- reading ---- */

/* Bytes of a "<br>", "<br/>" or "<br />" at text[0], 0 if none. */
static size_t reviews_break_tag(const char *text, size_t n)
{
    size_t at = 3;

    if (n < 4 || strncasecmp(text, "<br", 3) != 0)
        return 0;
    while (at < n && text[at] == ' ')
        at++;
    if (at < n && text[at] == '/')
        at++;
    return at < n && text[at] == '>' ? at + 1 : 0;
}

/* Turn each run of break tags, with the blanks around it, into one blank; in place. Returns the
 * bytes. */
static size_t reviews_strip_html(char *text, size_t n)
{
    size_t to = 0, at = 0;

    while (at < n) {
        size_t tag = reviews_break_tag(text + at, n - at);

        if (!tag) {
            text[to++] = text[at++];
            continue;
        }
        while (at < n && (tag || text[at] == ' ')) {
            at += tag ? tag : 1;
            tag = at < n ? reviews_break_tag(text + at, n - at) : 0;
        }
        while (to > 0 && text[to - 1] == ' ')
            to--;
        if (to > 0 && at < n)
            text[to++] = ' ';
    }
    text[to] = '\0';
    return to;
}

static bool reviews_is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\n", text[i]) || !text[i])
            return false;
    return true;
}

/* The header's column of that name (letters' case is free), or an error listing what there is. */
static madpo_status reviews_column(const madpo_csv *csv, const char *name, size_t *column,
                                   madpo_error *err)
{
    madpo_strbuf have = {0};

    for (*column = 0; *column < csv->n_fields; ++*column)
        if (!strcasecmp(csv->field[*column].text, name))
            return MADPO_OK;
    for (size_t i = 0; i < csv->n_fields; i++)
        madpo_strbuf_printf(&have, "%s\"%.40s\"", i ? ", " : "", csv->field[i].text);
    madpo_error_set_at(err, MADPO_ERR_DATA, csv->name, csv->line, 0,
                       "no column \"%s\" in the header, which has %.400s; rename the column", name,
                       have.s ? have.s : "none");
    madpo_strbuf_dispose(&have);
    return MADPO_ERR_DATA;
}

static madpo_status reviews_label(const madpo_csv *csv, const char *label, bool *positive,
                                  madpo_error *err)
{
    static const char *const names[] = {"negative", "positive", "neg", "pos", "0", "1"};

    *positive = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(label, names[i]) != 0)
            continue;
        *positive = i % 2 == 1;
        return MADPO_OK;
    }
    return madpo_error_set_at(err, MADPO_ERR_DATA, csv->name, csv->line, 0,
                              "label \"%.40s\" is none of positive, negative, pos, neg, 1, 0",
                              label);
}

/* Where the two columns are. */
typedef struct reviews_layout {
    size_t text, label, n;
    bool strip_html;
} reviews_layout;

static madpo_status reviews_row(madpo_reviews *out, const madpo_csv *csv,
                                const reviews_layout *layout, madpo_error *err)
{
    madpo_csv_field *text = &csv->field[layout->text];
    bool positive;
    madpo_status st;

    if (csv->n_fields != layout->n)
        return madpo_error_set_at(err, MADPO_ERR_DATA, csv->name, csv->line, 0,
                                  "the row has %zu fields where the header has %zu%s",
                                  csv->n_fields, layout->n,
                                  csv->n_fields > layout->n ? "; quote fields that contain commas"
                                                            : "; fill in what is missing");
    st = reviews_label(csv, csv->field[layout->label].text, &positive, err);
    if (st != MADPO_OK)
        return st;
    if (layout->strip_html)
        text->n = reviews_strip_html(text->text, text->n);
    if (reviews_is_blank(text->text, text->n))
        return madpo_error_set_at(err, MADPO_ERR_DATA, csv->name, csv->line, 0,
                                  "the review is empty; remove the row");
    return madpo_reviews_add(out, text->text, text->n, positive, err);
}

static madpo_status reviews_header(madpo_csv *csv, const madpo_reviews_options *options,
                                   reviews_layout *layout, madpo_error *err)
{
    bool more;
    madpo_status st = madpo_csv_next(csv, &more, err);

    if (st != MADPO_OK)
        return st;
    if (!more)
        return madpo_error_set_at(
            err, MADPO_ERR_DATA, csv->name, 0, 0,
            "the file is empty; the first line must be a header such as \"%s,%s\"",
            options->text_column, options->label_column);
    layout->n = csv->n_fields;
    layout->strip_html = options->strip_html;
    st = reviews_column(csv, options->text_column, &layout->text, err);
    return st == MADPO_OK ? reviews_column(csv, options->label_column, &layout->label, err) : st;
}

static madpo_status reviews_read(madpo_reviews *out, madpo_csv *csv,
                                 const madpo_reviews_options *options, madpo_error *err)
{
    reviews_layout layout;
    madpo_status st = reviews_header(csv, options, &layout, err);
    bool more = true;

    while (st == MADPO_OK && (!options->limit || out->n < options->limit)) {
        st = madpo_csv_next(csv, &more, err);
        if (st != MADPO_OK || !more)
            break;
        st = reviews_row(out, csv, &layout, err);
    }
    if (st == MADPO_OK && !out->n)
        st = madpo_error_set_at(err, MADPO_ERR_DATA, csv->name, 0, 0,
                                "the file has a header but no reviews; add rows");
    return st;
}

madpo_status madpo_reviews_load(madpo_reviews *out, const char *path,
                                const madpo_reviews_options *options, madpo_error *err)
{
    madpo_csv csv;
    madpo_status st;

    memset(out, 0, sizeof *out);
    st = madpo_csv_open(&csv, path, err);
    if (st == MADPO_OK)
        st = reviews_read(out, &csv, options, err);
    madpo_csv_dispose(&csv);
    if (st != MADPO_OK)
        madpo_reviews_dispose(out);
    return st;
}

/* ---- writing ---- */

static void reviews_format(madpo_strbuf *line, const madpo_review *review)
{
    madpo_strbuf_reset(line);
    madpo_strbuf_append_char(line, '"');
    for (size_t i = 0; i < review->n; i++) {
        if (review->text[i] == '"')
            madpo_strbuf_append_char(line, '"');
        madpo_strbuf_append_char(line, review->text[i]);
    }
    madpo_strbuf_append(line, review->positive ? "\",positive\n" : "\",negative\n");
}

madpo_status madpo_reviews_save(const madpo_reviews *reviews, const char *path, madpo_error *err)
{
    static const char header[] = "review,sentiment\n";
    madpo_strbuf line = {0};
    madpo_file_writer *writer = NULL;
    madpo_status st = madpo_file_writer_open(&writer, path, err);

    if (st == MADPO_OK)
        st = madpo_file_writer_write(writer, header, sizeof header - 1, err);
    for (size_t i = 0; i < reviews->n && st == MADPO_OK; i++) {
        reviews_format(&line, &reviews->v[i]);
        st = madpo_strbuf_check(&line, err);
        if (st == MADPO_OK)
            st = madpo_file_writer_write(writer, line.s, line.n, err);
    }
    madpo_strbuf_dispose(&line);
    if (st == MADPO_OK)
        return madpo_file_writer_commit(writer, err);
    madpo_file_writer_abort(writer);
    return st;
}
