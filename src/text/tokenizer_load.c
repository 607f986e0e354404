/* Reading tokenizer.json, or vocab.json and merges.txt; see tokenizer.h and load.h.
 *
 * What is not implemented is refused by name, because ignoring it would give other ids in silence.
 * Not looked at: truncation and padding (encode always gives all ids). */
#include "text/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

/* Ids far above the number of tokens would only cost memory; a damaged file must not ask for it. */
enum { LOAD_HOLES = 1024 };

/* ---- for all files of the loader ---- */

madpo_status madpo__load_refuse(const madpo_loading *c, const char *section, const char *name,
                                const char *instead)
{
    return madpo_error_set_at(c->err, MADPO_ERR_UNSUPPORTED, c->path, 0, 0,
                              "%s \"%.60s\" is not implemented; use %s", section, name, instead);
}

madpo_status madpo__load_wrong(const madpo_loading *c, const char *what)
{
    return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0, "%s", what);
}

madpo_status madpo__load_context(const madpo_loading *c, madpo_status st)
{
    return st == MADPO_OK || c->err->file[0] || st == MADPO_ERR_NOMEM
               ? st
               : madpo_error_context(c->err, "%s", c->path);
}

bool madpo__load_flag(const json_t *object, const char *key, bool absent)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_is_true(value) : absent;
}

madpo_status madpo__load_put(const madpo_loading *c, int64_t id, const char *content, size_t n)
{
    if (id < 0 || (uint64_t)id > 2 * (uint64_t)c->n_tokens + LOAD_HOLES || id > INT32_MAX / 4)
        return madpo_error_set_at(
            c->err, MADPO_ERR_DATA, c->path, 0, 0,
            "token \"%.60s\" has id %lld in a vocabulary of %zu tokens; ids must "
            "count from 0",
            content, (long long)id, c->n_tokens);
    return madpo__load_context(c, madpo__tokenizer_put(c->tok, (int32_t)id, content, n, c->err));
}

madpo_status madpo__load_keep(const madpo_loading *c, const char *name, char *text, size_t n)
{
    madpo_kept *k = &c->tok->kept[c->tok->n_kept];

    if (c->tok->n_kept == MADPO__KEPT) {
        free(text);
        return madpo_error_set(c->err, MADPO_ERR_NOMEM, "too many files of one tokenizer");
    }
    *k = (madpo_kept){name, text, n};
    c->tok->n_kept++;
    return MADPO_OK;
}

void madpo__load_special(const madpo_loading *c, int32_t id)
{
    if (!c->tok->token[id].added)
        c->tok->token[id].normalized = false;
    madpo__tokenizer_mark_added(c->tok, id, true);
}

/* ---- added tokens ---- */

/* The token's id, made if it is new: the one given, else the next free one. */
static madpo_status load_added_id(const madpo_loading *c, const char *content, size_t n, int64_t id,
                                  int32_t *out)
{
    madpo_status st;

    *out = madpo__tokenizer_find(c->tok, content, n);
    if (*out >= 0 && id >= 0 && id != *out)
        return madpo_error_set_at(c->err, MADPO_ERR_DATA, c->path, 0, 0,
                                  "added token \"%.60s\" has id %lld, but %ld in the vocabulary",
                                  content, (long long)id, (long)*out);
    if (*out >= 0)
        return MADPO_OK;
    if (id < 0)
        id = c->tok->n_vocab;
    st = madpo__load_put(c, id, content, n);
    if (st == MADPO_OK) {
        *out = (int32_t)id;
        c->tok->token[*out].model = false;
    }
    return st;
}

madpo_status madpo__load_added_token(const madpo_loading *c, const json_t *token, int64_t id)
{
    const json_t *content = json_is_string(token) ? token : json_object_get(token, "content");
    bool special = madpo__load_flag(token, "special", false), fresh;
    madpo_token *t;
    int32_t at;
    madpo_status st;

    if (!json_is_string(content))
        return madpo__load_wrong(c, "an entry of added_tokens has no string \"content\"");
    if (!json_string_length(content))
        return MADPO_OK;
    st = load_added_id(c, json_string_value(content), json_string_length(content), id, &at);
    if (st != MADPO_OK)
        return st;
    t = &c->tok->token[at];
    fresh = !t->added;
    madpo__tokenizer_mark_added(c->tok, at, special || t->special);
    if (fresh) /* given again, it keeps its place in the order of work */
        t->normalized = madpo__load_flag(token, "normalized", !special);
    t->single_word = madpo__load_flag(token, "single_word", false);
    t->lstrip = madpo__load_flag(token, "lstrip", false);
    t->rstrip = madpo__load_flag(token, "rstrip", false);
    return MADPO_OK;
}

