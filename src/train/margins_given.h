#ifndef MADPO_TRAIN_MARGINS_GIVEN_H
#define MADPO_TRAIN_MARGINS_GIVEN_H
/* Reward margins that are no business of the run's own reward model: data.margins names a file of
 * JSON lines {"id": of the pair, "h": chosen minus rejected} ("margin" will do for "h", further
 * fields are passed over, so margins.jsonl of another run is such a file), or says "pairs": then
 * each pair has its own (field margin). Inside src/train only. */
#include "train/stage.h"

/* Do the margins of these pairs come from outside? Also where data.margins is empty, no reward
 * model is there nor to be trained, and every pair has a margin. */
bool madpo_margins_are_given(const madpo_stage_context *ctx, const madpo_pairs *pairs);
/* As far as it can be told before the first stage whether that will do: with given pairs fully. */
madpo_status madpo_margins_given_check(const madpo_stage_context *ctx,
                                       madpo_error *err) MADPO_MUST_CHECK;
/* Every pair's margin into h [n of pairs]. A pair without one, an id that no pair has and a damaged
 * line are refused, each by name. */
madpo_status madpo_margins_given(double *h, const madpo_stage_context *ctx,
                                 const madpo_pairs *pairs, madpo_error *err) MADPO_MUST_CHECK;
#endif
