/* Matrix product for GPUs: C = alpha op(A) op(B) [+ C], row-major, fp32, batched.
 *
 *   C [M,N], op(A) [M,K], op(B) [K,N]; A stored [M,K], or [K,M] with A_BY_COL; B stored [K,N], or
 *   [N,K] with B_BY_ROW, in the type W_TYPE (lib/weight.clh)
 *
 * Work mapping: a work-group computes a tile of TM x TN; each of its ITEMS = (TM/IM)(TN/IN) items
 * holds IM x IN of it in registers, in groups of four rows and columns that lie TM/(IM/4) and
 * TN/(IN/4) apart, so that neighbouring items read neighbouring words. TK columns of op(A) and rows
 * of op(B) at a time go through local memory, twice there: while one half is multiplied, the next
 * is on its way in registers. Group id 0 = tile of columns, 1 = of rows, 2 = batch item times
 * `parts` + part.
 *
 * Parts: K may be cut into `parts` of `length` (a multiple of TK) whose results lie M N apart in C,
 * to be added by matmul_tile_sum. That is for products whose C has few tiles and whose K is long
 * (gradients of weights, K being tokens).
 *
 * -D parameters: TM, TN, TK, IM, IN (multiples of 4), A_BY_COL, B_BY_ROW, W_TYPE; ALIGNED where all
 * rows of A and B start at multiples of four elements, which are then read four at a time.
 * Local memory: 8 TK (TM + TN + 8) bytes, at most 17 KB.
 * Accumulation: fp32 fma in order of k from 0, or from C when accumulating (alpha = 1, one part):
 * the bits of cl/ops/matmul.cl. Deterministic: with one part, an element's bits depend on its row,
 * its column and K only.
 *
 * offline: -DTM=64 -DTN=64 -DTK=16 -DIM=4 -DIN=8 -DB_BY_ROW=1 -DALIGNED=1
 * offline: -DTM=64 -DTN=64 -DTK=16 -DIM=4 -DIN=8 -DB_BY_ROW=1 -DW_TYPE=2
 * offline: -DTM=64 -DTN=64 -DTK=8 -DIM=4 -DIN=8 -DALIGNED=1 -DW_TYPE=1
 * offline: -DTM=64 -DTN=64 -DTK=8 -DIM=4 -DIN=8 -DA_BY_COL=1
 * offline: -DTM=32 -DTN=32 -DTK=32 -DIM=2 -DIN=4 -DB_BY_ROW=1 -DALIGNED=1 -DW_TYPE=1
 * offline: -DTM=32 -DTN=32 -DTK=32 -DIM=2 -DIN=4 -DA_BY_COL=1
 * offline: -DTM=16 -DTN=16 -DTK=32 -DIM=1 -DIN=4 -DB_BY_ROW=1 -DALIGNED=1
 * offline: -DTM=16 -DTN=16 -DTK=32 -DIM=1 -DIN=4 -DA_BY_COL=1
 */
#include "lib/weight.clh"

#ifndef TM
#define TM 32
#define TN 32
#define TK 16
#define IM 4
#define IN 4
#endif
#ifndef A_BY_COL
#define A_BY_COL 0
#endif
#ifndef B_BY_ROW
#define B_BY_ROW 0
#endif
#ifndef ALIGNED
#define ALIGNED 0
#endif

#define ACROSS  (TN / IN) /* items along a row of the tile */
#define DOWN    (TM / IM)
#define ITEMS   (ACROSS * DOWN)
#define PITCH_A (TM + 4) /* a multiple of 4; not of the number of banks */
#define PITCH_B (TN + 4)
#define FOURS_A (TM * TK / 4) /* reads of four elements that fill a tile's strip */
#define FOURS_B (TN * TK / 4)
#define READS_A ((FOURS_A + ITEMS - 1) / ITEMS)
#define READS_B ((FOURS_B + ITEMS - 1) / ITEMS)
#define UNROLL  _Pragma("unroll")
#if TK > 16
#define UNROLL_K _Pragma("unroll 16")
#else
#define UNROLL_K UNROLL
#endif
/* Two halves of local memory save a barrier, where both fit. */
#define HALVES (TK * (TM + TN) <= 2048 ? 2 : 1)

#define TILE_KERNEL __kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))

#include "lib/matmul_strip.clh"

/* The item's rows (in groups of RG) and columns (of four) within the tile. */
#define RG     (IM < 4 ? IM : 4)
#define ROW(i) ((i) / RG * (TM / (IM / RG)) + (int)get_local_id(0) / ACROSS * RG + (i) % RG)
#define COL(g) ((g) * (TN / (IN / 4)) + (int)get_local_id(0) % ACROSS * 4)

/* acc += one k of the strips. */
LOCAL_FN void multiply(float4 acc[IM][IN / 4], __local const float *a, __local const float *b)
{
    float x[IM];
    float4 y[IN / 4];

    UNROLL
    for (int i = 0; i < IM; i += RG) {
#if IM >= 4
        vstore4(*(__local const float4 *)(a + ROW(i)), 0, x + i);
#elif IM == 2
        vstore2(*(__local const float2 *)(a + ROW(i)), 0, x + i);
#else
        x[i] = a[ROW(i)];
#endif
    }
    UNROLL
    for (int g = 0; g < IN / 4; g++)
        y[g] = *(__local const float4 *)(b + COL(g));
    UNROLL
    for (int i = 0; i < IM; i++) {
        UNROLL
        for (int g = 0; g < IN / 4; g++)
            acc[i][g] = fma((float4)(x[i]), y[g], acc[i][g]);
    }
}

