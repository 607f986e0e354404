/* Matrix product: the packed-panel provider, and the choice between it and CLBlast. */
#include "ops/matmul.h"

#include "base/error.h"
#include "ops/arg.h"
#include "ops/matmul_clblast.h"

#include <stdio.h>

/* Values of k one packing work-item takes, and k per pass of the panel kernel: a panel of A and one
 * of B must stay in a core's second-level cache. Depends on nothing but K (see matmul.cl). */
enum { PACK_BLOCK = 512, K_BLOCK = 4096 };

/* Register block by native vector width: MR x (NV * VW) accumulators fit the vector registers. */
typedef struct panel_shape {
    int mr, vw, nv;
    char defines[48];
} panel_shape;

static panel_shape panel_shape_of(const madpo_device *dev)
{
    const uint32_t width = madpo_device_get_info(dev)->native_float_width;
    panel_shape s = {4, 4, 2, ""};

    if (width >= 16)
        s = (panel_shape){14, 16, 2, ""};
    else if (width >= 8)
        s = (panel_shape){6, 8, 2, ""};
    snprintf(s.defines, sizeof s.defines, "-DMR=%d -DVW=%d -DNV=%d", s.mr, s.vw, s.nv);
    return s;
}

static int64_t panel_rows(const panel_shape *s, int64_t M)
{
    return (M + s->mr - 1) / s->mr;
}

static int64_t panel_columns(const panel_shape *s, int64_t N)
{
    return (N + s->vw * s->nv - 1) / (s->vw * s->nv);
}

/* Floats of the packed operands of one batch item. */
static int64_t packed_a(const panel_shape *s, int64_t M, int64_t K)
{
    return panel_rows(s, M) * s->mr * K;
}

static int64_t packed_b(const panel_shape *s, int64_t N, int64_t K)
{
    return panel_columns(s, N) * s->vw * s->nv * K;
}

static bool transposed_a(const madpo_matmul_spec *spec)
{
    return spec->op == MADPO_MATMUL_TN || spec->op == MADPO_MATMUL_TT;
}

static bool transposed_b(const madpo_matmul_spec *spec)
{
    return spec->op == MADPO_MATMUL_NT || spec->op == MADPO_MATMUL_TT;
}

/* The spec with every default filled in. */
static madpo_matmul_spec normalised(const madpo_matmul_spec *spec)
{
    madpo_matmul_spec s = *spec;

    if (s.lda == 0)
        s.lda = transposed_a(&s) ? s.M : s.K;
    if (s.ldb == 0)
        s.ldb = transposed_b(&s) ? s.K : s.N;
    if (s.ldc == 0)
        s.ldc = s.N;
    if (s.batch < 1)
        s.batch = 1;
    if (s.alpha == 0.0f)
        s.alpha = 1.0f;
    return s;
}

static int64_t extent(int64_t rows, int64_t cols, int64_t ld, int64_t stride, int64_t batch)
{
    if (rows <= 0 || cols <= 0)
        return 0;
    return (batch - 1) * stride + (rows - 1) * ld + cols;
}

static madpo_status check_tensors(const madpo_matmul_spec *s, madpo_tensor C, madpo_tensor A,
                                  const madpo_tensor *B, madpo_error *err)
{
    const int64_t a_rows = transposed_a(s) ? s->K : s->M, a_cols = transposed_a(s) ? s->M : s->K;
    const int64_t b_rows = transposed_b(s) ? s->N : s->K, b_cols = transposed_b(s) ? s->K : s->N;
    const int64_t need_a = extent(a_rows, a_cols, s->lda, s->stride_a, s->batch);
    const int64_t need_b = B ? extent(b_rows, b_cols, s->ldb, s->stride_b, s->batch) : 0;
    const int64_t need_c = extent(s->M, s->N, s->ldc, s->stride_c, s->batch);

    if (s->M < 0 || s->N < 0 || s->K < 0 || s->lda < a_cols || s->ldb < b_cols || s->ldc < s->N)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "matrix product %lld x %lld x %lld: a size is negative or a leading "
                               "dimension is smaller than its row",
                               (long long)s->M, (long long)s->N, (long long)s->K);
    if (A.n < need_a || C.n < need_c || (B && B->n < need_b))
        return madpo_error_set(
            err, MADPO_ERR_USAGE,
            "matrix product %lld x %lld x %lld: a tensor is too small (A %lld of "
            "%lld, B %lld of %lld, C %lld of %lld elements)",
            (long long)s->M, (long long)s->N, (long long)s->K, (long long)A.n, (long long)need_a,
            (long long)(B ? B->n : 0), (long long)need_b, (long long)C.n, (long long)need_c);
    return MADPO_OK;
}

