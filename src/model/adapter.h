#ifndef MADPO_MODEL_ADAPTER_H
#define MADPO_MODEL_ADAPTER_H
/* LoRA adapters (Hu et al. 2021): y = x W^T + s (dropout(x) A^T) B^T at chosen sites of chosen
 * layers, s = alpha / r, or alpha / sqrt(r) (rsLoRA, Kalajdzievski 2023); and PEFT's folders of
 * them: adapter_config.json + adapter_model.safetensors.
 *
 * An adapter's shape (madpo_adapter_config) is known before its model exists, because the model
 * plans its memory by it; its weights then live in the model (model/model.h). */
#include "model/config.h"

/* Rank and scale of one site of one layer; r = 0: no adapter there. */
typedef struct madpo_adapter_at {
    int32_t r;
    double alpha; /* s = alpha / r or alpha / sqrt(r) */
} madpo_adapter_at;

typedef struct madpo_adapter_config {
    char name[64];
    int32_t r;    /* as asked for; single sites may differ (PEFT's rank_pattern) */
    double alpha; /* likewise */
    bool rslora;
    double dropout; /* of the adapter's input while training, [0,1) */
    bool score;     /* the reward head belongs to it (PEFT: SEQ_CLS, modules_to_save) */
    int32_t L;
    madpo_adapter_at *at; /* [L][MADPO_N_SITES] owned */
} madpo_adapter_config;

/* Fill *out for a model. `targets`: a list of module names ("q_proj,v_proj"), "all-linear", "" for
 * PEFT's default of the architecture, or a regular expression that matches whole module paths
 * (anything with a character beyond letters, digits, '_', '-', ',', '.' and blanks). A name that is
 * no module of the architecture, or that nothing matches, is MADPO_ERR_CONFIG with the names there
 * are. */
typedef struct madpo_adapter_options {
    const char *name; /* up to 63 bytes */
    const char *targets;
    int32_t r;    /* >= 1 */
    double alpha; /* > 0 */
    bool rslora;
    double dropout;
    bool score;
} madpo_adapter_options;
madpo_status madpo_adapter_config_init(madpo_adapter_config *out, const madpo_model_config *model,
                                       const madpo_adapter_options *options,
                                       madpo_error *err) MADPO_MUST_CHECK;
/* Read DIR/adapter_config.json for a model of this configuration. What is not implemented (DoRA,
 * bias, embeddings, other PEFT types) is MADPO_ERR_UNSUPPORTED by name; an adapter made for another
 * base is MADPO_ERR_MISMATCH. `name` becomes the adapter's name. */
madpo_status madpo_adapter_config_load(madpo_adapter_config *out, const char *name, const char *dir,
                                       const madpo_model_config *model,
                                       madpo_error *err) MADPO_MUST_CHECK;
void madpo_adapter_config_dispose(madpo_adapter_config *config);
/* Deep copy. */
madpo_status madpo_adapter_config_copy(madpo_adapter_config *out, const madpo_adapter_config *from,
                                       madpo_error *err) MADPO_MUST_CHECK;
/* Is DIR an adapter's folder (adapter_config.json)? So is one that is no model's and whose only
 * adapter lies in a sub-folder, where PEFT puts adapters of a name of their own; all that reads an
 * adapter takes either. */
bool madpo_adapter_is_dir(const char *dir);
/* base_model_name_or_path of DIR/adapter_config.json (owned by the caller, free(); NULL if null).
 */
madpo_status madpo_adapter_base(char **out, const char *dir, madpo_error *err) MADPO_MUST_CHECK;
/* Shape of one adapter equal to the sum of all n of them (ranks add up, alpha = r, so s = 1). */
madpo_status madpo_adapter_config_join(madpo_adapter_config *out, const char *name,
                                       const madpo_adapter_config *const *from, size_t n,
                                       madpo_error *err) MADPO_MUST_CHECK;

madpo_adapter_at madpo_adapter_get(const madpo_adapter_config *config, int32_t layer,
                                   madpo_site site);
double madpo_adapter_scale(const madpo_adapter_config *config, int32_t layer, madpo_site site);
/* Trainable numbers, the reward head included where it belongs to the adapter. */
int64_t madpo_adapter_parameters(const madpo_adapter_config *config,
                                 const madpo_model_config *model);
/* Inputs and outputs of a site: W is [out,in]. QKV: out = (H + 2 K) D. */
void madpo_site_size(const madpo_model_config *model, madpo_site site, int64_t *out, int64_t *in);
#endif
