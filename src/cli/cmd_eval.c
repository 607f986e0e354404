/* madpo eval: a model's samples against a reference's, over decoding temperatures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/eval_work.h"
#include "cli/output.h"
#include "train/list.h"

enum { DEFAULT_NEW = 64, DEFAULT_SEED = 42 };

static int eval_run(int argc, char **argv);

static const madpo_cli_option eval_table[] = {
    {"reference", "DIR", MADPO_CLI_TEXT, offsetof(madpo_cli_eval_options, reference), 0,
     "Model to compare with (default: models/sft of a run that has one)."},
    {"reward", "DIR", MADPO_CLI_TEXT, offsetof(madpo_cli_eval_options, reward), 0,
     "Reward model that judges pairs of samples (default: models/reward of a run that has one)."},
    {"scorer", "FILE", MADPO_CLI_TEXT, offsetof(madpo_cli_eval_options, scorer), 0,
     "scorer.bin that gives true rewards (default: that of a run that has one)."},
    {"prompts", "FILE", MADPO_CLI_TEXT, offsetof(madpo_cli_eval_options, prompts), 0,
     "Prompts: one a line, or JSON lines with \"prompt\"."},
    {"pairs", "FILE", MADPO_CLI_TEXT, offsetof(madpo_cli_eval_options, pairs), 0,
     "Take the prompts of preference pairs, of the held-out ones if any are marked so, and their "
     "chosen answers to compare with (default: pairs.jsonl of a run)."},
    {"limit", "N", MADPO_CLI_INT, offsetof(madpo_cli_eval_options, limit), 2,
     "Prompts at most (default 500)."},
    {"temperatures", "LIST", MADPO_CLI_TEXT, offsetof(madpo_cli_eval_options, temperatures), 0,
     "Decoding temperatures, separated by commas; 0 is greedy (default 0,0.25,0.5,0.75,1)."},
    {"top-k", "N", MADPO_CLI_INT, offsetof(madpo_cli_eval_options, top_k), 0,
     "Sample among the N likeliest tokens; 0 is all (default)."},
    {"top-p", "X", MADPO_CLI_REAL, offsetof(madpo_cli_eval_options, top_p), 0,
     "Sample among the likeliest tokens that make up X of the probability (default 1)."},
    {"max-tokens", "N", MADPO_CLI_INT, offsetof(madpo_cli_eval_options, max_tokens), 1,
     "New tokens at most (default 64)."},
    {"seed", "N", MADPO_CLI_INT, offsetof(madpo_cli_eval_options, seed), 0,
     "Seed of the sampling (default 42)."},
    {"batch", "N", MADPO_CLI_INT, offsetof(madpo_cli_eval_options, batch), 1,
     "Texts written at once (default 64): more is faster and needs more memory."},
    {"json", NULL, MADPO_CLI_FLAG, offsetof(madpo_cli_eval_options, json), 0,
     "Print one JSON object instead of the table."},
    {"out", "FILE", MADPO_CLI_TEXT, offsetof(madpo_cli_eval_options, out), 0,
     "Write the JSON object to FILE, too."},
    MADPO_CLI_MODEL_ADAPTER(madpo_cli_eval_options),
    MADPO_CLI_MODEL_STORAGE(madpo_cli_eval_options),
    MADPO_CLI_MODEL_DEVICE(madpo_cli_eval_options),
    {0}};

const madpo_cli_command madpo__command_eval = {
    .name = "eval",
    .synopsis = "MODEL [--reference DIR] [--reward DIR] [--pairs FILE | --prompts FILE]\n"
                "[OPTION...]",
    .summary = "compare a model's samples with a reference's, over temperatures",
    .description =
        "    Draw one sample for each prompt at every temperature, from MODEL and from the\n"
        "    reference with the same random numbers, and tell with 95 % intervals:\n"
        "    - the true reward of either, and their difference with a paired t test and a\n"
        "      sign-flip permutation test, where there is a scorer\n"
        "    - the log-ratio of MODEL's samples under both models, per text and per token; at\n"
        "      temperature 1, without --top-k and --top-p, its mean is the KL divergence from\n"
        "      the reference. Both are taken at temperature 1 at all others, too\n"
        "    - how often a reward model prefers MODEL's sample to the reference's, and to the\n"
        "      chosen answer of the pair\n"
        "    - lengths, the share that ended by itself, and distinct-1 and -2: the share of\n"
        "      different ones among all tokens, and among all pairs of neighbours\n"
        "    All models must have the same tokenizer.\n"
        "\n" MADPO_CLI_MODEL_HELP,
    .options = eval_table,
    .more = MADPO_CLI_MODEL_EXIT
    "\n"
    "EXAMPLES\n"
    "    madpo eval runs/a\n"
    "    madpo eval runs/a --temperatures 0.7,1 --out eval.json\n"
    "    madpo eval ./tuned --reference ./base --pairs test.jsonl\n"
    "    madpo eval exp/cells/low-madpo-s1 --reference exp/shared/sft/models/sft \\\n"
    "        --scorer exp/shared/sft/scorer.bin \\\n"
    "        --prompts exp/shared/sft/tiers/prompts.jsonl\n",
    .run = eval_run,
};

static madpo_status no_memory(madpo_error *err)
{
    return madpo_error_set(err, MADPO_ERR_NOMEM, "eval: out of host memory");
}

/* ---- what is compared with what ---- */

