/* Direct Preference Optimization (Rafailov et al. 2023, arXiv 2305.18290, eq. 7): -log sigma(beta
 * m). */
#include "objective/dpo.h"

double madpo__pair_margin(const madpo_pair_logps *in)
{
    return (in->chosen - in->ref_chosen) - (in->rejected - in->ref_rejected);
}

void madpo__weighted_dpo(double beta, double weight, const madpo_pair_logps *in,
                         madpo_pair_loss *out)
{
    double m = madpo__pair_margin(in);
    double dm = -weight * beta * madpo_sigmoid(-beta * m);

    out->m = m;
    out->weight = weight;
    out->loss = -weight * madpo_log_sigmoid(beta * m);
    out->dchosen = dm;
    out->drejected = -dm;
}

void madpo__dpo_pair(const madpo_objective_options *options, const madpo_pair_logps *in,
                     madpo_pair_loss *out)
{
    madpo__weighted_dpo(options->beta, 1.0, in, out);
}
