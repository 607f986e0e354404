/* The CLBlast provider: plain Sgemm with our scratch buffer, batches as a loop over it.
 *
 * Not its strided-batched routine, which ignores strides and offsets where no padding is needed,
 * nor its half routine, which accumulates in half. Sizes of zero are errors to CLBlast; matmul.c
 * keeps them away. Whether it takes its direct or its padded kernel depends on the sizes, so the
 * promise that a row's bits do not depend on M, N or the batch is the panel provider's alone. */
#include "ops/matmul_inside.h"

#include "base/error.h"
#include "device/launch.h"
#include "device/native.h"

#include <clblast_c.h>

/* Scratch of one call in floats; it depends on whether the offsets are zero, so the larger is
 * taken. */
static int64_t clblast_scratch(const madpo_device *dev, const madpo__product *p)
{
    const CLBlastTranspose ta = p->ta ? CLBlastTransposeYes : CLBlastTransposeNo;
    const CLBlastTranspose tb = p->tb ? CLBlastTransposeYes : CLBlastTransposeNo;
    cl_command_queue queue = madpo_device_native_queue(dev);
    size_t most = 0;

    for (size_t offset = 0; offset <= 1; offset++) {
        size_t bytes = 0;

        if (CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, ta, tb, (size_t)p->M, (size_t)p->N,
                                       (size_t)p->K, offset, (size_t)p->lda, offset, (size_t)p->ldb,
                                       offset, (size_t)p->ldc, &queue, &bytes) == CLBlastSuccess &&
            bytes > most)
            most = bytes;
    }
    return (int64_t)((most + sizeof(float) - 1) / sizeof(float));
}

/* ---- B of 16 bits: widened into the workspace, by columns of the product if it is large ---- */

static int64_t widen_columns(const madpo__product *p, int64_t most)
{
    const int64_t fit = most / p->K > 0 ? most / p->K : 1;

    return p->b_dtype == MADPO_DTYPE_F32 || fit > p->N ? p->N : fit;
}

/* The product's columns [j, j + n) with a B of floats, dense where it was widened. */
static madpo__product widen_part(const madpo__product *p, int64_t n)
{
    madpo__product part = *p;

    part.N = n;
    if (p->b_dtype == MADPO_DTYPE_F32)
        return part;
    part.b_dtype = MADPO_DTYPE_F32;
    part.ldb = p->tb ? p->K : n;
    part.stride_b = 0; /* one batch item is there at a time */
    return part;
}

static madpo_status widen(madpo_device *dev, const madpo__product *p, madpo_tensor out,
                          madpo_tensor B, int64_t item, int64_t j, int64_t n, madpo_error *err)
{
    const int64_t first = item * p->stride_b + (p->tb ? j * p->ldb : j);
    const int64_t rows = p->tb ? n : p->K, cols = p->tb ? p->K : n;
    madpo_launch l;

    madpo_launch_begin(&l, dev, "matmul", "matmul_widen",
                       madpo__panel_defines(madpo__panel_of(dev), p->b_dtype));
    madpo_arg_tensor(&l, out);
    madpo_arg_tensor(&l, madpo_tensor_slice(B, first, B.n - first));
    madpo_arg_i64(&l, p->ldb);
    madpo_arg_i64(&l, cols);
    return madpo_launch_rows(&l, rows, err);
}

static int64_t widen_floats(const madpo__product *p, int64_t columns)
{
    return p->b_dtype == MADPO_DTYPE_F32 ? 0 : columns * p->K;
}

/* Where B goes by columns, a smaller K lets more of them through at once. CLBlast's copies of A and
 * C then take M (K + columns), largest at one of the ends: this K, or the largest that needs no
 * cutting. Its tiles, which sizes are rounded up to, have at most TILE rows or columns. */
int64_t madpo__clblast_workspace(const madpo_device *dev, const madpo__product *p,
                                 int64_t widen_most)
{
    enum { TILE = 256 };
    const int64_t columns = widen_columns(p, widen_most);
    madpo__product part = widen_part(p, columns);
    int64_t need, other;

    if (columns == p->N)
        return widen_floats(p, columns) + clblast_scratch(dev, &part);
    part = widen_part(p, columns + TILE);
    need = clblast_scratch(dev, &part);
    part.N = p->N;
    part.K = widen_most / p->N + TILE < p->K ? widen_most / p->N + TILE : p->K;
    part.ldb = p->tb ? part.K : part.N;
    other = clblast_scratch(dev, &part);
    return (widen_most > p->K ? widen_most : p->K) + (need > other ? need : other);
}

