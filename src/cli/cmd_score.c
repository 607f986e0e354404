/* madpo score: what a model thinks of preference pairs. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/model_args.h"
#include "cli/output.h"
#include "data/pack.h"
#include "train/score.h"
#include "train/stats.h"

enum { DEFAULT_BATCH_TOKENS = 2048 };

typedef struct score_options {
    madpo_cli_model model;
    int64_t max_prompt, max_tokens, batch_tokens; /* 0 = not given */
    bool truncate_prompt, no_eos;
} score_options;

static int score_run(int argc, char **argv);

static const madpo_cli_option score_table[] = {
    {"max-tokens", "N", MADPO_CLI_INT, offsetof(score_options, max_tokens), 2,
     "Tokens of a prompt and one answer; longer answers are cut at the end (default: the model's "
     "positions)."},
    {"max-prompt", "N", MADPO_CLI_INT, offsetof(score_options, max_prompt), 1,
     "Tokens of a prompt (default: one less than --max-tokens); a longer one is refused, or cut "
     "with "
     "--truncate-prompt."},
    {"truncate-prompt", NULL, MADPO_CLI_FLAG, offsetof(score_options, truncate_prompt), 0,
     "Keep the end of prompts that are too long."},
    {"no-eos", NULL, MADPO_CLI_FLAG, offsetof(score_options, no_eos), 0,
     "Score log-probs without the end token behind an answer, as of answers that go on."},
    {"batch-tokens", "N", MADPO_CLI_INT, offsetof(score_options, batch_tokens), 1,
     "Tokens computed at once (default 2048, and at least the longest pair): more is faster and "
     "needs more memory."},
    MADPO_CLI_MODEL_ADAPTER(score_options),
    MADPO_CLI_MODEL_STORAGE(score_options),
    MADPO_CLI_MODEL_DEVICE(score_options),
    {0}};

const madpo_cli_command madpo__command_score = {
    .name = "score",
    .synopsis = "MODEL PAIRS [--adapter DIR]... [OPTION...]",
    .summary = "log-probs or rewards of the answers of preference pairs",
    .description =
        "    Print a JSON line for every pair of the file PAIRS (JSON lines with prompt, chosen\n"
        "    and rejected; gz or not): the summed log-prob of each answer after its prompt and\n"
        "    its number of tokens, or, of a reward model (config.json says\n"
        "    ...ForSequenceClassification, or an adapter brings a score head), its reward. On\n"
        "    standard error follow the number of pairs and how many of them the model has in\n"
        "    the right order, with a 95 % interval (Wilson).\n"
        "\n" MADPO_CLI_MODEL_HELP,
    .options = score_table,
    .more =
        "OUTPUT\n"
        "    {\"id\":0,\"chosen\":{\"logp\":-20.1,\"tokens\":9},\"rejected\":{\"logp\":-25.7,"
        "\"tokens\":11}}\n"
        "    {\"id\":0,\"chosen\":{\"reward\":1.2,\"tokens\":9},\"rejected\":{\"reward\":-0.3,"
        "\"tokens\":11}}\n"
        "\n" MADPO_CLI_MODEL_EXIT "\n"
        "EXAMPLES\n"
        "    madpo score runs/a/models/reward runs/a/pairs.jsonl > rewards.jsonl\n"
        "    madpo score ./base pairs.jsonl.gz --adapter ./dpo --max-tokens 512 > logps.jsonl\n",
    .run = score_run,
};

typedef struct score {
    const score_options *o;
    madpo_opened m;
    madpo_pairs *pairs;
    madpo_examples examples;
    size_t n_right;
    double difference; /* sum of chosen - rejected */
} score;

/* ---- pairs ---- */

static madpo_status score_tokenize(score *s, const char *path, madpo_error *err)
{
    const score_options *o = s->o;
    madpo_tokenize_options how = {
        .add_eos = !o->no_eos, .end_with_eos = s->m.reward, .truncate_prompt = o->truncate_prompt};
    int64_t most = o->max_tokens > 0 ? o->max_tokens : s->m.config.max_positions;
    madpo_status st = MADPO_OK;

    if (most > s->m.config.max_positions)
        st = madpo_error_set(err, MADPO_ERR_USAGE,
                             "--max-tokens %lld is more than the model's %ld positions",
                             (long long)most, (long)s->m.config.max_positions);
    if (o->max_prompt >= most)
        st = madpo_error_set(err, MADPO_ERR_USAGE,
                             "--max-prompt %lld leaves no room for an answer within %lld tokens",
                             (long long)o->max_prompt, (long long)most);
    how.max_tokens = (int32_t)most;
    how.max_prompt = (int32_t)(o->max_prompt > 0 ? o->max_prompt : most - 1);
    if (st == MADPO_OK)
        st = madpo_pairs_load(&s->pairs, path, false, NULL, err);
    if (st == MADPO_OK)
        st = madpo_examples_from_pairs(&s->examples, s->pairs, s->m.tok, &how, err);
    for (size_t i = 0; i < s->examples.n_ids && st == MADPO_OK; i++)
        if (s->examples.ids[i] >= s->m.config.V)
            st = madpo_error_set(
                err, MADPO_ERR_MISMATCH,
                "%s: a text has token %ld, but the model knows only %ld: %s is not "
                "this model's tokenizer",
                path, (long)s->examples.ids[i], (long)s->m.config.V, s->m.tokenizer);
    return st;
}

