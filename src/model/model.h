#ifndef MADPO_MODEL_MODEL_H
#define MADPO_MODEL_MODEL_H
/* One decoder on a device: weights, gradients and activations in slabs planned up front; forward,
 * backward, log-probs, rewards. Gradients accumulate until madpo_model_zero_grads. */
#include "base/batch.h"
#include "device/buffer.h"
#include "model/adapter.h"
#include "model/safetensors.h"

typedef struct madpo_model madpo_model;

/* One adapter of a model: its shape, and whether it is trained or frozen. */
typedef struct madpo_adapter_slot {
    const madpo_adapter_config *config; /* borrowed until madpo_model_new returns (copied) */
    bool train;                         /* only with options.train */
} madpo_adapter_slot;

typedef struct madpo_model_options {
    int64_t max_tokens, max_rows, max_segments, max_sequences; /* of a micro-batch */
    bool train;                                                /* gradients and saved activations */
    bool reward_head;  /* scalar head instead of (not beside) log-probs */
    int64_t gen_slots; /* sequences generated at once, 0 = no generation */
    int64_t gen_len;   /* prompt + new tokens of one slot */
    /* Type of the base's matrices in device memory: F32, BF16 or F16; arithmetic is fp32 in any
     * case. Weights that are trained must be F32: 16 bits need adapters, or train = false. */
    madpo_dtype storage;
    /* Keep only each layer's input while training and compute the rest again in the backward pass:
     * a fraction of the activations for a third more work. The same bits. */
    bool recompute;
    /* Adapters added to the base, in order. With any of them the base is frozen; `train` then
     * trains those marked, and the reward head. */
    const madpo_adapter_slot *adapters;
    int n_adapters;
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
/* Weights of the base from / to a Hugging Face directory: config.json + model.safetensors, or
 * shards listed in model.safetensors.index.json; F32, F16 and BF16 tensors. Loading checks config,
 * names, shapes and that all numbers are finite; every tensor of the files must be used or be known
 * to be of no use. A reward model may start from a causal model's directory (score is then freshly
 * initialised from `seed`). Saving writes what the base is now, in its storage type (the reward
 * head in f32), atomically per file, in shards of at most 5 GB; unknown keys of config.json and
 * files beside it (generation config, licence) are copied from the directory the base was loaded
 * from. Adapters are not saved: see below. */
madpo_status madpo_model_load(madpo_model *model, const char *dir, uint64_t seed,
                              madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_model_save(madpo_model *model, const char *dir,
                              madpo_error *err) MADPO_MUST_CHECK;
/* Storage type of a directory's matrices: the most frequent of F32, F16, BF16 in its headers. */
madpo_status madpo_model_storage_of(madpo_dtype *out, const char *dir,
                                    madpo_error *err) MADPO_MUST_CHECK;

/* ---- adapters; i counts options.adapters ---- */

/* A ~ U(-1/sqrt(in), 1/sqrt(in)), B = 0 (PEFT's default), pure functions of (seed, module name). A
 * reward head that belongs to the adapter is initialised too. */
madpo_status madpo_model_adapter_init(madpo_model *model, int i, uint64_t seed,
                                      madpo_error *err) MADPO_MUST_CHECK;
/* Weights from / to a PEFT folder (adapter_model.safetensors; saving also writes
 * adapter_config.json naming `base` as base_model_name_or_path; NULL: null). */
madpo_status madpo_model_adapter_load(madpo_model *model, int i, const char *dir,
                                      madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_model_adapter_save(madpo_model *model, int i, const char *dir, const char *base,
                                      madpo_error *err) MADPO_MUST_CHECK;
/* All adapters as one: their ranks side by side, exactly their sum. */
madpo_status madpo_model_adapters_save_joined(madpo_model *model, const char *name, const char *dir,
                                              const char *base, madpo_error *err) MADPO_MUST_CHECK;
/* Leave an adapter out of the forward pass, or take it in again (all are in at first). */
void madpo_model_adapter_enable(madpo_model *model, int i, bool enable);
/* Fold all enabled adapters into the base's weights, W += s B A, and disable them. */
madpo_status madpo_model_merge(madpo_model *model, madpo_error *err) MADPO_MUST_CHECK;

/* What the next forward passes are for. Training passes apply dropout with masks that are functions
 * of (seed, counter), so a caller gives every micro-batch of a run a counter of its own; a backward
 * pass through them may be cheaper. Evaluation (how a model begins) applies none. */
void madpo_model_set_pass(madpo_model *model, bool train, uint64_t seed, uint64_t counter);

/* Seconds the caller spent in forward passes (with reading the results) and backward passes since
 * the model was set to time them; a backward pass is then waited for. Off at first. */
typedef struct madpo_model_times {
    double forward, backward;
} madpo_model_times;
void madpo_model_set_timed(madpo_model *model, bool timed); /* on: from 0 */
madpo_model_times madpo_model_get_times(const madpo_model *model);

const madpo_model_config *madpo_model_get_config(const madpo_model *model);
madpo_device *madpo_model_get_device(const madpo_model *model);

/* How a tensor of ours lies in the tensor of the file it comes from. */
typedef enum madpo_layout {
    MADPO_LAYOUT_PLAIN,             /* as it is: [out,in], [n] */
    MADPO_LAYOUT_TRANSPOSED,        /* [in,out] */
    MADPO_LAYOUT_BLOCKS,            /* rows: the q rows, the k rows, the v rows */
    MADPO_LAYOUT_BLOCKS_TRANSPOSED, /* [in, q | k | v] */
    MADPO_LAYOUT_HEADS              /* rows: head by head, each its q, k and v rows */
} madpo_layout;

/* The weight table: one row per tensor of ours, in slab order; decayed tensors come first. */
typedef struct madpo_model_tensor {
    char name[112]; /* the file's name; "…[q]" for a part of a fused one */
    char file[104]; /* the file's name */
    madpo_layout layout;
    int part;   /* which of q, k, v; 0 where plain */
    int n_dims; /* of ours */
    int64_t shape[2], n;
    bool decay;                /* weight decay applies (matrices), not norms and biases */
    madpo_tensor weight, grad; /* grad none unless it is trained */
} madpo_model_tensor;
size_t madpo_model_tensor_count(const madpo_model *model);
const madpo_model_tensor *madpo_model_tensor_at(const madpo_model *model, size_t i); /* borrowed */

/* Every tensor of the base as files hold it, as f32, one after the other: weights, or gradients
 * (of what is trained). Used for saving and by tests. The tensor is borrowed for the call. */
typedef madpo_status (*madpo_model_visit)(void *user, const madpo_safetensor *tensor,
                                          madpo_error *err);
madpo_status madpo_model_each(madpo_model *model, bool grads, madpo_model_visit visit, void *user,
                              madpo_error *err) MADPO_MUST_CHECK;
/* The same of adapter i, under PEFT's names. */
madpo_status madpo_model_adapter_each(madpo_model *model, int i, bool grads,
                                      madpo_model_visit visit, void *user,
                                      madpo_error *err) MADPO_MUST_CHECK;

/* All that is trained, in one piece, for optimiser and norm: n elements of F32, of which the first
 * n_decay are decayed. Without training and adapters: the whole base. */
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
/* The hidden states that predict the batch's rows: runs the forward pass into rows [R,C] f32,
 * device, write. Enqueued. There is no way back through it. */
madpo_status madpo_model_rows(madpo_model *model, const madpo_batch *batch, madpo_tensor rows,
                              madpo_error *err) MADPO_MUST_CHECK;
/* W [V,C] of logits = W row: the head, or the embedding it is tied to. Borrowed. */
madpo_tensor madpo_model_head(const madpo_model *model);
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
    const int32_t *stop;        /* further ids that end a completion, beside the configuration's */
    int n_stop;
    /* Called for every token as it is drawn (sequence = prompt * samples_per_prompt + sample);
     * false ends that sequence. NULL: none. */
    bool (*token)(void *user, size_t sequence, int32_t id);
    void *user;
} madpo_generate_options;
/* out [n*samples*max_new] ids write; out_len [n*samples] write; ended (may be NULL): stopped at
 * eos. */
madpo_status madpo_model_generate(madpo_model *model, const int32_t *const *prompt,
                                  const int32_t *n_prompt, size_t n,
                                  const madpo_generate_options *options, int32_t *out,
                                  int32_t *out_len, bool *ended, madpo_error *err) MADPO_MUST_CHECK;
#endif
