#ifndef MADPO_TRAIN_SCHEDULE_H
#define MADPO_TRAIN_SCHEDULE_H
/* Learning-rate schedules, as Hugging Face's get_scheduler defines them. Pure functions of the
 * step. */
#include "config/options.h"

typedef enum madpo_schedule_kind {
    MADPO_SCHEDULE_COSINE,  /* half a cosine wave from the peak to 0 */
    MADPO_SCHEDULE_LINEAR,  /* a straight line from the peak to 0 */
    MADPO_SCHEDULE_CONSTANT /* the peak */
} madpo_schedule_kind;

typedef struct madpo_schedule {
    madpo_schedule_kind kind;
    double peak;    /* learning rate after the warm-up */
    int64_t warmup; /* steps */
    int64_t total;  /* steps */
} madpo_schedule;

/* Fill a schedule over `total` steps. Warm-up is floor(warmup total), as in the published
 * experiment (18 of 626 at 3 %). MADPO_ERR_CONFIG for an unknown name. */
madpo_status madpo_schedule_init(madpo_schedule *out, const madpo_stage_options *options,
                                 int64_t total, madpo_error *err) MADPO_MUST_CHECK;

/* Fraction of the peak at step s, from 0: s/w during a warm-up of w steps, so that the very first
 * update of a run with warm-up has learning rate 0. That update still fills the optimiser's
 * moments, and keeping it makes curves comparable with those of Hugging Face trainers and of the
 * published experiment. */
double madpo_schedule_factor(const madpo_schedule *schedule, int64_t s);
/* peak * factor */
double madpo_schedule_lr(const madpo_schedule *schedule, int64_t s);
#endif