static madpo_status load_added(const madpo_loading *c, const json_t *added)
{
    madpo_status st;
    const json_t *token;
    size_t i;

    json_array_foreach(added, i, token)
    {
        const json_t *id = json_object_get(token, "id");

        st = madpo__load_added_token(c, token, json_is_integer(id) ? json_integer_value(id) : -1);
        if (st != MADPO_OK)
            return st;
    }
    return MADPO_OK;
}

/* ---- tokenizer.json ---- */

static madpo_status load_check_root(const madpo_loading *c, const json_t *root)
{
    const char *version = json_string_value(json_object_get(root, "version"));

    if (!json_is_object(root))
        return madpo__load_wrong(c, "is no tokenizer.json: the file holds no JSON object");
    if (!version || strcmp(version, "1.0") != 0)
        return madpo_error_set_at(c->err, MADPO_ERR_UNSUPPORTED, c->path, 0, 0,
                                  "tokenizer version \"%.60s\" is not implemented; use \"1.0\"",
                                  version ? version : "(none)");
    if (!json_is_object(json_object_get(root, "model")))
        return madpo__load_wrong(c, "is no tokenizer.json: section \"model\" is missing");
    return MADPO_OK;
}

static madpo_status load_root(madpo_loading *c, const json_t *root, const char *text,
                              madpo_span vocab, madpo_span merges)
{
    const json_t *added = json_object_get(root, "added_tokens");
    madpo_status st = load_check_root(c, root);

    if (st == MADPO_OK)
        st = madpo__load_sections(c, root);
    if (st != MADPO_OK)
        return st;
    if (!vocab.end)
        return madpo__load_wrong(c, "model.vocab is missing or no object");
    if (!merges.end)
        return madpo__load_wrong(c, "model.merges is missing or no array");
    c->n_tokens = vocab.n + json_array_size(added);
    st = madpo__load_vocab(c, text, vocab);
    if (st == MADPO_OK)
        st = madpo__load_merges(c, text, merges);
    if (st == MADPO_OK)
        st = load_added(c, added);
    return st == MADPO_OK ? madpo__load_finish(c, root) : st;
}

static madpo_status load_text(madpo_loading *c, const char *text, size_t n)
{
    madpo_span vocab, merges;
    json_t *root = NULL;
    char *rest;
    size_t n_rest;
    madpo_status st = madpo__load_carve(c, text, n, &rest, &n_rest, &vocab, &merges);

    if (st == MADPO_OK)
        st = madpo_json_parse(&root, rest, n_rest, c->path, 1, c->err);
    if (st == MADPO_OK)
        st = load_root(c, root, text, vocab, merges);
    json_decref(root);
    free(rest);
    return st;
}

/* ---- a folder with or without tokenizer.json ---- */

/* Read `name` or `name`.gz in the folder; *text NULL if there is neither. */
static madpo_status load_file(const madpo_loading *c, const char *dir, const char *name,
                              char **text, size_t *n)
{
    madpo_strbuf path = {0};
    char *joined = NULL;
    madpo_status st = madpo_path_join(&joined, dir, name, c->err);

    *text = NULL;
    if (st != MADPO_OK)
        return st;
    madpo_strbuf_append(&path, joined);
    if (!madpo_file_exists(joined))
        madpo_strbuf_append(&path, ".gz");
    st = madpo_strbuf_check(&path, c->err);
    if (st == MADPO_OK && madpo_file_exists(path.s))
        st = madpo_file_read(text, n, path.s, c->err);
    free(joined);
    madpo_strbuf_dispose(&path);
    return st;
}

static madpo_status load_vocab_and_merges(madpo_loading *c, const char *vocab, size_t n_vocab,
                                          const char *merges, size_t n_merges)
{
    madpo_span whole = madpo__load_whole(vocab, n_vocab);
    madpo_status st;

    c->n_tokens = whole.n + LOAD_HOLES;
    st = madpo__load_vocab(c, vocab, whole);
    return st == MADPO_OK ? madpo__load_merge_lines(c, merges, n_merges) : st;
}

/* vocab.json and merges.txt say nothing of how the text is cut: the class of the tokenizer does. */
static madpo_status load_sections_of_class(const madpo_loading *c, const madpo_beside *b)
{
    const char *class = madpo__beside_class(b);
    bool qwen = !strcmp(class, "Qwen2Tokenizer") || !strcmp(class, "Qwen2TokenizerFast");

    if (!qwen && *class && strcmp(class, "GPT2Tokenizer") != 0 &&
        strcmp(class, "GPT2TokenizerFast") != 0)
        return madpo__load_refuse(c, "vocab.json and merges.txt of class", class,
                                  "the model's tokenizer.json");
    return madpo__load_sections_default(c, qwen,
                                        madpo__load_flag(b->config, "add_prefix_space", false));
}

