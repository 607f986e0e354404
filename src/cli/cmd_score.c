/* madpo score: what a model thinks of preference pairs. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/model_args.h"
#include "cli/output.h"
#include "data/pack.h"
#include "text/chat.h"
#include "train/score.h"
#include "train/stats.h"

enum { DEFAULT_BATCH_TOKENS = 2048 };

typedef struct score_options {
    madpo_cli_model model;
    const char *fields, *layout, *truncation;
    int64_t max_prompt, max_tokens, batch_tokens; /* 0 = not given */
    bool truncate_prompt, joint, no_eos, skip_bad;
} score_options;

static int score_run(int argc, char **argv);

static const madpo_cli_option score_table[] = {
    {"fields", "NAMES", MADPO_CLI_TEXT, offsetof(score_options, fields), 0,
     "Names of the fields of PAIRS where they are not the usual ones: "
     "prompt=question,chosen=good,rejected=bad (as data.fields)."},
    {"layout", "NAME", MADPO_CLI_TEXT, offsetof(score_options, layout), 0,
     "Layout of chat messages in PAIRS: gemma, llama3, chatml or none (default: the model's own)."},
    {"skip-bad", NULL, MADPO_CLI_FLAG, offsetof(score_options, skip_bad), 0,
     "Pass over records that are no pairs, instead of stopping at the first."},
    {"max-tokens", "N", MADPO_CLI_INT, offsetof(score_options, max_tokens), 2,
     "Tokens of a prompt and one answer; longer answers are cut at the end (default: the model's "
     "positions)."},
    {"max-prompt", "N", MADPO_CLI_INT, offsetof(score_options, max_prompt), 1,
     "Tokens of a prompt (default: one less than --max-tokens); a longer one is refused, or cut "
     "with "
     "--truncate-prompt."},
    {"truncate-prompt", NULL, MADPO_CLI_FLAG, offsetof(score_options, truncate_prompt), 0,
     "Keep the end of prompts that are too long."},
    {"truncation", "WAY", MADPO_CLI_TEXT, offsetof(score_options, truncation), 0,
     "What a pair of more than --max-tokens loses: error (default: answers lose their end, a long "
     "prompt is refused), keep_start or keep_end (of prompt and answer together; as "
     "data.truncation)."},
    {"joint", NULL, MADPO_CLI_FLAG, offsetof(score_options, joint), 0,
     "Tokenize prompt and answer as one text (as data.tokenize = joint)."},
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
        "    Print a JSON line for every pair of the file PAIRS (prompt, chosen and rejected as\n"
        "    JSON lines, a JSON array or CSV, in every form that data.pairs takes; gz or not):\n"
        "    the summed log-prob of each answer after its prompt and its number of tokens, or,\n"
        "    of a reward model, its reward. A reward model is one whose config.json says\n"
        "    ...ForSequenceClassification, or that has an adapter with a score head. On standard\n"
        "    error follow the number of pairs and how many of them the model has in the right\n"
        "    order, with a 95 % interval (Wilson).\n"
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
    madpo_pairs_report report;
    madpo_examples examples;
    size_t n_right;
    double difference; /* sum of chosen - rejected */
} score;

/* ---- pairs ---- */

/* The layout that messages are rendered by; a template that is not recognised counts as none until
 * there are messages. */
static madpo_status score_layout(const char **out, const score *s, madpo_error *err)
{
    static const char *const names[] = {[MADPO_CHAT_NONE] = "none",
                                        [MADPO_CHAT_GEMMA] = "gemma",
                                        [MADPO_CHAT_LLAMA3] = "llama3",
                                        [MADPO_CHAT_CHATML] = "chatml"};
    madpo_error why = MADPO_ERROR_INIT;
    madpo_chat_kind kind = MADPO_CHAT_NONE;
    madpo_status st;

    *out = s->o->layout;
    if (*out)
        return MADPO_OK;
    st = madpo_chat_of_tokenizer(&kind, s->m.tok, &why);
    *out = names[st == MADPO_OK ? kind : MADPO_CHAT_NONE];
    return st == MADPO_OK || st == MADPO_ERR_UNSUPPORTED
               ? MADPO_OK
               : madpo_error_set(err, st, "%s", why.message);
}

static madpo_status score_read(score *s, const char *path, madpo_error *err)
{
    madpo_pairs_options how;
    madpo_status st;

    madpo_pairs_options_defaults(&how);
    how.fields = s->o->fields;
    how.skip_bad = s->o->skip_bad;
    st = score_layout(&how.chat, s, err);
    if (st == MADPO_OK)
        st = madpo_pairs_load_with(&s->pairs, path, &how, &s->report, err);
    return st;
}

