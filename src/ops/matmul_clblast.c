/* Matrix products through CLBlast's plain Sgemm. Its strided-batched and half routines are not
 * used: they give wrong results (offsets and strides ignored, sums in half precision). */
#include "ops/matmul_clblast.h"

#include "base/error.h"
#include "device/native.h"

#include <clblast_c.h>

static CLBlastTranspose transpose_of(bool transposed)
{
    return transposed ? CLBlastTransposeYes : CLBlastTransposeNo;
}

/* CLBlast's own codes lie below -1024; the others are OpenCL's. */
static madpo_status clblast_failed(madpo_error *err, CLBlastStatusCode code)
{
    return madpo_device_native_error(err, (int)code, "CLBlast Sgemm");
}

static size_t temp_bytes(const madpo_device *dev, const madpo_matmul_spec *s, int64_t a, int64_t b,
                         int64_t c)
{
    const bool ta = s->op == MADPO_MATMUL_TN || s->op == MADPO_MATMUL_TT;
    const bool tb = s->op == MADPO_MATMUL_NT || s->op == MADPO_MATMUL_TT;
    cl_command_queue queue = madpo_device_native_queue(dev);
    size_t bytes = 0;

    if (CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, transpose_of(ta), transpose_of(tb),
                                   (size_t)s->M, (size_t)s->N, (size_t)s->K, (size_t)a,
                                   (size_t)s->lda, (size_t)b, (size_t)s->ldb, (size_t)c,
                                   (size_t)s->ldc, &queue, &bytes) != CLBlastSuccess)
        bytes = 0;
    return bytes;
}

int64_t madpo__matmul_clblast_workspace(const madpo_device *dev, const madpo_matmul_spec *spec)
{
    /* an offset can turn "used in place" into "copied first": ask with offsets */
    size_t bytes = temp_bytes(dev, spec, 0, 0, 0), shifted = temp_bytes(dev, spec, 1, 1, 1);

    if (shifted > bytes)
        bytes = shifted;
    return (int64_t)((bytes + sizeof(float) - 1) / sizeof(float));
}

madpo_status madpo__matmul_clblast(madpo_device *dev, const madpo_matmul_spec *s, madpo_tensor C,
                                   madpo_tensor A, madpo_tensor B, madpo_error *err)
{
    const bool ta = s->op == MADPO_MATMUL_TN || s->op == MADPO_MATMUL_TT;
    const bool tb = s->op == MADPO_MATMUL_NT || s->op == MADPO_MATMUL_TT;
    cl_command_queue queue = madpo_device_native_queue(dev);
    const int64_t need = madpo__matmul_clblast_workspace(dev, s);
    madpo_tensor temp = {0};
    madpo_status st = MADPO_OK;

    if (need > 0)
        st = madpo_workspace_get(&temp, dev, need, err);
    for (int64_t i = 0; i < s->batch && st == MADPO_OK; i++) {
        cl_event event = NULL;
        const CLBlastStatusCode code = CLBlastSgemmWithTempBuffer(
            CLBlastLayoutRowMajor, transpose_of(ta), transpose_of(tb), (size_t)s->M, (size_t)s->N,
            (size_t)s->K, s->alpha, madpo_buffer_native(A.buffer),
            (size_t)(A.offset + i * s->stride_a), (size_t)s->lda, madpo_buffer_native(B.buffer),
            (size_t)(B.offset + i * s->stride_b), (size_t)s->ldb, s->accumulate ? 1.0f : 0.0f,
            madpo_buffer_native(C.buffer), (size_t)(C.offset + i * s->stride_c), (size_t)s->ldc,
            &queue, &event, madpo_buffer_native(temp.buffer));

        if (code != CLBlastSuccess)
            return clblast_failed(err, code);
        st = madpo_device_native_launched(dev, "clblast_sgemm", event, err);
    }
    return st;
}
