/* The sections of tokenizer.json that say what is done to a text; see load.h and pipeline.h. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/load.h"
#include "text/utf8.h"

/* ---- members ---- */

static const char *type_of(const json_t *section)
{
    const char *type = json_string_value(json_object_get(section, "type"));

    return type ? type : "?";
}

/* A copy of a string member, "" being NULL if `empty_is_none`. */
static madpo_status copy_string(const madpo_loading *c, const json_t *object, const char *key,
                                char **out, size_t *n)
{
    const json_t *value = json_object_get(object, key);

    *out = NULL;
    if (!json_is_string(value))
        return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                  "a section of type \"%.60s\" has no string \"%s\"",
                                  type_of(object), key);
    *n = json_string_length(value);
    *out = malloc(*n + 1);
    if (!*out)
        return madpo_error_set(c->err, MADPO_ERR_NOMEM, "no memory to read %s", c->path);
    memcpy(*out, json_string_value(value), *n + 1);
    return MADPO_OK;
}

/* {"String": text} or {"Regex": pattern}. */
static madpo_status read_pattern(const madpo_loading *c, const json_t *section, madpo_pattern *out)
{
    const json_t *pattern = json_object_get(section, "pattern");
    const json_t *string = json_object_get(pattern, "String"),
                 *regex = json_object_get(pattern, "Regex");
    madpo_status st;

    if (json_is_string(string))
        st = madpo__pattern_literal(out, json_string_value(string), json_string_length(string),
                                    c->err);
    else if (json_is_string(regex))
        st = madpo__pattern_regex(out, json_string_value(regex), json_string_length(regex), c->err);
    else
        return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                  "%s has no pattern {\"String\": ..} or {\"Regex\": ..}",
                                  type_of(section));
    return madpo__load_context(c, st);
}

/* ---- normalizer ---- */

static madpo_status add_normal(const madpo_loading *c, madpo_normal **list, int *n,
                               madpo_normal_kind kind, madpo_normal **out)
{
    madpo_normal *grown = realloc(*list, ((size_t)*n + 1) * sizeof *grown);

    *out = NULL;
    if (!grown)
        return madpo_error_set(c->err, MADPO_ERR_NOMEM, "no memory to read %s", c->path);
    *list = grown;
    *out = &grown[(*n)++];
    memset(*out, 0, sizeof **out);
    (*out)->kind = kind;
    return MADPO_OK;
}

static madpo_status read_replace(const madpo_loading *c, const json_t *section, madpo_normal *to)
{
    madpo_status st = read_pattern(c, section, &to->pattern);

    return st == MADPO_OK ? copy_string(c, section, "content", &to->content, &to->n_content) : st;
}

static madpo_status read_normalizer(const madpo_loading *c, const json_t *section, int depth)
{
    static const struct {
        const char *name;
        madpo_normal_kind kind;
    } kinds[] = {{"NFC", MADPO_NORMAL_NFC},
                 {"NFD", MADPO_NORMAL_NFD},
                 {"NFKC", MADPO_NORMAL_NFKC},
                 {"NFKD", MADPO_NORMAL_NFKD},
                 {"Lowercase", MADPO_NORMAL_LOWERCASE},
                 {"Strip", MADPO_NORMAL_STRIP},
                 {"StripAccents", MADPO_NORMAL_STRIP_ACCENTS},
                 {"Prepend", MADPO_NORMAL_PREPEND},
                 {"Replace", MADPO_NORMAL_REPLACE},
                 {"ByteLevel", MADPO_NORMAL_BYTES}};
    const char *type = type_of(section);
    const json_t *item;
    madpo_normal *to;
    size_t i;
    madpo_status st = MADPO_OK;

    if (!section || json_is_null(section))
        return MADPO_OK;
    if (!strcmp(type, "Sequence") && depth < 8) {
        json_array_foreach(json_object_get(section, "normalizers"), i, item)
        {
            st = read_normalizer(c, item, depth + 1);
            if (st != MADPO_OK)
                return st;
        }
        return st;
    }
    for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(type, kinds[i].name))
            break;
    if (i == sizeof kinds / sizeof *kinds)
        return madpo__load_refuse(c, "normalizer", type,
                                  "NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Prepend, "
                                  "Replace or Sequence");
    st = add_normal(c, &c->tok->normal, &c->tok->n_normals, kinds[i].kind, &to);
    if (st != MADPO_OK)
        return st;
    to->left = madpo__load_flag(section, "strip_left", true);
    to->right = madpo__load_flag(section, "strip_right", true);
    if (to->kind == MADPO_NORMAL_PREPEND)
        return copy_string(c, section, "prepend", &to->content, &to->n_content);
    return to->kind == MADPO_NORMAL_REPLACE ? read_replace(c, section, to) : MADPO_OK;
}

