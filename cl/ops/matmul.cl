/* Matrix product on packed or plain panels: C = alpha op(A) op(B) [+ C], row-major, fp32, batched.
 *
 *   C [M,N], op(A) [M,K], op(B) [K,N]
 *
 * Work mapping: C is cut into blocks of MR rows x NR = NV VW columns. A work-group of one item
 * takes a rectangle of blocks (group_rows x group_cols panels; group id 0 = column rectangle, 1 =
 * row rectangle, 2 = batch item), walks its column panels in the outer loop, so that a panel of B
 * stays in the first- and second-level cache, and keeps each block in registers over `run` k's at a
 * time (all of K where alpha is not 1), which C holds in between: both operands' parts then fit the
 * caches.
 *
 * Panels: a column panel of B is K rows of NR floats, b_k elements apart; panels are b_panel apart.
 * Packed (matmul_pack_*): b_k = NR, b_panel = K NR, the last panel padded with zeros. Plain (B
 * stored [K,N]): b_k = ldb, b_panel = NR, and the last panel is shifted left to end at column N
 * (b_shift), only its new columns being written. The same for A stored [K,M] (matmul_by_col). A
 * stored [M,K] is read where it lies (matmul_by_row), its last rows in smaller blocks.
 *
 * B may be stored in 16 bits (W_TYPE of lib/weight.clh): packing keeps the type, so that its panels
 * take half the memory traffic, and the blocks widen it on load.
 *
 * -D parameters: VW (4, 8, 16) floats per vector; NV (2; 1 for up to VW columns) vectors per row
 * and MR rows of a block; W_TYPE how B is stored. Registers: NV (MR + 1) vectors, so 14 x 32 for 32
 * registers of 16 floats, 6 x 16 for 16 registers of
 * 8. No local memory.
 * Accumulation: fp32 fma in order of k, from C on when accumulating (alpha = 1). Deterministic: an
 * element's bits depend on its row, its column and K only.
 *
 * offline: -DVW=4 -DMR=4
 * offline: -DVW=4 -DMR=4 -DNV=1
 * offline: -DVW=4 -DMR=4 -DW_TYPE=1
 * offline: -DVW=4 -DMR=4 -DW_TYPE=2
 */
#include "lib/weight.clh"

#ifndef VW
#define VW 4
#endif
#ifndef MR
#define MR 4
#endif
#ifndef NV
#define NV 2
#endif
#define NR (NV * VW)

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
typedef JOIN(float, VW) vec;
#define VLOAD        JOIN(vload, VW)
#define VSTORE       JOIN(vstore, VW)
#define UNROLL       _Pragma("unroll")
#define NOUNROLL     _Pragma("nounroll")
#define PANEL_KERNEL __kernel __attribute__((reqd_work_group_size(1, 1, 1)))

/* One row of a block out of C; columns that are not the block's are 0. */
static void load_row(__global const float *c, vec *row, int col0, int col1)
{
    float v[NR];

    if (col0 == 0 && col1 == NR) {
        UNROLL
        for (int h = 0; h < NV; h++)
            row[h] = VLOAD(h, c);
        return;
    }
    UNROLL
    for (int h = 0; h < NV; h++)
        VSTORE((vec)(0.0f), h, v);
    NOUNROLL
    for (int j = col0; j < col1; j++)
        v[j] = c[j];
    UNROLL
    for (int h = 0; h < NV; h++)
        row[h] = VLOAD(h, v);
}

/* One row of a block into C. The vector and the scalar way round alike: both are one product, or
 * one fma when accumulating. */
