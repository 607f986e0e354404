/* The optimiser over a real weight slab against torch's formulas in double: both ranges, clipping,
 * the norm, non-finite gradients, save and load. */
#include "tests/model/model_test.h"

#include <math.h>
#include <stdlib.h>

#include "tests/support/tmp.h"
#include "train/optimiser.h"

static const madpo_optimiser_options settings = {
    .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1, .clip = 1.0};

static void random_grads(madpo_device *dev, madpo_model *m, float *g, uint64_t seed)
{
    int64_t n = madpo_model_grads(m).n;
    madpo_rng rng;

    madpo_rng_init(&rng, seed, 0);
    for (int64_t i = 0; i < n; i++)
        g[i] = (float)(0.01 * madpo_rng_normal(&rng));
    MODEL_OK(madpo_tensor_write(dev, madpo_model_grads(m), g, n, err));
}

typedef struct twin {
    double *p, *m, *v;
    int64_t n, n_decay, t;
} twin;

/* torch.optim.AdamW after torch.nn.utils.clip_grad_norm_ */
static double twin_step(twin *s, const float *g, double lr)
{
    double norm = 0.0, factor;

    for (int64_t i = 0; i < s->n; i++)
        norm += (double)g[i] * (double)g[i];
    norm = sqrt(norm);
    factor = fmin(1.0, settings.clip / (norm + 1e-6));
    s->t++;
    for (int64_t i = 0; i < s->n; i++) {
        double grad = factor * (double)g[i];
        double decay = i < s->n_decay ? settings.weight_decay : 0.0;

        s->p[i] *= 1.0 - lr * decay;
        s->m[i] = settings.beta1 * s->m[i] + (1.0 - settings.beta1) * grad;
        s->v[i] = settings.beta2 * s->v[i] + (1.0 - settings.beta2) * grad * grad;
        s->p[i] -= lr / (1.0 - pow(settings.beta1, (double)s->t)) * s->m[i] /
                   (sqrt(s->v[i]) / sqrt(1.0 - pow(settings.beta2, (double)s->t)) + settings.eps);
    }
    return norm;
}

static void near(double got, double want, double atol, double rtol)
{
    if (!(fabs(got - want) <= atol + rtol * fabs(want)))
        fail_msg("%.9g, not %.9g", got, want);
}

static void test_against_torch(void **state)
{
    madpo_device *dev = *state;
    madpo_model *m = model_make(dev, "llama", true, true, false);
    int64_t n = madpo_model_weights(m).n;
    twin s = {.p = calloc((size_t)n, sizeof(double)),
              .m = calloc((size_t)n, sizeof(double)),
              .v = calloc((size_t)n, sizeof(double)),
              .n = n,
              .n_decay = madpo_model_n_decay(m)};
    float *g = malloc((size_t)n * sizeof *g), *p;
    madpo_optimiser *o = NULL;

    assert_true(s.n_decay > 0 && s.n_decay < n); /* both ranges are there to be tested */
    model_randomise(m, 3);
    p = model_read(m, madpo_model_weights(m));
    for (int64_t i = 0; i < n; i++)
        s.p[i] = (double)p[i];
    free(p);
    MODEL_OK(madpo_optimiser_new(&o, m, &settings, err));
    for (uint64_t step = 0; step < 4; step++) {
        double norm, want, lr = 0.01 * (double)(step + 1);

        random_grads(dev, m, g, step);
        want = twin_step(&s, g, lr);
        MODEL_OK(madpo_optimiser_norm(o, &norm, err));
        near(norm, want, 0.0, 1e-5);
        MODEL_OK(madpo_optimiser_step(o, lr, norm, err));
    }
    assert_int_equal(madpo_optimiser_updates(o), 4);
    p = model_read(m, madpo_model_weights(m));
    for (int64_t i = 0; i < n; i++)
        near((double)p[i], s.p[i], 1e-6, 1e-5);
    free(p);
    free(g);
    free(s.p);
    free(s.m);
    free(s.v);
    madpo_optimiser_free(o);
    madpo_model_free(m);
}

static void test_not_finite(void **state)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    madpo_device *dev = *state;
    madpo_model *m = model_make(dev, "llama", true, true, false);
    int64_t n = madpo_model_grads(m).n;
    float *g = malloc((size_t)n * sizeof *g);
    madpo_optimiser *o = NULL;
    double norm;

    MODEL_OK(madpo_optimiser_new(&o, m, &settings, err));
    for (size_t i = 0; i < 3; i++) {
        random_grads(dev, m, g, 1);
        MODEL_OK(madpo_optimiser_norm(o, &norm, err));
        assert_true(isfinite(norm) && norm > 0.0);
        MODEL_OK(madpo_tensor_write(
            dev, madpo_tensor_slice(madpo_model_grads(m), n - 1 - (int64_t)i * 7, 1), &bad[i], 1,
            err));
        MODEL_OK(madpo_optimiser_norm(o, &norm, err));
        assert_false(isfinite(norm));
    }
    free(g);
    madpo_optimiser_free(o);
    madpo_model_free(m);
}

/* Two more steps after save and load give the bits of four in a row. */
static void test_save_load(void **state)
{
    madpo_device *dev = *state;
    madpo_model *a = model_make(dev, "llama", true, true, false);
    madpo_model *b = model_make(dev, "llama", true, true, false);
    int64_t n = madpo_model_grads(a).n;
    float *g = malloc((size_t)n * sizeof *g), *pa, *pb;
    char *dir = tmp_new(), *path = tmp_path(dir, "optimiser.safetensors");
    madpo_optimiser *oa = NULL, *ob = NULL;
    double norm;

    model_randomise(a, 3);
    MODEL_OK(madpo_optimiser_new(&oa, a, &settings, err));
    MODEL_OK(madpo_optimiser_new(&ob, b, &settings, err));
    for (uint64_t step = 0; step < 4; step++) {
        if (step == 2) {
            MODEL_OK(madpo_optimiser_save(oa, path, err));
            MODEL_OK(madpo_optimiser_load(ob, path, madpo_optimiser_updates(oa), err));
            /* the whole slab, with the gaps between its tensors */
            MODEL_OK(
                madpo_tensor_copy(dev, madpo_model_weights(b), madpo_model_weights(a), n, err));
            madpo_model_weights_changed(b);
        }
        random_grads(dev, a, g, step);
        MODEL_OK(madpo_optimiser_norm(oa, &norm, err));
        MODEL_OK(madpo_optimiser_step(oa, 0.01, norm, err));
        if (step < 2)
            continue;
        random_grads(dev, b, g, step);
        MODEL_OK(madpo_optimiser_norm(ob, &norm, err));
        MODEL_OK(madpo_optimiser_step(ob, 0.01, norm, err));
    }
    pa = model_read(a, madpo_model_weights(a));
    pb = model_read(b, madpo_model_weights(b));
    assert_memory_equal(pa, pb, (size_t)n * sizeof *pa);
    free(pa);
    free(pb);
    free(g);
    free(path);
    tmp_free(dir);
    madpo_optimiser_free(oa);
    madpo_optimiser_free(ob);
    madpo_model_free(a);
    madpo_model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_torch),
                                       cmocka_unit_test(test_not_finite),
                                       cmocka_unit_test(test_save_load)};

    return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
