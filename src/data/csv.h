#ifndef MADPO_DATA_CSV_H
#define MADPO_DATA_CSV_H
/* CSV by RFC 4180: fields quoted or not, doubled quotes and line breaks inside quotes, CRLF, LF or
 * CR at the end of a row, an optional UTF-8 byte order mark. Rows are unquoted where they lie,
 * nothing is copied. Used by data/reviews.c. */
#include "madpo/error.h"

typedef struct madpo_csv_field {
    char *text; /* in the reader's text, terminated, valid until _dispose */
    size_t n;   /* bytes; may hold NUL */
} madpo_csv_field;

typedef struct madpo_csv {
    const char *name; /* for messages, borrowed */
    char *text;       /* owned */
    char *at, *end;
    int next_line;          /* line at which `at` stands, from 1 */
    int line;               /* line at which the current row begins */
    madpo_csv_field *field; /* [n_fields] of the current row */
    size_t n_fields, capacity;
} madpo_csv;

/* Read a file (gz transparently); `name` is `path`, which must outlive the reader. */
madpo_status madpo_csv_open(madpo_csv *csv, const char *path, madpo_error *err) MADPO_MUST_CHECK;
/* Take over text [n bytes and a terminator], from malloc. */
void madpo_csv_init(madpo_csv *csv, char *text, size_t n, const char *name);
/* Go to the next row; *more is false at the end of the text. Empty lines are passed over.
 * MADPO_ERR_DATA with the line for an unclosed quote, text behind a closing quote, a quote inside
 * an unquoted field. */
madpo_status madpo_csv_next(madpo_csv *csv, bool *more, madpo_error *err) MADPO_MUST_CHECK;
void madpo_csv_dispose(madpo_csv *csv);
#endif