/* ---- pre-tokenizer ---- */

static madpo_status add_step(const madpo_loading *c, madpo_step_kind kind, madpo_step **out)
{
    madpo_step *grown = realloc(c->tok->step, ((size_t)c->tok->n_steps + 1) * sizeof *grown);

    *out = NULL;
    if (!grown)
        return madpo_error_set(c->err, MADPO_ERR_NOMEM, "no memory to read %s", c->path);
    c->tok->step = grown;
    *out = &grown[c->tok->n_steps++];
    memset(*out, 0, sizeof **out);
    (*out)->kind = kind;
    (*out)->behavior = MADPO_BEHAVIOR_ISOLATED;
    return MADPO_OK;
}

static madpo_status read_split(const madpo_loading *c, const json_t *section)
{
    static const char *const names[] = {
        [MADPO_BEHAVIOR_REMOVED] = "Removed",
        [MADPO_BEHAVIOR_ISOLATED] = "Isolated",
        [MADPO_BEHAVIOR_PREVIOUS] = "MergedWithPrevious",
        [MADPO_BEHAVIOR_NEXT] = "MergedWithNext",
        [MADPO_BEHAVIOR_CONTIGUOUS] = "Contiguous",
    };
    const char *behavior = json_string_value(json_object_get(section, "behavior"));
    madpo_step *step;
    size_t i;
    madpo_status st = add_step(c, MADPO_STEP_SPLIT, &step);

    if (st != MADPO_OK)
        return st;
    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (behavior && !strcmp(behavior, names[i]))
            break;
    if (i == sizeof names / sizeof *names)
        return madpo__load_refuse(c, "pre_tokenizer Split with behavior", behavior ? behavior : "?",
                                  "Removed, Isolated, MergedWithPrevious, MergedWithNext or "
                                  "Contiguous");
    step->behavior = (madpo_behavior)i;
    step->invert = madpo__load_flag(section, "invert", false);
    return read_pattern(c, section, &step->pattern);
}

/* From here on a piece's bytes are its symbols. */
static madpo_status read_byte_level(const madpo_loading *c, bool prefix_space, bool use_regex)
{
    madpo_step *step;
    madpo_status st = MADPO_OK;

    c->tok->byte_level = true;
    if (prefix_space)
        st = add_step(c, MADPO_STEP_BLANK, &step);
    if (st == MADPO_OK && use_regex) {
        st = add_step(c, MADPO_STEP_SPLIT, &step);
        if (st == MADPO_OK)
            step->pattern.kind = MADPO_PATTERN_GPT2;
    }
    return st;
}

madpo_status madpo__load_blank_first(const madpo_loading *c)
{
    madpo_step *step, blank;
    madpo_status st = add_step(c, MADPO_STEP_BLANK, &step);

    if (st != MADPO_OK)
        return st;
    blank = *step;
    memmove(c->tok->step + 1, c->tok->step, (size_t)(c->tok->n_steps - 1) * sizeof *step);
    c->tok->step[0] = blank;
    return MADPO_OK;
}

/* The character that Metaspace writes for a blank, one code point. */
static madpo_status read_replacement(const madpo_loading *c, const json_t *section,
                                     madpo_pattern *out)
{
    const json_t *value = json_object_get(section, "replacement");
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);
    int32_t cp;

    if (!text || !n || madpo_utf8_read(text, n, &cp) != n)
        return madpo__load_wrong(c, "Metaspace has no \"replacement\" of one character");
    return madpo__pattern_literal(out, text, n, c->err);
}

