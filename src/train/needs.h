#ifndef MADPO_TRAIN_NEEDS_H
#define MADPO_TRAIN_NEEDS_H
/* What the stages still to run need and neither an earlier one of the run makes nor the run has
 * already: told before the first step instead of hours later. Inside src/train only. */
#include "train/stages.h"

/* MADPO_ERR_DATA naming what is missing, what it is for, and what to do. */
madpo_status madpo_stage_needs(madpo_stage_context *ctx, madpo_error *err) MADPO_MUST_CHECK;
#endif
