/* Adapters in a model against the double-precision reference, in which an adapter is what it is by
 * definition: W + s B A. Log-probs, rewards, gradients of every adapter by finite differences. */
#include "tests/model/lora_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/internal.h"
#include "tests/support/ref_model.h"

/* ---- the reference with adapters folded in ---- */

typedef struct folded {
    madpo_model *m;
    ref_model *ref, *base; /* base: weights without adapters */
    double *ab[2][64][2];  /* [adapter][layer * sites + site][A, B] */
} folded;

static double *read_double(madpo_model *m, madpo_tensor t)
{
    float *f = model_read(m, t);
    double *d = malloc((size_t)t.n * sizeof *d);

    assert_non_null(d);
    for (int64_t j = 0; j < t.n; j++)
        d[j] = f[j];
    free(f);
    return d;
}

/* Row in the table of the matrix that rows [first, …) of a site's B belong to. */
static size_t matrix_of(const madpo_model *m, int32_t l, madpo_site site, int part)
{
    static const size_t offset[MADPO_N_SITES] = {[MADPO_SITE_Q] = offsetof(madpo__params, q),
                                                 [MADPO_SITE_K] = offsetof(madpo__params, k),
                                                 [MADPO_SITE_V] = offsetof(madpo__params, v),
                                                 [MADPO_SITE_O] = offsetof(madpo__params, o),
                                                 [MADPO_SITE_GATE] = offsetof(madpo__params, gate),
                                                 [MADPO_SITE_UP] = offsetof(madpo__params, up),
                                                 [MADPO_SITE_DOWN] = offsetof(madpo__params, down)};
    static const madpo_site parts[] = {MADPO_SITE_Q, MADPO_SITE_K, MADPO_SITE_V};
    const char *params = (const char *)&m->w.layer[l];
    madpo_tensor want;

    memcpy(&want, params + offset[site == MADPO_SITE_QKV ? parts[part] : site], sizeof want);
    for (size_t i = 0; i < m->n_tensors; i++)
        if (m->tensor[i].weight.buffer == want.buffer && m->tensor[i].weight.offset == want.offset)
            return i;
    fail_msg("no matrix at site %d", site);
    return 0;
}

/* W += s B A of one adapter at one site, all parts. */
static void fold_site(folded *f, int i, int32_t l, madpo_site site)
{
    const madpo__lora *w = madpo__adapter_site(f->m, i, l, site);
    double **ab = f->ab[i][l * MADPO_N_SITES + site];
    int64_t row = 0;

    for (int part = 0; part < (site == MADPO_SITE_QKV ? 3 : 1); part++) {
        size_t t = matrix_of(f->m, l, site, part);
        int64_t rows = f->m->tensor[t].shape[0], in = f->m->tensor[t].shape[1];
        double *W = ref_model_weights(f->ref, t);

        for (int64_t r = 0; r < rows; r++, row++)
            for (int64_t j = 0; j < in; j++)
                for (int32_t q = 0; q < w->r; q++)
                    W[r * in + j] += w->scale * ab[1][row * w->r + q] * ab[0][q * in + j];
    }
}

static void fold(folded *f)
{
    const madpo_model *m = f->m;

    for (size_t t = 0; t < m->n_tensors; t++)
        memcpy(ref_model_weights(f->ref, t), ref_model_weights(f->base, t),
               (size_t)m->tensor[t].n * sizeof(double));
    for (int i = 0; i < m->n_adapters; i++)
        for (int32_t at = 0; m->adapter[i].enabled && at < m->config.L * MADPO_N_SITES; at++)
            if (m->adapter[i].at[at].r > 0)
                fold_site(f, i, at / MADPO_N_SITES, (madpo_site)(at % MADPO_N_SITES));
}

static folded folded_new(madpo_model *m)
{
    folded f = {.m = m, .ref = ref_model_new(m), .base = ref_model_new(m)};

    for (int i = 0; i < m->n_adapters; i++)
        for (int32_t at = 0; at < m->config.L * MADPO_N_SITES; at++)
            if (m->adapter[i].at[at].r > 0) {
                f.ab[i][at][0] = read_double(m, m->adapter[i].at[at].a);
                f.ab[i][at][1] = read_double(m, m->adapter[i].at[at].b);
            }
    fold(&f);
    return f;
}

static void folded_dispose(folded *f)
{
    for (int i = 0; i < 2; i++)
        for (int at = 0; at < 64; at++) {
            free(f->ab[i][at][0]);
            free(f->ab[i][at][1]);
        }
    ref_model_free(f->ref);
    ref_model_free(f->base);
}

