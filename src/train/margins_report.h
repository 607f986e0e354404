#ifndef MADPO_TRAIN_MARGINS_REPORT_H
#define MADPO_TRAIN_MARGINS_REPORT_H
/* How good margins are, told of the held-out and of the training pairs: the share in the order of
 * the labels, log loss, Brier score, the reliability table with its expected calibration error, the
 * share of labels contradicted, and how far several reward models agree. Inside src/train only. */
#include "objective/calibration.h"
#include "train/pairset.h"

typedef struct madpo_margins_report {
    madpo_stage_context *ctx;
    const madpo_pairset *set;
    const double *h;      /* [set->n] as they are used */
    const double *spread; /* [set->n] standard deviation over the reward models, NaN where there is
                             one; NULL if there is one in all */
    const char *training; /* in brackets: how training pairs stand to their margins */
    bool seen;            /* the reward model was trained on their labels */
    madpo_temperature temperature; /* of the held-out pairs, before */
    bool calibrated;               /* it has been applied */
} madpo_margins_report;

/* Messages, and an "eval" event of the metric "reliability" for each part of the pairs. */
madpo_status madpo_margins_report_tell(const madpo_margins_report *report,
                                       madpo_error *err) MADPO_MUST_CHECK;
#endif