/* Four columns of C from j on, those before N. */
static inline float4 load_c(__global const float *c, long left)
{
    float4 v = 0.0f;

    if (left >= 4)
        return vload4(0, c);
    if (left > 0)
        v.x = c[0];
    if (left > 1)
        v.y = c[1];
    if (left > 2)
        v.z = c[2];
    return v;
}

static inline void store_c(__global float *c, long left, float4 v)
{
    if (left >= 4) {
        vstore4(v, 0, c);
        return;
    }
    if (left > 0)
        c[0] = v.x;
    if (left > 1)
        c[1] = v.y;
    if (left > 2)
        c[2] = v.z;
}

TILE_KERNEL void matmul_tile(TENSOR(float, C), long ldc, long stride_c, TENSOR(const float, A),
                             long lda, long stride_a, TENSOR(const WEIGHT, B), long ldb,
                             long stride_b, long M, long N, long K, long parts, long length,
                             float alpha, int accumulate)
{
    __local float a[HALVES][TK * PITCH_A] __attribute__((aligned(16)));
    __local float b[HALVES][TK * PITCH_B] __attribute__((aligned(16)));
    const long item = get_group_id(2) / parts, part = get_group_id(2) % parts;
    const long i0 = (long)get_group_id(1) * TM, j0 = (long)get_group_id(0) * TN;
    __global float *c = TENSOR_PTR(C) + item * stride_c + part * M * N;
    const long begin = part * length, end = min(begin + length, K);
    const long step_a = A_BY_COL ? TK * lda : TK, step_b = B_BY_ROW ? TK : TK * ldb;
    __global const float *A = TENSOR_PTR(A) + item * stride_a + /* where the strip begins */
                              (A_BY_COL ? begin * lda + i0 : i0 * lda + begin);
    __global const WEIGHT *B =
        TENSOR_PTR(B) + item * stride_b + (B_BY_ROW ? j0 * ldb + begin : begin * ldb + j0);
    const int chain = alpha == 1.0f;
    int at_a[READS_A], at_b[READS_B], na[READS_A], nb[READS_B];
    float4 acc[IM][IN / 4], ra[READS_A], rb[READS_B];
    int now = 0;

    UNROLL
    for (int i = 0; i < IM; i++) {
        UNROLL
        for (int g = 0; g < IN / 4; g++) {
            const long row = i0 + ROW(i), col = j0 + COL(g);
            acc[i][g] = chain && accumulate && row < M ? load_c(c + row * ldc + col, N - col)
                                                       : (float4)(0.0f);
        }
    }
    start_a(at_a, na, (int)lda, i0, M);
    start_b(at_b, nb, (int)ldb, j0, N);
    if (begin < end) {
        read_a(ra, A, at_a, na, (int)min(end - begin, (long)TK));
        read_b(rb, B, at_b, nb, (int)min(end - begin, (long)TK));
        put_a(a[0], ra);
        put_b(b[0], rb);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (long k0 = begin; k0 < end; k0 += TK) {
        const long left = end - k0; /* k's of this strip and those behind it */

        A += step_a;
        B += step_b;
        if (left >= 2 * TK) {
            read_a(ra, A, at_a, na, TK);
            read_b(rb, B, at_b, nb, TK);
        } else if (left > TK) {
            read_a(ra, A, at_a, na, (int)(left - TK));
            read_b(rb, B, at_b, nb, (int)(left - TK));
        }
        if (left >= TK) {
            UNROLL_K
            for (int k = 0; k < TK; k++)
                multiply(acc, a[now] + k * PITCH_A, b[now] + k * PITCH_B);
        } else {
            _Pragma("unroll 1") for (int k = 0; k < (int)left; k++)
                multiply(acc, a[now] + k * PITCH_A, b[now] + k * PITCH_B);
        }
        if (left > TK) {
#if TK * (TM + TN) > 2048
            barrier(CLK_LOCAL_MEM_FENCE);
#else
            now = 1 - now;
#endif
            put_a(a[now], ra);
            put_b(b[now], rb);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
    }
    UNROLL
    for (int i = 0; i < IM; i++) {
        const long row = i0 + ROW(i);
        if (row >= M)
            continue;
        UNROLL
        for (int g = 0; g < IN / 4; g++) {
            const long col = j0 + COL(g);
            __global float *to = c + row * ldc + col;
            if (!chain && accumulate)
                store_c(to, N - col, fma((float4)(alpha), acc[i][g], load_c(to, N - col)));
            else
                store_c(to, N - col, alpha * acc[i][g]);
        }
    }
}

/* C = alpha (the sum of the parts, in their order) [+ C]: parts [n_parts,M,N] dense. Group id 0 =
 * row, 1 = batch item (parts follow each other there too). WG items share a row. */
ROW_KERNEL void matmul_tile_sum(TENSOR(float, C), long ldc, long stride_c, TENSOR(const float, P),
                                long n_parts, long M, long N, float alpha, int accumulate)
{
    const long row = get_group_id(0), item = get_group_id(1);
    __global float *c = TENSOR_PTR(C) + item * stride_c + row * ldc;
    __global const float *p = TENSOR_PTR(P) + item * n_parts * M * N + row * N;

    for (long j = VEC_FIRST; j < N; j += VEC_STEP) {
        vecf sum = vec_load(p + j, N - j);
        for (long k = 1; k < n_parts; k++)
            sum += vec_load(p + k * M * N + j, N - j);
        vec_store(accumulate ? fma((vecf)(alpha), sum, vec_load(c + j, N - j)) : alpha * sum, c + j,
                  N - j);
    }
}
