#ifndef MADPO_MODEL_ADAPTER_INSIDE_H
#define MADPO_MODEL_ADAPTER_INSIDE_H
/* What the files of the adapters share: which modules an adapter_config.json means, and how it is
 * written. Private to this folder. */
#include "base/json.h"
#include "model/adapter.h"

/* The members of adapter_config.json that say where adapters are, and how large; all borrowed, NULL
 * or JSON null where absent. */
typedef struct madpo__adapter_rules {
    const json_t *targets;        /* list of names, regular expression, or "all-linear" */
    const json_t *exclude;        /* list of names or regular expression */
    const json_t *layers;         /* layers_to_transform: a number or a list of them */
    const json_t *layers_pattern; /* name or names of the list of layers */
    json_t *rank, *alpha;         /* objects: pattern of a module's path -> number */
    const char *where;            /* for messages: "DIR/adapter_config.json", "lora.targets" */
} madpo__adapter_rules;

/* Allocate out->at for a model of L layers and fill it: out->r and out->alpha where the rules mean
 * a module, other values where their patterns say so. *n counts the modules meant. */
madpo_status madpo__adapter_place(madpo_adapter_config *out, const madpo_model_config *model,
                                  const madpo__adapter_rules *rules, int64_t *n,
                                  madpo_error *err) MADPO_MUST_CHECK;
/* Does a name or expression of the rules mean this module path? */
madpo_status madpo__adapter_meant(bool *out, const json_t *names, const char *path,
                                  const char *where, madpo_error *err) MADPO_MUST_CHECK;
/* "q_proj, k_proj, …": the modules of an architecture that can carry an adapter. */
void madpo__adapter_module_names(char *out, size_t size, const madpo_arch *arch);
/* The name behind the last dot of a module path. */
const char *madpo__module_tail(const char *path);
/* PEFT's target_modules where a file says null. */
json_t *madpo__adapter_default_targets(const madpo_arch *arch);

/* The folder of an adapter that `dir` means: itself, or its only sub-folder with an
 * adapter_config.json (PEFT puts adapters that are not called "default" there). Owned by the
 * caller, free(). */
madpo_status madpo__adapter_dir(char **out, const char *dir, madpo_error *err) MADPO_MUST_CHECK;
/* Write DIR/adapter_config.json. `base` may be NULL. */
madpo_status madpo__adapter_config_save(const madpo_adapter_config *config,
                                        const madpo_model_config *model, const char *base,
                                        const char *dir, madpo_error *err) MADPO_MUST_CHECK;
#endif
