/* Which field of a record plays which part: the names known, and the user's own. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "data/pairs_inside.h"

/* A part is called as its field usually is. */
static const char *const role_names[MADPO__N_ROLES] = {
    "prompt",         "chosen", "rejected",    "first",        "second",
    "label",          "scores", "score_first", "score_second", "score_chosen",
    "score_rejected", "id",     "source",      "split",        "margin"};

/* Names of published data sets that have two answers and a label. */
static const madpo__answers known[] = {
    {"prompt", "first_response", "second_response", "preference", 0},
    {"prompt", "first_response", "second_response", "choice", 0},
    {"input", "output_1", "output_2", "label", 1},
    {"prompt", "response_0", "response_1", "better_response_id", 0},
    {"prompt", "first", "second", "label", -1},
};

static int role_find(const char *name)
{
    for (int i = 0; i < MADPO__N_ROLES; i++)
        if (!strcmp(role_names[i], name))
            return i;
    return -1;
}

/* Cut blanks off both ends of text, in place. */
static char *fields_trim(char *text)
{
    size_t n;

    text += strspn(text, " \t\n");
    n = strlen(text);
    while (n > 0 && strchr(" \t\n", text[n - 1]))
        n--;
    text[n] = '\0';
    return text;
}

static madpo_status fields_entry(madpo__fields *f, char *entry, madpo_error *err)
{
    char *equals = strchr(entry, '='), *part, *name;
    int role;

    if (!equals)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.fields: \"%.60s\" is not of the form part=field, as in "
                               "prompt=question",
                               fields_trim(entry));
    *equals = '\0';
    part = fields_trim(entry);
    name = fields_trim(equals + 1);
    role = role_find(part);
    if (role < 0) {
        const char *nearest = madpo_nearest(part, role_names, MADPO__N_ROLES);

        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.fields: a pair has no part \"%.60s\"; %s%s", part,
                               nearest ? "did you mean " : "the main ones are prompt, chosen and ",
                               nearest ? nearest : "rejected, or prompt, first, second and label");
    }
    if (!*name)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.fields: no field is named for %s; write %s=FIELD", part, part);
    if (f->given[role])
        return madpo_error_set(err, MADPO_ERR_CONFIG, "data.fields: %s is there twice", part);
    f->given[role] = true;
    f->name[role] = name;
    return MADPO_OK;
}

static madpo_status fields_check(const madpo__fields *f, madpo_error *err)
{
    bool first = f->given[MADPO__ROLE_FIRST], second = f->given[MADPO__ROLE_SECOND];

    if (first != second)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.fields: %s is named without %s; name both",
                               first ? "first" : "second", first ? "second" : "first");
    if (first && (f->given[MADPO__ROLE_CHOSEN] || f->given[MADPO__ROLE_REJECTED]))
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "data.fields names both chosen or rejected and first and second; a pair has either "
            "the better and the worse answer, or two and a label");
    return MADPO_OK;
}

madpo_status madpo__fields_parse(madpo__fields *out, const char *spec, madpo_error *err)
{
    madpo_status st = MADPO_OK;
    char *at;

    memset(out, 0, sizeof *out);
    memcpy(out->name, role_names, sizeof role_names);
    if (!spec || !*spec)
        return MADPO_OK;
    out->text = strdup(spec);
    if (!out->text)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for the names of fields");
    for (at = out->text; at && st == MADPO_OK;) {
        char *entry = at, *comma = strchr(at, ',');

        at = comma ? comma + 1 : NULL;
        if (comma)
            *comma = '\0';
        st = fields_entry(out, entry, err);
    }
    return st == MADPO_OK ? fields_check(out, err) : st;
}

void madpo__fields_dispose(madpo__fields *fields)
{
    free(fields->text);
    memset(fields, 0, sizeof *fields);
}

/* Member whose name is the first n bytes of `name`. */
static json_t *fields_member(const json_t *record, const char *name, size_t n)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)record, key, value) /* only read */
    {
        if (!strncmp(key, name, n) && !key[n])
            return value;
    }
    return NULL;
}

json_t *madpo__field_get(const json_t *record, const char *name)
{
    json_t *value = json_object_get(record, name);

    while (!value && record) {
        size_t n = strcspn(name, ".");

        if (!name[n])
            return NULL;
        record = fields_member(record, name, n);
        name += n + 1;
        value = json_object_get(record, name);
    }
    return value;
}

/* A name of the user's wins over a known one. */
static const char *fields_or(const madpo__fields *f, madpo__role role, const char *name)
{
    return f->given[role] ? f->name[role] : name;
}

bool madpo__answers_find(madpo__answers *out, const madpo__fields *f, const json_t *record)
{
    const madpo__answers *best = NULL;

    *out = (madpo__answers){f->name[MADPO__ROLE_PROMPT], f->name[MADPO__ROLE_CHOSEN],
                            f->name[MADPO__ROLE_REJECTED], NULL, -1};
    if (f->given[MADPO__ROLE_FIRST]) {
        *out = (madpo__answers){f->name[MADPO__ROLE_PROMPT], f->name[MADPO__ROLE_FIRST],
                                f->name[MADPO__ROLE_SECOND], f->name[MADPO__ROLE_LABEL], -1};
        return true;
    }
    if (f->given[MADPO__ROLE_CHOSEN] || f->given[MADPO__ROLE_REJECTED] ||
        madpo__field_get(record, out->a) || madpo__field_get(record, out->b))
        return true;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        bool labelled = madpo__field_get(record, fields_or(f, MADPO__ROLE_LABEL, known[i].label));

        if (!madpo__field_get(record, known[i].a) || !madpo__field_get(record, known[i].b))
            continue;
        if (!best || labelled)
            best = &known[i];
        if (labelled)
            break;
    }
    if (!best)
        return false;
    *out = *best;
    out->prompt = fields_or(f, MADPO__ROLE_PROMPT, best->prompt);
    out->label = fields_or(f, MADPO__ROLE_LABEL, best->label);
    out->base = f->given[MADPO__ROLE_LABEL] ? -1 : best->base;
    return true;
}
