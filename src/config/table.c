/* Every option: key, field, default, range, unit, help; and finding them by name. */
#include "config/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "objective/list.h"

#define NO_END INT64_MAX

#define INT(key, field, standard, low, high, unit_, help_)                                         \
    {                                                                                              \
        .name = key, .offset = offsetof(madpo_options, field),                                     \
        .initial = {.type = MADPO__TYPE_INT, .i = standard}, .int_low = low, .int_high = high,     \
        .unit = unit_, .help = help_                                                               \
    }
#define REAL(key, field, standard, low, high, open_, unit_, help_)                                 \
    {                                                                                              \
        .name = key, .offset = offsetof(madpo_options, field),                                     \
        .initial = {.type = MADPO__TYPE_REAL, .d = standard}, .real_low = low, .real_high = high,  \
        .open = open_, .unit = unit_, .help = help_                                                \
    }
#define BOOL(key, field, standard, help_)                                                          \
    {                                                                                              \
        .name = key, .offset = offsetof(madpo_options, field),                                     \
        .initial = {.type = MADPO__TYPE_BOOL, .b = standard}, .unit = "", .help = help_            \
    }
#define STRING(key, field, standard, unit_, help_)                                                 \
    {                                                                                              \
        .name = key, .offset = offsetof(madpo_options, field),                                     \
        .initial = {.type = MADPO__TYPE_STRING, .s = standard}, .unit = unit_, .help = help_       \
    }
#define CHOICE(key, field, standard, choices_, help_)                                              \
    {                                                                                              \
        .name = key, .offset = offsetof(madpo_options, field),                                     \
        .initial = {.type = MADPO__TYPE_CHOICE, .s = standard}, .choices = choices_, .unit = "",   \
        .help = help_                                                                              \
    }

