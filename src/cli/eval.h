#ifndef MADPO_CLI_EVAL_H
#define MADPO_CLI_EVAL_H
/* What madpo eval found, and its two forms: a table and JSON. Pure. */
#include <jansson.h>

#include "base/strbuf.h"
#include "train/stats.h"

/* Samples of one model at one temperature. */
typedef struct madpo_eval_side {
    madpo_summary score;  /* true reward; n = 0: there is no scorer */
    madpo_summary tokens; /* lengths */
    madpo_share ended;    /* by an end token */
    double distinct_1, distinct_2;
} madpo_eval_side;

typedef struct madpo_eval_row {
    double temperature;
    madpo_eval_side policy, reference;   /* reference: tokens.n = 0 without one */
    madpo_paired difference;             /* of true rewards, policy - reference; n = 0: none */
    madpo_summary kl_sequence, kl_token; /* n = 0: no reference */
    madpo_share wins, wins_answers;      /* by the reward model; n = 0: none */
} madpo_eval_row;

typedef struct madpo_eval_report {
    const char *model, *reference, *reward, *scorer; /* NULL = none */
    const char *prompts;                             /* their file */
    size_t n_prompts;
    int64_t max_tokens, seed;
    const madpo_eval_row *row; /* [n_rows] */
    size_t n_rows;
} madpo_eval_report;

void madpo__eval_table(madpo_strbuf *b, const madpo_eval_report *report);
/* New reference; NULL for want of memory. */
json_t *madpo__eval_json(const madpo_eval_report *report);
#endif