static madpo_status clblast_one(madpo_device *dev, const madpo__product *p, int64_t item,
                                madpo_tensor C, madpo_tensor A, madpo_tensor B, madpo_tensor temp,
                                madpo_error *err)
{
    const CLBlastTranspose ta = p->ta ? CLBlastTransposeYes : CLBlastTransposeNo;
    const CLBlastTranspose tb = p->tb ? CLBlastTransposeYes : CLBlastTransposeNo;
    const float beta = p->accumulate ? 1 : 0;
    const bool profile = madpo_device_get_options(dev)->profile;
    cl_command_queue queue = madpo_device_native_queue(dev);
    cl_event event = NULL;
    CLBlastStatusCode code = CLBlastSgemmWithTempBuffer(
        CLBlastLayoutRowMajor, ta, tb, (size_t)p->M, (size_t)p->N, (size_t)p->K, p->alpha,
        madpo_buffer_native(A.buffer), (size_t)(A.offset + item * p->stride_a), (size_t)p->lda,
        madpo_buffer_native(B.buffer), (size_t)(B.offset + item * p->stride_b), (size_t)p->ldb,
        beta, madpo_buffer_native(C.buffer), (size_t)(C.offset + item * p->stride_c),
        (size_t)p->ldc, &queue, profile ? &event : NULL, madpo_buffer_native(temp.buffer));

    if (code != CLBlastSuccess)
        return madpo_device_native_error(err, (int)code, "matrix product by CLBlast");
    return madpo_device_native_launched(dev, "clblast_sgemm", event, err);
}

/* Columns [j, j + n) of all batch items. `wide` is where B is widened to, `temp` CLBlast's. */
static madpo_status clblast_part(madpo_device *dev, const madpo__product *p, madpo_tensor C,
                                 madpo_tensor A, madpo_tensor B, int64_t j, int64_t n,
                                 const madpo_tensor scratch[2], madpo_error *err)
{
    const bool narrow = p->b_dtype != MADPO_DTYPE_F32;
    const madpo__product part = widen_part(p, n);
    madpo_status st = MADPO_OK;

    for (int64_t item = 0; item < p->batch && st == MADPO_OK; item++) {
        if (narrow && (item == 0 || p->stride_b))
            st = widen(dev, p, scratch[0], B, item, j, n, err);
        if (st == MADPO_OK)
            st = clblast_one(dev, &part, item, madpo_tensor_slice(C, j, C.n - j), A,
                             narrow ? scratch[0] : B, scratch[1], err);
    }
    return st;
}

madpo_status madpo__clblast_run(madpo_device *dev, const madpo__product *p, madpo_tensor C,
                                madpo_tensor A, madpo_tensor B, int64_t widen_most,
                                madpo_error *err)
{
    const int64_t columns = widen_columns(p, widen_most);
    const madpo__product part = widen_part(p, columns);
    const int64_t wide = widen_floats(p, columns), need = wide + clblast_scratch(dev, &part);
    madpo_tensor scratch[2] = {{0}}, all = {0};
    madpo_status st = MADPO_OK;

    if (need) {
        st = madpo_workspace_get(&all, dev, need, err);
        /* CLBlast counts from the start of a buffer: its own part comes first */
        if (st == MADPO_OK) {
            scratch[0] = madpo_tensor_slice(all, need - wide, wide);
            scratch[1] = madpo_tensor_slice(all, 0, need - wide);
        }
    }
    for (int64_t j = 0; j < p->N && st == MADPO_OK; j += columns)
        st =
            clblast_part(dev, p, C, A, B, j, p->N - j < columns ? p->N - j : columns, scratch, err);
    return st;
}

static madpo_status clblast_override(madpo_device *dev, const char *kernel, size_t n,
                                     const char **names, const size_t *values, madpo_error *err)
{
    const CLBlastStatusCode code = CLBlastOverrideParameters(
        madpo_device_native_id(dev), kernel, CLBlastPrecisionSingle, n, names, values);

    if (code != CLBlastSuccess)
        return madpo_device_native_error(err, (int)code, "setting CLBlast's parameters");
    return MADPO_OK;
}

madpo_status madpo_matmul_tune_clblast(madpo_device *dev, madpo_error *err)
{
    /* GEMMK 1: no local memory; all sixteen names have to be given */
    static const char *names[] = {"GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB",
                                  "NDIMC", "NWG",  "SA",  "SB",  "STRM",  "STRN",  "VWM", "VWN"};
    static const size_t values[] = {1, 1, 1, 1, 3, 3, 96, 8, 8, 96, 0, 0, 0, 0, 16, 1};
    /* its kernel for small sizes reaches 7 GFLOP/s: leave it only the smallest (cube of this) */
    static const char *routine_names[] = {"XGEMM_MIN_INDIRECT_SIZE"};
    static const size_t routine_values[] = {128};
    madpo_status st = clblast_override(dev, "Xgemm", 16, names, values, err);

    return st == MADPO_OK
               ? clblast_override(dev, "GemmRoutine", 1, routine_names, routine_values, err)
               : st;
}