/* The rows of a madpo_stage_options: the stages differ in these four defaults only. */
#define STAGE(stage, lr_, epochs_, batch_, patience_, batch_unit)                                  \
    REAL(#stage ".lr", stage.o.lr, lr_, 0, 10, MADPO__CLOSED, "", "Peak learning rate of AdamW"),  \
        CHOICE(#stage ".schedule", stage.o.schedule, "cosine", "cosine, linear, constant",         \
               "How the learning rate falls after the warm-up: to 0, to 0, or not at all"),        \
        REAL(#stage ".warmup", stage.o.warmup, 0.03, 0, 1, MADPO__CLOSED, "fraction of the steps", \
             "Share of all steps in which the learning rate rises to its peak"),                   \
        REAL(#stage ".beta1", stage.o.beta1, 0.9, 0, 1, MADPO__OPEN_HIGH, "",                      \
             "AdamW: decay of the first moment"),                                                  \
        REAL(#stage ".beta2", stage.o.beta2, 0.95, 0, 1, MADPO__OPEN_HIGH, "",                     \
             "AdamW: decay of the second moment"),                                                 \
        REAL(#stage ".eps", stage.o.eps, 1e-8, 0, 1, MADPO__OPEN_LOW, "",                          \
             "AdamW: added to the root of the second moment"),                                     \
        REAL(#stage ".weight_decay", stage.o.weight_decay, 0.01, 0, 10, MADPO__CLOSED, "",         \
             "AdamW: decoupled weight decay"),                                                     \
        REAL(#stage ".clip", stage.o.clip, 1.0, 0, INFINITY, MADPO__CLOSED, "",                    \
             "Largest global gradient norm, longer ones are scaled down to it; 0 = no clipping"),  \
        REAL(#stage ".epochs", stage.o.epochs, epochs_, 0, 100000, MADPO__OPEN_LOW, "passes",      \
             "Passes over the training data, fractions allowed"),                                  \
        INT(#stage ".max_steps", stage.o.max_steps, 0, 0, NO_END, "steps",                         \
            "Stop after so many optimiser steps; 0 = as many as the epochs give"),                 \
        INT(#stage ".batch", stage.o.batch, batch_, 1, 1000000, batch_unit,                        \
            "Examples of one optimiser step (spread over as many micro-batches as it takes)"),     \
        INT(#stage ".eval_every", stage.o.eval_every, 0, 0, NO_END, "steps",                       \
            "Steps between evaluations on held-out data; 0 = once per epoch"),                     \
        INT(#stage ".patience", stage.o.patience, patience_, 0, 1000000, "evaluations",            \
            "Evaluations without improvement before the stage stops early; 0 = never"),            \
        INT(#stage ".checkpoint_every", stage.o.checkpoint_every, 200, 0, NO_END, "steps",         \
            "Steps between checkpoints; 0 = only at the end and on request")

/* The three keys of a sampling stage. */
#define SAMPLING(stage)                                                                            \
    REAL(#stage ".temperature", stage.temperature, 1.0, 0, 100, MADPO__CLOSED, "",                 \
         "Sampling temperature; 0 = always the likeliest token"),                                  \
        REAL(#stage ".top_p", stage.top_p, 1.0, 0, 1, MADPO__OPEN_LOW, "probability",              \
             "Draw from the likeliest tokens that together reach this probability; 1 = from all"), \
        INT(#stage ".top_k", stage.top_k, 0, 0, 1000000, "tokens",                                 \
            "Draw from so many of the likeliest tokens; 0 = from all")

/* Rows of a section lie together; the resolved file and the help keep this order. */
const madpo__key madpo__keys[] = {
    INT("run.seed", run.seed, 42, 0, NO_END, "", "Seed of everything that is drawn at random"),
    STRING("run.stages", run.stages, "sft,generate,reward,margins,policy,evaluate", "",
           "Stages to run, separated by commas, in this order; any may be left out"),
    INT("run.log_every", run.log_every, 10, 1, 1000000, "steps", "Steps between two step events"),
    INT("run.log_tokens", run.log_tokens, 32, 0, 1000000, "pairs",
        "Pairs, held-out ones first, whose tokens' log-ratios are kept at every evaluation of the "
        "policy stage (tokens.jsonl); 0 = none"),
    INT("run.keep_checkpoints", run.keep_checkpoints, 2, 1, 10000, "checkpoints",
        "Checkpoints kept of each stage, the newest ones"),
    INT("run.max_bad_steps", run.max_bad_steps, 5, 1, 1000000, "steps",
        "Steps in a row with a NaN or infinite gradient before the stage fails"),

    STRING("device.select", device.select, "auto", "",
           "OpenCL device: auto, gpu, cpu, an index of `madpo devices`, or part of a name"),
    INT("device.work_group", device.work_group, 0, 0, 4096, "work-items",
        "Work-group width of the row kernels; 0 = chosen by the kind of device"),
    BOOL("device.profile", device.profile, false, "Time every kernel by its events"),
    INT("device.memory_mb", device.memory_mb, 0, 0, 1000000000, "MB",
        "Device memory to plan with; 0 = what the device reports"),
    CHOICE(
        "device.matmul", device.matmul, "auto", "auto, panel, tile, clblast",
        "Matrix products: our kernels for processors (panel) or for GPUs (tile), CLBlast, or what "
        "suits the device"),
    STRING("device.cache", device.cache, "auto", "folder",
           "Compiled kernels are kept here: auto = the user's cache folder, empty = nowhere"),

    CHOICE("data.source", data.source, "auto", "auto, synthetic, reviews, pairs",
           "Training data; auto takes data.pairs or data.reviews if set, else generated reviews"),
    STRING("data.reviews", data.reviews, "", "file",
           "CSV of labelled reviews (columns review, sentiment), may be gz; empty = none"),
    STRING(
        "data.pairs", data.pairs, "", "file",
        "Preference pairs (prompt, chosen, rejected) as JSON lines, JSON array or CSV, may be gz"),
    STRING(
        "data.margins", data.margins, "", "file",
        "Margins h (chosen minus rejected) from outside, JSON lines {\"id\", \"h\"}, or \"pairs\" "
        "= those of the pairs themselves (field margin); empty = the reward model's, or those of "
        "the pairs where no reward model is trained"),
    STRING("data.fields", data.fields, "", "part=field,...",
           "Own names of the pairs' fields: chosen=good,... or first=a,second=b,label=better"),
    CHOICE("data.chat", data.chat, "auto", "auto, none, gemma, llama3, chatml",
           "Layout of chat messages in the pairs; auto = that of the tokenizer's template"),
    STRING("data.system", data.system, "auto", "text",
           "Put in front of chats that have no system message; auto = what the tokenizer's does"),
    INT("data.label_base", data.label_base, -1, -1, 1, "",
        "The label that names the first of two answers, 0 or 1; -1 = told by the labels there are"),
    INT("data.label_seed", data.label_seed, 0, 0, NO_END, "",
        "Seed of the labels drawn from scores where pairs have no label; 0 = run.seed"),
    BOOL("data.add_eos", data.add_eos, true,
         "Given answers end with the end token; false = they may have been cut anywhere"),
    BOOL("data.drop_ties", data.drop_ties, true,
         "Leave out pairs whose answers are the same or whose label is tie, and count them"),
    INT("data.synthetic", data.synthetic, 4000, 20, 100000000, "reviews",
        "Reviews to generate for the synthetic source"),
    INT("data.limit", data.limit, 0, 0, NO_END, "reviews or pairs",
        "Use at most so many of the file; 0 = all"),
    REAL("data.eval_fraction", data.eval_fraction, 0.1, 0, 1,
         (madpo__open)(MADPO__OPEN_LOW | MADPO__OPEN_HIGH), "fraction",
         "Share of the data held out from the training of every stage"),
    INT("data.max_prompt", data.max_prompt, 20, 0, 1000000, "tokens",
        "Longest prompt, the begin token included; 0 = no limit but data.max_tokens"),
    INT("data.max_tokens", data.max_tokens, 96, 2, 1000000, "tokens",
        "Longest prompt and answer together; also the positions the model is made for"),
    BOOL("data.truncate_prompt", data.truncate_prompt, false,
         "Cut longer prompts instead of refusing them, where data.truncation is error"),
    CHOICE("data.truncation", data.truncation, "error", "error, keep_start, keep_end",
           "Given pairs that are too long: refused for the prompt, or cut at the end or in front"),
    CHOICE("data.prompt_keep", data.prompt_keep, "end", "end, start",
           "What stays of a prompt that is cut to data.max_prompt"),
    CHOICE("data.tokenize", data.tokenize, "separate", "separate, joint",
           "Given pairs: prompt and answers one by one, or prompt and answer in one piece"),
    BOOL("data.skip_bad_lines", data.skip_bad_lines, false,
         "Pass over damaged lines of the data file and count them instead of stopping"),

    STRING(
        "tokenizer.path", tokenizer.path, "", "file",
        "A tokenizer.json to use; empty = that of model.path, or else one trained on the reviews "
        "or pairs"),
    INT("tokenizer.vocab", tokenizer.vocab, 2048, 259, 10000000, "tokens",
        "Size of a trained vocabulary; 256 bytes and 3 special tokens are always in it"),
    INT("tokenizer.train_reviews", tokenizer.train_reviews, 0, 0, NO_END, "texts",
        "Texts to train the tokenizer on; 0 = all of the training part"),

    STRING("model.path", model.path, "", "folder",
           "Hugging Face model to start from (config.json, model.safetensors or shards, "
           "tokenizer.json); empty = random weights of the sizes below, which are not looked at "
           "with a model"),
    STRING("model.adapter", model.adapter, "", "folder",
           "PEFT LoRA adapter to put on model.path: frozen, and part of the model that every stage "
           "starts from and of every result; needs lora.rank"),
    CHOICE(
        "model.storage", model.storage, "auto", "auto, f32, bf16, f16",
        "How matrices that are not trained lie in device memory (arithmetic is f32); auto = as in "
        "the model's files"),
    CHOICE("model.arch", model.arch, "llama", "llama, gemma3, qwen2, qwen3, gpt2, gpt_neox",
           "Architecture of a model with random weights"),
    INT("model.hidden", model.hidden, 128, 8, 65536, "numbers", "Width of the residual stream"),
    INT("model.layers", model.layers, 4, 1, 1000, "layers", "Decoder layers"),
    INT("model.heads", model.heads, 4, 1, 1024, "heads", "Query heads"),
    INT("model.kv_heads", model.kv_heads, 2, 1, 1024, "heads",
        "Key and value heads; divides model.heads"),
    INT("model.head_dim", model.head_dim, 0, 0, 1024, "numbers",
        "Width of a head, even; 0 = model.hidden / model.heads"),
    INT("model.ffn", model.ffn, 0, 0, 1000000, "numbers",
        "Inner width of the gated MLP; 0 = derived from model.hidden"),
    INT("model.window", model.window, 0, 0, 1000000, "tokens",
        "Keys a sliding-window layer sees; 0 = no sliding layers"),
    INT("model.window_pattern", model.window_pattern, 0, 0, 1000, "layers",
        "Every so many layers one sees everything and the others slide; 0 = all see everything"),
    REAL("model.rope_theta", model.rope_theta, 10000, 1, 1e12, MADPO__CLOSED, "",
         "Base of the rotary positions"),
    REAL("model.rope_theta_local", model.rope_theta_local, 10000, 1, 1e12, MADPO__CLOSED, "",
         "Base of the rotary positions in sliding layers (gemma3)"),
    REAL("model.norm_eps", model.norm_eps, 1e-5, 0, 0.1, MADPO__OPEN_LOW, "",
         "Added to the mean square in RMSNorm"),
    BOOL("model.tied", model.tied, true, "Use the embedding matrix as the output head, too"),
    BOOL("model.recompute", model.recompute, false,
         "Keep only each layer's input while training and compute the rest again in the backward "
         "pass: much less memory for a third more work, and the same result"),

    INT("lora.rank", lora.rank, 0, 0, 65536, "numbers",
        "Train low-rank adapters of this rank on a frozen model.path, one for each training stage; "
        "results are PEFT folders; 0 = train the whole model"),
    REAL("lora.alpha", lora.alpha, 32, 0, 1e6, MADPO__OPEN_LOW, "",
         "Scale of an adapter: what it adds is multiplied by lora.alpha / lora.rank"),
    BOOL("lora.rslora", lora.rslora, false,
         "Multiply by lora.alpha / sqrt(lora.rank) instead (rank-stabilised LoRA)"),
    REAL("lora.dropout", lora.dropout, 0, 0, 1, MADPO__OPEN_HIGH, "probability",
         "Share of an adapter's inputs set to 0 while it is trained"),
    STRING("lora.targets", lora.targets, "", "modules",
           "What gets an adapter: names such as q_proj,k_proj,v_proj,o_proj, all-linear, or a "
           "regular expression of whole module paths; empty = PEFT's choice for the architecture"),

    INT("batch.tokens", batch.tokens, 4096, 8, 100000000, "tokens",
        "Tokens of a micro-batch: decides the memory needed, not the result"),

    STAGE(sft, 1e-3, 2, 32, 0, "sequences"),
    INT("sft.examples", sft.examples, 0, 0, NO_END, "reviews", "Reviews to train on; 0 = all"),
    CHOICE("sft.reviews", sft.reviews, "all", "all, positive, negative",
           "Reviews to train on, by their label"),

    INT("generate.prompts", generate.prompts, 1000, 1, 100000000, "prompts",
        "Prompts to draw pairs from, two samples each"),
    CHOICE("generate.reviews", generate.reviews, "all", "all, positive, negative",
           "Reviews whose first tokens make prompts, by their label, here and in evaluate"),
    INT("generate.prompt_tokens", generate.prompt_tokens, 8, 1, 1000000, "tokens",
        "First tokens of a review that make a prompt, the begin token included"),
    INT("generate.max_new", generate.max_new, 64, 1, 1000000, "tokens",
        "Longest sample, here and in the evaluate stage"),
    SAMPLING(generate),
    INT("generate.batch", generate.batch, 128, 1, 1000000, "sequences",
        "Sequences sampled at once: decides memory and speed, not the result"),

    INT("scorer.bits", scorer.bits, 18, 10, 24, "bits",
        "The scorer hashes words and pairs of words into 2^bits features"),
    INT("scorer.epochs", scorer.epochs, 8, 1, 10000, "passes",
        "Passes of the scorer over the labelled reviews"),
    REAL("scorer.held_out", scorer.held_out, 0.1, 0, 0.9, MADPO__OPEN_LOW, "fraction",
         "Share of the labelled reviews the scorer is tested on"),

    STAGE(reward, 3e-4, 3, 32, 3, "pairs"),
    CHOICE(
        "reward.init", reward.init, "sft", "sft, base, random",
        "Where the reward model's backbone starts: at what the sft stage made, at model.path as it "
        "is, or at random weights"),
    REAL("reward.center", reward.center, 0, 0, 1000, MADPO__CLOSED, "",
         "Weight of (r_chosen + r_rejected)^2, which keeps the rewards near 0"),
    INT("reward.folds", reward.folds, 1, 1, 100, "folds",
        "Cross-fitting: so many reward models, each trained without its fold of the prompts, whose "
        "margins it then gives; 1 = one model that sees all pairs"),
    INT("reward.ensemble", reward.ensemble, 1, 1, 100, "models",
        "Reward models of different seeds (for each fold); margins are their mean"),
    BOOL("reward.calibrate", reward.calibrate, false,
         "Divide margins by the temperature that fits the labels of the held-out pairs best"),

    STAGE(policy, 1e-4, 2, 32, 0, "pairs"),
    CHOICE("policy.objective", policy.objective, "madpo", MADPO_OBJECTIVE_CHOICES,
           "Objective; `madpo objectives` explains them and the keys each one reads"),
    REAL("policy.beta", policy.beta, 0.1, 0, 1000, MADPO__OPEN_LOW, "",
         "Strength of the pull towards the reference"),
    REAL("policy.c_max", policy.c_max, 2, 1, 1000000, MADPO__CLOSED, "",
         "MADPO: coefficient of pairs without a margin; 1 = exactly DPO"),
    REAL("policy.c_min", policy.c_min, -1, -1, 1, MADPO__OPEN_HIGH, "",
         "MADPO: coefficient of pairs with a very large margin; below 0 = 1/policy.c_max"),
    REAL("policy.lambda", policy.lambda, 1, 0, 1000000, MADPO__OPEN_LOW, "1/reward",
         "MADPO: how fast the coefficient falls around policy.tau"),
    /* ln(.999/.001): the margin of a pair whose label is right 999 times in 1000 */
    REAL("policy.tau", policy.tau, 6.906754778648554, 0, 1000000, MADPO__OPEN_LOW, "reward",
         "MADPO: margin at which the coefficient is 1; weights are 1 at and below -tau"),
    CHOICE("policy.variant", policy.variant, "full", MADPO_WEIGHT_VARIANTS,
           "MADPO: use the weight everywhere, only for |h| < tau, only for |h| >= tau, without the "
           "cap at -tau, or only for -tau < h < 0"),
    REAL("policy.max_weight", policy.max_weight, 10, 0, 1000000, MADPO__OPEN_LOW, "",
         "MADPO: largest weight of the variant without the cap"),
    STRING("policy.reference", policy.reference, "", "file",
           "Log-probs of the reference from an earlier run on the same pairs and model, its "
           "reference.jsonl; empty = compute them"),
    INT("policy.kl_pairs", policy.kl_pairs, 16, 0, 1000000, "pairs",
        "Held-out pairs over whose answers each evaluation measures KL(policy || reference), exact "
        "over the vocabulary; 0 = none"),
    CHOICE("policy.margin", policy.margin, "reward", "reward, scores",
           "Margin h of a pair: the reward model's, or the difference of the pair's true scores"),
    BOOL("policy.average", policy.average, false,
         "Divide log-probs by the answer's tokens; simpo, amapo, alpha-dpo, gamma-po always do"),
    REAL("policy.label_smoothing", policy.label_smoothing, -1, -1, 0.5, MADPO__OPEN_HIGH, "",
         "cdpo, robust, exo: share of labels taken to be wrong; below 0 = the objective's usual"),
    REAL("policy.soft_scale", policy.soft_scale, 1, 0, 1000000, MADPO__CLOSED, "1/reward",
         "soft-dpo: the label is sigma(soft_scale h)"),
    REAL("policy.alpha", policy.alpha, -1, -1, 1000000, MADPO__CLOSED, "",
         "beta-dpo, alpha-dpo, gamma-po: how a step adapts; odpo: scale of the offset; below 0 = "
         "the "
         "objective's usual"),
    REAL("policy.gamma", policy.gamma, -1, -1, 1000000, MADPO__CLOSED, "",
         "simpo, alpha-dpo, gamma-po: target margin (gamma, not gamma/beta); below 0 = the "
         "objective's "
         "usual"),
    CHOICE("policy.beta_mode", policy.beta_mode, "authors", MADPO_BETA_MODES,
           "beta-dpo: as in its authors' code, or as in the notebook of MADPO's repository"),
    REAL("policy.keep", policy.keep, 0.8, 0, 1, MADPO__OPEN_LOW, "fraction",
         "beta-dpo: share of a step's pairs that the filter keeps"),
    REAL("policy.momentum", policy.momentum, 0.9, 0, 1, MADPO__OPEN_HIGH, "",
         "beta-dpo, alpha-dpo: of the running mean and spread of the gaps"),

    INT("evaluate.prompts", evaluate.prompts, 500, 2, 100000000, "prompts",
        "Held-out prompts, one sample of each model for each"),
    SAMPLING(evaluate),
    INT("evaluate.samples_shown", evaluate.samples_shown, 5, 0, 100000, "samples",
        "Sample texts kept in the run and printed"),
    STRING(
        "evaluate.from", evaluate.from, "", "file",
        "JSON lines, a \"prompt\" each, to sample for; empty = the held-out prompts of the data"),
    STRING(
        "evaluate.scorer", evaluate.scorer, "", "file",
        "scorer.bin of a run that scores samples for given pairs; empty = the reward model does"),

    STRING("experiment.tiers", experiment.tiers, "high,medium,low", "",
           "Qualities of data, separated by commas: high (two samples), low (the better sample and "
           "the real text), medium (half of each)"),
    STRING("experiment.methods", experiment.methods, "madpo,beta-dpo,dpo,ipo", "",
           "Objectives to compare, separated by commas, with settings of their own: "
           "dpo@beta=0.05, madpo@c=4 (c_max = 4, c_min = 1/4), dpo@policy.lr=1e-4@epochs=2"),
    STRING("experiment.seeds", experiment.seeds, "1,2,3", "",
           "Seeds of every policy: order of the pairs, dropout, samples of the evaluation"),
    STRING("experiment.sweep_c", experiment.sweep_c, "", "",
           "MADPO also with these c_max and c_min = 1/c_max, separated by commas; empty = none"),
    STRING("experiment.sweep_tau", experiment.sweep_tau, "", "",
           "MADPO also with these tau, separated by commas; empty = none"),
    BOOL("experiment.ablation", experiment.ablation, false,
         "MADPO also with its weight for |h| < tau only and for |h| >= tau only"),
    BOOL("experiment.reseed_data", experiment.reseed_data, false,
         "Draw labels and train reward models anew for every seed instead of once"),
};
const size_t madpo__n_keys = sizeof madpo__keys / sizeof madpo__keys[0];

#define N_KEYS (sizeof madpo__keys / sizeof madpo__keys[0])

const madpo__key *madpo__key_find(const char *name)
{
    for (size_t i = 0; i < N_KEYS; i++)
        if (strcmp(madpo__keys[i].name, name) == 0)
            return &madpo__keys[i];
    return NULL;
}

size_t madpo__key_section(const madpo__key *key)
{
    return strcspn(key->name, ".");
}

bool madpo__section_exists(const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < N_KEYS; i++)
        if (madpo__key_section(&madpo__keys[i]) == n && strncmp(madpo__keys[i].name, name, n) == 0)
            return true;
    return false;
}

