/* Fused head: launchers for cl/ops/head.cl around the products of ops/matmul.h. */
#include "ops/head.h"

#include "base/error.h"
#include "ops/arg.h"
#include "ops/embedding.h"
#include "ops/matmul.h"

/* Vocabulary rows per chunk where the caller does not say. It must not depend on R: a row's
 * log-prob has the same bits in any batch. */
enum { HEAD_CHUNK = 8192 };

/* Rows that go through all chunks together: bounds the logits in the workspace. No bits depend on
 * it: rows are independent of each other, and dW, the sum over them, is put down between tiles and
 * resumed, which continues the same chains. */
enum { HEAD_ROWS = 2048 };

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Equal chunks, so that the last is not a sliver. */
static int64_t chunk_of(const madpo_head_dims *d)
{
    const int64_t wanted = d->chunk > 0 ? d->chunk : HEAD_CHUNK;
    const int64_t n_chunks = max64(madpo_ops_blocks(d->V, wanted), 1);

    return madpo_ops_blocks(d->V, n_chunks);
}

/* z [R,n] = rows [R,C] W [n,C]^T; drows (or expect) [R,C] += z W; dW [n,C] (+)= z^T rows. */
static madpo_matmul_spec spec_logits(const madpo_head_dims *d, int64_t n)
{
    return (madpo_matmul_spec){
        .op = MADPO_MATMUL_NT, .M = d->R, .N = n, .K = d->C, .b_dtype = d->W_dtype};
}

static madpo_matmul_spec spec_drows(const madpo_head_dims *d, int64_t n, bool accumulate)
{
    return (madpo_matmul_spec){.op = MADPO_MATMUL_NN,
                               .M = d->R,
                               .N = d->C,
                               .K = n,
                               .accumulate = accumulate,
                               .b_dtype = d->W_dtype};
}

static madpo_matmul_spec spec_dW(const madpo_head_dims *d, int64_t n, bool accumulate)
{
    return (madpo_matmul_spec){
        .op = MADPO_MATMUL_TN, .M = n, .N = d->C, .K = d->R, .accumulate = accumulate};
}

/* ---- tiles of rows ---- */

/* The dims of one tile: its rows, and W as it really is stored. */
static madpo_head_dims tile_dims(const madpo_head_dims *d, madpo_dtype W_dtype, int64_t row0)
{
    madpo_head_dims tile = *d;

    tile.R = min64(d->R - row0, HEAD_ROWS);
    tile.W_dtype = W_dtype;
    return tile;
}

/* Rows [row0, row0 + R) of a tensor of `cols` columns. One that is too short stays so, for the
 * launchers to refuse it. */
static madpo_tensor tile_of(madpo_tensor t, int64_t row0, int64_t R, int64_t cols)
{
    if (row0 == 0 || madpo_tensor_is_none(t))
        return t;
    return madpo_tensor_slice(t, min64(row0 * cols, t.n),
                              min64(R * cols, t.n - min64(row0 * cols, t.n)));
}

static madpo_head_io tile_io(const madpo_head_io *io, const madpo_head_dims *tile, int64_t row0)
{
    madpo_head_io part = *io;

    part.row_token = tile_of(io->row_token, row0, tile->R, 1);
    part.row_label = tile_of(io->row_label, row0, tile->R, 1);
    part.logp = tile_of(io->logp, row0, tile->R, 1);
    part.lse = tile_of(io->lse, row0, tile->R, 1);
    part.zmax = tile_of(io->zmax, row0, tile->R, 1);
    part.logits = tile_of(io->logits, row0, tile->R, tile->V);
    part.expect = tile_of(io->expect, row0, tile->R, tile->C);
    return part;
}

/* ---- workspace ---- */

/* The workspace begins with what the products of a tile pack into; head's own arrays lie behind it.
 */
static int64_t matmul_floats(const madpo_device *dev, const madpo_head_dims *tile)
{
    const int64_t n = chunk_of(tile);
    const madpo_matmul_spec specs[] = {spec_logits(tile, n), spec_drows(tile, n, true),
                                       spec_dW(tile, n, true)};
    int64_t need = 0;

    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
        need = max64(need, madpo_matmul_workspace(dev, &specs[i]));
    return need;
}

/* drows [R,C] of all rows; rows [tile,C], z [tile,chunk], shift and sum [tile] of one tile. */
int64_t madpo_head_workspace(const madpo_device *dev, const madpo_head_dims *d)
{
    const madpo_head_dims tile = tile_dims(d, d->W_dtype, 0);

    return matmul_floats(dev, &tile) + d->R * d->C + tile.R * (d->C + chunk_of(d) + 2);
}

