#ifndef MADPO_TRAIN_OPEN_H
#define MADPO_TRAIN_OPEN_H
/* A trained model made ready for use outside of a run: base directory, adapters, tokenizer, device,
 * memory plan, weights. The one place that knows what a user may name as a model:
 *
 *   a Hugging Face directory    config.json, weights, tokenizer.json
 *   a PEFT adapter's folder     its base_model_name_or_path (relative to the folder, else to the
 *                               working directory) is opened first; that may be an adapter again
 *   a run directory             its models/policy
 *
 * In two steps, because how much memory a model needs depends on texts that its tokenizer measures:
 * madpo_open_files, then madpo_open_plan and madpo_open_load. */
#include "model/model.h"
#include "text/tokenizer.h"

typedef struct madpo_open_options {
    const char *model;
    const char *const *adapter; /* [n_adapters] further folders, applied in order */
    size_t n_adapters;
    const char *storage; /* of matrices: "f32", "bf16", "f16"; NULL or "auto" = as in the files */
    const char *device;  /* as madpo_device_options.select; NULL = auto */
    uint64_t memory_limit_bytes; /* 0 = what the device has */
} madpo_open_options;

typedef struct madpo_opened {
    char *dir;                     /* of the base, owned */
    char *tokenizer;               /* folder of the tokenizer, owned; NULL if there is none */
    char **adapter_dir;            /* [n_adapters] owned */
    madpo_adapter_config *adapter; /* [n_adapters] owned */
    size_t n_adapters;
    madpo_model_config config;
    madpo_dtype storage;
    bool reward;          /* it has a reward head: rewards instead of log-probs */
    madpo_tokenizer *tok; /* owned */
    madpo_device_options device_options;
    char *device_select; /* owned */
    madpo_device *dev;   /* owned, from madpo_open_plan on */
    madpo_model_options model_options;
    madpo_adapter_slot *slot;
    madpo_model *model; /* owned, from madpo_open_load on */
} madpo_opened;

/* Find the directories and read all but the weights. Errors name what is missing and what to give
 * instead; an adapter of another base is MADPO_ERR_MISMATCH. */
madpo_status madpo_open_files(madpo_opened *out, const madpo_open_options *options,
                              madpo_error *err) MADPO_MUST_CHECK;
/* Open the device and plan for `limits` (micro-batches and generation; storage, head and adapters
 * are filled in); line [size] gets the plan as text. MADPO_ERR_MEMORY if it does not fit: `remedy`
 * says what to lower. */
madpo_status madpo_open_plan(madpo_opened *m, const madpo_model_options *limits, const char *remedy,
                             char *line, size_t size, madpo_error *err) MADPO_MUST_CHECK;
/* Allocate and load, as planned. */
madpo_status madpo_open_load(madpo_opened *m, madpo_error *err) MADPO_MUST_CHECK;
void madpo_opened_dispose(madpo_opened *m);

/* Only the tokenizer: of any of the above, or a tokenizer.json, or a folder with one. */
madpo_status madpo_open_tokenizer(madpo_tokenizer **out, const char *path,
                                  madpo_error *err) MADPO_MUST_CHECK;

/* Replace *out by the ids of a text as Hugging Face's tokenizer gives them: special tokens written
 * in it count as such, and the template's are added if `add`. An id that the model has no row for
 * is MADPO_ERR_DATA. */
madpo_status madpo_opened_encode(const madpo_opened *m, const char *text, size_t n, bool add,
                                 madpo_ids *out, madpo_error *err) MADPO_MUST_CHECK;
#endif
