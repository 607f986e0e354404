/* The cells of an experiment, from the lists in its configuration. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "train/experiment_inside.h"
#include "train/list.h"

static madpo_status no_memory(madpo_error *err)
{
    return madpo_error_set(err, MADPO_ERR_NOMEM, "experiment: out of host memory");
}

/* ---- tiers and seeds ---- */

static madpo_status add_tier(madpo__exp_plan *plan, const char *word, madpo_error *err)
{
    int tier = madpo_tier_find(word);

    if (tier < 0)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "experiment.tiers: unknown tier \"%s\"; there are high, medium and "
                               "low",
                               word);
    for (size_t i = 0; i < plan->n_tiers; i++)
        if (plan->tier[i] == madpo_tier_names[tier])
            return madpo_error_set(err, MADPO_ERR_CONFIG, "experiment.tiers: \"%s\" is there twice",
                                   word);
    plan->tier[plan->n_tiers++] = madpo_tier_names[tier];
    return MADPO_OK;
}

static madpo_status add_seed(madpo__exp_plan *plan, const char *word, madpo_error *err)
{
    char **grown = realloc(plan->seed, (plan->n_seeds + 1) * sizeof *grown);

    if (!grown)
        return no_memory(err);
    plan->seed = grown;
    if (strspn(word, "0123456789") != strlen(word) || strlen(word) > 18)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "experiment.seeds: \"%s\" is no whole number of at most 18 digits",
                               word);
    for (size_t i = 0; i < plan->n_seeds; i++)
        if (strcmp(plan->seed[i], word) == 0)
            return madpo_error_set(err, MADPO_ERR_CONFIG, "experiment.seeds: %s is there twice",
                                   word);
    plan->seed[plan->n_seeds] = strdup(word);
    if (!plan->seed[plan->n_seeds])
        return no_memory(err);
    plan->n_seeds++;
    return MADPO_OK;
}

/* ---- methods ---- */

static madpo_status method_set(madpo__exp_method *m, madpo_strbuf *b, madpo_error *err)
{
    char **grown = realloc(m->set, (m->n_set + 1) * sizeof *grown);
    madpo_status st;

    if (!grown)
        return no_memory(err);
    m->set = grown;
    st = madpo_strbuf_steal(b, &m->set[m->n_set], NULL, err);
    m->n_set += st == MADPO_OK;
    return st;
}

/* One "key=value" of a method: "c=4" is c_max and c_min, a key without a section is of policy. */
static madpo_status method_part(madpo__exp_method *m, const char *part, size_t n, madpo_error *err)
{
    madpo_strbuf b = {0};
    madpo_status st;

    if (n > 2 && strncmp(part, "c=", 2) == 0) {
        double c = strtod(part + 2, NULL);

        madpo_strbuf_printf(&b, "policy.c_max=%.*s", (int)n - 2, part + 2);
        st = method_set(m, &b, err);
        madpo_strbuf_printf(&b, "policy.c_min=%.17g", c > 1.0 ? 1.0 / c : 0.0);
    } else {
        const char *equals = memchr(part, '=', n);
        bool section = equals && memchr(part, '.', (size_t)(equals - part));

        st = MADPO_OK;
        madpo_strbuf_printf(&b, "%s%.*s", section ? "" : "policy.", (int)n, part);
    }
    if (st == MADPO_OK)
        st = method_set(m, &b, err);
    madpo_strbuf_dispose(&b);
    return st;
}

static madpo_status method_parse(madpo__exp_method *m, madpo_error *err)
{
    const char *rest = m->spec;
    size_t n = strcspn(rest, "@");
    madpo_strbuf b = {0};
    madpo_status st;

    madpo_strbuf_printf(&b, "policy.objective=%.*s", (int)n, rest);
    st = method_set(m, &b, err);
    madpo_strbuf_dispose(&b);
    for (rest += n; *rest && st == MADPO_OK; rest += n) {
        rest++;
        n = strcspn(rest, "@");
        st = method_part(m, rest, n, err);
    }
    return st;
}

