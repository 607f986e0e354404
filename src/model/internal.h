#ifndef MADPO_MODEL_INTERNAL_H
#define MADPO_MODEL_INTERNAL_H
/* What a model is inside; private to this folder.
 *
 * weights.c lays the weight table out, plan.c the activations, upload.c brings batches to the
 * device, forward.c and backward.c run the layers, generate.c the KV cache. Letters as in
 * base/batch.h and model/config.h: T tokens, R rows, V, C, L, H, K, D, F.
 */
#include "model/model.h"
#include "ops/head.h"

/* One layer's tensors. The same shape of struct names weights, gradients and packed copies. */
typedef struct madpo__params {
    madpo_tensor attn_norm, q, k, v, o;    /* [C], [H D,C], [K D,C] twice, [C,H D] */
    madpo_tensor q_norm, k_norm;           /* [D]; none without qk_norm */
    madpo_tensor attn_post_norm;           /* [C]; none without post_norms */
    madpo_tensor mlp_norm, gate, up, down; /* [C], [F,C] twice, [C,F] */
    madpo_tensor mlp_post_norm;            /* [C]; none without post_norms */
} madpo__params;

typedef struct madpo__globals {
    madpo_tensor embed;      /* [V,C] */
    madpo_tensor final_norm; /* [C] */
    madpo_tensor head;       /* [V,C]: `embed` itself when tied, none beside a reward head */
    madpo_tensor score;      /* [C], reward head only */
} madpo__globals;

typedef struct madpo__weights {
    madpo__params *layer; /* [L] owned */
    madpo__globals top;
} madpo__weights;

/* One layer's activations. When training every layer has its own; otherwise all layers share one
 * set in which x_mid and the next layer's x are x, n2 is n1, and so on (plan.c). */
typedef struct madpo__acts {
    madpo_tensor x, r1, n1;          /* [T,C] input, [T], [T,C] */
    madpo_tensor q_in, k_in, rq, rk; /* before q/k norm: [T,H,D], [T,K,D], [T,H], [T,K] */
    madpo_tensor q, k, v, o, lse;    /* [T,H,D], [T,K,D] twice, [T,H,D], [T,H] */
    madpo_tensor attn_out, r_attn;   /* before the post norm: [T,C], [T] */
    madpo_tensor x_mid, r2, n2;      /* [T,C], [T], [T,C] */
    madpo_tensor gate, up, y;        /* [T,F] */
    madpo_tensor mlp_out, r_mlp;     /* before the post norm: [T,C], [T] */
} madpo__acts;

/* Gradients of activations, reused by every layer. */
typedef struct madpo__act_grads {
    madpo_tensor dx;              /* [T,C] of the residual stream */
    madpo_tensor dn;              /* [T,C] of a norm's output, a block's output */
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
    madpo_slab *weight_slab, *grad_slab, *act_slab, *kv_slab, *packed_slab;

    madpo_tensor weights, grads; /* whole slabs */
    int64_t n_weights, n_decay;  /* elements, alignment included */
    madpo_model_tensor *tensor;  /* [n_tensors] the weight table */
    size_t n_tensors;
    struct madpo__weight_info *info; /* [n_tensors] where each row's views go (weights.c) */
    madpo__weights w, g, p;          /* weights, gradients, packed copies */

    int64_t rows;      /* T the activations are planned for */
    int64_t positions; /* rows of the RoPE tables */
    madpo__acts *acts; /* [L] owned */
    madpo__act_grads d;
    madpo_tensor x_out, r_final, hidden; /* [T,C], [T], [T,C] */
    madpo_tensor tmp;    /* [T,C] a block's output on its way to the residual stream */
    madpo_tensor out;    /* [max(3 R, S)] log-probs, log-sum-exps, largest logits; rewards */
    madpo_tensor logits; /* [R,V] kept for the backward pass, or none */
    madpo_tensor rope_full, rope_local; /* [positions, D/2, 2] */
    madpo_tensor batch_ints;
    int32_t *batch_host; /* staging for batch_ints */
    float *out_host;
    madpo__device_batch batch;
    madpo__gen gen;

    bool use_packed; /* this provider gains from packed copies, and there is room for them */
    bool packed_stale;
    bool grads_pending; /* the next backward pass overwrites the gradients instead of adding to them
                         */
    madpo__done done;   /* what the saved activations belong to */
};

/* weights.c: fill the table, sizes and n_weights; no device call. */
madpo_status madpo__weights_layout(madpo_model *m, madpo_error *err) MADPO_MUST_CHECK;
/* Views into the slabs, once they exist. */
void madpo__weights_bind(madpo_model *m);
/* How a tensor starts out: standard deviation of a normal, or a constant when it is 0. */
void madpo__weight_start(const madpo_model *m, size_t i, double *std, double *constant);

/* init.c: one tensor of the table. */
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
/* The head's tensors for R rows of the batch uploaded last. */
madpo_head_io madpo__head_io(const madpo_model *m, int64_t R);
float madpo__attn_scale(const madpo_model_config *config);

/* generate.c */
madpo_status madpo__gen_init(madpo_model *m, madpo_error *err) MADPO_MUST_CHECK;
void madpo__gen_dispose(madpo_model *m);

#endif
