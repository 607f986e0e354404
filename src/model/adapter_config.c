/* Shapes of adapters: from settings, copied, joined, and what follows from them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/adapter_inside.h"
#include "model/internal.h"

/* ---- places ---- */

void madpo__site_path(char *out, size_t size, const madpo_model_config *config, int32_t layer,
                      madpo_site site)
{
    snprintf(out, size, "%s%s%d.%s", config->arch->prefix, config->arch->layer, (int)layer,
             config->arch->site[site]);
}

void madpo_site_size(const madpo_model_config *c, madpo_site site, int64_t *out, int64_t *in)
{
    int64_t HD = (int64_t)c->H * c->D, KD = (int64_t)c->K * c->D;

    *in = site == MADPO_SITE_O ? HD : site == MADPO_SITE_DOWN ? c->F : c->C;
    switch (site) {
    case MADPO_SITE_Q:
        *out = HD;
        break;
    case MADPO_SITE_K:
    case MADPO_SITE_V:
        *out = KD;
        break;
    case MADPO_SITE_QKV:
        *out = HD + 2 * KD;
        break;
    case MADPO_SITE_GATE:
    case MADPO_SITE_UP:
        *out = c->F;
        break;
    default:
        *out = c->C;
    }
}

madpo_adapter_at madpo_adapter_get(const madpo_adapter_config *config, int32_t layer,
                                   madpo_site site)
{
    if (!config->at || layer < 0 || layer >= config->L)
        return (madpo_adapter_at){0};
    return config->at[layer * MADPO_N_SITES + (int)site];
}

double madpo_adapter_scale(const madpo_adapter_config *config, int32_t layer, madpo_site site)
{
    madpo_adapter_at at = madpo_adapter_get(config, layer, site);

    if (at.r == 0)
        return 0;
    return at.alpha / (config->rslora ? sqrt(at.r) : at.r);
}

int64_t madpo_adapter_parameters(const madpo_adapter_config *config,
                                 const madpo_model_config *model)
{
    int64_t n = config->score ? model->C : 0;

    for (int32_t l = 0; l < config->L; l++)
        for (int s = 0; s < MADPO_N_SITES; s++) {
            int64_t out, in;

            madpo_site_size(model, (madpo_site)s, &out, &in);
            n += madpo_adapter_get(config, l, (madpo_site)s).r * (out + in);
        }
    return n;
}

/* ---- from settings ---- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ',' || c == ' ';
}

/* The setting as target_modules would say it. NULL without memory. */
static json_t *targets_of(const char *text, const madpo_arch *arch)
{
    json_t *list;

    if (text[0] == '\0')
        return madpo__adapter_default_targets(arch);
    if (strcmp(text, "all-linear") == 0)
        return json_string(text);
    for (const char *c = text; *c; c++)
        if (!is_name_char(*c))
            return json_string(text);
    list = json_array();
    while (list && *text) {
        size_t skip = strspn(text, ", "), n = strcspn(text + skip, ", ");

        if (n > 0 && json_array_append_new(list, json_stringn(text + skip, n)) != 0) {
            json_decref(list);
            return NULL;
        }
        text += skip + n;
    }
    return list;
}

/* Every name of a list must be a module of the architecture. */
static madpo_status check_names(const json_t *targets, const madpo_model_config *model,
                                madpo_error *err)
{
    char names[160];

    madpo__adapter_module_names(names, sizeof names, model->arch);
    for (size_t i = 0; i < json_array_size(targets); i++) {
        json_t *one = json_pack("[O]", json_array_get(targets, i));
        bool found = false;
        madpo_status st = MADPO_OK;

        for (int32_t l = 0; one && st == MADPO_OK && l < model->L && !found; l++)
            for (int s = 0; st == MADPO_OK && s < MADPO_N_SITES && !found; s++) {
                char path[160];

                if (!model->arch->site[s])
                    continue;
                madpo__site_path(path, sizeof path, model, l, (madpo_site)s);
                st = madpo__adapter_meant(&found, one, path, "", err);
            }
        json_decref(one);
        if (!one)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory planning adapters");
        if (!found)
            return madpo_error_set(err, MADPO_ERR_CONFIG,
                                   "lora.targets: a %s model has no module '%s' (there are: %s)",
                                   model->arch->name, json_string_value(json_array_get(targets, i)),
                                   names);
    }
    return MADPO_OK;
}

