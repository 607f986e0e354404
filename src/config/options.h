#ifndef MADPO_CONFIG_OPTIONS_H
#define MADPO_CONFIG_OPTIONS_H
/* The resolved configuration: one plain struct, every field one row of the table in config/table.c
 * (key, type, offset, range, unit, default, help), which drives file, --set, --help-keys and
 * validation. Strings are owned by the struct. Included by train and cli; other modules get their
 * own option structs filled from it.
 */
#include "madpo/error.h"

/* Optimiser and schedule of one training stage (sft, reward, policy). */
typedef struct madpo_stage_options {
    double lr;                                    /* peak learning rate */
    char *schedule;                               /* "cosine" | "linear" | "constant" */
    double warmup;                                /* fraction of all steps */
    double beta1, beta2, eps, weight_decay, clip; /* clip: global norm, 0 = none */
    double epochs;      /* passes over the training data, fractions allowed */
    int64_t max_steps;  /* 0 = as many as epochs give */
    int64_t batch;      /* sequences (sft) or pairs per optimiser step */
    int64_t eval_every; /* steps, 0 = once per epoch */
    int64_t patience;   /* evaluations without improvement before stopping, 0 = never stop early */
    int64_t checkpoint_every; /* steps, 0 = only at the end and on request */
} madpo_stage_options;

typedef struct madpo_options {
    struct {
        int64_t seed;
        char *stages;       /* comma list, in order: sft,generate,reward,margins,policy,evaluate */
        int64_t log_every;  /* steps between step events */
        int64_t log_tokens; /* pairs whose tokens are logged at evaluations, 0 = none */
        int64_t keep_checkpoints;
        int64_t max_bad_steps; /* consecutive non-finite steps before the stage fails */
    } run;
    struct {
        char *select;       /* as --device */
        int64_t work_group; /* 0 = automatic */
        bool profile;
        int64_t memory_mb; /* limit, 0 = the device's */
        char *matmul;      /* "auto" | "panel" | "tile" | "clblast" */
        char *cache;       /* "auto" = the user's cache folder, "" = none, else a folder */
    } device;
    struct {
        char *source;  /* "auto" | "synthetic" | "reviews" | "pairs": auto takes what is given */
        char *reviews; /* CSV file, "" = none */
        char *pairs;   /* JSON lines, JSON array or CSV file, "" = none */
        char *margins; /* JSON lines {"id","h"}, "pairs" = the pairs' own, "" = automatic */
        char *fields;  /* "part=field,..." for the pairs' own names, "" = known names */
        char *chat;    /* "auto" | "none" | "gemma" | "llama3" | "chatml" */
        char *system;  /* "auto" = that of the tokenizer's template, "" = none, else the text */
        int64_t label_base;   /* 0, 1, -1 = told by the file */
        int64_t label_seed;   /* 0 = run.seed */
        int64_t synthetic;    /* reviews to generate for the synthetic source */
        int64_t limit;        /* at most so many reviews or pairs, 0 = all */
        double eval_fraction; /* held out from every stage's training */
        int64_t max_prompt;   /* tokens, bos included; 0 = no limit of its own */
        int64_t max_tokens;   /* tokens of prompt + answer */
        char *truncation;     /* "error" | "keep_start" | "keep_end" */
        char *prompt_keep;    /* "end" | "start" */
        char *tokenize;       /* "separate" | "joint" */
        bool truncate_prompt, drop_ties, skip_bad_lines;
        bool add_eos; /* given answers end with the end token */
    } data;
    struct {
        char *path; /* a tokenizer.json, "" = train one */
        int64_t vocab;
        int64_t train_reviews; /* texts to train on, 0 = all */
    } tokenizer;
    struct {
        char *path;    /* Hugging Face directory to start from, "" = random weights */
        char *adapter; /* PEFT folder on top of it, "" = none */
        char *storage; /* "auto" | "f32" | "bf16" | "f16": matrices in device memory */
        char *arch;    /* "llama" | "gemma3" | "qwen2" | "qwen3" | "gpt2" | "gpt_neox" */
        int64_t hidden, layers, heads, kv_heads, head_dim,
            ffn; /* head_dim 0 = hidden/heads, ffn 0 = from hidden */
        int64_t window, window_pattern;
        double rope_theta, rope_theta_local, norm_eps;
        bool tied;
        bool recompute; /* activations again in the backward pass instead of keeping them */
    } model;
    struct {
        int64_t rank; /* 0 = train the whole model */
        double alpha; /* scale alpha / rank, or alpha / sqrt(rank) */
        bool rslora;
        double dropout;
        char *targets; /* names | "all-linear" | "" | regular expression */
    } lora;
    struct {
        int64_t tokens; /* token budget of a micro-batch */
    } batch;
    struct {
        madpo_stage_options o;
        int64_t examples; /* reviews used, 0 = all */
        char *reviews;    /* "all" | "positive" | "negative" */
    } sft;
    struct {
        int64_t prompts;       /* prompts to draw pairs from */
        char *reviews;         /* "all" | "positive" | "negative": whose first tokens they are */
        int64_t prompt_tokens; /* first tokens of a review, bos included */
        int64_t max_new;       /* new tokens of a sample */
        double temperature, top_p;
        int64_t top_k;
        int64_t batch; /* sequences generated at once */
    } generate;
    struct {
        int64_t bits, epochs;
        double held_out;
    } scorer;
    struct {
        madpo_stage_options o;
        char *init;       /* "sft" | "base" | "random": where the backbone starts */
        double center;    /* centring coefficient */
        int64_t folds;    /* cross-fitting, 1 = none */
        int64_t ensemble; /* models (of a fold) that differ by their seeds */
        bool calibrate;   /* divide margins by a temperature */
    } reward;
    struct {
        madpo_stage_options o;
        char *objective; /* a name of objective/list.h */
        double beta, c_max, c_min /* < 0 = 1/c_max */, lambda, tau;
        char *variant;                        /* of MADPO's weight, a name of objective/list.h */
        double max_weight;                    /* variant "uncapped" */
        char *margin;                         /* "reward" | "scores": what h is */
        bool average;                         /* log-probs per token */
        double label_smoothing, alpha, gamma; /* < 0 = the objective's usual */
        double soft_scale;
        char *beta_mode;       /* "authors" | "notebook" */
        double keep, momentum; /* beta-dpo's filter; running values */
        int64_t kl_pairs;      /* held-out pairs whose KL is measured, 0 = none */
        char *reference;       /* reference.jsonl of another run, "" = computed here */
    } policy;
    struct {
        int64_t prompts; /* held-out prompts, one sample each */
        double temperature, top_p;
        int64_t top_k;
        int64_t samples_shown; /* sample texts kept in the run and printed */
        char *from;   /* JSON lines with a "prompt" each, "" = the run's held-out prompts */
        char *scorer; /* a run's scorer.bin, "" = the run's own */
    } evaluate;
    struct {                       /* madpo experiment; lists are separated by commas */
        char *tiers;               /* of high, medium, low */
        char *methods;             /* objective[@key=value...] */
        char *seeds;               /* of the policies */
        char *sweep_c, *sweep_tau; /* MADPO with other c_max (c_min = 1/c_max), other tau */
        bool ablation;             /* MADPO's weight for small margins only, for large ones only */
        bool reseed_data;          /* labels and reward models of their own for every seed */
    } experiment;
} madpo_options;

#endif