/* prepend_scheme, or add_prefix_space of older files. */
static madpo_status read_scheme(const madpo_loading *c, const json_t *section, madpo_prepend *out)
{
    const char *scheme = json_string_value(json_object_get(section, "prepend_scheme"));
    bool prefix = madpo__load_flag(section, "add_prefix_space", true);

    *out = prefix ? MADPO_PREPEND_ALWAYS : MADPO_PREPEND_NEVER;
    if (!scheme)
        return MADPO_OK;
    if (!strcmp(scheme, "always"))
        *out = MADPO_PREPEND_ALWAYS;
    else if (!strcmp(scheme, "first"))
        *out = MADPO_PREPEND_FIRST;
    else if (!strcmp(scheme, "never"))
        *out = MADPO_PREPEND_NEVER;
    else
        return madpo__load_refuse(c, "Metaspace with prepend_scheme", scheme,
                                  "always, first or never");
    if (!prefix && *out != MADPO_PREPEND_NEVER)
        return madpo__load_wrong(c, "Metaspace has add_prefix_space false, but another "
                                    "prepend_scheme than never");
    return MADPO_OK;
}

static madpo_status read_metaspace(const madpo_loading *c, const json_t *section)
{
    madpo_step *step;
    madpo_status st = add_step(c, MADPO_STEP_METASPACE, &step);

    if (st == MADPO_OK)
        st = read_replacement(c, section, &step->pattern);
    if (st != MADPO_OK)
        return st;
    step->split = madpo__load_flag(section, "split", true);
    return read_scheme(c, section, &step->prepend);
}

static madpo_status read_pre_tokenizer(const madpo_loading *c, const json_t *section, int depth)
{
    const char *type = type_of(section);
    const json_t *item;
    madpo_step *step;
    madpo_status st = MADPO_OK;
    size_t i;

    if (!section || json_is_null(section))
        return MADPO_OK;
    if (!strcmp(type, "Sequence") && depth < 8) {
        json_array_foreach(json_object_get(section, "pretokenizers"), i, item)
        {
            st = read_pre_tokenizer(c, item, depth + 1);
            if (st != MADPO_OK)
                return st;
        }
        return st;
    }
    if (c->tok->byte_level)
        return madpo__load_refuse(c, "pre_tokenizer behind ByteLevel:", type,
                                  "ByteLevel as the last one");
    if (!strcmp(type, "Split"))
        return read_split(c, section);
    if (!strcmp(type, "ByteLevel"))
        return read_byte_level(c, madpo__load_flag(section, "add_prefix_space", true),
                               madpo__load_flag(section, "use_regex", true));
    if (!strcmp(type, "Metaspace"))
        return read_metaspace(c, section);
    if (strcmp(type, "Digits") != 0)
        return madpo__load_refuse(c, "pre_tokenizer", type,
                                  "ByteLevel, Split, Digits, Metaspace or Sequence");
    st = add_step(c, MADPO_STEP_DIGITS, &step);
    if (st == MADPO_OK && !madpo__load_flag(section, "individual_digits", false))
        step->behavior = MADPO_BEHAVIOR_CONTIGUOUS;
    return st;
}

/* ---- post-processor ---- */

/* Put ids before (or behind) those that are there already: what a later processor of a Sequence
 * adds goes around what the earlier ones did. */
static madpo_status wrap_id(const madpo_loading *c, madpo_ids *list, size_t at, int64_t id)
{
    madpo_status st;

    if (id < 0 || id > INT32_MAX)
        return madpo__load_wrong(c, "the post_processor has a special token without an id");
    st = madpo_ids_push(list, 0, c->err);
    if (st != MADPO_OK)
        return st;
    memmove(list->v + at + 1, list->v + at, (list->n - 1 - at) * sizeof *list->v);
    list->v[at] = (int32_t)id;
    return MADPO_OK;
}

