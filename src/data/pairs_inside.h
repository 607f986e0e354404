#ifndef MADPO_DATA_PAIRS_INSIDE_H
#define MADPO_DATA_PAIRS_INSIDE_H
/* Shared by the files that read pairs: pairs_read.c cuts a file into records (JSON objects; a row
 * of CSV becomes one), pairs_form.c makes a pair of a record, pairs_messages.c renders chat
 * messages, pairs_fields.c knows which field plays which part. Inside src/data only. */
#include <jansson.h>

#include "data/pairs.h"
#include "text/chat.h"

/* The parts that fields of a record play; the names in pairs_fields.c follow this order. */
typedef enum madpo__role {
    MADPO__ROLE_PROMPT,
    MADPO__ROLE_CHOSEN,
    MADPO__ROLE_REJECTED,
    MADPO__ROLE_FIRST, /* two answers in no order, which a label or scores put in order */
    MADPO__ROLE_SECOND,
    MADPO__ROLE_LABEL,
    MADPO__ROLE_SCORES,
    MADPO__ROLE_SCORE_FIRST,
    MADPO__ROLE_SCORE_SECOND,
    MADPO__ROLE_SCORE_CHOSEN,
    MADPO__ROLE_SCORE_REJECTED,
    MADPO__ROLE_ID,
    MADPO__ROLE_SOURCE,
    MADPO__ROLE_SPLIT,
    MADPO__ROLE_MARGIN,
    MADPO__N_ROLES
} madpo__role;

typedef struct madpo__fields {
    const char *name[MADPO__N_ROLES]; /* field of each part */
    bool given[MADPO__N_ROLES];       /* named by the user */
    char *text;                       /* owned; the user's names lie in it */
} madpo__fields;

/* Names from "part=field,part=field" (NULL or "" = all as known). MADPO_ERR_CONFIG for an unknown
 * part, a part named twice, only one of two answers. */
madpo_status madpo__fields_parse(madpo__fields *out, const char *spec,
                                 madpo_error *err) MADPO_MUST_CHECK;
void madpo__fields_dispose(madpo__fields *fields);
/* The value under a name, else along its dots; NULL if there is none (borrowed). */
json_t *madpo__field_get(const json_t *record, const char *name);

/* How this record's answers are called. */
typedef struct madpo__answers {
    const char *prompt, *a, *b; /* field names; a is chosen or the first */
    const char *label;          /* NULL: a is chosen */
    int base;                   /* of the label: 0, 1, -1 = not known from its name */
} madpo__answers;
/* By the user's names, else by those that the record has; false if no pair of answers is there. */
bool madpo__answers_find(madpo__answers *out, const madpo__fields *fields, const json_t *record);

/* Labels that only the whole file can tell the meaning of; see pairs_read.c. */
enum { MADPO__LABEL_NONE = 255 };

typedef struct madpo__reader {
    madpo_pairs *pairs;
    const madpo_pairs_options *options;
    madpo__fields fields;
    madpo_chat_kind chat;
    const char *path;
    int line;             /* of the record, from 1 */
    bool csv;             /* every value is text */
    unsigned char *label; /* [capacity] per pair: 0, 1, 2 still to be understood, or _NONE */
    size_t capacity;
    int label_line[3]; /* where each of 0, 1, 2 was first seen, 0 = nowhere */
    madpo_pairs_report *report;
    madpo_error *err;
} madpo__reader;

/* Bad data at the reader's line. */
#define madpo__reader_refuse(r, ...)                                                               \
    madpo_error_set_at((r)->err, MADPO_ERR_DATA, (r)->path, (r)->line, 0, __VA_ARGS__)
/* "a string", "an array" … for messages. */
const char *madpo__json_kind(const json_t *value);
/* Make a pair of a record and add it, or count it as a tie. */
madpo_status madpo__pairs_record(madpo__reader *r, const json_t *record) MADPO_MUST_CHECK;
/* Render prompt (may be NULL) and answers, any of which are chat messages, into the pair's texts;
 * they are owned by the caller (free()) whatever is returned. `tie` is set if both answers are the
 * same. */
madpo_status madpo__pairs_messages(madpo__reader *r, const madpo__answers *names,
                                   const json_t *prompt, const json_t *a, const json_t *b,
                                   madpo_pair *pair, bool *tie) MADPO_MUST_CHECK;
/* Exchange chosen and rejected of pair i. */
void madpo__pairs_swap(madpo_pairs *pairs, size_t i);
#endif
