#ifndef MADPO_TEXT_PIPELINE_H
#define MADPO_TEXT_PIPELINE_H
/* The sections of tokenizer.json as data: what is done to a text before the merges and to tokens
 * after them. The loader fills these in (tokenizer_sections.c), normalize.c, split.c and decode.c
 * carry them out. */
#include "base/strbuf.h"
#include "text/regex.h"

/* ---- normalizer: a list of steps ---- */

typedef enum madpo_normal_kind {
    MADPO_NORMAL_NFC,
    MADPO_NORMAL_NFD,
    MADPO_NORMAL_NFKC,
    MADPO_NORMAL_NFKD,
    MADPO_NORMAL_LOWERCASE,
    MADPO_NORMAL_STRIP,
    MADPO_NORMAL_STRIP_ACCENTS,
    MADPO_NORMAL_PREPEND,
    MADPO_NORMAL_REPLACE,
    MADPO_NORMAL_BYTES /* every byte as its character of GPT-2's map */
} madpo_normal_kind;

typedef struct madpo_normal {
    madpo_normal_kind kind;
    madpo_pattern pattern; /* REPLACE */
    char *content;         /* PREPEND, REPLACE: owned, [n_content] */
    size_t n_content;
    bool left, right; /* STRIP */
} madpo_normal;

/* ---- pre-tokenizer: a list of steps ---- */

typedef enum madpo_step_kind {
    MADPO_STEP_SPLIT,
    MADPO_STEP_DIGITS,
    MADPO_STEP_BLANK, /* one blank in front of a piece that does not begin with one */
    MADPO_STEP_METASPACE
} madpo_step_kind;

typedef enum madpo_behavior {
    MADPO_BEHAVIOR_REMOVED,
    MADPO_BEHAVIOR_ISOLATED,
    MADPO_BEHAVIOR_PREVIOUS,
    MADPO_BEHAVIOR_NEXT,
    MADPO_BEHAVIOR_CONTIGUOUS
} madpo_behavior;

typedef enum madpo_prepend { /* Metaspace's prepend_scheme */
                             MADPO_PREPEND_ALWAYS,
                             MADPO_PREPEND_FIRST,
                             MADPO_PREPEND_NEVER
} madpo_prepend;

typedef struct madpo_step {
    madpo_step_kind kind;
    madpo_pattern pattern;   /* SPLIT; METASPACE: the character that stands for a blank */
    madpo_behavior behavior; /* SPLIT; DIGITS: ISOLATED or CONTIGUOUS */
    bool invert;             /* SPLIT */
    bool split;              /* METASPACE */
    madpo_prepend prepend;   /* METASPACE */
} madpo_step;

/* A piece of the text that is being cut; `origin`: it begins where the whole text begins. */
typedef struct madpo_piece {
    size_t start, end;
    bool origin;
} madpo_piece;

typedef struct madpo_pieces { /* zero-initialise */
    madpo_piece *v;
    size_t n, capacity;
} madpo_pieces;

/* ---- decoder ---- */

typedef enum madpo_decoder_kind {
    MADPO_DECODER_BYTES,    /* ByteLevel: the bytes of the tokens, one after the other */
    MADPO_DECODER_BLANKS,   /* no decoder: contents with a blank between */
    MADPO_DECODER_PIECES,   /* the steps below */
    MADPO_DECODER_METASPACE /* as PIECES, and the first token loses its blanks if `first` */
} madpo_decoder_kind;

typedef struct madpo_decoder {
    madpo_decoder_kind kind;
    madpo_normal *step; /* [n_steps] REPLACE on each token, owned */
    int n_steps;
    bool byte_fallback; /* "<0x0A>" is a byte; runs that are no UTF-8 become U+FFFD, one a byte */
    bool first;         /* METASPACE */
    char strip[5];      /* a character taken off the whole text, "" for none, … */
    int strip_start, strip_stop; /* … at most so often */
} madpo_decoder;

/* ---- carrying them out ---- */

void madpo__normal_dispose(madpo_normal *normal);

/* Run the steps over text [n bytes]. *out [*n_out] points to the text itself or into one of the two
 * buffers. *cut: something at the front of the text was taken away. */
madpo_status madpo__normalize(const madpo_normal *step, int n_steps, const char *text, size_t n,
                              madpo_strbuf buffer[2], const char **out, size_t *n_out, bool *cut,
                              madpo_error *err) MADPO_MUST_CHECK;

/* Run the steps over text [n bytes], which begins the whole text if `origin`: pieces[*which] are
 * the pieces of *out, which is the text itself or one of the two buffers. */
madpo_status madpo__split(const madpo_step *step, int n_steps, const char *text, size_t n,
                          bool origin, madpo_strbuf buffer[2], madpo_pieces pieces[2],
                          const char **out, int *which, madpo_error *err) MADPO_MUST_CHECK;
#endif
