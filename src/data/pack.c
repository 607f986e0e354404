/* Packing examples into micro-batches; see pack.h and the layout in base/batch.h. */
#include "data/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/rng.h"

enum { RADIX_BITS = 11, RADIX = 1 << RADIX_BITS };

/* Streams of the counter-based generator that shuffles use; the epoch is added. "pack" in ASCII. */
#define PACK_STREAM 0x7061636B00000000u

struct madpo_packer {
    madpo_batch_limits limits;
    madpo_batch batch;
    int32_t *sorted; /* [max_tokens] the other half of the radix sort */
    int32_t max_id;  /* of the tokens in the batch */
    void *memory;    /* one block for all arrays */
};

/* What an example takes of each limit. */
static madpo_batch_limits pack_need(const madpo_example *e)
{
    madpo_batch_limits need = {e->n_prompt, 0, e->n_branches == 1 ? 0 : e->n_prompt > 0,
                               e->n_branches};

    for (int b = 0; b < e->n_branches; b++) {
        need.max_tokens += e->n_branch[b];
        need.max_rows += e->n_branch[b];
        /* the first token of a branch without prompt has nothing to be predicted from */
        need.max_rows -= e->n_prompt == 0 && e->n_branch[b] > 0;
        need.max_segments +=
            e->n_branches == 1 ? e->n_prompt + e->n_branch[b] > 0 : e->n_branch[b] > 0;
    }
    return need;
}

static bool pack_fits(const madpo_batch_limits *used, const madpo_batch_limits *need,
                      const madpo_batch_limits *limits)
{
    return used->max_tokens + need->max_tokens <= limits->max_tokens &&
           used->max_rows + need->max_rows <= limits->max_rows &&
           used->max_segments + need->max_segments <= limits->max_segments &&
           used->max_sequences + need->max_sequences <= limits->max_sequences;
}

/* ---- a packer's life ---- */

/* Count an array of n items into *total and keep every array aligned to 8 bytes. */
static bool packer_plan(size_t *total, size_t *offset, int64_t n, size_t size)
{
    size_t bytes;

    *offset = *total;
    return n >= 0 && madpo_checked_mul(&bytes, (size_t)n, size) && bytes < SIZE_MAX - 8 &&
           madpo_checked_add(total, *total, (bytes + 7) / 8 * 8);
}

/* One array of the batch: where its pointer goes, how many items, of which size. */
typedef struct packer_array {
    void *pointer; /* address of the pointer */
    int64_t n;
    size_t size;
} packer_array;

static madpo_status packer_allocate(madpo_packer *p, madpo_error *err)
{
    const madpo_batch_limits *l = &p->limits;
    madpo_batch *b = &p->batch;
    packer_array arrays[] = {
        {&b->seq_row, l->max_sequences + 1, sizeof *b->seq_row},
        {&b->seq_id, l->max_sequences, sizeof *b->seq_id},
        {&b->seg, l->max_segments, sizeof *b->seg},
        {&b->ids, l->max_tokens, sizeof *b->ids},
        {&b->pos, l->max_tokens, sizeof *b->pos},
        {&b->tok_seg, l->max_tokens, sizeof *b->tok_seg},
        {&b->row_token, l->max_rows, sizeof *b->row_token},
        {&b->row_label, l->max_rows, sizeof *b->row_label},
        {&b->row_seq, l->max_rows, sizeof *b->row_seq},
        {&b->seq_last, l->max_sequences, sizeof *b->seq_last},
        {&b->uniq, l->max_tokens, sizeof *b->uniq},
        {&b->uniq_start, l->max_tokens + 1, sizeof *b->uniq_start},
        {&b->uniq_token, l->max_tokens, sizeof *b->uniq_token},
        {&b->tok_row_start, l->max_tokens + 1, sizeof *b->tok_row_start},
        {&b->tok_row, l->max_rows, sizeof *b->tok_row},
        {&p->sorted, l->max_tokens, sizeof *p->sorted},
    };
    enum { N_ARRAYS = sizeof arrays / sizeof *arrays };
    size_t offset[N_ARRAYS], total = 0;
    bool fits = true;

    for (size_t i = 0; i < N_ARRAYS && fits; i++)
        fits = packer_plan(&total, &offset[i], arrays[i].n, arrays[i].size);
    p->memory = fits ? calloc(1, total) : NULL;
    if (!p->memory)
        return madpo_error_set(err, MADPO_ERR_NOMEM,
                               "no memory for a batch of %lld tokens; lower batch.tokens",
                               (long long)l->max_tokens);
    for (size_t i = 0; i < N_ARRAYS; i++) {
        char *start = (char *)p->memory + offset[i];

        memcpy(arrays[i].pointer, &start, sizeof start); /* whatever type it points to */
    }
    return MADPO_OK;
}