typedef struct pack_job {
    const char *entry;
    madpo_tensor packed, x;
    int64_t panels, count; /* panels, and valid rows of op(A) or columns of op(B) */
    int64_t si, sk;        /* strides of a row (column) and of k */
    int64_t stride, batch;
} pack_job;

static madpo_status pack_enqueue(madpo_device *dev, const panel_shape *shape, const pack_job *job,
                                 int64_t K, madpo_error *err)
{
    const int64_t one[3] = {1, 1, 1};
    const int64_t groups[3] = {job->panels, madpo_ops_blocks(K, PACK_BLOCK), job->batch};
    madpo_launch l;

    madpo_launch_begin(&l, dev, "matmul", job->entry, shape->defines);
    madpo_arg_tensor(&l, job->packed);
    madpo_arg_tensor(&l, job->x);
    madpo_arg_i64(&l, job->count);
    madpo_arg_i64(&l, K);
    madpo_arg_i64(&l, job->si);
    madpo_arg_i64(&l, job->sk);
    madpo_arg_i64(&l, job->stride);
    madpo_arg_i64(&l, PACK_BLOCK);
    return madpo_launch_grid(&l, 3, groups, one, err);
}

static madpo_status pack_a(madpo_device *dev, const panel_shape *shape, const madpo_matmul_spec *s,
                           madpo_tensor packed, madpo_tensor A, madpo_error *err)
{
    const bool t = transposed_a(s);
    const pack_job job = {"matmul_pack_a",         packed,      A,
                          panel_rows(shape, s->M), s->M,        t ? 1 : s->lda,
                          t ? s->lda : 1,          s->stride_a, s->batch};

    return pack_enqueue(dev, shape, &job, s->K, err);
}

/* A right-hand side shared by the whole batch (stride 0) is packed once. */
static int64_t packed_batches_b(const madpo_matmul_spec *s)
{
    return s->stride_b == 0 ? 1 : s->batch;
}

static madpo_status pack_b(madpo_device *dev, const panel_shape *shape, const madpo_matmul_spec *s,
                           madpo_tensor packed, madpo_tensor B, madpo_error *err)
{
    const bool t = transposed_b(s);
    const pack_job job = {
        "matmul_pack_b", packed,         B,           panel_columns(shape, s->N), s->N,
        t ? s->ldb : 1,  t ? 1 : s->ldb, s->stride_b, packed_batches_b(s)};

    return pack_enqueue(dev, shape, &job, s->K, err);
}

/* Row panels one work-item runs over: long runs reuse the column panel, enough runs feed all units.
 */
static int64_t panels_per_item(const madpo_device *dev, int64_t rows, int64_t columns,
                               int64_t batch)
{
    const int64_t wanted = 8 * (int64_t)madpo_device_get_info(dev)->compute_units;
    int64_t run = rows * columns * batch / wanted;

    if (run > 16)
        run = 16;
    return run < 1 ? 1 : run;
}

/* C from packed operands. */
static madpo_status multiply_packed(madpo_device *dev, const panel_shape *shape,
                                    const madpo_matmul_spec *s, madpo_tensor C, madpo_tensor Ap,
                                    madpo_tensor Bp, madpo_error *err)
{
    const int64_t rows = panel_rows(shape, s->M), columns = panel_columns(shape, s->N);
    const int64_t run = panels_per_item(dev, rows, columns, s->batch);
    const int64_t one[3] = {1, 1, 1};
    const int64_t groups[3] = {columns, (rows + run - 1) / run, s->batch};
    madpo_status st = MADPO_OK;

    for (int64_t k0 = 0; k0 < s->K && st == MADPO_OK; k0 += K_BLOCK) {
        madpo_launch l;

        madpo_launch_begin(&l, dev, "matmul", "matmul_panel", shape->defines);
        madpo_arg_tensor(&l, C);
        madpo_arg_tensor(&l, Ap);
        madpo_arg_tensor(&l, Bp);
        madpo_arg_i64(&l, s->M);
        madpo_arg_i64(&l, s->N);
        madpo_arg_i64(&l, s->K);
        madpo_arg_i64(&l, k0);
        madpo_arg_i64(&l, s->K - k0 < K_BLOCK ? s->K - k0 : K_BLOCK);
        madpo_arg_i64(&l, s->ldc);
        madpo_arg_i64(&l, packed_a(shape, s->M, s->K));
        madpo_arg_i64(&l, packed_batches_b(s) > 1 ? packed_b(shape, s->N, s->K) : 0);
        madpo_arg_i64(&l, s->stride_c);
        madpo_arg_i64(&l, run);
        madpo_arg_f32(&l, s->alpha);
        madpo_arg_i32(&l, s->accumulate || k0 > 0);
        st = madpo_launch_grid(&l, 3, groups, one, err);
    }
    return st;
}

