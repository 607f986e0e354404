#ifndef MADPO_CLI_EVAL_WORK_H
#define MADPO_CLI_EVAL_WORK_H
/* What the files of madpo eval share: its inputs, its samples, and the steps of the work. */
#include "cli/eval.h"
#include "cli/model_args.h"
#include "data/scorer.h"
#include "train/judge.h"

enum { MADPO_EVAL_POLICY, MADPO_EVAL_REFERENCE, MADPO_EVAL_N_WHO };

typedef struct madpo_cli_eval_options {
    madpo_cli_model model;
    const char *reference, *reward, *scorer, *prompts, *pairs, *temperatures, *out;
    int64_t limit, max_tokens, seed, batch, top_k;
    double top_p;
    bool json;
} madpo_cli_eval_options;

/* One model's samples at one temperature, arrays of [prompts]. */
typedef struct madpo_cli_eval_samples {
    int32_t *ids, *len; /* ids [prompts max_new] */
    bool *ended;
    double *score, *reward;
    madpo_judge_text *text;
} madpo_cli_eval_samples;

typedef struct madpo_cli_eval {
    const madpo_cli_eval_options *o;
    const char *model;
    char *reference, *reward, *scorer_file, *pairs_file; /* owned; NULL = none */
    double *temperature;                                 /* [n_temperatures] */
    size_t n_temperatures;
    madpo_opened m;       /* the model open now */
    madpo_tokenizer *tok; /* of MODEL, its own copy */
    madpo_scorer *scorer;

    madpo_ids *prompt;  /* [n] */
    char **prompt_text; /* [n] */
    madpo_ids *answer;  /* [n] of pairs; NULL without them */
    size_t n;
    int32_t longest; /* prompt */
    int32_t max_new, eos;
    madpo_batch_limits limits;

    madpo_cli_eval_samples *samples; /* [MADPO_EVAL_N_WHO n_temperatures] */
    double *logp[MADPO_EVAL_N_WHO];  /* [n_temperatures n] of MODEL's samples */
    double *tokens;                  /* [n_temperatures n] they are sums of */
    double *answer_reward;           /* [n] */
} madpo_cli_eval;

/* Read the prompts, with the tokenizer of the model that is open (cli/eval_prompts.c). */
madpo_status madpo__eval_prompts(madpo_cli_eval *e, madpo_error *err) MADPO_MUST_CHECK;

/* Read the files of a model, without its weights (cli/eval_samples.c, and below). */
madpo_status madpo__eval_open(madpo_cli_eval *e, const char *path,
                              madpo_error *err) MADPO_MUST_CHECK;
/* Samples of the policy, whose files are open, and of the reference, their scores, log-probs and
 * rewards. One model is in memory at a time. */
madpo_status madpo__eval_samples(madpo_cli_eval *e, madpo_error *err) MADPO_MUST_CHECK;
/* What came out at one temperature. scratch [prompts]. */
madpo_eval_row madpo__eval_row(const madpo_cli_eval *e, size_t t, double *scratch);
#endif
