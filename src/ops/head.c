/* Fused head: launchers for cl/ops/head.cl around the products of ops/matmul.h. */
#include "ops/head.h"

#include "ops/arg.h"
#include "ops/matmul.h"

/* Vocabulary rows per chunk where the caller does not say. It must not depend on R: a row's
 * log-prob has the same bits in any batch. */
enum { HEAD_CHUNK = 8192 };

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Equal chunks, so that the last is not a sliver. */
static int64_t chunk_of(const madpo_head_dims *d)
{
    const int64_t wanted = d->chunk > 0 ? d->chunk : HEAD_CHUNK;
    const int64_t n_chunks = max64(madpo_ops_blocks(d->V, wanted), 1);

    return madpo_ops_blocks(d->V, n_chunks);
}

/* z [R,n] = rows [R,C] W [n,C]^T; drows [R,C] += z W; dW [n,C] (+)= z^T rows. */
static madpo_matmul_spec spec_logits(const madpo_head_dims *d, int64_t n)
{
    return (madpo_matmul_spec){.op = MADPO_MATMUL_NT, .M = d->R, .N = n, .K = d->C};
}

static madpo_matmul_spec spec_drows(const madpo_head_dims *d, int64_t n, bool accumulate)
{
    return (madpo_matmul_spec){
        .op = MADPO_MATMUL_NN, .M = d->R, .N = d->C, .K = n, .accumulate = accumulate};
}

static madpo_matmul_spec spec_dW(const madpo_head_dims *d, int64_t n, bool accumulate)
{
    return (madpo_matmul_spec){
        .op = MADPO_MATMUL_TN, .M = n, .N = d->C, .K = d->R, .accumulate = accumulate};
}

/* The workspace begins with what the products pack into; head's own arrays lie behind it. */
static int64_t matmul_floats(const madpo_device *dev, const madpo_head_dims *d)
{
    const int64_t n = chunk_of(d);
    const madpo_matmul_spec specs[] = {spec_logits(d, n), spec_drows(d, n, true),
                                       spec_dW(d, n, true)};
    int64_t need = 0;

    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
        need = max64(need, madpo_matmul_workspace(dev, &specs[i]));
    return need;
}

int64_t madpo_head_workspace(const madpo_device *dev, const madpo_head_dims *d)
{
    return matmul_floats(dev, d) + d->R * (2 * d->C + chunk_of(d));
}

typedef struct head_scratch {
    madpo_tensor rows, drows; /* [R,C] */
    madpo_tensor z;           /* [R,chunk] */
} head_scratch;

/* `logits`, where the caller keeps them and one chunk is all, take the place of the scratch. */
static madpo_status scratch_get(head_scratch *s, madpo_device *dev, const madpo_head_io *io,
                                const madpo_head_dims *d, madpo_error *err)
{
    const int64_t first = matmul_floats(dev, d), rows = d->R * d->C;
    madpo_tensor all;
    madpo_status st = madpo_workspace_get(&all, dev, madpo_head_workspace(dev, d), err);

    if (st != MADPO_OK)
        return st;
    s->rows = madpo_tensor_slice(all, first, rows);
    s->drows = madpo_tensor_slice(all, first + rows, rows);
    s->z = madpo_head_keeps_logits(io, d)
               ? io->logits
               : madpo_tensor_slice(all, first + 2 * rows, d->R * chunk_of(d));
    return MADPO_OK;
}

bool madpo_head_keeps_logits(const madpo_head_io *io, const madpo_head_dims *d)
{
    return !madpo_tensor_is_none(io->logits) && chunk_of(d) >= d->V;
}

static madpo_status gather(madpo_device *dev, const head_scratch *s, const madpo_head_io *io,
                           const madpo_head_dims *d, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "head", "head_gather", NULL);
    MADPO_ARG_F32(&l, s->rows, d->R, d->C);
    MADPO_ARG_F32(&l, io->hidden, d->T, d->C);
    MADPO_ARG_I32(&l, io->row_token, d->R, 1);
    madpo_arg_i64(&l, d->C);
    return madpo_launch_rows(&l, d->R, err);
}

static madpo_status chunk_logits(madpo_device *dev, const head_scratch *s, const madpo_head_io *io,
                                 const madpo_head_dims *d, int64_t v0, int64_t n, madpo_error *err)
{
    const madpo_matmul_spec spec = spec_logits(d, n);

    return madpo_matmul(dev, &spec, s->z, s->rows, madpo_tensor_slice(io->W, v0 * d->C, n * d->C),
                        err);
}

static madpo_status chunk_fwd(madpo_device *dev, const head_scratch *s, const madpo_head_io *io,
                              const madpo_head_dims *d, int64_t v0, int64_t n, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "head", "head_chunk_fwd", NULL);
    MADPO_ARG_F32(&l, io->logp, d->R, 1);
    MADPO_ARG_F32(&l, io->lse, d->R, 1);
    MADPO_ARG_F32(&l, io->zmax, d->R, 1);
    MADPO_ARG_F32(&l, s->z, d->R, n);
    MADPO_ARG_I32(&l, io->row_label, d->R, 1);
    madpo_arg_i64(&l, v0);
    madpo_arg_i64(&l, n);
    madpo_arg_i32(&l, v0 == 0);
    madpo_arg_i32(&l, v0 + n == d->V);
    return madpo_launch_rows(&l, d->R, err);
}

