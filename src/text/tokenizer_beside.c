/* The files beside tokenizer.json: tokenizer_config.json, special_tokens_map.json,
 * added_tokens.json and chat_template.jinja; see load.h. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "text/load.h"

/* ---- reading ---- */

/* "model_max_length": 1000000000000000019884624838656 is how the library writes "no limit": no
 * integer of the JSON reader, so that all numbers are read as reals. Errors are for the usual
 * reader to tell. */
static madpo_status parse_config(const madpo_loading *c, json_t **out, const char *text, size_t n,
                                 const char *path)
{
    json_error_t why;

    *out = json_loadb(text, n, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
    return *out ? MADPO_OK : madpo_json_parse(out, text, n, path, 1, c->err);
}

/* Read `name` in the folder if it is there, keeping it for saving; its value if `value`. */
static madpo_status read_beside(const madpo_loading *c, const char *dir, const char *name,
                                json_t **value)
{
    char *path = NULL, *text = NULL;
    size_t n = 0;
    madpo_status st = madpo_path_join(&path, dir, name, c->err);

    if (st == MADPO_OK && madpo_file_exists(path)) {
        st = madpo_file_read(&text, &n, path, c->err);
        if (st == MADPO_OK && value)
            st = parse_config(c, value, text, n, path);
        if (st == MADPO_OK)
            st = madpo__load_keep(c, name, text, n);
        else
            free(text);
    }
    free(path);
    return st;
}

static madpo_status copy_template(const madpo_loading *c, const char *text, size_t n)
{
    free(c->tok->chat_template);
    c->tok->chat_template = malloc(n + 1);
    if (!c->tok->chat_template)
        return madpo_error_set(c->err, MADPO_ERR_NOMEM, "no memory for a chat template");
    memcpy(c->tok->chat_template, text, n);
    c->tok->chat_template[n] = '\0';
    return MADPO_OK;
}

madpo_status madpo__load_beside(const madpo_loading *c, const char *dir, madpo_beside *out)
{
    const madpo_kept *kept;
    int n_kept;
    madpo_status st;

    memset(out, 0, sizeof *out);
    st = read_beside(c, dir, "tokenizer_config.json", &out->config);
    if (st == MADPO_OK)
        st = read_beside(c, dir, "special_tokens_map.json", &out->special);
    if (st == MADPO_OK && !(c->tok->n_kept && !strcmp(c->tok->kept[0].name, "tokenizer.json")))
        st = read_beside(c, dir, "added_tokens.json", &out->added);
    n_kept = c->tok->n_kept;
    if (st == MADPO_OK)
        st = read_beside(c, dir, "chat_template.jinja", NULL);
    if (st != MADPO_OK || c->tok->n_kept == n_kept)
        return st;
    kept = &c->tok->kept[n_kept];
    return copy_template(c, kept->text, kept->n);
}

const char *madpo__beside_class(const madpo_beside *b)
{
    const char *class = json_string_value(json_object_get(b->config, "tokenizer_class"));

    return class ? class : "";
}

void madpo__beside_dispose(madpo_beside *b)
{
    json_decref(b->config);
    json_decref(b->special);
    json_decref(b->added);
    memset(b, 0, sizeof *b);
}

/* ---- added tokens ---- */

/* {"151643": {"content": .., "special": ..}, ..}: those the tokenizer lacks, and the flags of those
 * it has. */
static madpo_status add_decoder_tokens(const madpo_loading *c, const json_t *config)
{
    json_t *tokens = json_object_get(config, "added_tokens_decoder");
    madpo_status st = MADPO_OK;

    for (void *i = json_object_iter(tokens); i && st == MADPO_OK;
         i = json_object_iter_next(tokens, i)) {
        const char *key = json_object_iter_key(i);
        char *end;
        long long id = strtoll(key, &end, 10);

        if (!*key || *end || id < 0)
            return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                      "added_tokens_decoder of tokenizer_config.json has \"%.60s\" "
                                      "where an id is expected",
                                      key);
        st = madpo__load_added_token(c, json_object_iter_value(i), id);
    }
    return st;
}

