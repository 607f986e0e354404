/* Log-probs or rewards of pairs, outside of a run. */
#include "train/score.h"

#include <stdlib.h>

#include "base/error.h"
#include "train/batches.h"
#include "train/scan.h"

enum { MAX_PAIRS = 256 }; /* of a micro-batch; what is planned per pair is small */

static int64_t pair_tokens(const madpo_example *e)
{
    return (int64_t)e->n_prompt + e->n_branch[0] + e->n_branch[1];
}

madpo_status madpo_score_limits(madpo_batch_limits *out, const madpo_examples *pairs,
                                int64_t budget, madpo_error *err)
{
    int64_t longest = 0;

    for (size_t i = 0; i < pairs->n; i++)
        if (longest < pair_tokens(&pairs->v[i]))
            longest = pair_tokens(&pairs->v[i]);
    return madpo_batches_limits(out, &pairs, 1, MAX_PAIRS, budget > longest ? budget : longest,
                                err);
}

typedef struct score_state {
    madpo_model *model;
    const madpo_examples *pairs;
    bool rewards;
    float *values; /* [max rows or sequences] of a micro-batch */
    madpo_score_fn fn;
    void *user;
} score_state;

static madpo_status score_micro_batch(void *user, const madpo_batch *batch, size_t first,
                                      madpo_error *err)
{
    score_state *s = user;
    madpo_status st = s->rewards ? madpo_model_rewards(s->model, batch, s->values, err)
                                 : madpo_model_logps(s->model, batch, s->values, NULL, err);

    for (int64_t k = 0; k + 1 < batch->n_seq && st == MADPO_OK; k += 2) {
        const madpo_example *e = &s->pairs->v[first + (size_t)k / 2];
        madpo_score score = {.n_chosen = e->n_branch[0], .n_rejected = e->n_branch[1]};

        score.chosen = s->rewards ? (double)s->values[k] : madpo_scan_sum(batch, s->values, k);
        score.rejected =
            s->rewards ? (double)s->values[k + 1] : madpo_scan_sum(batch, s->values, k + 1);
        st = s->fn(s->user, first + (size_t)k / 2, &score, err);
    }
    return st;
}

madpo_status madpo_score_each(madpo_model *model, const madpo_examples *pairs,
                              const madpo_batch_limits *limits, bool rewards, madpo_score_fn fn,
                              void *user, madpo_error *err)
{
    score_state state = {
        .model = model, .pairs = pairs, .rewards = rewards, .fn = fn, .user = user};
    int64_t *order = malloc((pairs->n + 1) * sizeof *order);
    madpo_batches batches = {0};
    madpo_status st = MADPO_OK;

    state.values =
        malloc((size_t)(limits->max_rows + limits->max_sequences + 1) * sizeof *state.values);
    if (!order || !state.values)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "pairs: out of host memory");
    for (size_t i = 0; order && i < pairs->n; i++)
        order[i] = (int64_t)i;
    if (st == MADPO_OK)
        st = madpo_batches_init(&batches, limits, pairs->n, err);
    if (st == MADPO_OK)
        st = madpo_batches_each(&batches, pairs, order, pairs->n, score_micro_batch, &state, err);
    madpo_batches_dispose(&batches);
    free(state.values);
    free(order);
    return st;
}
