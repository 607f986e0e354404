/* Reading tokenizer.json and the two files beside it that name the special tokens; see tokenizer.h.
 *
 * Implemented: model BPE over bytes, pre-tokenizer ByteLevel with GPT-2's pattern, no normalizer,
 * decoder ByteLevel, added tokens without lstrip, rstrip and single_word. Everything else is
 * refused by name, because ignoring it would give other ids in silence. Not looked at: truncation
 * and padding (encode always gives all ids) and what the post-processor puts around the text
 * (callers add bos and eos). */
#include "text/tokenizer_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

/* Ids far above the number of tokens would only cost memory; a damaged file must not ask for it. */
enum { LOAD_HOLES = 1024 };

typedef struct load_context {
    madpo_tokenizer *tok;
    const char *path;
    size_t n_tokens; /* vocabulary and added tokens */
    madpo_error *err;
} load_context;

static madpo_status load_refuse(const load_context *c, const char *section, const char *name,
                                const char *instead)
{
    return madpo_error_set_at(c->err, MADPO_ERR_UNSUPPORTED, c->path, 0, 0,
                              "%s \"%s\" is not implemented; use %s", section, name, instead);
}

static madpo_status load_wrong(const load_context *c, const char *what)
{
    return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0, "%s", what);
}

/* Name in "type" of a section; "" for null or absent, "?" for a section without one. */
static const char *load_type(const json_t *root, const char *section)
{
    const json_t *value = json_object_get(root, section);
    const char *type = json_string_value(json_object_get(value, "type"));

    if (!value || json_is_null(value))
        return "";
    return type ? type : "?";
}

static bool load_flag(const json_t *object, const char *key, bool absent)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_is_true(value) : absent;
}

/* ---- sections that must say what is implemented ---- */

static madpo_status load_check_post(const load_context *c, const json_t *post)
{
    const char *type = json_string_value(json_object_get(post, "type"));
    const json_t *list = json_object_get(post, "processors"), *item;
    size_t i;

    if (!post || json_is_null(post))
        return MADPO_OK;
    if (type && (!strcmp(type, "ByteLevel") || !strcmp(type, "TemplateProcessing")))
        return MADPO_OK;
    if (!type || strcmp(type, "Sequence") != 0)
        return load_refuse(c, "post_processor", type ? type : "?",
                           "ByteLevel or TemplateProcessing");
    json_array_foreach(list, i, item)
    {
        const char *inner = json_string_value(json_object_get(item, "type"));

        if (!inner || (strcmp(inner, "ByteLevel") != 0 && strcmp(inner, "TemplateProcessing") != 0))
            return load_refuse(c, "post_processor", inner ? inner : "?",
                               "ByteLevel or TemplateProcessing");
    }
    return MADPO_OK;
}

static madpo_status load_check_sections(const load_context *c, const json_t *root)
{
    const json_t *pre = json_object_get(root, "pre_tokenizer");
    const char *version = json_string_value(json_object_get(root, "version"));

    if (!json_is_object(root))
        return load_wrong(c, "is no tokenizer.json: the file holds no JSON object");
    if (!version || strcmp(version, "1.0") != 0)
        return madpo_error_set_at(c->err, MADPO_ERR_UNSUPPORTED, c->path, 0, 0,
                                  "tokenizer version \"%s\" is not implemented; use \"1.0\"",
                                  version ? version : "(none)");
    if (*load_type(root, "normalizer"))
        return load_refuse(c, "normalizer", load_type(root, "normalizer"),
                           "a tokenizer without normalizer");
    if (strcmp(load_type(root, "pre_tokenizer"), "ByteLevel") != 0)
        return load_refuse(c, "pre_tokenizer",
                           *load_type(root, "pre_tokenizer") ? load_type(root, "pre_tokenizer")
                                                             : "null",
                           "ByteLevel");
    if (load_flag(pre, "add_prefix_space", true))
        return load_refuse(c, "pre_tokenizer", "ByteLevel with add_prefix_space true", "false");
    if (!load_flag(pre, "use_regex", true))
        return load_refuse(c, "pre_tokenizer", "ByteLevel with use_regex false", "true");
    if (strcmp(load_type(root, "decoder"), "ByteLevel") != 0)
        return load_refuse(c, "decoder",
                           *load_type(root, "decoder") ? load_type(root, "decoder") : "null",
                           "ByteLevel");
    return load_check_post(c, json_object_get(root, "post_processor"));
}

