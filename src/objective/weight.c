/* MADPO's coefficient c(h) and weight w(h) (Rho 2025, arXiv 2510.05342). */
#include "objective/objective.h"

#include <math.h>

#include "base/error.h"

madpo_status madpo_weight_options_check(const madpo_weight_options *o, madpo_error *err)
{
    if (!(isfinite(o->c_max) && o->c_max >= 1.0))
        return madpo_error_set(err, MADPO_ERR_CONFIG,
                               "policy.c_max = %g must be at least 1 (1 gives DPO)", o->c_max);
    if (!(o->c_min >= 0.0 && o->c_min < 1.0) && !(o->c_max == 1.0 && o->c_min == 1.0))
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "policy.c_min = %g must be at least 0 and below 1 (1/c_max is usual)", o->c_min);
    if (!(isfinite(o->lambda) && o->lambda > 0.0))
        return madpo_error_set(err, MADPO_ERR_CONFIG, "policy.lambda = %g must be above 0",
                               o->lambda);
    if (!(isfinite(o->tau) && o->tau > 0.0))
        return madpo_error_set(err, MADPO_ERR_CONFIG, "policy.tau = %g must be above 0", o->tau);
    if (o->variant == MADPO_WEIGHT_UNCAPPED && !(isfinite(o->max_weight) && o->max_weight > 0.0))
        return madpo_error_set(err, MADPO_ERR_CONFIG, "policy.max_weight = %g must be above 0",
                               o->max_weight);
    return MADPO_OK;
}

double madpo_weight_c(const madpo_weight_options *o, double h)
{
    double ln_k;

    /* c_max = 1 means K = 0 and c = 1 for every h. Said outright: c_min + (1 - c_min) may round,
     * and the default c_min = 1/c_max is then 1, which would divide by zero. A NaN margin stays
     * one. */
    if (o->c_max == 1.0)
        return isnan(h) ? h : 1.0;
    ln_k = log(o->c_max - 1.0) - log1p(-o->c_min);
    return o->c_min +
           (o->c_max - o->c_min) * madpo_sigmoid(-(o->lambda * (fabs(h) - o->tau) + ln_k));
}

/* Margins whose weight is 1 by decree. A NaN is none of them and stays one. */
static bool weight_is_one(const madpo_weight_options *o, double h)
{
    switch (o->variant) {
    case MADPO_WEIGHT_UNCAPPED:
        return false;
    case MADPO_WEIGHT_AMPLIFY:
        return fabs(h) >= o->tau;
    case MADPO_WEIGHT_REGULARISE:
        return h < o->tau;
    case MADPO_WEIGHT_NEGATIVE:
        return h >= 0.0 || h <= -o->tau;
    case MADPO_WEIGHT_FULL:
        break;
    }
    return h <= -o->tau;
}

double madpo_weight_w(const madpo_weight_options *o, double h)
{
    double log_w;

    if (weight_is_one(o, h))
        return 1.0;
    /* In log space: sigma(h) underflows below h = -745 and the quotient would be 0/0. With c = 1 or
     * h = 0 both terms are the same number, so that w is exactly 1 and MADPO exactly DPO. */
    log_w = madpo_log_sigmoid(madpo_weight_c(o, h) * h) - madpo_log_sigmoid(h);
    /* Without the cap w grows like exp((1 - c)|h|) below -tau, beyond every number. */
    if (o->variant == MADPO_WEIGHT_UNCAPPED && log_w > log(o->max_weight))
        return o->max_weight;
    return exp(log_w);
}