/* {"<|im_end|>": 151645, ..} of a tokenizer without tokenizer.json. */
static madpo_status add_listed_tokens(const madpo_loading *c, json_t *added)
{
    madpo_status st = MADPO_OK;

    for (void *i = json_object_iter(added); i && st == MADPO_OK;
         i = json_object_iter_next(added, i)) {
        const json_t *id = json_object_iter_value(i);
        json_t *content = json_stringn(json_object_iter_key(i), json_object_iter_key_len(i));

        if (!content)
            return madpo_error_set(c->err, MADPO_ERR_NOMEM, "no memory for added tokens");
        st = madpo__load_added_token(c, content,
                                     json_is_number(id) ? (int64_t)json_number_value(id) : -1);
        json_decref(content);
    }
    return st;
}

/* Special tokens without a role. */
static madpo_status add_more_specials(const madpo_loading *c, const json_t *file)
{
    const json_t *list = json_object_get(file, "additional_special_tokens"), *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const json_t *text = json_is_object(item) ? json_object_get(item, "content") : item;
        const char *content = json_string_value(text);
        madpo_status st = MADPO_OK;
        bool fresh;
        int32_t id;

        if (!content || !*content)
            continue;
        fresh = madpo_tokenizer_id(c->tok, content) < 0;
        if (fresh)
            st = madpo__load_added_token(c, text, -1);
        if (st != MADPO_OK)
            return st;
        id = madpo_tokenizer_id(c->tok, content);
        madpo__load_special(c, id);
        c->tok->token[id].normalized &= !fresh;
    }
    return MADPO_OK;
}

/* ---- roles ---- */

/* Set one role from a file that has the key; *found stays false if it has not. */
static madpo_status read_role(const madpo_loading *c, const json_t *file, const char *key,
                              int32_t *role, bool *found)
{
    const json_t *value = json_object_get(file, key);
    const char *content;

    if (!value || *found)
        return MADPO_OK;
    *found = true;
    if (json_is_null(value))
        return MADPO_OK;
    content = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
    *role = content ? madpo_tokenizer_id(c->tok, content) : -1;
    if (*role < 0)
        return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                  "%s \"%.60s\" of the files beside it is not in the vocabulary",
                                  key, content ? content : "(no string)");
    if (!c->tok->token[*role].special) /* a role makes a token special */
        madpo__load_special(c, *role);
    return MADPO_OK;
}

static madpo_status read_roles(const madpo_loading *c, const madpo_beside *b)
{
    struct {
        const char *key;
        int32_t *id;
        unsigned mask;
    } roles[] = {{"bos_token", &c->tok->bos, MADPO__ROLE_BOS},
                 {"eos_token", &c->tok->eos, MADPO__ROLE_EOS},
                 {"pad_token", &c->tok->pad, MADPO__ROLE_PAD},
                 {"unk_token", &c->tok->unk, 0}};
    unsigned guess = 0;
    madpo_status st = MADPO_OK;

    for (size_t i = 0; i < sizeof roles / sizeof *roles && st == MADPO_OK; i++) {
        bool found = false;

        st = read_role(c, b->config, roles[i].key, roles[i].id, &found);
        if (st == MADPO_OK)
            st = read_role(c, b->special, roles[i].key, roles[i].id, &found);
        guess |= found ? 0 : roles[i].mask;
    }
    madpo__tokenizer_guess_roles(c->tok, guess);
    return st;
}

/* ---- template ---- */

/* Classes that throw tokenizer.json's template away and build theirs from two flags. */
static bool builds_template(const char *class)
{
    static const char *const names[] = {"LlamaTokenizer", "LlamaTokenizerFast", "GemmaTokenizer",
                                        "GemmaTokenizerFast"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(class, names[i]))
            return true;
    return false;
}

static madpo_status build_side(const madpo_loading *c, const madpo_beside *b, const char *flag,
                               bool absent, madpo_ids *side, int32_t id)
{
    side->n = 0;
    if (!madpo__load_flag(b->config, flag, absent))
        return MADPO_OK;
    if (id < 0)
        return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                  "%s is true in tokenizer_config.json, but the tokenizer has no "
                                  "such token",
                                  flag);
    return madpo_ids_push(side, id, c->err);
}

