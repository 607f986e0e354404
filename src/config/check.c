/* Checks between keys. Each message names the keys and their values, and says what would do. That
 * c_min < 1 <= c_max needs none: it is what the ranges of the two keys say. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "config/config.h"

/* In the order in which they must stand. */
static const char *const check_stages[] = {"sft",     "generate", "tiers",   "reward",
                                           "margins", "policy",   "evaluate"};
#define N_STAGES (sizeof check_stages / sizeof check_stages[0])

double madpo_options_c_min(const madpo_options *options)
{
    double c_max = options->policy.c_max;

    if (options->policy.c_min >= 0)
        return options->policy.c_min;
    return c_max > 1 ? 1 / c_max : 0;
}

static size_t check_stage_index(const char *word, size_t n)
{
    for (size_t i = 0; i < N_STAGES; i++)
        if (strlen(check_stages[i]) == n && memcmp(check_stages[i], word, n) == 0)
            return i;
    return N_STAGES;
}

static madpo_status check_stage_unknown(const char *word, size_t n, madpo_error *err)
{
    char *name = strndup(word, n);
    const char *nearest = name ? madpo_nearest(name, check_stages, N_STAGES) : NULL;
    madpo_status st;

    if (nearest)
        st = madpo_error_set(err, MADPO_ERR_CONFIG,
                             "run.stages: unknown stage \"%s\"; did you mean \"%s\"?", name,
                             nearest);
    else
        st = madpo_error_set(err, MADPO_ERR_CONFIG,
                             "run.stages: unknown stage \"%.*s\"; there are sft, generate, tiers, "
                             "reward, margins, policy and evaluate",
                             (int)n, word);
    free(name);
    return st;
}

bool madpo_options_has_stage(const madpo_options *options, const char *stage)
{
    size_t n = strlen(stage);

    for (const char *rest = options->run.stages; *rest;) {
        size_t length;

        rest += strspn(rest, ", ");
        length = strcspn(rest, ", ");
        if (length == n && length > 0 && memcmp(rest, stage, n) == 0)
            return true;
        rest += length;
    }
    return false;
}

static madpo_status check_run(const madpo_options *o, madpo_error *err)
{
    size_t last = N_STAGES; /* none yet */
    const char *rest = o->run.stages + strspn(o->run.stages, ", ");

    while (*rest) {
        size_t n = strcspn(rest, ", "), i = check_stage_index(rest, n);

        if (i == N_STAGES)
            return check_stage_unknown(rest, n, err);
        if (i == last)
            return madpo_error_set(err, MADPO_ERR_CONFIG, "run.stages: \"%s\" is there twice",
                                   check_stages[i]);
        if (last != N_STAGES && i < last)
            return madpo_error_set(err, MADPO_ERR_CONFIG,
                                   "run.stages: \"%s\" must come before \"%s\"", check_stages[i],
                                   check_stages[last]);
        last = i;
        rest += n;
        rest += strspn(rest, ", ");
    }
    if (last == N_STAGES)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "run.stages is empty; name at least one stage");
    return MADPO_OK;
}

static madpo_status check_source(const madpo_options *o, madpo_error *err)
{
    const char *source = o->data.source;

    if (strcmp(source, "reviews") == 0 && !o->data.reviews[0])
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.source = \"reviews\" needs data.reviews = a CSV file");
    if (strcmp(source, "pairs") == 0 && !o->data.pairs[0])
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.source = \"pairs\" needs data.pairs = a JSONL file");
    if (strcmp(source, "auto") == 0 && o->data.reviews[0] && o->data.pairs[0])
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "data.reviews and data.pairs are both set; say which to train on with "
            "data.source");
    return MADPO_OK;
}

