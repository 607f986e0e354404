#ifndef MADPO_TEXT_TOKENIZER_H
#define MADPO_TEXT_TOKENIZER_H
/* Tokenizers in Hugging Face's tokenizer.json format: train, load, save, encode, decode.
 *
 * Loaded: byte-pair encoding over bytes (GPT-2, Llama-3, Qwen, GPT-NeoX) or over characters that
 * fall back to bytes (Llama-2, Gemma), with the normalizers, pre-tokenizers, added tokens,
 * templates and decoders that these use; what is not implemented is refused by name. Trained:
 * byte-level BPE with GPT-2's pattern (Radford et al. 2019). A byte-level tokenizer without
 * normalizer brings any byte string back as it was, invalid UTF-8 included. Encoding is O(n log n)
 * per word (heap over merge ranks) with a per-word cache; a tokenizer is owned by one thread.
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
/* Read and validate a tokenizer.json (gz or not), or the one in the folder `path`, or vocab.json
 * and merges.txt in it (GPT-2's or Qwen2's). What is not implemented is refused by name
 * (MADPO_ERR_UNSUPPORTED). tokenizer_config.json, special_tokens_map.json and chat_template.jinja
 * beside it are heeded: bos, eos, pad and unk (else the usual names), added tokens, add_bos_token
 * and add_eos_token of the classes that build their template from them, chat template. */
madpo_status madpo_tokenizer_load(madpo_tokenizer **out, const char *path,
                                  madpo_error *err) MADPO_MUST_CHECK;
/* Write tokenizer.json (and tokenizer_config.json, special_tokens_map.json) into directory `dir`,
 * which is made if need be. A loaded tokenizer is written back as it was read. */
madpo_status madpo_tokenizer_save(const madpo_tokenizer *tok, const char *dir,
                                  madpo_error *err) MADPO_MUST_CHECK;
void madpo_tokenizer_free(madpo_tokenizer *tok); /* accepts NULL */

/* Append the ids of text [n bytes]; special tokens written in the text match only if `specials`.
 * Adds no bos or eos. Is Hugging Face's encode with add_special_tokens false. */
madpo_status madpo_tokenizer_encode(madpo_tokenizer *tok, const char *text, size_t n, bool specials,
                                    madpo_ids *out, madpo_error *err) MADPO_MUST_CHECK;
/* The same between the ids that the tokenizer's template puts around a text (bos in front for most,
 * nothing for some): add_special_tokens true. */
madpo_status madpo_tokenizer_encode_with_specials(madpo_tokenizer *tok, const char *text, size_t n,
                                                  bool specials, madpo_ids *out,
                                                  madpo_error *err) MADPO_MUST_CHECK;
/* Those ids (borrowed, [*n], NULL if 0). */
const int32_t *madpo_tokenizer_front(const madpo_tokenizer *tok, size_t *n);
const int32_t *madpo_tokenizer_behind(const madpo_tokenizer *tok, size_t *n);

/* Decode ids into a new string (owned by the caller, free()), *n bytes plus a terminator. Special
 * tokens are dropped if `skip_specials`. An id that no token has stands for no text: a model whose
 * vocabulary is padded may sample one. A negative id is MADPO_ERR_DATA. The text of a byte-level
 * tokenizer may be no UTF-8, the others write U+FFFD instead. */
madpo_status madpo_tokenizer_decode(const madpo_tokenizer *tok, const int32_t *ids, size_t n_ids,
                                    bool skip_specials, char **out, size_t *n,
                                    madpo_error *err) MADPO_MUST_CHECK;

/* Decoding one id at a time. Each call gives the bytes that are certain by now, in *text [*n] and a
 * terminator (borrowed, until the next call): never half a character, never what later ids could
 * still change. All of them together, with what _end gives, are what madpo_tokenizer_decode gives
 * for all ids. The tokenizer must outlive the stream. */
typedef struct madpo_tokenizer_stream madpo_tokenizer_stream;
madpo_status madpo_tokenizer_stream_new(madpo_tokenizer_stream **out, const madpo_tokenizer *tok,
                                        bool skip_specials, madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_tokenizer_stream_push(madpo_tokenizer_stream *stream, int32_t id,
                                         const char **text, size_t *n,
                                         madpo_error *err) MADPO_MUST_CHECK;
/* What is left; the stream is then ready for another text. */
madpo_status madpo_tokenizer_stream_end(madpo_tokenizer_stream *stream, const char **text,
                                        size_t *n, madpo_error *err) MADPO_MUST_CHECK;
void madpo_tokenizer_stream_free(madpo_tokenizer_stream *stream); /* accepts NULL */

int32_t madpo_tokenizer_vocab(const madpo_tokenizer *tok);
/* Id of a token by content, -1 if absent. */
int32_t madpo_tokenizer_id(const madpo_tokenizer *tok, const char *content);
int32_t madpo_tokenizer_bos(const madpo_tokenizer *tok); /* -1 if none */
int32_t madpo_tokenizer_eos(const madpo_tokenizer *tok); /* -1 if none */
int32_t madpo_tokenizer_pad(const madpo_tokenizer *tok); /* -1 if none */
int32_t madpo_tokenizer_unk(const madpo_tokenizer *tok); /* -1 if none */
/* Is it one of added_tokens; one that skip_specials drops? False for ids without a token. */
bool madpo_tokenizer_is_added(const madpo_tokenizer *tok, int32_t id);
bool madpo_tokenizer_is_special(const madpo_tokenizer *tok, int32_t id);
/* The token as the vocabulary writes it, and the bytes it stands for by itself (borrowed, NULL for
 * an id without a token). */
const char *madpo_tokenizer_content(const madpo_tokenizer *tok, int32_t id);
const char *madpo_tokenizer_bytes(const madpo_tokenizer *tok, int32_t id, size_t *n);
int64_t madpo_tokenizer_max_length(const madpo_tokenizer *tok); /* model_max_length, -1 if unsaid */
/* The Jinja text of the (default) chat template, NULL if there is none. */
const char *madpo_tokenizer_chat_template(const madpo_tokenizer *tok);
#endif