/* add_prefix_space overrides what ByteLevel says when it is the whole pre-tokenizer. Llama's
 * classes go back to SentencePiece's model for it, which this program does not read: it must fit.
 */
static madpo_status read_prefix_space(const madpo_loading *c, const madpo_beside *b)
{
    madpo_tokenizer *tok = c->tok;
    const json_t *flag = json_object_get(b->config, "add_prefix_space");
    bool blank = tok->n_steps == 2 && tok->step[0].kind == MADPO_STEP_BLANK;
    const madpo_step *last = tok->n_steps ? &tok->step[tok->n_steps - 1] : NULL;
    bool prepends =
        last && last->kind == MADPO_STEP_METASPACE && last->prepend != MADPO_PREPEND_NEVER;

    if (!json_is_boolean(flag))
        return MADPO_OK;
    for (int i = 0; i < tok->n_normals; i++)
        prepends |= tok->normal[i].kind == MADPO_NORMAL_PREPEND;
    if (builds_template(madpo__beside_class(b)) && prepends && json_is_false(flag))
        return madpo__load_refuse(c, "tokenizer_config.json with", "add_prefix_space false",
                                  "a tokenizer.json that was converted with it");
    if (!tok->byte_level || (!blank && tok->n_steps != 1) || last->kind != MADPO_STEP_SPLIT ||
        last->pattern.kind != MADPO_PATTERN_GPT2 || blank == json_is_true(flag))
        return MADPO_OK;
    if (blank) {
        tok->step[0] = tok->step[1];
        tok->n_steps = 1;
        return MADPO_OK;
    }
    return madpo__load_blank_first(c);
}

static void read_max_length(const madpo_loading *c, const json_t *config)
{
    double value = json_number_value(json_object_get(config, "model_max_length"));

    if (value >= 1 && value < 1e15) /* "no limit" is 1e30 */
        c->tok->max_length = (int64_t)value;
}

/* A string, or [{"name": .., "template": ..}, ..]: the one named default, else the first. */
static madpo_status read_chat_template(const madpo_loading *c, const json_t *config)
{
    const json_t *value = json_object_get(config, "chat_template"), *item;
    size_t i;

    if (c->tok->chat_template) /* chat_template.jinja goes first */
        return MADPO_OK;
    if (json_is_array(value)) {
        const json_t *list = value;

        value = json_object_get(json_array_get(list, 0), "template");
        json_array_foreach(list, i, item)
        {
            const char *name = json_string_value(json_object_get(item, "name"));

            if (name && !strcmp(name, "default"))
                value = json_object_get(item, "template");
        }
    }
    return json_is_string(value)
               ? copy_template(c, json_string_value(value), json_string_length(value))
               : MADPO_OK;
}

madpo_status madpo__load_roles(const madpo_loading *c, const madpo_beside *b)
{
    madpo_loading more = *c;
    madpo_status st;

    more.n_tokens += json_object_size(json_object_get(b->config, "added_tokens_decoder")) +
                     json_object_size(b->added);
    st = add_decoder_tokens(&more, b->config);
    if (st == MADPO_OK)
        st = add_listed_tokens(&more, b->added);
    if (st == MADPO_OK)
        st = add_more_specials(&more, b->config);
    if (st == MADPO_OK)
        st = add_more_specials(&more, b->special);
    if (st == MADPO_OK)
        st = read_roles(&more, b);
    if (st == MADPO_OK && builds_template(madpo__beside_class(b))) {
        st = build_side(&more, b, "add_bos_token", true, &c->tok->front, c->tok->bos);
        if (st == MADPO_OK)
            st = build_side(&more, b, "add_eos_token", false, &c->tok->behind, c->tok->eos);
    }
    if (st == MADPO_OK)
        st = read_prefix_space(&more, b);
    read_max_length(c, b->config);
    return st == MADPO_OK ? read_chat_template(&more, b->config) : st;
}