madpo_status madpo_packer_new(madpo_packer **out, const madpo_batch_limits *limits,
                              madpo_error *err)
{
    madpo_packer *p;
    madpo_status st;

    *out = NULL;
    if (limits->max_tokens < 1 || limits->max_tokens > INT32_MAX / 2 || limits->max_rows < 0 ||
        limits->max_rows > INT32_MAX / 2 || limits->max_segments < 1 || limits->max_sequences < 1)
        return madpo_error_set(
            err, MADPO_ERR_CONFIG,
            "a batch of %lld tokens cannot be; set batch.tokens between 1 and %d",
            (long long)limits->max_tokens, INT32_MAX / 2);
    p = calloc(1, sizeof *p);
    if (!p)
        return madpo_error_set(err, MADPO_ERR_NOMEM, "no memory for a packer");
    p->limits = *limits;
    st = packer_allocate(p, err);
    if (st != MADPO_OK) {
        madpo_packer_free(p);
        return st;
    }
    madpo_packer_reset(p);
    *out = p;
    return MADPO_OK;
}

void madpo_packer_free(madpo_packer *packer)
{
    if (!packer)
        return;
    free(packer->memory);
    free(packer);
}

void madpo_packer_reset(madpo_packer *packer)
{
    madpo_batch *b = &packer->batch;

    b->T = b->n_seg = b->R = b->n_seq = b->n_uniq = 0;
    packer->max_id = 0;
}

/* ---- filling ---- */

/* Append tokens to the batch, in the segment numbered n_seg (which the caller opens after), at
 * positions from `pos` on. */
static void packer_tokens(madpo_packer *p, const int32_t *ids, int32_t n, int32_t pos)
{
    madpo_batch *b = &p->batch;

    for (int32_t i = 0; i < n; i++, b->T++) {
        b->ids[b->T] = ids[i];
        b->pos[b->T] = pos + i;
        b->tok_seg[b->T] = (int32_t)b->n_seg;
        if (ids[i] > p->max_id)
            p->max_id = ids[i];
    }
}

/* One sequence's rows: `before` is the token that predicts the first label (-1 = none, then the
 * first label has no row), the branch itself begins at token `start`. */
static void packer_rows(madpo_packer *p, int32_t before, int32_t start, int32_t n, int64_t id)
{
    madpo_batch *b = &p->batch;

    b->seq_row[b->n_seq] = b->R;
    b->seq_id[b->n_seq] = id;
    b->seq_last[b->n_seq] = n > 0 ? start + n - 1 : before;
    for (int32_t i = before < 0; i < n; i++, b->R++) {
        b->row_token[b->R] = i == 0 ? before : start + i - 1;
        b->row_label[b->R] = b->ids[start + i];
        b->row_seq[b->R] = (int32_t)b->n_seq;
    }
    b->n_seq++;
    b->seq_row[b->n_seq] = b->R;
}

/* One segment for prompt and branch together. */
static void packer_add_plain(madpo_packer *p, const madpo_example *e)
{
    madpo_batch *b = &p->batch;
    int32_t start = (int32_t)b->T, branch = start + e->n_prompt;

    packer_tokens(p, e->prompt, e->n_prompt, 0);
    packer_tokens(p, e->branch[0], e->n_branch[0], e->n_prompt);
    if (b->T > start)
        b->seg[b->n_seg++] = (madpo_segment){start, (int32_t)b->T - start, 0, 0, 0, 0};
    packer_rows(p, e->n_prompt > 0 ? branch - 1 : -1, branch, e->n_branch[0], e->id);
}

/* The prompt's segment, then one for each branch with the prompt as prefix. */
static void packer_add_pair(madpo_packer *p, const madpo_example *e)
{
    madpo_batch *b = &p->batch;
    int32_t prompt = (int32_t)b->T, n = e->n_prompt, branches = prompt + n;
    int32_t n_after = e->n_branch[0] + e->n_branch[1];

    packer_tokens(p, e->prompt, n, 0);
    if (n > 0)
        b->seg[b->n_seg++] = (madpo_segment){prompt, n, 0, 0, n_after ? branches : 0, n_after};
    for (int i = 0; i < 2; i++) {
        int32_t start = (int32_t)b->T;

        packer_tokens(p, e->branch[i], e->n_branch[i], n);
        if (e->n_branch[i] > 0)
            b->seg[b->n_seg++] =
                (madpo_segment){start, e->n_branch[i], n > 0 ? prompt : 0, n, 0, 0};
        packer_rows(p, n > 0 ? branches - 1 : -1, start, e->n_branch[i], e->id);
    }
}

bool madpo_packer_add(madpo_packer *packer, const madpo_example *example)
{
    const madpo_batch *b = &packer->batch;
    madpo_batch_limits used = {b->T, b->R, b->n_seg, b->n_seq};
    madpo_batch_limits need = pack_need(example);

    assert(example->n_branches == 1 || example->n_branches == 2);
    assert(need.max_tokens > 0);
    if (!pack_fits(&used, &need, &packer->limits))
        return false;
    if (example->n_branches == 1)
        packer_add_plain(packer, example);
    else
        packer_add_pair(packer, example);
    return true;
}

