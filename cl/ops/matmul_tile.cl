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
 * offline: -DTM=64 -DTN=64 -DTK=16 -DIM=8 -DIN=4 -DB_BY_ROW=1 -DALIGNED=1
 * offline: -DTM=64 -DTN=64 -DTK=16 -DIM=8 -DIN=4 -DB_BY_ROW=1
 * offline: -DTM=64 -DTN=64 -DTK=16 -DIM=8 -DIN=4 -DA_BY_COL=1 -DALIGNED=1
 * offline: -DTM=64 -DTN=64 -DTK=16 -DIM=8 -DIN=4 -DALIGNED=1 -DW_TYPE=1
 * offline: -DTM=32 -DTN=32 -DTK=64 -DIM=2 -DIN=4 -DB_BY_ROW=1 -DALIGNED=1 -DW_TYPE=1
 * offline: -DTM=32 -DTN=32 -DTK=64 -DIM=2 -DIN=4 -DB_BY_ROW=1 -DW_TYPE=2
 * offline: -DTM=32 -DTN=32 -DTK=64 -DIM=2 -DIN=4 -DA_BY_COL=1
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

/* Where the e-th read of four of a strip lies: along k or across it, by how the operand is stored.
 */
#define ALONG(e)      ((e) % (TK / 4) * 4)
#define ALONG_OF(e)   ((e) / (TK / 4))
#define ACROSS_A(e)   ((e) % (TM / 4) * 4)
#define ACROSS_A_K(e) ((e) / (TM / 4))
#define ACROSS_B(e)   ((e) % (TN / 4) * 4)
#define ACROSS_B_K(e) ((e) / (TN / 4))

/* Elements p[0..3]; those from `n` on are 0 and not read. */
static inline float4 four_a(__global const float *p, int n)
{
    if (n >= 4)
#if ALIGNED
        return *(__global const float4 *)p;
#else
        return vload4(0, p);
#endif
    return (float4)(n > 0 ? p[0] : 0.0f, n > 1 ? p[1] : 0.0f, n > 2 ? p[2] : 0.0f, 0.0f);
}

static inline float4 four_b(__global const WEIGHT *p, int n)
{
    if (n >= 4)
#if ALIGNED && W_TYPE == 0
        return *(__global const float4 *)p;
#elif ALIGNED && W_TYPE == 1
        return as_float4(convert_uint4(*(__global const ushort4 *)p) << 16);
#elif ALIGNED
        return vloada_half4(0, (__global const half *)p);
#else
        return WEIGHTS(4, p);
#endif
    return (float4)(n > 0 ? weight_widen(p) : 0.0f, n > 1 ? weight_widen(p + 1) : 0.0f,
                    n > 2 ? weight_widen(p + 2) : 0.0f, 0.0f);
}

/* What an item reads of a strip of op(A): where, and how many of the four there are. Rows beyond
 * the last are read as the last where that costs nothing; what is computed of them is not stored.
 */
#define FOR_READS(i, e, reads, fours)                                                              \
    UNROLL                                                                                         \
    for (int i = 0, e = (int)get_local_id(0); i < reads; i++, e += ITEMS)                          \
        if (fours % ITEMS == 0 || e < fours)

static inline void start_a(int *at, int *n, int lda, long i0, long M)
{
    FOR_READS(i, e, READS_A, FOURS_A)
    {
#if A_BY_COL
        n[i] = (int)clamp(M - i0 - ACROSS_A(e), 0L, 4L);
        at[i] = ACROSS_A_K(e) * lda + ACROSS_A(e);
#else
        n[i] = 4;
        at[i] = (int)min((long)ALONG_OF(e), M - 1 - i0) * lda + ALONG(e);
#endif
    }
}

static inline void start_b(int *at, int *n, int ldb, long j0, long N)
{
    FOR_READS(i, e, READS_B, FOURS_B)
    {
#if B_BY_ROW
        n[i] = 4;
        at[i] = (int)min((long)ALONG_OF(e), N - 1 - j0) * ldb + ALONG(e);
#else
        n[i] = (int)clamp(N - j0 - ACROSS_B(e), 0L, 4L);
        at[i] = ACROSS_B_K(e) * ldb + ACROSS_B(e);
#endif
    }
}

/* The strip that begins at p into registers; `ks` of its k's exist, the others are 0. */
static inline void read_a(float4 *r, __global const float *p, const int *at, const int *n, int ks)
{
    FOR_READS(i, e, READS_A, FOURS_A)
    {
#if A_BY_COL
        r[i] = four_a(p + at[i], ks >= TK || ACROSS_A_K(e) < ks ? n[i] : 0);
#else
        r[i] = four_a(p + at[i], ks >= TK ? 4 : ks - ALONG(e));
#endif
    }
}

static inline void read_b(float4 *r, __global const WEIGHT *p, const int *at, const int *n, int ks)
{
    FOR_READS(i, e, READS_B, FOURS_B)
    {
#if B_BY_ROW
        r[i] = four_b(p + at[i], ks >= TK ? 4 : ks - ALONG(e));
#else
        r[i] = four_b(p + at[i], ks >= TK || ACROSS_B_K(e) < ks ? n[i] : 0);
#endif
    }
}

/* Registers into local memory: a[k][row], b[k][column]. */
LOCAL_FN void put_a(__local float *a, const float4 *r)
{
    FOR_READS(i, e, READS_A, FOURS_A)
    {
#if A_BY_COL
        *(__local float4 *)(a + ACROSS_A_K(e) * PITCH_A + ACROSS_A(e)) = r[i];
#else
        __local float *to = a + ALONG(e) * PITCH_A + ALONG_OF(e);
        to[0] = r[i].x;
        to[PITCH_A] = r[i].y;
        to[2 * PITCH_A] = r[i].z;
        to[3 * PITCH_A] = r[i].w;
#endif
    }
}

LOCAL_FN void put_b(__local float *b, const float4 *r)
{
    FOR_READS(i, e, READS_B, FOURS_B)
    {
#if B_BY_ROW
        __local float *to = b + ALONG(e) * PITCH_B + ALONG_OF(e);
        to[0] = r[i].x;
        to[PITCH_B] = r[i].y;
        to[2 * PITCH_B] = r[i].z;
        to[3 * PITCH_B] = r[i].w;
#else
        *(__local float4 *)(b + ACROSS_B_K(e) * PITCH_B + ACROSS_B(e)) = r[i];
#endif
    }
}

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
