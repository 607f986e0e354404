/* LoRA adapters in a model (Hu et al. 2021): y += s (dropout(x) A^T) B^T, forward and backward.
 *
 * Nothing of the forward pass is kept: u = dropout(x) A^T is computed again in the backward pass,
 * which costs a product with r columns and saves a tensor per site. Dropout masks come from a
 * counter (ops/dropout.h) of the pass, the adapter, the layer and the site, so they too are drawn
 * again rather than kept; frozen adapters have none. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/internal.h"
#include "ops/dropout.h"
#include "ops/matmul.h"

#define LORA_ALIGN 16 /* elements: a tensor begins at a multiple of 64 bytes */

static int64_t max2(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

madpo__lora *madpo__adapter_site(const madpo_model *m, int i, int32_t layer, madpo_site site)
{
    madpo__lora *lora = &m->adapter[i].at[layer * MADPO_N_SITES + site];

    return lora->r > 0 ? lora : NULL;
}

/* ---- tables ---- */

static madpo_status adapter_begin(madpo_model *m, int i, madpo_error *err)
{
    const madpo_adapter_slot *slot = &m->options.adapters[i];
    madpo__adapter *a = &m->adapter[i];
    madpo_status st = madpo_adapter_config_copy(&a->config, slot->config, err);

    if (st != MADPO_OK)
        return st;
    a->train = slot->train && m->options.train;
    a->enabled = true;
    a->at = calloc((size_t)m->config.L * MADPO_N_SITES, sizeof *a->at);
    if (!a->at)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory planning an adapter");
    for (int32_t l = 0; l < m->config.L; l++) {
        for (int s = 0; s < MADPO_N_SITES; s++) {
            madpo__lora *lora = &a->at[l * MADPO_N_SITES + s];

            lora->r = madpo_adapter_get(&a->config, l, (madpo_site)s).r;
            if (lora->r == 0)
                continue;
            lora->scale = (float)madpo_adapter_scale(&a->config, l, (madpo_site)s);
            if (a->train)
                m->trained[l] |= 1u << s;
        }
    }
    return MADPO_OK;
}

madpo_status madpo__adapters_begin(madpo_model *m, madpo_error *err)
{
    const madpo_model_options *o = &m->options;
    madpo_status st = MADPO_OK;

    m->trains_base = o->train && o->n_adapters == 0;
    m->trains_score = o->train && o->reward_head;
    m->trained = calloc((size_t)m->config.L, sizeof *m->trained);
    if (o->n_adapters > 0)
        m->adapter = calloc((size_t)o->n_adapters, sizeof *m->adapter);
    if (!m->trained || (o->n_adapters > 0 && !m->adapter))
        return madpo_error_set(err, MADPO_ERR_NOMEM, "out of memory planning adapters");
    for (int i = 0; st == MADPO_OK && i < o->n_adapters; i++) {
        m->n_adapters = i + 1;
        st = adapter_begin(m, i, err);
    }
    m->lowest = 0;
    while (!m->trains_base && m->lowest < m->config.L && m->trained[m->lowest] == 0)
        m->lowest++;
    return st;
}

static madpo_status plan_one(madpo_model *m, const madpo__adapter *a, madpo_tensor *slot, int64_t n,
                             madpo_error *err)
{
    if (!a->train)
        return madpo_slab_plan(m->frozen_slab, slot, n, MADPO_DTYPE_F32, err);
    /* the place alone for now; the slab comes later */
    *slot = (madpo_tensor){.offset = m->n_weights, .n = n};
    m->n_weights += (n + LORA_ALIGN - 1) / LORA_ALIGN * LORA_ALIGN;
    m->n_decay = m->n_weights;
    return MADPO_OK;
}

madpo_status madpo__adapters_plan(madpo_model *m, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (int i = 0; i < m->n_adapters; i++) {
        for (int32_t l = 0; l < m->config.L; l++) {
            for (int s = 0; st == MADPO_OK && s < MADPO_N_SITES; s++) {
                madpo__lora *lora = madpo__adapter_site(m, i, l, (madpo_site)s);
                int64_t out, in;

                if (!lora)
                    continue;
                madpo_site_size(&m->config, (madpo_site)s, &out, &in);
                st = plan_one(m, &m->adapter[i], &lora->a, lora->r * in, err);
                if (st == MADPO_OK)
                    st = plan_one(m, &m->adapter[i], &lora->b, out * lora->r, err);
            }
        }
    }
    return st;
}

static void bind_one(const madpo_model *m, madpo_tensor *weight, madpo_tensor *grad)
{
    const madpo_tensor place = *weight;

    *weight = madpo_tensor_slice(m->weights, place.offset, place.n);
    *grad = madpo_tensor_slice(m->grads, place.offset, place.n);
}

void madpo__adapters_bind(madpo_model *m)
{
    for (int i = 0; i < m->n_adapters; i++) {
        for (int32_t at = 0; m->adapter[i].train && at < m->config.L * MADPO_N_SITES; at++) {
            madpo__lora *lora = &m->adapter[i].at[at];

            if (lora->r == 0)
                continue;
            bind_one(m, &lora->a, &lora->da);
            bind_one(m, &lora->b, &lora->db);
        }
    }
}

void madpo__adapters_dispose(madpo_model *m)
{
    for (int i = 0; i < m->n_adapters; i++) {
        madpo_adapter_config_dispose(&m->adapter[i].config);
        free(m->adapter[i].at);
    }
    free(m->adapter);
    free(m->trained);
}

void madpo_model_adapter_enable(madpo_model *m, int i, bool enable)
{
    m->adapter[i].enabled = enable;
    m->done = MADPO__DONE_NONE;
}

/* ---- sizes ---- */

int32_t madpo__adapters_max_rank(const madpo_model *m)
{
    int32_t most = 0;

    for (int i = 0; i < m->n_adapters; i++)
        for (int32_t at = 0; at < m->config.L * MADPO_N_SITES; at++)
            most = (int32_t)max2(most, m->adapter[i].at[at].r);
    return most;
}

static double dropout_of(const madpo__adapter *a)
{
    return a->train ? a->config.dropout : 0;
}

int64_t madpo__adapters_dropout_in(const madpo_model *m)
{
    int64_t most = 0;

    for (int i = 0; i < m->n_adapters; i++)
        for (int32_t at = 0; at < m->config.L * MADPO_N_SITES; at++) {
            int64_t out, in;

            if (m->adapter[i].at[at].r == 0 || dropout_of(&m->adapter[i]) == 0)
                continue;
            madpo_site_size(&m->config, (madpo_site)(at % MADPO_N_SITES), &out, &in);
            most = max2(most, in);
        }
    return most;
}

static int64_t product_need(const madpo_model *m, madpo_matmul_op op, int64_t M, int64_t N,
                            int64_t K)
{
    madpo_matmul_spec spec = {.op = op, .M = M, .N = N, .K = K, .alpha = 2, .accumulate = true};

    return madpo_matmul_workspace(m->dev, &spec);
}

int64_t madpo__lora_workspace(const madpo_model *m)
{
    int64_t need = 0, T = m->rows, r = madpo__adapters_max_rank(m);

    for (int s = 0; r > 0 && s < MADPO_N_SITES; s++) {
        int64_t out, in;

        if (!m->config.arch->site[s])
            continue;
        madpo_site_size(&m->config, (madpo_site)s, &out, &in);
        need = max2(need, product_need(m, MADPO_MATMUL_NT, T, r, in));
        need = max2(need, product_need(m, MADPO_MATMUL_NT, T, out, r));
        if (!m->options.train)
            continue;
        need = max2(need, product_need(m, MADPO_MATMUL_NN, T, r, out));
        need = max2(need, product_need(m, MADPO_MATMUL_TN, out, r, T));
        need = max2(need, product_need(m, MADPO_MATMUL_TN, r, in, T));
        need = max2(need, product_need(m, MADPO_MATMUL_NN, T, in, r));
    }
    return need;
}

/* ---- passes ---- */

/* One adapter at work at one site. */
typedef struct lora_at {
    madpo_model *m;
    const madpo__lora *w;
    const madpo__site_io *io;
    int64_t T, in;
    float dropout; /* 0: none in this pass */
    uint64_t stream;
    madpo_tensor u, du; /* [T,r] */
    madpo_error *err;
} lora_at;

static lora_at lora_begin(madpo_model *m, int i, int32_t layer, int64_t T, const madpo__site_io *io,
                          madpo_error *err)
{
    const madpo__lora *w = madpo__adapter_site(m, i, layer, io->site);
    lora_at a = {.m = m, .w = w, .io = io, .T = T, .err = err};
    int64_t out;

    madpo_site_size(&m->config, io->site, &out, &a.in);
    a.dropout = m->pass_train ? (float)dropout_of(&m->adapter[i]) : 0;
    a.stream = ((m->pass_counter * (uint64_t)m->config.L + (uint64_t)layer) * MADPO_N_SITES +
                (uint64_t)io->site) *
                   (uint64_t)m->n_adapters +
               (uint64_t)i;
    a.u = madpo_tensor_slice(m->lora_u, 0, T * w->r);
    if (m->options.train)
        a.du = madpo_tensor_slice(m->lora_du, 0, T * w->r);
    return a;
}

/* u = dropout(x) A^T; *x becomes the dropped-out input. */
static madpo_status lora_down(const lora_at *a, madpo_tensor *x)
{
    const madpo_matmul_spec spec = {.op = MADPO_MATMUL_NT, .M = a->T, .N = a->w->r, .K = a->in};
    madpo_status st = MADPO_OK;

    *x = a->io->x;
    if (a->dropout > 0) {
        *x = madpo_tensor_slice(a->m->lora_x, 0, a->T * a->in);
        st = madpo_dropout(a->m->dev, *x, a->io->x, a->T * a->in, a->dropout, a->m->pass_seed,
                           a->stream, false, a->err);
    }
    return st == MADPO_OK ? madpo_matmul(a->m->dev, &spec, a->u, *x, a->w->a, a->err) : st;
}

/* Columns of output part p, and the rows of B that make it. */
static int64_t part_width(const lora_at *a, int p)
{
    const madpo_model_config *c = &a->m->config;
    int64_t out, in;

    if (a->io->n_y == 3)
        return (int64_t)(p == 0 ? c->H : c->K) * c->D;
    madpo_site_size(c, a->io->site, &out, &in);
    return out;
}

static madpo_tensor part_of(const lora_at *a, madpo_tensor b, int p)
{
    int64_t first = 0;

    for (int i = 0; i < p; i++)
        first += part_width(a, i);
    return madpo_tensor_slice(b, first * a->w->r, part_width(a, p) * a->w->r);
}

static madpo_status lora_up(const lora_at *a)
{
    madpo_status st = MADPO_OK;

    for (int p = 0; st == MADPO_OK && p < a->io->n_y; p++) {
        const madpo_matmul_spec spec = {.op = MADPO_MATMUL_NT,
                                        .M = a->T,
                                        .N = part_width(a, p),
                                        .K = a->w->r,
                                        .alpha = a->w->scale,
                                        .accumulate = true};

        st = madpo_matmul(a->m->dev, &spec, a->io->y[p], a->u, part_of(a, a->w->b, p), a->err);
    }
    return st;
}

madpo_status madpo__lora_fwd(madpo_model *m, int32_t layer, int64_t T, const madpo__site_io *io,
                             madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (int i = 0; st == MADPO_OK && i < m->n_adapters; i++) {
        madpo_tensor x;
        lora_at a;

        if (!m->adapter[i].enabled || !madpo__adapter_site(m, i, layer, io->site))
            continue;
        a = lora_begin(m, i, layer, T, io, err);
        st = lora_down(&a, &x);
        if (st == MADPO_OK)
            st = lora_up(&a);
    }
    return st;
}

/* du = s sum_p dy_p B_p */
static madpo_status lora_du(const lora_at *a)
{
    madpo_status st = MADPO_OK;

    for (int p = 0; st == MADPO_OK && p < a->io->n_y; p++) {
        const madpo_matmul_spec spec = {.op = MADPO_MATMUL_NN,
                                        .M = a->T,
                                        .N = a->w->r,
                                        .K = part_width(a, p),
                                        .alpha = a->w->scale,
                                        .accumulate = p > 0};

        st = madpo_matmul(a->m->dev, &spec, a->du, a->io->y[p], part_of(a, a->w->b, p), a->err);
    }
    return st;
}

/* dB_p (+)= s dy_p^T u, dA (+)= du^T dropout(x) */
static madpo_status lora_weights(const lora_at *a, bool add)
{
    const madpo_matmul_spec da = {
        .op = MADPO_MATMUL_TN, .M = a->w->r, .N = a->in, .K = a->T, .accumulate = add};
    madpo_tensor x;
    madpo_status st = lora_down(a, &x);

    for (int p = 0; st == MADPO_OK && p < a->io->n_y; p++) {
        const madpo_matmul_spec db = {.op = MADPO_MATMUL_TN,
                                      .M = part_width(a, p),
                                      .N = a->w->r,
                                      .K = a->T,
                                      .alpha = a->w->scale,
                                      .accumulate = add};

        st = madpo_matmul(a->m->dev, &db, part_of(a, a->w->db, p), a->io->y[p], a->u, a->err);
    }
    return st == MADPO_OK ? madpo_matmul(a->m->dev, &da, a->w->da, a->du, x, a->err) : st;
}

/* dx += mask (du A) / (1 - p) */
static madpo_status lora_dx(const lora_at *a)
{
    madpo_matmul_spec spec = {
        .op = MADPO_MATMUL_NN, .M = a->T, .N = a->in, .K = a->w->r, .accumulate = a->dropout == 0};
    madpo_tensor to = a->io->dx;
    madpo_status st;

    if (a->dropout > 0)
        to = madpo_tensor_slice(a->m->lora_x, 0, a->T * a->in);
    st = madpo_matmul(a->m->dev, &spec, to, a->du, a->w->a, a->err);
    if (st == MADPO_OK && a->dropout > 0)
        st = madpo_dropout(a->m->dev, a->io->dx, to, a->T * a->in, a->dropout, a->m->pass_seed,
                           a->stream, true, a->err);
    return st;
}

/* A trained adapter that is left out has a gradient all the same: zero. */
static madpo_status lora_no_gradient(madpo_model *m, const madpo__lora *w, madpo_error *err)
{
    madpo_status st = madpo_tensor_zero(m->dev, w->da, err);

    return st == MADPO_OK ? madpo_tensor_zero(m->dev, w->db, err) : st;
}

madpo_status madpo__lora_bwd(madpo_model *m, int32_t layer, int64_t T, const madpo__site_io *io,
                             bool add, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    for (int i = 0; st == MADPO_OK && i < m->n_adapters; i++) {
        const madpo__lora *w = madpo__adapter_site(m, i, layer, io->site);
        bool train = m->adapter[i].train, enabled = m->adapter[i].enabled;
        lora_at a;

        if (!w || (!train && (!enabled || madpo_tensor_is_none(io->dx))))
            continue;
        if (!enabled) {
            st = add ? MADPO_OK : lora_no_gradient(m, w, err);
            continue;
        }
        a = lora_begin(m, i, layer, T, io, err);
        st = lora_du(&a);
        if (st == MADPO_OK && train)
            st = lora_weights(&a, add);
        if (st == MADPO_OK && !madpo_tensor_is_none(io->dx))
            st = lora_dx(&a);
    }
    return st;
}