typedef struct head_scratch {
    madpo_tensor drows;      /* [R,C] */
    madpo_tensor rows;       /* [tile,C] */
    madpo_tensor z;          /* [tile,chunk] */
    madpo_tensor shift, sum; /* [tile] of the running expectation */
} head_scratch;

static madpo_tensor take(madpo_tensor *rest, int64_t n)
{
    const madpo_tensor t = madpo_tensor_slice(*rest, 0, n);

    *rest = madpo_tensor_slice(*rest, n, rest->n - n);
    return t;
}

static madpo_status scratch_get(head_scratch *s, madpo_device *dev, const madpo_head_io *io,
                                const madpo_head_dims *d, madpo_error *err)
{
    const madpo_head_dims tile = tile_dims(d, io->W.dtype, 0);
    madpo_head_dims whole = *d;
    madpo_tensor rest;
    madpo_status st;

    whole.W_dtype = io->W.dtype;
    st = madpo_workspace_get(&rest, dev, madpo_head_workspace(dev, &whole), err);
    if (st != MADPO_OK)
        return st;
    (void)take(&rest, matmul_floats(dev, &tile));
    s->drows = take(&rest, d->R * d->C);
    s->rows = take(&rest, tile.R * d->C);
    s->z = take(&rest, tile.R * chunk_of(d));
    s->shift = take(&rest, tile.R);
    s->sum = take(&rest, tile.R);
    return MADPO_OK;
}

bool madpo_head_keeps_logits(const madpo_head_io *io, const madpo_head_dims *d)
{
    return !madpo_tensor_is_none(io->logits) && chunk_of(d) >= d->V;
}

/* The scratch as one tile sees it. `logits`, where the caller keeps them and one chunk is all, take
 * the place of its own. */
static head_scratch tile_scratch(const head_scratch *s, const madpo_head_io *part,
                                 const madpo_head_dims *tile, int64_t row0)
{
    head_scratch own = *s;

    own.drows = madpo_tensor_slice(s->drows, row0 * tile->C, tile->R * tile->C);
    if (madpo_head_keeps_logits(part, tile))
        own.z = part->logits;
    return own;
}

/* ---- forward ---- */

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

/* The chunk's logits become weights, the sum so far is rescaled to them, and their rows of W are
 * added. */
static madpo_status chunk_expect(madpo_device *dev, const head_scratch *s, const madpo_head_io *io,
                                 const madpo_head_dims *d, int64_t v0, int64_t n, madpo_error *err)
{
    const madpo_matmul_spec spec = spec_drows(d, n, v0 > 0);
    madpo_launch l;
    madpo_status st;

    madpo_launch_begin(&l, dev, "head", "head_chunk_expect", NULL);
    MADPO_ARG_F32(&l, s->z, d->R, n);
    MADPO_ARG_F32(&l, io->expect, d->R, d->C);
    MADPO_ARG_F32(&l, s->shift, d->R, 1);
    MADPO_ARG_F32(&l, s->sum, d->R, 1);
    MADPO_ARG_F32(&l, io->zmax, d->R, 1);
    madpo_arg_i64(&l, n);
    madpo_arg_i64(&l, d->C);
    madpo_arg_i32(&l, v0 == 0);
    st = madpo_launch_rows(&l, d->R, err);
    if (st != MADPO_OK)
        return st;
    return madpo_matmul(dev, &spec, io->expect, s->z,
                        madpo_tensor_slice(io->W, v0 * d->C, n * d->C), err);
}

/* expect = W_label - expect / sum; the labels' rows of W are gathered where hidden's were. */
static madpo_status end_expect(madpo_device *dev, const head_scratch *s, const madpo_head_io *io,
                               const madpo_head_dims *d, madpo_error *err)
{
    madpo_launch l;
    madpo_status st =
        madpo_embedding_fwd(dev, s->rows, io->row_label, io->W, 1.0f, d->R, d->C, err);

    if (st != MADPO_OK)
        return st;
    madpo_launch_begin(&l, dev, "head", "head_end_expect", NULL);
    MADPO_ARG_F32(&l, io->expect, d->R, d->C);
    MADPO_ARG_F32(&l, s->rows, d->R, d->C);
    MADPO_ARG_F32(&l, s->sum, d->R, 1);
    madpo_arg_i64(&l, d->C);
    return madpo_launch_rows(&l, d->R, err);
}

static int64_t chunk_length(const madpo_head_dims *d, int64_t v0)
{
    const int64_t chunk = chunk_of(d);

    return d->V - v0 < chunk ? d->V - v0 : chunk;
}

