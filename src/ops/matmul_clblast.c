/* The CLBlast provider: plain Sgemm with our scratch buffer, batches as a loop over it.
 *
 * Not its strided-batched routine, which ignores strides and offsets where no padding is needed,
 * nor its half routine, which accumulates in half. Sizes of zero are errors to CLBlast; matmul.c
 * keeps them away. Whether it takes its direct or its padded kernel depends on the sizes, so the
 * promise that a row's bits do not depend on M, N or the batch is the panel provider's alone. */
#include "ops/matmul_inside.h"

#include "base/error.h"
#include "device/native.h"

#include <clblast_c.h>

/* Scratch of one call in floats; it depends on whether the offsets are zero, so the larger is
 * taken. */
int64_t madpo__clblast_workspace(const madpo_device *dev, const madpo__product *p)
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

madpo_status madpo__clblast_run(madpo_device *dev, const madpo__product *p, madpo_tensor C,
                                madpo_tensor A, madpo_tensor B, madpo_error *err)
{
    const int64_t need = madpo__clblast_workspace(dev, p);
    madpo_tensor temp = {0};
    madpo_status st = MADPO_OK;

    if (need)
        st = madpo_workspace_get(&temp, dev, need, err);
    for (int64_t item = 0; item < p->batch && st == MADPO_OK; item++)
        st = clblast_one(dev, p, item, C, A, B, temp, err);
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
