/* PEFT's adapter_config.json, read strictly: what would change the forward pass and is not
 * implemented is refused by name. Unknown keys are ignored, as PEFT does. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/adapter_inside.h"
#include "model/internal.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- folders ---- */

/* dir + "/adapter_config.json" if there is such a file, else NULL. */
static madpo_status config_path(char **out, const char *dir, madpo_error *err)
{
    madpo_status st = madpo_path_join(out, dir, "adapter_config.json", err);

    if (st == MADPO_OK && !madpo_file_exists(*out)) {
        free(*out);
        *out = NULL;
    }
    return st;
}

/* The only sub-folder that is an adapter's, or NULL. */
static madpo_status only_child(char **out, const char *dir, madpo_error *err)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    size_t n = 0;
    madpo_status st = MADPO_OK;

    *out = NULL;
    while (st == MADPO_OK && d && (entry = readdir(d))) {
        char *child = NULL, *file = NULL;

        if (entry->d_name[0] == '.')
            continue;
        st = madpo_path_join(&child, dir, entry->d_name, err);
        if (st == MADPO_OK)
            st = config_path(&file, child, err);
        if (file && n++ == 0) {
            *out = child;
            child = NULL;
        }
        free(child);
        free(file);
    }
    if (d)
        closedir(d);
    if (st != MADPO_OK || n != 1) {
        free(*out);
        *out = NULL;
    }
    return st;
}

madpo_status madpo__adapter_dir(char **out, const char *dir, madpo_error *err)
{
    char *file = NULL, *model = NULL;
    madpo_status st = config_path(&file, dir, err);

    *out = NULL;
    if (st == MADPO_OK && !file)
        st = madpo_path_join(&model, dir, "config.json", err);
    /* beside a model's own files an adapter in a sub-folder is another matter */
    if (st == MADPO_OK && !file && !madpo_file_exists(model))
        st = only_child(out, dir, err);
    free(model);
    free(file);
    if (st != MADPO_OK || *out)
        return st;
    *out = strdup(dir);
    return *out ? MADPO_OK : madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", dir);
}

bool madpo_adapter_is_dir(const char *dir)
{
    char *found = NULL, *file = NULL;
    bool is = madpo__adapter_dir(&found, dir, NULL) == MADPO_OK &&
              config_path(&file, found, NULL) == MADPO_OK && file;

    free(found);
    free(file);
    return is;
}

static madpo_status load_json(json_t **out, char **path, const char *dir, madpo_error *err)
{
    char *found = NULL;
    madpo_status st = madpo__adapter_dir(&found, dir, err);

    *out = NULL;
    *path = NULL;
    if (st == MADPO_OK)
        st = madpo_path_join(path, found, "adapter_config.json", err);
    if (st == MADPO_OK)
        st = madpo_json_load(out, *path, err);
    if (st == MADPO_OK && !json_is_object(*out))
        st = madpo_error_set(err, MADPO_ERR_DATA, "%s: not a JSON object", *path);
    free(found);
    return st;
}

madpo_status madpo_adapter_base(char **out, const char *dir, madpo_error *err)
{
    json_t *o;
    char *path;
    const char *base = NULL;
    madpo_status st = load_json(&o, &path, dir, err);

    *out = NULL;
    if (st == MADPO_OK && madpo_json_has(o, "base_model_name_or_path"))
        st = madpo_json_get_string(&base, o, "base_model_name_or_path", path, err);
    if (base && !(*out = strdup(base)))
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", path);
    json_decref(o);
    free(path);
    return st;
}

/* ---- what is not implemented ---- */

static madpo_status refuse_features(const json_t *o, const char *where, madpo_error *err)
{
    static const char *const keys[] = {
        "use_dora",        "lora_bias",         "target_parameters", "trainable_token_indices",
        "megatron_config", "layer_replication", "use_qalora",        "alora_invocation_tokens",
        "arrow_config",    "use_bdlora"};

    for (size_t i = 0; i < COUNT(keys); i++) {
        const json_t *v = json_object_get(o, keys[i]);
        bool empty = !v || json_is_null(v) || json_is_false(v) ||
                     (json_is_array(v) && json_array_size(v) == 0) ||
                     (json_is_object(v) && json_object_size(v) == 0);

        if (!empty)
            return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                                   "%s: %s is not implemented; use an adapter without it", where,
                                   keys[i]);
    }
    return MADPO_OK;
}

/* A text member, or null, must be one of the values listed (ended by NULL). */
static madpo_status one_of(const json_t *o, const char *key, const char *const *values,
                           const char *where, madpo_error *err)
{
    const json_t *v = json_object_get(o, key);
    const char *text = json_string_value(v);

    if (!v || json_is_null(v))
        return MADPO_OK;
    for (; text && *values; values++)
        if (strcmp(text, *values) == 0)
            return MADPO_OK;
    if (!text)
        return madpo_error_set(err, MADPO_ERR_DATA, "%s: %s must be a string", where, key);
    return madpo_error_set(err, MADPO_ERR_UNSUPPORTED, "%s: %s '%s' is not implemented", where, key,
                           text);
}