/* Would the configuration take it? */
static madpo_status method_check(const madpo__exp_method *m, const madpo_config *config,
                                 madpo_error *err)
{
    madpo_config *copy;
    madpo_error why = MADPO_ERROR_INIT;
    madpo_status st = madpo_config_clone(&copy, config, &why);

    for (size_t i = 0; i < m->n_set && st == MADPO_OK; i++)
        st = madpo_config_set(copy, m->set[i], &why);
    if (st == MADPO_OK)
        st = madpo_config_check(copy, &why);
    madpo_config_free(copy);
    return st == MADPO_OK
               ? st
               : madpo_error_set(err, st, "experiment: method \"%s\": %s", m->spec, why.message);
}

static void method_value(madpo__exp_method *m, unsigned role, double value)
{
    if (role == MADPO_ROLE_SWEEP_C)
        m->c = value;
    else if (role == MADPO_ROLE_SWEEP_TAU)
        m->tau = value;
}

static madpo_status add_method(madpo__exp_plan *plan, const char *spec, unsigned role, double value,
                               const madpo_config *config, madpo_error *err)
{
    madpo__exp_method *grown, *m;
    madpo_status st;

    for (size_t i = 0; i < plan->n_methods; i++) {
        if (strcmp(plan->method[i].spec, spec) != 0)
            continue;
        if (plan->method[i].roles & role)
            return madpo_error_set(err, MADPO_ERR_CONFIG, "experiment: \"%s\" is there twice",
                                   spec);
        plan->method[i].roles |= role;
        method_value(&plan->method[i], role, value);
        return MADPO_OK;
    }
    grown = realloc(plan->method, (plan->n_methods + 1) * sizeof *grown);
    if (!grown)
        return no_memory(err);
    plan->method = grown;
    m = &plan->method[plan->n_methods++];
    *m = (madpo__exp_method){.spec = strdup(spec), .roles = role};
    method_value(m, role, value);
    if (!m->spec)
        return no_memory(err);
    if (strpbrk(spec, "/\"'|"))
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "experiment: a method names a folder, so /, | and quotes cannot be in "
            "it: %s",
            spec);
    st = method_parse(m, err);
    return st == MADPO_OK ? method_check(m, config, err) : st;
}

/* Is it what the method "madpo" does as configured? */
static bool is_plain(const madpo_options *o, unsigned role, double value)
{
    if (role == MADPO_ROLE_SWEEP_TAU)
        return value == o->policy.tau;
    return value == o->policy.c_max && value > 1.0 && madpo_options_c_min(o) == 1.0 / value;
}

/* One word of experiment.sweep_c or .sweep_tau as a method. */
static madpo_status add_sweep(madpo__exp_plan *plan, const char *key, const char *word,
                              unsigned role, const madpo_config *config, madpo_error *err)
{
    char *end;
    double value = strtod(word, &end);
    char spec[64];

    if (*end || end == word || !(value > 0.0) || strlen(word) > 24)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "experiment.sweep_%s: \"%s\" is no positive number", key, word);
    snprintf(spec, sizeof spec, "madpo@%s=%s", key, word);
    if (is_plain(madpo_config_options(config), role, value))
        spec[strlen("madpo")] = 0;
    return add_method(plan, spec, role, value, config, err);
}

/* ---- the lists ---- */

typedef enum plan_list { LIST_TIERS, LIST_SEEDS, LIST_METHODS, LIST_C, LIST_TAU } plan_list;

static madpo_status add_word(madpo__exp_plan *plan, plan_list list, const char *word,
                             const madpo_config *config, madpo_error *err)
{
    switch (list) {
    case LIST_TIERS:
        return add_tier(plan, word, err);
    case LIST_SEEDS:
        return add_seed(plan, word, err);
    case LIST_METHODS:
        return add_method(plan, word, MADPO_ROLE_METHOD, 0.0, config, err);
    case LIST_C:
        return add_sweep(plan, "c", word, MADPO_ROLE_SWEEP_C, config, err);
    case LIST_TAU:
        return add_sweep(plan, "tau", word, MADPO_ROLE_SWEEP_TAU, config, err);
    }
    return MADPO_OK;
}

static madpo_status add_words(madpo__exp_plan *plan, plan_list list, const char *words,
                              const madpo_config *config, madpo_error *err)
{
    char *word = NULL;
    madpo_status st = madpo_list_next(&word, &words, err);

    while (st == MADPO_OK && word) {
        st = add_word(plan, list, word, config, err);
        free(word);
        word = NULL;
        if (st == MADPO_OK)
            st = madpo_list_next(&word, &words, err);
    }
    return st;
}

