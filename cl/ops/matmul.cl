/* Matrix product on packed or plain panels: C = alpha op(A) op(B) [+ C], row-major, fp32, batched.
 *
 *   C [M,N], op(A) [M,K], op(B) [K,N]
 *
 * Work mapping: C is cut into blocks of MR rows x NR = 2 VW columns. A work-group of one item takes a
 * rectangle of blocks (group_rows x group_cols panels; group id 0 = column rectangle, 1 = row rectangle,
 * 2 = batch item), walks its column panels in the outer loop, so that a panel of B stays in the
 * first- and second-level cache, and keeps each block in registers over the whole of K.
 *
 * Panels: a column panel of B is K rows of NR floats, b_k elements apart; panels are b_panel apart.
 * Packed (matmul_pack_*): b_k = NR, b_panel = K NR, the last panel padded with zeros. Plain (B stored
 * [K,N]): b_k = ldb, b_panel = NR, and the last panel is shifted left to end at column N (b_shift), only
 * its new columns being written. The same for A stored [K,M] (matmul_by_col). A stored [M,K] is read
 * where it lies (matmul_by_row), its last rows in smaller blocks.
 *
 * -D parameters: VW (4, 8, 16) floats per vector; MR rows per block. Registers: 2 MR + 2 vectors, so
 * 14 x 32 for 32 registers of 16 floats, 6 x 16 for 16 registers of 8. No local memory. Accumulation:
 * fp32 fma in order of k. Deterministic: an element's bits depend on its row, its column and K only.
 * offline: -DVW=4 -DMR=4
 */
#include "lib/types.clh"

#ifndef VW
#define VW 4
#endif
#ifndef MR
#define MR 4
#endif
#define NR (2 * VW)

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
typedef JOIN(float, VW) vec;
#define VLOAD  JOIN(vload, VW)
#define VSTORE JOIN(vstore, VW)
#define UNROLL _Pragma("unroll")
#define PANEL_KERNEL __kernel __attribute__((reqd_work_group_size(1, 1, 1)))

/* One row of a block into C. The vector and the scalar way round alike: both are one product, or one
 * fma when accumulating. */
static void store_row(__global float *c, vec v0, vec v1, int col0, int col1, float alpha,
                      int accumulate)
{
    if (col0 == 0 && col1 == NR) {
        if (accumulate) {
            v0 = fma((vec)(alpha), v0, VLOAD(0, c));
            v1 = fma((vec)(alpha), v1, VLOAD(1, c));
        } else {
            v0 *= alpha;
            v1 *= alpha;
        }
        VSTORE(v0, 0, c);
        VSTORE(v1, 1, c);
    } else {
        float v[NR];
        VSTORE(v0, 0, v);
        VSTORE(v1, 1, v);
        for (int j = col0; j < col1; j++)
            c[j] = accumulate ? fma(alpha, v[j], c[j]) : alpha * v[j];
    }
}

#define A_BY_ROW 0
#define ROWS     MR
#define BLOCK    block_by_col
#include "lib/matmul_block.clh"
#undef A_BY_ROW

#define A_BY_ROW 1
#define ROWS     MR
#define BLOCK    block_by_row
#include "lib/matmul_block.clh"
#if MR > 8
#define ROWS  8
#define BLOCK block_by_row_8
#include "lib/matmul_block.clh"
#endif
#if MR > 4
#define ROWS  4
#define BLOCK block_by_row_4
#include "lib/matmul_block.clh"
#endif
#define ROWS  2
#define BLOCK block_by_row_2
#include "lib/matmul_block.clh"
#define ROWS  1
#define BLOCK block_by_row_1
#include "lib/matmul_block.clh"

/* The narrowest block that holds `rows` rows: the last panel of A, and all of it when decoding. */
static void block_of_rows(__global float *c, long ldc, int rows, int col0, int col1,
                          __global const float *a, long lda, __global const float *b, long ldb,
                          long K, float alpha, int accumulate)
{
    if (rows == 1)
        block_by_row_1(c, ldc, 0, rows, col0, col1, a, lda, b, ldb, K, alpha, accumulate);
    else if (rows == 2)
        block_by_row_2(c, ldc, 0, rows, col0, col1, a, lda, b, ldb, K, alpha, accumulate);
#if MR > 4
    else if (rows <= 4)
        block_by_row_4(c, ldc, 0, rows, col0, col1, a, lda, b, ldb, K, alpha, accumulate);
#endif
#if MR > 8
    else if (rows <= 8)
        block_by_row_8(c, ldc, 0, rows, col0, col1, a, lda, b, ldb, K, alpha, accumulate);
#endif
    else
        block_by_row(c, ldc, 0, rows, col0, col1, a, lda, b, ldb, K, alpha, accumulate);
}

