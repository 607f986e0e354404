#ifndef MADPO_TEXT_TOKENIZER_INSIDE_H
#define MADPO_TEXT_TOKENIZER_INSIDE_H
/* What the files of the tokenizer share. A tokenizer is built by adding tokens (id by id) and
 * merges (best first) and then frozen; training and loading both end in madpo__tokenizer_freeze.
 *
 * A token has a content, the string that tokenizer.json shows, in which every byte is written as
 * one printable character (the byte map of GPT-2: space is U+0120), and bytes, what it stands for
 * in text. For special tokens the two are the same. */
#include "text/strmap.h"
#include "text/tokenizer.h"

typedef struct madpo_token {
    size_t content; /* offset into madpo_tokenizer.pool, terminated there */
    uint32_t n_content;
    size_t bytes; /* offset into pool */
    uint32_t n_bytes;
    bool present; /* ids without a token may lie between */
    bool added;   /* matched in raw text before BPE */
    bool special; /* added, and dropped by skip_specials */
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

struct madpo_tokenizer {
    madpo_token *token; /* [n_vocab] */
    int32_t n_vocab, capacity_vocab;
    char *pool; /* contents and bytes */
    size_t n_pool, capacity_pool;
    madpo_strmap index; /* content -> number in index_id */
    int32_t *index_id;
    size_t capacity_index;
    madpo_merge *merge; /* [n_merges] best first */
    size_t n_merges, capacity_merges;
    uint32_t *merge_slot; /* [n_merge_slots] open addressing by (left, right): rank + 1, 0 = free */
    size_t n_merge_slots;
    int32_t byte_id[256];
    int32_t *added; /* [n_added] ids, longest content first */
    int n_added;
    bool added_first[256]; /* first bytes of added tokens */
    int32_t bos, eos, pad;
    bool ignore_merges; /* a whole piece that is a token is taken as it is */

    /* loaded tokenizers are written back as they were read */
    char *json, *config_json, *special_json; /* owned, NULL when trained or absent */

    /* encoding's memory */
    madpo_strmap cache; /* word -> ids cache_ids[cache_end[i-1] .. cache_end[i]) */
    size_t *cache_end;
    size_t capacity_cache;
    madpo_ids cache_ids;
    madpo_symbol *symbol;
    madpo_candidate *heap; /* room for 3 per symbol: n - 1 at the start, 2 for each merge */
    size_t capacity_symbols;
};

/* U+0021..U+0143 for each byte: GPT-2's byte map, as code point, and back (-1 = not in the map). */
int32_t madpo__byte_to_char(uint8_t byte);
int madpo__char_to_byte(int32_t cp);

/* The 256 bytes in the order of their characters, which is the order of their ids after training.
 */
void madpo__byte_alphabet(uint8_t order[256]);

madpo_status madpo__tokenizer_new(madpo_tokenizer **out, madpo_error *err) MADPO_MUST_CHECK;
/* Put the token with this content at `id` >= 0. Its bytes are the content mapped back, or the
 * content itself if that has characters outside the map. An id or content given twice is
 * MADPO_ERR_DATA. */
madpo_status madpo__tokenizer_put(madpo_tokenizer *tok, int32_t id, const char *content, size_t n,
                                  madpo_error *err) MADPO_MUST_CHECK;
/* From now on the token at `id` is matched in raw text before BPE, by its content. */
void madpo__tokenizer_mark_added(madpo_tokenizer *tok, int32_t id, bool special);
madpo_status madpo__tokenizer_put_merge(madpo_tokenizer *tok, int32_t left, int32_t right,
                                        int32_t result, madpo_error *err) MADPO_MUST_CHECK;
/* Build the table of merges by pair, again if merges were added since. */
madpo_status madpo__tokenizer_index_merges(madpo_tokenizer *tok, madpo_error *err) MADPO_MUST_CHECK;
/* Build the tables for encoding, that one included. A byte without a token is
 * MADPO_ERR_UNSUPPORTED: the round trip would lose it. */
madpo_status madpo__tokenizer_freeze(madpo_tokenizer *tok, madpo_error *err) MADPO_MUST_CHECK;
/* Read a tokenizer.json from text [n bytes and a terminator, from malloc], which is taken in any
 * case; `name` says where it came from. No roles yet. err must not be NULL. */
madpo_status madpo__tokenizer_parse(madpo_tokenizer **out, char *text, size_t n, const char *name,
                                    madpo_error *err) MADPO_MUST_CHECK;
/* Set the roles that are still -1 by the usual names ("<bos>", "<s>", "<|endoftext|>") among
 * the added tokens. `roles` is a mask of MADPO__ROLE_*. */
enum { MADPO__ROLE_BOS = 1, MADPO__ROLE_EOS = 2, MADPO__ROLE_PAD = 4 };
void madpo__tokenizer_guess_roles(madpo_tokenizer *tok, unsigned roles);
int32_t madpo__tokenizer_find(const madpo_tokenizer *tok, const char *content, size_t n);
/* Rank of the merge (left, right), or UINT32_MAX. */
uint32_t madpo__merge_rank(const madpo_tokenizer *tok, int32_t left, int32_t right);
#endif
