/* The functions every objective is made of, safe at any finite argument. */
#include "objective/objective.h"

#include <math.h>

double madpo_log_sigmoid(double x)
{
    return fmin(x, 0.0) - log1p(exp(-fabs(x)));
}

double madpo_sigmoid(double x)
{
    double e;

    /* exp of a non-positive number only: it may underflow, never overflow. */
    if (x >= 0.0)
        return 1.0 / (1.0 + exp(-x));
    e = exp(x);
    return e / (1.0 + e);
}

double madpo_sigmoid_difference(double x, double y)
{
    /* sigma(x) = 1 - sigma(-x): with both above 0, what is small are the complements. */
    if (x > 0.0 && y > 0.0)
        return madpo_sigmoid(-y) - madpo_sigmoid(-x);
    return madpo_sigmoid(x) - madpo_sigmoid(y);
}
