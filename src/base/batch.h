#ifndef MADPO_BASE_BATCH_H
#define MADPO_BASE_BATCH_H
/* A packed, prefix-shared micro-batch: the contract between data (which fills it, data/pack.h) and
 * model (which runs it). Host memory only, plain arrays, no padding.
 *
 * Tokens lie in one flat list of T; a segment is a contiguous range of it. A segment may have a
 * prefix (another, earlier segment) that all its tokens attend to as well; positions continue from
 * the prefix's last. A preference pair is three segments, laid out in this order:
 *
 *     tokens   | prompt p0 .. pn-1 | chosen c0 .. cm-1 | rejected r0 .. rk-1 |
 *     pos        0 .. n-1            n .. n+m-1          n .. n+k-1
 *     prefix     none                prompt              prompt
 *     branches   chosen+rejected     none                none
 *
 * so the prompt is computed once and the branches do not see each other. A plain sequence is one
 * segment without prefix or branches.
 *
 * A row is one log-prob to be computed: the hidden state at token `row_token` predicts `row_label`,
 * and the result belongs to sequence `row_seq`. The prompt's last token carries two rows (the first
 * tokens of chosen and rejected). Rows of one sequence are contiguous and in order. Sequences are
 * numbered 0..n_seq-1; pair i owns sequences 2i (chosen) and 2i+1 (rejected).
 *
 * The last three groups are inverse lists that let every backward reduction run in a fixed order
 * without atomics.
 */
#include <stdint.h>

typedef struct madpo_segment {
    int32_t start, len;               /* tokens [start, start+len) */
    int32_t prefix_start, prefix_len; /* tokens all of these attend to; len 0 = none */
    int32_t branch_start, branch_len; /* later segments' tokens with this prefix; 0: none */
} madpo_segment;

typedef struct madpo_batch {
    int64_t T;              /* tokens */
    int32_t *ids;           /* [T] token ids */
    int32_t *pos;           /* [T] positions, from 0 */
    int32_t *tok_seg;       /* [T] segment of each token */
    int64_t n_seg;
    madpo_segment *seg;     /* [n_seg], by start */

    int64_t R;              /* log-prob rows */
    int32_t *row_token;     /* [R] token whose hidden state predicts */
    int32_t *row_label;     /* [R] token id predicted */
    int32_t *row_seq;       /* [R] sequence, non-decreasing */

    int64_t n_seq;          /* sequences (2 per pair) */
    int64_t *seq_row;       /* [n_seq+1] first row of each sequence; seq_row[n_seq] = R */
    int32_t *seq_last;      /* [n_seq] token index of each sequence's last token (reward pooling) */
    int64_t *seq_id;        /* [n_seq] caller's id: example or pair number in the data set */

    /* tokens by id, for the embedding gradient: id uniq[u] occurs at tokens
     * uniq_token[uniq_start[u] .. uniq_start[u+1]), ascending */
    int64_t n_uniq;
    int32_t *uniq;          /* [n_uniq] distinct ids, ascending */
    int32_t *uniq_start;    /* [n_uniq+1] */
    int32_t *uniq_token;    /* [T] */

    /* rows by token, for the head gradient: token t predicts rows
     * tok_row[tok_row_start[t] .. tok_row_start[t+1]) */
    int32_t *tok_row_start; /* [T+1] */
    int32_t *tok_row;       /* [R] */
} madpo_batch;

#endif
