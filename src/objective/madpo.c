/* Margin-Adaptive DPO (Rho 2025, arXiv 2510.05342): DPO's loss times w(h), which is a constant of
 * the pair: no gradient flows through it and the mean is not divided by the sum of the weights. */
#include "objective/dpo.h"

void madpo__madpo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                       madpo_pair_loss *out)
{
    madpo__weighted_dpo(options->beta, madpo_weight_w(&options->weight, in->h), in, out);
}
