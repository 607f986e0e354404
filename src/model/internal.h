#ifndef MADPO_MODEL_INTERNAL_H
#define MADPO_MODEL_INTERNAL_H
/* What a model is inside; private to this folder.
 *
 * weights.c lays the weight table out, lora.c the adapters, plan.c the activations; upload.c brings
 * batches to the device, forward.c and backward.c run the layers, generate.c the KV cache; io.c and
 * adapter_io.c read and write files. Letters as in base/batch.h and model/config.h: T tokens,
 * R rows, V, C, L, H, K, D, F.
 */
#include "model/tables.h"
#include "ops/head.h"

/* ---- activations ---- */

/* One layer's activations. When training every layer has its own (with `recompute` all but x are
 * shared); otherwise all layers share one set in which x_mid and the next layer's x are x, n2 is
 * n1, and so on (plan.c). mu is LayerNorm's mean, r its rstd or RMSNorm's factor. */
typedef struct madpo__acts {
    madpo_tensor x, mu1, r1, n1;     /* [T,C] input, [T] twice, [T,C] */
    madpo_tensor q_in, k_in, rq, rk; /* before q/k norm: [T,H,D], [T,K,D], [T,H], [T,K] */
    madpo_tensor q, k, v, o, lse;    /* [T,H,D], [T,K,D] twice, [T,H,D], [T,H] */
    madpo_tensor attn_out, r_attn;   /* before the post norm: [T,C], [T] */
    madpo_tensor x_mid, mu2, r2, n2; /* [T,C], [T] twice, [T,C] */
    madpo_tensor gate, up, y;        /* [T,F]; without a gate up and y only */
    madpo_tensor mlp_out, r_mlp;     /* before the post norm: [T,C], [T] */
} madpo__acts;

/* Gradients of activations, reused by every layer. */
typedef struct madpo__act_grads {
    madpo_tensor dx;              /* [T,C] of the residual stream */
    madpo_tensor dn;              /* [T,C] of a norm's output, a block's output */
    madpo_tensor dn2;             /* [T,C] of the MLP's norm beside attention (parallel only) */
    madpo_tensor dq, dk, dv, d_o; /* as q, k, v, o */
    madpo_tensor delta;           /* [T,H] */
    madpo_tensor dy;              /* [T,F] */
    madpo_tensor coef;            /* [max(R, S)] */
} madpo__act_grads;

/* A batch on the device: views of one buffer of integers written in one transfer. */
typedef struct madpo__device_batch {
    madpo_tensor ids, pos, tok_seg, seg;
    madpo_tensor row_token, row_label, seq_last;
    madpo_tensor uniq, uniq_start, uniq_token, tok_row_start, tok_row;
} madpo__device_batch;

/* What one run through the layers works on. */
typedef struct madpo__pass {
    int64_t T;
    madpo_tensor ids, pos;
    madpo_tensor seg, tok_seg; /* packed attention */
    int64_t n_seg;
    /* keys and values to keep: cache[slot[i], pos[i]] = k[token[i]]; n_store = 0: none */
    int64_t n_store;
    madpo_tensor store_token, store_slot, store_pos;
    /* decoding: attention of T new tokens against the cache instead */
    bool decode;
    madpo_tensor slot, len;
} madpo__pass;

/* Generation state; see generate.c. */
typedef struct madpo__gen {
    int64_t slots, len;     /* sequences, positions of each */
    madpo_tensor *k, *v;    /* [L] owned: caches [slots,len,K,D] */
    madpo_tensor h, logits; /* [slots,C], [slots,V] */
    madpo_tensor step;      /* i32 [8 slots]: one step's integers */
    madpo_tensor store;     /* i32 [3, slots len]: what a prefill keeps */
    int32_t *host;          /* staging for step and store, and what comes back */
    int32_t *live;          /* [slots] slots still going, ascending */
    int32_t *filled, *last; /* [slots] positions filled, last token, of each slot */
    madpo_batch prefill;    /* arrays owned */
} madpo__gen;

typedef enum madpo__done { MADPO__DONE_NONE, MADPO__DONE_LOGPS, MADPO__DONE_REWARDS } madpo__done;