/* Ways to begin that also change the base: such an adapter fits the changed base only. */
static madpo_status check_begin(const json_t *o, const char *where, madpo_error *err)
{
    static const char *const changing[] = {"pissa", "olora", "corda", "loftq", "lora_ga"};
    const char *begin = json_string_value(json_object_get(o, "init_lora_weights"));

    for (size_t i = 0; begin && i < COUNT(changing); i++)
        if (strncmp(begin, changing[i], strlen(changing[i])) == 0)
            return madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                                   "%s: init_lora_weights '%s' changes the base's weights too; "
                                   "convert the adapter to plain LoRA with PEFT",
                                   where, begin);
    return MADPO_OK;
}

static madpo_status check_kind(const json_t *o, const char *where, madpo_error *err)
{
    static const char *const types[] = {"LORA", NULL}, *const biases[] = {"none", NULL};
    static const char *const tasks[] = {"CAUSAL_LM", "SEQ_CLS", NULL};
    const char *type;
    madpo_status st = madpo_json_get_string(&type, o, "peft_type", where, err);

    if (st == MADPO_OK)
        st = one_of(o, "peft_type", types, where, err);
    if (st == MADPO_OK)
        st = one_of(o, "bias", biases, where, err);
    if (st == MADPO_OK)
        st = one_of(o, "task_type", tasks, where, err);
    if (st == MADPO_OK)
        st = refuse_features(o, where, err);
    if (st == MADPO_OK)
        st = check_begin(o, where, err);
    return st;
}

/* ---- values ---- */

static madpo_status read_score(bool *out, const json_t *o, const char *where, madpo_error *err)
{
    const char *task = json_string_value(json_object_get(o, "task_type"));
    json_t *list = NULL;
    madpo_status st = MADPO_OK;

    *out = task && strcmp(task, "SEQ_CLS") == 0;
    if (madpo_json_has(o, "modules_to_save"))
        st = madpo_json_get_array(&list, o, "modules_to_save", where, err);
    for (size_t i = 0; st == MADPO_OK && i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (name && strcmp(name, "score") == 0)
            *out = true;
        else if (!name || strcmp(name, "classifier") != 0)
            st = madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                                 "%s: '%s' in modules_to_save is not implemented, only 'score'",
                                 where, name ? name : "?");
    }
    return st;
}

static madpo_status read_numbers(madpo_adapter_config *c, const json_t *o, const char *where,
                                 madpo_error *err)
{
    int64_t r = 8; /* PEFT's own defaults */
    madpo_status st = MADPO_OK;

    c->alpha = 8;
    if (madpo_json_has(o, "r"))
        st = madpo_json_get_int(&r, o, "r", where, err);
    if (st == MADPO_OK && madpo_json_has(o, "lora_alpha"))
        st = madpo_json_get_number(&c->alpha, o, "lora_alpha", where, err);
    if (st == MADPO_OK && madpo_json_has(o, "lora_dropout"))
        st = madpo_json_get_number(&c->dropout, o, "lora_dropout", where, err);
    if (st == MADPO_OK && madpo_json_has(o, "use_rslora"))
        st = madpo_json_get_bool(&c->rslora, o, "use_rslora", where, err);
    if (st != MADPO_OK)
        return st;
    if (r < 1 || r > 1 << 20 || !(c->alpha > 0 && isfinite(c->alpha)) ||
        !(c->dropout >= 0 && c->dropout < 1))
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: r = %lld, lora_alpha = %g, lora_dropout = %g: r and alpha must "
                               "be above 0, dropout at least 0 and below 1",
                               where, (long long)r, c->alpha, c->dropout);
    c->r = (int32_t)r;
    return MADPO_OK;
}

/* Null, a string, or a list of strings. */
static madpo_status check_names(const json_t *v, const char *key, const char *where,
                                madpo_error *err)
{
    bool good = !v || json_is_null(v) || json_is_string(v) || json_is_array(v);

    for (size_t i = 0; i < json_array_size(v); i++)
        good = good && json_is_string(json_array_get(v, i));
    if (good)
        return MADPO_OK;
    return madpo_error_set(err, MADPO_ERR_DATA, "%s: %s must be a list of names or a string", where,
                           key);
}

static madpo_status check_layers(const madpo__adapter_rules *rules, madpo_error *err)
{
    const json_t *v = rules->layers;
    bool none = !v || json_is_null(v), good = none || json_is_integer(v) || json_is_array(v);

    for (size_t i = 0; i < json_array_size(v); i++)
        good = good && json_is_integer(json_array_get(v, i));
    if (!good)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: layers_to_transform must be a number or a list of them",
                               rules->where);
    if (!none && json_is_string(rules->targets) &&
        strcmp(json_string_value(rules->targets), "all-linear") != 0)
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "%s: layers_to_transform does not go with a regular expression in "
                               "target_modules",
                               rules->where);
    return MADPO_OK;
}