static madpo_status load_check_model(const load_context *c, const json_t *model)
{
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const char *type = json_string_value(json_object_get(model, "type"));

    if (!json_is_object(model))
        return load_wrong(c, "is no tokenizer.json: section \"model\" is missing");
    if (type && strcmp(type, "BPE") != 0)
        return load_refuse(c, "model", type, "BPE");
    if (json_number_value(json_object_get(model, "dropout")) > 0)
        return load_refuse(c, "model", "BPE with dropout", "dropout null");
    for (size_t i = 0; i < 2; i++) {
        const char *affix = json_string_value(json_object_get(model, affixes[i]));

        if (affix && *affix)
            return load_refuse(c, "model", affixes[i], "a byte-level BPE");
    }
    if (!json_is_object(json_object_get(model, "vocab")))
        return load_wrong(c, "model.vocab is missing or no object");
    if (!json_is_array(json_object_get(model, "merges")))
        return load_wrong(c, "model.merges is missing or no array");
    return MADPO_OK;
}

/* ---- vocabulary, merges, added tokens ---- */

static madpo_status load_check_id(const load_context *c, const json_t *id, const char *content)
{
    if (!json_is_integer(id))
        return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                  "token \"%.60s\" has no integer id", content);
    if (json_integer_value(id) < 0 ||
        (uint64_t)json_integer_value(id) > 2 * (uint64_t)c->n_tokens + LOAD_HOLES ||
        json_integer_value(id) > INT32_MAX / 4)
        return madpo_error_set_at(
            c->err, MADPO_ERR_DATA, c->path, 0, 0,
            "token \"%.60s\" has id %lld in a vocabulary of %zu tokens; ids must "
            "count from 0",
            content, (long long)json_integer_value(id), c->n_tokens);
    return MADPO_OK;
}

static madpo_status load_put(const load_context *c, const json_t *id, const char *content, size_t n)
{
    madpo_status st = load_check_id(c, id, content);

    if (st != MADPO_OK)
        return st;
    st = madpo__tokenizer_put(c->tok, (int32_t)json_integer_value(id), content, n, c->err);
    return st == MADPO_OK ? MADPO_OK : madpo_error_context(c->err, "%s", c->path);
}

static madpo_status load_vocab(const load_context *c, json_t *vocab)
{
    madpo_status st = MADPO_OK;

    /* by iterator, not by key: jansson's keys may hold NUL */
    for (void *i = json_object_iter(vocab); i && st == MADPO_OK;
         i = json_object_iter_next(vocab, i))
        st = load_put(c, json_object_iter_value(i), json_object_iter_key(i),
                      json_object_iter_key_len(i));
    return st;
}

/* The two halves of a merge, "a b" or ["a", "b"]; false if it is neither. */
static bool load_merge_halves(const json_t *merge, const char **a, size_t *n_a, const char **b,
                              size_t *n_b)
{
    if (json_is_string(merge)) {
        const char *text = json_string_value(merge), *blank;

        blank = strchr(text, ' ');
        *a = text;
        *n_a = blank ? (size_t)(blank - text) : 0;
        *b = blank ? blank + 1 : "";
        *n_b = blank ? json_string_length(merge) - *n_a - 1 : 0;
        return blank && *n_a && *n_b && !memchr(*b, ' ', *n_b);
    }
    *a = json_string_value(json_array_get(merge, 0));
    *b = json_string_value(json_array_get(merge, 1));
    *n_a = json_string_length(json_array_get(merge, 0));
    *n_b = json_string_length(json_array_get(merge, 1));
    return json_array_size(merge) == 2 && *a && *b && *n_a && *n_b;
}