struct madpo_model {
    madpo_device *dev; /* borrowed */
    madpo_model_config config;
    madpo_model_options options;
    madpo_memory_plan plan;
    madpo_slab *weight_slab, *frozen_slab, *grad_slab, *act_slab, *kv_slab, *packed_slab;
    char *source_dir; /* where the base was loaded from, or NULL; owned */

    /* What is trained (or, where nothing is frozen, all): one tensor; the others lie in frozen_slab
     * one by one. */
    madpo_tensor weights, grads;
    int64_t n_weights, n_decay; /* elements, alignment included */
    madpo_model_tensor *tensor; /* [n_tensors] the weight table */
    size_t n_tensors;
    struct madpo__weight_info *info; /* [n_tensors] where each row's views go (weights.c) */
    madpo__weights w, g, p;          /* weights, gradients, packed copies */
    madpo__adapter *adapter;         /* [n_adapters] owned */
    int n_adapters;
    bool trains_base;  /* gradients of the base's own weights */
    bool trains_score; /* of the reward head */
    uint32_t *trained; /* [L] owned: bit s: an adapter at site s is trained */
    int32_t lowest;    /* first layer with anything to train; L: none */

    int64_t rows;      /* T the activations are planned for */
    int64_t positions; /* rows of the RoPE tables */
    madpo__acts *acts; /* [L] owned */
    madpo__act_grads d;
    madpo_tensor x_out, mu_final, r_final, hidden; /* [T,C], [T] twice, [T,C] */
    madpo_tensor tmp;    /* [T,C] a block's output on its way to the residual stream */
    madpo_tensor out;    /* [max(3 R, S)] log-probs, log-sum-exps, largest logits; rewards */
    madpo_tensor logits; /* [R,V] kept for the backward pass, or none */
    madpo_tensor expect; /* [R,C] what a frozen head keeps for the backward pass, or none */
    madpo_tensor lora_u, lora_du, lora_x; /* [T,max r] twice, [T,max in] scratch of adapters */
    madpo_tensor rope_full, rope_local;   /* [positions, rotary/2, 2] */
    madpo_tensor batch_ints;
    int32_t *batch_host; /* staging for batch_ints */
    float *out_host;
    madpo__device_batch batch;
    madpo__gen gen;

    bool pass_train; /* madpo_model_set_pass */
    uint64_t pass_seed, pass_counter;
    bool timed; /* madpo_model_set_timed */
    madpo_model_times times;
    bool has_expect; /* the last forward pass filled `expect` */
    bool use_packed; /* this provider gains from packed copies, and there is room for them */
    bool packed_stale;
    bool grads_pending; /* the next backward pass overwrites the gradients instead of adding to them
                         */
    madpo__done done;   /* what the saved activations belong to */
};

/* weights.c: fill the table, sizes and n_weights; no device call. */
madpo_status madpo__weights_layout(madpo_model *m, madpo_error *err) MADPO_MUST_CHECK;
/* Plan the tensors that lie apart, in frozen_slab. */
madpo_status madpo__weights_plan(madpo_model *m, madpo_error *err) MADPO_MUST_CHECK;
/* Views into the slabs, once they exist. */
void madpo__weights_bind(madpo_model *m);
/* How a tensor starts out: standard deviation of a normal, or a constant when it is 0. */
void madpo__weight_start(const madpo_model *m, size_t i, double *std, double *constant);
/* Shape of the file's tensor that row i is (a part of). */
void madpo__weight_file_shape(const madpo_model *m, size_t i, int *n_dims, int64_t shape[2]);
/* Row of a fused tensor's (H + 2 K) D rows where row `row` of its q, k or v (part 0, 1, 2) lies. */
int64_t madpo__fused_row(const madpo_model_config *config, madpo_layout layout, int part,
                         int64_t row);
/* Element of the file's tensor where element (row, col) of tensor i lies. */
int64_t madpo__weight_file_at(const madpo_model *m, size_t i, int64_t row, int64_t col);

/* lora.c: copy the adapters' shapes and see what is trained; before the weights' layout. */
madpo_status madpo__adapters_begin(madpo_model *m, madpo_error *err) MADPO_MUST_CHECK;
/* Sizes and places of their weights; behind it. */
madpo_status madpo__adapters_plan(madpo_model *m, madpo_error *err) MADPO_MUST_CHECK;
void madpo__adapters_bind(madpo_model *m);
void madpo__adapters_dispose(madpo_model *m);
/* Adapter i at a site, NULL where it has none. */
madpo__lora *madpo__adapter_site(const madpo_model *m, int i, int32_t layer, madpo_site site);
/* Largest rank, and largest input of a site that has an adapter with dropout; 0 if there is none.
 */
