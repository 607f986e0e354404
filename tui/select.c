/* Filtering and sorting pairs; see select.h. */
#include "tui/select.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

const char *const madpo_sort_names[MADPO_SORTS] = {"h",   "w",    "m",  "dm", "len",
                                                   "src", "seen", "id", "tok"};

enum { FIELD_C = MADPO_SORTS, FIELD_SRC, FIELD_SPLIT, FIELD_FLAG, FIELD_TEXT };

/* ---- parsing ---- */

static const struct {
    const char *name;
    int field;
    bool word;
} select_fields[] = {{"h", MADPO_SORT_H, false},
                     {"w", MADPO_SORT_W, false},
                     {"m", MADPO_SORT_M, false},
                     {"dm", MADPO_SORT_CHANGE, false},
                     {"len", MADPO_SORT_LENGTH, false},
                     {"seen", MADPO_SORT_SEEN, false},
                     {"id", MADPO_SORT_ID, false},
                     {"tok", MADPO_SORT_TOKENS, false},
                     {"c", FIELD_C, false},
                     {"src", FIELD_SRC, true},
                     {"split", FIELD_SPLIT, true},
                     {"flag", FIELD_FLAG, true},
                     {"text", FIELD_TEXT, true}};

static int select_field(const char *name, size_t n, bool word)
{
    for (size_t i = 0; i < sizeof select_fields / sizeof *select_fields; i++)
        if (select_fields[i].word == word && strlen(select_fields[i].name) == n &&
            memcmp(select_fields[i].name, name, n) == 0)
            return select_fields[i].field;
    return -1;
}

static bool term_parse(madpo_filter_term *term, const char *word)
{
    size_t n = strcspn(word, "<>=!:");
    const char *op = word + n, *value;
    char *end;

    *term = (madpo_filter_term){.field = FIELD_TEXT, .op = ':'};
    if (*op == ':' && select_field(word, n, true) >= 0) {
        term->field = select_field(word, n, true);
        snprintf(term->word, sizeof term->word, "%s", op + 1);
        return op[1] != '\0';
    }
    if (*op && *op != ':') {
        value = op + 1 + (op[1] == '=');
        term->op = op[0] == '<' && op[1] == '=' ? 'l' : op[0] == '>' && op[1] == '=' ? 'g' : *op;
        term->field = select_field(word, n, false);
        term->number = strtod(value, &end);
        return term->field >= 0 && end > value && *end == '\0' && (*op != '!' || op[1] == '=');
    }
    snprintf(term->word, sizeof term->word, "%s", word);
    return true;
}

madpo_status madpo_filter_parse(madpo_filter *out, const char *text, madpo_error *err)
{
    char word[64];

    out->n = 0;
    for (;;) {
        size_t n;

        text += strspn(text, " ");
        n = strcspn(text, " ");
        if (n == 0)
            return MADPO_OK;
        snprintf(word, sizeof word, "%.*s", (int)n, text);
        if (out->n == MADPO_FILTER_TERMS)
            return madpo_error_set(err, MADPO_ERR_USAGE, "a filter has at most %d words",
                                   MADPO_FILTER_TERMS);
        if (!term_parse(&out->term[out->n], word))
            return madpo_error_set(err, MADPO_ERR_USAGE,
                                   "\"%s\" is no filter: h<0 w>.8 len>512 src:x flag:! text:word",
                                   word);
        out->n++;
        text += n;
    }
}

/* ---- deciding ---- */

static bool text_has(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (; *text; text++) {
        size_t i = 0;

        while (i < n && text[i] &&
               tolower((unsigned char)text[i]) == tolower((unsigned char)word[i]))
            i++;
        if (i == n)
            return true;
    }
    return n == 0;
}

static bool pair_has(const madpo_feed *source, const madpo_sample *sample, const char *word)
{
    madpo_pair_text text;
    madpo_error ignored = MADPO_ERROR_INIT;
    bool has;

    if (madpo_feed_text(&text, source, sample, &ignored) != MADPO_OK)
        return false;
    has =
        text_has(text.prompt, word) || text_has(text.chosen, word) || text_has(text.rejected, word);
    madpo_pair_text_dispose(&text);
    return has;
}

static const char *sample_source(const madpo_samples *samples, const madpo_sample *sample)
{
    return sample->source < samples->n_sources ? samples->sources[sample->source] : "";
}

double madpo_sort_value(const madpo_samples *samples, const madpo_sample *sample, madpo_sort sort,
                        double step)
{
    switch (sort) {
    case MADPO_SORT_H:
        return (double)sample->h;
    case MADPO_SORT_W:
        return (double)sample->w;
    case MADPO_SORT_M:
        return madpo_samples_m(samples, sample, step);
    case MADPO_SORT_CHANGE:
        return madpo_samples_change(samples, sample, step);
    case MADPO_SORT_LENGTH:
        return (double)sample->n_prompt + sample->n_chosen + sample->n_rejected;
    case MADPO_SORT_SOURCE:
        return sample->source;
    case MADPO_SORT_SEEN:
        return madpo_samples_seen(samples, sample, step);
    case MADPO_SORT_TOKENS:
        return madpo_samples_n_tokens(samples, sample, step);
    default:
        return (double)sample->id;
    }
}

