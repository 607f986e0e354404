#ifndef MADPO_TRAIN_GIVEN_H
#define MADPO_TRAIN_GIVEN_H
/* The user's own pairs: read and tokenized as data.* says, less those that no example can be made
 * of. Called by source.c, prepare.c and stage.c. Inside src/train only. */
#include "train/source.h"

/* Read data.pairs. data.chat = auto asks the tokenizer that is named or
 * lies beside model.path, if any. */
madpo_status madpo_given_load(madpo_pairs **out, const madpo_options *options,
                              madpo_pairs_report *report, madpo_error *err) MADPO_MUST_CHECK;
madpo_tokenize_options madpo_given_tokenize_options(const madpo_options *options);
/* Say how the pairs were read and how they become tokens, and take those out of source->pairs that
 * tokenizing drops, so that every pair of pairs.jsonl is an example in every stage. Needs
 * source->tok. MADPO_ERR_DATA if nothing to train on is left. */
madpo_status madpo_given_fit(madpo_source *source, madpo_stage_context *ctx,
                             madpo_error *err) MADPO_MUST_CHECK;
#endif
