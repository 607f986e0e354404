/* The table of preference objectives. */
#include "objective/objective.h"

#include <string.h>

#include "objective/dpo.h"

static const madpo_objective objectives[] = {
    {"madpo", "w(h) (-log sigma(beta m)), w(h) = sigma(c(h) h)/sigma(h) for h > -tau, else 1",
     "Rho 2025, arXiv 2510.05342", madpo__madpo_pair, true},
    {"dpo", "-log sigma(beta m)", "Rafailov et al. 2023, arXiv 2305.18290", madpo__dpo_pair, false},
    {"ipo", "(m - 1/(2 beta))^2", "Azar et al. 2023, arXiv 2310.12036", madpo__ipo_pair, false},
};

const madpo_objective *madpo_objective_find(const char *name)
{
    for (size_t i = 0; i < madpo_objective_count(); i++)
        if (strcmp(objectives[i].name, name) == 0)
            return &objectives[i];
    return NULL;
}

size_t madpo_objective_count(void)
{
    return sizeof objectives / sizeof objectives[0];
}

const madpo_objective *madpo_objective_at(size_t i)
{
    return i < madpo_objective_count() ? &objectives[i] : NULL;
}