/* An empty sum. */
static madpo_status clear(madpo_device *dev, const panel_shape *shape, const madpo_matmul_spec *s,
                          madpo_tensor C, madpo_error *err)
{
    const int64_t one[2] = {1, 1}, groups[2] = {s->M, s->batch};
    madpo_launch l;

    if (s->accumulate)
        return MADPO_OK;
    madpo_launch_begin(&l, dev, "matmul", "matmul_clear", shape->defines);
    madpo_arg_tensor(&l, C);
    madpo_arg_i64(&l, s->N);
    madpo_arg_i64(&l, s->ldc);
    madpo_arg_i64(&l, s->stride_c);
    return madpo_launch_grid(&l, 2, groups, one, err);
}

static int64_t panel_workspace(const panel_shape *shape, const madpo_matmul_spec *s)
{
    return s->batch * packed_a(shape, s->M, s->K) +
           packed_batches_b(s) * packed_b(shape, s->N, s->K);
}

static madpo_status multiply_panel(madpo_device *dev, const madpo_matmul_spec *s, madpo_tensor C,
                                   madpo_tensor A, madpo_tensor B, madpo_error *err)
{
    const panel_shape shape = panel_shape_of(dev);
    const int64_t floats_a = s->batch * packed_a(&shape, s->M, s->K);
    madpo_tensor workspace, Ap, Bp;
    madpo_status st = madpo_workspace_get(&workspace, dev, panel_workspace(&shape, s), err);

    if (st != MADPO_OK)
        return st;
    Ap = madpo_tensor_slice(workspace, 0, floats_a);
    Bp = madpo_tensor_slice(workspace, floats_a, workspace.n - floats_a);
    st = pack_a(dev, &shape, s, Ap, A, err);
    if (st == MADPO_OK)
        st = pack_b(dev, &shape, s, Bp, B, err);
    if (st == MADPO_OK)
        st = multiply_packed(dev, &shape, s, C, Ap, Bp, err);
    return st;
}

static madpo_matmul_provider provider_of(const madpo_device *dev)
{
    const madpo_matmul_provider wanted = madpo_device_get_options(dev)->matmul;

    if (wanted != MADPO_MATMUL_AUTO)
        return wanted;
    return madpo_device_get_info(dev)->kind == MADPO_DEVICE_CPU ? MADPO_MATMUL_PANEL
                                                                : MADPO_MATMUL_CLBLAST;
}

const char *madpo_matmul_provider_name(const madpo_device *dev)
{
    return provider_of(dev) == MADPO_MATMUL_PANEL ? "panel" : "clblast";
}

madpo_status madpo_matmul_with(madpo_device *dev, madpo_matmul_provider provider,
                               const madpo_matmul_spec *spec, madpo_tensor C, madpo_tensor A,
                               madpo_tensor B, madpo_error *err)
{
    const madpo_matmul_spec s = normalised(spec);
    madpo_status st = check_tensors(&s, C, A, &B, err);

    if (st != MADPO_OK || s.M == 0 || s.N == 0)
        return st;
    if (s.K == 0) {
        const panel_shape shape = panel_shape_of(dev);

        return clear(dev, &shape, &s, C, err);
    }
    if (provider == MADPO_MATMUL_AUTO)
        provider = provider_of(dev);
    if (provider == MADPO_MATMUL_CLBLAST)
        return madpo__matmul_clblast(dev, &s, C, A, B, err);
    return multiply_panel(dev, &s, C, A, B, err);
}

