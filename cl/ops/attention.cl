/* Causal softmax attention over packed, prefix-shared segments (src/ops/attention.h, base/batch.h).
 *
 *   attention_fwd    S = scale q k^T, masked; o = softmax(S) v; lse = logsumexp(S)
 *   attention_delta  delta = rowsum(do * o)
 *   attention_bwd_q  P = exp(S - lse), dS = P (do v^T - delta), dq = scale dS k
 *   attention_bwd_kv dv = P^T do, dk = scale dS^T q, over the group's heads and the branches
 *
 * Shapes as in the header. A work-group takes a block of BR consecutive tokens and one head (kv
 * head in bwd_kv): queries in fwd and bwd_q, keys in bwd_kv. A block may cross segments, so it is
 * taken in runs of one segment each; a run walks its keys (prefix, then own segment) or its queries
 * (own segment, then branches) 16 at a time by the products of tile.clh. Softmax is online (running
 * maximum m and sum l per row), so nothing of size T x T exists.
 * attention_decode takes one query row over a KV cache (decode.clh).
 * Parameters: HEAD_DIM, BR, MR (tile.clh), WG. Local memory (WG > 1): under 12 KB. fp32 throughout.
 * offline: -DHEAD_DIM=64 -DBR=16
 * offline: -DHEAD_DIM=128 -DBR=8
 * offline: -DHEAD_DIM=256 -DBR=4
 * Deterministic: every sum runs in one fixed order; no atomics.
 */
#include "lib/decode.clh"
#include "lib/reduce.clh"
#include "lib/scores.clh"
#include "lib/tile.clh"

#ifndef DELTA_ROWS
#define DELTA_ROWS 32 /* rows of a work-group of attention_delta */
#endif

/* lse of a row without any visible key: its probabilities are 0 in the backward pass too. */
#define EMPTY_LSE 1e30f

/* o [T,H,D], lse [T,H] write. Groups: blocks of BR queries x H heads, head fastest. */
ROW_KERNEL void attention_fwd(TENSOR(float, o), TENSOR(float, lse), TENSOR(const float, q),
                              TENSOR(const float, k), TENSOR(const float, v),
                              TENSOR(const int, seg), TENSOR(const int, tok_seg),
                              TENSOR(const int, pos), long T, long H, long K, long window,
                              float scale)
{
    TILE float S[BR * 16], l[L_FLOATS], m[BR], keep[BR], stage[STAGE_FLOATS];
    float acc[ACC_FLOATS];
    float q_rows[BLOCK_FLOATS(BR)], k_rows[BLOCK_FLOATS(16)], k_cols[BLOCK_FLOATS(16)];
    float v_rows[BLOCK_FLOATS(16)];
    const long h = get_group_id(0) % H, t0 = get_group_id(0) / H * BR, t1 = min(t0 + BR, T);
    const long kv = h / (H / K);
    scores s = {scale, window, TENSOR_PTR(pos)};

    for (long t = t0; t < t1;) {
        run r;
        tokens rows;
        block Q, Kb, V;
        run_at(&r, t, t1, TENSOR_PTR(seg), TENSOR_PTR(tok_seg));
        run_rows(&rows, &r);
        run_keys(&s.cols, &r);
        s.row0 = r.row0;
        s.self = s.cols.n - r.n;
        block_init(&Q, TENSOR_PTR(q), H, h, &rows, q_rows, 0);
        block_init(&Kb, TENSOR_PTR(k), K, kv, &s.cols, k_rows, k_cols);
        block_init(&V, TENSOR_PTR(v), K, kv, &s.cols, v_rows, 0);

        block_load(&Q, 0, row_ceil(r.n));
        tile_acc_zero(acc);
        softmax_start(m, l, keep);
        for (s.first = 0; s.first < s.cols.n; s.first += 16) {
            const int ra = row_floor(s.first - s.self); /* rows before see none of these keys */
            if (!scores_reach(&s, r.n, 1))
                continue;
            block_load(&Kb, s.first, 16);
            block_load(&V, s.first, 16);
            tile_dot(S, stage, &Q, &Kb, ra, r.n);
            softmax_step(S, m, l, keep, &s, ra, r.n);
            tile_acc(acc, S, &V, keep, ra, r.n);
        }
        TILE_BARRIER();
        for (int i = ROW_FIRST; i < r.n; i += WG) {
            const float sum = softmax_sum(l, i);
            keep[i] = sum != 0.0f ? 1.0f / sum : 0.0f;
            TENSOR_PTR(lse)[(r.row0 + i) * H + h] = sum != 0.0f ? m[i] + log(sum) : EMPTY_LSE;
        }
        TILE_BARRIER();
        tile_acc_store(TENSOR_PTR(o) + h * HEAD_DIM, H * HEAD_DIM, r.row0, r.n, acc, keep, 0);
        TILE_BARRIER();
        t += r.n;
    }
}

