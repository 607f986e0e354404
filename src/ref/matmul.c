/* Double-precision twin of the matrix product. */
#include "ref/matmul.h"

#include <stddef.h>

static int64_t ref_or(int64_t value, int64_t otherwise)
{
    return value ? value : otherwise;
}

void madpo_ref_matmul(const madpo_ref_matmul_spec *spec, double *C, const double *A,
                      const double *B)
{
    const int64_t lda = ref_or(spec->lda, spec->transpose_a ? spec->M : spec->K);
    const int64_t ldb = ref_or(spec->ldb, spec->transpose_b ? spec->K : spec->N);
    const int64_t ldc = ref_or(spec->ldc, spec->N);
    const double alpha = spec->alpha == 0 ? 1 : spec->alpha;

    for (int64_t i = 0; i < spec->M; i++) {
        for (int64_t j = 0; j < spec->N; j++) {
            double sum = 0;

            for (int64_t k = 0; k < spec->K; k++)
                sum += A[spec->transpose_a ? k * lda + i : i * lda + k] *
                       B[spec->transpose_b ? j * ldb + k : k * ldb + j];
            C[i * ldc + j] = alpha * sum + (spec->accumulate ? C[i * ldc + j] : 0);
        }
    }
}

void madpo_ref_matmul_bwd(const madpo_ref_matmul_spec *spec, double *dA, double *dB,
                          const double *A, const double *B, const double *dC)
{
    const int64_t M = spec->M, N = spec->N, K = spec->K;
    const bool ta = spec->transpose_a, tb = spec->transpose_b;

    /* d op(A) [M,K] = dC op(B)^T and d op(B) [K,N] = op(A)^T dC; a transposed operand gets the
     * transposed equation, so that each gradient is one product in the stored layout */
    if (dA) {
        madpo_ref_matmul_spec s = {false, !tb, M, K, N, 0, 0, 0, spec->alpha, false};
        madpo_ref_matmul_spec t = {tb, true, K, M, N, 0, 0, 0, spec->alpha, false};

        madpo_ref_matmul(ta ? &t : &s, dA, ta ? B : dC, ta ? dC : B);
    }
    if (dB) {
        madpo_ref_matmul_spec s = {!ta, false, K, N, M, 0, 0, 0, spec->alpha, false};
        madpo_ref_matmul_spec t = {true, ta, N, K, M, 0, 0, 0, spec->alpha, false};

        madpo_ref_matmul(tb ? &t : &s, dB, tb ? dC : A, tb ? A : dC);
    }
}
