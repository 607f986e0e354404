#ifndef MADPO_TEXT_TOKENIZER_INSIDE_H
#define MADPO_TEXT_TOKENIZER_INSIDE_H
/* What the files of the tokenizer share. A tokenizer is built by adding tokens (id by id) and
 * merges (best first) and then frozen; training and loading both end in madpo__tokenizer_freeze.
 *
 * A token has a content, the string that tokenizer.json shows, and bytes, what it stands for in
 * text. In a byte-level tokenizer every byte of the content is written as one printable character
 * (the byte map of GPT-2: space is U+0120), in the others the decoder's steps lead from one to the
 * other (U+2581 is a blank, "<0x0A>" a line end). For added tokens of a byte-level tokenizer the
 * two are the same. */
#include "text/added.h"
#include "text/pipeline.h"
#include "text/strmap.h"
#include "text/tokenizer.h"

typedef struct madpo_token {
    size_t content; /* offset into madpo_tokenizer.pool, terminated there */
    uint32_t n_content;
    size_t bytes; /* offset into pool */
    uint32_t n_bytes;
    bool present;    /* ids without a token may lie between */
    bool model;      /* in the vocabulary of the model, where merges end */
    bool added;      /* matched in raw text before BPE */
    bool special;    /* added, and dropped by skip_specials */
    bool normalized; /* added: looked for behind the normalizer, as it leaves the content */
    bool single_word, lstrip, rstrip; /* added: see tokenizer_encode.c */
    bool fallback;                    /* bytes is the one byte that the content "<0xHH>" names */
} madpo_token;

typedef struct madpo_merge {
    int32_t left, right, result;
} madpo_merge;

/* One symbol of the word being merged: a doubly linked list in an array. */
typedef struct madpo_symbol {
    int32_t id;         /* -1 once merged into its left neighbour */
    int32_t prev, next; /* -1 = none */
} madpo_symbol;

typedef struct madpo_candidate {
    uint64_t key;        /* rank << 32 | position: lowest rank first, then leftmost */
    int32_t left, right; /* ids when pushed; differ from the list's = out of date */
} madpo_candidate;

/* A file of the tokenizer as it was read. */
typedef struct madpo_kept {
    const char *name; /* a constant */
    char *text;       /* owned, [n] */
    size_t n;
} madpo_kept;
enum { MADPO__KEPT = 8 };

struct madpo_tokenizer {
    madpo_token *token; /* [n_vocab] */
    int32_t n_vocab, capacity_vocab;
    char *pool; /* contents and bytes */
    size_t n_pool, capacity_pool;
    uint32_t longest;   /* content, in bytes */
    madpo_strmap index; /* content -> number in index_id */
    int32_t *index_id;
    size_t capacity_index;
    madpo_merge *merge; /* [n_merges] best first */
    size_t n_merges, capacity_merges;
    uint32_t *merge_slot; /* [n_merge_slots] open addressing by (left, right): rank + 1, 0 = free */
    size_t n_merge_slots;
    int32_t byte_id[256]; /* byte level: of the byte; else: of "<0xHH>", -1 if there is none */
    int32_t *char_id;     /* [MADPO__CHARS] not byte level: of a code point alone, -1 none */
    uint8_t *joined;      /* [MADPO__JOINED / 8] see bpe.c; NULL: words are not cut */
    int32_t bos, eos, pad, unk;
    int32_t unk_model; /* what unknown characters become, -1: they are dropped */

    /* tokenizer.json's sections */
    bool byte_level;    /* a piece's bytes are its symbols, else its characters */
    bool ignore_merges; /* a whole piece that is a token is taken as it is */
    bool byte_fallback, fuse_unk;
    char *word_prefix, *word_suffix; /* owned, NULL for none: continuing_subword_prefix and so on */
    madpo_normal *normal;            /* [n_normals] */
    int n_normals;
    madpo_step *step; /* [n_steps] */
    int n_steps;
    madpo_decoder decoder;
    madpo_ids front, behind;      /* the template: ids around a text */
    madpo_added added[2];         /* not normalized, normalized */
    int64_t max_length;           /* -1 if not said */
    char *chat_template;          /* owned, NULL if there is none */
    madpo_kept kept[MADPO__KEPT]; /* loaded tokenizers are written back as they were read */
    int n_kept;                   /* 0 when trained */

    /* encoding's memory */
    madpo_strmap cache; /* word -> ids cache_ids[cache_end[i-1] .. cache_end[i]) */
    size_t *cache_end;
    madpo_ids cache_ids;
    madpo_symbol *symbol;
    madpo_candidate *heap; /* room for 3 per symbol: n - 1 at the start, 2 for each merge */
    size_t capacity_symbols;
    madpo_strbuf whole; /* a content to look up */
    madpo_strbuf normal_buffer[2], split_buffer[2];
    madpo_pieces pieces[2];
};