static madpo_status check_lengths(const madpo_options *o, madpo_error *err)
{
    long long max_prompt = o->data.max_prompt, max_tokens = o->data.max_tokens;
    long long prompt = o->generate.prompt_tokens, max_new = o->generate.max_new;
    long long budget = o->batch.tokens;
    bool samples = madpo_options_has_stage(o, "generate") || madpo_options_has_stage(o, "evaluate");

    if (max_prompt >= max_tokens)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.max_prompt = %lld leaves no room for an answer: must be below "
                               "data.max_tokens = %lld",
                               max_prompt, max_tokens);
    if (max_prompt == 0 && !strcmp(o->data.truncation, "error") && !o->data.truncate_prompt)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "data.max_prompt = 0 (no limit) needs data.truncation = "
                               "\"keep_start\" or \"keep_end\"");
    if (samples && max_prompt && prompt > max_prompt)
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "generate.prompt_tokens = %lld must be at most data.max_prompt = %lld", prompt,
            max_prompt);
    if (samples && prompt + max_new > max_tokens)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "generate.prompt_tokens = %lld and generate.max_new = %lld together "
                               "must be at most data.max_tokens = %lld",
                               prompt, max_new, max_tokens);
    /* a pair is its prompt once and two answers, and may not be split */
    if (budget < 2 * max_tokens)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "batch.tokens = %lld cannot hold a pair of data.max_tokens = %lld: "
                               "must be at least %lld",
                               budget, max_tokens, 2 * max_tokens);
    return MADPO_OK;
}

/* Sizes of a model with random weights; those of model.path come from its own config.json. */
static madpo_status check_sizes(const madpo_options *o, madpo_error *err)
{
    bool rotary = strcmp(o->model.arch, "gpt2") != 0;
    long long hidden = o->model.hidden, heads = o->model.heads, kv_heads = o->model.kv_heads;
    long long head_dim = o->model.head_dim;

    if (heads % kv_heads != 0)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "model.heads = %lld must be a multiple of model.kv_heads = %lld",
                               heads, kv_heads);
    if (head_dim == 0 && hidden % heads != 0)
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "model.hidden = %lld must be a multiple of model.heads = %lld, or set "
            "model.head_dim",
            hidden, heads);
    if (rotary && (head_dim ? head_dim : hidden / heads) % 2 != 0)
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "the width of a head (model.head_dim, or model.hidden / model.heads) is "
            "%lld; rotary positions need an even one",
            head_dim ? head_dim : hidden / heads);
    if (o->model.window_pattern > 0 && o->model.window == 0)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "model.window_pattern = %lld needs model.window > 0",
                               (long long)o->model.window_pattern);
    return MADPO_OK;
}

static bool check_trains(const madpo_options *o)
{
    return madpo_options_has_stage(o, "sft") || madpo_options_has_stage(o, "reward") ||
           madpo_options_has_stage(o, "policy");
}

static madpo_status check_adapters(const madpo_options *o, madpo_error *err)
{
    long long rank = o->lora.rank;
    const char *storage = o->model.storage;
    bool half = strcmp(storage, "bf16") == 0 || strcmp(storage, "f16") == 0;

    if (rank > 0 && !o->model.path[0])
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "lora.rank = %lld needs model.path: adapters are trained on a model "
                               "that is there; or set lora.rank = 0",
                               rank);
    if (o->model.adapter[0] && rank == 0)
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "model.adapter needs lora.rank > 0: it stays an adapter; to train "
                               "the whole model, fold "
                               "it into a copy of model.path first");
    if (half && rank == 0 && check_trains(o))
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "model.storage = \"%s\" needs lora.rank > 0: weights that are trained "
            "are kept in f32",
            storage);
    return MADPO_OK;
}

static madpo_status check_model(const madpo_options *o, madpo_error *err)
{
    const char *init = o->reward.init;
    madpo_status st = check_adapters(o, err);

    if (st != MADPO_OK)
        return st;
    if (strcmp(init, "base") == 0 && !o->model.path[0])
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "reward.init = \"base\" needs model.path; \"sft\" and \"random\" do "
                               "without");
    if (strcmp(init, "random") == 0 && o->lora.rank > 0)
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "reward.init = \"random\" needs lora.rank = 0: an adapter is of no use "
            "on random weights; take \"sft\" or \"base\"");
    return o->model.path[0] ? MADPO_OK : check_sizes(o, err);
}

madpo_status madpo_config_check(const madpo_config *config, madpo_error *err)
{
    static madpo_status (*const checks[])(const madpo_options *, madpo_error *) = {
        check_run,
        check_source,
        check_lengths,
        check_model,
    };
    const madpo_options *options = madpo_config_options(config);

    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        madpo_status st = checks[i](options, err);

        if (st != MADPO_OK)
            return st;
    }
    return MADPO_OK;
}
