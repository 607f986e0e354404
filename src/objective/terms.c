/* What the objectives are made of: the two answers' terms, and the losses several of them share. */
#include <math.h>

#include "objective/inside.h"

static madpo__terms terms_of(double a, double b)
{
    return (madpo__terms){.a = a, .b = b, .m = a - b, .da_chosen = 1.0, .db_rejected = 1.0};
}

static madpo__terms terms_per_token(madpo__terms t, const madpo_pair_logps *in)
{
    t = terms_of(t.a / in->n_chosen, t.b / in->n_rejected);
    t.da_chosen = 1.0 / in->n_chosen;
    t.db_rejected = 1.0 / in->n_rejected;
    return t;
}

madpo__terms madpo__log_ratios(const madpo_objective_options *options, const madpo_pair_logps *in)
{
    madpo__terms t = terms_of(in->chosen - in->ref_chosen, in->rejected - in->ref_rejected);

    return options->average ? terms_per_token(t, in) : t;
}

madpo__terms madpo__log_probs(const madpo_objective_options *options, const madpo_pair_logps *in)
{
    madpo__terms t = terms_of(in->chosen, in->rejected);

    return options->average ? terms_per_token(t, in) : t;
}

madpo__terms madpo__averages(const madpo_pair_logps *in)
{
    return terms_per_token(terms_of(in->chosen, in->rejected), in);
}

double madpo__margin(const madpo_objective_options *options, const madpo_pair_logps *in)
{
    return options->scores ? in->score_chosen - in->score_rejected : in->h;
}

void madpo__result(madpo_pair_loss *out, const madpo__terms *t, double loss, double da, double db)
{
    out->m = t->m;
    out->weight = 1.0;
    out->loss = loss;
    out->dchosen = da * t->da_chosen;
    out->drejected = db * t->db_rejected;
}

void madpo__logistic(madpo_pair_loss *out, const madpo__terms *t, const madpo_pair_plan *plan)
{
    double x = plan->beta * t->m - plan->offset;
    double dm = -plan->weight * plan->beta * madpo_sigmoid(-x);

    madpo__result(out, t, -plan->weight * madpo_log_sigmoid(x), dm, -dm);
    out->weight = plan->weight;
}

void madpo__soft_label(madpo_pair_loss *out, const madpo__terms *t, double beta, double soft)
{
    double x = beta * t->m, p = madpo_sigmoid(soft), q = madpo_sigmoid(-soft);
    double dm = beta * madpo_sigmoid_difference(x, soft);

    madpo__result(out, t, -p * madpo_log_sigmoid(x) - q * madpo_log_sigmoid(-x), dm, -dm);
}

void madpo__planned_log_ratio(const madpo_objective_options *options, const madpo_pair_plan *plan,
                              const madpo_pair_logps *in, madpo_pair_loss *out)
{
    madpo__terms t = madpo__log_ratios(options, in);

    madpo__logistic(out, &t, plan);
}

void madpo__planned_average(const madpo_objective_options *options, const madpo_pair_plan *plan,
                            const madpo_pair_logps *in, madpo_pair_loss *out)
{
    madpo__terms t = madpo__averages(in);

    (void)options;
    madpo__logistic(out, &t, plan);
}