/* ---- inverse lists ---- */

/* One pass of the radix sort of tokens by id: stable, so tokens of one id stay ascending. */
static void packer_sort_pass(const madpo_batch *b, const int32_t *from, int32_t *to, int shift)
{
    int32_t start[RADIX + 1] = {0};

    for (int64_t i = 0; i < b->T; i++)
        start[((uint32_t)b->ids[from[i]] >> shift & (RADIX - 1)) + 1]++;
    for (int i = 0; i < RADIX; i++)
        start[i + 1] += start[i];
    for (int64_t i = 0; i < b->T; i++)
        to[start[(uint32_t)b->ids[from[i]] >> shift & (RADIX - 1)]++] = from[i];
}

/* Tokens by id. Sorted by hand because qsort may allocate. */
static void packer_index_ids(madpo_packer *p)
{
    madpo_batch *b = &p->batch;
    int32_t *from = b->uniq_token, *to = p->sorted;

    for (int64_t i = 0; i < b->T; i++)
        from[i] = (int32_t)i;
    for (int shift = 0; shift < 32 && (uint32_t)p->max_id >> shift; shift += RADIX_BITS) {
        int32_t *swap = from;

        packer_sort_pass(b, from, to, shift);
        from = to;
        to = swap;
    }
    if (from != b->uniq_token)
        memcpy(b->uniq_token, from, (size_t)b->T * sizeof *from);
    b->n_uniq = 0;
    for (int64_t i = 0; i < b->T; i++) {
        int32_t id = b->ids[b->uniq_token[i]];

        if (i > 0 && b->uniq[b->n_uniq - 1] == id)
            continue;
        b->uniq[b->n_uniq] = id;
        b->uniq_start[b->n_uniq++] = (int32_t)i;
    }
    b->uniq_start[b->n_uniq] = (int32_t)b->T;
}

/* Rows by token: count, sum up, place. Placing moves each start to its end, that is one item on. */
static void packer_index_rows(madpo_batch *b)
{
    int32_t *start = b->tok_row_start;

    memset(start, 0, ((size_t)b->T + 1) * sizeof *start);
    for (int64_t r = 0; r < b->R; r++)
        start[b->row_token[r]]++;
    for (int64_t t = 0, sum = 0; t <= b->T; t++) {
        int32_t n = t < b->T ? start[t] : 0;

        start[t] = (int32_t)sum;
        sum += n;
    }
    for (int64_t r = 0; r < b->R; r++)
        b->tok_row[start[b->row_token[r]]++] = (int32_t)r;
    for (int64_t t = b->T; t > 0; t--)
        start[t] = start[t - 1];
    start[0] = 0;
}

const madpo_batch *madpo_packer_finish(madpo_packer *packer)
{
    packer->batch.seq_row[packer->batch.n_seq] = packer->batch.R;
    packer_index_ids(packer);
    packer_index_rows(&packer->batch);
    return &packer->batch;
}

/* ---- planning ---- */

static madpo_status pack_too_big(const madpo_example *e, const madpo_batch_limits *need,
                                 const madpo_batch_limits *limits, madpo_error *err)
{
    return madpo_error_set(
        err, MADPO_ERR_MEMORY,
        "example %lld (%lld tokens, %lld log-probs) fits no batch of %lld tokens and %lld "
        "log-probs; lower data.max_tokens or raise batch.tokens",
        (long long)e->id, (long long)need->max_tokens, (long long)need->max_rows,
        (long long)limits->max_tokens, (long long)limits->max_rows);
}

madpo_status madpo_pack_plan(size_t *n_runs, size_t *ends, const madpo_examples *examples,
                             const int64_t *order, size_t n, const madpo_batch_limits *limits,
                             madpo_error *err)
{
    madpo_batch_limits used = {0, 0, 0, 0};

    *n_runs = 0;
    for (size_t i = 0; i < n; i++) {
        const madpo_example *e = &examples->v[order[i]];
        madpo_batch_limits need = pack_need(e), none = {0, 0, 0, 0};

        if (!pack_fits(&none, &need, limits)) {
            *n_runs = 0;
            return pack_too_big(e, &need, limits, err);
        }
        if (i > 0 && !pack_fits(&used, &need, limits)) {
            ends[(*n_runs)++] = i;
            used = none;
        }
        used.max_tokens += need.max_tokens;
        used.max_rows += need.max_rows;
        used.max_segments += need.max_segments;
        used.max_sequences += need.max_sequences;
    }
    if (n)
        ends[(*n_runs)++] = n;
    return MADPO_OK;
}

void madpo_pack_epoch_order(int64_t *index, size_t n, uint64_t seed, uint64_t epoch)
{
    madpo_rng rng;

    for (size_t i = 0; i < n; i++)
        index[i] = (int64_t)i;
    madpo_rng_init(&rng, seed, PACK_STREAM + epoch);
    madpo_rng_shuffle(&rng, index, n);
}