static madpo_status check_options(const madpo_adapter_options *o, madpo_error *err)
{
    if (strlen(o->name) > 63 || o->name[0] == '\0' || strchr(o->name, '/'))
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "'%s' is no name for an adapter: 1 to 63 bytes without '/'",
                               o->name);
    if (o->r < 1)
        return madpo_error_set(err, MADPO_ERR_CONFIG, "lora.rank = %d must be above 0", (int)o->r);
    if (!(o->alpha > 0 && isfinite(o->alpha)))
        return madpo_error_set(err, MADPO_ERR_CONFIG, "lora.alpha = %g must be above 0", o->alpha);
    if (!(o->dropout >= 0 && o->dropout < 1))
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "lora.dropout = %g must be at least 0 and below 1", o->dropout);
    return MADPO_OK;
}

madpo_status madpo_adapter_config_init(madpo_adapter_config *out, const madpo_model_config *model,
                                       const madpo_adapter_options *options, madpo_error *err)
{
    madpo_adapter_config c = {.r = options->r,
                              .alpha = options->alpha,
                              .rslora = options->rslora,
                              .dropout = options->dropout,
                              .score = options->score};
    madpo__adapter_rules rules = {.where = "lora.targets"};
    json_t *targets = NULL;
    int64_t n = 0;
    madpo_status st = check_options(options, err);

    *out = (madpo_adapter_config){0};
    if (st != MADPO_OK)
        return st;
    snprintf(c.name, sizeof c.name, "%s", options->name);
    targets = targets_of(options->targets ? options->targets : "", model->arch);
    if (!targets)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory planning adapters");
    rules.targets = targets;
    st = check_names(targets, model, err);
    if (st == MADPO_OK)
        st = madpo__adapter_place(&c, model, &rules, &n, err);
    if (st == MADPO_OK && n == 0) {
        char names[160];

        madpo__adapter_module_names(names, sizeof names, model->arch);
        st = madpo_error_set(err, MADPO_ERR_CONFIG,
                             "lora.targets = '%s' matches no module of a %s model (there are: %s)",
                             options->targets, model->arch->name, names);
    }
    json_decref(targets);
    if (st == MADPO_OK)
        *out = c;
    else
        madpo_adapter_config_dispose(&c);
    return st;
}

/* ---- copies and sums ---- */

void madpo_adapter_config_dispose(madpo_adapter_config *config)
{
    free(config->at);
    *config = (madpo_adapter_config){0};
}

madpo_status madpo_adapter_config_copy(madpo_adapter_config *out, const madpo_adapter_config *from,
                                       madpo_error *err)
{
    size_t bytes = sizeof *from->at * (size_t)from->L * MADPO_N_SITES;
    madpo_adapter_at *at = malloc(bytes ? bytes : 1);

    *out = (madpo_adapter_config){0};
    if (!at)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory copying an adapter's shape");
    if (bytes)
        memcpy(at, from->at, bytes);
    *out = *from;
    out->at = at;
    return MADPO_OK;
}

madpo_status madpo_adapter_config_join(madpo_adapter_config *out, const char *name,
                                       const madpo_adapter_config *const *from, size_t n,
                                       madpo_error *err)
{
    madpo_status st;

    *out = (madpo_adapter_config){0};
    for (size_t i = 0; i < n; i++)
        if (from[i]->L != from[0]->L)
            return madpo_error_set(err, MADPO_ERR_MISMATCH,
                                   "adapters of models of %d and %d layers cannot be joined",
                                   (int)from[0]->L, (int)from[i]->L);
    if (n == 0 || strlen(name) >= sizeof out->name)
        return madpo_error_set(err, MADPO_ERR_USAGE, "nothing to join, or too long a name");
    st = madpo_adapter_config_copy(out, from[0], err);
    if (st != MADPO_OK)
        return st;
    snprintf(out->name, sizeof out->name, "%s", name);
    out->rslora = false;
    out->r = 0;
    for (size_t i = 1; i < n; i++) {
        out->score = out->score || from[i]->score;
        if (from[i]->dropout != out->dropout)
            out->dropout = 0; /* there is one value for the whole */
    }
    for (int32_t j = 0; j < out->L * MADPO_N_SITES; j++) {
        for (size_t i = 1; i < n; i++)
            out->at[j].r += from[i]->at[j].r;
        out->at[j].alpha = out->at[j].r;
        if (out->at[j].r > out->r)
            out->r = out->at[j].r;
    }
    out->alpha = out->r;
    return MADPO_OK;
}