static void store_row(__global float *c, const vec *row, int col0, int col1, float alpha, int add)
{
    float v[NR];

    if (col0 == 0 && col1 == NR) {
        UNROLL
        for (int h = 0; h < NV; h++)
            VSTORE(add ? fma((vec)(alpha), row[h], VLOAD(h, c)) : alpha * row[h], h, c);
        return;
    }
    UNROLL
    for (int h = 0; h < NV; h++)
        VSTORE(row[h], h, v);
    NOUNROLL
    for (int j = col0; j < col1; j++)
        c[j] = add ? fma(alpha, v[j], c[j]) : alpha * v[j];
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
#if CPU
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
#endif

/* The narrowest block that holds `rows` rows: the last panel of A, and all of it when decoding. (On
 * GPUs, where these kernels stand for comparison only, narrow blocks and staging would cost
 * registers.) */
static void block_of_rows(__global float *c, long ldc, int rows, int col0, int col1,
                          __global const float *a, long lda, __global const WEIGHT *b, long ldb,
                          long K, int stage, int resume, float alpha, int add)
{
#define ARGS c, ldc, 0, rows, col0, col1, a, lda, b, ldb, K, stage, resume, alpha, add
#if CPU
    if (rows == 1)
        block_by_row_1(ARGS);
    else if (rows == 2)
        block_by_row_2(ARGS);
#if MR > 4
    else if (rows <= 4)
        block_by_row_4(ARGS);
#endif
#if MR > 8
    else if (rows <= 8)
        block_by_row_8(ARGS);
#endif
    else
#endif
        block_by_row(ARGS);
#undef ARGS
}

/* Where column panel q starts and which of its columns count: a plain panel that would end beyond N
 * is shifted left. */
#define COLUMN_PANEL                                                                               \
    const long j = b_shift ? min(q * NR, N - NR) : q * NR;                                         \
    const int col0 = (int)(q * NR - j), col1 = (int)min((long)NR, N - j);                          \
    __global const WEIGHT *b = B + (b_shift ? j : q * b_panel) + k0 * b_k;

/* The panels of this work-group: a rectangle of them, or one on GPUs (group_rows, group_cols = 1,
 * run = K), where the loops would cost scalar registers. */
#if CPU
#define RECTANGLE                                                                                  \
    const long p0 = get_group_id(1) * group_rows, p1 = min(p0 + group_rows, (M + MR - 1) / MR);    \
    const long q0 = get_group_id(0) * group_cols, q1 = min(q0 + group_cols, (N + NR - 1) / NR);
#define FOR_RUNS    for (long k0 = 0; k0 < K || k0 == 0; k0 += run)
#define FOR_COLUMNS for (long q = q0; q < q1; q++)
#define FOR_ROWS    for (long p = p0; p < p1; p++)
#else
#define RECTANGLE const long p = get_group_id(1), q = get_group_id(0), k0 = 0;
#define FOR_RUNS
#define FOR_COLUMNS
#define FOR_ROWS
#endif

/* A [M,K] rows a_k apart, read where it lies; `stage` where that is a bad place for the cache. */
PANEL_KERNEL
void matmul_by_row(TENSOR(float, C), long ldc, long stride_c, TENSOR(const float, A), long a_k,
                   int stage, long stride_a, TENSOR(const WEIGHT, B), long b_k, long b_panel,
                   int b_shift, long stride_b, long M, long N, long K, long run, long group_rows,
                   long group_cols, float alpha, int accumulate)
{
    const long batch = get_group_id(2);
    __global float *C = TENSOR_PTR(C) + batch * stride_c;
    __global const float *A = TENSOR_PTR(A) + batch * stride_a;
    __global const WEIGHT *B = TENSOR_PTR(B) + batch * stride_b;
    RECTANGLE
    const int chain = alpha == 1.0f, add = !chain && accumulate;

    FOR_RUNS
    {
        const int resume = chain && (accumulate || k0 > 0);

        FOR_COLUMNS
        {
            COLUMN_PANEL
            FOR_ROWS
            block_of_rows(C + p * MR * ldc + j, ldc, (int)min((long)MR, M - p * MR), col0, col1,
                          A + p * MR * a_k + k0, a_k, b, b_k, min(run, K - k0), stage, resume,
                          alpha, add);
        }
    }
}

/* A stored [K,M] (a_k = lda, shifted) or packed (a_k = MR, a_panel = K MR). */
PANEL_KERNEL
void matmul_by_col(TENSOR(float, C), long ldc, long stride_c, TENSOR(const float, A), long a_k,
                   long a_panel, int a_shift, long stride_a, TENSOR(const WEIGHT, B), long b_k,
                   long b_panel, int b_shift, long stride_b, long M, long N, long K, long run,
                   long group_rows, long group_cols, float alpha, int accumulate)
{
    const long batch = get_group_id(2);
    __global float *C = TENSOR_PTR(C) + batch * stride_c;
    __global const float *A = TENSOR_PTR(A) + batch * stride_a;
    __global const WEIGHT *B = TENSOR_PTR(B) + batch * stride_b;
    RECTANGLE
    const int chain = alpha == 1.0f, add = !chain && accumulate;

    FOR_RUNS
    {
        const int resume = chain && (accumulate || k0 > 0);

        FOR_COLUMNS
        {
            COLUMN_PANEL
            FOR_ROWS
            {
                const long i = a_shift ? min(p * MR, M - MR) : p * MR;
                const int row0 = (int)(p * MR - i), row1 = (int)min((long)MR, M - i);

                block_by_col(C + i * ldc + j, ldc, row0, row1, col0, col1,
                             A + (a_shift ? i : p * a_panel) + k0 * a_k, a_k, b, b_k,
                             min(run, K - k0), 0, resume, alpha, add);
            }
        }
    }
}

#define ELEM float
#define R    MR
#define PACK matmul_pack_a
#include "lib/matmul_pack.clh"

#define ELEM WEIGHT
#define R    NR
#define PACK matmul_pack_b
#include "lib/matmul_pack.clh"

/* A dense copy of rows ld apart, for providers that do not pack. Group id 0 = row. */
PANEL_KERNEL
void matmul_copy(TENSOR(WEIGHT, out), TENSOR(const WEIGHT, x), long ld, long cols)
{
    const long row = get_group_id(0);
    __global WEIGHT *to = TENSOR_PTR(out) + row * cols;
    __global const WEIGHT *from = TENSOR_PTR(x) + row * ld;

    for (long j = 0; j < cols; j++)
        to[j] = from[j];
}

/* The same as floats, for providers that know no other type. WG items share a row. */
ROW_KERNEL void matmul_widen(TENSOR(float, out), TENSOR(const WEIGHT, x), long ld, long cols)
{
    const long row = get_group_id(0);
    __global float *to = TENSOR_PTR(out) + row * cols;
    __global const WEIGHT *from = TENSOR_PTR(x) + row * ld;

    for (long j = VEC_FIRST; j < cols; j += VEC_STEP)
        vec_store(weight_load(from + j, cols - j), to + j, cols - j);
}