static int64_t chunk_length(const madpo_head_dims *d, int64_t v0)
{
    const int64_t chunk = chunk_of(d);

    return d->V - v0 < chunk ? d->V - v0 : chunk;
}

madpo_status madpo_head_fwd(madpo_device *dev, const madpo_head_io *io, const madpo_head_dims *d,
                            madpo_error *err)
{
    head_scratch s;
    madpo_status st;

    if (d->R == 0)
        return MADPO_OK;
    st = scratch_get(&s, dev, io, d, err);
    if (st == MADPO_OK)
        st = gather(dev, &s, io, d, err);
    for (int64_t v0 = 0, n; v0 < d->V && st == MADPO_OK; v0 += n) {
        n = chunk_length(d, v0);
        st = chunk_logits(dev, &s, io, d, v0, n, err);
        if (st == MADPO_OK)
            st = chunk_fwd(dev, &s, io, d, v0, n, err);
    }
    return st;
}

static madpo_status chunk_bwd(madpo_device *dev, const head_scratch *s, const madpo_head_io *io,
                              const madpo_head_grads *g, const madpo_head_dims *d, int64_t v0,
                              int64_t n, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "head", "head_chunk_bwd", NULL);
    MADPO_ARG_F32(&l, s->z, d->R, n);
    MADPO_ARG_F32(&l, io->lse, d->R, 1);
    MADPO_ARG_F32(&l, g->coef, d->R, 1);
    MADPO_ARG_I32(&l, io->row_label, d->R, 1);
    madpo_arg_i64(&l, v0);
    madpo_arg_i64(&l, n);
    return madpo_launch_rows(&l, d->R, err);
}

/* Both products of one chunk, from dz. */
static madpo_status chunk_grads(madpo_device *dev, const head_scratch *s, const madpo_head_io *io,
                                const madpo_head_grads *g, const madpo_head_dims *d, int64_t v0,
                                int64_t n, bool accumulate_W, madpo_error *err)
{
    const madpo_matmul_spec drows = spec_drows(d, n, v0 > 0), dW = spec_dW(d, n, accumulate_W);
    const madpo_tensor W = madpo_tensor_slice(io->W, v0 * d->C, n * d->C);
    madpo_status st = madpo_matmul(dev, &drows, s->drows, s->z, W, err);

    if (st == MADPO_OK && !madpo_tensor_is_none(g->dW))
        st = madpo_matmul(dev, &dW, madpo_tensor_slice(g->dW, v0 * d->C, n * d->C), s->z, s->rows,
                          err);
    return st;
}

static madpo_status scatter(madpo_device *dev, const head_scratch *s, const madpo_head_grads *g,
                            const madpo_head_dims *d, bool accumulate, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "head", "head_scatter", NULL);
    MADPO_ARG_F32(&l, g->dhidden, d->T, d->C);
    MADPO_ARG_F32(&l, s->drows, d->R, d->C);
    MADPO_ARG_I32(&l, g->tok_row_start, d->T + 1, 1);
    MADPO_ARG_I32(&l, g->tok_row, d->R, 1);
    madpo_arg_i64(&l, d->C);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, d->T, err);
}

/* No rows: all gradients are zero. */
static madpo_status no_rows(madpo_device *dev, const madpo_head_grads *g, const madpo_head_dims *d,
                            bool accumulate_hidden, bool accumulate_W, madpo_error *err)
{
    madpo_status st = MADPO_OK;

    if (!accumulate_hidden && d->T > 0)
        st = madpo_tensor_zero(dev, madpo_tensor_slice(g->dhidden, 0, d->T * d->C), err);
    if (st == MADPO_OK && !accumulate_W && !madpo_tensor_is_none(g->dW))
        st = madpo_tensor_zero(dev, madpo_tensor_slice(g->dW, 0, d->V * d->C), err);
    return st;
}

madpo_status madpo_head_bwd(madpo_device *dev, const madpo_head_io *io, const madpo_head_grads *g,
                            const madpo_head_dims *d, bool accumulate_hidden, bool accumulate_W,
                            madpo_error *err)
{
    head_scratch s;
    madpo_status st;

    if (d->R == 0)
        return no_rows(dev, g, d, accumulate_hidden, accumulate_W, err);
    st = scratch_get(&s, dev, io, d, err);
    if (st == MADPO_OK)
        st = gather(dev, &s, io, d, err);
    for (int64_t v0 = 0, n; v0 < d->V && st == MADPO_OK; v0 += n) {
        n = chunk_length(d, v0);
        if (!madpo_head_keeps_logits(io, d))
            st = chunk_logits(dev, &s, io, d, v0, n, err);
        if (st == MADPO_OK)
            st = chunk_bwd(dev, &s, io, g, d, v0, n, err);
        if (st == MADPO_OK)
            st = chunk_grads(dev, &s, io, g, d, v0, n, accumulate_W, err);
    }
    if (st == MADPO_OK)
        st = scatter(dev, &s, g, d, accumulate_hidden, err);
    return st;
}
