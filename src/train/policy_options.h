#ifndef MADPO_TRAIN_POLICY_OPTIONS_H
#define MADPO_TRAIN_POLICY_OPTIONS_H
/* The objective's options from the configuration. */
#include "config/config.h"
#include "data/pairs.h"
#include "objective/objective.h"

/* MADPO's weight as configured, whatever the objective. */
madpo_weight_options madpo_policy_weight_options(const madpo_options *o);
/* All options of `objective`, automatic values worked out; the seed is the caller's. */
madpo_objective_options madpo_policy_objective_options(const madpo_options *o,
                                                       const madpo_objective *objective);
/* Can the configured stages margins and policy run with these values? Told before anything else is
 * trained. MADPO_ERR_CONFIG. */
madpo_status madpo_policy_check(const madpo_options *o, madpo_error *err) MADPO_MUST_CHECK;
/* For policy.margin = "scores": MADPO_ERR_DATA if a pair lacks the true scores of its answers. */
madpo_status madpo_policy_scores_check(const madpo_objective *objective, const madpo_pairs *pairs,
                                       madpo_error *err) MADPO_MUST_CHECK;
/* The configured objective with the values it reads, one line (owned by the caller, free()). */
madpo_status madpo_policy_describe(char **out, const madpo_options *o,
                                   madpo_error *err) MADPO_MUST_CHECK;
#endif
