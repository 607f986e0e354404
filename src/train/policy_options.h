#ifndef MADPO_TRAIN_POLICY_OPTIONS_H
#define MADPO_TRAIN_POLICY_OPTIONS_H
/* The objective's options from the configuration. Inside src/train only. */
#include "config/config.h"
#include "objective/objective.h"

static inline madpo_objective_options madpo_policy_objective_options(const madpo_options *o)
{
    return (madpo_objective_options){.beta = o->policy.beta,
                                     .weight = {.c_max = o->policy.c_max,
                                                .c_min = madpo_options_c_min(o),
                                                .lambda = o->policy.lambda,
                                                .tau = o->policy.tau}};
}
#endif
