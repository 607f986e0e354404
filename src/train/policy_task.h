#ifndef MADPO_TRAIN_POLICY_TASK_H
#define MADPO_TRAIN_POLICY_TASK_H
/* The objective as a task of the step loop: log-probs of a micro-batch's pairs to losses, gradient
 * coefficients and metrics; for objectives of a whole step the decisions about it, too. Made and
 * filled by stage_policy.c. Inside src/train only. */
#include "objective/objective.h"
#include "train/loop.h"
#include "train/pairset.h"
#include "train/policy_kl.h"
#include "train/token_log.h"

typedef struct madpo_policy {
    madpo_stage_context *ctx;
    const madpo_objective *objective;
    madpo_objective_options options;
    madpo_objective_needs needs;
    madpo_objective_state state; /* changes with each step that is planned */
    madpo_pairset set;
    madpo_batch_limits limits;
    madpo_stage_model net;
    /* [n] by pair: h NaN without margins, the reference's log-probs NaN where it is not needed */
    double *h, *ref_chosen, *ref_rejected;
    madpo_token_log *tokens; /* owned */
    madpo_policy_kl *kl;     /* owned; NULL = not measured */

    /* scratch, owned by policy_task.c */
    float *logp, *coef;      /* [max rows] */
    double *sorted;          /* [max pairs of a report] */
    madpo_pair_logps *logps; /* [pairs of a step] */
    madpo_pair_plan *plans;  /* [pairs of a step] */
    madpo_step_plan step;    /* the last one planned */
} madpo_policy;

/* Allocate the scratch; set and limits must be there. */
madpo_status madpo_policy_task_init(madpo_policy *policy, madpo_error *err) MADPO_MUST_CHECK;
void madpo_policy_task_dispose(madpo_policy *policy);
/* The task; `policy` is its user and must outlive it. */
madpo_loop_task madpo_policy_task(madpo_policy *policy);
#endif
