/* The objective's options from the configuration. */
#include "train/policy_options.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/strbuf.h"

madpo_weight_options madpo_policy_weight_options(const madpo_options *o)
{
    madpo_weight_options w = {.c_max = o->policy.c_max,
                              .c_min = madpo_options_c_min(o),
                              .lambda = o->policy.lambda,
                              .tau = o->policy.tau,
                              .max_weight = o->policy.max_weight};

    /* The configuration has refused every name that is not in the list. */
    madpo_weight_variant_find(&w.variant, o->policy.variant);
    return w;
}

madpo_objective_options madpo_policy_objective_options(const madpo_options *o,
                                                       const madpo_objective *objective)
{
    madpo_objective_options out = {.beta = o->policy.beta,
                                   .weight = madpo_policy_weight_options(o),
                                   .average = o->policy.average,
                                   .scores = strcmp(o->policy.margin, "scores") == 0,
                                   .label_smoothing = o->policy.label_smoothing,
                                   .soft_scale = o->policy.soft_scale,
                                   .alpha = o->policy.alpha,
                                   .gamma = o->policy.gamma,
                                   .keep = o->policy.keep,
                                   .momentum = o->policy.momentum};

    madpo_beta_mode_find(&out.beta_mode, o->policy.beta_mode);
    madpo_objective_options_resolve(objective, &out);
    return out;
}

madpo_status madpo_policy_check(const madpo_options *o, madpo_error *err)
{
    const madpo_objective *objective = madpo_objective_find(o->policy.objective);
    madpo_objective_options options;
    madpo_weight_options weight = madpo_policy_weight_options(o);
    madpo_status st = MADPO_OK;

    if (madpo_options_has_stage(o, "margins"))
        st = madpo_weight_options_check(&weight, err);
    if (st != MADPO_OK || !madpo_options_has_stage(o, "policy"))
        return st;
    if (!objective)
        return madpo_error_set(err, MADPO_ERR_CONFIG, "policy.objective: unknown objective '%s'",
                               o->policy.objective);
    options = madpo_policy_objective_options(o, objective);
    return madpo_objective_options_check(objective, &options, err);
}

madpo_status madpo_policy_scores_check(const madpo_objective *objective, const madpo_pairs *pairs,
                                       madpo_error *err)
{
    for (size_t i = 0; i < madpo_pairs_count(pairs); i++) {
        const madpo_pair *pair = madpo_pairs_at(pairs, i);

        if (isnan(pair->score_chosen) || isnan(pair->score_rejected))
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "objective %s with policy.margin = \"scores\": pair %lld has no "
                                   "score_chosen and score_rejected; add them or set "
                                   "policy.margin = \"reward\"",
                                   objective->name, (long long)pair->id);
    }
    return MADPO_OK;
}

/* ---- in words ---- */

/* One key that an objective may read. */
typedef struct policy_word {
    const char *key;
    const double *number; /* or */
    const char *text;
} policy_word;

static void policy_describe_key(madpo_strbuf *b, const char *key, const policy_word *words,
                                size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(words[i].key, key) != 0)
            continue;
        madpo_strbuf_printf(b, " %s ", strchr(key, '.') + 1);
        if (words[i].number)
            madpo_strbuf_printf(b, "%.17g", *words[i].number);
        else
            madpo_strbuf_append(b, words[i].text);
    }
}

static void policy_describe(madpo_strbuf *b, const madpo_options *o,
                            const madpo_objective *objective)
{
    madpo_objective_options v = madpo_policy_objective_options(o, objective);
    const policy_word words[] = {{"policy.beta", &v.beta, NULL},
                                 {"policy.c_max", &v.weight.c_max, NULL},
                                 {"policy.c_min", &v.weight.c_min, NULL},
                                 {"policy.lambda", &v.weight.lambda, NULL},
                                 {"policy.tau", &v.weight.tau, NULL},
                                 {"policy.variant", NULL, o->policy.variant},
                                 {"policy.max_weight", &v.weight.max_weight, NULL},
                                 {"policy.margin", NULL, o->policy.margin},
                                 {"policy.label_smoothing", &v.label_smoothing, NULL},
                                 {"policy.soft_scale", &v.soft_scale, NULL},
                                 {"policy.alpha", &v.alpha, NULL},
                                 {"policy.gamma", &v.gamma, NULL},
                                 {"policy.beta_mode", NULL, o->policy.beta_mode},
                                 {"policy.keep", &v.keep, NULL},
                                 {"policy.momentum", &v.momentum, NULL}};

    madpo_strbuf_append(b, objective->name);
    for (const madpo_objective_option *option = objective->options; option->key; option++)
        policy_describe_key(b, option->key, words, sizeof words / sizeof words[0]);
    if (v.average)
        madpo_strbuf_append(b, " average");
}

madpo_status madpo_policy_describe(char **out, const madpo_options *o, madpo_error *err)
{
    const madpo_objective *objective = madpo_objective_find(o->policy.objective);
    madpo_strbuf b = {0};

    *out = NULL;
    if (!objective)
        return madpo_error_set(err, MADPO_ERR_CONFIG, "policy.objective: unknown objective '%s'",
                               o->policy.objective);
    policy_describe(&b, o, objective);
    return madpo_strbuf_steal(&b, out, NULL, err);
}
