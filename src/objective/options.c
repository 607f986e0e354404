/* Options of the objectives: usual values, checks, and what an objective needs of a pair. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "objective/inside.h"

/* ---- values ---- */

static const madpo_objective_option *options_find(const madpo_objective *objective, const char *key)
{
    for (const madpo_objective_option *o = objective->options; o->key; o++)
        if (strcmp(o->key, key) == 0)
            return o;
    return NULL;
}

/* A negative value stands for the objective's usual one; 0 where the objective has none. */
static void options_automatic(double *value, const madpo_objective *objective, const char *key)
{
    const madpo_objective_option *o = options_find(objective, key);

    if (*value < 0.0)
        *value = o && !isnan(o->usual) ? o->usual : 0.0;
}

void madpo_objective_options_resolve(const madpo_objective *objective,
                                     madpo_objective_options *options)
{
    options_automatic(&options->label_smoothing, objective, "policy.label_smoothing");
    options_automatic(&options->alpha, objective, "policy.alpha");
    options_automatic(&options->gamma, objective, "policy.gamma");
}

madpo_objective_options madpo_objective_options_usual(const madpo_objective *objective)
{
    const madpo_objective_option *beta = options_find(objective, "policy.beta");
    madpo_objective_options o = {
        .beta = beta ? beta->usual : .1,
        .weight = {.c_max = 2.0, .c_min = .5, .lambda = 1.0, .tau = log(999.0), .max_weight = 10.0},
        .label_smoothing = -1.0,
        .soft_scale = 1.0,
        .alpha = -1.0,
        .gamma = -1.0,
        .keep = .8,
        .momentum = .9};

    madpo_objective_options_resolve(objective, &o);
    return o;
}

/* ---- choices by name ---- */

#define NAME(id, name) name,

static bool options_choice(size_t *out, const char *name, const char *const *names, size_t n)
{
    for (*out = 0; *out < n; (*out)++)
        if (strcmp(names[*out], name) == 0)
            return true;
    *out = 0;
    return false;
}

bool madpo_weight_variant_find(madpo_weight_variant *out, const char *name)
{
    static const char *const names[] = {MADPO_WEIGHT_VARIANT_LIST(NAME)};
    size_t i;
    bool found = options_choice(&i, name, names, sizeof names / sizeof names[0]);

    *out = (madpo_weight_variant)i;
    return found;
}

bool madpo_beta_mode_find(madpo_beta_mode *out, const char *name)
{
    static const char *const names[] = {MADPO_BETA_MODE_LIST(NAME)};
    size_t i;
    bool found = options_choice(&i, name, names, sizeof names / sizeof names[0]);

    *out = (madpo_beta_mode)i;
    return found;
}

/* ---- checks ---- */

static madpo_status check_smoothing(const madpo_objective *objective, double e, madpo_error *err)
{
    if (!(e >= 0.0 && e < 0.5))
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "policy.label_smoothing = %g must be at least 0 and below 0.5", e);
    if (e == 0.0 && objective == &madpo__objective_exo)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "policy.label_smoothing = 0 leaves objective exo without a minimum; "
                               "it must be above 0 (0.001 is usual)");
    return MADPO_OK;
}

/* Numbers with a plain lower end. */
static madpo_status check_plain(const madpo_objective *objective, const madpo_objective_options *o,
                                madpo_error *err)
{
    const struct {
        const char *key;
        double value;
    } rows[] = {{"policy.alpha", o->alpha},
                {"policy.gamma", o->gamma},
                {"policy.soft_scale", o->soft_scale}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (options_find(objective, rows[i].key) &&
            !(isfinite(rows[i].value) && rows[i].value >= 0.0))
            return madpo_error_set(err, MADPO_ERR_CONFIG, "%s = %g must be at least 0", rows[i].key,
                                   rows[i].value);
    if (options_find(objective, "policy.keep") && !(o->keep > 0.0 && o->keep <= 1.0))
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "policy.keep = %g must be above 0 and at most 1", o->keep);
    if (options_find(objective, "policy.momentum") && !(o->momentum >= 0.0 && o->momentum < 1.0))
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "policy.momentum = %g must be at least 0 and below 1", o->momentum);
    return MADPO_OK;
}

madpo_status madpo_objective_options_check(const madpo_objective *objective,
                                           const madpo_objective_options *options, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    if (options_find(objective, "policy.beta") && !(isfinite(options->beta) && options->beta > 0.0))
        return madpo_error_set(err, MADPO_ERR_CONFIG, "policy.beta = %g must be above 0",
                               options->beta);
    if (options_find(objective, "policy.c_max"))
        st = madpo_weight_options_check(&options->weight, err);
    if (st == MADPO_OK && options_find(objective, "policy.label_smoothing"))
        st = check_smoothing(objective, options->label_smoothing, err);
    return st == MADPO_OK ? check_plain(objective, options, err) : st;
}

/* ---- inputs ---- */

madpo_objective_needs madpo_objective_needs_of(const madpo_objective *objective,
                                               const madpo_objective_options *options)
{
    return (madpo_objective_needs){.margin = objective->needs_margin && !options->scores,
                                   .scores = objective->needs_margin && options->scores,
                                   .reference = objective->needs_reference,
                                   .lengths = objective->needs_lengths || options->average};
}

madpo_status madpo_objective_pair_check(const madpo_objective *objective,
                                        const madpo_objective_options *options,
                                        const madpo_pair_logps *in, madpo_error *err)
{
    madpo_objective_needs needs = madpo_objective_needs_of(objective, options);

    if (needs.margin && isnan(in->h))
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "objective %s needs the reward margin of every pair; run the stage "
                               "margins first",
                               objective->name);
    if (needs.scores && (isnan(in->score_chosen) || isnan(in->score_rejected)))
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "objective %s with policy.margin = \"scores\" needs the scores of "
                               "both answers; set policy.margin = \"reward\"",
                               objective->name);
    if (needs.reference && (isnan(in->ref_chosen) || isnan(in->ref_rejected)))
        return madpo_error_set(err, MADPO_ERR_DATA,
                               "objective %s needs the reference's log-probs of both answers",
                               objective->name);
    if (needs.lengths && !(in->n_chosen > 0.0 && in->n_rejected > 0.0))
        return madpo_error_set(
            err, MADPO_ERR_DATA,
            "objective %s averages over tokens and needs answers of at least one", objective->name);
    return MADPO_OK;
}
