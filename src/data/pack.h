#ifndef MADPO_DATA_PACK_H
#define MADPO_DATA_PACK_H
/* Tokenized examples and their packing into micro-batches (base/batch.h) by token budget. */
#include "base/batch.h"
#include "data/pairs.h"
#include "text/tokenizer.h"

/* One example as ids. A plain sequence has n_branches 1: prompt ids (context, no log-probs) and one
 * branch. A pair has two: chosen, rejected. All branches continue the prompt. */
typedef struct madpo_example {
    const int32_t *prompt;    /* borrowed */
    int32_t n_prompt;         /* at least 1 token if any row is wanted for the first branch token */
    const int32_t *branch[2]; /* borrowed */
    int32_t n_branch[2];
    int n_branches; /* 1 or 2 */
    int64_t id;
} madpo_example;

typedef struct madpo_examples {
    madpo_example *v; /* [n] */
    size_t n, capacity;
    int32_t *ids; /* all token ids, owned */
    size_t n_ids;
    size_t n_truncated, n_dropped; /* for the report */
} madpo_examples;
void madpo_examples_dispose(madpo_examples *examples);

typedef struct madpo_tokenize_options {
    int32_t max_prompt; /* tokens, bos included; a longer prompt is an error naming the pair unless
                           truncate */
    int32_t max_tokens; /* prompt + longest branch; branches are cut at the end */
    bool add_eos;       /* append eos to branches that were not cut */
    bool end_with_eos;  /* end every branch with eos, a cut one too: what a reward head pools at */
    bool truncate_prompt; /* keep the prompt's last max_prompt - 1 tokens after bos */
} madpo_tokenize_options;

/* Pairs -> examples with two branches: bos + prompt | chosen | rejected, tokenized separately. */
madpo_status madpo_examples_from_pairs(madpo_examples *out, const madpo_pairs *pairs,
                                       madpo_tokenizer *tok, const madpo_tokenize_options *options,
                                       madpo_error *err) MADPO_MUST_CHECK;
/* Texts -> examples with one branch: prompt = bos, branch = text (+ eos). Texts longer than
 * max_tokens are cut (keep_start). */
madpo_status madpo_examples_from_texts(madpo_examples *out, const madpo_text *texts, size_t n,
                                       madpo_tokenizer *tok, const madpo_tokenize_options *options,
                                       madpo_error *err) MADPO_MUST_CHECK;

/* Limits a batch is planned for; also what the model's memory plan uses. */
typedef struct madpo_batch_limits {
    int64_t max_tokens, max_rows, max_segments, max_sequences;
} madpo_batch_limits;

typedef struct madpo_packer madpo_packer;
/* A packer owns one batch and refills it without allocating after creation. */
madpo_status madpo_packer_new(madpo_packer **out, const madpo_batch_limits *limits,
                              madpo_error *err) MADPO_MUST_CHECK;
void madpo_packer_free(madpo_packer *packer);
/* Begin an empty batch. */
void madpo_packer_reset(madpo_packer *packer);
/* Add an example if it fits; returns false (batch unchanged) if it does not. */
bool madpo_packer_add(madpo_packer *packer, const madpo_example *example);
/* Complete the inverse lists and return the batch (borrowed, valid until the next reset). */
const madpo_batch *madpo_packer_finish(madpo_packer *packer);

/* Group one step's examples into micro-batches: order [n] are example indices of the step, cut into
 * consecutive runs that fit the limits. Writes the end of each run into ends[] (capacity n) and
 * returns the number of runs; an example that fits no batch alone is MADPO_ERR_MEMORY naming
 * data.max_tokens and the token budget. */
madpo_status madpo_pack_plan(size_t *n_runs, size_t *ends, const madpo_examples *examples,
                             const int64_t *order, size_t n, const madpo_batch_limits *limits,
                             madpo_error *err) MADPO_MUST_CHECK;
/* Order of examples in an epoch: a shuffle that is a pure function of (seed, epoch), in which long
 * and short are mixed. index [n] write. */
void madpo_pack_epoch_order(int64_t *index, size_t n, uint64_t seed, uint64_t epoch);
#endif
