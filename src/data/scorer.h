#ifndef MADPO_DATA_SCORER_H
#define MADPO_DATA_SCORER_H
/* Ground-truth scorer: logistic regression over hashed uni- and bigrams, trained on labelled
 * reviews. score = 6 (p_positive - 1/2), in [-3,3], as in the published experiment (there with a
 * RoBERTa classifier). Deterministic for given options and data. */
#include "data/reviews.h"

typedef struct madpo_scorer madpo_scorer;

typedef struct madpo_scorer_options {
    int bits;        /* 2^bits hash buckets, 10..24, default 18 */
    int epochs;      /* default 6 */
    double lr, l2;   /* AdaGrad step and weight decay, default 0.3 and 1e-5 */
    double held_out; /* fraction kept for the accuracy below, default 0.1 */
    uint64_t seed;
} madpo_scorer_options;
void madpo_scorer_options_defaults(madpo_scorer_options *options);

typedef struct madpo_scorer_report {
    size_t n_train, n_held_out;
    double accuracy; /* on the held-out reviews */
    double log_loss; /* nats, held-out */
} madpo_scorer_report;

/* Train; report may be NULL. Errors: MADPO_ERR_DATA if one class is missing. */
madpo_status madpo_scorer_train(madpo_scorer **out, const madpo_reviews *reviews,
                                const madpo_scorer_options *options, madpo_scorer_report *report,
                                madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_scorer_save(const madpo_scorer *scorer, const char *path,
                               madpo_error *err) MADPO_MUST_CHECK;
madpo_status madpo_scorer_load(madpo_scorer **out, const char *path,
                               madpo_error *err) MADPO_MUST_CHECK;
void madpo_scorer_free(madpo_scorer *scorer); /* accepts NULL */

/* P(positive) in (0,1) of text [n bytes]; and 6 (p - 1/2). */
double madpo_scorer_probability(const madpo_scorer *scorer, const char *text, size_t n);
double madpo_scorer_score(const madpo_scorer *scorer, const char *text, size_t n);
#endif