/* One item of a template, {"SpecialToken": ..} or {"Sequence": ..}; n_front: ids put in front. */
static madpo_status read_template_item(const madpo_loading *c, const json_t *section,
                                       const json_t *item, bool *behind, size_t *n_front)
{
    const json_t *special = json_object_get(item, "SpecialToken"),
                 *sequence = json_object_get(item, "Sequence"), *ids, *id;
    const char *name = json_string_value(json_object_get(special ? special : sequence, "id"));
    madpo_status st = MADPO_OK;
    size_t i;

    if (sequence && name && !strcmp(name, "A") && !*behind) {
        *behind = true;
        return MADPO_OK;
    }
    if (!special || !name)
        return madpo__load_wrong(c, "the template \"single\" of the post_processor is not one "
                                    "sequence A among special tokens");
    ids = json_object_get(json_object_get(json_object_get(section, "special_tokens"), name), "ids");
    if (!json_array_size(ids))
        return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                  "special token \"%.60s\" of the post_processor has no ids", name);
    json_array_foreach(ids, i, id)
    {
        int64_t value = json_is_integer(id) ? json_integer_value(id) : -1;

        if (*behind)
            st = wrap_id(c, &c->tok->behind, c->tok->behind.n, value);
        else
            st = wrap_id(c, &c->tok->front, (*n_front)++, value);
        if (st != MADPO_OK)
            return st;
    }
    return st;
}

static madpo_status read_template(const madpo_loading *c, const json_t *section)
{
    const json_t *single = json_object_get(section, "single"), *item;
    bool behind = false;
    size_t i, n_front = 0;
    madpo_status st;

    json_array_foreach(single, i, item)
    {
        st = read_template_item(c, section, item, &behind, &n_front);
        if (st != MADPO_OK)
            return st;
    }
    return behind ? MADPO_OK
                  : madpo__load_wrong(c, "the template \"single\" of the post_processor has no "
                                         "sequence A");
}

/* ["<s>", 0] under `key`. */
static int64_t pair_id(const json_t *section, const char *key)
{
    const json_t *id = json_array_get(json_object_get(section, key), 1);

    return json_is_integer(id) ? json_integer_value(id) : -1;
}

static madpo_status read_post(const madpo_loading *c, const json_t *section, int depth)
{
    const char *type = type_of(section);
    const json_t *item;
    madpo_status st = MADPO_OK;
    size_t i;

    if (!section || json_is_null(section) || !strcmp(type, "ByteLevel")) /* offsets only */
        return MADPO_OK;
    if (!strcmp(type, "Sequence") && depth < 8) {
        json_array_foreach(json_object_get(section, "processors"), i, item)
        {
            st = read_post(c, item, depth + 1);
            if (st != MADPO_OK)
                return st;
        }
        return st;
    }
    if (!strcmp(type, "TemplateProcessing"))
        return read_template(c, section);
    if (strcmp(type, "RobertaProcessing") != 0 && strcmp(type, "BertProcessing") != 0)
        return madpo__load_refuse(c, "post_processor", type,
                                  "ByteLevel, TemplateProcessing, RobertaProcessing, "
                                  "BertProcessing or Sequence");
    st = wrap_id(c, &c->tok->front, 0, pair_id(section, "cls"));
    return st == MADPO_OK ? wrap_id(c, &c->tok->behind, c->tok->behind.n, pair_id(section, "sep"))
                          : st;
}

/* ---- decoder ---- */

/* How far a list of decoders has come: the order below is the only one that is implemented. */
typedef enum { ON_TOKENS, ON_RUNS, FUSED, STRIPPED, CLOSED } decoder_stage;

static madpo_status decoder_order(const madpo_loading *c, const char *type)
{
    return madpo__load_refuse(c, "in a decoder of several steps, at this place,", type,
                              "Replace, ByteFallback, Fuse, Strip in this order");
}

static madpo_status read_decoder_strip(const madpo_loading *c, const json_t *section)
{
    madpo_decoder *d = &c->tok->decoder;
    const json_t *content = json_object_get(section, "content");
    json_int_t start = json_integer_value(json_object_get(section, "start")),
               stop = json_integer_value(json_object_get(section, "stop"));
    size_t n = json_string_length(content);
    int32_t cp;

    if (!json_is_string(content) || !n || n > 4 ||
        madpo_utf8_read(json_string_value(content), n, &cp) != n || !cp || start < 0 || stop < 0 ||
        start > INT16_MAX || stop > INT16_MAX)
        return madpo__load_wrong(c, "decoder Strip has no content of one character, or no counts "
                                    "start and stop");
    memcpy(d->strip, json_string_value(content), n);
    d->strip_start = (int)start;
    d->strip_stop = (int)stop;
    return MADPO_OK;
}

