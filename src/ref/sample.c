/* Sampling in double; the rule is in sample.h. */
#include "ref/sample.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

static int sample_descending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

/* Smallest logit that top-k and then top-p keep, of `sorted` [V], descending. */
static double sample_floor(const double *sorted, int64_t V, const madpo_ref_sample_options *o)
{
    const int64_t k = o->top_k > 0 && o->top_k < V ? o->top_k : V;
    const double kth = sorted[k - 1];
    double whole = 0, mass = 0;
    int64_t i;

    for (i = 0; i < V && sorted[i] >= kth; i++)
        whole += exp((sorted[i] - sorted[0]) / o->temperature);
    if (o->top_p >= 1)
        return kth;
    for (i = 0; i < V && sorted[i] >= kth; i++) {
        mass += exp((sorted[i] - sorted[0]) / o->temperature);
        if (mass >= o->top_p * whole)
            return sorted[i];
    }
    return kth;
}

/* Logits with the banned one at -inf; false if there is no distribution. */
static bool sample_masked(double *out, const double *z, int64_t V, int32_t banned)
{
    double top = -INFINITY;
    bool nan_seen = false;

    for (int64_t j = 0; j < V; j++) {
        out[j] = j == banned ? -INFINITY : z[j];
        nan_seen = nan_seen || isnan(out[j]);
        top = fmax(top, out[j]);
    }
    return !nan_seen && isfinite(top);
}

int madpo_ref_sample_probs(double *p, const double *z, int64_t V, const madpo_ref_sample_options *o)
{
    double *sorted = malloc((size_t)V * sizeof *sorted);
    double whole = 0;

    if (!sorted)
        return -1;
    if (!sample_masked(sorted, z, V, o->banned)) {
        free(sorted);
        return 0;
    }
    qsort(sorted, (size_t)V, sizeof *sorted, sample_descending);
    const double top = sorted[0], least = sample_floor(sorted, V, o);
    for (int64_t j = 0; j < V; j++) {
        const bool kept = j != o->banned && z[j] >= least;
        p[j] = kept ? exp((z[j] - top) / o->temperature) : 0;
        whole += p[j];
    }
    for (int64_t j = 0; j < V; j++)
        p[j] /= whole;
    free(sorted);
    return 1;
}

double madpo_ref_sample_uniform(uint64_t seed, int32_t stream, int32_t counter)
{
    const madpo_philox block = madpo_philox_block(seed, (uint32_t)stream, (uint32_t)counter);

    return (double)(block.v[0] >> 8) / 16777216.0;
}

static int32_t sample_arg_max(const double *z, int64_t V)
{
    int64_t best = 0;

    for (int64_t j = 1; j < V; j++)
        best = z[j] > z[best] ? j : best;
    return (int32_t)best;
}

static int32_t sample_draw(const double *p, int64_t V, double u)
{
    double mass = 0;
    int32_t last = -1;

    for (int64_t j = 0; j < V; j++) {
        mass += p[j];
        if (p[j] > 0)
            last = (int32_t)j;
        if (p[j] > 0 && mass > u)
            break;
    }
    return last;
}

bool madpo_ref_sample(int32_t *ids, const double *logits, const int32_t *stream,
                      const int32_t *counter, int64_t B, int64_t V,
                      const madpo_ref_sample_options *o)
{
    double *p = malloc((size_t)(V > 0 ? V : 1) * sizeof *p);
    int state = p ? 1 : -1;

    for (int64_t b = 0; b < B && state >= 0; b++) {
        const double *z = logits + b * V;
        if (o->temperature == 0) {
            state = sample_masked(p, z, V, o->banned);
            ids[b] = state ? sample_arg_max(p, V) : -1;
        } else {
            state = madpo_ref_sample_probs(p, z, V, o);
            if (state >= 0)
                ids[b] = state ? sample_draw(
                                     p, V, madpo_ref_sample_uniform(o->seed, stream[b], counter[b]))
                               : -1;
        }
    }
    free(p);
    return state >= 0;
}
