/* Folding adapters into the base: W += s B A, row by row on the host, in double. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/io_inside.h"

/* One enabled adapter's factors at a site, on the host. */
typedef struct factors {
    const madpo__lora *lora;
    float *a, *b; /* [r,in], [out,r] owned */
} factors;

static void factors_free(factors *f, int n)
{
    for (int i = 0; f && i < n; i++) {
        free(f[i].a);
        free(f[i].b);
    }
    free(f);
}

/* Those of all enabled adapters that are at the site; the others' are empty. */
static madpo_status factors_read(factors **out, madpo_model *m, int32_t l, madpo_site site,
                                 bool *any, madpo_error *err)
{
    factors *f = calloc((size_t)m->n_adapters + 1, sizeof *f);
    madpo_status st = MADPO_OK;

    *out = f;
    *any = false;
    if (!f)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory merging adapters");
    for (int i = 0; st == MADPO_OK && i < m->n_adapters; i++) {
        const madpo__lora *lora = madpo__adapter_site(m, i, l, site);

        if (!lora || !m->adapter[i].enabled)
            continue;
        *any = true;
        f[i].lora = lora;
        f[i].a = malloc(sizeof *f[i].a * (size_t)lora->a.n);
        f[i].b = malloc(sizeof *f[i].b * (size_t)lora->b.n);
        if (!f[i].a || !f[i].b)
            return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory merging adapters");
        st = madpo__tensor_get(m, lora->a, f[i].a, lora->a.n, err);
        if (st == MADPO_OK)
            st = madpo__tensor_get(m, lora->b, f[i].b, lora->b.n, err);
    }
    return st;
}

/* One row of W [in], row `row` of the site's output. */
static void add_row(float *w, double *sum, int64_t in, const factors *f, int n, int64_t row)
{
    for (int64_t c = 0; c < in; c++)
        sum[c] = w[c];
    for (int i = 0; i < n; i++) {
        const int32_t r = f[i].lora ? f[i].lora->r : 0;

        for (int32_t j = 0; j < r; j++) {
            const double b = (double)f[i].lora->scale * f[i].b[row * r + j];
            const float *a = f[i].a + j * in;

            for (int64_t c = 0; c < in; c++)
                sum[c] += b * a[c];
        }
    }
    for (int64_t c = 0; c < in; c++)
        w[c] = (float)sum[c];
}

/* W of `rows` rows, of which the first is row `first` of the site's output, in pieces. */
static madpo_status add_to(madpo_model *m, madpo_tensor w, int64_t in, int64_t first,
                           const factors *f, madpo_error *err)
{
    const int64_t rows = w.n / in, most = in < MADPO__PIECE ? MADPO__PIECE / in : 1;
    float *x = malloc(sizeof *x * (size_t)(most * in));
    uint16_t *half = malloc(sizeof *half * (size_t)(most * in));
    double *sum = malloc(sizeof *sum * (size_t)in);
    madpo_status st = MADPO_OK;

    if (!x || !half || !sum)
        st = madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory merging adapters");
    for (int64_t at = 0; st == MADPO_OK && at < rows; at += most) {
        const int64_t n = rows - at < most ? rows - at : most;
        madpo_tensor t = madpo_tensor_slice(w, at * in, n * in);

        st = madpo__tensor_get(m, t, x, n * in, err);
        for (int64_t r = 0; st == MADPO_OK && r < n; r++)
            add_row(x + r * in, sum, in, f, m->n_adapters, first + at + r);
        if (st != MADPO_OK)
            break;
        if (w.dtype != MADPO_DTYPE_F32)
            madpo__narrow(half, x, w.dtype, (size_t)(n * in));
        if (!madpo__all_finite(w.dtype == MADPO_DTYPE_F32 ? (void *)x : (void *)half, w.dtype,
                               (size_t)(n * in)))
            st = madpo_error_set(err, MADPO_ERR_NUMERIC,
                                 "a merged weight is not finite in %s; set model.storage to f32",
                                 madpo_dtype_name(w.dtype));
        else
            st = madpo__tensor_set(m, t, x, n * in, err);
    }
    free(x);
    free(half);
    free(sum);
    return st;
}

static int site_weights(madpo_tensor w[3], const madpo__params *p, madpo_site site)
{
    const madpo_tensor single[MADPO_N_SITES] = {
        [MADPO_SITE_Q] = p->q,      [MADPO_SITE_K] = p->k,       [MADPO_SITE_V] = p->v,
        [MADPO_SITE_O] = p->o,      [MADPO_SITE_GATE] = p->gate, [MADPO_SITE_UP] = p->up,
        [MADPO_SITE_DOWN] = p->down};

    w[0] = site == MADPO_SITE_QKV ? p->q : single[site];
    w[1] = p->k;
    w[2] = p->v;
    return site == MADPO_SITE_QKV ? 3 : 1;
}

static madpo_status merge_site(madpo_model *m, int32_t l, madpo_site site, madpo_error *err)
{
    factors *f;
    madpo_tensor w[3];
    int64_t out, in, first = 0;
    bool any;
    int n = site_weights(w, &m->w.layer[l], site);
    madpo_status st = factors_read(&f, m, l, site, &any, err);

    madpo_site_size(&m->config, site, &out, &in);
    for (int i = 0; st == MADPO_OK && any && i < n; i++) {
        st = add_to(m, w[i], in, first, f, err);
        first += w[i].n / in;
    }
    factors_free(f, m->n_adapters);
    return st;
}

madpo_status madpo_model_merge(madpo_model *m, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (int32_t l = 0; l < m->config.L; l++)
        for (int s = 0; st == MADPO_OK && s < MADPO_N_SITES; s++)
            st = merge_site(m, l, (madpo_site)s, err);
    for (int i = 0; st == MADPO_OK && i < m->n_adapters; i++)
        madpo_model_adapter_enable(m, i, false);
    madpo_model_weights_changed(m);
    return st;
}
