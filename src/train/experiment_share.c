/* What cells of one tier and seed have in common: the reference's log-probs of every pair. They are
 * computed by the first such cell and taken over by the others (policy.reference).
 *
 * Cells of other seeds make their own: they take the pairs in another order, and on a device whose
 * products depend on the number of rows only the same order gives the bits of the first training
 * step. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/experiment_inside.h"

static const char reference_file[] = "reference.jsonl";

/* Do the method's own settings leave the reference pass as it is? */
static bool is_plain(const madpo__exp_method *method)
{
    for (size_t i = 0; i < method->n_set; i++)
        if (strncmp(method->set[i], "policy.", strlen("policy.")) != 0 ||
            strncmp(method->set[i], "policy.batch=", strlen("policy.batch=")) == 0)
            return false;
    return true;
}

/* A finished cell with the same reference, or NULL. */
static const madpo__exp_cell *find_source(const madpo_experiment *e, const madpo__exp_cell *cell)
{
    const madpo__exp_plan *plan = &e->plan;

    if (!is_plain(&plan->method[cell->method]))
        return NULL;
    for (size_t i = 0; i < plan->n_cells; i++) {
        const madpo__exp_cell *other = &plan->cell[i];
        char *path = NULL;
        bool there;

        if (other == cell || other->tier != cell->tier || other->seed != cell->seed ||
            !is_plain(&plan->method[other->method]) ||
            strcmp(madpo_experiment_cell_status(e, i, NULL), "done") != 0)
            continue;
        there = madpo__exp_path(&path, e, NULL, "cells/%s/%s", other->name, reference_file) ==
                    MADPO_OK &&
                madpo_file_exists(path);
        free(path);
        if (there)
            return other;
    }
    return NULL;
}

madpo_status madpo__exp_reference(char **out, const madpo_experiment *e,
                                  const madpo__exp_cell *cell, madpo_error *err)
{
    const madpo__exp_cell *source = find_source(e, cell);

    *out = NULL;
    return source ? madpo__exp_path(out, e, err, "cells/%s/%s", source->name, reference_file)
                  : MADPO_OK;
}