/* delta [n] write, n = T H rows; a group takes DELTA_ROWS of them. */
ROW_KERNEL void attention_delta(TENSOR(float, delta), TENSOR(const float, d_o),
                                TENSOR(const float, o), long n)
{
    ROW_SCRATCH(s);
    const long first = get_group_id(0) * DELTA_ROWS, end = min(first + DELTA_ROWS, n);
    for (long i = first; i < end; i++) {
        const float sum =
            row_dot(TENSOR_PTR(d_o) + i * HEAD_DIM, TENSOR_PTR(o) + i * HEAD_DIM, HEAD_DIM, s);
        if (get_local_id(0) == 0)
            TENSOR_PTR(delta)[i] = sum;
    }
}

/* dq [T,H,D] write or accumulate. Groups as in attention_fwd. */
ROW_KERNEL void attention_bwd_q(TENSOR(float, dq), TENSOR(const float, d_o),
                                TENSOR(const float, lse), TENSOR(const float, delta),
                                TENSOR(const float, q), TENSOR(const float, k),
                                TENSOR(const float, v), TENSOR(const int, seg),
                                TENSOR(const int, tok_seg), TENSOR(const int, pos), long T, long H,
                                long K, long window, float scale, int accumulate)
{
    TILE float S[BR * 16], dP[BR * 16], factor[BR], stage[STAGE_FLOATS];
    float acc[ACC_FLOATS];
    float q_rows[BLOCK_FLOATS(BR)], do_rows[BLOCK_FLOATS(BR)], k_rows[BLOCK_FLOATS(16)];
    float k_cols[BLOCK_FLOATS(16)], v_rows[BLOCK_FLOATS(16)], v_cols[BLOCK_FLOATS(16)];
    const long h = get_group_id(0) % H, t0 = get_group_id(0) / H * BR, t1 = min(t0 + BR, T);
    const long kv = h / (H / K);
    scores s = {scale, window, TENSOR_PTR(pos)};

    for (int i = ROW_FIRST; i < BR; i += WG)
        factor[i] = scale;
    for (long t = t0; t < t1;) {
        run r;
        tokens rows;
        block Q, DO, Kb, V;
        run_at(&r, t, t1, TENSOR_PTR(seg), TENSOR_PTR(tok_seg));
        run_rows(&rows, &r);
        run_keys(&s.cols, &r);
        s.row0 = r.row0;
        s.self = s.cols.n - r.n;
        block_init(&Q, TENSOR_PTR(q), H, h, &rows, q_rows, 0);
        block_init(&DO, TENSOR_PTR(d_o), H, h, &rows, do_rows, 0);
        block_init(&Kb, TENSOR_PTR(k), K, kv, &s.cols, k_rows, k_cols);
        block_init(&V, TENSOR_PTR(v), K, kv, &s.cols, v_rows, v_cols);

        block_load(&Q, 0, row_ceil(r.n));
        block_load(&DO, 0, row_ceil(r.n));
        tile_acc_zero(acc);
        for (s.first = 0; s.first < s.cols.n; s.first += 16) {
            const int ra = row_floor(s.first - s.self);
            if (!scores_reach(&s, r.n, 1))
                continue;
            block_load(&Kb, s.first, 16);
            block_load(&V, s.first, 16);
            tile_dot(S, stage, &Q, &Kb, ra, r.n);
            tile_dot(dP, stage, &DO, &V, ra, r.n);
            q_probabilities(S, dP, TENSOR_PTR(lse) + r.row0 * H + h,
                            TENSOR_PTR(delta) + r.row0 * H + h, H, &s, ra, r.n);
            tile_acc(acc, S, &Kb, 0, ra, r.n);
        }
        TILE_BARRIER();
        tile_acc_store(TENSOR_PTR(dq) + h * HEAD_DIM, H * HEAD_DIM, r.row0, r.n, acc, factor,
                       accumulate);
        t += r.n;
    }
}

/* dk, dv [T,K,D] write or accumulate. Groups: blocks of BR keys x K heads, head fastest. Rows of a
 * tile are keys, columns queries; the group's heads are taken in order. */
