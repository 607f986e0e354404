#ifndef MADPO_MODEL_H
#define MADPO_MODEL_H
/* Using a trained model: write texts, score answers.
 *
 *     madpo_lm_open -> generate | score, as often as wanted -> free
 *
 * What may be named as a model is what `madpo generate` takes: a Hugging Face directory, a PEFT
 * adapter's folder, or a run directory of madpo. A model is owned by one thread. */
#include "madpo/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct madpo_lm madpo_lm;

typedef struct madpo_lm_options {
    const char *const *adapters; /* [n_adapters] folders of LoRA adapters, which add up */
    size_t n_adapters;
    const char
        *storage;       /* of matrices in device memory: "f32", "bf16", "f16"; NULL = as in files */
    const char *device; /* "gpu", "cpu", a number, part of a name; NULL = the best there is */
    uint64_t memory_limit_bytes; /* 0 = what the device has */
    int32_t max_tokens; /* of a prompt and what follows it; 0 = 1024, or the model's positions */
} madpo_lm_options;

/* Open and load. `options` may be NULL: all zero. Errors: MADPO_ERR_IO and _DATA for files,
 * _UNSUPPORTED for what is not implemented, _MISMATCH for an adapter of another base, _DEVICE,
 * _MEMORY. */
madpo_status madpo_lm_open(madpo_lm **out, const char *model, const madpo_lm_options *options,
                           madpo_error *err) MADPO_MUST_CHECK;
void madpo_lm_free(madpo_lm *lm); /* accepts NULL */
/* Does it give rewards, and no text? */
bool madpo_lm_is_reward(const madpo_lm *lm);

typedef struct madpo_lm_sampling {
    double temperature; /* 0 = always the likeliest token */
    int32_t top_k;      /* 0 = all */
    double top_p;       /* (0,1] */
    uint64_t seed;
    int32_t max_new; /* tokens at most */
    /* Called with every piece of text as it is written, whole characters; false ends it. NULL:
     * none. */
    bool (*piece)(void *user, const char *text, size_t n);
    void *user;
} madpo_lm_sampling;
/* The likeliest token, 256 of them, top_k 0, top_p 1, seed 42. */
void madpo_lm_sampling_defaults(madpo_lm_sampling *sampling);

/* Continue a prompt (UTF-8); *text is the continuation (owned by the caller, free(); valid UTF-8).
 * MADPO_ERR_DATA if prompt and max_new exceed max_tokens. */
madpo_status madpo_lm_generate(madpo_lm *lm, const char *prompt, const madpo_lm_sampling *sampling,
                               char **text, madpo_error *err) MADPO_MUST_CHECK;
/* Summed log-prob of an answer behind a prompt, with the end token if it `ends` there; or the
 * reward (`ends` or not). n_tokens (may be NULL): tokens of the answer. */
madpo_status madpo_lm_score(madpo_lm *lm, const char *prompt, const char *answer, bool ends,
                            double *value, int32_t *n_tokens, madpo_error *err) MADPO_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
