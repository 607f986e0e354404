/* K folds: groups in an order drawn at random, each into the fold that has fewest pairs. */
#include "train/folds.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/rng.h"

typedef struct folds_entry {
    uint64_t key, group; /* key: where the group stands in the random order */
    size_t pair;
} folds_entry;

uint64_t madpo_folds_group(const char *prompt, size_t n_bytes)
{
    return XXH3_64bits(prompt, n_bytes);
}

static int folds_order(const void *a, const void *b)
{
    const folds_entry *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->group > y->group) - (x->group < y->group);
}

static int32_t folds_smallest(const size_t *size, int32_t k)
{
    int32_t smallest = 0;

    for (int32_t i = 1; i < k; i++)
        if (size[i] < size[smallest])
            smallest = i;
    return smallest;
}

/* Sorted entries into folds; returns the number of groups. */
static size_t folds_deal(int32_t *fold, size_t *size, const folds_entry *entry, size_t n, int32_t k)
{
    size_t n_groups = 0, end;

    for (size_t first = 0; first < n; first = end, n_groups++) {
        int32_t to = folds_smallest(size, k);

        for (end = first; end < n && entry[end].group == entry[first].group; end++)
            fold[entry[end].pair] = to;
        size[to] += end - first;
    }
    return n_groups;
}

madpo_status madpo_folds_assign(int32_t *fold, const uint64_t *group, size_t n, int32_t k,
                                uint64_t seed, madpo_error *err)
{
    folds_entry *entry = NULL;
    size_t *size = NULL, n_groups;
    madpo_status st = MADPO_OK;

    if (k < 2)
        return madpo_error_set(err, MADPO_ERR_DATA, "%d folds: there must be at least 2", (int)k);
    entry = malloc((n + 1) * sizeof *entry);
    size = calloc((size_t)k, sizeof *size);
    if (!entry || !size) {
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory for %zu pairs in folds", n);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        madpo_philox word = madpo_philox_block(seed, group[i], 0);

        entry[i] = (folds_entry){
            .key = word.v[0] | (uint64_t)word.v[1] << 32, .group = group[i], .pair = i};
    }
    if (n > 1)
        qsort(entry, n, sizeof *entry, folds_order);
    n_groups = folds_deal(fold, size, entry, n, k);
    if (n_groups < (size_t)k)
        st = madpo_error_set(err, MADPO_ERR_DATA,
                             "%zu prompts are too few for %d folds; use fewer folds", n_groups,
                             (int)k);
done:
    free(entry);
    free(size);
    return st;
}
