#ifndef MADPO_OBJECTIVE_DPO_H
#define MADPO_OBJECTIVE_DPO_H
/* The pair functions behind the objective table; private to this folder. */
#include "objective/objective.h"

void madpo__dpo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                     madpo_pair_loss *out);
void madpo__ipo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                     madpo_pair_loss *out);
void madpo__madpo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                       madpo_pair_loss *out);

/* Policy margin m = (log pi/ref of chosen) - (log pi/ref of rejected): exactly 0 where policy and
 * reference agree to the bit. */
double madpo__pair_margin(const madpo_pair_logps *in);
/* w (-log sigma(beta m)) and its gradient: DPO where w is 1. */
void madpo__weighted_dpo(double beta, double weight, const madpo_pair_logps *in,
                         madpo_pair_loss *out);

#endif