/* The option, or a file of the run that MODEL is; NULL if neither. */
static madpo_status settle_path(char **out, const madpo_cli_eval *e, const char *given,
                                const char *name, madpo_error *err)
{
    char *manifest = NULL, *path = NULL;
    madpo_status st = madpo_path_join(&manifest, e->model, "run.json", err);

    *out = NULL;
    if (st == MADPO_OK && given)
        st = madpo_path_join(out, "", given, err);
    else if (st == MADPO_OK && madpo_file_exists(manifest))
        st = madpo_path_join(&path, e->model, name, err);
    if (path && madpo_file_exists(path)) {
        *out = path;
        path = NULL;
    }
    free(manifest);
    free(path);
    return st;
}

static madpo_status settle_paths(madpo_cli_eval *e, madpo_error *err)
{
    const madpo_cli_eval_options *o = e->o;
    madpo_status st = settle_path(&e->reference, e, o->reference, "models/sft", err);

    if (st == MADPO_OK)
        st = settle_path(&e->reward, e, o->reward, "models/reward", err);
    if (st == MADPO_OK)
        st = settle_path(&e->scorer_file, e, o->scorer, "scorer.bin", err);
    if (st == MADPO_OK && !o->prompts)
        st = settle_path(&e->pairs_file, e, o->pairs, "pairs.jsonl", err);
    if (st == MADPO_OK && !o->prompts && !e->pairs_file)
        st = madpo_error_set(err, MADPO_ERR_USAGE,
                             "eval: no prompts: give --pairs FILE or --prompts FILE");
    if (st == MADPO_OK && e->scorer_file)
        st = madpo_scorer_load(&e->scorer, e->scorer_file, err);
    return st;
}

static madpo_status settle_temperatures(madpo_cli_eval *e, madpo_error *err)
{
    const char *rest = e->o->temperatures ? e->o->temperatures : "0,0.25,0.5,0.75,1";
    char *word = NULL, *end;
    madpo_status st = madpo_list_next(&word, &rest, err);

    while (st == MADPO_OK && word) {
        double *grown = realloc(e->temperature, (e->n_temperatures + 1) * sizeof *grown);
        double value = strtod(word, &end);

        if (grown)
            e->temperature = grown;
        if (!grown)
            st = no_memory(err);
        else if (*end || end == word || !(value >= 0.0 && value <= 100.0))
            st = madpo_error_set(err, MADPO_ERR_USAGE,
                                 "eval: --temperatures takes numbers from 0 to 100, not \"%s\"",
                                 word);
        else
            e->temperature[e->n_temperatures++] = value;
        free(word);
        word = NULL;
        if (st == MADPO_OK)
            st = madpo_list_next(&word, &rest, err);
    }
    if (st == MADPO_OK && e->n_temperatures == 0)
        st = madpo_error_set(err, MADPO_ERR_USAGE, "eval: --temperatures is empty");
    return st;
}

static madpo_status print_report(const madpo_cli_eval *e, const madpo_eval_report *report,
                                 madpo_error *err)
{
    json_t *json = madpo__eval_json(report);
    char *text = NULL;
    madpo_strbuf table = {0};
    madpo_status st = json ? MADPO_OK : no_memory(err);

    if (st == MADPO_OK && e->o->out)
        st = madpo_json_save(json, e->o->out, err);
    if (st == MADPO_OK && e->o->json) {
        st = madpo_json_dump(&text, json, err);
        if (st == MADPO_OK)
            puts(text);
    } else if (st == MADPO_OK) {
        madpo__eval_table(&table, report);
        st = madpo_strbuf_check(&table, err);
        if (st == MADPO_OK)
            fputs(table.s, stdout);
    }
    madpo_strbuf_dispose(&table);
    free(text);
    json_decref(json);
    return st;
}

