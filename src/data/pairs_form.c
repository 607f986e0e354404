/* A record (one JSON object) as a pair: plain, implicit prompt, transcript, chat messages, two
 * answers with a label or with scores. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "data/pairs_inside.h"

const char *madpo__json_kind(const json_t *value)
{
    static const char *const names[] = {"an object", "an array", "a string", "a number",
                                        "a number",  "true",     "false",    "null"};

    return value ? names[json_typeof(value)] : "missing";
}

/* ---- optional fields ---- */

/* A field that is there, not null, and not an empty cell of CSV. */
static const json_t *form_optional(const madpo__reader *r, const json_t *record, const char *name)
{
    const json_t *value = name ? madpo__field_get(record, name) : NULL;

    if (!value || json_is_null(value) || (r->csv && !json_string_length(value)))
        return NULL;
    return value;
}

/* A number written as text, blanks around it allowed. */
static bool form_number_of_text(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    if (end == text)
        return false;
    return !end[strspn(end, " \t\r\n")];
}

/* NaN when absent. */
static madpo_status form_number(const madpo__reader *r, const json_t *record, madpo__role role,
                                double *out)
{
    const char *name = r->fields.name[role];
    const json_t *value = form_optional(r, record, name);

    *out = NAN;
    if (!value)
        return MADPO_OK;
    if (json_is_number(value)) {
        *out = json_number_value(value);
        return MADPO_OK;
    }
    if (r->csv && form_number_of_text(json_string_value(value), out))
        return MADPO_OK;
    *out = NAN;
    if (r->csv)
        return madpo__reader_refuse(r, "field \"%s\" must be a number, not \"%.40s\"", name,
                                    json_string_value(value));
    return madpo__reader_refuse(r, "field \"%s\" must be a number, not %s", name,
                                madpo__json_kind(value));
}

static madpo_status form_id(const madpo__reader *r, const json_t *record, int64_t *out)
{
    const char *name = r->fields.name[MADPO__ROLE_ID];
    const json_t *value = form_optional(r, record, name);
    char *end = NULL;

    *out = (int64_t)madpo_pairs_count(r->pairs);
    if (!value)
        return MADPO_OK;
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return MADPO_OK;
    }
    if (r->csv) {
        *out = strtoll(json_string_value(value), &end, 10);
        if (end != json_string_value(value) && !*end)
            return MADPO_OK;
    }
    return madpo__reader_refuse(r, "field \"%s\" must be an integer, not %s", name,
                                r->csv ? "other text" : madpo__json_kind(value));
}

static madpo_status form_split(const madpo__reader *r, const json_t *record, bool *eval)
{
    const char *name = r->fields.name[MADPO__ROLE_SPLIT];
    const json_t *value = form_optional(r, record, name);
    const char *split = json_string_value(value);

    *eval = split && !strcmp(split, "eval");
    if (!value || *eval || (split && !strcmp(split, "train")))
        return MADPO_OK;
    return madpo__reader_refuse(r, "field \"%s\" must be \"train\" or \"eval\", not %.40s", name,
                                split ? split : madpo__json_kind(value));
}

static madpo_status form_optionals(const madpo__reader *r, const json_t *record, madpo_pair *p)
{
    madpo_status st = form_id(r, record, &p->id);

    p->source = json_string_value(form_optional(r, record, r->fields.name[MADPO__ROLE_SOURCE]));
    p->specials = json_is_true(json_object_get(record, "specials")); /* of our own pairs.jsonl */
    if (st == MADPO_OK)
        st = form_number(r, record, MADPO__ROLE_MARGIN, &p->margin);
    if (st == MADPO_OK)
        st = form_split(r, record, &p->eval);
    return st;
}

/* ---- texts ---- */

static madpo_status form_text(const madpo__reader *r, const json_t *value, const char *name,
                              bool may_be_empty, char **text, size_t *n)
{
    if (!value)
        return madpo__reader_refuse(
            r, "field \"%s\" is missing; a pair has prompt, chosen and rejected", name);
    if (!json_is_string(value))
        return madpo__reader_refuse(r, "field \"%s\" must be a string, not %s", name,
                                    madpo__json_kind(value));
    if (!may_be_empty && !json_string_length(value))
        return madpo__reader_refuse(r, "field \"%s\" is empty; fill it in or remove the %s", name,
                                    r->csv ? "row" : "line");
    *text = (char *)(uintptr_t)json_string_value(value); /* only read; copied by _add */
    *n = json_string_length(value);
    return MADPO_OK;
}

