#ifndef MADPO_TRAIN_BASE_MODEL_H
#define MADPO_TRAIN_BASE_MODEL_H
/* The model a run works on: where it starts (model.path, model.adapter, or random weights), what
 * run.json says of it, and its configuration. Looked at before the run directory is opened, so that
 * a resume on another base is refused; weights are loaded by train/stage_model.c. Inside src/train
 * only. */
#include "base/digest.h"
#include "config/config.h"
#include "model/model.h"
#include "text/tokenizer.h"

typedef struct madpo_base_model {
    char *dir;     /* owned, absolute; NULL = random weights, and nothing below counts */
    char *adapter; /* owned, absolute; NULL = none */
    madpo_model_config config; /* of dir */
    madpo_dtype storage;       /* of its matrices in the files */
    char digest[MADPO_DIGEST_HEX], adapter_digest[MADPO_DIGEST_HEX];
} madpo_base_model;

/* Read what model.path and model.adapter name: configurations, headers and a digest of either. The
 * digest takes all bytes of a configuration and, of each safetensors file, name, size and content:
 * all of a file of up to 64 MiB, of a larger one as much in blocks spread evenly, so that other
 * weights of the same sizes are told apart in a second even where there are many gigabytes. */
madpo_status madpo_base_model_open(madpo_base_model *out, const madpo_options *options,
                                   madpo_error *err) MADPO_MUST_CHECK;
void madpo_base_model_dispose(madpo_base_model *base);

/* One line for run.json that differs when the model, what is trained of it, or how it is kept in
 * memory differs (owned by the caller, free()). */
madpo_status madpo_base_model_describe(char **out, const madpo_base_model *base,
                                       const madpo_options *options,
                                       madpo_error *err) MADPO_MUST_CHECK;
/* Configuration of the run's model: that of model.path, or the sizes of model.*. The tokenizer must
 * fit: MADPO_ERR_MISMATCH if the model has no rows for its tokens. `given_prompts`: prompts to
 * sample for come from given pairs, up to data.max_prompt long. */
madpo_status madpo_base_model_config(madpo_model_config *out, const madpo_base_model *base,
                                     const madpo_options *options, const madpo_tokenizer *tok,
                                     bool given_prompts, madpo_error *err) MADPO_MUST_CHECK;
/* The tokenizer.json of the run: tokenizer.path, that of model.path, or NULL = one is trained
 * (owned by the caller, free()). */
madpo_status madpo_base_model_tokenizer(char **out, const madpo_options *options,
                                        madpo_error *err) MADPO_MUST_CHECK;
/* "auto" or a type by name, as model.storage has it; `files` is what auto gives. */
madpo_dtype madpo_base_model_storage(const madpo_options *options, madpo_dtype files);
#endif