static madpo_status read_decoder_metaspace(const madpo_loading *c, const json_t *section)
{
    madpo_decoder *d = &c->tok->decoder;
    madpo_normal *to;
    madpo_prepend scheme;
    madpo_status st = add_normal(c, &d->step, &d->n_steps, MADPO_NORMAL_REPLACE, &to);

    if (st == MADPO_OK)
        st = read_replacement(c, section, &to->pattern);
    if (st == MADPO_OK)
        st = read_scheme(c, section, &scheme);
    if (st != MADPO_OK)
        return st;
    to->content = malloc(1);
    if (!to->content)
        return madpo_error_set(c->err, MADPO_ERR_NOMEM, "no memory to read %s", c->path);
    *to->content = ' ';
    to->n_content = 1;
    d->kind = MADPO_DECODER_METASPACE;
    d->first = scheme != MADPO_PREPEND_NEVER;
    return MADPO_OK;
}

static madpo_status read_decoder_step(const madpo_loading *c, const json_t *section,
                                      decoder_stage *stage)
{
    const char *type = type_of(section);
    madpo_decoder *d = &c->tok->decoder;
    bool first = d->kind == MADPO_DECODER_BLANKS;
    madpo_normal *to;
    madpo_status st;

    if (!strcmp(type, "ByteLevel") || !strcmp(type, "Metaspace")) {
        if (!first)
            return decoder_order(c, type);
        *stage = CLOSED;
        d->kind = MADPO_DECODER_BYTES;
        return *type == 'B' ? MADPO_OK : read_decoder_metaspace(c, section);
    }
    if (!strcmp(type, "Fuse") && (*stage == CLOSED || *stage <= FUSED)) {
        d->kind = first ? MADPO_DECODER_PIECES : d->kind;
        *stage = *stage == CLOSED ? CLOSED : FUSED;
        return MADPO_OK;
    }
    if (!strcmp(type, "Replace") && *stage == ON_TOKENS) {
        d->kind = MADPO_DECODER_PIECES;
        st = add_normal(c, &d->step, &d->n_steps, MADPO_NORMAL_REPLACE, &to);
        return st == MADPO_OK ? read_replace(c, section, to) : st;
    }
    if (!strcmp(type, "ByteFallback") && *stage == ON_TOKENS) {
        d->kind = MADPO_DECODER_PIECES;
        d->byte_fallback = true;
        *stage = ON_RUNS;
        return MADPO_OK;
    }
    if (!strcmp(type, "Strip") && *stage == FUSED) {
        *stage = STRIPPED;
        return read_decoder_strip(c, section);
    }
    if (!strcmp(type, "Replace") || !strcmp(type, "ByteFallback") || !strcmp(type, "Strip") ||
        !strcmp(type, "Fuse"))
        return decoder_order(c, type);
    return madpo__load_refuse(c, "decoder", type,
                              "ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip or "
                              "Sequence");
}

static madpo_status read_decoder(const madpo_loading *c, const json_t *section,
                                 decoder_stage *stage, int depth)
{
    const json_t *item;
    size_t i;
    madpo_status st;

    if (!section || json_is_null(section))
        return MADPO_OK;
    if (strcmp(type_of(section), "Sequence") != 0 || depth >= 8)
        return read_decoder_step(c, section, stage);
    if (c->tok->decoder.kind == MADPO_DECODER_BLANKS &&
        !json_array_size(json_object_get(section, "decoders")))
        c->tok->decoder.kind = MADPO_DECODER_PIECES;
    json_array_foreach(json_object_get(section, "decoders"), i, item)
    {
        st = read_decoder(c, item, stage, depth + 1);
        if (st != MADPO_OK)
            return st;
    }
    return MADPO_OK;
}

/* ---- the model's flags ---- */

static madpo_status read_affix(const madpo_loading *c, const json_t *model, const char *key,
                               char **out)
{
    const char *text = json_string_value(json_object_get(model, key));
    size_t n;

    *out = NULL;
    if (!text || !*text)
        return MADPO_OK;
    if (c->tok->byte_level)
        return madpo__load_refuse(c, "model with pre_tokenizer ByteLevel and", key,
                                  "a BPE without it");
    return copy_string(c, model, key, out, &n);
}