/* Bytes that two texts begin with in common, both ending at least one character later, and no
 * character of UTF-8 cut in two. *differ says whether they do, in a character after that. */
static size_t form_common(const madpo_pair *p, bool *differ)
{
    size_t least = p->n_chosen < p->n_rejected ? p->n_chosen : p->n_rejected, n = 0;

    while (n < least && p->chosen[n] == p->rejected[n])
        n++;
    *differ = n < least;
    if (!*differ)
        n = least - 1;
    while (n > 0 && ((unsigned char)p->chosen[n] & 0xC0) == 0x80)
        n--;
    return n;
}

/* End of the last `mark` in text [n bytes], 0 if there is none. */
static size_t form_after_last(const char *text, size_t n, const char *mark)
{
    size_t length = strlen(mark);

    for (size_t end = n; end >= length; end--)
        if (!memcmp(text + end - length, mark, length))
            return end;
    return 0;
}

/* Split the prompt off two whole texts: as TRL's extract_prompt, but a transcript's prompt ends
 * with the head of an assistant's turn, and answers keep the space behind it. */
static void form_split_prompt(madpo__reader *r, madpo_pair *p)
{
    static const char human[] = "\n\nHuman:";
    const size_t n_human = sizeof human - 1;
    bool differ;
    size_t n = form_common(p, &differ), turn = 0;

    if (p->n_chosen > n_human && p->n_rejected > n_human && !memcmp(p->chosen, human, n_human) &&
        !memcmp(p->rejected, human, n_human))
        turn = form_after_last(p->chosen, n, "\n\nAssistant:");
    if (turn)
        n = turn;
    else if (differ && n > 0 && p->chosen[n - 1] == ' ')
        n--;
    r->report->n_transcript += turn > 0;
    r->report->n_implicit += turn == 0;
    p->prompt = p->chosen;
    p->n_prompt = n;
    p->chosen += n;
    p->n_chosen -= n;
    p->rejected += n;
    p->n_rejected -= n;
}

static madpo_status form_strings(madpo__reader *r, const madpo__answers *names,
                                 const json_t *prompt, const json_t *a, const json_t *b,
                                 madpo_pair *p, bool *tie)
{
    madpo_status st = MADPO_OK;

    p->prompt = (char *)(uintptr_t) "";
    if (prompt)
        st = form_text(r, prompt, names->prompt, true, &p->prompt, &p->n_prompt);
    if (st == MADPO_OK)
        st = form_text(r, a, names->a, false, &p->chosen, &p->n_chosen);
    if (st == MADPO_OK)
        st = form_text(r, b, names->b, false, &p->rejected, &p->n_rejected);
    if (st != MADPO_OK)
        return st;
    *tie = p->n_chosen == p->n_rejected && !memcmp(p->chosen, p->rejected, p->n_chosen);
    if (prompt)
        r->report->n_plain++;
    else
        form_split_prompt(r, p);
    return MADPO_OK;
}

/* ---- the order of two answers ---- */

typedef enum form_order {
    FORM_FIRST, /* the first answer is the better one */
    FORM_SECOND,
    FORM_TIE,
    FORM_LATER /* the whole file must be read to know */
} form_order;

/* A number 0, 1 or 2 by the base, if that is known. */
static madpo_status form_label_number(madpo__reader *r, const madpo__answers *names, int number,
                                      form_order *order)
{
    int base = r->options->label_base >= 0 ? r->options->label_base : names->base;

    if (base >= 0 && (number < base || number > base + 1))
        return madpo__reader_refuse(
            r,
            "field \"%s\" is %d, but the answers count from %d (%d or %d); mend it, or set "
            "data.label_base",
            names->label, number, base, base, base + 1);
    if (base >= 0) {
        *order = number == base ? FORM_FIRST : FORM_SECOND;
        return MADPO_OK;
    }
    *order = FORM_LATER;
    return MADPO_OK;
}

/* Words for labels, besides numbers and the names of the two fields. */
static bool form_label_word(const madpo__answers *names, const char *word, form_order *order)
{
    static const struct {
        const char *word;
        form_order order;
    } words[] = {{"a", FORM_FIRST},  {"b", FORM_SECOND},    {"A", FORM_FIRST},
                 {"B", FORM_SECOND}, {"first", FORM_FIRST}, {"second", FORM_SECOND},
                 {"tie", FORM_TIE}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].word, word)) {
            *order = words[i].order;
            return true;
        }
    *order = !strcmp(word, names->a) ? FORM_FIRST : FORM_SECOND;
    return !strcmp(word, names->a) || !strcmp(word, names->b);
}