madpo_status madpo_matmul(madpo_device *dev, const madpo_matmul_spec *spec, madpo_tensor C,
                          madpo_tensor A, madpo_tensor B, madpo_error *err)
{
    return madpo_matmul_with(dev, MADPO_MATMUL_AUTO, spec, C, A, B, err);
}

int64_t madpo_matmul_workspace(const madpo_device *dev, const madpo_matmul_spec *spec)
{
    const madpo_matmul_spec s = normalised(spec);
    const panel_shape shape = panel_shape_of(dev);

    if (s.M == 0 || s.N == 0 || s.K == 0)
        return 0;
    if (provider_of(dev) == MADPO_MATMUL_CLBLAST)
        return madpo__matmul_clblast_workspace(dev, &s);
    return panel_workspace(&shape, &s);
}

int64_t madpo_matmul_packed_floats(const madpo_device *dev, const madpo_matmul_spec *spec)
{
    const panel_shape shape = panel_shape_of(dev);

    return provider_of(dev) == MADPO_MATMUL_PANEL ? packed_b(&shape, spec->N, spec->K)
                                                  : spec->N * spec->K;
}

/* Where nothing is packed: the right-hand side as it is stored, dense. */
static madpo_status copy_b(madpo_device *dev, const madpo_matmul_spec *s, madpo_tensor packed,
                           madpo_tensor B, madpo_error *err)
{
    const int64_t rows = transposed_b(s) ? s->N : s->K, cols = transposed_b(s) ? s->K : s->N;
    madpo_status st = MADPO_OK;

    if (s->ldb == cols)
        return madpo_tensor_copy(dev, packed, B, rows * cols, err);
    for (int64_t i = 0; i < rows && st == MADPO_OK; i++)
        st = madpo_tensor_copy(dev, madpo_tensor_slice(packed, i * cols, cols),
                               madpo_tensor_slice(B, i * s->ldb, cols), cols, err);
    return st;
}

static madpo_status check_packed(const madpo_device *dev, const madpo_matmul_spec *s,
                                 madpo_tensor packed, madpo_error *err)
{
    if (s->batch > 1)
        return madpo_error_set(err, MADPO_ERR_USAGE, "a packed matrix product has no batch");
    if (packed.n < madpo_matmul_packed_floats(dev, s))
        return madpo_error_set(err, MADPO_ERR_USAGE, "packed matrix holds %lld of %lld elements",
                               (long long)packed.n, (long long)madpo_matmul_packed_floats(dev, s));
    return MADPO_OK;
}

madpo_status madpo_matmul_pack(madpo_device *dev, const madpo_matmul_spec *spec,
                               madpo_tensor packed, madpo_tensor B, madpo_error *err)
{
    const madpo_matmul_spec s = normalised(spec);
    const panel_shape shape = panel_shape_of(dev);
    madpo_status st = check_packed(dev, &s, packed, err);

    if (st != MADPO_OK || s.N == 0 || s.K == 0)
        return st;
    if (provider_of(dev) == MADPO_MATMUL_CLBLAST)
        return copy_b(dev, &s, packed, B, err);
    return pack_b(dev, &shape, &s, packed, B, err);
}

madpo_status madpo_matmul_packed(madpo_device *dev, const madpo_matmul_spec *spec, madpo_tensor C,
                                 madpo_tensor A, madpo_tensor packed, madpo_error *err)
{
    madpo_matmul_spec s = normalised(spec);
    const panel_shape shape = panel_shape_of(dev);
    madpo_tensor Ap;
    madpo_status st = check_packed(dev, &s, packed, err);

    if (st == MADPO_OK)
        st = check_tensors(&s, C, A, NULL, err);
    if (st != MADPO_OK || s.M == 0 || s.N == 0)
        return st;
    if (s.K == 0)
        return clear(dev, &shape, &s, C, err);
    if (provider_of(dev) == MADPO_MATMUL_CLBLAST) {
        s.ldb = 0; /* the copy is dense */
        s = normalised(&s);
        return madpo__matmul_clblast(dev, &s, C, A, packed, err);
    }
    st = madpo_workspace_get(&Ap, dev, packed_a(&shape, s.M, s.K), err);
    if (st == MADPO_OK)
        st = pack_a(dev, &shape, &s, Ap, A, err);
    if (st == MADPO_OK)
        st = multiply_packed(dev, &shape, &s, C, Ap, packed, err);
    return st;
}