/* One tile of rows through all chunks. */
static madpo_status tile_fwd(madpo_device *dev, const head_scratch *s, const madpo_head_io *io,
                             const madpo_head_dims *d, madpo_error *err)
{
    const bool expect = !madpo_tensor_is_none(io->expect);
    madpo_status st = gather(dev, s, io, d, err);

    for (int64_t v0 = 0, n; v0 < d->V && st == MADPO_OK; v0 += n) {
        n = chunk_length(d, v0);
        st = chunk_logits(dev, s, io, d, v0, n, err);
        if (st == MADPO_OK)
            st = chunk_fwd(dev, s, io, d, v0, n, err);
        if (st == MADPO_OK && expect)
            st = chunk_expect(dev, s, io, d, v0, n, err);
    }
    return st == MADPO_OK && expect ? end_expect(dev, s, io, d, err) : st;
}

madpo_status madpo_head_fwd(madpo_device *dev, const madpo_head_io *io, const madpo_head_dims *d,
                            madpo_error *err)
{
    head_scratch s;
    madpo_status st;

    if (d->R == 0)
        return MADPO_OK;
    if (madpo_head_keeps_logits(io, d) && !madpo_tensor_is_none(io->expect))
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "head: logits are kept for one way of going back and expect for the "
                               "other: give one of the two");
    st = scratch_get(&s, dev, io, d, err);
    for (int64_t row0 = 0; row0 < d->R && st == MADPO_OK; row0 += HEAD_ROWS) {
        const madpo_head_dims tile = tile_dims(d, io->W.dtype, row0);
        const madpo_head_io part = tile_io(io, &tile, row0);
        const head_scratch own = tile_scratch(&s, &part, &tile, row0);

        st = tile_fwd(dev, &own, &part, &tile, err);
    }
    return st;
}

/* ---- backward ---- */

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

/* The forward pass has left d logp/dh of every row. */
static madpo_status scatter_expect(madpo_device *dev, const madpo_head_io *io,
                                   const madpo_head_grads *g, const madpo_head_dims *d,
                                   bool accumulate, madpo_error *err)
{
    madpo_launch l;

    madpo_launch_begin(&l, dev, "head", "head_scatter_expect", NULL);
    MADPO_ARG_F32(&l, g->dhidden, d->T, d->C);
    MADPO_ARG_F32(&l, io->expect, d->R, d->C);
    MADPO_ARG_F32(&l, g->coef, d->R, 1);
    MADPO_ARG_I32(&l, g->tok_row_start, d->T + 1, 1);
    MADPO_ARG_I32(&l, g->tok_row, d->R, 1);
    madpo_arg_i64(&l, d->C);
    madpo_arg_i32(&l, accumulate);
    return madpo_launch_rows(&l, d->T, err);
}

static madpo_status tile_bwd(madpo_device *dev, const head_scratch *s, const madpo_head_io *io,
                             const madpo_head_grads *g, const madpo_head_dims *d, bool accumulate_W,
                             madpo_error *err)
{
    madpo_status st = gather(dev, s, io, d, err);

    for (int64_t v0 = 0, n; v0 < d->V && st == MADPO_OK; v0 += n) {
        n = chunk_length(d, v0);
        if (!madpo_head_keeps_logits(io, d))
            st = chunk_logits(dev, s, io, d, v0, n, err);
        if (st == MADPO_OK)
            st = chunk_bwd(dev, s, io, g, d, v0, n, err);
        if (st == MADPO_OK)
            st = chunk_grads(dev, s, io, g, d, v0, n, accumulate_W, err);
    }
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
    if (madpo_tensor_is_none(g->dW) && !madpo_tensor_is_none(io->expect))
        return scatter_expect(dev, io, g, d, accumulate_hidden, err);
    st = scratch_get(&s, dev, io, d, err);
    for (int64_t row0 = 0; row0 < d->R && st == MADPO_OK; row0 += HEAD_ROWS) {
        const madpo_head_dims tile = tile_dims(d, io->W.dtype, row0);
        const madpo_head_io part = tile_io(io, &tile, row0);
        const head_scratch own = tile_scratch(&s, &part, &tile, row0);
        madpo_head_grads grads = *g;

        grads.coef = tile_of(g->coef, row0, tile.R, 1);
        st = tile_bwd(dev, &own, &part, &grads, &tile, accumulate_W || row0 > 0, err);
    }
    return st == MADPO_OK ? scatter(dev, &s, g, d, accumulate_hidden, err) : st;
}
