#ifndef MADPO_DATA_REVIEWS_H
#define MADPO_DATA_REVIEWS_H
/* Labelled reviews: read from CSV, or written by the generator (data/synth.h). */
#include "madpo/error.h"

typedef struct madpo_review {
    char *text; /* owned by the table, terminated */
    size_t n;   /* bytes */
    bool positive;
} madpo_review;

typedef struct madpo_reviews {
    madpo_review *v; /* [n] owned */
    size_t n, capacity;
} madpo_reviews;

typedef struct madpo_reviews_options {
    const char *text_column; /* header name, default "review" */
    const char
        *label_column; /* header name, default "sentiment"; values positive|negative|1|0|pos|neg */
    bool strip_html;   /* turn <br /> into one space, default true */
    size_t limit;      /* rows, 0 = all */
} madpo_reviews_options;
void madpo_reviews_options_defaults(madpo_reviews_options *options);

/* Read a CSV file (RFC 4180: quoted fields, doubled quotes, newlines inside quotes; CRLF or LF; a
 * UTF-8 BOM; gz transparently). Errors name file and line: missing column (with the columns there
 * are), a row with too few fields, an unknown label, an unclosed quote, an empty file. */
madpo_status madpo_reviews_load(madpo_reviews *out, const char *path,
                                const madpo_reviews_options *options,
                                madpo_error *err) MADPO_MUST_CHECK;
/* Write CSV with header review,sentiment, atomically. */
madpo_status madpo_reviews_save(const madpo_reviews *reviews, const char *path,
                                madpo_error *err) MADPO_MUST_CHECK;
/* Append a copy of text [n bytes]. */
madpo_status madpo_reviews_add(madpo_reviews *reviews, const char *text, size_t n, bool positive,
                               madpo_error *err) MADPO_MUST_CHECK;
void madpo_reviews_dispose(madpo_reviews *reviews);
#endif
