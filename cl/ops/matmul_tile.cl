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
 * offline: -DTM=128 -DTN=128 -DTK=8 -DIM=8 -DIN=8 -DB_BY_ROW=1 -DALIGNED=1
 * offline: -DTM=128 -DTN=128 -DTK=8 -DIM=8 -DIN=8 -DB_BY_ROW=1
 * offline: -DTM=64 -DTN=64 -DTK=16 -DIM=8 -DIN=4 -DB_BY_ROW=1 -DALIGNED=1
 * offline: -DTM=64 -DTN=64 -DTK=16 -DIM=8 -DIN=4 -DA_BY_COL=1 -DALIGNED=1
 * offline: -DTM=32 -DTN=32 -DTK=16 -DIM=4 -DIN=4 -DB_BY_ROW=1 -DALIGNED=1 -DW_TYPE=1
 * offline: -DTM=32 -DTN=32 -DTK=16 -DIM=4 -DIN=4 -DB_BY_ROW=1 -DW_TYPE=2
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

#define TILE_KERNEL __kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))

/* Where the e-th read of four of a strip lies: along k or across it, by how the operand is stored.
 */
#define ALONG(e)      ((e) % (TK / 4) * 4)
#define ALONG_OF(e)   ((e) / (TK / 4))
#define ACROSS_A(e)   ((e) % (TM / 4) * 4)
#define ACROSS_A_K(e) ((e) / (TM / 4))
#define ACROSS_B(e)   ((e) % (TN / 4) * 4)
#define ACROSS_B_K(e) ((e) / (TN / 4))

/* Elements p[0..3], those from `left` on 0. */
static inline float4 four_a(__global const float *p, long left)
{
#if ALIGNED
    if (left >= 4)
        return *(__global const float4 *)p;
#endif
    float4 v = 0.0f;
    if (left > 0)
        v.x = p[0];
    if (left > 1)
        v.y = p[1];
    if (left > 2)
        v.z = p[2];
    if (left > 3)
        v.w = p[3];
    return v;
}

static inline float4 four_b(__global const WEIGHT *p, long left)
{
#if ALIGNED && W_TYPE == 0
    if (left >= 4)
        return *(__global const float4 *)p;
#elif ALIGNED && W_TYPE == 1
    if (left >= 4)
        return as_float4(convert_uint4(*(__global const ushort4 *)p) << 16);
#elif ALIGNED
    if (left >= 4)
        return vloada_half4(0, (__global const half *)p);
#endif
    float4 v = 0.0f;
    if (left > 0)
        v.x = weight_widen(p);
    if (left > 1)
        v.y = weight_widen(p + 1);
    if (left > 2)
        v.z = weight_widen(p + 2);
    if (left > 3)
        v.w = weight_widen(p + 3);
    return v;
}

/* A strip of op(A): the tile's rows i0.. at k0.., k's from `end` on 0; into registers, then into
 * local memory as a[k][row]. */
static inline void read_a(float4 *r, __global const float *A, long lda, long i0, long M, long k0,
                          long end)
{
    UNROLL
    for (int i = 0; i < READS_A; i++) {
        const int e = (int)get_local_id(0) + i * ITEMS;
        if (FOURS_A % ITEMS != 0 && e >= FOURS_A)
            continue;
#if A_BY_COL
        const long row = i0 + ACROSS_A(e), k = k0 + ACROSS_A_K(e);
        r[i] = k < end ? four_a(A + k * lda + row, M - row) : (float4)(0.0f);
#else
        const long row = i0 + ALONG_OF(e), k = k0 + ALONG(e);
        r[i] = row < M ? four_a(A + row * lda + k, end - k) : (float4)(0.0f);
#endif
    }
}