static madpo_status load_merge(const load_context *c, const json_t *merge, size_t number)
{
    const char *a, *b;
    size_t n_a, n_b;
    int32_t left, right, result;
    char *product;
    madpo_status st;

    if (!load_merge_halves(merge, &a, &n_a, &b, &n_b))
        return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                  "merge %zu is neither \"a b\" nor [\"a\", \"b\"]", number);
    product = malloc(n_a + n_b);
    if (!product)
        return madpo_error_set(c->err, MADPO_ERR_NOMEM, "no memory to read merges");
    memcpy(product, a, n_a);
    memcpy(product + n_a, b, n_b);
    left = madpo__tokenizer_find(c->tok, a, n_a);
    right = madpo__tokenizer_find(c->tok, b, n_b);
    result = madpo__tokenizer_find(c->tok, product, n_a + n_b);
    if (left < 0 || right < 0 || result < 0)
        st = madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                "merge %zu: \"%.*s\" is not in the vocabulary", number,
                                (int)(left < 0    ? n_a
                                      : right < 0 ? n_b
                                                  : n_a + n_b),
                                left < 0    ? a
                                : right < 0 ? b
                                            : product);
    else
        st = madpo__tokenizer_put_merge(c->tok, left, right, result, c->err);
    free(product);
    return st;
}

static madpo_status load_merges(const load_context *c, const json_t *merges)
{
    madpo_status st = MADPO_OK;
    const json_t *merge;
    size_t i;

    json_array_foreach(merges, i, merge)
    {
        st = load_merge(c, merge, i);
        if (st != MADPO_OK)
            return st;
    }
    return st;
}

static madpo_status load_added_token(const load_context *c, const json_t *token)
{
    static const char *const refused[] = {"single_word", "lstrip", "rstrip"};
    const json_t *content = json_object_get(token, "content"), *id = json_object_get(token, "id");
    int32_t have;
    madpo_status st = MADPO_OK;

    if (!json_is_string(content))
        return load_wrong(c, "an entry of added_tokens has no string \"content\"");
    if (!json_string_length(content))
        return MADPO_OK;
    for (size_t i = 0; i < 3; i++)
        if (load_flag(token, refused[i], false))
            return madpo_error_set_at(
                c->err, MADPO_ERR_UNSUPPORTED, c->path, 0, 0,
                "added token \"%.60s\" has %s true, which is not implemented; set "
                "it to false",
                json_string_value(content), refused[i]);
    have = madpo__tokenizer_find(c->tok, json_string_value(content), json_string_length(content));
    if (have < 0) {
        st = load_put(c, id, json_string_value(content), json_string_length(content));
        have = (int32_t)json_integer_value(id);
    } else if (json_is_integer(id) && json_integer_value(id) != have) {
        st = madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                "added token \"%.60s\" has id %lld, but %ld in the vocabulary",
                                json_string_value(content), (long long)json_integer_value(id),
                                (long)have);
    }
    if (st == MADPO_OK)
        madpo__tokenizer_mark_added(c->tok, have, load_flag(token, "special", false));
    return st;
}

static madpo_status load_added(const load_context *c, const json_t *added)
{
    madpo_status st;
    const json_t *token;
    size_t i;

    json_array_foreach(added, i, token)
    {
        st = load_added_token(c, token);
        if (st != MADPO_OK)
            return st;
    }
    return MADPO_OK;
}

static madpo_status load_root(load_context *c, const json_t *root)
{
    const json_t *model = json_object_get(root, "model"),
                 *added = json_object_get(root, "added_tokens");
    madpo_status st = load_check_sections(c, root);

    if (st == MADPO_OK)
        st = load_check_model(c, model);
    if (st != MADPO_OK)
        return st;
    c->n_tokens = json_object_size(json_object_get(model, "vocab")) + json_array_size(added);
    c->tok->ignore_merges = load_flag(model, "ignore_merges", false);
    st = load_vocab(c, json_object_get(model, "vocab"));
    if (st == MADPO_OK)
        st = load_merges(c, json_object_get(model, "merges"));
    if (st == MADPO_OK)
        st = load_added(c, added);
    if (st == MADPO_OK) {
        st = madpo__tokenizer_freeze(c->tok, c->err);
        if (st != MADPO_OK)
            st = madpo_error_context(c->err, "%s", c->path);
    }
    return st;
}

