/* Identity Preference Optimization (Azar et al. 2023, arXiv 2310.12036, eq. 17) on summed
 * log-probs: (m - 1/(2 beta))^2, as MADPO's reference implementation has it. */
#include "objective/dpo.h"

void madpo__ipo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                     madpo_pair_loss *out)
{
    double m = madpo__pair_margin(in);
    double gap = m - 1.0 / (2.0 * options->beta);

    out->m = m;
    out->weight = 1.0;
    out->loss = gap * gap;
    out->dchosen = 2.0 * gap;
    out->drejected = -2.0 * gap;
}