/* A [M,K] rows a_k apart, read where it lies. */
PANEL_KERNEL
void matmul_by_row(TENSOR(float, C), long ldc, long stride_c, TENSOR(const float, A), long a_k,
                   long stride_a, TENSOR(const float, B), long b_k, long b_panel, int b_shift,
                   long stride_b, long M, long N, long K, long group_rows, long group_cols,
                   float alpha, int accumulate)
{
    const long batch = get_group_id(2);
    __global float *C = TENSOR_PTR(C) + batch * stride_c;
    __global const float *A = TENSOR_PTR(A) + batch * stride_a;
    __global const float *B = TENSOR_PTR(B) + batch * stride_b;
    const long p0 = get_group_id(1) * group_rows, p1 = min(p0 + group_rows, (M + MR - 1) / MR);
    const long q0 = get_group_id(0) * group_cols, q1 = min(q0 + group_cols, (N + NR - 1) / NR);

    for (long q = q0; q < q1; q++) {
        /* where the panel starts: shifted left if it is a plain one that would end beyond N */
        const long j = b_shift ? min(q * NR, N - NR) : q * NR;
        const int col0 = (int)(q * NR - j), col1 = (int)min((long)NR, N - j);
        __global const float *b = B + (b_shift ? j : q * b_panel);

        for (long p = p0; p < p1; p++)
            block_of_rows(C + p * MR * ldc + j, ldc, (int)min((long)MR, M - p * MR), col0, col1,
                          A + p * MR * a_k, a_k, b, b_k, K, alpha, accumulate);
    }
}

/* A stored [K,M] (a_k = lda, shifted) or packed (a_k = MR, a_panel = K MR). */
PANEL_KERNEL
void matmul_by_col(TENSOR(float, C), long ldc, long stride_c, TENSOR(const float, A), long a_k,
                   long a_panel, int a_shift, long stride_a, TENSOR(const float, B), long b_k,
                   long b_panel, int b_shift, long stride_b, long M, long N, long K,
                   long group_rows, long group_cols, float alpha, int accumulate)
{
    const long batch = get_group_id(2);
    __global float *C = TENSOR_PTR(C) + batch * stride_c;
    __global const float *A = TENSOR_PTR(A) + batch * stride_a;
    __global const float *B = TENSOR_PTR(B) + batch * stride_b;
    const long p0 = get_group_id(1) * group_rows, p1 = min(p0 + group_rows, (M + MR - 1) / MR);
    const long q0 = get_group_id(0) * group_cols, q1 = min(q0 + group_cols, (N + NR - 1) / NR);

    for (long q = q0; q < q1; q++) {
        const long j = b_shift ? min(q * NR, N - NR) : q * NR;
        const int col0 = (int)(q * NR - j), col1 = (int)min((long)NR, N - j);
        __global const float *b = B + (b_shift ? j : q * b_panel);

        for (long p = p0; p < p1; p++) {
            const long i = a_shift ? min(p * MR, M - MR) : p * MR;
            const int row0 = (int)(p * MR - i), row1 = (int)min((long)MR, M - i);

            block_by_col(C + i * ldc + j, ldc, row0, row1, col0, col1,
                         A + (a_shift ? i : p * a_panel), a_k, b, b_k, K, alpha, accumulate);
        }
    }
}

/* ---- packing: out[p][k][r] = x of row (or column) p R + r at k, zero beyond `n` ----
 * group id 0 = panel, 1 = a piece of `piece` k's, 2 = batch item */

static void pack_by_row(__global float *out, __global const float *x, long ld, long n, long k0,
                        long k1, const int R)
{
    for (int r = 0; r < R; r++) {
        __global const float *row = x + min((long)r, n - 1) * ld;

        for (long k = k0; k < k1; k++)
            out[k * R + r] = r < n ? row[k] : 0.0f;
    }
}

static void pack_by_col(__global float *out, __global const float *x, long ld, long n, long k0,
                        long k1, const int R)
{
    for (long k = k0; k < k1; k++) {
        for (int r = 0; r < R; r++)
            out[k * R + r] = r < n ? x[k * ld + r] : 0.0f;
    }
}

/* `by_row`: x is stored [n,K], ld between the n; else [K,n], ld between the k. R is MR or NR. */
#define PACK(name, R)                                                                              \
    PANEL_KERNEL void name(TENSOR(float, out), TENSOR(const float, x), long ld, long stride_x,     \
                           int by_row, long n, long K, long piece)                                 \
    {                                                                                              \
        const long p = get_group_id(0), batch = get_group_id(2);                                   \
        const long k0 = get_group_id(1) * piece, k1 = min(k0 + piece, K);                          \
        const long panels = (n + (R) - 1) / (R), first = p * (R), left = n - first;                \
        __global float *to = TENSOR_PTR(out) + (batch * panels + p) * K * (R);                     \
        __global const float *from = TENSOR_PTR(x) + batch * stride_x;                             \
                                                                                                   \
        if (by_row)                                                                                \
            pack_by_row(to, from + first * ld, ld, left, k0, k1, R);                               \
        else                                                                                       \
            pack_by_col(to, from + first, ld, left, k0, k1, R);                                    \
    }
PACK(matmul_pack_a, MR)
PACK(matmul_pack_b, NR)

/* A dense copy of rows ld apart, for providers that do not pack. Group id 0 = row. */
PANEL_KERNEL
void matmul_copy(TENSOR(float, out), TENSOR(const float, x), long ld, long cols)
{
    const long row = get_group_id(0);
    __global float *to = TENSOR_PTR(out) + row * cols;
    __global const float *from = TENSOR_PTR(x) + row * ld;

    for (long j = 0; j < cols; j++)
        to[j] = from[j];
}