static double ref_loss(folded *f, pass_case *c)
{
    if (c->reward)
        ref_model_rewards(f->ref, c->b, c->out);
    else
        ref_model_logps(f->ref, c->b, c->out, NULL);
    return loss_of(c);
}

static double numeric(folded *f, pass_case *c, double *at)
{
    const double h = 2e-4, was = *at;
    double v[5];

    for (int k = -2; k <= 2; k++) {
        *at = was + k * h;
        fold(f);
        v[k + 2] = k ? ref_loss(f, c) : 0;
    }
    *at = was;
    return (v[0] - 8 * v[1] + 8 * v[3] - v[4]) / (12 * h);
}

static void check_gradient(folded *f, pass_case *c, madpo_tensor grad, double *x, const char *what)
{
    float *g = model_read(f->m, grad);
    int64_t big = 0;

    for (int64_t j = 0; j < grad.n; j++)
        if (fabsf(g[j]) > fabsf(g[big]))
            big = j;
    assert_true(fabsf(g[big]) > 0);
    for (int64_t s = 0; s < 3; s++) {
        int64_t j = s == 0 ? big : s * 7919 % grad.n;

        close_to(g[j], numeric(f, c, x + j), 2e-5 * fabsf(g[big]) + 1e-7, 1e-4, what);
    }
    free(g);
}

static void gradient_case(madpo_device *dev, size_t k, const setting *s, bool set_pass)
{
    madpo_model *m = lora_model(dev, k, s);
    madpo_model_options o = model_options(true, s->reward, 0);
    example_list list = examples_pairs(N_PAIRS, 37, 11 + k);
    madpo_packer *packer = packer_new(&o);
    pass_case c = {.b = pack(packer, &list, 0, list.n), .reward = s->reward};
    folded f = folded_new(m);
    int trained = m->n_adapters - 1;
    double want[MAX_ROWS];

    madpo_model_set_pass(m, set_pass, 1, 2);
    device_pass(m, &c);
    memcpy(want, c.out, sizeof want);
    (void)ref_loss(&f, &c);
    for (int64_t i = 0; i < (s->reward ? c.b->n_seq : c.b->R); i++)
        close_to(want[i], c.out[i], 5e-5, 1e-5, models[k].arch);
    for (int32_t at = 0; at < m->config.L * MADPO_N_SITES; at++) {
        const madpo__lora *w = &m->adapter[trained].at[at];
        char what[64];

        if (w->r == 0)
            continue;
        snprintf(what, sizeof what, "%s layer %d site %d", models[k].arch,
                 (int)(at / MADPO_N_SITES), (int)(at % MADPO_N_SITES));
        check_gradient(&f, &c, w->da, f.ab[trained][at][0], what);
        check_gradient(&f, &c, w->db, f.ab[trained][at][1], what);
    }
    folded_dispose(&f);
    madpo_packer_free(packer);
    examples_free(&list);
    madpo_model_free(m);
}

/* Every linear map of every architecture; a frozen adapter beside the trained one. */
static void test_gradients(void **state)
{
    for (size_t k = 0; k < N_MODELS; k++) {
        setting s = {.n = 2, .targets = "all-linear", .train = true};

        gradient_case(*state, k, &s, false);
        s.reward = true;
        gradient_case(*state, k, &s, true);
    }
}

/* The head's cheaper way where a backward pass is announced. */
static void test_announced(void **state)
{
    for (size_t k = 0; k < N_MODELS; k++)
        gradient_case(*state, k, &(setting){.n = 1, .targets = "", .train = true}, true);
}

/* Single sites of the upper layer only: nothing below has a gradient, and none is needed. */
static void test_upper_layer(void **state)
{
    static const char *const llama[] = {"q_proj",    "o_proj",  "v_proj",
                                        "gate_proj", "up_proj", "down_proj"};
    static const char *const neox[] = {"query_key_value", "dense", "dense_h_to_4h",
                                       "dense_4h_to_h"};

    for (size_t i = 0; i < sizeof llama / sizeof llama[0]; i++)
        gradient_case(*state, 0,
                      &(setting){.n = 1, .targets = llama[i], .from_layer = 1, .train = true},
                      true);
    for (size_t i = 0; i < sizeof neox / sizeof neox[0]; i++)
        for (size_t k = 4; k < 6; k++)
            gradient_case(*state, k,
                          &(setting){.n = 1, .targets = neox[i], .from_layer = 1, .train = true},
                          true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_announced),
        cmocka_unit_test(test_upper_layer),
    };

    return cmocka_run_group_tests(tests, model_setup, model_teardown);
}