static madpo_status add_ablation(madpo__exp_plan *plan, const madpo_config *config,
                                 madpo_error *err)
{
    static const char *const specs[] = {"madpo", "madpo@variant=amplify",
                                        "madpo@variant=regularise"};
    madpo_status st = MADPO_OK;

    for (size_t i = 0; i < 3 && st == MADPO_OK; i++)
        st = add_method(plan, specs[i], MADPO_ROLE_ABLATION, 0.0, config, err);
    return st;
}

/* ---- cells ---- */

static madpo_status add_cell(madpo__exp_plan *plan, size_t tier, size_t method, size_t seed,
                             madpo_error *err)
{
    madpo_strbuf name = {0};
    madpo__exp_cell *cell = &plan->cell[plan->n_cells];
    madpo_status st;

    *cell = (madpo__exp_cell){.tier = (int)tier, .method = method, .seed = seed};
    madpo_strbuf_printf(&name, "%s-%s-s%s", plan->tier[tier], plan->method[method].spec,
                        plan->seed[seed]);
    st = madpo_strbuf_steal(&name, &cell->name, NULL, err);
    plan->n_cells += st == MADPO_OK;
    return st;
}

/* Methods before sweeps, and every method of a seed before the next seed: what is there of an
 * experiment that was stopped can be compared. */
static madpo_status add_cells(madpo__exp_plan *plan, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    plan->cell = calloc(plan->n_tiers * plan->n_methods * plan->n_seeds + 1, sizeof *plan->cell);
    if (!plan->cell)
        return no_memory(err);
    for (int sweeps = 0; sweeps < 2; sweeps++)
        for (size_t seed = 0; seed < plan->n_seeds; seed++)
            for (size_t tier = 0; tier < plan->n_tiers; tier++)
                for (size_t m = 0; m < plan->n_methods && st == MADPO_OK; m++)
                    if (!(plan->method[m].roles & MADPO_ROLE_METHOD) == (sweeps == 1))
                        st = add_cell(plan, tier, m, seed, err);
    return st;
}

madpo_status madpo__exp_plan_init(madpo__exp_plan *plan, const madpo_config *config,
                                  madpo_error *err)
{
    const madpo_options *o = madpo_config_options(config);
    const char *const lists[] = {[LIST_TIERS] = o->experiment.tiers,
                                 [LIST_SEEDS] = o->experiment.seeds,
                                 [LIST_METHODS] = o->experiment.methods,
                                 [LIST_C] = o->experiment.sweep_c,
                                 [LIST_TAU] = o->experiment.sweep_tau};
    madpo_status st = MADPO_OK;

    *plan = (madpo__exp_plan){0};
    for (int list = 0; list <= LIST_TAU && st == MADPO_OK; list++)
        st = add_words(plan, (plan_list)list, lists[list], config, err);
    if (st == MADPO_OK && o->experiment.ablation)
        st = add_ablation(plan, config, err);
    if (st == MADPO_OK && (!plan->n_tiers || !plan->n_seeds || !plan->n_methods))
        st = madpo_error_set(err, MADPO_ERR_CONFIG,
                             "experiment.%s is empty; name at least one of its kind",
                             !plan->n_tiers   ? "tiers"
                             : !plan->n_seeds ? "seeds"
                                              : "methods");
    if (st == MADPO_OK)
        st = add_cells(plan, err);
    if (st != MADPO_OK)
        madpo__exp_plan_dispose(plan);
    return st;
}

void madpo__exp_plan_dispose(madpo__exp_plan *plan)
{
    for (size_t i = 0; i < plan->n_seeds; i++)
        free(plan->seed[i]);
    for (size_t i = 0; i < plan->n_methods; i++) {
        for (size_t k = 0; k < plan->method[i].n_set; k++)
            free(plan->method[i].set[k]);
        free(plan->method[i].set);
        free(plan->method[i].spec);
    }
    for (size_t i = 0; i < plan->n_cells; i++)
        free(plan->cell[i].name);
    free(plan->seed);
    free(plan->method);
    free(plan->cell);
    *plan = (madpo__exp_plan){0};
}
