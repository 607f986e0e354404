/* Reward-model loss of one pair (Bradley & Terry 1952; the centring term is Eisenstein et al.
 * 2023). */
#include "objective/objective.h"

madpo_reward_loss madpo_bradley_terry(double r_chosen, double r_rejected, double margin,
                                      double center)
{
    double h = r_chosen - r_rejected - margin;
    double sum = r_chosen + r_rejected;
    double dh = -madpo_sigmoid(-h);
    madpo_reward_loss out = {.loss = -madpo_log_sigmoid(h) + center * sum * sum,
                             .dchosen = dh + 2.0 * center * sum,
                             .drejected = -dh + 2.0 * center * sum};

    return out;
}