/* The key a wrong name stands for: one typing error away, the same name in another section, or a
 * few typing errors away. */
static const char *table_nearest_key(const char *name)
{
    const char *names[N_KEYS], *nearest, *dot = strrchr(name, '.');
    const char *last = dot ? dot + 1 : name;

    for (size_t i = 0; i < N_KEYS; i++)
        names[i] = madpo__keys[i].name;
    nearest = madpo_nearest(name, names, N_KEYS);
    if (nearest && madpo_edit_distance(name, nearest) <= 1)
        return nearest;
    for (size_t i = 0; i < N_KEYS; i++)
        if (strcmp(names[i] + madpo__key_section(&madpo__keys[i]) + 1, last) == 0)
            return names[i];
    return nearest;
}

madpo_status madpo__key_unknown(const char *name, const char *file, int line, madpo_error *err)
{
    const char *nearest = table_nearest_key(name);

    if (nearest)
        return madpo_error_set_at(err, MADPO_ERR_CONFIG, file, line, 0,
                                  "unknown key \"%s\"; did you mean \"%s\"?", name, nearest);
    return madpo_error_set_at(err, MADPO_ERR_CONFIG, file, line, 0,
                              "unknown key \"%s\"; `madpo config --help-keys` lists all", name);
}

/* The section a wrong name stands for: a row of it, or NULL. Sections have short names: two edits
 * at most. */
static const madpo__key *table_nearest_section(const char *name)
{
    const madpo__key *nearest = NULL;
    size_t best = 3;

    for (size_t i = 0; i < N_KEYS; i++) {
        char *section = strndup(madpo__keys[i].name, madpo__key_section(&madpo__keys[i]));
        size_t distance = section ? madpo_edit_distance(name, section) : best;

        if (distance < best) {
            best = distance;
            nearest = &madpo__keys[i];
        }
        free(section);
    }
    return nearest;
}

madpo_status madpo__section_unknown(const char *name, const char *file, int line, madpo_error *err)
{
    const madpo__key *nearest = table_nearest_section(name);

    if (nearest)
        return madpo_error_set_at(err, MADPO_ERR_CONFIG, file, line, 0,
                                  "unknown section \"%s\"; did you mean \"%.*s\"?", name,
                                  (int)madpo__key_section(nearest), nearest->name);
    return madpo_error_set_at(err, MADPO_ERR_CONFIG, file, line, 0,
                              "unknown section \"%s\"; `madpo config --help-keys` lists all", name);
}
