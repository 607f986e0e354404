/* Matrix product: checks, defaults and the choice of provider. */
#include "ops/matmul.h"
#include "ops/matmul_inside.h"

#include "base/error.h"
#include "device/launch.h"

static int64_t matmul_or(int64_t value, int64_t otherwise)
{
    return value ? value : otherwise;
}

madpo__product madpo__product_of(const madpo_matmul_spec *spec)
{
    const bool ta = spec->op == MADPO_MATMUL_TN || spec->op == MADPO_MATMUL_TT;
    const bool tb = spec->op == MADPO_MATMUL_NT || spec->op == MADPO_MATMUL_TT;

    return (madpo__product){
        .ta = ta,
        .tb = tb,
        .M = spec->M,
        .N = spec->N,
        .K = spec->K,
        .lda = matmul_or(spec->lda, ta ? spec->M : spec->K),
        .ldb = matmul_or(spec->ldb, tb ? spec->K : spec->N),
        .ldc = matmul_or(spec->ldc, spec->N),
        .batch = matmul_or(spec->batch, 1),
        .stride_a = spec->stride_a,
        .stride_b = spec->stride_b,
        .stride_c = spec->stride_c,
        .alpha = spec->alpha == 0 ? 1 : spec->alpha,
        .accumulate = spec->accumulate,
        .b_dtype = spec->b_dtype,
    };
}

/* ---- checks ---- */

/* Elements that `rows` stored rows of `cols` reach over, ld apart, `batch` items stride apart. */
static int64_t matmul_reach(int64_t rows, int64_t cols, int64_t ld, int64_t batch, int64_t stride)
{
    return rows && cols ? (batch - 1) * stride + (rows - 1) * ld + cols : 0;
}

/* One operand: `rows` stored rows of `cols`, and what the whole batch reaches over. */
static madpo_status matmul_check_operand(const madpo__product *p, const char *name, madpo_tensor t,
                                         madpo_dtype dtype, const int64_t size[2],
                                         const int64_t ld_stride[2], madpo_error *err)
{
    const int64_t need = matmul_reach(size[0], size[1], ld_stride[0], p->batch, ld_stride[1]);

    if (ld_stride[0] < size[1])
        return madpo_error_set(
            err, MADPO_ERR_USAGE,
            "matrix product %lld x %lld x %lld: rows of %s hold %lld elements but "
            "lie %lld apart",
            (long long)p->M, (long long)p->N, (long long)p->K, name, (long long)size[1],
            (long long)ld_stride[0]);
    if (t.n < need || (need && t.dtype != dtype))
        return madpo_error_set(
            err, MADPO_ERR_USAGE,
            "matrix product %lld x %lld x %lld: %s has %lld %s elements, %lld %s needed",
            (long long)p->M, (long long)p->N, (long long)p->K, name, (long long)t.n,
            madpo_dtype_name(t.dtype), (long long)need, madpo_dtype_name(dtype));
    return MADPO_OK;
}

static madpo_status matmul_check_a(const madpo__product *p, madpo_tensor A, madpo_error *err)
{
    const int64_t size[2] = {p->ta ? p->K : p->M, p->ta ? p->M : p->K};

    return matmul_check_operand(p, "A", A, MADPO_DTYPE_F32, size,
                                (const int64_t[]){p->lda, p->stride_a}, err);
}

static madpo_status matmul_check_b(const madpo__product *p, madpo_tensor B, madpo_error *err)
{
    const int64_t size[2] = {p->tb ? p->N : p->K, p->tb ? p->K : p->N};

    return matmul_check_operand(p, "B", B, p->b_dtype, size, (const int64_t[]){p->ldb, p->stride_b},
                                err);
}

