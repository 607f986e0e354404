#ifndef MADPO_TESTS_REF_MODEL_H
#define MADPO_TESTS_REF_MODEL_H
/* The whole model in double precision, built from the operations' twins (src/ref): the oracle of
 * tests/model. It finds its weights by their Hugging Face names and knows nothing of the device
 * model's insides. */
#include "model/model.h"

typedef struct ref_model ref_model;

/* A double copy of the model's weights as they are now. Any failure fails the test. */
ref_model *ref_model_new(const madpo_model *model);
void ref_model_free(ref_model *ref);
/* Weights of tensor i of the model's table, [n] read-write: what a finite difference moves. */
double *ref_model_weights(ref_model *ref, size_t i);

/* Log-probs of the batch's rows: logp [R] write; argmax [R] (may be NULL) write: the likeliest
 * label. */
void ref_model_logps(ref_model *ref, const madpo_batch *batch, double *logp, int32_t *argmax);
/* Rewards of the batch's sequences: reward [n_seq] write. */
void ref_model_rewards(ref_model *ref, const madpo_batch *batch, double *reward);
#endif
