#ifndef MADPO_TEXT_LOAD_H
#define MADPO_TEXT_LOAD_H
/* What the files that read tokenizers share: tokenizer_load.c (the whole), tokenizer_vocab.c (the
 * two big parts), tokenizer_sections.c (what is done to a text) and tokenizer_beside.c (the files
 * beside tokenizer.json). */
#include "base/json.h"
#include "text/tokenizer_inside.h"

typedef struct madpo_loading {
    madpo_tokenizer *tok;
    const char *path; /* for messages */
    size_t n_tokens;  /* vocabulary and added tokens */
    madpo_error *err; /* not NULL */
} madpo_loading;

/* `section` "`name`" is not implemented; use `instead`: MADPO_ERR_UNSUPPORTED. */
madpo_status madpo__load_refuse(const madpo_loading *c, const char *section, const char *name,
                                const char *instead);
/* The file says something impossible: MADPO_ERR_DATA. */
madpo_status madpo__load_wrong(const madpo_loading *c, const char *what);
/* Put the file's name in front of an error that knows no file. */
madpo_status madpo__load_context(const madpo_loading *c, madpo_status st);
/* A boolean member, `absent` if there is none. */
bool madpo__load_flag(const json_t *object, const char *key, bool absent);
/* A token of the model, its id being within reason. */
madpo_status madpo__load_put(const madpo_loading *c, int64_t id, const char *content,
                             size_t n) MADPO_MUST_CHECK;
/* Keep a file for saving; takes the text [n bytes] in any case. */
madpo_status madpo__load_keep(const madpo_loading *c, const char *name, char *text,
                              size_t n) MADPO_MUST_CHECK;
/* An entry of added_tokens with flags; id < 0: the next free one unless the content has one. */
madpo_status madpo__load_added_token(const madpo_loading *c, const json_t *token,
                                     int64_t id) MADPO_MUST_CHECK;
/* Make the token an added and special one. */
void madpo__load_special(const madpo_loading *c, int32_t id);

/* ---- tokenizer_vocab.c ---- */

/* A part of a text, brackets included. */
typedef struct madpo_span {
    size_t start, end; /* equal: not there */
    size_t n;          /* members at the most */
} madpo_span;

/* Find model.vocab (an object) and model.merges (an array) in a tokenizer.json. *rest [*n_rest] is
 * the text with nothing in those two, line for line (owned by the caller); a text that is no JSON
 * is left as it is, for the JSON reader to say why. */
madpo_status madpo__load_carve(const madpo_loading *c, const char *text, size_t n, char **rest,
                               size_t *n_rest, madpo_span *vocab,
                               madpo_span *merges) MADPO_MUST_CHECK;
madpo_status madpo__load_vocab(const madpo_loading *c, const char *text,
                               madpo_span vocab) MADPO_MUST_CHECK;
madpo_status madpo__load_merges(const madpo_loading *c, const char *text,
                                madpo_span merges) MADPO_MUST_CHECK;
/* A vocab.json as a whole is the first, a merges.txt is this: "a b" on each line. */
madpo_status madpo__load_merge_lines(const madpo_loading *c, const char *text,
                                     size_t n) MADPO_MUST_CHECK;
/* All of a vocab.json as a span: n is set. */
madpo_span madpo__load_whole(const char *text, size_t n);

/* ---- tokenizer_sections.c ---- */

/* normalizer, pre_tokenizer, post_processor, decoder, and the flags of the model. */
madpo_status madpo__load_sections(const madpo_loading *c, const json_t *root) MADPO_MUST_CHECK;
/* What must wait until all tokens are there: the unknown token, the ids of the template. */
madpo_status madpo__load_finish(const madpo_loading *c, const json_t *root) MADPO_MUST_CHECK;
/* The sections of a tokenizer that is only vocab.json and merges.txt; `qwen`: Qwen2's, else
 * GPT-2's. */
madpo_status madpo__load_sections_default(const madpo_loading *c, bool qwen,
                                          bool prefix_space) MADPO_MUST_CHECK;

/* Put the step that sets a blank in front of a piece before the others. */
madpo_status madpo__load_blank_first(const madpo_loading *c) MADPO_MUST_CHECK;

/* ---- tokenizer_beside.c ---- */

typedef struct madpo_beside {
    json_t *config, *special, *added; /* NULL if there is no such file */
} madpo_beside;

/* Read the files in folder `dir` that say more about the tokenizer; all are optional. */
madpo_status madpo__load_beside(const madpo_loading *c, const char *dir,
                                madpo_beside *out) MADPO_MUST_CHECK;
/* Added tokens, roles, template and chat template from them. */
madpo_status madpo__load_roles(const madpo_loading *c, const madpo_beside *b) MADPO_MUST_CHECK;
/* tokenizer_class, "" if none. */
const char *madpo__beside_class(const madpo_beside *b);
void madpo__beside_dispose(madpo_beside *b);
#endif