/* Sizes, C and A; B is checked apart, being packed sometimes. */
static madpo_status matmul_check(const madpo__product *p, madpo_tensor C, madpo_tensor A,
                                 madpo_error *err)
{
    const int64_t size[2] = {p->M, p->N};
    madpo_status st;

    if (p->M < 0 || p->N < 0 || p->K < 0 || p->batch < 0 || p->stride_a < 0 || p->stride_b < 0 ||
        p->stride_c < 0)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "matrix product %lld x %lld x %lld: a size or stride is negative",
                               (long long)p->M, (long long)p->N, (long long)p->K);
    if (p->batch > 1 && p->stride_c < matmul_reach(p->M, p->N, p->ldc, 1, 0))
        return madpo_error_set(
            err, MADPO_ERR_USAGE,
            "matrix product %lld x %lld x %lld: batch items of C, %lld apart, overlap",
            (long long)p->M, (long long)p->N, (long long)p->K, (long long)p->stride_c);
    st = matmul_check_operand(p, "C", C, MADPO_DTYPE_F32, size,
                              (const int64_t[]){p->ldc, p->stride_c}, err);
    return st == MADPO_OK ? matmul_check_a(p, A, err) : st;
}

/* The product of this spec with B as it is really stored; numbers that are not for multiplying are
 * left to the check. */
static madpo__product matmul_product(const madpo_matmul_spec *spec, madpo_tensor B)
{
    madpo__product p = madpo__product_of(spec);

    p.b_dtype = B.dtype == MADPO_DTYPE_I32 ? MADPO_DTYPE_F32 : B.dtype;
    return p;
}

/* ---- providers ---- */

static madpo_matmul_provider matmul_provider(const madpo_device *dev, madpo_matmul_provider asked)
{
    if (asked == MADPO_MATMUL_AUTO)
        asked = madpo_device_get_options(dev)->matmul;
    if (asked != MADPO_MATMUL_AUTO)
        return asked;
    if (madpo_device_get_info(dev)->kind == MADPO_DEVICE_CPU)
        return MADPO_MATMUL_PANEL;
    return madpo__tile_fits(dev) ? MADPO_MATMUL_TILE : MADPO_MATMUL_CLBLAST;
}

const char *madpo_matmul_provider_name(const madpo_device *dev)
{
    const madpo_matmul_provider provider = matmul_provider(dev, MADPO_MATMUL_AUTO);

    return provider == MADPO_MATMUL_PANEL  ? "panel"
           : provider == MADPO_MATMUL_TILE ? "tile"
                                           : "clblast";
}

/* K = 0 writes zeros, which CLBlast refuses to and our kernels do of themselves. */
static madpo_status matmul_run(madpo_device *dev, madpo_matmul_provider provider,
                               const madpo__product *p, madpo_tensor C, madpo_tensor A,
                               madpo_tensor B, bool packed, madpo_error *err)
{
    provider = matmul_provider(dev, provider);
    if (provider == MADPO_MATMUL_PANEL || p->K == 0)
        return madpo__panel_run(dev, madpo__panel_of(dev), p, C, A, B, packed, err);
    if (provider == MADPO_MATMUL_TILE && madpo__tile_takes(p))
        return madpo__tile_run(dev, madpo__tile_of(dev, p), p, C, A, B, err);
    return madpo__clblast_run(dev, p, C, A, B, MADPO__WIDEN_MOST, err);
}

madpo_status madpo_matmul_with(madpo_device *dev, madpo_matmul_provider provider,
                               const madpo_matmul_spec *spec, madpo_tensor C, madpo_tensor A,
                               madpo_tensor B, madpo_error *err)
{
    const madpo__product p = matmul_product(spec, B);
    madpo_status st = matmul_check(&p, C, A, err);

    if (st == MADPO_OK)
        st = matmul_check_b(&p, B, err);
    if (st != MADPO_OK || p.M == 0 || p.N == 0 || (p.K == 0 && p.accumulate))
        return st;
    return matmul_run(dev, provider, &p, C, A, B, false, err);
}

madpo_status madpo_matmul(madpo_device *dev, const madpo_matmul_spec *spec, madpo_tensor C,
                          madpo_tensor A, madpo_tensor B, madpo_error *err)
{
    return madpo_matmul_with(dev, MADPO_MATMUL_AUTO, spec, C, A, B, err);
}