/* ---- bos, eos and pad, from the files beside tokenizer.json ---- */

/* Read `name` beside the tokenizer if it is there: its text for saving, its value for the roles. */
static madpo_status load_beside(const load_context *c, const char *name, char **text,
                                json_t **value)
{
    char *dir = NULL, *path = NULL;
    size_t n;
    madpo_status st = madpo_path_parent(&dir, c->path, c->err);

    *text = NULL;
    *value = NULL;
    if (st == MADPO_OK)
        st = madpo_path_join(&path, dir, name, c->err);
    if (st == MADPO_OK && madpo_file_exists(path)) {
        st = madpo_file_read(text, &n, path, c->err);
        if (st == MADPO_OK)
            st = madpo_json_parse(value, *text, n, path, 1, c->err);
    }
    free(dir);
    free(path);
    return st;
}

/* Set one role from a file that has the key; *found stays false if it has not. */
static madpo_status load_role(const load_context *c, const json_t *file, const char *key,
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
    return MADPO_OK;
}

static madpo_status load_roles(const load_context *c)
{
    struct {
        const char *key;
        int32_t *id;
        unsigned mask;
    } roles[] = {{"bos_token", &c->tok->bos, MADPO__ROLE_BOS},
                 {"eos_token", &c->tok->eos, MADPO__ROLE_EOS},
                 {"pad_token", &c->tok->pad, MADPO__ROLE_PAD}};
    json_t *config = NULL, *special = NULL;
    unsigned guess = 0;
    madpo_status st = load_beside(c, "tokenizer_config.json", &c->tok->config_json, &config);

    if (st == MADPO_OK)
        st = load_beside(c, "special_tokens_map.json", &c->tok->special_json, &special);
    for (size_t i = 0; i < 3 && st == MADPO_OK; i++) {
        bool found = false;

        st = load_role(c, config, roles[i].key, roles[i].id, &found);
        if (st == MADPO_OK)
            st = load_role(c, special, roles[i].key, roles[i].id, &found);
        guess |= found ? 0 : roles[i].mask;
    }
    madpo__tokenizer_guess_roles(c->tok, guess);
    json_decref(config);
    json_decref(special);
    return st;
}

/* Everything that stands in the text itself; c->err is there. */
static madpo_status load_text(load_context *c, size_t n)
{
    json_t *root = NULL;
    madpo_status st = madpo_json_parse(&root, c->tok->json, n, c->path, 1, c->err);

    if (st == MADPO_OK)
        st = load_root(c, root);
    json_decref(root);
    return st;
}

madpo_status madpo__tokenizer_parse(madpo_tokenizer **out, char *text, size_t n, const char *name,
                                    madpo_error *err)
{
    load_context c = {NULL, name, 0, err};
    madpo_status st = madpo__tokenizer_new(&c.tok, err);

    *out = NULL;
    if (st != MADPO_OK) {
        free(text);
        return st;
    }
    c.tok->json = text;
    st = load_text(&c, n);
    if (st == MADPO_OK) {
        *out = c.tok;
        return st;
    }
    madpo_tokenizer_free(c.tok);
    return st;
}

madpo_status madpo_tokenizer_load(madpo_tokenizer **out, const char *path, madpo_error *err)
{
    madpo_error local = MADPO_ERROR_INIT;
    load_context c = {NULL, path, 0, err ? err : &local}; /* context is put in front of messages */
    char *text = NULL;
    size_t n;
    madpo_status st;

    *out = NULL;
    st = madpo_file_read(&text, &n, path, c.err);
    if (st == MADPO_OK && !n) {
        free(text);
        return load_wrong(&c, "is empty; a tokenizer.json is expected");
    }
    if (st == MADPO_OK)
        st = madpo__tokenizer_parse(&c.tok, text, n, path, c.err);
    if (st == MADPO_OK)
        st = load_roles(&c);
    if (st == MADPO_OK) {
        *out = c.tok;
        c.tok = NULL; /* moved to the caller */
    }
    madpo_tokenizer_free(c.tok);
    return st;
}
