/* PEFT's adapter_config.json, written with its keys in its order. Modules are named as shortly as
 * says the same; single ranks go to rank_pattern and alpha_pattern. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/adapter_inside.h"
#include "model/internal.h"

typedef struct writer {
    const madpo_adapter_config *config;
    const madpo_model_config *model;
    json_t *o;
    bool failed; /* kept until the end so that the bodies read as lists */
} writer;

static void put(writer *w, const char *key, json_t *value)
{
    if (json_object_set_new(w->o, key, value) != 0)
        w->failed = true;
}

static void append(writer *w, json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0)
        w->failed = true;
}

static json_t *number(double x)
{
    return x == round(x) && fabs(x) < 1e15 ? json_integer((json_int_t)x) : json_real(x);
}

/* Bit s: layer l has an adapter at site s. */
static uint32_t mask_of(const writer *w, int32_t l)
{
    uint32_t mask = 0;

    for (int s = 0; s < MADPO_N_SITES; s++)
        if (madpo_adapter_get(w->config, l, (madpo_site)s).r > 0)
            mask |= 1u << s;
    return mask;
}

/* The sites of the layers that have any, if they all have the same; else 0. *all: every layer. */
static uint32_t common_mask(const writer *w, bool *all)
{
    uint32_t common = 0;

    *all = true;
    for (int32_t l = 0; l < w->config->L; l++) {
        uint32_t mask = mask_of(w, l);

        *all = *all && mask != 0;
        if (mask == 0)
            continue;
        if (common != 0 && mask != common)
            return 0;
        common = mask;
    }
    return common;
}

/* The last part of a module's name where it means the sites of the mask only, else all of it. */
static const char *short_name(const madpo_arch *arch, int s, uint32_t mask)
{
    const char *tail = madpo__module_tail(arch->site[s]);

    for (int t = 0; t < MADPO_N_SITES; t++)
        if (arch->site[t] && !(mask >> t & 1) &&
            strcmp(madpo__module_tail(arch->site[t]), tail) == 0)
            return arch->site[s];
    return tail;
}

static void put_common(writer *w, json_t *list, uint32_t mask)
{
    const madpo_arch *arch = w->model->arch;

    for (int s = 0; s < MADPO_N_SITES; s++) {
        const char *name = mask >> s & 1 ? short_name(arch, s, mask) : NULL;
        bool again = false;

        for (size_t i = 0; name && i < json_array_size(list); i++)
            again = again || strcmp(json_string_value(json_array_get(list, i)), name) == 0;
        if (name && !again)
            append(w, list, json_string(name));
    }
}

static void put_paths(writer *w, json_t *list)
{
    char path[160];

    for (int32_t l = 0; l < w->config->L; l++)
        for (int s = 0; s < MADPO_N_SITES; s++)
            if (madpo_adapter_get(w->config, l, (madpo_site)s).r > 0) {
                madpo__site_path(path, sizeof path, w->model, l, (madpo_site)s);
                append(w, list, json_string(path));
            }
}

static json_t *target_modules(writer *w)
{
    bool all;
    uint32_t mask = common_mask(w, &all);
    json_t *list = json_array();

    if (mask != 0)
        put_common(w, list, mask);
    else
        put_paths(w, list);
    return list;
}

static json_t *layers_to_transform(writer *w)
{
    bool all;
    json_t *list;

    if (common_mask(w, &all) == 0 || all)
        return json_null();
    list = json_array();
    for (int32_t l = 0; l < w->config->L; l++)
        if (mask_of(w, l) != 0)
            append(w, list, json_integer(l));
    return list;
}

static double value_of(const madpo_adapter_config *c, int32_t l, int s, bool alpha)
{
    madpo_adapter_at at = madpo_adapter_get(c, l, (madpo_site)s);

    return alpha ? at.alpha : at.r;
}

/* Ranks (or alphas) that differ from the adapter's own: by module where all layers agree. */
static json_t *pattern(writer *w, bool alpha)
{
    const madpo_adapter_config *c = w->config;
    const double usual = alpha ? c->alpha : c->r;
    json_t *o = json_object();
    char path[160];

    for (int s = 0; s < MADPO_N_SITES; s++) {
        double first = 0;
        bool same = true;

        for (int32_t l = 0; l < c->L; l++) {
            if (madpo_adapter_get(c, l, (madpo_site)s).r == 0)
                continue;
            if (first == 0)
                first = value_of(c, l, s, alpha);
            same = same && value_of(c, l, s, alpha) == first;
        }
        if (first == 0 || (same && first == usual))
            continue;
        for (int32_t l = 0; l < (same ? 1 : c->L); l++) {
            double value = same ? first : value_of(c, l, s, alpha);

            if (!same && (madpo_adapter_get(c, l, (madpo_site)s).r == 0 || value == usual))
                continue;
            madpo__site_path(path, sizeof path, w->model, l, (madpo_site)s);
            if (json_object_set_new(o, same ? w->model->arch->site[s] : path, number(value)) != 0)
                w->failed = true;
        }
    }
    return o;
}

static void put_all(writer *w, const char *base)
{
    const madpo_adapter_config *c = w->config;

    put(w, "alpha_pattern", pattern(w, true));
    put(w, "auto_mapping", json_null());
    put(w, "base_model_name_or_path", base ? madpo_json_text(base, strlen(base)) : json_null());
    put(w, "bias", json_string("none"));
    put(w, "fan_in_fan_out", json_boolean(w->model->arch->linear_transposed));
    put(w, "inference_mode", json_true());
    put(w, "init_lora_weights", json_true());
    put(w, "layers_pattern", json_null());
    put(w, "layers_to_transform", layers_to_transform(w));
    put(w, "lora_alpha", number(c->alpha));
    put(w, "lora_dropout", json_real(c->dropout));
    put(w, "modules_to_save", c->score ? json_pack("[s, s]", "classifier", "score") : json_null());
    put(w, "peft_type", json_string("LORA"));
    put(w, "r", json_integer(c->r));
    put(w, "rank_pattern", pattern(w, false));
    put(w, "revision", json_null());
    put(w, "target_modules", target_modules(w));
    put(w, "task_type", json_string(c->score ? "SEQ_CLS" : "CAUSAL_LM"));
    put(w, "use_dora", json_false());
    put(w, "use_rslora", json_boolean(c->rslora));
}

madpo_status madpo__adapter_config_save(const madpo_adapter_config *config,
                                        const madpo_model_config *model, const char *base,
                                        const char *dir, madpo_error *err)
{
    writer w = {.config = config, .model = model, .o = json_object()};
    char *path = NULL;
    madpo_status st = MADPO_OK;

    put_all(&w, base);
    if (w.failed)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory writing adapter_config.json");
    if (st == MADPO_OK)
        st = madpo_path_join(&path, dir, "adapter_config.json", err);
    if (st == MADPO_OK)
        st = madpo_json_save(w.o, path, err);
    json_decref(w.o);
    free(path);
    return st;
}
