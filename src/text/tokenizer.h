#ifndef MADPO_TEXT_TOKENIZER_H
#define MADPO_TEXT_TOKENIZER_H
/* Tokenizers in Hugging Face's tokenizer.json format: train, load, save, encode, decode.
 *
 * Here: byte-level BPE with GPT-2's pre-tokenizer pattern (Radford et al. 2019). Any byte string
 * encodes and decodes back to the same bytes, invalid UTF-8 included. Encoding is O(n log n) per
 * word (heap over merge ranks) with a per-word cache; a tokenizer is owned by one thread.
 */
#include "madpo/error.h"

typedef struct madpo_tokenizer madpo_tokenizer;

/* Growing list of ids, caller's storage: zero-initialise, reuse, _dispose. */
typedef struct madpo_ids {
    int32_t *v;
    size_t n, capacity;
} madpo_ids;
void madpo_ids_dispose(madpo_ids *ids);
madpo_status madpo_ids_push(madpo_ids *ids, int32_t id, madpo_error *err) MADPO_MUST_CHECK;

/* One text to train on or encode; bytes need not be terminated and may hold NUL. */
typedef struct madpo_text {
    const char *bytes;
    size_t n;
} madpo_text;

typedef struct madpo_tokenizer_train_options {
    int32_t vocab; /* final size, special tokens and 256 bytes included */
    const char *const
        *specials; /* special tokens, get ids 0.. in order; default {"<pad>","<bos>","<eos>"} */
    int n_specials;
    int64_t min_count; /* merges rarer than this stop training; default 2 */
} madpo_tokenizer_train_options;
void madpo_tokenizer_train_options_defaults(madpo_tokenizer_train_options *options);

/* Train on n texts. The vocabulary may come out smaller than asked when the text runs out of pairs
 * (not an error; see _vocab). Errors: MADPO_ERR_CONFIG if vocab < specials + 256. */
madpo_status madpo_tokenizer_train(madpo_tokenizer **out, const madpo_text *texts, size_t n,
                                   const madpo_tokenizer_train_options *options,
                                   madpo_error *err) MADPO_MUST_CHECK;
/* Read and validate a tokenizer.json. What is not implemented is refused by name
 * (MADPO_ERR_UNSUPPORTED). bos, eos and pad are those of tokenizer_config.json or
 * special_tokens_map.json beside it, else the usual names. */
madpo_status madpo_tokenizer_load(madpo_tokenizer **out, const char *path,
                                  madpo_error *err) MADPO_MUST_CHECK;
/* Write tokenizer.json (and tokenizer_config.json, special_tokens_map.json) into directory `dir`,
 * which is made if need be. A loaded tokenizer is written back as it was read. */
madpo_status madpo_tokenizer_save(const madpo_tokenizer *tok, const char *dir,
                                  madpo_error *err) MADPO_MUST_CHECK;
void madpo_tokenizer_free(madpo_tokenizer *tok); /* accepts NULL */

/* Append the ids of text [n bytes]; special tokens written in the text match only if `specials`.
 * Adds no bos or eos: callers do. */
madpo_status madpo_tokenizer_encode(madpo_tokenizer *tok, const char *text, size_t n, bool specials,
                                    madpo_ids *out, madpo_error *err) MADPO_MUST_CHECK;
/* Decode ids into a new string (owned by the caller, free()), *n bytes plus a terminator. Special
 * tokens are dropped if `skip_specials`. An id outside the vocabulary is MADPO_ERR_DATA. */
madpo_status madpo_tokenizer_decode(const madpo_tokenizer *tok, const int32_t *ids, size_t n_ids,
                                    bool skip_specials, char **out, size_t *n,
                                    madpo_error *err) MADPO_MUST_CHECK;

int32_t madpo_tokenizer_vocab(const madpo_tokenizer *tok);
/* Id of a token by content, -1 if absent. */
int32_t madpo_tokenizer_id(const madpo_tokenizer *tok, const char *content);
int32_t madpo_tokenizer_bos(const madpo_tokenizer *tok); /* -1 if none */
int32_t madpo_tokenizer_eos(const madpo_tokenizer *tok); /* -1 if none */
int32_t madpo_tokenizer_pad(const madpo_tokenizer *tok); /* -1 if none */
#endif