static madpo_status read_model(const madpo_loading *c, const json_t *model)
{
    const char *type = json_string_value(json_object_get(model, "type"));
    madpo_status st;

    if (type && strcmp(type, "BPE") != 0)
        return madpo__load_refuse(c, "model", type, "BPE");
    if (json_number_value(json_object_get(model, "dropout")) > 0)
        return madpo__load_refuse(c, "model", "BPE with dropout", "dropout null");
    c->tok->ignore_merges = madpo__load_flag(model, "ignore_merges", false);
    c->tok->byte_fallback = madpo__load_flag(model, "byte_fallback", false);
    c->tok->fuse_unk = madpo__load_flag(model, "fuse_unk", false);
    st = read_affix(c, model, "continuing_subword_prefix", &c->tok->word_prefix);
    return st == MADPO_OK ? read_affix(c, model, "end_of_word_suffix", &c->tok->word_suffix) : st;
}

/* Nothing yet: no steps at all. */
static void clear_sections(madpo_tokenizer *tok)
{
    for (int i = 0; i < tok->n_steps; i++)
        madpo__pattern_dispose(&tok->step[i].pattern);
    tok->n_steps = 0;
    tok->byte_level = false;
    tok->decoder.kind = MADPO_DECODER_BLANKS;
}

madpo_status madpo__load_sections(const madpo_loading *c, const json_t *root)
{
    decoder_stage stage = ON_TOKENS;
    madpo_status st;

    clear_sections(c->tok);
    st = read_normalizer(c, json_object_get(root, "normalizer"), 0);
    if (st == MADPO_OK)
        st = read_pre_tokenizer(c, json_object_get(root, "pre_tokenizer"), 0);
    if (st == MADPO_OK)
        st = read_post(c, json_object_get(root, "post_processor"), 0);
    if (st == MADPO_OK)
        st = read_decoder(c, json_object_get(root, "decoder"), &stage, 0);
    return st == MADPO_OK ? read_model(c, json_object_get(root, "model")) : st;
}

madpo_status madpo__load_sections_default(const madpo_loading *c, bool qwen, bool prefix_space)
{
    static const char pattern[] =
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
        "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    madpo_normal *normal;
    madpo_step *step;
    madpo_status st = MADPO_OK;

    clear_sections(c->tok);
    c->tok->decoder.kind = MADPO_DECODER_BYTES;
    if (qwen) {
        st = add_normal(c, &c->tok->normal, &c->tok->n_normals, MADPO_NORMAL_NFC, &normal);
        if (st == MADPO_OK)
            st = add_step(c, MADPO_STEP_SPLIT, &step);
        if (st == MADPO_OK)
            st = madpo__pattern_regex(&step->pattern, pattern, sizeof pattern - 1, c->err);
    }
    return st == MADPO_OK ? read_byte_level(c, prefix_space, !qwen) : st;
}

static madpo_status check_template(const madpo_loading *c, const madpo_ids *ids)
{
    for (size_t i = 0; i < ids->n; i++)
        if (!madpo_tokenizer_content(c->tok, ids->v[i]))
            return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                      "id %ld of the post_processor is not in the vocabulary",
                                      (long)ids->v[i]);
    return MADPO_OK;
}

madpo_status madpo__load_finish(const madpo_loading *c, const json_t *root)
{
    const json_t *unk = json_object_get(json_object_get(root, "model"), "unk_token");
    madpo_status st = check_template(c, &c->tok->front);

    if (st == MADPO_OK)
        st = check_template(c, &c->tok->behind);
    if (st != MADPO_OK || !json_is_string(unk))
        return st;
    c->tok->unk = madpo__tokenizer_find(c->tok, json_string_value(unk), json_string_length(unk));
    c->tok->unk_model =
        madpo__tokenizer_find_model(c->tok, json_string_value(unk), json_string_length(unk));
    if (c->tok->unk_model < 0 && !c->tok->byte_level)
        return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                  "model.unk_token \"%.60s\" is not in the vocabulary",
                                  json_string_value(unk));
    return MADPO_OK;
}