static madpo_status score_truncation(madpo_truncation *out, const char *name, madpo_error *err)
{
    static const char *const names[] = {[MADPO_TRUNCATION_ERROR] = "error",
                                        [MADPO_TRUNCATION_KEEP_START] = "keep_start",
                                        [MADPO_TRUNCATION_KEEP_END] = "keep_end"};

    *out = MADPO_TRUNCATION_ERROR;
    for (int i = 0; i < 3; i++) {
        if (name && strcmp(name, names[i]) == 0)
            *out = (madpo_truncation)i;
        if (!name || strcmp(name, names[i]) == 0)
            return MADPO_OK;
    }
    return madpo_error_set(err, MADPO_ERR_USAGE,
                           "--truncation takes error, keep_start or keep_end, not \"%s\"", name);
}

/* The lengths asked for, within the model's. */
static madpo_status score_lengths(madpo_tokenize_options *how, const score *s, madpo_error *err)
{
    const score_options *o = s->o;
    int64_t positions = s->m.config.max_positions;
    int64_t most = o->max_tokens > 0 ? o->max_tokens : positions;

    if (most > positions)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "--max-tokens %lld is more than the model's %lld positions",
                               (long long)most, (long long)positions);
    if (o->max_prompt >= most)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "--max-prompt %lld leaves no room for an answer within %lld tokens",
                               (long long)o->max_prompt, (long long)most);
    how->max_tokens = (int32_t)most;
    how->max_prompt = (int32_t)(o->max_prompt > 0 ? o->max_prompt : most - 1);
    return MADPO_OK;
}

static madpo_status score_tokenize(score *s, madpo_error *err)
{
    const score_options *o = s->o;
    madpo_tokenize_options how = {.mode = o->joint ? MADPO_TOKENIZE_JOINT : MADPO_TOKENIZE_SEPARATE,
                                  .add_eos = !o->no_eos,
                                  .end_with_eos = s->m.reward,
                                  .truncate_prompt = o->truncate_prompt,
                                  .template_bos = true};
    madpo_status st = score_truncation(&how.truncation, o->truncation, err);

    if (st == MADPO_OK)
        st = score_lengths(&how, s, err);
    if (st == MADPO_OK)
        st = madpo_examples_from_pairs(&s->examples, s->pairs, s->m.tok, &how, err);
    for (size_t i = 0; i < s->examples.n_ids && st == MADPO_OK; i++)
        if (s->examples.ids[i] >= s->m.config.V)
            st = madpo_error_set(err, MADPO_ERR_MISMATCH,
                                 "a text has token %ld, but the model knows only %ld: %s has not "
                                 "this model's tokenizer",
                                 (long)s->examples.ids[i], (long)s->m.config.V, s->m.tokenizer);
    if (st == MADPO_OK && s->examples.n == 0)
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "no pair is left to score: raise --max-tokens or give "
                             "--truncation error");
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

/* How the pairs were read and became tokens. */
static void score_tell_pairs(const score *s)
{
    char line[600];

    if (s->o->model.quiet)
        return;
    fprintf(stderr, "%s\n", madpo_pairs_report_format(&s->report, line, sizeof line));
    fprintf(stderr, "%s\n", madpo_examples_report_format(&s->examples.report, line, sizeof line));
}

static void score_tell(const score *s)
{
    size_t n = s->examples.n;
    madpo_share right = madpo_share_of(s->n_right, n);

    fprintf(stderr,
            "%zu pair%s; %s order right in %.4f of them (95 %% interval %.4f to %.4f), mean "
            "difference %.4f\n",
            n, n == 1 ? "" : "s", s->m.reward ? "rewards" : "log-probs", right.share, right.low,
            right.high, s->difference / (double)n);
}

static madpo_status score_work(score *s, char **argv, madpo_error *err)
{
    madpo_batch_limits limits = {0};
    madpo_model_options need = {0};
    int64_t budget = s->o->batch_tokens > 0 ? s->o->batch_tokens : DEFAULT_BATCH_TOKENS;
    madpo_status st = madpo__cli_model_with_text(&s->m, argv[0], &s->o->model, err);

    if (st == MADPO_OK)
        st = score_read(s, argv[1], err);
    if (st == MADPO_OK)
        st = score_tokenize(s, err);
    if (st == MADPO_OK)
        st = madpo_score_limits(&limits, &s->examples, budget, err);
    need.max_tokens = limits.max_tokens;
    need.max_rows = limits.max_rows;
    need.max_segments = limits.max_segments;
    need.max_sequences = limits.max_sequences;
    if (st == MADPO_OK)
        score_tell_pairs(s);
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
