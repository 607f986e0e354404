#ifndef MADPO_REF_MATMUL_H
#define MADPO_REF_MATMUL_H
/* Double-precision twin of the matrix product (ops/matmul.h): one triple loop, no blocking.
 *
 * C = alpha op(A) op(B) [+ C], row-major. op(A) is [M,K], op(B) is [K,N]; a transposed operand is
 * stored the other way round. lda, ldb, ldc count elements between stored rows, 0 = dense. */
#include <stdbool.h>
#include <stdint.h>

typedef struct madpo_ref_matmul_spec {
    bool transpose_a, transpose_b;
    int64_t M, N, K;
    int64_t lda, ldb, ldc;
    double alpha;    /* 0 means 1, as in ops/matmul.h */
    bool accumulate; /* C += instead of C = */
} madpo_ref_matmul_spec;

/* C [M,N] write or accumulate; A, B read. */
void madpo_ref_matmul(const madpo_ref_matmul_spec *spec, double *C, const double *A,
                      const double *B);

/* Gradients of sum(dC * C) with respect to the operands as they are stored: dA and dB (either may
 * be NULL) are written dense, in the operand's stored shape; A, B and dC [M,N] are dense too. */
void madpo_ref_matmul_bwd(const madpo_ref_matmul_spec *spec, double *dA, double *dB,
                          const double *A, const double *B, const double *dC);

#endif
