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
    size_t position; /* of the pair or text it was made from */
} madpo_example;

/* What tokenizing did. */
typedef struct madpo_examples_report {
    size_t n_examples;
    size_t n_cut_prompts, n_cut_answers; /* answers: each branch, texts too */
    size_t n_long_prompts;               /* dropped: the prompt leaves no room for an answer */
    size_t n_no_answer;                  /* dropped: an answer (or a text) has no token */
    size_t n_no_prompt;                  /* dropped: no prompt and no begin token to predict from */
    size_t n_eos;                        /* branches that eos was appended to */
    size_t n_split_apart; /* pairs tokenized separately because joined text began otherwise */
} madpo_examples_report;
/* One line such as "2312 examples, 17 prompts cut, 4 dropped (…)". Returns `line`. */
const char *madpo_examples_report_format(const madpo_examples_report *report, char *line,
                                         size_t size);

typedef struct madpo_examples {
    madpo_example *v; /* [n] */
    size_t n, capacity;
    int32_t *ids; /* all token ids, owned */
    size_t n_ids;
    size_t n_truncated, n_dropped; /* examples cut anywhere, and left out */
    madpo_examples_report report;
} madpo_examples;
void madpo_examples_dispose(madpo_examples *examples);

/* What happens to a pair that is too long. */
typedef enum madpo_truncation {
    MADPO_TRUNCATION_ERROR, /* a long prompt is refused unless truncate_prompt; answers lose their
                               end */
    MADPO_TRUNCATION_KEEP_START, /* prompt + answer lose their end; a prompt without room for an
                                    answer drops the pair (TRL's way) */
    MADPO_TRUNCATION_KEEP_END    /* prompt + answer lose their front. The prompt is shared by both
                                    answers, so it loses what the longer one needs; bos stays */
} madpo_truncation;

typedef enum madpo_tokenize_mode {
    MADPO_TOKENIZE_SEPARATE, /* prompt and answers one by one */
    MADPO_TOKENIZE_JOINT /* answer = the tokens of prompt + answer behind those of the prompt; where
                            these do not begin with the prompt's tokens, separately */
} madpo_tokenize_mode;

/* All zero but the lengths: what the program's own models are trained with. */
typedef struct madpo_tokenize_options {
    int32_t max_prompt; /* tokens, bos included; 0 = no limit of its own */
    int32_t max_tokens; /* prompt + longest branch */
    madpo_truncation truncation;
    madpo_tokenize_mode mode;
    bool add_eos;      /* append eos to branches that were not cut, do not end with it already, and
                          are no turn of a chat layout */
    bool end_with_eos; /* end every branch with eos, a cut one too: what a reward head pools at */
    bool truncate_prompt;   /* with _ERROR: cut a prompt longer than max_prompt all the same */
    bool keep_prompt_start; /* of a cut prompt bos and the first tokens stay, not the last */
    bool specials; /* special tokens written in the texts count as such, as Hugging Face has it; in
                      text rendered by a chat layout they always do */
    bool template_bos; /* begin texts with what the tokenizer's template puts in front of them (for
                          some nothing), not with its begin token */
} madpo_tokenize_options;

/* Pairs -> examples with two branches: bos + prompt | chosen | rejected. With another truncation
 * than _ERROR unusable pairs are dropped and counted; with it they are MADPO_ERR_DATA naming the
 * pair, except that empty answers are kept: generated ones may be. */
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
