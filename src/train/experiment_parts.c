/* The configurations of an experiment's runs, and so what goes from one to the next. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "train/experiment_inside.h"

/* ---- settings ---- */

typedef struct settings {
    madpo_config *config;
    madpo_status st;
    madpo_error *err;
} settings;

static settings settings_begin(const madpo_experiment *e, madpo_error *err)
{
    settings s = {.err = err};

    s.st = madpo_config_clone(&s.config, e->config, err);
    return s;
}

static void set(settings *s, const char *assignment)
{
    if (s->st == MADPO_OK)
        s->st = madpo_config_set(s->config, assignment, s->err);
}

/* "key=dir/name" */
static void set_in(settings *s, const char *key, const char *dir, const char *name)
{
    madpo_strbuf b = {0};

    if (s->st != MADPO_OK)
        return;
    madpo_strbuf_printf(&b, "%s=%s/%s", key, dir, name);
    s->st = madpo_strbuf_check(&b, s->err);
    if (s->st == MADPO_OK)
        set(s, b.s);
    madpo_strbuf_dispose(&b);
}

static void set_path(settings *s, const madpo_experiment *e, const char *key, const char *name)
{
    set_in(s, key, e->dir, name);
}

static void set_text(settings *s, const char *key, const char *value)
{
    madpo_strbuf b = {0};

    if (s->st != MADPO_OK)
        return;
    madpo_strbuf_printf(&b, "%s=%s", key, value);
    s->st = madpo_strbuf_check(&b, s->err);
    if (s->st == MADPO_OK)
        set(s, b.s);
    madpo_strbuf_dispose(&b);
}

static madpo_status settings_end(settings *s, madpo_config **out)
{
    *out = NULL;
    if (s->st == MADPO_OK)
        *out = s->config;
    else
        madpo_config_free(s->config);
    return s->st;
}

/* Is a language model trained first? Else model.path is what the policies start from. */
static bool has_sft(const madpo_experiment *e)
{
    return madpo_options_has_stage(e->o, "sft");
}

madpo_status madpo__exp_shared_config(madpo_config **out, const madpo_experiment *e,
                                      madpo_error *err)
{
    settings s = settings_begin(e, err);

    set(&s, has_sft(e) ? "run.stages=sft,generate,tiers" : "run.stages=generate,tiers");
    return settings_end(&s, out);
}

/* Tokenizer and start of a run on a tier's pairs. */
static void set_base(settings *s, const madpo_experiment *e)
{
    char tokens[64];

    set_path(s, e, "tokenizer.path", "shared/sft/tokenizer/tokenizer.json");
    if (has_sft(e))
        set_path(s, e, e->o->lora.rank > 0 ? "model.adapter" : "model.path",
                 "shared/sft/models/sft");
    set(s, "data.source=pairs");
    set(s, "data.reviews=");
    set(s, "data.fields=");
    set(s, "data.margins=");
    set(s, "data.limit=0");
    set(s, "data.add_eos=false"); /* samples may have been cut by generate.max_new */
    set(s, "data.truncation=error");
    set(s, "data.truncate_prompt=true");
    set(s, "data.tokenize=separate");
    snprintf(tokens, sizeof tokens, "data.max_prompt=%lld",
             (long long)e->o->generate.prompt_tokens);
    set(s, tokens);
}

madpo_status madpo__exp_tier_dir(char **out, const madpo_experiment *e, size_t tier, size_t seed,
                                 madpo_error *err)
{
    if (e->o->experiment.reseed_data)
        return madpo__exp_path(out, e, err, "tiers/%s-s%s", e->plan.tier[tier], e->plan.seed[seed]);
    return madpo__exp_path(out, e, err, "tiers/%s", e->plan.tier[tier]);
}

madpo_status madpo__exp_tier_config(madpo_config **out, const madpo_experiment *e, size_t tier,
                                    size_t seed, madpo_error *err)
{
    bool reseed = e->o->experiment.reseed_data;
    settings s = settings_begin(e, err);
    madpo_strbuf name = {0};
    char *file = NULL;

    if (s.st == MADPO_OK)
        s.st = madpo_tier_file(&file, e->plan.tier[tier], reseed ? e->plan.seed[seed] : NULL, err);
    if (s.st == MADPO_OK) {
        madpo_strbuf_printf(&name, "shared/sft/tiers/%s", file);
        s.st = madpo_strbuf_check(&name, err);
    }
    if (s.st == MADPO_OK)
        set_path(&s, e, "data.pairs", name.s);
    set(&s, "run.stages=reward,margins");
    set_base(&s, e);
    if (reseed)
        set_text(&s, "run.seed", e->plan.seed[seed]);
    madpo_strbuf_dispose(&name);
    free(file);
    return settings_end(&s, out);
}

madpo_status madpo__exp_cell_config(madpo_config **out, const madpo_experiment *e,
                                    const madpo__exp_cell *cell, madpo_error *err)
{
    const madpo__exp_method *m = &e->plan.method[cell->method];
    settings s = settings_begin(e, err);
    char *dir = NULL, *reference = NULL;

    set_base(&s, e);
    if (s.st == MADPO_OK)
        s.st = madpo__exp_reference(&reference, e, cell, err);
    set_text(&s, "policy.reference", reference ? reference : "");
    if (s.st == MADPO_OK)
        s.st = madpo__exp_tier_dir(&dir, e, (size_t)cell->tier, cell->seed, err);
    set_in(&s, "data.pairs", dir, "pairs.jsonl");
    set_in(&s, "data.margins", dir, "margins.jsonl");
    set(&s, "reward.calibrate=false"); /* the margins are what the tier made of them */
    set(&s, "run.stages=margins,policy,evaluate");
    set_text(&s, "run.seed", e->plan.seed[cell->seed]);
    set_path(&s, e, "evaluate.from", "shared/sft/tiers/prompts.jsonl");
    set_path(&s, e, "evaluate.scorer", "shared/sft/scorer.bin");
    for (size_t i = 0; i < m->n_set; i++)
        set(&s, m->set[i]);
    free(reference);
    free(dir);
    return settings_end(&s, out);
}
