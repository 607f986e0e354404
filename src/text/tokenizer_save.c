/* Writing tokenizer.json, tokenizer_config.json and special_tokens_map.json; see tokenizer.h.
 *
 * A loaded tokenizer is written back as it was read, so nothing this program does not know is lost.
 * A trained one is described in the terms of Hugging Face's library: the post-processor puts bos in
 * front, which is what this program's callers do themselves. */
#include "text/tokenizer_inside.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strbuf.h"

static const char *save_content(const madpo_tokenizer *tok, int32_t id)
{
    return tok->pool + tok->token[id].content;
}

/* jansson answers failed allocations with NULL: the value that lacks something becomes NULL as a
 * whole, which all further calls pass on. */
static void save_append(json_t **list, json_t *item)
{
    if (json_array_append_new(*list, item) == 0)
        return;
    json_decref(*list);
    *list = NULL;
}

static void save_set(json_t **object, const char *key, json_t *value)
{
    if (json_object_set_new(*object, key, value) == 0)
        return;
    json_decref(*object);
    *object = NULL;
}

/* [{"SpecialToken": bos}, {"Sequence": A}] and, if pair, {"Sequence": B}. */
static json_t *save_template(const char *bos, bool pair)
{
    json_t *list = json_pack("[{s:{s:s,s:i}},{s:{s:s,s:i}}]", "SpecialToken", "id", bos, "type_id",
                             0, "Sequence", "id", "A", "type_id", 0);

    if (pair)
        save_append(&list, json_pack("{s:{s:s,s:i}}", "Sequence", "id", "B", "type_id", 1));
    return list;
}

static json_t *save_post_processor(const madpo_tokenizer *tok)
{
    const char *bos;

    if (tok->bos < 0)
        return json_null();
    bos = save_content(tok, tok->bos);
    return json_pack("{s:s,s:o,s:o,s:{s:{s:s,s:[i],s:[s]}}}", "type", "TemplateProcessing",
                     "single", save_template(bos, false), "pair", save_template(bos, true),
                     "special_tokens", bos, "id", bos, "ids", (int)tok->bos, "tokens", bos);
}

static json_t *save_byte_level(void)
{
    return json_pack("{s:s,s:b,s:b,s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                     "trim_offsets", 1, "use_regex", 1);
}

static json_t *save_added(const madpo_tokenizer *tok)
{
    json_t *list = json_array();

    for (int32_t id = 0; id < tok->n_vocab; id++)
        if (tok->token[id].added)
            save_append(&list,
                        json_pack("{s:i,s:s,s:b,s:b,s:b,s:b,s:b}", "id", (int)id, "content",
                                  save_content(tok, id), "single_word", 0, "lstrip", 0, "rstrip", 0,
                                  "normalized", 0, "special", (int)tok->token[id].special));
    return list;
}

static json_t *save_vocab(const madpo_tokenizer *tok)
{
    json_t *vocab = json_object();

    for (int32_t id = 0; id < tok->n_vocab; id++)
        if (tok->token[id].present)
            save_set(&vocab, save_content(tok, id), json_integer(id));
    return vocab;
}

/* Contents hold no blank (its byte is U+0120), so the old form "a b" that every version reads will
 * do. */
static json_t *save_merges(const madpo_tokenizer *tok, madpo_strbuf *line)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tok->n_merges; i++) {
        madpo_strbuf_reset(line);
        madpo_strbuf_append(line, save_content(tok, tok->merge[i].left));
        madpo_strbuf_append_char(line, ' ');
        madpo_strbuf_append(line, save_content(tok, tok->merge[i].right));
        save_append(&list, line->failed ? NULL : json_stringn(line->s, line->n));
    }
    return list;
}

static json_t *save_model(const madpo_tokenizer *tok)
{
    madpo_strbuf line = {0};
    json_t *merges = save_merges(tok, &line);

    madpo_strbuf_dispose(&line);
    return json_pack("{s:s,s:n,s:n,s:n,s:n,s:b,s:b,s:b,s:o,s:o}", "type", "BPE", "dropout",
                     "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0,
                     "byte_fallback", 0, "ignore_merges", 0, "vocab", save_vocab(tok), "merges",
                     merges);
}

static json_t *save_tokenizer(const madpo_tokenizer *tok)
{
    return json_pack("{s:s,s:n,s:n,s:o,s:n,s:o,s:o,s:o,s:o}", "version", "1.0", "truncation",
                     "padding", "added_tokens", save_added(tok), "normalizer", "pre_tokenizer",
                     save_byte_level(), "post_processor", save_post_processor(tok), "decoder",
                     save_byte_level(), "model", save_model(tok));
}

static json_t *save_roles(const madpo_tokenizer *tok)
{
    json_t *map = json_object();

    if (tok->bos >= 0)
        save_set(&map, "bos_token", json_string(save_content(tok, tok->bos)));
    if (tok->eos >= 0)
        save_set(&map, "eos_token", json_string(save_content(tok, tok->eos)));
    if (tok->pad >= 0)
        save_set(&map, "pad_token", json_string(save_content(tok, tok->pad)));
    return map;
}

static json_t *save_config(const madpo_tokenizer *tok)
{
    json_t *config = save_roles(tok);

    save_set(&config, "clean_up_tokenization_spaces", json_false());
    save_set(&config, "tokenizer_class", json_string("PreTrainedTokenizerFast"));
    return config;
}

/* One file from its value, which is consumed. */
static madpo_status save_file(const char *dir, const char *name, json_t *value, madpo_error *err)
{
    char *path = NULL;
    madpo_status st = madpo_path_join(&path, dir, name, err);

    if (st == MADPO_OK && value)
        st = madpo_json_save(value, path, err);
    else if (st == MADPO_OK)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "no memory to write %s", path);
    json_decref(value);
    free(path);
    return st;
}

static madpo_status save_kept(const char *dir, const madpo_kept *kept, madpo_error *err)
{
    char *path = NULL;
    madpo_status st = madpo_path_join(&path, dir, kept->name, err);

    if (st == MADPO_OK)
        st = madpo_file_write(path, kept->text, kept->n, err);
    free(path);
    return st;
}

madpo_status madpo_tokenizer_save(const madpo_tokenizer *tok, const char *dir, madpo_error *err)
{
    madpo_status st = madpo_dir_make(dir, err);

    if (st != MADPO_OK)
        return st;
    for (int i = 0; i < tok->n_kept && st == MADPO_OK; i++)
        st = save_kept(dir, &tok->kept[i], err);
    if (tok->n_kept)
        return st;
    st = save_file(dir, "tokenizer.json", save_tokenizer(tok), err);
    if (st == MADPO_OK)
        st = save_file(dir, "tokenizer_config.json", save_config(tok), err);
    if (st == MADPO_OK)
        st = save_file(dir, "special_tokens_map.json", save_roles(tok), err);
    return st;
}
