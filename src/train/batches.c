/* A list of examples as micro-batches. */
#include "train/batches.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

static int64_t example_tokens(const madpo_example *e)
{
    int64_t n = e->n_prompt;

    for (int b = 0; b < e->n_branches; b++)
        n += e->n_branch[b];
    return n;
}

static int descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x < y) - (x > y);
}

/* Token counts of all examples, longest first (owned by the caller). */
static madpo_status sorted_lengths(int64_t **out, size_t *n, const madpo_examples *const *lists,
                                   size_t n_lists, madpo_error *err)
{
    size_t total = 0, k = 0;

    *n = 0;
    for (size_t l = 0; l < n_lists; l++)
        total += lists[l]->n;
    *out = malloc((total > 0 ? total : 1) * sizeof **out);
    if (!*out)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "batch limits: out of host memory");
    for (size_t l = 0; l < n_lists; l++)
        for (size_t i = 0; i < lists[l]->n; i++)
            (*out)[k++] = example_tokens(&lists[l]->v[i]);
    qsort(*out, total, sizeof **out, descending);
    *n = total;
    return MADPO_OK;
}

madpo_status madpo_batches_limits(madpo_batch_limits *out, const madpo_examples *const *lists,
                                  size_t n_lists, int64_t per_step, int64_t budget,
                                  madpo_error *err)
{
    int64_t *lengths = NULL, most = 0;
    size_t n;
    madpo_status st = sorted_lengths(&lengths, &n, lists, n_lists, err);

    *out = (madpo_batch_limits){0};
    if (st != MADPO_OK)
        return st;
    if (n > 0 && per_step > (int64_t)n)
        per_step = (int64_t)n;
    for (size_t i = 0; i < (size_t)per_step && i < n && most < budget; i++)
        most += lengths[i];
    if (n > 0 && lengths[0] > budget)
        st = madpo_error_set(err, MADPO_ERR_MEMORY,
                             "an example has %lld tokens but a micro-batch holds only %lld: raise "
                             "batch.tokens or lower data.max_tokens",
                             (long long)lengths[0], (long long)budget);
    out->max_tokens = most < budget ? most : budget;
    if (out->max_tokens < 1)
        out->max_tokens = 1;
    out->max_rows = out->max_tokens;
    out->max_sequences = 2 * per_step;
    out->max_segments = 3 * per_step;
    free(lengths);
    return st;
}

madpo_status madpo_batches_init(madpo_batches *batches, const madpo_batch_limits *limits,
                                size_t capacity, madpo_error *err)
{
    madpo_status st;

    *batches = (madpo_batches){.limits = *limits, .capacity = capacity};
    batches->ends = malloc((capacity > 0 ? capacity : 1) * sizeof *batches->ends);
    if (!batches->ends)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "micro-batches: out of host memory");
    st = madpo_packer_new(&batches->packer, limits, err);
    if (st != MADPO_OK)
        madpo_batches_dispose(batches);
    return st;
}

void madpo_batches_dispose(madpo_batches *batches)
{
    madpo_packer_free(batches->packer);
    free(batches->ends);
    *batches = (madpo_batches){0};
}

madpo_status madpo_batches_each(madpo_batches *batches, const madpo_examples *examples,
                                const int64_t *order, size_t n, madpo_batches_fn fn, void *user,
                                madpo_error *err)
{
    size_t n_runs, i = 0;
    madpo_status st;

    assert(n <= batches->capacity);
    st = madpo_pack_plan(&n_runs, batches->ends, examples, order, n, &batches->limits, err);
    for (size_t r = 0; r < n_runs && st == MADPO_OK; r++) {
        size_t first = i;

        madpo_packer_reset(batches->packer);
        for (; i < batches->ends[r]; i++) {
            bool fits = madpo_packer_add(batches->packer, &examples->v[order[i]]);

            assert(fits); /* the plan and the packer count alike */
            (void)fits;
        }
        st = fn(user, madpo_packer_finish(batches->packer), first, err);
    }
    return st;
}