static madpo_status form_label(madpo__reader *r, const madpo__answers *names, const json_t *value,
                               form_order *order, int *number)
{
    const char *word = json_string_value(value);
    double x = json_number_value(value);

    *number = MADPO__LABEL_NONE;
    if (word && form_label_word(names, word, order))
        return MADPO_OK;
    if (json_is_number(value) || (word && form_number_of_text(word, &x))) {
        if (x == 0.0 || x == 1.0 || x == 2.0) {
            *number = (int)x;
            return form_label_number(r, names, *number, order);
        }
        word = NULL;
    }
    if (json_is_number(value))
        return madpo__reader_refuse(
            r,
            "field \"%s\" is %g; the better answer is named by 0, 1 or 2, a or b, first or "
            "second, or it is a tie",
            names->label, x);
    return madpo__reader_refuse(
        r,
        "field \"%s\" is %.40s; the better answer is named by 0, 1 or 2, a or b, first or "
        "second, or it is a tie",
        names->label, json_is_string(value) ? json_string_value(value) : madpo__json_kind(value));
}

/* "[s1, s2]" as text: brackets optional, comma or blanks between. */
static bool form_scores_of_text(const char *text, double *first, double *second)
{
    char *end;

    text += strspn(text, " \t[(");
    *first = strtod(text, &end);
    if (end == text)
        return false;
    text = end + strspn(end, " \t,");
    *second = strtod(text, &end);
    return end != text && !end[strspn(end, " \t\r\n])")];
}

/* Both scores, from one field or two; NaN where absent. */
static madpo_status form_scores(const madpo__reader *r, const json_t *record, madpo_pair *p)
{
    const char *name = r->fields.name[MADPO__ROLE_SCORES];
    const json_t *value = form_optional(r, record, name);
    const json_t *first = json_array_get(value, 0), *second = json_array_get(value, 1);
    madpo_status st = form_number(r, record, MADPO__ROLE_SCORE_FIRST, &p->score_chosen);

    if (st == MADPO_OK)
        st = form_number(r, record, MADPO__ROLE_SCORE_SECOND, &p->score_rejected);
    if (st != MADPO_OK || !value)
        return st;
    if (json_array_size(value) == 2 && json_is_number(first) && json_is_number(second)) {
        p->score_chosen = json_number_value(first);
        p->score_rejected = json_number_value(second);
        return MADPO_OK;
    }
    if (json_is_string(value) &&
        form_scores_of_text(json_string_value(value), &p->score_chosen, &p->score_rejected))
        return MADPO_OK;
    return madpo__reader_refuse(
        r, "field \"%s\" must be the two answers' scores, [1.5, -0.5], not %s%.40s", name,
        json_is_string(value) ? "" : madpo__json_kind(value),
        json_is_string(value) ? json_string_value(value) : "");
}

/* Draw a label as the published experiment does: the larger of score + Gumbel noise, so that
 * P(first is better) = sigmoid(s1 - s2). A record's draws depend on its position alone. */
static form_order form_draw(const madpo__reader *r, const madpo_pair *p)
{
    madpo_rng rng;
    double first, second;

    madpo_rng_init(&rng, r->options->label_seed, r->report->n_records);
    first = p->score_chosen + madpo_rng_gumbel(&rng);
    second = p->score_rejected + madpo_rng_gumbel(&rng);
    return first >= second ? FORM_FIRST : FORM_SECOND;
}

/* Find out which answer is better; scores of the pair go with the answers as they stand. */
static madpo_status form_order_of(madpo__reader *r, const madpo__answers *names,
                                  const json_t *record, madpo_pair *p, form_order *order,
                                  int *number)
{
    const json_t *label = form_optional(r, record, names->label);
    madpo_status st;

    *order = FORM_FIRST;
    *number = MADPO__LABEL_NONE;
    p->score_chosen = p->score_rejected = NAN;
    if (!names->label) {
        st = form_number(r, record, MADPO__ROLE_SCORE_CHOSEN, &p->score_chosen);
        return st == MADPO_OK
                   ? form_number(r, record, MADPO__ROLE_SCORE_REJECTED, &p->score_rejected)
                   : st;
    }
    st = form_scores(r, record, p);
    if (st != MADPO_OK)
        return st;
    if (label)
        return form_label(r, names, label, order, number);
    if (isfinite(p->score_chosen) && isfinite(p->score_rejected)) {
        *order = form_draw(r, p);
        return MADPO_OK;
    }
    return madpo__reader_refuse(
        r,
        "neither field \"%s\" nor scores say which answer is better; fill one in or name the "
        "field in data.fields",
        names->label);
}

/* ---- adding ---- */