enum { MADPO__CHARS = 1 << 16, MADPO__JOINED = 1 << 22 };

/* U+0021..U+0143 for each byte: GPT-2's byte map, as code point, and back (-1 = not in the map). */
int32_t madpo__byte_to_char(uint8_t byte);
int madpo__char_to_byte(int32_t cp);

/* The 256 bytes in the order of their characters, which is the order of their ids after training.
 */
void madpo__byte_alphabet(uint8_t order[256]);

/* A tokenizer with nothing in it, byte level with GPT-2's pattern. */
madpo_status madpo__tokenizer_new(madpo_tokenizer **out, madpo_error *err) MADPO_MUST_CHECK;
/* Put the token with this content at `id` >= 0, as one of the model's vocabulary. Its bytes are the
 * content mapped back, or the content itself if that has characters outside the map or the
 * tokenizer is not byte level. An id or content given twice is MADPO_ERR_DATA. */
madpo_status madpo__tokenizer_put(madpo_tokenizer *tok, int32_t id, const char *content, size_t n,
                                  madpo_error *err) MADPO_MUST_CHECK;
/* From now on the token at `id` is matched in raw text before BPE, by its content. */
void madpo__tokenizer_mark_added(madpo_tokenizer *tok, int32_t id, bool special);
madpo_status madpo__tokenizer_put_merge(madpo_tokenizer *tok, int32_t left, int32_t right,
                                        int32_t result, madpo_error *err) MADPO_MUST_CHECK;
/* Build the table of merges by pair, again if merges were added since. */
madpo_status madpo__tokenizer_index_merges(madpo_tokenizer *tok, madpo_error *err) MADPO_MUST_CHECK;
/* Build the trees of added tokens, again if tokens were added since. */
madpo_status madpo__tokenizer_index_added(madpo_tokenizer *tok, madpo_error *err) MADPO_MUST_CHECK;
/* Build the tables for encoding and decoding, those two included. A byte-level tokenizer without a
 * token for every byte is MADPO_ERR_UNSUPPORTED: the round trip would lose it. */
madpo_status madpo__tokenizer_freeze(madpo_tokenizer *tok, madpo_error *err) MADPO_MUST_CHECK;
/* Bytes of the tokens: contents through the decoder's steps (decode.c). */
madpo_status madpo__tokenizer_token_bytes(madpo_tokenizer *tok, madpo_error *err) MADPO_MUST_CHECK;
/* Make room for n more bytes in the pool. */
bool madpo__tokenizer_pool(madpo_tokenizer *tok, size_t n);
/* Read a tokenizer.json from text [n bytes and a terminator, from malloc], which is taken in any
 * case; `name` says where it came from. No roles yet. err must not be NULL. */
madpo_status madpo__tokenizer_parse(madpo_tokenizer **out, char *text, size_t n, const char *name,
                                    madpo_error *err) MADPO_MUST_CHECK;
/* Set the roles that are still -1 by the usual names ("<bos>", "<s>", "<|endoftext|>") among
 * the added tokens. `roles` is a mask of MADPO__ROLE_*. */
enum { MADPO__ROLE_BOS = 1, MADPO__ROLE_EOS = 2, MADPO__ROLE_PAD = 4 };
void madpo__tokenizer_guess_roles(madpo_tokenizer *tok, unsigned roles);
/* Id by content, -1 if absent; among the model's own tokens only. */
int32_t madpo__tokenizer_find(const madpo_tokenizer *tok, const char *content, size_t n);
int32_t madpo__tokenizer_find_model(const madpo_tokenizer *tok, const char *content, size_t n);
/* Rank of the merge (left, right), or UINT32_MAX. */
uint32_t madpo__merge_rank(const madpo_tokenizer *tok, int32_t left, int32_t right);

/* ---- bpe.c: the model ---- */

/* Tables by code point and by pairs of code points, of a tokenizer that is not byte level. */
madpo_status madpo__bpe_freeze(madpo_tokenizer *tok, madpo_error *err) MADPO_MUST_CHECK;
/* Append the ids of one piece of text, n > 0. */
madpo_status madpo__bpe_piece(madpo_tokenizer *tok, const char *piece, size_t n, madpo_ids *out,
                              madpo_error *err) MADPO_MUST_CHECK;
/* Free what encoding keeps from call to call. */
void madpo__bpe_dispose(madpo_tokenizer *tok);
#endif