static madpo_status tell(const madpo_cli_eval *e, madpo_error *err)
{
    double *scratch = malloc(e->n * sizeof *scratch);
    madpo_eval_row *row = calloc(e->n_temperatures, sizeof *row);
    madpo_eval_report report = {.model = e->model,
                                .reference = e->reference,
                                .reward = e->reward,
                                .scorer = e->scorer_file,
                                .prompts = e->o->prompts ? e->o->prompts : e->pairs_file,
                                .n_prompts = e->n,
                                .max_tokens = e->max_new,
                                .seed = e->o->seed,
                                .row = row,
                                .n_rows = e->n_temperatures};
    madpo_status st = scratch && row ? MADPO_OK : no_memory(err);

    for (size_t t = 0; t < e->n_temperatures && st == MADPO_OK; t++)
        row[t] = madpo__eval_row(e, t, scratch);
    if (st == MADPO_OK)
        st = print_report(e, &report, err);
    free(scratch);
    free(row);
    return st;
}

/* ---- the command ---- */

static madpo_status eval_work(madpo_cli_eval *e, madpo_error *err)
{
    madpo_status st = settle_temperatures(e, err);

    if (st == MADPO_OK)
        st = settle_paths(e, err);
    if (st == MADPO_OK)
        st = madpo__eval_open(e, e->model, err);
    if (st == MADPO_OK && e->m.reward)
        st = madpo_error_set(err, MADPO_ERR_USAGE, "%s: is a reward model, it writes no texts",
                             e->model);
    if (st == MADPO_OK)
        st = madpo_tokenizer_load(&e->tok, e->m.tokenizer, err);
    if (st == MADPO_OK) {
        e->eos = e->m.config.eos >= 0 ? e->m.config.eos : madpo_tokenizer_eos(e->m.tok);
        st = madpo__eval_prompts(e, err);
    }
    if (st == MADPO_OK)
        st = madpo__eval_samples(e, err);
    return st == MADPO_OK ? tell(e, err) : st;
}

static void eval_dispose(madpo_cli_eval *e)
{
    for (size_t i = 0; e->prompt && i <= e->n; i++) {
        if (e->prompt_text)
            free(e->prompt_text[i]);
        madpo_ids_dispose(&e->prompt[i]);
        if (e->answer)
            madpo_ids_dispose(&e->answer[i]);
    }
    for (size_t k = 0; e->samples && k < MADPO_EVAL_N_WHO * e->n_temperatures; k++) {
        madpo_cli_eval_samples *s = &e->samples[k];

        free(s->ids);
        free(s->len);
        free(s->ended);
        free(s->score);
        free(s->reward);
        free(s->text);
    }
    free(e->samples);
    free(e->logp[MADPO_EVAL_POLICY]);
    free(e->logp[MADPO_EVAL_REFERENCE]);
    free(e->tokens);
    free(e->answer_reward);
    free(e->prompt);
    free(e->prompt_text);
    free(e->answer);
    free(e->temperature);
    free(e->reference);
    free(e->reward);
    free(e->scorer_file);
    free(e->pairs_file);
    madpo_scorer_free(e->scorer);
    madpo_tokenizer_free(e->tok);
    madpo_opened_dispose(&e->m);
}

static int check_options(const madpo_cli_eval_options *o)
{
    if (o->prompts && o->pairs)
        return madpo__cli_usage("eval: either --prompts or --pairs, not both");
    if (!(o->top_p > 0.0 && o->top_p <= 1.0))
        return madpo__cli_usage("eval: --top-p takes a number above 0 and up to 1, not %g",
                                o->top_p);
    if (o->max_tokens > 1000000 || o->batch > 1000000 || o->limit > 100000000 ||
        o->top_k > INT32_MAX)
        return madpo__cli_usage("eval: --max-tokens, --batch, --limit or --top-k is too large");
    return -1;
}

static int eval_run(int argc, char **argv)
{
    madpo_cli_eval_options o = {.seed = DEFAULT_SEED, .top_p = 1.0};
    madpo_error err = MADPO_ERROR_INIT;
    madpo_cli_eval e = {.o = &o};
    int n, rc = madpo__cli_parse(&madpo__command_eval, argc, argv, &o, &n);

    if (rc < 0)
        rc = madpo__cli_model_argument(&madpo__command_eval, n, argv);
    if (rc < 0)
        rc = check_options(&o);
    e.model = argv[0];
    e.max_new = (int32_t)(o.max_tokens > 0 ? o.max_tokens : DEFAULT_NEW);
    if (rc < 0)
        rc = eval_work(&e, &err) == MADPO_OK ? MADPO_EXIT_DONE : madpo__cli_fail(&err);
    eval_dispose(&e);
    madpo__cli_list_dispose(&o.model.adapters);
    return rc;
}