/* Remember a label that is to be understood at the end. */
static madpo_status form_keep_label(madpo__reader *r, int number)
{
    size_t i = madpo_pairs_count(r->pairs) - 1;

    if (i >= r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 256;
        unsigned char *label;

        while (capacity <= i)
            capacity *= 2;
        label = realloc(r->label, capacity);
        if (!label)
            return madpo_error_set(r->err, MADPO_ERR_NOMEM, "no memory for %zu labels", capacity);
        memset(label + r->capacity, MADPO__LABEL_NONE, capacity - r->capacity);
        r->label = label;
        r->capacity = capacity;
    }
    r->label[i] = (unsigned char)number;
    if (!r->label_line[number])
        r->label_line[number] = r->line;
    return MADPO_OK;
}

static madpo_status form_add(madpo__reader *r, const madpo_pair *p, const madpo__answers *names,
                             bool drawn, form_order order, int number)
{
    madpo_status st = madpo_pairs_add(r->pairs, p, r->err);

    if (st != MADPO_OK)
        return st;
    r->report->n_labelled += names->label && !drawn;
    r->report->n_drawn += drawn;
    if (order == FORM_SECOND)
        madpo__pairs_swap(r->pairs, madpo_pairs_count(r->pairs) - 1);
    return order == FORM_LATER ? form_keep_label(r, number) : MADPO_OK;
}

static madpo_status form_unknown(const madpo__reader *r, const json_t *record)
{
    madpo_strbuf have = {0};
    const char *key;
    json_t *value;
    madpo_status st;

    json_object_foreach((json_t *)(uintptr_t)record, key, value) /* only read */
        madpo_strbuf_printf(&have, "%s\"%.40s\"", have.n ? ", " : "", key);
    st = madpo_strbuf_check(&have, r->err);
    if (st == MADPO_OK)
        st = madpo__reader_refuse(r,
                                  "fields \"%s\" and \"%s\" are missing; there are %.200s; say "
                                  "which is which with data.fields",
                                  r->fields.name[MADPO__ROLE_CHOSEN],
                                  r->fields.name[MADPO__ROLE_REJECTED], have.s ? have.s : "none");
    madpo_strbuf_dispose(&have);
    return st;
}

static bool form_is_chat(const json_t *value)
{
    return json_is_array(value) || json_is_object(value);
}

static madpo_status form_texts(madpo__reader *r, const madpo__answers *names, const json_t *record,
                               madpo_pair *p, bool *tie, bool *rendered)
{
    const json_t *prompt = madpo__field_get(record, names->prompt);
    const json_t *a = madpo__field_get(record, names->a), *b = madpo__field_get(record, names->b);

    if (json_is_null(prompt))
        prompt = NULL;
    *rendered = form_is_chat(prompt) || form_is_chat(a) || form_is_chat(b);
    return *rendered ? madpo__pairs_messages(r, names, prompt, a, b, p, tie)
                     : form_strings(r, names, prompt, a, b, p, tie);
}

madpo_status madpo__pairs_record(madpo__reader *r, const json_t *record)
{
    madpo_pair p = {0};
    madpo__answers names;
    madpo_pairs_report before = *r->report;
    form_order order;
    bool tie = false, rendered = false, drawn;
    int number;
    madpo_status st;

    if (!json_is_object(record))
        return madpo__reader_refuse(
            r, "the line holds %s; an object with prompt, chosen and rejected is expected",
            madpo__json_kind(record));
    if (!madpo__answers_find(&names, &r->fields, record))
        return form_unknown(r, record);
    st = form_optionals(r, record, &p);
    if (st == MADPO_OK)
        st = form_texts(r, &names, record, &p, &tie, &rendered);
    if (st == MADPO_OK)
        st = form_order_of(r, &names, record, &p, &order, &number);
    if (st == MADPO_OK && order == FORM_TIE && !r->options->drop_ties)
        st = madpo__reader_refuse(
            r, "field \"%s\" says tie, which orders no pair; set data.drop_ties to leave ties out",
            names.label);
    drawn = st == MADPO_OK && names.label && !form_optional(r, record, names.label);
    if (st == MADPO_OK && (order == FORM_TIE || (tie && r->options->drop_ties))) {
        *r->report = before; /* counts as no form */
        r->report->n_ties++;
    } else if (st == MADPO_OK) {
        st = form_add(r, &p, &names, drawn, order, number);
    }
    if (st != MADPO_OK)
        *r->report = before;
    if (rendered) {
        free(p.prompt);
        free(p.chosen);
        free(p.rejected);
    }
    return st;
}