int64_t madpo_matmul_workspace_with(const madpo_device *dev, madpo_matmul_provider provider,
                                    const madpo_matmul_spec *spec)
{
    const madpo__product p = madpo__product_of(spec);

    if (p.M <= 0 || p.N <= 0 || p.K <= 0)
        return 0;
    provider = matmul_provider(dev, provider);
    if (provider == MADPO_MATMUL_PANEL)
        return madpo__panel_workspace(madpo__panel_of(dev), &p);
    if (provider == MADPO_MATMUL_TILE && madpo__tile_takes(&p))
        return madpo__tile_workspace(dev, &p);
    return madpo__clblast_workspace(dev, &p, MADPO__WIDEN_MOST);
}

int64_t madpo_matmul_workspace(const madpo_device *dev, const madpo_matmul_spec *spec)
{
    return madpo_matmul_workspace_with(dev, MADPO_MATMUL_AUTO, spec);
}

/* ---- packed right-hand sides ---- */

/* What _pack makes where the provider does not pack: B without gaps. */
static madpo__product matmul_dense_b(madpo__product p)
{
    p.ldb = p.tb ? p.K : p.N;
    return p;
}

int64_t madpo_matmul_packed_elements(const madpo_device *dev, const madpo_matmul_spec *spec)
{
    const madpo__product p = madpo__product_of(spec);

    if (matmul_provider(dev, MADPO_MATMUL_AUTO) == MADPO_MATMUL_PANEL)
        return madpo__panel_packed_elements(madpo__panel_of(dev), &p);
    return p.N * p.K;
}

static madpo_status matmul_check_packed(const madpo_device *dev, const madpo_matmul_spec *spec,
                                        madpo_tensor packed, madpo_error *err)
{
    const int64_t need = madpo_matmul_packed_elements(dev, spec);

    if (spec->batch > 1)
        return madpo_error_set(err, MADPO_ERR_USAGE, "packed matrix product: no batches");
    if (packed.n < need)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "packed matrix product: B has %lld elements, %lld needed",
                               (long long)packed.n, (long long)need);
    if (need && packed.dtype == MADPO_DTYPE_I32)
        return madpo_error_set(err, MADPO_ERR_USAGE,
                               "packed matrix product: B is i32: f32, bf16 or f16 needed");
    return MADPO_OK;
}

madpo_status madpo_matmul_pack(madpo_device *dev, const madpo_matmul_spec *spec,
                               madpo_tensor packed, madpo_tensor B, madpo_error *err)
{
    const madpo__product p = matmul_product(spec, packed);
    const int64_t rows = p.tb ? p.N : p.K, cols = p.tb ? p.K : p.N;
    madpo_launch l;
    madpo_status st = matmul_check_packed(dev, spec, packed, err);

    if (st == MADPO_OK)
        st = matmul_check_b(&p, B, err);
    if (st != MADPO_OK || rows == 0 || cols == 0)
        return st;
    if (matmul_provider(dev, MADPO_MATMUL_AUTO) == MADPO_MATMUL_PANEL)
        return madpo__panel_pack(dev, madpo__panel_of(dev), &p, packed, B, err);
    madpo_launch_begin(&l, dev, "matmul", "matmul_copy",
                       madpo__panel_defines(madpo__panel_of(dev), p.b_dtype));
    madpo_arg_tensor(&l, packed);
    madpo_arg_tensor(&l, B);
    madpo_arg_i64(&l, p.ldb);
    madpo_arg_i64(&l, cols);
    return madpo_launch_grid(&l, 1, &rows, &(const int64_t){1}, err);
}

madpo_status madpo_matmul_packed(madpo_device *dev, const madpo_matmul_spec *spec, madpo_tensor C,
                                 madpo_tensor A, madpo_tensor packed, madpo_error *err)
{
    const madpo__product p = matmul_dense_b(matmul_product(spec, packed));
    madpo_status st = matmul_check_packed(dev, spec, packed, err);

    if (st == MADPO_OK)
        st = matmul_check(&p, C, A, err);
    if (st != MADPO_OK || p.M == 0 || p.N == 0 || (p.K == 0 && p.accumulate))
        return st;
    return matmul_run(dev, MADPO_MATMUL_AUTO, &p, C, A, packed, true, err);
}
