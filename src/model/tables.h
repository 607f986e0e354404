#ifndef MADPO_MODEL_TABLES_H
#define MADPO_MODEL_TABLES_H
/* The tables a model's weights and adapters are laid out by; private to this folder. arch.c fills
 * the rows, weights.c and lora.c read them. Letters as in base/batch.h and model/config.h. */
#include "model/model.h"

/* One layer's tensors; the same shape of struct names weights, gradients and packed copies. What an
 * architecture lacks is none. */
typedef struct madpo__params {
    madpo_tensor attn_norm, attn_norm_bias; /* [C] */
    madpo_tensor q, k, v, o;                /* [H D,C], [K D,C] twice, [C,H D] */
    madpo_tensor q_bias, k_bias, v_bias, o_bias;
    madpo_tensor q_norm, k_norm;          /* [D] */
    madpo_tensor attn_post_norm;          /* [C] */
    madpo_tensor mlp_norm, mlp_norm_bias; /* [C] */
    madpo_tensor gate, up, down;          /* [F,C] twice, [C,F] */
    madpo_tensor gate_bias, up_bias, down_bias;
    madpo_tensor mlp_post_norm; /* [C] */
} madpo__params;

typedef struct madpo__globals {
    madpo_tensor embed;      /* [V,C] */
    madpo_tensor position;   /* [max_positions,C], learned positions only */
    madpo_tensor final_norm; /* [C] */
    madpo_tensor final_norm_bias;
    madpo_tensor head;  /* [V,C]: `embed` itself when tied, none beside a reward head */
    madpo_tensor score; /* [C], reward head only */
} madpo__globals;

typedef struct madpo__weights {
    madpo__params *layer; /* [L] owned */
    madpo__globals top;
} madpo__weights;

typedef enum madpo__dim {
    MADPO__DIM_NONE,
    MADPO__DIM_C,
    MADPO__DIM_HD,
    MADPO__DIM_KD,
    MADPO__DIM_D,
    MADPO__DIM_F,
    MADPO__DIM_V,
    MADPO__DIM_P, /* max_positions */
    MADPO__DIM_ONE
} madpo__dim;

/* When a row of an architecture's table is there at all. */
typedef enum madpo__when {
    MADPO__ALWAYS,
    MADPO__IF_QK_NORM,
    MADPO__IF_QKV_BIAS,
    MADPO__IF_O_BIAS,
    MADPO__IF_MLP_BIAS,
    MADPO__IF_OWN_HEAD,
    MADPO__IF_REWARD
} madpo__when;

typedef struct madpo__weight_row {
    const char *name; /* in the file, behind prefix, layer and number (the heads': whole); NULL
                         ends a table */
    bool in_layer;
    bool whole_name;
    size_t offset;         /* in madpo__params or madpo__globals */
    madpo__dim rows, cols; /* cols NONE: a vector */
    madpo__when when;
    madpo_layout layout;
    int part;
    bool residual; /* writes into the residual stream: starts smaller */
} madpo__weight_row;

/* One adapter at one site of one layer; r = 0: none there. */
typedef struct madpo__lora {
    int32_t r;
    float scale;
    madpo_tensor a, b;   /* [r,in], [out,r] f32; a fused site's b has q, k, v rows in this order */
    madpo_tensor da, db; /* none when frozen */
} madpo__lora;

typedef struct madpo__adapter {
    madpo_adapter_config config; /* owned */
    bool train, enabled;
    madpo__lora *at; /* [L][MADPO_N_SITES] owned */
} madpo__adapter;

#endif
