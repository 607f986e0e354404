#ifndef MADPO_TESTS_PAIRS_TEST_H
#define MADPO_TESTS_PAIRS_TEST_H
/* What the tests of given pairs share: pairs to a recipe, and a small language model to start from,
 * so that a run needs no stage sft. Failures are cmocka failures. */
#include "tests/train/train_test.h"

typedef struct pairs_recipe {
    int n, n_prompts;   /* pair i has prompt i % n_prompts and the id 100 + i */
    int held_out_every; /* every so manieth is held out, by its prompt; 0 = the run decides */
    int wrong_every;    /* the label of every so manieth is wrong; 0 = all are right */
    int swap_prompt; /* chosen and rejected change places in the pairs of this prompt; -1 = none */
    double h;        /* score_chosen - score_rejected; NaN = no scores */
    double margin;   /* of pair i margin + i/8; NaN = none */
} pairs_recipe;

/* Owned by the caller, madpo_pairs_free(). */
madpo_pairs *pairs_make(const pairs_recipe *recipe);
/* A model trained on the chosen answers in root/start; "model.path=…" into setting [1024]. */
void pairs_make_start(char *setting, const char *root, const madpo_pairs *pairs);

/* Number `key` of every pair in a file of the run's records, by the pair's position; NaN where
 * there is none. out [n] */
void pairs_column(double *out, size_t n, const char *dir, const char *file, const char *key);

#endif