ROW_KERNEL void attention_bwd_kv(TENSOR(float, dk), TENSOR(float, dv), TENSOR(const float, d_o),
                                 TENSOR(const float, lse), TENSOR(const float, delta),
                                 TENSOR(const float, q), TENSOR(const float, k),
                                 TENSOR(const float, v), TENSOR(const int, seg),
                                 TENSOR(const int, tok_seg), TENSOR(const int, pos), long T, long H,
                                 long K, long window, float scale, int accumulate)
{
    TILE float S[BR * 16], dP[BR * 16], factor[BR], one[BR], col_lse[16], col_delta[16];
    TILE float stage[STAGE_FLOATS];
    float acc_k[ACC_FLOATS], acc_v[ACC_FLOATS];
    float k_rows[BLOCK_FLOATS(BR)], v_rows[BLOCK_FLOATS(BR)], q_rows[BLOCK_FLOATS(16)];
    float q_cols[BLOCK_FLOATS(16)], do_rows[BLOCK_FLOATS(16)], do_cols[BLOCK_FLOATS(16)];
    const long kv = get_group_id(0) % K, t0 = get_group_id(0) / K * BR, t1 = min(t0 + BR, T);
    scores s = {scale, window, TENSOR_PTR(pos)};

    for (int i = ROW_FIRST; i < BR; i += WG) {
        factor[i] = scale;
        one[i] = 1.0f;
    }
    for (long t = t0; t < t1;) {
        run r;
        tokens rows;
        block Kb, V, Q, DO;
        run_at(&r, t, t1, TENSOR_PTR(seg), TENSOR_PTR(tok_seg));
        run_rows(&rows, &r);
        run_queries(&s.cols, &r);
        s.row0 = r.row0;
        block_init(&Kb, TENSOR_PTR(k), K, kv, &rows, k_rows, 0);
        block_init(&V, TENSOR_PTR(v), K, kv, &rows, v_rows, 0);

        block_load(&Kb, 0, row_ceil(r.n));
        block_load(&V, 0, row_ceil(r.n));
        tile_acc_zero(acc_k);
        tile_acc_zero(acc_v);
        const int tiles = (s.cols.n + 15) / 16;
        for (int step = 0; step < (int)(H / K) * tiles; step++) {
            const long h = kv * (H / K) + step / tiles;
            s.first = step % tiles * 16;
            const int rb = row_ceil(min(r.n, s.first + 16)); /* keys after the queries: unseen */
            if (!scores_reach(&s, r.n, 0))
                continue;
            block_init(&Q, TENSOR_PTR(q), H, h, &s.cols, q_rows, q_cols);
            block_init(&DO, TENSOR_PTR(d_o), H, h, &s.cols, do_rows, do_cols);
            block_load(&Q, s.first, 16);
            block_load(&DO, s.first, 16);
            scores_load_columns(col_lse, col_delta, TENSOR_PTR(lse), TENSOR_PTR(delta), &s, H, h);
            tile_dot(S, stage, &Kb, &Q, 0, rb);
            tile_dot(dP, stage, &V, &DO, 0, rb);
            kv_probabilities(S, dP, col_lse, col_delta, &s, rb, r.n);
            tile_acc(acc_v, S, &DO, 0, 0, rb);
            tile_acc(acc_k, dP, &Q, 0, 0, rb);
            TILE_BARRIER();
        }
        TILE_BARRIER();
        tile_acc_store(TENSOR_PTR(dk) + kv * HEAD_DIM, K * HEAD_DIM, r.row0, r.n, acc_k, factor,
                       accumulate);
        tile_acc_store(TENSOR_PTR(dv) + kv * HEAD_DIM, K * HEAD_DIM, r.row0, r.n, acc_v, one,
                       accumulate);
        t += r.n;
    }
}

/* o [B,H,D] write: slot b's newest token (position len-1) against keys max(0,len-window)..len-1 of
 * its cache [slots,P,K,D]. Groups: B x H heads, head fastest. */
ROW_KERNEL void attention_decode(TENSOR(float, o), TENSOR(const float, q),
                                 TENSOR(const float, k_cache), TENSOR(const float, v_cache),
                                 TENSOR(const int, slot), TENSOR(const int, len), long P, long H,
                                 long K, long window, float scale)
{
    DECODE_MEMORY(m);
    const long h = get_group_id(0) % H, b = get_group_id(0) / H, kv = h / (H / K);
    const int n = TENSOR_PTR(len)[b];
    const int first = window > 0 && n > window ? n - (int)window : 0;
    const long base = ((long)TENSOR_PTR(slot)[b] * P * K + kv) * HEAD_DIM;

    decode_row(TENSOR_PTR(o) + (b * H + h) * HEAD_DIM, TENSOR_PTR(q) + (b * H + h) * HEAD_DIM,
               TENSOR_PTR(k_cache) + base, TENSOR_PTR(v_cache) + base, K * HEAD_DIM, first, n,
               scale, m);
}