static madpo_status load_two_files(madpo_loading *c, const char *dir, const madpo_beside *b)
{
    char *vocab = NULL, *merges = NULL;
    size_t n_vocab = 0, n_merges = 0;
    madpo_status st = load_file(c, dir, "vocab.json", &vocab, &n_vocab);

    if (st == MADPO_OK)
        st = load_file(c, dir, "merges.txt", &merges, &n_merges);
    if (st == MADPO_OK && (!vocab || !merges))
        st = madpo_error_set_at(c->err, MADPO_ERR_IO, c->path, 0, 0,
                                "holds no tokenizer: neither tokenizer.json nor vocab.json and "
                                "merges.txt are there");
    if (st == MADPO_OK)
        st = load_sections_of_class(c, b);
    if (st == MADPO_OK)
        st = load_vocab_and_merges(c, vocab, n_vocab, merges, n_merges);
    if (st == MADPO_OK) {
        st = madpo__load_keep(c, "vocab.json", vocab, n_vocab);
        vocab = NULL;
    }
    if (st == MADPO_OK) {
        st = madpo__load_keep(c, "merges.txt", merges, n_merges);
        merges = NULL;
    }
    free(vocab);
    free(merges);
    return st;
}

/* Everything but the files beside; c->err is there. Takes text in any case. */
static madpo_status load_json(madpo_loading *c, char *text, size_t n)
{
    madpo_status st = n ? MADPO_OK : madpo__load_wrong(c, "is empty; a tokenizer.json is expected");

    if (st == MADPO_OK)
        st = load_text(c, text, n);
    if (st == MADPO_OK)
        return madpo__load_keep(c, "tokenizer.json", text, n);
    free(text);
    return st;
}

static madpo_status load_freeze(madpo_loading *c)
{
    return madpo__load_context(c, madpo__tokenizer_freeze(c->tok, c->err));
}

madpo_status madpo__tokenizer_parse(madpo_tokenizer **out, char *text, size_t n, const char *name,
                                    madpo_error *err)
{
    madpo_loading c = {NULL, name, 0, err};
    madpo_status st = madpo__tokenizer_new(&c.tok, err);

    *out = NULL;
    if (st != MADPO_OK) {
        free(text);
        return st;
    }
    st = load_json(&c, text, n);
    if (st == MADPO_OK)
        st = load_freeze(&c);
    if (st == MADPO_OK) {
        *out = c.tok;
        return st;
    }
    madpo_tokenizer_free(c.tok);
    return st;
}

/* The files of a folder, or the file and what is beside it. */
static madpo_status load_all(madpo_loading *c, const char *dir, bool is_dir)
{
    madpo_beside b = {NULL, NULL, NULL};
    char *text = NULL;
    size_t n = 0;
    madpo_status st = is_dir ? load_file(c, dir, "tokenizer.json", &text, &n)
                             : madpo_file_read(&text, &n, c->path, c->err);
    bool json = text != NULL;

    if (st == MADPO_OK && json)
        st = load_json(c, text, n);
    if (st == MADPO_OK)
        st = madpo__load_beside(c, dir, &b);
    if (st == MADPO_OK && !json)
        st = load_two_files(c, dir, &b);
    if (st == MADPO_OK)
        st = madpo__load_roles(c, &b);
    madpo__beside_dispose(&b);
    return st == MADPO_OK ? load_freeze(c) : st;
}

madpo_status madpo_tokenizer_load(madpo_tokenizer **out, const char *path, madpo_error *err)
{
    madpo_error local = MADPO_ERROR_INIT;
    madpo_loading c = {NULL, path, 0, err ? err : &local}; /* context is put in front of messages */
    bool is_dir = madpo_dir_exists(path);
    char *parent = NULL;
    madpo_status st = is_dir ? MADPO_OK : madpo_path_parent(&parent, path, c.err);

    *out = NULL;
    if (st == MADPO_OK)
        st = madpo__tokenizer_new(&c.tok, c.err);
    if (st == MADPO_OK)
        st = load_all(&c, is_dir ? path : parent, is_dir);
    if (st == MADPO_OK) {
        *out = c.tok;
        c.tok = NULL; /* moved to the caller */
    }
    madpo_tokenizer_free(c.tok);
    free(parent);
    return st;
}
