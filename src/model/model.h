#ifndef MADPO_MODEL_MODEL_H
#define MADPO_MODEL_MODEL_H
/* One decoder on a device: weights, gradients and activations in slabs planned up front; forward,
 * backward, log-probs, rewards. Gradients accumulate until madpo_model_zero_grads. */
#include "base/batch.h"
#include "device/buffer.h"
#include "model/config.h"

typedef struct madpo_model madpo_model;

typedef struct madpo_model_options {
    int64_t max_tokens, max_rows, max_segments, max_sequences; /* of a micro-batch */
    bool train;                                                /* gradients and saved activations */
    bool reward_head;  /* scalar head instead of (not beside) log-probs */
    int64_t gen_slots; /* sequences generated at once, 0 = no generation */
    int64_t gen_len;   /* prompt + new tokens of one slot */
} madpo_model_options;

/* Bytes per slab, known before anything is allocated. */
typedef struct madpo_memory_plan {
    uint64_t weights, gradients, optimiser, activations, kv_cache, packed, workspace;
    uint64_t total;
    uint64_t available; /* device memory, or the limit set */
} madpo_memory_plan;

/* Plan without allocating (optimiser state is counted when options->train). */
madpo_status madpo_model_plan(madpo_memory_plan *out, madpo_device *dev,
                              const madpo_model_config *config, const madpo_model_options *options,
                              madpo_error *err) MADPO_MUST_CHECK;
/* One line: "weights 12.1 MB, gradients ..., total 310 MB of 4.2 GB; 4096 tokens per micro-batch".
 * */
void madpo_memory_plan_format(const madpo_memory_plan *plan, const madpo_model_options *options,
                              char *out, size_t size);

/* Allocate all slabs. Errors: MADPO_ERR_MEMORY when the plan does not fit, naming the setting to
 * lower. */
madpo_status madpo_model_new(madpo_model **out, madpo_device *dev, const madpo_model_config *config,
                             const madpo_model_options *options, madpo_error *err) MADPO_MUST_CHECK;
void madpo_model_free(madpo_model *model); /* accepts NULL */

/* Random initialisation, a pure function of (seed, tensor name): normal(0, 0.02), residual outputs
 * scaled by 1/sqrt(2L), norms neutral, reward head zero-mean small. */
madpo_status madpo_model_init(madpo_model *model, uint64_t seed, madpo_error *err) MADPO_MUST_CHECK;
/* Weights from / to a directory (config.json + model.safetensors) under Hugging Face names. Loading
 * checks config, names and shapes; a reward model may start from a causal model's directory (score
 * is then freshly initialised from `seed`). Saving is atomic per file. */
madpo_status madpo_model_load(madpo_model *model, const char *dir, uint64_t seed,
                              madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_model_save(madpo_model *model, const char *dir,
                              madpo_error *err) MADPO_MUST_CHECK;

const madpo_model_config *madpo_model_get_config(const madpo_model *model);
madpo_device *madpo_model_get_device(const madpo_model *model);

/* The weight table: one row per tensor, in slab order; all decayed tensors come first. */
typedef struct madpo_model_tensor {
    char name[96]; /* Hugging Face name */
    int n_dims;
    int64_t shape[2], n;
    bool decay;                /* weight decay applies (matrices), not norms */
    madpo_tensor weight, grad; /* grad none unless training */
} madpo_model_tensor;
size_t madpo_model_tensor_count(const madpo_model *model);
const madpo_model_tensor *madpo_model_tensor_at(const madpo_model *model, size_t i); /* borrowed */
/* Whole slabs, for optimiser and norm: n elements, of which the first n_decay are decayed. */
madpo_tensor madpo_model_weights(const madpo_model *model);
madpo_tensor madpo_model_grads(const madpo_model *model);
int64_t madpo_model_n_decay(const madpo_model *model);
/* Tell the model that its weights changed (packed copies are renewed at next use). */
void madpo_model_weights_changed(madpo_model *model);

/* Make the next backward pass write the gradients instead of adding to them; until then the slab
 * holds the old ones. */
madpo_status madpo_model_zero_grads(madpo_model *model, madpo_error *err) MADPO_MUST_CHECK;

/* Log-probs of the batch's rows: runs the forward pass and reads back logp [R]; top [R] (may be
 * NULL) gets whether the label was the arg max. Blocking. The forward's activations stay for
 * _backward. */
madpo_status madpo_model_logps(madpo_model *model, const madpo_batch *batch, float *logp, bool *top,
                               madpo_error *err) MADPO_MUST_CHECK;
/* Accumulate gradients for dLoss/dlogp = coef [R] of the batch just given to madpo_model_logps.
 * Enqueued. */
madpo_status madpo_model_backward_logps(madpo_model *model, const madpo_batch *batch,
                                        const float *coef, madpo_error *err) MADPO_MUST_CHECK;
/* Rewards of the batch's sequences [n_seq], and their backward pass (reward_head models). */
madpo_status madpo_model_rewards(madpo_model *model, const madpo_batch *batch, float *reward,
                                 madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_model_backward_rewards(madpo_model *model, const madpo_batch *batch,
                                          const float *dreward, madpo_error *err) MADPO_MUST_CHECK;

/* Generation with a KV cache. n prompts; samples_per_prompt completions each (prompt computed
 * once). Sample s of prompt i draws from stream stream_base + i * samples_per_prompt + s, so
 * results do not depend on how prompts are grouped. Completions end at eos (not included) or at
 * max_new tokens. */
typedef struct madpo_generate_options {
    float temperature;
    int32_t top_k;
    float top_p;
    uint64_t seed;
    int32_t max_new;
    int32_t samples_per_prompt; /* n * samples_per_prompt <= gen_slots */
    uint32_t stream_base;       /* stream of the first sample of this call */
    bool ban_eos;               /* never end before max_new */
} madpo_generate_options;
/* out [n*samples*max_new] ids write; out_len [n*samples] write; ended (may be NULL): stopped at
 * eos. */
madpo_status madpo_model_generate(madpo_model *model, const int32_t *const *prompt,
                                  const int32_t *n_prompt, size_t n,
                                  const madpo_generate_options *options, int32_t *out,
                                  int32_t *out_len, bool *ended, madpo_error *err) MADPO_MUST_CHECK;
#endif
