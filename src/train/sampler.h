#ifndef MADPO_TRAIN_SAMPLER_H
#define MADPO_TRAIN_SAMPLER_H
/* Prompts, and texts sampled from a model for them: what the stages generate and evaluate share.
 * Inside src/train only. */
#include "train/stage_model.h"

typedef struct madpo_prompt {
    int32_t
        *ids; /* [n] owned; bos first. Exactly what later stages get when they tokenize `text` */
    int32_t n;
    char *text; /* owned, valid UTF-8, terminated */
    size_t n_text;
    bool specials; /* special tokens in the text count as such: it is of a chat layout */
    int64_t id;    /* review number in split order, or position of the pair */
} madpo_prompt;

/* Does "all", "positive" or "negative" mean a review of this label? */
bool madpo_label_wanted(const char *wanted, bool positive);

typedef struct madpo_prompts {
    madpo_prompt *v; /* [n] owned */
    size_t n, capacity;
    int32_t longest; /* tokens */
} madpo_prompts;
void madpo_prompts_dispose(madpo_prompts *prompts);

/* Append the first generate.prompt_tokens tokens (bos included) of the first n reviews in [first,
 * end) that generate.reviews wants. The cut moves back where it would split a character. */
madpo_status madpo_prompts_add_reviews(madpo_prompts *prompts, const madpo_stage_context *ctx,
                                       size_t first, size_t end, size_t n,
                                       madpo_error *err) MADPO_MUST_CHECK;
/* How many reviews in [first, end) generate.reviews wants. */
size_t madpo_prompts_count_reviews(const madpo_stage_context *ctx, size_t first, size_t end);
/* The prompts of the stage generate: *n_train of training reviews, then those of held-out ones. */
madpo_status madpo_prompts_to_generate(madpo_prompts *prompts, size_t *n_train,
                                       const madpo_stage_context *ctx,
                                       madpo_error *err) MADPO_MUST_CHECK;
/* Append the prompts of a file of JSON lines, the first n. */
madpo_status madpo_prompts_add_file(madpo_prompts *prompts, const madpo_stage_context *ctx,
                                    const char *path, size_t n, madpo_error *err) MADPO_MUST_CHECK;
/* Append the prompts of at most n held-out given pairs, each text once. */
madpo_status madpo_prompts_add_pairs(madpo_prompts *prompts, const madpo_stage_context *ctx,
                                     size_t n, madpo_error *err) MADPO_MUST_CHECK;

typedef struct madpo_sampler_options {
    const char *stage;
    madpo_stage_from from; /* the model to sample from */
    double temperature, top_p;
    int64_t top_k;
    uint64_t seed;
    int32_t samples;    /* per prompt */
    size_t chunk;       /* prompts drawn at once */
    int32_t prompt_len; /* longest prompt, tokens */
    int32_t max_new;
} madpo_sampler_options;

typedef struct madpo_sampler {
    madpo_stage_context *ctx; /* borrowed */
    madpo_sampler_options options;
    madpo_stage_model net;
    const int32_t **prompt; /* [chunk] */
    int32_t *n_prompt;      /* [chunk] */
    int32_t *out, *out_len; /* [chunk samples max_new], [chunk samples] */
} madpo_sampler;
/* Open the model for generation (memory plan printed). */
madpo_status madpo_sampler_init(madpo_sampler *sampler, madpo_stage_context *ctx,
                                const madpo_sampler_options *options,
                                madpo_error *err) MADPO_MUST_CHECK;
void madpo_sampler_dispose(madpo_sampler *sampler);

/* Sample texts [n samples] (each owned by the caller, free(); valid UTF-8) for n <= chunk prompts,
 * of which the first is number `position`: sample s of prompt number i always draws from stream i
 * samples + s. `retry` > 0 chooses other random numbers. */
madpo_status madpo_sampler_draw(madpo_sampler *sampler, const madpo_prompt *prompts, size_t n,
                                size_t position, uint64_t retry, char **texts,
                                madpo_error *err) MADPO_MUST_CHECK;
/* Free n texts and set them to NULL. */
void madpo_texts_free(char **texts, size_t n);

/* True score of prompt followed by text, as the ground-truth scorer sees it. */
madpo_status madpo_sampler_score(double *score, const madpo_stage_context *ctx, const char *prompt,
                                 const char *text, madpo_error *err) MADPO_MUST_CHECK;
#endif