/* Embeddings and heads are modules, too, but not ones that take an adapter here. */
static madpo_status check_other_modules(const madpo__adapter_rules *rules,
                                        const madpo_model_config *model, madpo_error *err)
{
    static const char *const tops[] = {"embed_tokens", "wte", "wpe", "embed_in"};
    const char *all = json_string_value(rules->targets);
    madpo_status st = MADPO_OK;

    if (all && strcmp(all, "all-linear") == 0)
        return MADPO_OK;
    for (size_t i = 0; st == MADPO_OK && i < COUNT(tops) + 2; i++) {
        char path[120];
        bool meant;

        if (i < COUNT(tops))
            snprintf(path, sizeof path, "%s%s", model->arch->prefix, tops[i]);
        else if (i == COUNT(tops))
            snprintf(path, sizeof path, "%.*s", (int)(strlen(model->arch->head) - 7),
                     model->arch->head); /* without ".weight" */
        else
            snprintf(path, sizeof path, "score");
        st = madpo__adapter_meant(&meant, rules->targets, path, rules->where, err);
        if (st == MADPO_OK && meant)
            st = madpo_error_set(err, MADPO_ERR_UNSUPPORTED,
                                 "%s: an adapter at %s is not implemented; use one for the layers' "
                                 "linear maps",
                                 rules->where, path);
    }
    return st;
}

static madpo_status read_rules(madpo__adapter_rules *rules, const json_t *o, const char *where,
                               const madpo_model_config *model, json_t *defaults, madpo_error *err)
{
    madpo_status st;

    *rules = (madpo__adapter_rules){.targets = json_object_get(o, "target_modules"),
                                    .exclude = json_object_get(o, "exclude_modules"),
                                    .layers = json_object_get(o, "layers_to_transform"),
                                    .layers_pattern = json_object_get(o, "layers_pattern"),
                                    .rank = json_object_get(o, "rank_pattern"),
                                    .alpha = json_object_get(o, "alpha_pattern"),
                                    .where = where};
    if (!rules->targets || json_is_null(rules->targets))
        rules->targets = defaults;
    st = check_names(rules->targets, "target_modules", where, err);
    if (st == MADPO_OK)
        st = check_names(rules->exclude, "exclude_modules", where, err);
    if (st == MADPO_OK)
        st = check_names(rules->layers_pattern, "layers_pattern", where, err);
    if (st == MADPO_OK)
        st = check_layers(rules, err);
    if (st == MADPO_OK)
        st = check_other_modules(rules, model, err);
    return st;
}

static madpo_status no_module(const madpo__adapter_rules *rules, const madpo_model_config *model,
                              madpo_error *err)
{
    const char *first = json_string_value(rules->targets);
    char names[160];

    if (!first)
        first = json_string_value(json_array_get(rules->targets, 0));
    madpo__adapter_module_names(names, sizeof names, model->arch);
    return madpo_error_set(err, MADPO_ERR_MISMATCH,
                           "%s: target_modules ('%s', …) match no module of this %s model of %d "
                           "layers (there are: %s); the adapter is for another base",
                           rules->where, first ? first : "", model->arch->name, (int)model->L,
                           names);
}

madpo_status madpo_adapter_config_load(madpo_adapter_config *out, const char *name, const char *dir,
                                       const madpo_model_config *model, madpo_error *err)
{
    madpo_adapter_config c = {0};
    madpo__adapter_rules rules;
    json_t *o, *defaults = madpo__adapter_default_targets(model->arch);
    char *path;
    int64_t n = 0;
    madpo_status st = load_json(&o, &path, dir, err);

    *out = (madpo_adapter_config){0};
    if (st == MADPO_OK && !defaults)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory reading %s", path);
    if (st == MADPO_OK && strlen(name) >= sizeof c.name)
        st = madpo_error_set(err, MADPO_ERR_CONFIG,
                             "'%s' is too long a name for an adapter: at most 63 bytes", name);
    if (st != MADPO_OK)
        goto done;
    snprintf(c.name, sizeof c.name, "%s", name);
    st = check_kind(o, path, err);
    if (st == MADPO_OK)
        st = read_score(&c.score, o, path, err);
    if (st == MADPO_OK)
        st = read_numbers(&c, o, path, err);
    if (st == MADPO_OK)
        st = read_rules(&rules, o, path, model, defaults, err);
    if (st == MADPO_OK)
        st = madpo__adapter_place(&c, model, &rules, &n, err);
    if (st == MADPO_OK && n == 0)
        st = no_module(&rules, model, err);
    if (st == MADPO_OK) {
        *out = c;
        c.at = NULL;
    }
done:
    madpo_adapter_config_dispose(&c);
    json_decref(defaults);
    json_decref(o);
    free(path);
    return st;
}
