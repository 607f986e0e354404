/* Bringing a batch to the device: all its integers in one transfer. */
#include <string.h>

#include "base/error.h"
#include "model/internal.h"

int64_t madpo__batch_ints(const madpo_model_options *o, int64_t rows)
{
    /* ids, pos, tok_seg, uniq, uniq_token [T]; uniq_start, tok_row_start [T+1]; seg [n_seg,6];
     * row_token, row_label, tok_row [R]; seq_last [n_seq] */
    return 7 * rows + 2 + 6 * o->max_segments + 3 * o->max_rows + o->max_sequences;
}

/* The device indexes with these without looking: what is out of range must not get there. */
static madpo_status batch_check(const madpo_model *m, const madpo_batch *b, madpo_error *err)
{
    const madpo_model_options *o = &m->options;

    if (b->T > m->rows || b->R > o->max_rows || b->n_seg > o->max_segments ||
        b->n_seq > o->max_sequences)
        return madpo_error_set(
            err, MADPO_ERR_USAGE,
            "a batch of %lld tokens, %lld rows, %lld segments and %lld sequences "
            "is more than the model was planned for; raise batch.tokens",
            (long long)b->T, (long long)b->R, (long long)b->n_seg, (long long)b->n_seq);
    for (int64_t t = 0; t < b->T; t++) {
        if (b->ids[t] < 0 || b->ids[t] >= m->config.V)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "token id %d is outside the model's vocabulary of %d; tokenizer "
                                   "and model do not belong together",
                                   (int)b->ids[t], (int)m->config.V);
        if (b->pos[t] < 0 || b->pos[t] >= m->positions)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "a sequence of %d tokens is longer than the model's %lld "
                                   "positions; lower data.max_tokens",
                                   (int)b->pos[t] + 1, (long long)m->positions);
    }
    for (int64_t i = 0; i < b->R; i++)
        if (b->row_label[i] < 0 || b->row_label[i] >= m->config.V)
            return madpo_error_set(err, MADPO_ERR_DATA,
                                   "token id %d is outside the model's vocabulary of %d; tokenizer "
                                   "and model do not belong together",
                                   (int)b->row_label[i], (int)m->config.V);
    return MADPO_OK;
}

/* Append n integers to the staging area; *view is where they will lie on the device. */
static void stage(madpo_model *m, int64_t *at, madpo_tensor *view, const int32_t *src, int64_t n)
{
    if (n > 0)
        memcpy(m->batch_host + *at, src, (size_t)n * sizeof *src);
    *view = madpo_tensor_slice(m->batch_ints, *at, n);
    *at += n;
}

madpo_status madpo__batch_upload(madpo_model *m, const madpo_batch *b, madpo_error *err)
{
    madpo__device_batch *d = &m->batch;
    int64_t n = 0;
    madpo_status st = batch_check(m, b, err);

    if (st != MADPO_OK)
        return st;
    stage(m, &n, &d->ids, b->ids, b->T);
    stage(m, &n, &d->pos, b->pos, b->T);
    stage(m, &n, &d->tok_seg, b->tok_seg, b->T);
    stage(m, &n, &d->seg, (const int32_t *)(const void *)b->seg, 6 * b->n_seg);
    stage(m, &n, &d->row_token, b->row_token, b->R);
    stage(m, &n, &d->row_label, b->row_label, b->R);
    stage(m, &n, &d->seq_last, b->seq_last, b->n_seq);
    if (m->options.train && b->n_seq > 0) { /* a prefill has no sequences to learn from */
        stage(m, &n, &d->uniq, b->uniq, b->n_uniq);
        stage(m, &n, &d->uniq_start, b->uniq_start, b->n_uniq + 1);
        stage(m, &n, &d->uniq_token, b->uniq_token, b->T);
        stage(m, &n, &d->tok_row_start, b->tok_row_start, b->T + 1);
        stage(m, &n, &d->tok_row, b->tok_row, b->R);
    }
    return madpo_tensor_write(m->dev, m->batch_ints, m->batch_host, n, err);
}