static bool number_holds(const madpo_filter_term *term, double x)
{
    switch (term->op) {
    case '<':
        return x < term->number;
    case '>':
        return x > term->number;
    case 'l':
        return x <= term->number;
    case 'g':
        return x >= term->number;
    case '!':
        return x < term->number || x > term->number;
    default:
        return x >= term->number && x <= term->number;
    }
}

static bool term_holds(const madpo_filter_term *term, const madpo_feed *source,
                       const madpo_sample *sample, double step)
{
    const madpo_samples *samples = &madpo_feed_story(source)->samples;

    switch (term->field) {
    case FIELD_C:
        return number_holds(term, (double)sample->c);
    case FIELD_SRC:
        return text_has(sample_source(samples, sample), term->word);
    case FIELD_SPLIT:
        return text_has(sample->held_out ? "eval held-out" : "train", term->word);
    case FIELD_FLAG:
        return strchr(term->word, madpo_samples_flag(samples, sample, step)) != NULL ||
               (sample->marked && strchr(term->word, '*'));
    default:
        return number_holds(term, madpo_sort_value(samples, sample, (madpo_sort)term->field, step));
    }
}

/* All terms but those of texts. */
static bool facts_hold(const madpo_filter *filter, const madpo_feed *source,
                       const madpo_sample *sample, double step)
{
    for (int i = 0; i < filter->n; i++)
        if (filter->term[i].field != FIELD_TEXT &&
            !term_holds(&filter->term[i], source, sample, step))
            return false;
    return true;
}

bool madpo_filter_has_texts(const madpo_filter *filter)
{
    for (int i = 0; i < filter->n; i++)
        if (filter->term[i].field == FIELD_TEXT)
            return true;
    return false;
}

bool madpo_filter_texts_hold(const madpo_filter *filter, const madpo_feed *source,
                             const madpo_sample *sample)
{
    for (int i = 0; i < filter->n; i++)
        if (filter->term[i].field == FIELD_TEXT && !pair_has(source, sample, filter->term[i].word))
            return false;
    return true;
}

bool madpo_filter_holds(const madpo_filter *filter, const madpo_feed *source,
                        const madpo_sample *sample, double step)
{
    return facts_hold(filter, source, sample, step) && /* first: they cost nothing */
           madpo_filter_texts_hold(filter, source, sample);
}

/* ---- the list ---- */

static bool selected(const madpo_selection *selection, const madpo_feed *source,
                     const madpo_sample *sample, size_t i)
{
    if (!facts_hold(&selection->filter, source, sample, selection->step))
        return false;
    if (selection->find && selection->find->wanted)
        return madpo_find_holds(selection->find, i);
    return madpo_filter_texts_hold(&selection->filter, source, sample);
}

typedef struct select_key {
    double value; /* negated for descending order */
    int64_t id;
    int32_t index;
} select_key;

static int select_order(const void *a, const void *b)
{
    const select_key *x = a, *y = b;

    if (isnan(x->value) || isnan(y->value)) {
        if (isnan(x->value) != isnan(y->value))
            return isnan(x->value) ? 1 : -1;
    } else if (x->value < y->value || x->value > y->value) {
        return x->value < y->value ? -1 : 1;
    }
    return (x->id > y->id) - (x->id < y->id);
}

madpo_status madpo_select(int32_t **list, size_t *n, const madpo_feed *source,
                          const madpo_selection *selection, madpo_error *err)
{
    const madpo_samples *samples = &madpo_feed_story(source)->samples;
    select_key *keys = malloc((samples->n + 1) * sizeof *keys);

    *n = 0;
    *list = malloc((samples->n + 1) * sizeof **list);
    if (!keys || !*list) {
        free(keys);
        free(*list);
        *list = NULL;
        return madpo_error_set(err, MADPO_ERR_NOMEM, "a list of %zu pairs", samples->n);
    }
    for (size_t i = 0; i < samples->n; i++) {
        const madpo_sample *sample = &samples->v[i];
        double value;

        if ((double)sample->h < selection->low || (double)sample->h >= selection->high ||
            (!isnan(selection->low) && isnan(sample->h)) || !selected(selection, source, sample, i))
            continue;
        value = madpo_sort_value(samples, sample, selection->sort, selection->step);
        keys[(*n)++] = (select_key){selection->descending ? -value : value, sample->id, (int32_t)i};
    }
    qsort(keys, *n, sizeof *keys, select_order);
    for (size_t i = 0; i < *n; i++)
        (*list)[i] = keys[i].index;
    free(keys);
    return MADPO_OK;
}
