/* Divergence of two heads: the launcher for cl/ops/head_kl.cl around the products of ops/matmul.h.
 */
#include "ops/head_kl.h"

#include "base/error.h"
#include "ops/arg.h"
#include "ops/matmul.h"

/* Where the caller does not say, chunks are half as long as those of ops/head.c, and no more rows
 * go through them together: two sets of logits then find room in the workspace of a model's head.
 */
enum { KL_CHUNK = 8192, KL_ROWS = 512, KL_STATE = 5 };

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Equal chunks, so that the last is not a sliver. */
static int64_t chunk_of(const madpo_head_kl_dims *d)
{
    const int64_t n_chunks =
        d->chunk > 0 ? madpo_ops_blocks(d->V, d->chunk) : 2 * madpo_ops_blocks(d->V, KL_CHUNK);

    return madpo_ops_blocks(d->V, n_chunks > 0 ? n_chunks : 1);
}

/* z [R,n] = rows [R,C] W [n,C]^T */
static madpo_matmul_spec spec_logits(int64_t R, int64_t n, int64_t C, madpo_dtype dtype)
{
    return (madpo_matmul_spec){.op = MADPO_MATMUL_NT, .M = R, .N = n, .K = C, .b_dtype = dtype};
}

static int64_t matmul_floats(const madpo_device *dev, const madpo_head_kl_dims *d)
{
    const int64_t R = min64(d->R, KL_ROWS), n = chunk_of(d);
    const madpo_matmul_spec p = spec_logits(R, n, d->C, d->P_dtype);
    const madpo_matmul_spec q = spec_logits(R, n, d->C, d->Q_dtype);
    const int64_t a = madpo_matmul_workspace(dev, &p), b = madpo_matmul_workspace(dev, &q);

    return a > b ? a : b;
}

/* The workspace begins with what the products pack into; zp, zq [tile,chunk] and the state
 * [tile,5] lie behind it. */
int64_t madpo_head_kl_workspace(const madpo_device *dev, const madpo_head_kl_dims *d)
{
    return matmul_floats(dev, d) + min64(d->R, KL_ROWS) * (2 * chunk_of(d) + KL_STATE);
}

/* Rows [row0, row0 + R) through the chunk [v0, v0 + n). */
static madpo_status chunk(madpo_device *dev, const madpo_head_kl_io *io,
                          const madpo_head_kl_dims *d, madpo_tensor scratch, int64_t row0,
                          int64_t R, int64_t v0, int64_t n, madpo_error *err)
{
    const madpo_matmul_spec p = spec_logits(R, n, d->C, io->P.dtype);
    const madpo_matmul_spec q = spec_logits(R, n, d->C, io->Q.dtype);
    const madpo_tensor zp = madpo_tensor_slice(scratch, 0, R * n);
    const madpo_tensor zq = madpo_tensor_slice(scratch, R * n, R * n);
    const madpo_tensor state = madpo_tensor_slice(scratch, 2 * R * chunk_of(d), R * KL_STATE);
    const madpo_tensor kl = madpo_tensor_slice(io->kl, row0, R);
    madpo_launch l;
    madpo_status st =
        madpo_matmul(dev, &p, zp, madpo_tensor_slice(io->p_rows, row0 * d->C, R * d->C),
                     madpo_tensor_slice(io->P, v0 * d->C, n * d->C), err);

    if (st == MADPO_OK)
        st = madpo_matmul(dev, &q, zq, madpo_tensor_slice(io->q_rows, row0 * d->C, R * d->C),
                          madpo_tensor_slice(io->Q, v0 * d->C, n * d->C), err);
    if (st != MADPO_OK)
        return st;
    madpo_launch_begin(&l, dev, "head_kl", "head_kl_chunk", NULL);
    MADPO_ARG_F32(&l, kl, R, 1);
    MADPO_ARG_F32(&l, state, R, KL_STATE);
    MADPO_ARG_F32(&l, zp, R, n);
    MADPO_ARG_F32(&l, zq, R, n);
    madpo_arg_i64(&l, n);
    madpo_arg_i32(&l, v0 == 0);
    madpo_arg_i32(&l, v0 + n == d->V);
    return madpo_launch_rows(&l, R, err);
}

static madpo_status check(const char *name, madpo_tensor t, int64_t rows, int64_t cols,
                          madpo_error *err)
{
    if (t.n >= rows * cols)
        return MADPO_OK;
    return madpo_error_set(err, MADPO_ERR_USAGE,
                           "madpo_head_kl: %s has %lld elements, %lld x %lld needed", name,
                           (long long)t.n, (long long)rows, (long long)cols);
}

madpo_status madpo_head_kl(madpo_device *dev, const madpo_head_kl_io *io,
                           const madpo_head_kl_dims *d, madpo_error *err)
{
    madpo_head_kl_dims whole = *d;
    madpo_tensor scratch;
    madpo_status st = check("p_rows", io->p_rows, d->R, d->C, err);

    if (st == MADPO_OK)
        st = check("q_rows", io->q_rows, d->R, d->C, err);
    if (st == MADPO_OK)
        st = check("P", io->P, d->V, d->C, err);
    if (st == MADPO_OK)
        st = check("Q", io->Q, d->V, d->C, err);
    if (st == MADPO_OK)
        st = check("kl", io->kl, d->R, 1, err);
    if (st != MADPO_OK || d->R == 0)
        return st;
    whole.P_dtype = io->P.dtype;
    whole.Q_dtype = io->Q.dtype;
    st = madpo_workspace_get(&scratch, dev, madpo_head_kl_workspace(dev, &whole), err);
    if (st != MADPO_OK)
        return st;
    scratch = madpo_tensor_slice(scratch, matmul_floats(dev, &whole),
                                 scratch.n - matmul_floats(dev, &whole));
    for (int64_t row0 = 0; row0 < d->R && st == MADPO_OK; row0 += KL_ROWS) {
        const int64_t R = min64(d->R - row0, KL_ROWS);

        for (int64_t v0 = 0, n; v0 < d->V && st == MADPO_OK; v0 += n) {
            n = min64(d->V - v0, chunk_of(d));
            st = chunk(dev, io, d, scratch, row0, R, v0, n, err);
        }
    }
    return st;
}