LOCAL_FN void put_a(__local float *a, const float4 *r)
{
    UNROLL
    for (int i = 0; i < READS_A; i++) {
        const int e = (int)get_local_id(0) + i * ITEMS;
        if (FOURS_A % ITEMS != 0 && e >= FOURS_A)
            continue;
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

/* The same of op(B): columns j0.., as b[k][column]. */
static inline void read_b(float4 *r, __global const WEIGHT *B, long ldb, long j0, long N, long k0,
                          long end)
{
    UNROLL
    for (int i = 0; i < READS_B; i++) {
        const int e = (int)get_local_id(0) + i * ITEMS;
        if (FOURS_B % ITEMS != 0 && e >= FOURS_B)
            continue;
#if B_BY_ROW
        const long col = j0 + ALONG_OF(e), k = k0 + ALONG(e);
        r[i] = col < N ? four_b(B + col * ldb + k, end - k) : (float4)(0.0f);
#else
        const long col = j0 + ACROSS_B(e), k = k0 + ACROSS_B_K(e);
        r[i] = k < end ? four_b(B + k * ldb + col, N - col) : (float4)(0.0f);
#endif
    }
}

LOCAL_FN void put_b(__local float *b, const float4 *r)
{
    UNROLL
    for (int i = 0; i < READS_B; i++) {
        const int e = (int)get_local_id(0) + i * ITEMS;
        if (FOURS_B % ITEMS != 0 && e >= FOURS_B)
            continue;
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

/* The item's rows and columns within the tile. */
#define ROW(i) ((i) / 4 * (TM / (IM / 4)) + (int)get_local_id(0) / ACROSS * 4 + (i) % 4)
#define COL(g) ((g) * (TN / (IN / 4)) + (int)get_local_id(0) % ACROSS * 4)

/* acc += one k of the strips. */
LOCAL_FN void multiply(float4 acc[IM][IN / 4], __local const float *a, __local const float *b)
{
    float x[IM];
    float4 y[IN / 4];

    UNROLL
    for (int i = 0; i < IM; i += 4)
        vstore4(*(__local const float4 *)(a + ROW(i)), 0, x + i);
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
    __local float a[2][TK * PITCH_A] __attribute__((aligned(16)));
    __local float b[2][TK * PITCH_B] __attribute__((aligned(16)));
    const long item = get_group_id(2) / parts, part = get_group_id(2) % parts;
    const long i0 = (long)get_group_id(1) * TM, j0 = (long)get_group_id(0) * TN;
    __global float *c = TENSOR_PTR(C) + item * stride_c + part * M * N;
    __global const float *pa = TENSOR_PTR(A) + item * stride_a;
    __global const WEIGHT *pb = TENSOR_PTR(B) + item * stride_b;
    const long begin = part * length, end = min(begin + length, K);
    const int chain = alpha == 1.0f;
    float4 acc[IM][IN / 4], ra[READS_A], rb[READS_B];
    int half_now = 0;

    UNROLL
    for (int i = 0; i < IM; i++) {
        UNROLL
        for (int g = 0; g < IN / 4; g++) {
            const long row = i0 + ROW(i), col = j0 + COL(g);
            acc[i][g] = chain && accumulate && row < M ? load_c(c + row * ldc + col, N - col)
                                                       : (float4)(0.0f);
        }
    }
    read_a(ra, pa, lda, i0, M, begin, end);
    read_b(rb, pb, ldb, j0, N, begin, end);
    put_a(a[0], ra);
    put_b(b[0], rb);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (long k0 = begin; k0 < end; k0 += TK) {
        const int more = k0 + TK < end;

        if (more) {
            read_a(ra, pa, lda, i0, M, k0 + TK, end);
            read_b(rb, pb, ldb, j0, N, k0 + TK, end);
        }
        if (k0 + TK <= end) {
            UNROLL
            for (int k = 0; k < TK; k++)
                multiply(acc, a[half_now] + k * PITCH_A, b[half_now] + k * PITCH_B);
        } else {
            _Pragma("unroll 1") for (int k = 0; k < (int)(end - k0); k++)
                multiply(acc, a[half_now] + k * PITCH_A, b[half_now] + k * PITCH_B);
        }
        if (more) {
            put_a(a[1 - half_now], ra);
            put_b(b[1 - half_now], rb);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        half_now = 1 - half_now;
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
