/* Random initialisation, tensor by tensor, so that a weight depends on the seed and its tensor's
 * name only: adding a layer or a head leaves the others as they were. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "model/internal.h"

#define INIT_TWO_PI 6.283185307179586476925

/* FNV-1a. */
uint64_t madpo__name_stream(const char *name)
{
    uint64_t h = 14695981039346656037u;

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return h;
}

/* Normals from words: Box & Muller (1958), two from two 32-bit words, which suffices for weights.
 */
static void normals(float *out, int64_t n, double std, uint64_t seed, uint64_t stream)
{
    for (int64_t i = 0; i < n; i += 4) {
        madpo_philox b = madpo_philox_block(seed, stream, (uint64_t)(i / 4));
        float four[4];

        for (int j = 0; j < 4; j += 2) {
            double u = (b.v[j] + 1.0) / 4294967297.0; /* (0,1) */
            double angle = INIT_TWO_PI * (b.v[j + 1] / 4294967296.0);
            double radius = std * sqrt(-2 * log(u));

            four[j] = (float)(radius * cos(angle));
            four[j + 1] = (float)(radius * sin(angle));
        }
        memcpy(out + i, four, sizeof *out * (size_t)(n - i < 4 ? n - i : 4));
    }
}

madpo_status madpo__init_tensor(madpo_model *m, size_t i, uint64_t seed, madpo_error *err)
{
    const madpo_model_tensor *t = &m->tensor[i];
    float *host = malloc(sizeof *host * (size_t)t->n);
    double std, constant;
    madpo_status st;

    if (!host)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory initialising %s", t->name);
    madpo__weight_start(m, i, &std, &constant);
    if (std > 0)
        normals(host, t->n, std, seed, madpo__name_stream(t->name));
    else
        for (int64_t j = 0; j < t->n; j++)
            host[j] = (float)constant;
    st = madpo__tensor_set(m, t->weight, host, t->n, err);
    free(host);
    return st;
}

madpo_status madpo_model_init(madpo_model *m, uint64_t seed, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (size_t i = 0; st == MADPO_OK && i < m->n_tensors; i++)
        st = madpo__init_tensor(m, i, seed, err);
    madpo_model_weights_changed(m);
    return st;
}
