#ifndef MADPO_TRAIN_POLICY_KL_H
#define MADPO_TRAIN_POLICY_KL_H
/* How far the policy has moved from its reference, measured at each held-out evaluation.
 *
 * KL(policy || reference) of the next-token distributions, exact over the vocabulary:
 * sum_v pi(v | x, y_<t) (log pi(v | x, y_<t) - log pi_ref(v | x, y_<t)), averaged over the answer
 * tokens t of the first policy.kl_pairs held-out pairs, in nats per token. Nothing is sampled: the
 * contexts y_<t are the pairs' own answers, chosen and rejected, and not the policy's. So this is
 * no estimate of the KL of whole answers that the policy would write; the mean log-ratio of the
 * pairs' tokens, which is not even non-negative, is no KL at all.
 *
 * Events get eval_kl over all those tokens, eval_kl/chosen and eval_kl/rejected over one answer's.
 *
 * A model begins the stage as its own reference. From then on the hidden states that the reference
 * gives those tokens are kept (host memory: 4 C bytes a token), and, where the head itself is
 * trained, a copy of the head (device memory: 4 V C bytes); later only the policy is run. A
 * reference whose log-probs come from another run is this model all the same. Inside src/train
 * only. */
#include "train/pairset.h"
#include "train/stage_model.h"

typedef struct madpo_policy_kl madpo_policy_kl;

/* `net` must hold the reference: call before its first update and before a checkpoint is restored.
 * *out is NULL where there is nothing to measure: none asked for, none held out, or too little
 * device memory, which is told. Everything is allocated here. */
madpo_status madpo_policy_kl_new(madpo_policy_kl **out, madpo_stage_context *ctx,
                                 const madpo_stage_model *net, const madpo_pairset *set,
                                 const madpo_batch_limits *limits,
                                 madpo_error *err) MADPO_MUST_CHECK;
/* Device memory of it for `rows` answer tokens at a time, in bytes; copy_head: the head is trained.
 */
uint64_t madpo_policy_kl_bytes(const madpo_model_config *config, int64_t rows, bool copy_head);
void madpo_policy_kl_free(madpo_policy_kl *kl); /* accepts NULL */
/* Measure the model as it is now; nothing to do for NULL. Changes no weight, no gradient, no
 * random state. */
madpo_status madpo_policy_kl_report(madpo_policy_kl *kl, json_t *fields,
                                    madpo_error *err) MADPO_MUST_CHECK;
#endif
