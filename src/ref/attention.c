/* Double-precision twin of prefix-shared attention. */
#include "ref/attention.h"

#include <math.h>
#include <stddef.h>

#include "base/batch.h"

/* The keys of one query: element j of two ranges one after the other (the prefix, the own segment).
 */
typedef struct key_list {
    int64_t a, na, b, n;
} key_list;

static key_list keys_of(const int32_t *seg, const int32_t *tok_seg, int64_t t)
{
    const madpo_segment *s = (const madpo_segment *)seg + tok_seg[t];

    return (key_list){s->prefix_start, s->prefix_len, s->start, s->prefix_len + t - s->start + 1};
}

static int64_t key_at(const key_list *keys, int64_t j)
{
    return j < keys->na ? keys->a + j : keys->b + j - keys->na;
}

static bool in_window(const int32_t *pos, int64_t t, int64_t key, int64_t window)
{
    return window == 0 || pos[key] > pos[t] - window;
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add_scaled(double *y, double a, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

/* Where query (t, h) and key token j of its kv head lie. */
static int64_t at_query(const madpo_ref_attention_dims *d, int64_t t, int64_t h)
{
    return (t * d->H + h) * d->D;
}

static int64_t at_key(const madpo_ref_attention_dims *d, int64_t key, int64_t h)
{
    return (key * d->K + h / (d->H / d->K)) * d->D;
}

static void fwd_row(double *o, double *lse, const double *q, const double *k, const double *v,
                    const key_list *keys, const int32_t *pos, int64_t t, int64_t h,
                    const madpo_ref_attention_dims *d)
{
    double m = -INFINITY, sum = 0;

    for (int64_t c = 0; c < d->D; c++)
        o[c] = 0;
    for (int64_t j = 0; j < keys->n; j++) {
        const int64_t key = key_at(keys, j);
        if (in_window(pos, t, key, d->window))
            m = fmax(m, d->scale * dot(q, k + at_key(d, key, h), d->D));
    }
    for (int64_t j = 0; j < keys->n; j++) {
        const int64_t key = key_at(keys, j);
        if (!in_window(pos, t, key, d->window))
            continue;
        const double p = exp(d->scale * dot(q, k + at_key(d, key, h), d->D) - m);
        sum += p;
        add_scaled(o, p, v + at_key(d, key, h), d->D);
    }
    for (int64_t c = 0; c < d->D; c++)
        o[c] /= sum;
    *lse = m + log(sum);
}

void madpo_ref_attention_fwd(double *o, double *lse, const double *q, const double *k,
                             const double *v, const int32_t *seg, const int32_t *tok_seg,
                             const int32_t *pos, const madpo_ref_attention_dims *d)
{
    for (int64_t t = 0; t < d->T; t++) {
        const key_list keys = keys_of(seg, tok_seg, t);
        for (int64_t h = 0; h < d->H; h++)
            fwd_row(o + at_query(d, t, h), lse + t * d->H + h, q + at_query(d, t, h), k, v, &keys,
                    pos, t, h, d);
    }
}

static void bwd_row(const madpo_ref_attention_grads *t, const key_list *keys, int64_t token,
                    int64_t h, const madpo_ref_attention_dims *d)
{
    const int64_t query = at_query(d, token, h);
    const double delta = dot(t->d_o + query, t->o + query, d->D);

    t->delta[token * d->H + h] = delta;
    for (int64_t j = 0; j < keys->n; j++) {
        const int64_t token_j = key_at(keys, j), key = at_key(d, token_j, h);
        if (!in_window(t->pos, token, token_j, d->window))
            continue;
        const double s = d->scale * dot(t->q + query, t->k + key, d->D);
        const double p = exp(s - t->lse[token * d->H + h]);
        const double ds = p * (dot(t->d_o + query, t->v + key, d->D) - delta);
        add_scaled(t->dv + key, p, t->d_o + query, d->D);
        add_scaled(t->dq + query, d->scale * ds, t->k + key, d->D);
        add_scaled(t->dk + key, d->scale * ds, t->q + query, d->D);
    }
}

void madpo_ref_attention_bwd(const madpo_ref_attention_grads *t, const madpo_ref_attention_dims *d,
                             bool accumulate)
{
    for (int64_t i = 0; i < d->T * d->H * d->D && !accumulate; i++)
        t->dq[i] = 0;
    for (int64_t i = 0; i < d->T * d->K * d->D && !accumulate; i++)
        t->dk[i] = t->dv[i] = 0;
    for (int64_t token = 0; token < d->T; token++) {
        const key_list keys = keys_of(t->seg, t->tok_seg, token);
        for (int64_t h = 0; h < d->H; h++)
            bwd_row(t, &keys, token, h, d);
    }
}

void madpo_ref_attention_decode(double *o, const double *q, const double *k_cache,
                                const double *v_cache, const int32_t *slot, const int32_t *len,
                                int64_t P, const madpo_ref_attention_dims *d)
{
    madpo_ref_attention_dims all = *d;

    all.window = 0; /* the range below is the window already */
    for (int64_t b = 0; b < d->T; b++) {
        const int64_t first = d->window > 0 && len[b] > d->window ? len[b] - d->window : 0;
        const key_list keys = {slot[b] * P + first, len[b] - first, 0, len[b] - first};
        double lse;
        for (int64_t h = 0; h < d->H; h++)
            fwd_row(o + at_query(d, b, h), &lse, q + at_query(d, b, h), k_cache, v_cache, &keys,
                    NULL, b, h, &all);
    }
}