/* ---- results ---- */

static json_t *answer_json(const score *s, double value, int32_t tokens)
{
    return json_pack("{s:o, s:i}", s->m.reward ? "reward" : "logp", madpo_json_real(value),
                     "tokens", (int)tokens);
}

static madpo_status score_print(void *user, size_t i, const madpo_score *result, madpo_error *err)
{
    score *s = user;
    json_t *line = json_pack("{s:I, s:o, s:o}", "id", (json_int_t)madpo_pairs_at(s->pairs, i)->id,
                             "chosen", answer_json(s, result->chosen, result->n_chosen), "rejected",
                             answer_json(s, result->rejected, result->n_rejected));
    char *text = NULL;
    madpo_status st = line ? madpo_json_dump(&text, line, err)
                           : madpo_error_set(err, MADPO_ERR_NOMEM, "score: out of host memory");

    if (st == MADPO_OK)
        puts(text);
    s->n_right += result->chosen > result->rejected;
    s->difference += result->chosen - result->rejected;
    free(text);
    json_decref(line);
    return st;
}

static void score_tell(const score *s)
{
    size_t n = s->examples.n;
    madpo_share right = madpo_share_of(s->n_right, n);

    fprintf(stderr,
            "%zu pair%s; %s order right in %.4f of them (95 %% interval %.4f to %.4f), mean "
            "difference %.4f",
            n, n == 1 ? "" : "s", s->m.reward ? "rewards" : "log-probs", right.share, right.low,
            right.high, s->difference / (double)n);
    if (s->examples.n_truncated > 0)
        fprintf(stderr, "; %zu cut to --max-tokens", s->examples.n_truncated);
    fputc('\n', stderr);
}

static madpo_status score_work(score *s, char **argv, madpo_error *err)
{
    madpo_batch_limits limits = {0};
    madpo_model_options need = {0};
    int64_t budget = s->o->batch_tokens > 0 ? s->o->batch_tokens : DEFAULT_BATCH_TOKENS;
    madpo_status st = madpo__cli_model_with_text(&s->m, argv[0], &s->o->model, err);

    if (st == MADPO_OK)
        st = score_tokenize(s, argv[1], err);
    if (st == MADPO_OK)
        st = madpo_score_limits(&limits, &s->examples, budget, err);
    need.max_tokens = limits.max_tokens;
    need.max_rows = limits.max_rows;
    need.max_segments = limits.max_segments;
    need.max_sequences = limits.max_sequences;
    if (st == MADPO_OK)
        st = madpo__cli_model_load(&s->m, &need,
                                   "lower --batch-tokens or --max-tokens, or give --storage bf16",
                                   &s->o->model, err);
    if (st == MADPO_OK)
        st = madpo_score_each(s->m.model, &s->examples, &limits, s->m.reward, score_print, s, err);
    if (st == MADPO_OK)
        score_tell(s);
    return st;
}

static int score_run(int argc, char **argv)
{
    score_options o = {0};
    score s = {.o = &o};
    madpo_error err = MADPO_ERROR_INIT;
    int n, rc = madpo__cli_parse(&madpo__command_score, argc, argv, &o, &n);

    if (rc < 0 && n != 2)
        rc = madpo__cli_usage("score: a model and a file of pairs are needed: madpo score MODEL "
                              "PAIRS (madpo help score)");
    if (rc < 0)
        rc = score_work(&s, argv, &err) == MADPO_OK ? MADPO_EXIT_DONE : madpo__cli_fail(&err);
    madpo_examples_dispose(&s.examples);
    madpo_pairs_free(s.pairs);
    madpo_opened_dispose(&s.m);
    madpo__cli_list_dispose(&o.model.adapters);
    return rc;
}
