/* The table of preference objectives. */
#include "objective/objective.h"

#include <string.h>

#include "objective/inside.h"

#define ROW(id, name) &madpo__objective_##id,
static const madpo_objective *const objectives[] = {MADPO_OBJECTIVE_LIST(ROW)};
enum { N_OBJECTIVES = sizeof objectives / sizeof objectives[0] };

const madpo_objective *madpo_objective_find(const char *name)
{
    for (size_t i = 0; i < N_OBJECTIVES; i++)
        if (strcmp(objectives[i]->name, name) == 0)
            return objectives[i];
    return NULL;
}

size_t madpo_objective_count(void)
{
    return N_OBJECTIVES;
}

const madpo_objective *madpo_objective_at(size_t i)
{
    return i < N_OBJECTIVES ? objectives[i] : NULL;
}