int32_t madpo__adapters_max_rank(const madpo_model *m);
int64_t madpo__adapters_dropout_in(const madpo_model *m);
/* y_p [T,N_p] += s dropout(x) A^T B_p^T of every enabled adapter at a site whose output is in n_y
 * parts (1, or q, k and v of QKV). x [T,in]. */
typedef struct madpo__site_io {
    madpo_site site;
    madpo_tensor x;
    int n_y;
    madpo_tensor y[3]; /* outputs; their gradients in the backward pass */
    madpo_tensor dx;   /* backward: += , none where nothing below needs it */
} madpo__site_io;
madpo_status madpo__lora_fwd(madpo_model *m, int32_t layer, int64_t T, const madpo__site_io *io,
                             madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo__lora_bwd(madpo_model *m, int32_t layer, int64_t T, const madpo__site_io *io,
                             bool add, madpo_error *err) MADPO_MUST_CHECK;
int64_t madpo__lora_workspace(const madpo_model *m);
/* Module path of a site: "model.layers.3.self_attn.q_proj". */
void madpo__site_path(char *out, size_t size, const madpo_model_config *config, int32_t layer,
                      madpo_site site);

/* io.c, adapter_io.c: n elements of any storage type from / to host f32. */
madpo_status madpo__tensor_set(madpo_model *m, madpo_tensor t, const float *x, int64_t n,
                               madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo__tensor_get(madpo_model *m, madpo_tensor t, float *x, int64_t n,
                               madpo_error *err) MADPO_MUST_CHECK;

/* init.c: the generator's stream of a tensor's name; one tensor of the table. */
uint64_t madpo__name_stream(const char *name);
madpo_status madpo__init_tensor(madpo_model *m, size_t i, uint64_t seed,
                                madpo_error *err) MADPO_MUST_CHECK;

/* plan.c: plan every slab and fill m->plan; no device call. */
madpo_status madpo__plan_all(madpo_model *m, madpo_error *err) MADPO_MUST_CHECK;
/* Let layers share what they may share, once the slabs exist. */
void madpo__plan_bind(madpo_model *m);
/* Workspace floats of the largest need. */
int64_t madpo__plan_workspace(const madpo_model *m);

/* upload.c */
int64_t madpo__batch_ints(const madpo_model_options *options, int64_t rows);
madpo_status madpo__batch_upload(madpo_model *m, const madpo_batch *batch,
                                 madpo_error *err) MADPO_MUST_CHECK;

/* forward.c */
madpo_status madpo__forward(madpo_model *m, const madpo__pass *pass,
                            madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo__pack_weights(madpo_model *m, madpo_error *err) MADPO_MUST_CHECK;
/* y [M,N] = x [M,K] W^T; `packed` (may be none) is W packed. */
madpo_status madpo__linear(madpo_model *m, madpo_tensor y, madpo_tensor x, madpo_tensor w,
                           madpo_tensor packed, const int64_t mnk[3],
                           madpo_error *err) MADPO_MUST_CHECK;
/* One layer from its x to the next one's; a backward pass that recomputes calls it again. */
madpo_status madpo__forward_layer(madpo_model *m, int32_t l, const madpo__pass *pass,
                                  madpo_error *err) MADPO_MUST_CHECK;
/* The pass of the batch uploaded last. */
madpo__pass madpo__batch_pass(const madpo_model *m, int64_t T, int64_t n_seg);
/* Storage of the base's matrices. */
madpo_dtype madpo__base_dtype(const madpo_model *m);
/* The head's tensors for R rows of the batch uploaded last. */
madpo_head_io madpo__head_io(const madpo_model *m, int64_t R);
float madpo__attn_scale(const madpo_model_config *config);
/* The RoPE table that layer l turns by. */
madpo_tensor madpo__layer_rope(const madpo_model *m, int32_t l);

/* generate.c */
madpo_status madpo__gen_init(madpo_model *m, madpo_error *err) MADPO_MUST_CHECK;
void madpo__gen_dispose(madpo_model *m);

#endif
